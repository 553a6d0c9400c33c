/* MTA-STS: TXT records, policies, names that match. */
#include "mail/mta_sts.h"

#include "same.h"

#include <stdio.h>

Test(mta_sts, reads_the_record)
{
	static const struct {
		const char *txt, *id; /* NULL: none */
	} rows[] = {
		{"v=STSv1; id=20160831085700Z;", "20160831085700Z"},
		{"v=STSv1;id=a", "a"},
		{"v=STSv1; \t id = a1 ; ", "a1"},
		{"v=STSv1; more=x; id=a; x-y.z_1=b", "a"},
		{"v=STSv1; id=a; id=b", "a"},
		{"v=STSv1; id=12345678901234567890123456789012",
			"12345678901234567890123456789012"},
		{"v=STSv1; id=123456789012345678901234567890123", NULL},
		{"v=STSv1; id=a-b", NULL},
		{"v=STSv1; id=", NULL},
		{"v=STSv1; id", NULL},
		{"v=STSv1;", NULL},
		{"v=STSv1; other=a", NULL},
		{"v=STSv1; id=a;; more=x", NULL},
		{"v=STSv1; id=a; b\xc3\xa4=x", NULL},
		{"v=STSv1; id=a; -b=x", NULL},
		{"v=STSv1; ID=a", NULL},
		{"v=stsv1; id=a", NULL},
		{"v=STSv1 id=a", NULL},
		{"v=STSv2; id=a", NULL},
		{"v=STSv10; id=a", NULL},
		{" v=STSv1; id=a", NULL},
		{"id=a; v=STSv1;", NULL},
		{"v=", NULL},
		{"", NULL},
	};

	for (size_t i = 0; i < ROWS(rows); i++) {
		slice row = slice_z(rows[i].txt), id = S("");
		status kind = mta_sts_record(&row, 1, &id);

		cr_expect_eq(kind, rows[i].id ? ST_OK : ST_ABSENT, "%s gives %s", rows[i].txt,
			status_name(kind));
		cr_expect(!rows[i].id || slice_same(id, slice_z(rows[i].id)), "%s has the id %.*s",
			rows[i].txt, SLICE_ARGS(id));
	}
}

Test(mta_sts, wants_one_record_among_others)
{
	const slice among[] = {S("v=spf1 -all"), S("v=STSv1; id=first"), S("words")};
	const slice twice[] = {S("v=STSv1; id=first"), S("v=STSv1; id=second")};
	const slice broken[] = {S("v=STSv1; id=first"), S("v=STSv1; no field")};
	slice id;

	cr_assert_eq(mta_sts_record(among, 3, &id), ST_OK);
	SAME(id, S("first"));
	cr_assert_eq(mta_sts_record(twice, 2, &id), ST_ABSENT);
	cr_assert_eq(mta_sts_record(broken, 2, &id), ST_ABSENT);
	cr_assert_eq(mta_sts_record(NULL, 0, &id), ST_ABSENT);
}

#define HEAD "version: STSv1\n"
#define AGE "max_age: 600\n"

Test(mta_sts, reads_policies)
{
	static const struct {
		const char *text;
		status kind;
		enum mta_sts_mode mode;
		uint64_t age;
		int mx;
	} rows[] = {
		{"version: STSv1\r\nmode: enforce\r\nmx: mail.x.test\r\nmx: *.x.net\r\nmax_age: 604800\r\n",
			ST_OK, MTA_STS_ENFORCE, 604800, 2},
		{HEAD "mode: testing\nmx: a.test\nmax_age: 0", ST_OK, MTA_STS_TESTING, 0, 1},
		{HEAD "mode: none\n" AGE, ST_OK, MTA_STS_NONE, 600, 0},
		{HEAD "mode: none\nmx: a.test\n" AGE, ST_OK, MTA_STS_NONE, 600, 1},
		{"mx:a.test\nmax_age:600\nmode:enforce\nversion:STSv1", ST_OK, MTA_STS_ENFORCE, 600,
			1},
		{HEAD "mode:\t enforce \t\nmx: A.Test\n" AGE "\n", ST_OK, MTA_STS_ENFORCE, 600, 1},
		{HEAD "mode: enforce\nmx: a.test\r\n\r\n" AGE, ST_OK, MTA_STS_ENFORCE, 600, 1},
		/* Unknown keys are passed over, whatever their value says. */
		{HEAD "mode: enforce\nmx: a.test\nx-1._: \xc3\xa4 b: c\nMODE: none\n" AGE, ST_OK,
			MTA_STS_ENFORCE, 600, 1},
		/* The first of repeated ones counts, even where a later one is nonsense. */
		{HEAD "mode: enforce\nmode: none\nmx: a.test\n" AGE
		      "max_age: x\nversion: 2\nmode: x\n",
			ST_OK, MTA_STS_ENFORCE, 600, 1},
		{HEAD "mode: enforce\nmx: a.test\nmax_age: 31557600\n", ST_OK, MTA_STS_ENFORCE,
			31557600, 1},
		{HEAD "mode: enforce\nmx: a.test\nmax_age: 9999999999\n", ST_OK, MTA_STS_ENFORCE,
			MTA_STS_AGE_MOST, 1},
		{HEAD "mode: enforce\nmx: a.test\nmax_age: 99999999999\n", ST_INVALID},
		{HEAD "mode: enforce\nmx: a.test\nmax_age: -1\n", ST_INVALID},
		{HEAD "mode: enforce\nmx: a.test\nmax_age: 6e4\n", ST_INVALID},
		{HEAD "mode: enforce\nmx: a.test\nmax_age:\n", ST_INVALID},
		{HEAD "mode: enforce\nmx: a.test\n", ST_INVALID},
		{HEAD "mode: enforce\n" AGE, ST_INVALID},
		{HEAD "mode: testing\n" AGE, ST_INVALID},
		{HEAD "mx: a.test\n" AGE, ST_INVALID},
		{HEAD "mode: Enforce\nmx: a.test\n" AGE, ST_INVALID},
		{HEAD "mode: report\nmx: a.test\n" AGE, ST_INVALID},
		{"mode: enforce\nmx: a.test\n" AGE, ST_INVALID},
		{"version: STSv2\nmode: enforce\nmx: a.test\n" AGE, ST_INVALID},
		{"version: stsv1\nmode: enforce\nmx: a.test\n" AGE, ST_INVALID},
		{HEAD "mode : enforce\nmx: a.test\n" AGE, ST_INVALID},
		{HEAD " mode: enforce\nmx: a.test\n" AGE, ST_INVALID},
		{HEAD "no field\nmode: enforce\nmx: a.test\n" AGE, ST_INVALID},
		{HEAD ": x\nmode: enforce\nmx: a.test\n" AGE, ST_INVALID},
		{"\xef\xbb\xbf" HEAD "mode: enforce\nmx: a.test\n" AGE, ST_INVALID},
		{HEAD "mode: enforce\nmx: a.test\rmx: b.test\n" AGE, ST_INVALID},
		{HEAD "mode: enforce\nmx: a.test\nx: \x01\n" AGE, ST_INVALID},
		{HEAD "mode: enforce\nmx: a.test\n\r\r\n" AGE, ST_INVALID},
		{HEAD "mode: enforce\nmx:\n" AGE, ST_INVALID},
		{HEAD "mode: enforce\nmx: *\n" AGE, ST_INVALID},
		{HEAD "mode: enforce\nmx: *.\n" AGE, ST_INVALID},
		{HEAD "mode: enforce\nmx: a.*.test\n" AGE, ST_INVALID},
		{HEAD "mode: enforce\nmx: *a.test\n" AGE, ST_INVALID},
		{HEAD "mode: enforce\nmx: a..test\n" AGE, ST_INVALID},
		{HEAD "mode: enforce\nmx: .a.test\n" AGE, ST_INVALID},
		{HEAD "mode: enforce\nmx: a.test.\n" AGE, ST_INVALID},
		{HEAD "mode: enforce\nmx: -a.test\n" AGE, ST_INVALID},
		{HEAD "mode: enforce\nmx: [192.0.2.1]\n" AGE, ST_INVALID},
		{HEAD "mode: enforce\nmx: a.test, b.test\n" AGE, ST_INVALID},
		{"<html>", ST_INVALID},
		{"", ST_INVALID},
	};
	arena a = ARENA_INIT;

	for (size_t i = 0; i < ROWS(rows); i++) {
		mta_sts_policy p = {0};
		status kind = mta_sts_policy_parse(slice_z(rows[i].text), &a, &p);

		cr_expect_eq(kind, rows[i].kind, "row %zu gives %s", i, status_name(kind));
		cr_expect_eq(p.mode, rows[i].mode, "row %zu", i);
		cr_expect_eq(p.max_age, rows[i].age, "row %zu", i);
		cr_expect_eq(p.mx_count, rows[i].mx, "row %zu", i);
		cr_expect(p.mx_count == 0 || p.mx[0].at[0] == 'a' || p.mx[0].at[0] == 'm',
			"row %zu", i);
	}
	arena_release(&a);
}

/* `n` lines of exchangers, and one of filling so that the whole has `size` octets (0 = none). */
static slice long_policy(int n, size_t size, arena *a)
{
	char *text = arena_new(a, 200000);
	size_t at = (size_t)snprintf(text, 100, "%smode: enforce\n%s", HEAD, AGE);

	for (int i = 0; i < n; i++)
		at += (size_t)snprintf(text + at, 100, "mx: h%d.x.test\n", i);
	if (size > at + 3) {
		memcpy(text + at, "x: ", 3);
		memset(text + at + 3, 'y', size - at - 3);
		at = size;
	}
	return slice_of(text, at);
}

Test(mta_sts, bounds_what_it_reads)
{
	arena a = ARENA_INIT;
	mta_sts_policy p = {0};

	cr_assert_eq(mta_sts_policy_parse(long_policy(MTA_STS_MX_MOST, 0, &a), &a, &p), ST_OK);
	cr_assert_eq(p.mx_count, MTA_STS_MX_MOST);
	SAME(p.mx[MTA_STS_MX_MOST - 1], S("h999.x.test"));
	cr_assert_eq(
		mta_sts_policy_parse(long_policy(MTA_STS_MX_MOST + 1, 0, &a), &a, &p), ST_INVALID);
	cr_assert_eq(mta_sts_policy_parse(long_policy(1, MTA_STS_TEXT_MOST, &a), &a, &p), ST_OK);
	cr_assert_eq(mta_sts_policy_parse(long_policy(1, MTA_STS_TEXT_MOST + 1, &a), &a, &p),
		ST_INVALID);
	arena_release(&a);
}

Test(mta_sts, a_star_stands_for_one_label)
{
	static const struct {
		const char *host, *pattern;
		bool matches;
	} rows[] = {
		{"mx.x.test", "mx.x.test", true},
		{"MX.X.Test.", "mx.x.test", true},
		{"mx.x.test", "x.test", false},
		{"mx.x.test", "*.x.test", true},
		{"Mx.X.tesT", "*.x.test", true},
		{"a.mx.x.test", "*.x.test", false},
		{"x.test", "*.x.test", false},
		{".x.test", "*.x.test", false},
		{"mxx.test", "*.x.test", false},
		{"mx.x.test.evil", "*.x.test", false},
		{"", "*.x.test", false},
		{"test", "*.test", false},
	};

	for (size_t i = 0; i < ROWS(rows); i++)
		cr_expect_eq(mta_sts_mx_matches(slice_z(rows[i].host), slice_z(rows[i].pattern)),
			rows[i].matches, "%s and %s", rows[i].host, rows[i].pattern);
}
