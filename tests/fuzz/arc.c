/* ARC: a message is judged the same however its body is cut, and a set added here makes a chain
   that holds, or one that is closed. The first byte says how the body is cut. */
#include "../unit/mail/toy.h"

#include "mail/arc.h"

#include <stdlib.h>

#define NOW (1700000000 * USEC_S)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct toy_record records[] = {{S(""), LOOKUP_FOUND, {S("v=DKIM1; p=dG95")}, 0}};
static const lookup dns = {.with = records, .ask = toy_ask};

static void must(int ok)
{
	if (!ok)
		abort();
}

static void judge(slice header, slice body, size_t step, arena *a, arc_report *out)
{
	signature_body *b = signature_body_open(&toy);
	arc_check *c = arc_check_begin(header, b, a);

	must(arc_check_count(c) <= ARC_SETS_MOST + 1);
	for (size_t at = 0; at < body.size; at += step)
		signature_body_add(b, slice_until(slice_from(body, at), step));
	signature_body_end(b);
	arc_check_end(c, &dns, NOW, out);
	signature_body_close(&b);
}

static void grows(slice header, slice body, const arc_report *before, int hops, arena *a)
{
	dkim_signer signer = {.domain = S("example.org"), .selector = S("one")};
	signature_body *b = signature_body_open(&toy);
	slice fields;
	arc_seal *s;
	arc_report after;

	status kind = arc_seal_begin(header, &signer, b, a, &s);
	signature_body_add(b, body);
	signature_body_end(b);
	if (kind == ST_OK) {
		kind = arc_seal_end(s, before, S("mx.example.org; spf=pass"), &fields);
		must((kind == ST_DENIED) == before->closed);
		must(kind == ST_OK || kind == ST_DENIED || kind == ST_LIMITED);
	}
	if (kind == ST_OK) {
		slice longer = arena_format(a, "%.*s%.*s", SLICE_ARGS(fields), SLICE_ARGS(header));
		judge(longer, body, 1000, a, &after);
		must(after.sets == before->sets + 1);
		must(before->result == DKIM_FAIL ? after.result == DKIM_FAIL && after.closed
						 : after.result == DKIM_PASS && !after.closed);
		if (hops > 1)
			grows(longer, body, &after, hops - 1, a);
	}
	signature_body_close(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	arena a = ARENA_INIT;
	slice header, body;
	arc_report whole, pieces;

	if (size < 1)
		return 0;
	signature_message_split(slice_of(data + 1, size - 1), &a, &header, &body);
	judge(header, body, body.size + 1, &a, &whole);
	judge(header, body, 1 + data[0] % 7, &a, &pieces);
	must(whole.result == pieces.result && whole.failed == pieces.failed && whole.reason);
	must(whole.sets <= ARC_SETS_MOST && (whole.result != DKIM_NONE || whole.sets == 0));
	must(whole.result != DKIM_PASS || (whole.set && !whole.closed));
	if (!memchr(header.at ? header.at : "", 0, header.size)) /* printed with %.*s above */
		grows(header, body, &whole, 3, &a);
	arena_release(&a);
	return 0;
}
