/* Doubts in numbers: what a process keeps in mind of messages whose fate it does not know, how it
   asks, and what it drops. They have settings and a database for themselves. */
#include "provider/repeat.h"

#include "base/id.h"
#include "base/log.h"
#include "task/task.h"
#include "tests/unit/provider/given.h"
#include "tests/unit/provider/store_fixture.h"

#include <criterion/criterion.h>
#include <stdio.h>

TestSuite(repeat, .init = given_providers, .fini = provider_close, .timeout = 300);

static struct {
	int n, most;    /* doubts noted before the database is asked, and how many may be kept */
	size_t dropped; /* the oldest */
	long long office;
	long long first; /* message of the oldest doubt; the others follow */
	size_t told;     /* drops that were logged */
} crowd;

/* Messages that stand without their keys, as after a crash of PostgreSQL. */
static void messages_stand(void)
{
	char sql[200];

	crowd.office = store_postoffice();
	crowd.first = id_new();
	snprintf(sql, sizeof sql,
		"insert into message (postoffice, msg, blob, size, hdrlen)"
		" select %lld, %lld + i, 1, 2, 2 from generate_series(0, %d) i",
		crowd.office, crowd.first, crowd.n - 1);
	given_script(given_super(), sql);
}

static long long marked(void)
{
	return store_sql(
		"select count(*) from repeat where broken and message between %lld and %lld",
		crowd.first, crowd.first + crowd.n - 1);
}

static status crowd_doubted(void *arg)
{
	long long kept = crowd.n - (long long)crowd.dropped;

	(void)arg;
	for (int i = 0; i < crowd.n; i++) { /* nobody waits: the database hears of them together */
		int64_t key[2] = {id_new(), id_new()};

		repeat_doubt(
			slice_of((const char *)key, sizeof key), crowd.office, crowd.first + i);
	}
	for (int tries = 0; tries < 1200 && marked() < kept; tries++)
		task_sleep(50 * USEC_MS); /* a minute at most */
	return ST_OK;
}

static bool warns(log_level level, bool written)
{
	(void)written;
	return level == LOG_WARN_LEVEL;
}

static void drop_hear(log_level level, bool written, slice line)
{
	static const char said[] = "event=REPEAT_DROPPED what=doubts n=";
	const char *at = memmem(line.at, line.size, said, sizeof said - 1);

	(void)level;
	(void)written;
	if (at)
		crowd.told += strtoul(at + sizeof said - 1, NULL, 10);
}

static void doubt_a_crowd(int n, int most, size_t dropped)
{
	static const struct log_tap tap = {warns, drop_hear};
	char value[16];

	crowd.n = n;
	crowd.most = most;
	crowd.dropped = dropped;
	crowd.told = 0;
	messages_stand();
	snprintf(value, sizeof value, "%d", most);
	given_setting(S_smtp_repeat_most, value);
	log_tap_set(&tap);
	store_fibers(1, crowd_doubted, NULL);
	log_tap_set(NULL);
	given_setting(S_smtp_repeat_most, NULL);
}

Test(repeat, of_too_many_doubts_the_oldest_tenth_is_dropped_and_told_of)
{
	static const struct {
		int most, n;
		size_t dropped;
	} rows[] = {
		{10, 10, 0},
		{10, 14, 4}, /* a tenth is one */
		{100, 101, 10},
		{100, 110, 10}, /* there is room for nine more */
		{100, 111, 20},
		{5000, 5001, 500},
		{5000, 5501, 1000}, /* a whole block */
		{5000, 6600, 2000},
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		doubt_a_crowd(rows[i].n, rows[i].most, rows[i].dropped);
		cr_expect_eq(crowd.told, rows[i].dropped, "%zu: %zu dropped", i, crowd.told);
		cr_expect_eq(marked(), rows[i].n - (long long)rows[i].dropped, "%zu: %lld marked",
			i, marked());
		cr_expect_eq(
			store_sql(
				"select min(message) - %lld from repeat where broken and message between %lld and %lld",
				crowd.first, crowd.first, crowd.first + crowd.n - 1),
			(int64_t)rows[i].dropped, "%zu: not the oldest", i);
	}
}

/* One turn is one transaction. */
Test(repeat, a_thousand_doubts_are_asked_for_in_one_turn)
{
	doubt_a_crowd(2500, 10000, 0);
	cr_expect_eq(marked(), 2500);
	cr_expect_eq(
		store_sql("select max(n) from (select count(*) as n from repeat"
			  " where broken and message between %lld and %lld group by xmin) turn",
			crowd.first, crowd.first + 2499),
		1000);
}
