/* Hashes of passwords: their parameters, their limits, and many at once. */
#include "tests/unit/provider/auth_fixture.h"

#include "base/random.h"
#include "provider/auth_cache.h"
#include "provider/auth_secret.h"
#include "provider/setting.h"
#include "tests/unit/provider/given.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/resource.h>

TestSuite(auth_hash, .init = auth_begin, .fini = provider_close, .timeout = 300);

Test(auth_hash, hashes_anew_when_the_parameters_rose)
{
	cr_assert_eq(
		store_sql(
			"select count(*) from credential where mailbox = %lld and hash like '$argon2id$v=19$m=19456,t=2,p=1$%%'",
			(long long)here.anna.mailbox),
		1);
	given_setting(S_auth_argon2_passes, "3");
	given_setting(S_auth_scram_iterations, "5000");
	uint64_t before = auth_hash_count();
	cr_assert_eq(logon("anna", PASSWORD), ST_OK);
	cr_assert_eq(auth_hash_count(), before + 2, "checked and made");
	cr_assert_eq(
		store_sql(
			"select count(*) from credential where mailbox = %lld and hash like '%%t=3,p=1$%%' and scram like 'SCRAM-SHA-256$5000:%%'",
			(long long)here.anna.mailbox),
		1);
	auth_cache_clear();
	before = auth_hash_count();
	cr_assert_eq(logon("anna", PASSWORD), ST_OK);
	cr_assert_eq(auth_hash_count(), before + 1);
	given_setting(S_auth_argon2_passes, "2");
	given_setting(S_auth_scram_iterations, "4096");
}

Test(auth_hash, a_hash_that_costs_too_much_is_never_computed)
{
	static const char *const bad[] = {
		"$argon2id$v=19$m=4194304,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
		"$argon2id$v=19$m=19456,t=4000000000,p=1$c29tZXNhbHQ$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
		"$argon2id$v=19$m=19456,t=2,p=64$c29tZXNhbHQ$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
		"$argon2id$v=19$m=31,t=2,p=4$c29tZXNhbHQ$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
		"$argon2id$v=19$m=19456,t=2,p=5$c29tZXNhbHQ$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
		"$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHQ$AAAA",
		"$argon2id$v=19$m=19456,t=2,p=1$", "$2y$10$x", "plain"};
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		uint64_t before = auth_hash_count();
		cr_expect_eq(
			auth_hash_check(slice_z(bad[i]), S(PASSWORD)), ST_BROKEN, "%s", bad[i]);
		cr_expect_eq(auth_hash_count(), before, "%s", bad[i]);
	}
	/* In a row it lets nobody in and looks like any other refusal. */
	store_sql("update credential set hash = '%s' where mailbox = %lld", bad[0],
		(long long)here.anna.mailbox);
	uint64_t before = auth_hash_count();
	cr_expect_eq(logon("anna", PASSWORD), ST_DENIED);
	cr_expect_eq(auth_hash_count(), before + 1);
}

Test(auth_hash, reads_hashes_made_by_the_reference)
{
	/* argon2id_hash_encoded(2, 32768, 1, "Secret-Word-1", 13, "somesaltsomesalt", 16, 32,
	   ...) */
	static const slice made = S(
		"$argon2id$v=19$m=32768,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$QQpm9GwsZRJ5kUGIJY7zOGTzbYCmrBW/M4mOZJsg9nM");
	cr_assert_eq(auth_hash_check(made, S(PASSWORD)), ST_OK);
	cr_assert_eq(auth_hash_check(made, S("Secret-Word-2")), ST_DENIED);
	cr_assert_not(auth_hash_outdated(made));

	/* The same with two and with four lanes: checked, and to be replaced. */
	static const slice wide[] = {
		S("$argon2id$v=19$m=32768,t=2,p=2$c29tZXNhbHRzb21lc2FsdA$PF/Oi7CihdsYH8+A2vtOUgFUtN5iWn+rRFD5/tr17JY"),
		S("$argon2id$v=19$m=32768,t=2,p=4$c29tZXNhbHRzb21lc2FsdA$KHk+aEFJKclQa3+zK8lXy8oG53bWNCc5A8qlD/wftg0")};
	for (int i = 0; i < 2; i++) {
		cr_expect_eq(auth_hash_check(wide[i], S(PASSWORD)), ST_OK);
		cr_expect_eq(auth_hash_check(wide[i], S("Secret-Word-2")), ST_DENIED);
		cr_expect(auth_hash_outdated(wide[i]));
	}
	given_setting(S_auth_argon2_lanes, "4");
	cr_expect(auth_hash_outdated(made));
	cr_expect_not(auth_hash_outdated(wide[1]));
	given_setting(S_auth_argon2_lanes, "1");
}

static long long rows_with(const char *parameters)
{
	return store_sql(
		"select count(*) from credential where mailbox = %lld and hash like '$argon2id$v=19$%s$%%'",
		(long long)here.anna.mailbox, parameters);
}

Test(auth_hash, lanes_are_a_setting_that_the_next_logon_follows)
{
	cr_assert_eq(rows_with("m=19456,t=2,p=1"), 1);
	given_setting(S_auth_argon2_lanes, "3");
	cr_assert_eq(logon("anna", PASSWORD), ST_OK);
	cr_expect_eq(rows_with("m=19456,t=2,p=3"), 1, "hashed anew");
	auth_cache_clear();
	uint64_t before = auth_hash_count();
	cr_expect_eq(logon("anna", PASSWORD), ST_OK);
	cr_expect_eq(logon("anna", "Secret-Word-2"), ST_DENIED);
	cr_expect_eq(auth_hash_count(), before + 2, "and that hash stands");
	given_setting(S_auth_argon2_lanes, "1");
	auth_cache_clear();
	cr_assert_eq(logon("anna", PASSWORD), ST_OK);
	cr_expect_eq(rows_with("m=19456,t=2,p=1"), 1, "back again");
}

#ifdef PENNYPOST_TSAN
#define SHADOW 5 /* the sanitizer keeps four octets beside each */
#define CROWD 40 /* and hashes so slowly that more would run out of patience */
#elif defined PENNYPOST_ASAN
#define SHADOW 2 /* the sanitizer keeps for a while what threads have freed */
#define CROWD 200
#else
#define SHADOW 1
#define CROWD 200
#endif

struct crowd {
	slice password;
	atomic_int denied, other;
};

static void *guess(void *arg)
{
	struct crowd *c = arg;
	arena mine = ARENA_INIT;
	struct identity who;
	slice address = arena_format(&mine, "10.%u.%u.%u", (unsigned)random_below(256),
		(unsigned)random_below(256), (unsigned)random_below(256));
	struct auth_from from = {.service = SERVICE_HTTP, .address = address};
	slice name = arena_format(&mine, "nobody-%u", (unsigned)random_below(1u << 31));
	status kind = auth_password(name, c->password, &from, &mine, &who);
	atomic_fetch_add(kind == ST_DENIED ? &c->denied : &c->other, 1);
	arena_release(&mine);
	return NULL;
}

/* The most memory the process ever had, in KB, after CROWD logons at once. */
static long most_memory_after(struct crowd *c)
{
	pthread_t threads[CROWD];
	struct rusage u;
	for (int i = 0; i < CROWD; i++)
		cr_assert_eq(pthread_create(&threads[i], NULL, guess, c), 0);
	for (int i = 0; i < CROWD; i++)
		pthread_join(threads[i], NULL);
	getrusage(RUSAGE_SELF, &u);
	return u.ru_maxrss;
}

Test(auth_hash, two_hundred_logons_stay_within_the_budget)
{
	char big[AUTH_PASSWORD_MOST + 1] = {0};
	struct crowd unhashed = {.password = slice_of(big, sizeof big)},
		     c = {.password = S("guess")};
	given_setting(S_auth_hash_memory, "64 MB");
	given_setting(S_auth_hash_patience, "1 min");
	given_setting(S_db_patience, "1 min");
	/* First what the threads take without hashing anything. */
	long before = most_memory_after(&unhashed);
	most_memory_after(&c);
	given_setting(S_auth_argon2_lanes, "4"); /* which share the memory of their hash */
	long grown = most_memory_after(&c) - before;
	given_setting(S_auth_argon2_lanes, "1");
	fprintf(stderr, "bench: hashing for %d parallel logons took %ld KB (budget %d KB)\n", CROWD,
		grown, 64 * 1024);
	cr_expect_eq(c.denied, 2 * CROWD);
	cr_expect_eq(c.other, 0);
	cr_expect_leq(grown, SHADOW * 64 * 1024 * 11 / 10);
	given_setting(S_auth_hash_memory, "128 MB");
	given_setting(S_auth_hash_patience, "10 s");
	given_setting(S_db_patience, "10 s");
}

static status fiber_logon(void *arg)
{
	struct crowd *c = arg;
	status kind = logon("anna", PASSWORD);
	atomic_fetch_add(kind == ST_OK ? &c->denied : &c->other, 1);
	return kind;
}

Test(auth_hash, works_in_fibers_as_in_threads)
{
	struct crowd c = {0};
	given_setting(S_auth_hash_patience, "1 min");
	given_setting(S_db_patience, "1 min");
	store_fibers(CROWD / 10, fiber_logon, &c);
	cr_expect_eq(c.denied, CROWD / 10, "let in");
	cr_expect_eq(c.other, 0);
	given_setting(S_auth_hash_patience, "10 s");
	given_setting(S_db_patience, "10 s");
}
