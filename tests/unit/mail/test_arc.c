/* Chains by tables: what the form must be, what a seal covers, what is added when. The semantics of
   RFC 8617 5.1 and 5.2 as rows; real keys are in tests/unit/net/signature.c. */
#include "same.h"
#include "toy.h"

#include "mail/arc.h"

#define NOW (1700000000 * USEC_S)
#define HEADER                                                                                     \
	"From: Anna <anna@example.org>\r\n"                                                        \
	"To: list@example.net\r\n"                                                                 \
	"Subject: Hello\r\n"
#define BODY "Hello list\r\n"

static struct toy_record dns_rows[] = {
	{S("one._domainkey.a.example"), LOOKUP_FOUND, {S("v=DKIM1; p=dG95")}, 0},
	{S("one._domainkey.b.example"), LOOKUP_FOUND, {S("v=DKIM1; p=dG95")}, 0},
	{S("one._domainkey.c.example"), LOOKUP_FOUND, {S("v=DKIM1; p=dG95")}, 0},
	{S("later._domainkey.a.example"), LOOKUP_TEMPORARY, {S("")}, 0},
	{S(""), LOOKUP_ABSENT, {S("")}, 0},
};
static const lookup dns = {.with = dns_rows, .ask = toy_ask};

static arc_report judge(slice message, arena *a)
{
	arc_report report;

	arc_check_message(message, &toy, &dns, NOW, a, &report);
	return report;
}

/* Adds a set to a message, as one hop does; *kind tells what became of it. */
static slice seal_by(slice message, slice selector, slice domain, status *kind, arena *a)
{
	dkim_signer signer = {.domain = domain, .selector = selector, .at = NOW};
	arc_report before = judge(message, a);
	signature_body *b = signature_body_open(&toy);
	slice header, body, fields = S("");
	arc_seal *s;

	signature_message_split(message, a, &header, &body);
	cr_assert_eq(arc_seal_begin(header, &signer, b, a, &s), ST_OK);
	signature_body_add(b, body);
	signature_body_end(b);
	*kind = arc_seal_end(s, &before,
		arena_format(
			a, "mx.%.*s; spf=pass smtp.mailfrom=anna@example.org", SLICE_ARGS(domain)),
		&fields);
	signature_body_close(&b);
	return arena_format(a, "%.*s%.*s", SLICE_ARGS(fields), SLICE_ARGS(message));
}

static slice sealed(slice message, slice domain, arena *a)
{
	status kind;
	slice longer = seal_by(message, S("one"), domain, &kind, a);

	cr_assert_eq(kind, ST_OK);
	return longer;
}

static slice replace(slice s, slice old, slice new, arena *a)
{
	size_t at = slice_search(s, old);

	cr_assert_lt(at, s.size, "there is no %.*s in %.*s", SLICE_ARGS(old), SLICE_ARGS(s));
	slice rest = slice_from(s, at + old.size);
	return arena_format(a, "%.*s%.*s%.*s", (int)at, s.at, SLICE_ARGS(new), SLICE_ARGS(rest));
}

/* "result: reason (instance)". */
static slice words_of(const arc_report *r, arena *a)
{
	return arena_format(a, "%s: %s (%u)", dkim_result_name(r->result), r->reason, r->failed);
}

Test(arc, a_chain_grows_and_passes)
{
	arena a = ARENA_INIT;
	slice message = S(HEADER "\r\n" BODY);
	static const slice domains[] = {S("a.example"), S("b.example"), S("c.example")};

	arc_report none = judge(message, &a);
	SAME(words_of(&none, &a), S("none: there is no chain (0)"));
	for (unsigned i = 0; i < 3; i++) {
		message = sealed(message, domains[i], &a);
		arc_report r = judge(message, &a);
		SAME(words_of(&r, &a), S("pass: good chain (0)"));
		cr_assert_eq(r.sets, i + 1);
		cr_assert(!r.closed);
		SAME(r.set[i].domain, domains[i]);
		SAME(r.set[i].selector, S("one"));
		SAME(r.set[i].results,
			arena_format(&a, "mx.%.*s; spf=pass smtp.mailfrom=anna@example.org",
				SLICE_ARGS(domains[i])));
	}
	arena_release(&a);
}

Test(arc, what_a_hop_changes_only_the_next_one_vouches_for)
{
	arena a = ARENA_INIT;
	slice message = sealed(S(HEADER "\r\n" BODY), S("a.example"), &a);

	/* a list changes subject and body and seals what it made of them */
	slice changed = replace(message, S("Subject: Hello"), S("Subject: [list] Hello"), &a);
	changed = replace(changed, S("Hello list"), S("Hello list\r\n-- footer"), &a);
	arc_report before = judge(message, &a), after = judge(changed, &a);
	cr_assert_eq(before.result, DKIM_PASS);
	SAME(words_of(&after, &a), S("fail: body hash did not verify (1)"));

	dkim_signer signer = {.domain = S("b.example"), .selector = S("one")};
	signature_body *b = signature_body_open(&toy);
	slice header, body, fields;
	arc_seal *s;
	signature_message_split(changed, &a, &header, &body);
	cr_assert_eq(arc_seal_begin(header, &signer, b, &a, &s), ST_OK);
	signature_body_add(b, body);
	signature_body_end(b);
	cr_assert_eq(arc_seal_end(s, &before, S("mx.b.example; arc=pass"), &fields), ST_OK);
	signature_body_close(&b);
	arc_report r =
		judge(arena_format(&a, "%.*s%.*s", SLICE_ARGS(fields), SLICE_ARGS(changed)), &a);
	SAME(words_of(&r, &a), S("pass: good chain (0)"));
	cr_assert_eq(r.sets, 2);
	arena_release(&a);
}

/* Rows over a chain of two sets; the fields stand newest first: seal, message signature,
   results. */
Test(arc, every_field_of_a_chain_counts)
{
	static const struct {
		slice old, new, words;
	} rows[] = {
		/* what may change */
		{S("ARC-Seal: i=2"), S("Received: from c\r\nARC-Seal: i=2"),
			S("pass: good chain (0)")},
		{S("ARC-Seal: i=2"), S("arc-seal:  i=2"), S("pass: good chain (0)")},
		{S("From: Anna"), S("X-A: b\r\nFrom: Anna"), S("pass: good chain (0)")},
		/* the message */
		{S("Hello  list"), S("Hello"), S("fail: body hash did not verify (2)")},
		{S("Subject: Hello"), S("Subject: Bye"), S("fail: signature did not verify (2)")},
		{S("From: Anna"), S("From: x@example.com\r\nFrom: Anna"),
			S("fail: signature did not verify (2)")},
		/* the seals */
		{S("i=2; mx.b"), S("i=2; mx.x"), S("fail: signature did not verify (2)")},
		{S("i=1; mx.a"), S("i=1; mx.x"), S("fail: signature did not verify (2)")},
		{S("ARC-Seal: i=2; a=rsa-sha256; d=b"), S("ARC-Seal: i=2; a=rsa-sha256; d=nowhere"),
			S("fail: there is no key (2)")},
		/* the form */
		{S("ARC-Seal: i=2"), S("ARC-Seal: i=3"),
			S("fail: a field of the chain is missing (0)")},
		{S("ARC-Seal: i=2"), S("ARC-Seal: i=1"),
			S("fail: a field of the chain is there twice (0)")},
		{S("ARC-Seal: i=2"), S("ARC-Seal: i=0"),
			S("fail: a field of the chain is malformed (0)")},
		{S("ARC-Seal: i=2"), S("ARC-Seal: i=51"),
			S("fail: a field of the chain is malformed (0)")},
		{S("ARC-Seal: i=2"), S("ARC-Seal: i=002"),
			S("fail: a field of the chain is malformed (0)")},
		{S("ARC-Seal: i=2"), S("ARC-Seal: i=two"),
			S("fail: a field of the chain is malformed (0)")},
		{S("ARC-Seal: i=2;"), S("ARC-Seal:"),
			S("fail: a field of the chain is malformed (0)")},
		{S("ARC-Seal: i=2"), S("ARC-Seal: i=2; i=2"),
			S("fail: a field of the chain is malformed (0)")},
		{S("ARC-Seal: i=2"), S("X-Seal: i=2"),
			S("fail: a field of the chain is missing (0)")},
		{S("ARC-Message-Signature: i=1"), S("X-Message-Signature: i=1"),
			S("fail: a field of the chain is missing (0)")},
		{S("ARC-Authentication-Results: i=1"), S("X-Results: i=1"),
			S("fail: a field of the chain is missing (0)")},
		{S("ARC-Authentication-Results: i=1;"), S("ARC-Authentication-Results: "),
			S("fail: a field of the chain is malformed (0)")},
		{S("ARC-Authentication-Results: i=1;"), S("ARC-Authentication-Results: i=2;"),
			S("fail: a field of the chain is there twice (0)")},
		{S("cv=pass"), S("cv=none"), S("fail: cv= is not what it must be (2)")},
		{S("cv=none"), S("cv=pass"), S("fail: cv= is not what it must be (1)")},
		{S("cv=pass"), S("cv=maybe"), S("fail: cv= is not what it must be (2)")},
		{S(" cv=pass;"), S(""), S("fail: cv= is not what it must be (2)")},
		{S("cv=pass"), S("cv=fail"), S("fail: the chain failed before (2)")},
		{S("cv=none"), S("cv=fail"), S("fail: cv= is not what it must be (1)")},
		{S("cv=pass;"), S("cv=pass; h=from;"), S("fail: the seal has an h= tag (2)")},
		{S("ARC-Seal: i=2; a=rsa-sha256"), S("ARC-Seal: i=2; a=rsa-sha1"),
			S("fail: rsa-sha1 is not secure (2)")},
		{S("ARC-Seal: i=2; a=rsa-sha256;"), S("ARC-Seal: i=2;"), S("fail: no a= tag (2)")},
		{S("h=From:"), S("h=ARC-Seal:From:"), S("fail: h= names ARC-Seal (2)")},
		{S("h=From:From:"), S("h="), S("fail: From is not signed (2)")},
		{S("c=relaxed/relaxed"), S("c=relaxed"), S("fail: body hash did not verify (2)")},
		/* without c= it is relaxed, so that only the field itself has changed */
		{S("c=relaxed/relaxed; h"), S("h"), S("fail: signature did not verify (2)")},
		{S("c=relaxed/relaxed"), S("c=any"), S("fail: unknown canonicalisation (2)")},
	};
	arena a = ARENA_INIT;
	slice message = sealed(S(HEADER "\r\nHello  list\r\n"), S("a.example"), &a);

	message = sealed(message, S("b.example"), &a);
	for (size_t i = 0; i < ROWS(rows); i++) {
		arc_report r = judge(replace(message, rows[i].old, rows[i].new, &a), &a);
		SAME(words_of(&r, &a), rows[i].words);
	}
	arena_release(&a);
}

Test(arc, a_key_that_is_not_to_be_had_now_fails_nothing)
{
	arena a = ARENA_INIT;
	status kind;
	slice message = seal_by(S(HEADER "\r\n" BODY), S("later"), S("a.example"), &kind, &a);

	cr_assert_eq(kind, ST_OK);
	arc_report r = judge(message, &a);
	SAME(words_of(&r, &a), S("temperror: the key could not be fetched (1)"));
	slice same = seal_by(message, S("one"), S("b.example"), &kind, &a);
	cr_assert_eq(kind, ST_BUSY);
	SAME(same, message);
	arena_release(&a);
}

Test(arc, a_broken_chain_is_closed_for_good)
{
	arena a = ARENA_INIT;
	slice message = sealed(S(HEADER "\r\n" BODY), S("a.example"), &a);
	status kind;

	message = replace(message, S("Hello list"), S("Buy now"), &a);
	slice closed = sealed(message, S("b.example"), &a);
	cr_assert_lt(slice_search(closed, S("cv=fail")), closed.size);
	arc_report r = judge(closed, &a);
	SAME(words_of(&r, &a), S("fail: the chain failed before (2)"));
	cr_assert(r.closed);
	SAME(seal_by(closed, S("one"), S("c.example"), &kind, &a), closed);
	cr_assert_eq(kind, ST_DENIED);

	/* a form that is broken is sealed with the number after the highest that is there */
	slice gap = replace(sealed(S(HEADER "\r\n" BODY), S("a.example"), &a), S("ARC-Seal: i=1"),
		S("ARC-Seal: i=7"), &a);
	slice eighth = sealed(gap, S("b.example"), &a);
	cr_assert(slice_starts(eighth, S("ARC-Seal: i=8;")));
	cr_assert_lt(slice_search(eighth, S("cv=fail")), eighth.size);
	arena_release(&a);
}

Test(arc, fifty_sets_are_enough)
{
	arena a = ARENA_INIT;
	slice message = S(HEADER "\r\n" BODY);
	status kind;

	for (int i = 0; i < ARC_SETS_MOST; i++)
		message = sealed(message, i % 2 ? S("b.example") : S("a.example"), &a);
	arc_report r = judge(message, &a);
	SAME(words_of(&r, &a), S("pass: good chain (0)"));
	cr_assert_eq(r.sets, ARC_SETS_MOST);
	SAME(seal_by(message, S("one"), S("c.example"), &kind, &a), message);
	cr_assert_eq(kind, ST_LIMITED);

	text many = TEXT_INIT;
	for (int i = 0; i < 1000; i++)
		text_add(&many, S("ARC-Seal: i=1; cv=none\r\n"));
	text_add(&many, S(HEADER "\r\n"));
	arc_report flood = judge(text_slice(&many), &a);
	SAME(words_of(&flood, &a), S("fail: the chain is too long (0)"));
	text_free(&many);
	arena_release(&a);
}

Test(arc, keys_can_be_fetched_ahead)
{
	arena a = ARENA_INIT;
	slice message = sealed(S(HEADER "\r\n" BODY), S("a.example"), &a), header, body;
	signature_body *b = signature_body_open(&toy);

	message = sealed(message, S("b.example"), &a);
	signature_message_split(message, &a, &header, &body);
	arc_check *c = arc_check_begin(header, b, &a);
	cr_assert_eq(arc_check_count(c), 3);
	SAME(arc_check_key_name(c, 0), S("one._domainkey.b.example"));
	SAME(arc_check_key_name(c, 1), S("one._domainkey.b.example"));
	SAME(arc_check_key_name(c, 2), S("one._domainkey.a.example"));
	SAME(arc_check_key_name(c, 3), S(""));
	signature_body_close(&b);
	arena_release(&a);
}

Test(arc, results_that_are_no_field_are_refused)
{
	arena a = ARENA_INIT;
	dkim_signer signer = {.domain = S("a.example"), .selector = S("one")};
	arc_report none = {.result = DKIM_NONE};
	slice fields = S("");
	arc_seal *s;
	signature_body *b = signature_body_open(&toy);

	cr_assert_eq(arc_seal_begin(S("Subject: x\r\n"), &signer, b, &a, &s), ST_INVALID);
	cr_assert_eq(arc_seal_begin(S(HEADER), &signer, b, &a, &s), ST_OK);
	signature_body_end(b);
	cr_assert_eq(arc_seal_end(s, &none, S("mx; spf=pass\r\nFrom: eve"), &fields), ST_INVALID);
	cr_assert_eq(fields.size, 0);
	signature_body_close(&b);
	arena_release(&a);
}

/* RFC 8617 appendix B shows a message of three sets whose signatures are only sketched. Its form is
   right, so that what is missed is the first key. */
Test(arc, the_form_of_the_example_in_the_rfc_is_understood)
{
	slice message =
		S("ARC-Seal: i=3; a=rsa-sha256; cv=pass; d=clochette.example.org; s=\r\n"
		  "        clochette; t=12345; b=CU87XzXlNlk5X/yW4l73UvPUcP9ivwYWxyBWcVrRs7\r\n"
		  "        +HPx3K05nJhny2fvymbReAmOA9GTH/y+k9kEc59hAKVg==\r\n"
		  "ARC-Message-Signature: i=3; a=rsa-sha256; c=relaxed/relaxed; d=\r\n"
		  "        clochette.example.org; h=message-id:date:from:to:subject; s=\r\n"
		  "        clochette; t=12345; bh=KWSe46TZKCcDbH4klJPo+tjk5LWJnVRlP5pvjXFZYLQ=;\r\n"
		  "        b=o71vwyLsK+Wm4cOSlirXoRwzEvi0vqIjd/2/GkYFYlSd/GGfKzkAgPqxf\r\n"
		  "        K7ccBMP7Zjb/mpeggswHjEMS8x5NQ==\r\n"
		  "ARC-Authentication-Results: i=3; clochette.example.org; spf=fail\r\n"
		  "    smtp.from=jqd@d1.example; dkim=fail (512-bit key)\r\n"
		  "    header.i=@d1.example; dmarc=fail; arc=pass (as.2.gmail.example=pass,\r\n"
		  "    ams.2.gmail.example=pass, as.1.lists.example.org=pass,\r\n"
		  "    ams.1.lists.example.org=fail (message has been altered))\r\n"
		  "ARC-Seal: i=2; a=rsa-sha256; cv=pass; d=gmail.example; s=20120806; t=\r\n"
		  "        12345; b=Zpukh/kJL4Q7Kv391FKwTepgS56dgHIcdhhJZjsalhqkFIQQAJ4T9BE\r\n"
		  "        8jjLXWpRNuh81yqnT1/jHn086RwezGw==\r\n"
		  "ARC-Message-Signature: i=2; a=rsa-sha256; c=relaxed/relaxed; d=\r\n"
		  "        gmail.example; h=message-id:date:from:to:subject; s=20120806; t=\r\n"
		  "        12345; bh=KWSe46TZKCcDbH4klJPo+tjk5LWJnVRlP5pvjXFZYLQ=; b=CVoG44\r\n"
		  "        cVZvoSs2mMig2wwqPaJ4OZS5XGMCegWqQs1wvRZJS894tJM0xO1RJLgCPsBOxdA5\r\n"
		  "        9WSqI9s9DfyKDfWg==\r\n"
		  "ARC-Authentication-Results: i=2; gmail.example; spf=fail\r\n"
		  "    smtp.from=jqd@d1.example; dkim=fail (512-bit key)\r\n"
		  "    header.i=@example.org; dmarc=fail; arc=pass\r\n"
		  "ARC-Seal: i=1; a=rsa-sha256; cv=none; d=lists.example.org; s=dk-lists;\r\n"
		  "         t=12345; b=TlCCKzgk3TrAa+G77gYYO8Fxk4q/Ml0biqduZJeOYh6+0zhwQ8u/\r\n"
		  "        lHxLi21pxu347isLSuNtvIagIvAQna9a5A==\r\n"
		  "ARC-Message-Signature: i=1; a=rsa-sha256; c=relaxed/relaxed; d=\r\n"
		  "        lists.example.org; h=message-id:date:from:to:subject; s=\r\n"
		  "        dk-lists; t=12345; bh=KWSe46TZKCcDbH4klJPo+tjk5LWJnVRlP5pvjXFZYL\r\n"
		  "        Q=; b=DsoD3n3hiwlrN1ma8IZQFgZx8EDO7Wah3hUjIEsYKuShRKYB4LwGUiKD5Y\r\n"
		  "        yHgcIwGHhSc/4+ewYqHMWDnuFxiQ==\r\n"
		  "ARC-Authentication-Results: i=1; lists.example.org; spf=pass\r\n"
		  "    smtp.mfrom=jqd@d1.example; dkim=pass (512-bit key)\r\n"
		  "    header.i=@d1.example; dmarc=pass\r\n"
		  "From: John Q Doe <jqd@d1.example>\r\n"
		  "\r\n"
		  "Hey gang,\r\n");
	arena a = ARENA_INIT;
	slice header, body;
	signature_body *b = signature_body_open(&toy);

	signature_message_split(message, &a, &header, &body);
	arc_check *c = arc_check_begin(header, b, &a);
	cr_assert_eq(arc_check_count(c), 4);
	SAME(arc_check_key_name(c, 0), S("clochette._domainkey.clochette.example.org"));
	SAME(arc_check_key_name(c, 2), S("20120806._domainkey.gmail.example"));
	SAME(arc_check_key_name(c, 3), S("dk-lists._domainkey.lists.example.org"));
	signature_body_close(&b);
	arena_release(&a);
}
