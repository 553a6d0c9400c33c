/* DMARC: the first line is a header's From field, the second the record at the author's domain, the
   rest that at the organisation's. What is read is within its bounds. */
#include "mail/dmarc.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(int ok)
{
	if (!ok)
		abort();
}

static lookup_kind ask(void *with, enum lookup_type type, slice name, arena *a, lookup_answer *out)
{
	slice *rest = with;

	must(type == LOOKUP_TXT && slice_starts(name, S("_dmarc.")));
	out->row = arena_new_array(a, 1, sizeof *out->row);
	out->count = slice_take(rest, '\n', &out->row[0]);
	return out->kind = out->count ? LOOKUP_FOUND : LOOKUP_ABSENT;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	arena a = ARENA_INIT;
	slice rest = slice_of(data, size), header, author;
	lookup dns = {.with = &rest, .ask = ask};
	spf_report spf = {.result = SPF_PASS, .domain = S("mail.t.test")};
	dmarc_report r;

	slice_take(&rest, '\n', &header);
	if (dmarc_author(header, &a, &author) == ST_OK) {
		slice organisation = dmarc_organisation(author);
		must(organisation.size > 0 && slice_ends_nocase(author, organisation));
		dmarc_query q = {.author = author, .spf = &spf, .draw = (unsigned)size % 100};
		dmarc_check(&q, &dns, &a, &r);
		must(r.record.percent <= 100 && r.wish <= r.published && r.reason != NULL);
		must(r.result == DMARC_FAIL || r.wish == DMARC_DO_NOTHING);
	}
	arena_release(&a);
	return 0;
}
