/* SPF: each answer of the DNS is a line of the input, so that records, macros, explanations and
   hosts' names come from it. Whatever they say, checking ends, and an explanation is printable. */
#include "mail/spf.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(int ok)
{
	if (!ok)
		abort();
}

struct answers {
	slice rest;
	unsigned asked;
};

static lookup_kind ask(void *with, enum lookup_type type, slice name, arena *a, lookup_answer *out)
{
	struct answers *all = with;
	slice line;

	(void)name;
	must(++all->asked < 500);
	out->kind = LOOKUP_ABSENT;
	if (!slice_take(&all->rest, '\n', &line) || line.size == 0)
		return out->kind;
	if (line.at[0] == '!')
		return out->kind = LOOKUP_TEMPORARY;
	out->row = arena_new_array(a, 12, sizeof *out->row);
	while (out->count < 12 && slice_take(&line, '\t', &out->row[out->count])) {
		if (type == LOOKUP_A || type == LOOKUP_AAAA)
			out->row[out->count] = slice_of(
				"\x20\1\xd\xb8\0\0\0\0\0\0\0\0\0\0\0\1", type == LOOKUP_A ? 4 : 16);
		out->count++;
	}
	return out->kind = LOOKUP_FOUND;
}

/* The first line is the sender. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	arena a = ARENA_INIT;
	struct answers all = {.rest = slice_of(data, size)};
	lookup dns = {.with = &all, .ask = ask};
	spf_query q = {.helo = S("h.test")};
	spf_report r;

	slice_take(&all.rest, '\n', &q.mail_from);
	must(spf_client_parse(
		     q.mail_from.size % 2 ? S("192.0.2.1") : S("2001:db8::1"), &q.client) == ST_OK);
	spf_check(&q, &dns, &a, &r);
	must(r.result == SPF_FAIL || r.explanation.size == 0);
	for (size_t i = 0; i < r.explanation.size; i++)
		must(r.explanation.at[i] >= ' ' && r.explanation.at[i] < 0x7f);
	arena_release(&a);
	return 0;
}
