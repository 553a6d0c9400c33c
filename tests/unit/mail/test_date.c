/* Dates: written exactly, read tolerantly. */
#include "same.h"

#include "mail/date.h"

Test(date, is_written_for_headers_and_for_imap)
{
	static const struct {
		int64_t seconds;
		int offset;
		slice header, internal;
	} rows[] = {
		{0, 0, S("Thu, 1 Jan 1970 00:00:00 +0000"), S(" 1-Jan-1970 00:00:00 +0000")},
		{1763692980, 0, S("Fri, 21 Nov 2025 02:43:00 +0000"),
			S("21-Nov-2025 02:43:00 +0000")},
		{1763692980, 60, S("Fri, 21 Nov 2025 03:43:00 +0100"),
			S("21-Nov-2025 03:43:00 +0100")},
		{1763692980, -570, S("Thu, 20 Nov 2025 17:13:00 -0930"),
			S("20-Nov-2025 17:13:00 -0930")},
		{951782400, 0, S("Tue, 29 Feb 2000 00:00:00 +0000"),
			S("29-Feb-2000 00:00:00 +0000")},
		{4102444799, 0, S("Thu, 31 Dec 2099 23:59:59 +0000"),
			S("31-Dec-2099 23:59:59 +0000")},
		{-1, 0, S("Wed, 31 Dec 1969 23:59:59 +0000"), S("31-Dec-1969 23:59:59 +0000")},
		{0, 5000, S("Thu, 1 Jan 1970 00:00:00 +0000"), S(" 1-Jan-1970 00:00:00 +0000")},
	};
	arena a = ARENA_INIT;

	for (size_t i = 0; i < ROWS(rows); i++) {
		date d = {.at = rows[i].seconds * USEC_S, .offset = rows[i].offset}, again;
		SAME(date_format(d, &a), rows[i].header);
		SAME(date_internal_format(d, &a), rows[i].internal);
		cr_assert_eq(date_parse(rows[i].header, &again), ST_OK);
		cr_assert_eq(again.at, d.at);
		cr_assert_eq(date_internal_parse(rows[i].internal, &again), ST_OK);
		cr_assert_eq(again.at, d.at);
	}
	date_format((date){.at = INT64_MIN}, &a);
	date_format((date){.at = INT64_MAX, .offset = 1439}, &a);
	arena_release(&a);
}

Test(date, is_read_in_all_its_dialects)
{
	static const struct {
		slice value;
		int64_t seconds;
		int offset;
	} rows[] = {
		{S("21 Nov 2025 02:43 +0000"), 1763692980, 0},
		{S("  Fri,21 Nov 2025 02:43:00 +0000 (UTC)"), 1763692980, 0},
		{S("Fri, 21 Nov 2025\r\n 02:43:00\r\n\t+0000"), 1763692980, 0},
		{S("Fri (day), 21 (of (the)) Nov 2025 02 : 43 : 00 +0000"), 1763692980, 0},
		{S("Friday, 21-Nov-25 02:43:00 GMT"), 1763692980, 0},
		{S("21 November 2025 02:43:00 UT"), 1763692980, 0},
		{S("Fri, 21 Nov 2025 02:43:00"), 1763692980, 0},
		{S("Fri Nov 21 02:43:00 2025"), 1763692980, 0},
		{S("Thu Nov 20 21:43:00 EST 2025"), 1763692980, -300},
		{S("Nov 21, 2025 02:43:00 Z"), 1763692980, 0},
		{S("2025-11-21T02:43:00Z"), 1763692980, 0},
		{S("2025-11-21 03:43:00.123+01:00"), 1763692980, 60},
		{S("Fri, 21 Nov 2025 04:43:00 GMT+0200"), 1763692980, 120},
		{S("Fri, 21 Nov 2025 02:43:00 A"), 1763692980, 0},
		{S("Fri, 21 Nov 125 02:43:00 +0000"), 1763692980, 0},
		{S("1 Jan 70 00:00:00 +0000"), 0, 0},
		{S("31 Dec 1998 23:59:60 +0000"), 915148799, 0},
		{S("Mon, 1 Jan 1900 00:00:00 +0000"), -2208988800, 0},
	};

	for (size_t i = 0; i < ROWS(rows); i++) {
		date d = {0};
		cr_assert_eq(date_parse(rows[i].value, &d), ST_OK, "row %zu", i);
		cr_assert_eq(d.at, rows[i].seconds * USEC_S, "row %zu: %lld", i,
			(long long)(d.at / USEC_S));
		cr_assert_eq(d.offset, rows[i].offset, "row %zu", i);
	}
}

Test(date, that_is_none_is_refused)
{
	static const slice rows[] = {
		S(""),
		S("yesterday"),
		S("Fri"),
		S("12"),
		S("21 Nov"),
		S("Nov 2025"),
		S("32 Nov 2025 00:00"),
		S("29 Feb 2025 00:00:00 +0000"),
		S("0 Nov 2025 00:00"),
		S("21 Nov 2025 24:00:00"),
		S("21 Nov 2025 12:60:00"),
		S("21 Nov 2025 12:00:61"),
		S("21 Nov 1899 12:00:00"),
		S("21 Nov 99999 12:00:00"),
		S("21 Nov 2025 12:00:00 +2400"),
		S("21 Nov 2025 12:00 +0060"),
		S("21 Nov 2025 12:"),
		S("21 Nov 2025 123:00"),
		S("(((((((("),
		S("1 2 3 4 5 6"),
		S("21 Nov 2025 1:2 3:4"),
	};

	for (size_t i = 0; i < ROWS(rows); i++) {
		date d = {.at = 7};
		cr_assert_eq(date_parse(rows[i], &d), ST_INVALID, "row %zu", i);
		cr_assert_eq(d.at, 7);
	}
}

Test(date, of_imap_is_read_strictly)
{
	static const slice bad[] = {
		S(""),
		S("21-Nov-2025"),
		S("21-Nov-2025 02:43:00"),
		S("21-Nov-2025 02:43:00 UTC"),
		S("21-Nov-25 02:43:00 +0000"),
		S("21 Nov 2025 02:43:00 +0000"),
		S("21-Nov-2025 02:43:00 +0000 "),
		S("31-Nov-2025 02:43:00 +0000"),
		S("  1-Nov-2025"),
	};
	date d = {.at = 7};

	cr_assert_eq(date_internal_parse(S("1-Nov-2025 00:00:00 -0130"), &d), ST_OK);
	cr_assert_eq(d.offset, -90);
	d.at = 7;
	for (size_t i = 0; i < ROWS(bad); i++)
		cr_assert_eq(date_internal_parse(bad[i], &d), ST_INVALID, "row %zu", i);
	cr_assert_eq(d.at, 7);
}

Test(date, days_and_civil_dates_agree)
{
	for (int64_t days = -800000; days < 3000000; days += 37) {
		int year, month, day;
		date_civil(days, &year, &month, &day);
		cr_assert_eq(date_days(year, month, day), days);
		cr_assert(month >= 1 && month <= 12 && day >= 1 && day <= 31);
	}
}
