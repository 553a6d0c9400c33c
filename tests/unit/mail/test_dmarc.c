/* DMARC: records, organisational domains, authors, discovery, alignment, what is wished. */
#include "mail/dmarc.h"

#include "same.h"
#include "table.h"

Test(dmarc, reads_records)
{
	static const struct {
		const char *txt;
		status kind;
		enum dmarc_policy policy, subdomains;
		unsigned percent;
		bool strict_dkim, strict_spf;
	} rows[] = {
		{"v=DMARC1; p=reject", ST_OK, DMARC_REJECT, DMARC_REJECT, 100, false, false},
		{"v=DMARC1;p=none;sp=quarantine;adkim=s;aspf=S;pct=25", ST_OK, DMARC_DO_NOTHING,
			DMARC_QUARANTINE, 25, true, true},
		{" v = DMARC1 ; P = Quarantine ; adkim = r;", ST_OK, DMARC_QUARANTINE,
			DMARC_QUARANTINE, 100, false, false},
		{"v=DMARC1; p=reject; unknown=x; junk; =; pct=101; ri=abc; aspf=x", ST_OK,
			DMARC_REJECT, DMARC_REJECT, 100, false, false},
		{"v=DMARC1; p=reject; pct=0", ST_OK, DMARC_REJECT, DMARC_REJECT, 0, false, false},
		{"v=DMARC1; p=reject; pct=-1", ST_OK, DMARC_REJECT, DMARC_REJECT, 100, false,
			false},
		{"v=DMARC1; rua=mailto:a@x.test", ST_OK, DMARC_DO_NOTHING, DMARC_DO_NOTHING, 100},
		{"v=DMARC1; p=bogus; rua=mailto:a@x.test", ST_OK, DMARC_DO_NOTHING,
			DMARC_DO_NOTHING, 100},
		{"v=DMARC1; p=reject; sp=bogus; rua=mailto:a@x.test", ST_OK, DMARC_DO_NOTHING,
			DMARC_DO_NOTHING, 100},
		{"v=DMARC1; p=bogus; rua=nothing", ST_INVALID},
		{"v=DMARC1; p=reject; sp=bogus", ST_INVALID},
		{"v=DMARC1", ST_INVALID},
		{"v=DMARC1; p=", ST_INVALID},
		{"v=dmarc1; p=reject", ST_FOREIGN},
		{"v=DMARC2; p=reject", ST_FOREIGN},
		{"v=DMARC10; p=reject", ST_FOREIGN},
		{"p=reject; v=DMARC1", ST_FOREIGN},
		{"V=DMARC1; p=reject", ST_FOREIGN},
		{"some words", ST_FOREIGN},
		{"", ST_FOREIGN},
	};

	for (size_t i = 0; i < ROWS(rows); i++) {
		dmarc_record r = {0};
		status kind = dmarc_record_parse(slice_z(rows[i].txt), &r);
		cr_expect_eq(kind, rows[i].kind, "%s gives %s", rows[i].txt, status_name(kind));
		if (kind != ST_OK || rows[i].kind != ST_OK)
			continue;
		cr_expect_eq(r.policy, rows[i].policy, "%s", rows[i].txt);
		cr_expect_eq(r.subdomains, rows[i].subdomains, "%s", rows[i].txt);
		cr_expect_eq(r.percent, rows[i].percent, "%s", rows[i].txt);
		cr_expect_eq(r.strict_dkim, rows[i].strict_dkim, "%s", rows[i].txt);
		cr_expect_eq(r.strict_spf, rows[i].strict_spf, "%s", rows[i].txt);
	}
	dmarc_record r;
	cr_assert_eq(dmarc_record_parse(S("v=DMARC1; p=none; rua=mailto:a@x.test, mailto:b@x.test; "
					  "ruf=mailto:c@x.test; fo=1:d; ri=3600"),
			     &r),
		ST_OK);
	SAME(r.aggregate, S("mailto:a@x.test, mailto:b@x.test"));
	SAME(r.failure, S("mailto:c@x.test"));
	SAME(r.options, S("1:d"));
	cr_expect_eq(r.interval, 3600);
}

Test(dmarc, knows_organisations)
{
	static const char *const rows[][2] = {{"example.com", "example.com"},
		{"a.b.example.com", "example.com"}, {"example.co.uk", "example.co.uk"},
		{"mail.example.co.uk", "example.co.uk"}, {"co.uk", "co.uk"}, {"com", "com"},
		{"mail.demo.test", "demo.test"}, {"test", "test"}, {"a.b.xn--p1ai", "b.xn--p1ai"},
		{"mail.b.ck", "mail.b.ck"}, {"x.www.ck", "www.ck"}};

	for (size_t i = 0; i < ROWS(rows); i++)
		SAME(dmarc_organisation(slice_z(rows[i][0])), slice_z(rows[i][1]));
	SAME(dmarc_organisation(S("")), S(""));
}

Test(dmarc, finds_the_author)
{
	static const struct {
		const char *header, *domain; /* NULL: none */
	} rows[] = {
		{"From: anna@T.test\r\n", "t.test"},
		{"Subject: x\r\nFrom: \"Anna, B.\"\r\n <anna@mail.t.test>\r\n\r\nFrom: bert@other.test\r\n",
			"mail.t.test"},
		{"From: Anna <anna@t.test>, bert@t.test\r\n", "t.test"},
		{"From: anna@b\xc3\xbc"
		 "cher.test\r\n",
			"xn--bcher-kva.test"},
		{"From: group: anna@t.test, bert@t.test;\r\n", "t.test"},
		{"From: anna@t.test, bert@other.test\r\n", NULL},
		{"From: anna@t.test\r\nFrom: anna@t.test\r\n", NULL},
		{"from: anna@t.test\r\nFROM: bert@other.test\r\n", NULL},
		{"From: anna\r\n", NULL},
		{"From:\r\n", NULL},
		{"From: group:;\r\n", NULL},
		{"From: anna@[192.0.2.1]\r\n", NULL},
		{"Sender: anna@t.test\r\n", NULL},
	};
	arena a = ARENA_INIT;

	for (size_t i = 0; i < ROWS(rows); i++) {
		slice domain = {0};
		status kind = dmarc_author(slice_z(rows[i].header), &a, &domain);
		cr_expect_eq(kind, rows[i].domain ? ST_OK : ST_INVALID, "%s gives %s",
			rows[i].header, status_name(kind));
		if (kind == ST_OK && rows[i].domain)
			SAME(domain, slice_z(rows[i].domain));
	}
	arena_release(&a);
}

/* One row: who wrote, what SPF and DKIM found ("result domain"), what comes of it. */
static const struct {
	const char *author, *spf, *dkim;
	enum dmarc_result result;
	enum dmarc_policy wish;
	unsigned draw;
} checks[] = {
	/* Alignment, relaxed: the organisation counts. */
	{"relaxed.test", "pass relaxed.test", "", DMARC_PASS, DMARC_DO_NOTHING, 0},
	{"relaxed.test", "pass bounce.relaxed.test", "", DMARC_PASS, DMARC_DO_NOTHING, 0},
	{"mail.relaxed.test", "pass bounce.relaxed.test", "", DMARC_PASS, DMARC_DO_NOTHING, 0},
	{"relaxed.test", "fail relaxed.test", "pass relaxed.test", DMARC_PASS, DMARC_DO_NOTHING, 0},
	{"relaxed.test", "", "pass mx.relaxed.test", DMARC_PASS, DMARC_DO_NOTHING, 0},
	{"relaxed.test", "pass other.test", "pass other.test", DMARC_FAIL, DMARC_REJECT, 0},
	{"relaxed.test", "pass notrelaxed.test", "pass xrelaxed.test", DMARC_FAIL, DMARC_REJECT, 0},
	{"relaxed.test", "softfail relaxed.test", "fail relaxed.test", DMARC_FAIL, DMARC_REJECT, 0},
	{"relaxed.test", "neutral relaxed.test", "", DMARC_FAIL, DMARC_REJECT, 0},
	{"relaxed.test", "", "", DMARC_FAIL, DMARC_REJECT, 0},
	{"relaxed.test", "", "policy relaxed.test", DMARC_FAIL, DMARC_REJECT, 0},
	{"relaxed.test", "", "testing relaxed.test", DMARC_FAIL, DMARC_REJECT, 0},
	{"shop.co.uk", "pass other.co.uk", "", DMARC_FAIL, DMARC_REJECT, 0},
	{"shop.co.uk", "pass mail.shop.co.uk", "", DMARC_PASS, DMARC_DO_NOTHING, 0},
	/* Strict: the domain itself. */
	{"strict.test", "pass strict.test", "", DMARC_PASS, DMARC_DO_NOTHING, 0},
	{"strict.test", "", "pass strict.test", DMARC_PASS, DMARC_DO_NOTHING, 0},
	{"strict.test", "pass mail.strict.test", "pass mail.strict.test", DMARC_FAIL,
		DMARC_QUARANTINE, 0},
	/* Subdomains: their own record, else sp= of the organisation's. */
	{"sub.parted.test", "", "", DMARC_FAIL, DMARC_REJECT, 0},
	{"parted.test", "", "", DMARC_FAIL, DMARC_DO_NOTHING, 0},
	{"own.parted.test", "", "", DMARC_FAIL, DMARC_QUARANTINE, 0},
	{"a.b.relaxed.test", "", "", DMARC_FAIL, DMARC_REJECT, 0},
	/* pct= */
	{"some.test", "", "", DMARC_FAIL, DMARC_REJECT, 29},
	{"some.test", "", "", DMARC_FAIL, DMARC_QUARANTINE, 30},
	{"few.test", "", "", DMARC_FAIL, DMARC_DO_NOTHING, 0},
	{"few.test", "pass few.test", "", DMARC_PASS, DMARC_DO_NOTHING, 0},
	/* No policy, several, malformed, no answer. */
	{"absent.test", "pass absent.test", "", DMARC_NONE, DMARC_DO_NOTHING, 0},
	{"two.test", "pass two.test", "", DMARC_NONE, DMARC_DO_NOTHING, 0},
	{"words.test", "pass words.test", "", DMARC_PASS, DMARC_DO_NOTHING, 0},
	{"ill.test", "pass ill.test", "", DMARC_PERMERROR, DMARC_DO_NOTHING, 0},
	{"down.test", "pass down.test", "", DMARC_TEMPERROR, DMARC_DO_NOTHING, 0},
	{"sub.down.test", "", "", DMARC_TEMPERROR, DMARC_DO_NOTHING, 0},
	/* What could not be judged now, and belongs to the author. */
	{"relaxed.test", "temperror relaxed.test", "", DMARC_TEMPERROR, DMARC_DO_NOTHING, 0},
	{"relaxed.test", "temperror other.test", "", DMARC_FAIL, DMARC_REJECT, 0},
	{"relaxed.test", "", "temperror relaxed.test", DMARC_TEMPERROR, DMARC_DO_NOTHING, 0},
	{"relaxed.test", "pass relaxed.test", "temperror relaxed.test", DMARC_PASS,
		DMARC_DO_NOTHING, 0},
	{"relaxed.test", "temperror relaxed.test", "pass relaxed.test", DMARC_PASS,
		DMARC_DO_NOTHING, 0},
	{"relaxed.test", "permerror relaxed.test", "permerror relaxed.test", DMARC_FAIL,
		DMARC_REJECT, 0},
};

static void zone_fill(struct table *zone)
{
	static const char *const lines[] = {"_dmarc.relaxed.test TXT v=DMARC1; p=reject",
		"_dmarc.strict.test TXT v=DMARC1; p=quarantine; adkim=s; aspf=s",
		"_dmarc.shop.co.uk TXT v=DMARC1; p=reject",
		"_dmarc.parted.test TXT v=DMARC1; p=none; sp=reject",
		"_dmarc.own.parted.test TXT v=DMARC1; p=quarantine",
		"_dmarc.some.test TXT v=DMARC1; p=reject; pct=30",
		"_dmarc.few.test TXT v=DMARC1; p=quarantine; pct=0",
		"_dmarc.two.test TXT v=DMARC1; p=reject", "_dmarc.two.test TXT v=DMARC1; p=none",
		"_dmarc.words.test TXT some words", "_dmarc.words.test TXT v=DMARC1; p=reject",
		"_dmarc.ill.test TXT v=DMARC1; p=maybe", "_dmarc.down.test FAIL",
		"_dmarc.sub.down.test TXT some words"};

	for (size_t i = 0; i < ROWS(lines); i++)
		table_add(zone, slice_z(lines[i]));
}

static slice word_and_domain(const char *row, slice *word)
{
	slice rest = slice_z(row);

	slice_take(&rest, ' ', word);
	return rest;
}

static enum spf_result spf_word(slice word)
{
	int i = SPF_NONE;

	while (i < SPF_PERMERROR && !slice_same(word, slice_z(spf_result_name((enum spf_result)i))))
		i++;
	return (enum spf_result)i;
}

static void dkim_word(slice word, dkim_verdict *v)
{
	static const char *const words[] = {
		"none", "pass", "fail", "policy", "temperror", "permerror"};

	v->testing = slice_same(word, S("testing"));
	v->result = DKIM_PASS;
	for (size_t i = 0; i < ROWS(words); i++)
		if (slice_same(word, slice_z(words[i])))
			v->result = (enum dkim_result)i;
}

struct findings {
	spf_report spf;
	dkim_report dkim;
};

/* A question whose findings lie in `f`: "result domain", or nothing. */
static dmarc_query asked(const char *author, const char *spf, const char *dkim, struct findings *f)
{
	dmarc_query q = {.author = slice_z(author)};
	slice word;

	if (spf[0]) {
		f->spf.domain = word_and_domain(spf, &word);
		f->spf.result = spf_word(word);
		q.spf = &f->spf;
	}
	if (dkim[0]) {
		f->dkim.count = 1;
		f->dkim.verdict[0].domain = word_and_domain(dkim, &word);
		dkim_word(word, &f->dkim.verdict[0]);
		q.dkim = &f->dkim;
	}
	return q;
}

Test(dmarc, judges)
{
	struct table zone = {0};
	lookup dns = table_lookup(&zone);
	arena a = ARENA_INIT;

	zone_fill(&zone);
	for (size_t i = 0; i < ROWS(checks); i++) {
		struct findings f = {0};
		dmarc_report r;
		dmarc_query q = asked(checks[i].author, checks[i].spf, checks[i].dkim, &f);
		q.draw = checks[i].draw;
		dmarc_check(&q, &dns, &a, &r);
		cr_expect_eq(r.result, checks[i].result, "%zu: %s | %s | %s gives %s (%s)", i,
			checks[i].author, checks[i].spf, checks[i].dkim,
			dmarc_result_name(r.result), r.reason);
		cr_expect_eq(r.wish, checks[i].wish, "%zu: %s wishes %s", i, checks[i].author,
			dmarc_policy_name(r.wish));
	}
	arena_release(&a);
}

/* RFC 7489 B.1 and B.3.1, each under a relaxed and under a strict policy. */
Test(dmarc, judges_the_examples_of_rfc_7489)
{
	static const struct {
		const char *example, *author, *spf, *dkim;
		enum dmarc_result relaxed, strict;
	} rows[] = {
		{"B.1.1 example 1", "example.com", "pass example.com", "", DMARC_PASS, DMARC_PASS},
		{"B.1.1 example 2", "example.com", "pass child.example.com", "", DMARC_PASS,
			DMARC_FAIL},
		{"B.1.1 example 3", "child.example.com", "pass example.net", "", DMARC_FAIL,
			DMARC_FAIL},
		{"B.1.2 example 1", "example.com", "", "pass example.com", DMARC_PASS, DMARC_PASS},
		{"B.1.2 example 2", "child.example.com", "", "pass example.com", DMARC_PASS,
			DMARC_FAIL},
		{"B.1.2 example 3", "child.example.com", "", "pass sample.net", DMARC_FAIL,
			DMARC_FAIL},
		{"B.3.1", "example.com", "pass mail.example.com", "pass example.com", DMARC_PASS,
			DMARC_PASS},
	};
	struct table relaxed = {0}, strict = {0};
	arena a = ARENA_INIT;

	table_add(&relaxed,
		S("_dmarc.example.com TXT v=DMARC1; p=reject; aspf=r; rua=mailto:dmarc-feedback@example.com"));
	table_add(&strict, S("_dmarc.example.com TXT v=DMARC1; p=reject; aspf=s; adkim=s"));
	for (size_t i = 0; i < ROWS(rows); i++) {
		struct findings f = {0};
		lookup dns[] = {table_lookup(&relaxed), table_lookup(&strict)};
		dmarc_query q = asked(rows[i].author, rows[i].spf, rows[i].dkim, &f);
		for (size_t k = 0; k < ROWS(dns); k++) {
			enum dmarc_result wanted = k ? rows[i].strict : rows[i].relaxed;
			dmarc_report r;
			dmarc_check(&q, &dns[k], &a, &r);
			cr_expect_eq(r.result, wanted, "%s, %s: %s", rows[i].example,
				k ? "strict" : "relaxed", dmarc_result_name(r.result));
			cr_expect_eq(r.wish, wanted == DMARC_FAIL ? DMARC_REJECT : DMARC_DO_NOTHING,
				"%s wishes %s", rows[i].example, dmarc_policy_name(r.wish));
		}
	}
	arena_release(&a);
}

/* RFC 7489 B.2, as a resolver gives them. */
Test(dmarc, reads_the_records_of_rfc_7489)
{
	static const struct {
		const char *txt;
		enum dmarc_policy policy;
		unsigned percent;
		const char *aggregate, *failure;
	} rows[] = {
		{"v=DMARC1; p=none; rua=mailto:dmarc-feedback@example.com", DMARC_DO_NOTHING, 100,
			"mailto:dmarc-feedback@example.com", ""},
		{"v=DMARC1; p=none; rua=mailto:dmarc-feedback@example.com; "
		 "ruf=mailto:auth-reports@example.com",
			DMARC_DO_NOTHING, 100, "mailto:dmarc-feedback@example.com",
			"mailto:auth-reports@example.com"},
		{"v=DMARC1; p=none; rua=mailto:dmarc-feedback@example.com; "
		 "ruf=mailto:auth-reports@thirdparty.example.net",
			DMARC_DO_NOTHING, 100, "mailto:dmarc-feedback@example.com",
			"mailto:auth-reports@thirdparty.example.net"},
		{"v=DMARC1; p=quarantine; rua=mailto:dmarc-feedback@example.com,"
		 "mailto:tld-test@thirdparty.example.net!10m; pct=25",
			DMARC_QUARANTINE, 25,
			"mailto:dmarc-feedback@example.com,mailto:tld-test@thirdparty.example.net!10m",
			""},
	};

	for (size_t i = 0; i < ROWS(rows); i++) {
		dmarc_record r = {0};
		cr_assert_eq(
			dmarc_record_parse(slice_z(rows[i].txt), &r), ST_OK, "%s", rows[i].txt);
		cr_expect_eq(r.policy, rows[i].policy, "%s", rows[i].txt);
		cr_expect_eq(r.subdomains, rows[i].policy, "%s", rows[i].txt);
		cr_expect_eq(r.percent, rows[i].percent, "%s", rows[i].txt);
		cr_expect(!r.strict_dkim && !r.strict_spf, "%s", rows[i].txt);
		SAME(r.aggregate, slice_z(rows[i].aggregate));
		SAME(r.failure, slice_z(rows[i].failure));
	}
}

Test(dmarc, tells_whose_policy_it_is)
{
	struct table zone = {0};
	lookup dns = table_lookup(&zone);
	arena a = ARENA_INIT;
	dmarc_report r;
	dmarc_query q = {.author = S("x.parted.test")};

	zone_fill(&zone);
	dmarc_check(&q, &dns, &a, &r);
	SAME(r.domain, S("parted.test"));
	cr_expect_eq(r.published, DMARC_REJECT);
	cr_expect_eq(zone.asked, 2);
	q.author = S("absent.test");
	dmarc_check(&q, &dns, &a, &r);
	SAME(r.domain, S(""));
	cr_expect_eq(zone.asked, 3);
	arena_release(&a);
}
