/* DKIM by tables: what is hashed, what is refused, what a signed message survives. Real keys and
   the examples of the RFCs are in tests/unit/net/signature.c. */
#include "same.h"
#include "toy.h"

#include "base/encode.h"
#include "mail/header.h"
#include "mail/signature_inside.h"

#define NOW (1700000000 * USEC_S)

/* --- Canonicalisation
   -------------------------------------------------------------------------- */

static slice hashed_body(enum signature_canon canon, slice body, size_t step, uint64_t limit,
	uint64_t *size, arena *a)
{
	text seen = TEXT_INIT;
	size_t which;
	signature_body *b = signature_body_open(&toy);

	toy_seen = &seen;
	cr_assert_eq(signature_body_want(b, canon, limit, &which), ST_OK);
	for (size_t at = 0; at < body.size; at += step)
		signature_body_add(b, slice_until(slice_from(body, at), step));
	signature_body_end(b);
	toy_seen = NULL;
	*size = signature_body_size(b, which);
	signature_body_close(&b);
	slice wanted = arena_copy(a, slice_until(text_slice(&seen), seen.size - 1));
	text_free(&seen);
	return wanted;
}

Test(dkim, bodies_are_made_canonical_wherever_they_are_cut)
{
	static const struct {
		slice body, simple, relaxed;
	} rows[] = {
		{S(""), S("\r\n"), S("")},
		{S("\r\n"), S("\r\n"), S("")},
		{S("\r\n\r\n\r\n"), S("\r\n"), S("")},
		{S("a"), S("a\r\n"), S("a\r\n")},
		{S("a\r\n"), S("a\r\n"), S("a\r\n")},
		{S("a\r\n\r\n\r\n"), S("a\r\n"), S("a\r\n")},
		{S("\r\n\r\na\r\n"), S("\r\n\r\na\r\n"), S("\r\n\r\na\r\n")},
		{S("a\r\n\r\nb\r\n\r\n"), S("a\r\n\r\nb\r\n"), S("a\r\n\r\nb\r\n")},
		/* RFC 6376 3.4.5 */
		{S(" C \r\nD \t E\r\n\r\n\r\n"), S(" C \r\nD \t E\r\n"), S(" C\r\nD E\r\n")},
		{S("a \t \r\nb"), S("a \t \r\nb\r\n"), S("a\r\nb\r\n")},
		{S("a  "), S("a  \r\n"), S("a\r\n")},
		{S("a\r\n \t\r\n  \r\n"), S("a\r\n \t\r\n  \r\n"), S("a\r\n")},
		{S("a\r\n \r\nb"), S("a\r\n \r\nb\r\n"), S("a\r\n\r\nb\r\n")},
		{S(" "), S(" \r\n"), S("")},
		{S("  \t\r\n"), S("  \t\r\n"), S("")},
		{S("\ta  b\t\tc "), S("\ta  b\t\tc \r\n"), S(" a b c\r\n")},
		/* a CR or an LF alone ends no line */
		{S("a\rb\nc\r"), S("a\rb\nc\r\r\n"), S("a\rb\nc\r\r\n")},
		{S("a \r\r\n\n"), S("a \r\r\n\n\r\n"), S("a \r\r\n\n\r\n")},
		{S("a\n\n"), S("a\n\n\r\n"), S("a\n\n\r\n")},
		{S("\r"), S("\r\r\n"), S("\r\r\n")},
		{S("a\r\n\r"), S("a\r\n\r\r\n"), S("a\r\n\r\r\n")},
		{S("a\0 \0b"), S("a\0 \0b\r\n"), S("a\0 \0b\r\n")},
	};
	arena a = ARENA_INIT;

	for (size_t i = 0; i < ROWS(rows); i++)
		for (size_t step = 1; step <= rows[i].body.size + 1; step++) {
			uint64_t simple, relaxed;
			SAME(hashed_body(
				     CANON_SIMPLE, rows[i].body, step, SIGNATURE_ALL, &simple, &a),
				rows[i].simple);
			SAME(hashed_body(CANON_RELAXED, rows[i].body, step, SIGNATURE_ALL, &relaxed,
				     &a),
				rows[i].relaxed);
			cr_assert_eq(simple, rows[i].simple.size);
			cr_assert_eq(relaxed, rows[i].relaxed.size);
		}
	arena_release(&a);
}

Test(dkim, a_limit_cuts_the_canonical_body)
{
	arena a = ARENA_INIT;
	uint64_t size;

	SAME(hashed_body(CANON_RELAXED, S("a  b\r\nc\r\n\r\n"), 1, 5, &size, &a), S("a b\r\n"));
	cr_assert_eq(size, 8);
	SAME(hashed_body(CANON_RELAXED, S("a  b\r\nc\r\n\r\n"), 100, 0, &size, &a), S(""));
	SAME(hashed_body(CANON_SIMPLE, S("abc"), 1, 99, &size, &a), S("abc\r\n"));
	cr_assert_eq(size, 5);
	arena_release(&a);
}

Test(dkim, long_bodies_leave_in_pieces_and_whole)
{
	arena a = ARENA_INIT;
	text body = TEXT_INIT;
	uint64_t size;

	for (int i = 0; i < 3000; i++)
		text_format(
			&body, "line %d with some words in it\r\n%s", i, i % 7 == 0 ? "\r\n" : "");
	slice whole = arena_copy(&a, text_slice(&body));
	for (int i = 0; i < 300; i++)
		text_add(&body, S("\r\n"));
	for (size_t step = 1; step < 200000; step = step * 5 + 2) {
		SAME(hashed_body(CANON_RELAXED, text_slice(&body), step, SIGNATURE_ALL, &size, &a),
			whole);
		SAME(hashed_body(CANON_SIMPLE, text_slice(&body), step, SIGNATURE_ALL, &size, &a),
			whole);
	}
	text_free(&body);
	arena_release(&a);
}

Test(dkim, wishes_are_shared_and_limited)
{
	signature_body *b = signature_body_open(&toy);
	size_t first, again, other;

	cr_assert_eq(signature_body_want(b, CANON_SIMPLE, 7, &first), ST_OK);
	cr_assert_eq(signature_body_want(b, CANON_SIMPLE, 7, &again), ST_OK);
	cr_assert_eq(first, again);
	for (uint64_t i = 1; i < SIGNATURE_WANTED_MOST; i++)
		cr_assert_eq(signature_body_want(b, CANON_RELAXED, i, &other), ST_OK);
	cr_assert_eq(signature_body_want(b, CANON_RELAXED, 100, &other), ST_LIMITED);
	signature_body_close(&b);
	signature_body_close(&b);
}

Test(dkim, fields_are_made_canonical)
{
	static const struct {
		slice raw, relaxed;
	} rows[] = {
		/* RFC 6376 3.4.5 */
		{S("A: X\r\n"), S("a:X\r\n")},
		{S("B : Y\t\r\n\tZ  \r\n"), S("b:Y Z\r\n")},
		{S("SUBject:\r\n"), S("subject:\r\n")},
		{S("Subject: \t \r\n \r\n"), S("subject:\r\n")},
		{S("X:a \t b\r\n\t c:d"), S("x:a b c:d\r\n")},
	};
	text out = TEXT_INIT;

	for (size_t i = 0; i < ROWS(rows); i++) {
		signature_canon_field(CANON_RELAXED, rows[i].raw, &out);
		SAME(text_slice(&out), rows[i].relaxed);
		text_clear(&out);
		signature_canon_field(CANON_SIMPLE, rows[i].raw, &out);
		cr_assert(slice_starts(text_slice(&out), rows[i].raw));
		cr_assert(slice_ends_nocase(text_slice(&out), S("\r\n")));
		text_clear(&out);
	}
	text_free(&out);
}

Test(dkim, a_signature_is_taken_out_of_its_own_field)
{
	static const struct {
		slice raw, simple, relaxed;
	} rows[] = {
		{S("D: a=1; b=xy zz\r\n\tq\r\n"), S("D: a=1; b="), S("d:a=1; b=")},
		{S("D: a=1; b= xy ; c=2\r\n"), S("D: a=1; b=; c=2"), S("d:a=1; b=; c=2")},
		{S("D:b=xy;c=2;\r\n"), S("D:b=;c=2;"), S("d:b=;c=2;")},
		{S("D: bh=b=; b =\r\n xy\r\n ; \r\n"), S("D: bh=b=; b =; "), S("d:bh=b=; b =;")},
		{S("D: b\r\n=xy\r\n"), S("D: b\r\n="), S("d:b =")},
		{S("D: B=xy; bb=z\r\n"), S("D: B=xy; bb=z"), S("d:B=xy; bb=z")},
	};
	text out = TEXT_INIT;

	for (size_t i = 0; i < ROWS(rows); i++) {
		signature_canon_own(CANON_SIMPLE, rows[i].raw, &out);
		SAME(text_slice(&out), rows[i].simple);
		text_clear(&out);
		signature_canon_own(CANON_RELAXED, rows[i].raw, &out);
		SAME(text_slice(&out), rows[i].relaxed);
		text_clear(&out);
	}
	text_free(&out);
}

Test(dkim, repeated_fields_are_taken_from_the_bottom_up)
{
	slice header =
		S("S: b=sig\r\nR: 1\r\nFrom: a\r\nR: 2\r\nno field\r\nr : 3\r\n\r\nR: body\r\n");
	static const struct {
		slice names, wanted;
	} rows[] = {
		{S("from"), S("from:a\r\ns:b=|")}, {S("r"), S("r:3\r\ns:b=|")},
		{S("R:R"), S("r:3\r\nr:2\r\ns:b=|")},
		{S("R : From:\r\n r:R"), S("r:3\r\nfrom:a\r\nr:2\r\nr:1\r\ns:b=|")},
		{S("R:R:R:R:R:From"), S("r:3\r\nr:2\r\nr:1\r\nfrom:a\r\ns:b=|")},
		{S("X:from:X:From"), S("from:a\r\ns:b=|")},
		{S("S:From"), S("from:a\r\ns:b=|")}, /* its own field is not among the others */
	};
	header_field own;

	cr_assert(header_find(header, S("S"), &own));
	for (size_t i = 0; i < ROWS(rows); i++) {
		text seen = TEXT_INIT;
		uint8_t digest[SIGNATURE_DIGEST];
		toy_seen = &seen;
		cr_assert_eq(signature_header_digest(
				     &toy, header, own.raw, rows[i].names, CANON_RELAXED, digest),
			ST_OK);
		toy_seen = NULL;
		SAME(text_slice(&seen), rows[i].wanted);
		text_free(&seen);
	}
}

Test(dkim, names_of_fields_have_their_limits)
{
	slice header = S("From: a\r\n\r\n");
	uint8_t digest[SIGNATURE_DIGEST];
	text names = TEXT_INIT;

	cr_assert_eq(
		signature_header_digest(&toy, header, S("s:b="), S("a::b"), CANON_SIMPLE, digest),
		ST_INVALID);
	cr_assert_eq(signature_header_digest(&toy, header, S("s:b="), S(""), CANON_SIMPLE, digest),
		ST_INVALID);
	for (int i = 1; i < SIGNATURE_NAMES_MOST; i++)
		text_add(&names, S("a:"));
	text_add(&names, S("from"));
	cr_assert_eq(signature_header_digest(
			     &toy, header, S("s:b="), text_slice(&names), CANON_SIMPLE, digest),
		ST_OK);
	text_add(&names, S(":a"));
	cr_assert_eq(signature_header_digest(
			     &toy, header, S("s:b="), text_slice(&names), CANON_SIMPLE, digest),
		ST_INVALID);
	text_free(&names);
}

/* --- Tags
   -------------------------------------------------------------------------------------- */

Test(dkim, tag_lists_are_read_strictly)
{
	static const struct {
		slice list;
		status kind;
		size_t count;
	} rows[] = {
		{S("a=1"), ST_OK, 1},
		{S(" a = 1 ;\r\n\tb_2= x y ; "), ST_OK, 2},
		{S("a="), ST_OK, 1},
		{S("a=b=c;"), ST_OK, 1},
		{S("a=1;A=2"), ST_OK, 2},
		{S("a=\xc3\xbc"), ST_OK, 1},
		{S(""), ST_INVALID, 0},
		{S(";"), ST_INVALID, 0},
		{S("a"), ST_INVALID, 0},
		{S("a=1;;b=2"), ST_INVALID, 0},
		{S("a=1;;"), ST_INVALID, 0},
		{S("a=1;a=1"), ST_INVALID, 0},
		{S("=1"), ST_INVALID, 0},
		{S("1a=1"), ST_INVALID, 0},
		{S("a b=1"), ST_INVALID, 0},
		{S("a=1\0"), ST_INVALID, 0},
		{S("a=\x7f"), ST_INVALID, 0},
		{S("a1=;a2=;a3=;a4=;a5=;a6=;a7=;a8=;a9=;b1=;b2=;b3=;b4=;b5=;b6=;b7=;b8=;b9=;c1=;c2=;c3=;"
		   "c4=;c5=;c6=;c7=;c8=;c9=;d1=;d2=;d3=;d4=;d5=;"),
			ST_OK, 32},
		{S("a1=;a2=;a3=;a4=;a5=;a6=;a7=;a8=;a9=;b1=;b2=;b3=;b4=;b5=;b6=;b7=;b8=;b9=;c1=;c2=;c3=;"
		   "c4=;c5=;c6=;c7=;c8=;c9=;d1=;d2=;d3=;d4=;d5=;d6="),
			ST_INVALID, 0},
	};

	for (size_t i = 0; i < ROWS(rows); i++) {
		tag_list tags;
		cr_assert_eq(tag_list_parse(rows[i].list, &tags), rows[i].kind, "row %zu", i);
		if (rows[i].kind == ST_OK)
			cr_assert_eq(tags.count, rows[i].count, "row %zu", i);
	}
}

/* --- Key records
   ------------------------------------------------------------------------------- */

Test(dkim, key_records_are_read)
{
	static const struct {
		slice record;
		status kind;
		dkim_record wanted;
	} rows[] = {
		{S("p=dG95"), ST_OK, {.public_key = S("toy"), .sha256 = true, .email = true}},
		{S("v=DKIM1; k=rsa; p=dG\r\n 95;"), ST_OK,
			{.public_key = S("toy"), .sha256 = true, .email = true}},
		{S("v=DKIM1; k=ed25519; t=y:s; h=sha1:sha256; s=email; n=hello there; p=dG95"),
			ST_OK,
			{.algorithm = SIGNATURE_ED25519_SHA256,
				.public_key = S("toy"),
				.sha256 = true,
				.email = true,
				.testing = true,
				.strict = true}},
		{S("h=sha1; s=tlsrpt; p=dG95"), ST_OK, {.public_key = S("toy")}},
		{S("s=other : *; t=s; p=dG95"), ST_OK,
			{.public_key = S("toy"), .sha256 = true, .email = true, .strict = true}},
		{S("v=DKIM1; p="), ST_OK, {.sha256 = true, .email = true}}, /* revoked */
		{S("v=DKIM1; k=dsa; p=dG95"), ST_FOREIGN, {0}},
		{S("v=DKIM2; p=dG95"), ST_INVALID, {0}},
		{S("v=dkim1; p=dG95"), ST_INVALID, {0}},
		{S("p=dG95; v=DKIM1"), ST_INVALID, {0}},
		{S("v=DKIM1; k=rsa"), ST_INVALID, {0}},
		{S("v=DKIM1; p=!"), ST_INVALID, {0}},
		{S("v=spf1 include:example.org -all"), ST_INVALID, {0}},
		{S(""), ST_INVALID, {0}},
	};
	arena a = ARENA_INIT;

	for (size_t i = 0; i < ROWS(rows); i++) {
		dkim_record got;
		cr_assert_eq(
			dkim_record_parse(rows[i].record, &a, &got), rows[i].kind, "row %zu", i);
		if (rows[i].kind != ST_OK)
			continue;
		SAME(got.public_key, rows[i].wanted.public_key);
		cr_assert_eq(got.algorithm, rows[i].wanted.algorithm, "row %zu", i);
		cr_assert_eq(got.testing, rows[i].wanted.testing, "row %zu", i);
		cr_assert_eq(got.strict, rows[i].wanted.strict, "row %zu", i);
		cr_assert_eq(got.sha256, rows[i].wanted.sha256, "row %zu", i);
		cr_assert_eq(got.email, rows[i].wanted.email, "row %zu", i);
	}
	slice big = arena_format(&a, "n=%0*d; p=dG95", DKIM_RECORD_MOST, 0);
	dkim_record got;
	cr_assert_eq(dkim_record_parse(big, &a, &got), ST_INVALID);
	arena_release(&a);
}

Test(dkim, key_records_are_written)
{
	arena a = ARENA_INIT;
	dkim_record back;

	SAME(dkim_record_text(SIGNATURE_RSA_SHA256, S("toy"), false, &a),
		S("v=DKIM1; k=rsa; p=dG95"));
	slice record = dkim_record_text(SIGNATURE_ED25519_SHA256, S("toy"), true, &a);
	SAME(record, S("v=DKIM1; k=ed25519; t=y; p=dG95"));
	cr_assert_eq(dkim_record_parse(record, &a, &back), ST_OK);
	cr_assert(back.testing);
	SAME(dkim_record_zone(S("one"), S("example.org"), S("short"), &a),
		S("one._domainkey.example.org. IN TXT ( \"short\" )"));
	slice zone =
		dkim_record_zone(S("one"), S("example.org"), arena_format(&a, "%0300d", 0), &a);
	cr_assert_eq(
		zone.size, sizeof "one._domainkey.example.org. IN TXT ( \"\" \"\" )" - 1 + 300);
	arena_release(&a);
}

Test(dkim, names_of_keys_are_names)
{
	static const struct {
		slice selector, domain;
		status kind;
	} rows[] = {
		{S("one"), S("Example.ORG"), ST_OK},
		{S("s1.x_2-b"), S("example.org"), ST_OK},
		{S(""), S("example.org"), ST_INVALID},
		{S("a..b"), S("example.org"), ST_INVALID},
		{S("-a"), S("example.org"), ST_INVALID},
		{S("a;b"), S("example.org"), ST_INVALID},
		{S("a b"), S("example.org"), ST_INVALID},
		{S("one"), S(""), ST_INVALID},
		{S("one"), S("exa mple.org"), ST_INVALID},
		{S("one"), S("[192.0.2.1]"), ST_INVALID},
	};
	arena a = ARENA_INIT;
	slice name;

	for (size_t i = 0; i < ROWS(rows); i++)
		cr_assert_eq(dkim_record_name(rows[i].selector, rows[i].domain, &a, &name),
			rows[i].kind, "row %zu", i);
	cr_assert_eq(dkim_record_name(S("One"), S("Example.ORG"), &a, &name), ST_OK);
	SAME(name, S("One._domainkey.example.org"));
	arena_release(&a);
}

/* --- Signing and judging
   ----------------------------------------------------------------------- */

#define HEADER                                                                                     \
	"Received: from a by b\r\n"                                                                \
	"From: Anna <anna@example.org>\r\n"                                                        \
	"To: bert@example.net\r\n"                                                                 \
	"Subject:  Hello\r\n\tthere \r\n"                                                          \
	"Date: Tue, 14 Nov 2023 22:13:20 +0000\r\n"
#define BODY "Hello  Bert,\r\n\r\nbye \r\n\r\n"

static slice sign_message(
	slice header, slice body, const dkim_signer *signer, size_t count, arena *a)
{
	signature_body *b = signature_body_open(&toy);
	dkim_sign *s;
	slice fields;

	cr_assert_eq(dkim_sign_begin(header, signer, count, b, a, &s), ST_OK);
	signature_body_add(b, body);
	signature_body_end(b);
	cr_assert_eq(dkim_sign_end(s, &fields), ST_OK);
	signature_body_close(&b);
	return arena_format(
		a, "%.*s%.*s\r\n%.*s", SLICE_ARGS(fields), SLICE_ARGS(header), SLICE_ARGS(body));
}

static struct toy_record dns_rows[] = {
	{S("one._domainkey.example.org"), LOOKUP_FOUND, {S("v=DKIM1; p=dG95")}, 0},
	{S("ed._domainkey.example.org"), LOOKUP_FOUND, {S("v=DKIM1; k=ed25519; p=dG95")}, 0},
	{S("strict._domainkey.example.org"), LOOKUP_FOUND, {S("v=DKIM1; t=s; p=dG95")}, 0},
	{S("testing._domainkey.example.org"), LOOKUP_FOUND, {S("v=DKIM1; t=y; p=dG95")}, 0},
	{S("beside._domainkey.example.org"), LOOKUP_FOUND, {S("v=spf1 -all"), S("p=dG95")}, 0},
	{S("broken._domainkey.example.org"), LOOKUP_FOUND, {S("v=spf1 -all")}, 0},
	{S("revoked._domainkey.example.org"), LOOKUP_FOUND, {S("v=DKIM1; p=")}, 0},
	{S("short._domainkey.example.org"), LOOKUP_FOUND, {S("v=DKIM1; p=c2hvcnQ=")}, 0},
	{S("junk._domainkey.example.org"), LOOKUP_FOUND, {S("v=DKIM1; p=anVuaw==")}, 0},
	{S("dsa._domainkey.example.org"), LOOKUP_FOUND, {S("v=DKIM1; k=dsa; p=dG95")}, 0},
	{S("sha1._domainkey.example.org"), LOOKUP_FOUND, {S("v=DKIM1; h=sha1; p=dG95")}, 0},
	{S("tlsrpt._domainkey.example.org"), LOOKUP_FOUND, {S("v=DKIM1; s=tlsrpt; p=dG95")}, 0},
	{S("later._domainkey.example.org"), LOOKUP_TEMPORARY, {S("")}, 0},
	{S("bogus._domainkey.example.org"), LOOKUP_PERMANENT, {S("")}, 0},
	{S(""), LOOKUP_ABSENT, {S("")}, 0},
};
static const lookup dns = {.with = dns_rows, .ask = toy_ask};

static dkim_verdict judge_first(slice message, arena *a)
{
	dkim_report report;

	dkim_check_message(message, &toy, &dns, NOW, a, &report);
	cr_assert_geq(report.count, 1);
	return report.verdict[0];
}

/* A verdict reads "result: reason". */
#define JUDGED(message, words)                                                                     \
	do {                                                                                       \
		dkim_verdict v_ = judge_first(message, &a);                                        \
		SAME(arena_format(&a, "%s: %s", dkim_result_name(v_.result), v_.reason), words);   \
	} while (0)

static slice replace(slice s, slice old, slice new, arena *a)
{
	size_t at = slice_search(s, old);

	cr_assert_lt(at, s.size, "there is no %.*s in %.*s", SLICE_ARGS(old), SLICE_ARGS(s));
	slice rest = slice_from(s, at + old.size);
	return arena_format(a, "%.*s%.*s%.*s", (int)at, s.at, SLICE_ARGS(new), SLICE_ARGS(rest));
}

Test(dkim, what_is_signed_here_is_believed_here)
{
	arena a = ARENA_INIT;

	for (int n = 0; n < 8; n++) {
		dkim_signer signer = {
			.domain = S("example.org"),
			.selector = n & 1 ? S("ed") : S("one"),
			.algorithm = n & 1 ? SIGNATURE_ED25519_SHA256 : SIGNATURE_RSA_SHA256,
			.header = n & 2 ? CANON_RELAXED : CANON_SIMPLE,
			.body = n & 4 ? CANON_RELAXED : CANON_SIMPLE,
			.identity = S("an;na=1@example.org"),
			.at = NOW,
			.expires_at = NOW + 3600 * USEC_S,
		};
		slice message = sign_message(S(HEADER), S(BODY), &signer, 1, &a);
		dkim_verdict v = judge_first(message, &a);
		cr_assert_eq(
			v.result, DKIM_PASS, "%d: %s in %.*s", n, v.reason, SLICE_ARGS(message));
		SAME(v.domain, S("example.org"));
		SAME(v.selector, signer.selector);
		SAME(v.identity, S("an=3Bna=3D1@example.org"));
		SAME(v.algorithm, signature_algorithm_name(signer.algorithm));
		cr_assert_eq(v.bits, 2048);
		cr_assert_eq(v.signed_at, NOW / USEC_S);
		cr_assert_eq(v.expires_at, NOW / USEC_S + 3600);
		cr_assert(!v.testing);
	}
	arena_release(&a);
}

Test(dkim, signatures_are_folded_and_one_per_signer)
{
	arena a = ARENA_INIT;
	dkim_signer signer[3] = {
		{.domain = S("example.org"), .selector = S("one")},
		{.domain = S("example.org"),
			.selector = S("ed"),
			.algorithm = SIGNATURE_ED25519_SHA256},
		{.domain = S("a-rather-long-name-of-a-domain-that-signs.example.org"),
			.selector = S("a-rather-long-name-of-a-selector-that-signs"),
			.identity = S(
				"somebody-with-a-long-name@a-rather-long-name-of-a-domain-that-signs."
				"example.org")},
	};
	slice message = sign_message(S(HEADER), S(BODY), signer, 3, &a);
	dkim_report report;
	header_survey seen;

	dkim_check_message(message, &toy, &dns, NOW, &a, &report);
	cr_assert_eq(report.count, 3);
	cr_assert_eq(report.verdict[0].result, DKIM_PASS);
	cr_assert_eq(report.verdict[1].result, DKIM_PASS);
	cr_assert_eq(report.verdict[2].result, DKIM_PERMERROR);
	header_look(message, &seen);
	cr_assert_eq(seen.fields, 8);
	cr_assert_eq(seen.broken, 0);
	cr_assert_leq(seen.longest_line, 140); /* the identity cannot be folded */
	arena_release(&a);
}

/* Signed are five fields that are there; all of them and some that are not are sealed. */
Test(dkim, what_readers_see_cannot_be_changed)
{
	static const struct {
		slice old, new, words;
	} rows[] = {
		{S("Received: from a"), S("Received: from x"), S("pass: good signature")},
		{S("Received: from"), S("Received: new\r\nX-A: b\r\nReceived: from"),
			S("pass: good signature")},
		{S("Subject:  Hello\r\n\tthere \r\n"), S("SUBJECT: Hello there\r\n"),
			S("pass: good signature")},
		{S("Hello  Bert,"), S("Hello Bert,   "), S("pass: good signature")},
		{S("Bert"), S("Carl"), S("fail: body hash did not verify")},
		{S("bye"), S("bye."), S("fail: body hash did not verify")},
		{S("Anna"), S("Eve"), S("fail: signature did not verify")},
		{S("Subject:  H"), S("Subject: J"), S("fail: signature did not verify")},
		{S("From: Anna"), S("From: eve@example.com\r\nFrom: Anna"),
			S("fail: signature did not verify")},
		{S("Date: Tue"), S("From: eve@example.com\r\nDate: Tue"),
			S("fail: signature did not verify")},
		{S("DKIM-S"), S("From: eve@example.com\r\nDKIM-S"),
			S("fail: signature did not verify")},
		{S("To: bert"), S("Subject: x\r\nTo: bert"), S("fail: signature did not verify")},
		{S("To: bert"), S("Cc: x@example.com\r\nTo: bert"),
			S("fail: signature did not verify")},
		{S("To: bert"), S("Reply-To: x@example.com\r\nTo: bert"),
			S("fail: signature did not verify")},
		{S("To: bert"), S("Content-Type: text/html\r\nTo: bert"),
			S("fail: signature did not verify")},
		{S("To: bert@example.net\r\n"), S(""), S("fail: signature did not verify")},
		{S("; d=example.org"), S("; d=example.com"), S("permerror: there is no key")},
		{S("v=1;"), S("v=1;  "), S("pass: good signature")},
		{S("v=1;"), S("v=1; z=x;"), S("fail: signature did not verify")},
	};
	arena a = ARENA_INIT;
	dkim_signer signer = {.domain = S("example.org"),
		.selector = S("one"),
		.header = CANON_RELAXED,
		.body = CANON_RELAXED};
	slice message = sign_message(S(HEADER), S(BODY), &signer, 1, &a);

	for (size_t i = 0; i < ROWS(rows); i++)
		JUDGED(replace(message, rows[i].old, rows[i].new, &a), rows[i].words);
	arena_release(&a);
}

Test(dkim, keys_decide)
{
	static const struct {
		slice selector, words;
	} rows[] = {
		{S("one"), S("pass: good signature")},
		{S("strict"), S("pass: good signature")},
		{S("testing"), S("pass: good signature")},
		{S("beside"), S("pass: good signature")},
		{S("ed"), S("permerror: the key is for another algorithm")},
		{S("dsa"), S("permerror: the key is for another algorithm")},
		{S("broken"), S("permerror: the key record is malformed")},
		{S("revoked"), S("permerror: the key was revoked")},
		{S("short"), S("permerror: the key is too short")},
		{S("junk"), S("permerror: the key cannot be read")},
		{S("sha1"), S("permerror: the key is not for SHA-256")},
		{S("tlsrpt"), S("permerror: the key is not for mail")},
		{S("nobody"), S("permerror: there is no key")},
		{S("bogus"), S("permerror: the answer for the key is of no use")},
		{S("later"), S("temperror: the key could not be fetched")},
	};
	arena a = ARENA_INIT;

	for (size_t i = 0; i < ROWS(rows); i++) {
		dkim_signer signer = {.domain = S("example.org"), .selector = rows[i].selector};
		slice message = sign_message(S(HEADER), S(BODY), &signer, 1, &a);
		JUDGED(message, rows[i].words);
		cr_assert_eq(judge_first(message, &a).testing,
			slice_same(rows[i].selector, S("testing")));
	}
	dkim_signer below = {.domain = S("example.org"),
		.selector = S("strict"),
		.identity = S("a@sub.example.org")};
	JUDGED(sign_message(S(HEADER), S(BODY), &below, 1, &a),
		S("permerror: the key is for d= itself alone"));
	below.selector = S("one");
	JUDGED(sign_message(S(HEADER), S(BODY), &below, 1, &a), S("pass: good signature"));
	arena_release(&a);
}

#define HASH "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
#define GOOD "v=1; a=rsa-sha256; d=example.org; s=one; h=From:To; bh=" HASH "; b=AAAA"

Test(dkim, malformed_signatures_cost_no_look_up)
{
	static const struct {
		slice tags, words;
	} rows[] = {
		{S(GOOD), S("fail: body hash did not verify")},
		{S(GOOD "; c=Relaxed; q=DNS/TXT; i=x@A.example.org; t=1; x=1800000000; l=3; y=unknown"),
			S("fail: body hash did not verify")},
		{S(""), S("permerror: the signature is malformed")},
		{S(GOOD "; b=AAAA"), S("permerror: the signature is malformed")},
		{S("a=rsa-sha256; d=example.org; s=one; h=From; bh=" HASH "; b=AAAA"),
			S("permerror: unknown version")},
		{S("v=2; a=rsa-sha256; d=example.org; s=one; h=From; bh=" HASH "; b=AAAA"),
			S("permerror: unknown version")},
		{S("v=1; d=example.org; s=one; h=From; bh=" HASH "; b=AAAA"),
			S("permerror: no a= tag")},
		{S("v=1; a=rsa-sha1; d=example.org; s=one; h=From; bh=" HASH "; b=AAAA"),
			S("permerror: rsa-sha1 is not secure")},
		{S("v=1; a=dsa-sha256; d=example.org; s=one; h=From; bh=" HASH "; b=AAAA"),
			S("permerror: unknown algorithm")},
		{S("v=1; a=rsa-sha256; s=one; h=From; bh=" HASH "; b=AAAA"),
			S("permerror: no d= tag")},
		{S("v=1; a=rsa-sha256; d=a b; s=one; h=From; bh=" HASH "; b=AAAA"),
			S("permerror: d= is no domain")},
		{S("v=1; a=rsa-sha256; d=example.org; h=From; bh=" HASH "; b=AAAA"),
			S("permerror: no s= tag")},
		{S("v=1; a=rsa-sha256; d=example.org; s=a/b; h=From; bh=" HASH "; b=AAAA"),
			S("permerror: s= is no selector")},
		{S("v=1; a=rsa-sha256; d=example.org; s=one; bh=" HASH "; b=AAAA"),
			S("permerror: no h= tag")},
		{S("v=1; a=rsa-sha256; d=example.org; s=one; h=To; bh=" HASH "; b=AAAA"),
			S("permerror: From is not signed")},
		{S("v=1; a=rsa-sha256; d=example.org; s=one; h=From::To; bh=" HASH "; b=AAAA"),
			S("permerror: h= cannot be read")},
		{S("v=1; a=rsa-sha256; d=example.org; s=one; h=From; b=AAAA"),
			S("permerror: no bh= tag")},
		{S("v=1; a=rsa-sha256; d=example.org; s=one; h=From; bh=AAAA; b=AAAA"),
			S("permerror: bh= is no hash")},
		{S("v=1; a=rsa-sha256; d=example.org; s=one; h=From; bh=" HASH),
			S("permerror: no b= tag")},
		{S("v=1; a=rsa-sha256; d=example.org; s=one; h=From; bh=" HASH "; b="),
			S("permerror: b= is no base64")},
		{S("v=1; a=rsa-sha256; d=example.org; s=one; h=From; bh=" HASH "; b=?"),
			S("permerror: b= is no base64")},
		{S(GOOD "; c=loose"), S("permerror: unknown canonicalisation")},
		{S(GOOD "; c=simple/"), S("permerror: unknown canonicalisation")},
		{S(GOOD "; c=simple/simple/simple"), S("permerror: unknown canonicalisation")},
		{S(GOOD "; q=http"), S("permerror: unknown way to the key")},
		{S(GOOD "; i=example.org"), S("permerror: i= is no identity")},
		{S(GOOD "; i=@example.com"), S("permerror: i= is not of d=")},
		{S(GOOD "; i=@notexample.org"), S("permerror: i= is not of d=")},
		{S(GOOD "; i=@org"), S("permerror: i= is not of d=")},
		{S(GOOD "; l=-1"), S("permerror: l= is no length")},
		{S(GOOD "; l=99999999999999999999"), S("permerror: l= is no length")},
		{S(GOOD "; l=1000"), S("fail: l= is longer than the body")},
		{S(GOOD "; t=now"), S("permerror: t= is no time")},
		{S(GOOD "; t=1234567890123"), S("permerror: t= is no time")},
		{S(GOOD "; x=1e9"), S("permerror: x= is no time")},
		{S(GOOD "; t=1000; x=1000"), S("permerror: x= is not behind t=")},
		{S(GOOD "; x=1699999999"), S("fail: the signature has expired")},
		{S(GOOD "; t=1700090000"), S("fail: the signature is from the future")},
	};
	arena a = ARENA_INIT;

	for (size_t i = 0; i < ROWS(rows); i++)
		JUDGED(arena_format(&a, "DKIM-Signature: %.*s\r\n" HEADER "\r\n" BODY,
			       SLICE_ARGS(rows[i].tags)),
			rows[i].words);
	for (size_t i = 0; i < ROWS(dns_rows); i++)
		cr_assert_eq(dns_rows[i].asked, 0);
	arena_release(&a);
}

Test(dkim, a_body_that_is_open_at_its_end_is_no_pass)
{
	arena a = ARENA_INIT;
	dkim_signer signer = {.domain = S("example.org"), .selector = S("one")};
	slice whole = sign_message(S(HEADER), S("12345\r\n"), &signer, 1, &a);
	uint8_t digest[SIGNATURE_DIGEST];
	header_field own;

	/* the house never writes l=, so the field is made by hand */
	slice hash = slice_until(slice_from(whole, slice_search(whole, S("bh=")) + 3), 44);
	slice unsigned_yet = arena_format(&a,
		"DKIM-Signature: v=1; a=rsa-sha256; d=example.org; s=one; "
		"h=From; l=7; bh=%.*s; b=",
		SLICE_ARGS(hash));
	cr_assert_eq(signature_header_digest(
			     &toy, S(HEADER), unsigned_yet, S("From"), CANON_SIMPLE, digest),
		ST_OK);
	slice b = base64_encode(slice_of(digest, sizeof digest), &a);
	slice field = arena_format(&a, "%.*s%.*s\r\n", SLICE_ARGS(unsigned_yet), SLICE_ARGS(b));
	cr_assert(header_find(field, S("DKIM-Signature"), &own));
	JUDGED(arena_format(&a, "%.*s" HEADER "\r\n12345\r\n", SLICE_ARGS(field)),
		S("pass: good signature"));
	slice longer = arena_format(&a, "%.*s" HEADER "\r\n12345\r\nmore\r\n", SLICE_ARGS(field));
	JUDGED(longer, S("policy: l= leaves a part of the body unsigned"));
	cr_assert_eq(judge_first(longer, &a).uncovered, 6);
	arena_release(&a);
}

Test(dkim, five_signatures_are_enough)
{
	arena a = ARENA_INIT;
	text message = TEXT_INIT;
	dkim_report report;

	for (int i = 0; i < 1000; i++)
		text_add(&message, S("DKIM-Signature: " GOOD "\r\n"));
	text_add(&message, S(HEADER "\r\n" BODY));
	dkim_check_message(text_slice(&message), &toy, &dns, NOW, &a, &report);
	cr_assert_eq(report.count, DKIM_SIGNATURES_MOST);
	cr_assert_eq(report.ignored, 1000 - DKIM_SIGNATURES_MOST);
	cr_assert_eq(dkim_overall(&report), DKIM_FAIL);
	text_free(&message);
	arena_release(&a);
}

Test(dkim, the_best_verdict_speaks_for_the_message)
{
	static const struct {
		enum dkim_result one, two, all;
	} rows[] = {
		{DKIM_FAIL, DKIM_PASS, DKIM_PASS},
		{DKIM_TEMPERROR, DKIM_PASS, DKIM_PASS},
		{DKIM_FAIL, DKIM_TEMPERROR, DKIM_TEMPERROR},
		{DKIM_PERMERROR, DKIM_FAIL, DKIM_FAIL},
		{DKIM_POLICY, DKIM_PERMERROR, DKIM_FAIL},
		{DKIM_PERMERROR, DKIM_PERMERROR, DKIM_PERMERROR},
	};
	dkim_report none = {0};

	cr_assert_eq(dkim_overall(&none), DKIM_NONE);
	for (size_t i = 0; i < ROWS(rows); i++) {
		dkim_report r = {.count = 2};
		r.verdict[0].result = rows[i].one;
		r.verdict[1].result = rows[i].two;
		cr_assert_eq(dkim_overall(&r), rows[i].all, "row %zu", i);
	}
}

Test(dkim, keys_can_be_fetched_ahead)
{
	arena a = ARENA_INIT;
	signature_body *b = signature_body_open(&toy);
	slice header = S("DKIM-Signature: " GOOD "\r\nDKIM-Signature: v=1\r\n" HEADER);
	dkim_check *c = dkim_check_begin(header, b, &a);

	cr_assert_eq(dkim_check_count(c), 2);
	SAME(dkim_check_key_name(c, 0), S("one._domainkey.example.org"));
	SAME(dkim_check_key_name(c, 1), S(""));
	SAME(dkim_check_key_name(c, 2), S(""));
	signature_body_close(&b);
	arena_release(&a);
}

Test(dkim, signers_that_cannot_be_written_are_refused)
{
	static const struct {
		slice header, domain, selector, identity;
	} rows[] = {
		{S("Subject: x\r\n"), S("example.org"), S("one"), S("")},
		{S("From: x\r\nFrom: y\r\n"), S("example.org"), S("one"), S("")},
		{S(" a\r\nFrom: x\r\n"), S("example.org"), S("one"), S("")},
		{S("From: x\r\n"), S("example.org; x=1"), S("one"), S("")},
		{S("From: x\r\n"), S("example.org"), S("a\r\nb"), S("")},
		{S("From: x\r\n"), S("example.org"), S("one"), S("a b@example.org")},
		{S("From: x\r\n"), S("example.org"), S("one"), S("a\r\n@example.org")},
	};
	arena a = ARENA_INIT;

	for (size_t i = 0; i < ROWS(rows); i++) {
		dkim_signer signer = {.domain = rows[i].domain,
			.selector = rows[i].selector,
			.identity = rows[i].identity};
		signature_body *b = signature_body_open(&toy);
		dkim_sign *s;
		cr_assert_eq(dkim_sign_begin(rows[i].header, &signer, 1, b, &a, &s), ST_INVALID,
			"row %zu", i);
		signature_body_close(&b);
	}
	arena_release(&a);
}

/* --- Whole messages
   ---------------------------------------------------------------------------- */

Test(dkim, files_may_end_lines_as_they_like)
{
	arena a = ARENA_INIT;
	dkim_signer signer = {.domain = S("example.org"), .selector = S("one")};
	slice message = sign_message(S(HEADER), S(BODY), &signer, 1, &a);
	text lf = TEXT_INIT;

	for (size_t i = 0; i < message.size; i++)
		if (message.at[i] != '\r')
			text_add_char(&lf, message.at[i]);
	for (int n = 0; n < 2; n++) {
		slice bytes = n == 0 ? message : text_slice(&lf);
		FILE *in = fmemopen((void *)(uintptr_t)bytes.at, bytes.size, "r");
		dkim_report report;
		cr_assert_eq(dkim_check_file(in, &toy, &dns, NOW, &a, &report), ST_OK);
		cr_assert_eq(dkim_overall(&report), DKIM_PASS);
		fclose(in);
		JUDGED(bytes, S("pass: good signature"));
	}
	text_free(&lf);
	arena_release(&a);
}

Test(dkim, headers_without_end_are_too_big)
{
	arena a = ARENA_INIT;
	char *bytes = memory_new(SIGNATURE_HEADER_MOST);
	slice header;

	memset(bytes, 'a', SIGNATURE_HEADER_MOST);
	FILE *in = fmemopen(bytes, SIGNATURE_HEADER_MOST, "r");
	cr_assert_eq(signature_file_header(in, &a, &header), ST_TOO_BIG);
	fclose(in);
	memory_free(bytes);
	in = fmemopen((void *)(uintptr_t) "a: b\n", 5, "r");
	cr_assert_eq(signature_file_header(in, &a, &header), ST_OK);
	SAME(header, S("a: b\r\n"));
	fclose(in);
	arena_release(&a);
}
