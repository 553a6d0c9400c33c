/* DKIM: a message is judged the same however its body is cut, and one that can be signed is
   believed afterwards, whatever was in it. The first byte says how it is cut and signed. */
#include "../unit/mail/toy.h"

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

static void judge(slice header, slice body, size_t step, arena *a, dkim_report *out)
{
	signature_body *b = signature_body_open(&toy);
	dkim_check *c = dkim_check_begin(header, b, a);

	for (size_t at = 0; at < body.size; at += step)
		signature_body_add(b, slice_until(slice_from(body, at), step));
	signature_body_end(b);
	dkim_check_end(c, &dns, NOW, out);
	signature_body_close(&b);
}

static void is_shown_safely(slice s)
{
	for (size_t i = 0; i < s.size; i++)
		must(s.at[i] > ' ' && s.at[i] <= '~' && !strchr("()<>,;\"\\", s.at[i]));
}

static void stays_the_same(const dkim_report *x, const dkim_report *y)
{
	must(x->count == y->count && x->ignored == y->ignored && x->count <= DKIM_SIGNATURES_MOST);
	must(dkim_overall(x) == dkim_overall(y) && dkim_overall(x) != DKIM_POLICY);
	for (size_t i = 0; i < x->count; i++) {
		const dkim_verdict *v = &x->verdict[i];
		must(v->result != DKIM_NONE && v->result == y->verdict[i].result && v->reason);
		must((v->uncovered > 0) == (v->result == DKIM_POLICY));
		is_shown_safely(v->domain);
		is_shown_safely(v->selector);
		is_shown_safely(v->identity);
		is_shown_safely(v->signature);
	}
}

static void is_believed_once_signed(slice header, slice body, unsigned how, arena *a)
{
	dkim_signer signer = {.domain = S("example.org"),
		.selector = S("one"),
		.header = how & 1 ? CANON_RELAXED : CANON_SIMPLE,
		.body = how & 2 ? CANON_RELAXED : CANON_SIMPLE};
	signature_body *b = signature_body_open(&toy);
	slice fields;
	dkim_sign *s;
	dkim_report r;

	status kind = dkim_sign_begin(header, &signer, 1, b, a, &s);
	signature_body_add(b, body);
	signature_body_end(b);
	if (kind == ST_OK) {
		must(dkim_sign_end(s, &fields) == ST_OK);
		slice message = arena_format(a, "%.*s%.*s", SLICE_ARGS(fields), SLICE_ARGS(header));
		judge(message, body, 1000, a, &r);
		must(r.verdict[0].result == DKIM_PASS);
	}
	signature_body_close(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	arena a = ARENA_INIT;
	slice header, body;
	dkim_report whole, pieces;

	if (size < 1)
		return 0;
	slice message = slice_of(data + 1, size - 1);
	signature_message_split(message, &a, &header, &body);
	judge(header, body, body.size + 1, &a, &whole);
	judge(header, body, 1 + data[0] % 7, &a, &pieces);
	stays_the_same(&whole, &pieces);
	if (!memchr(header.at ? header.at : "", 0, header.size)) /* printed with %.*s above */
		is_believed_once_signed(header, body, data[0], &a);
	arena_release(&a);
	return 0;
}
