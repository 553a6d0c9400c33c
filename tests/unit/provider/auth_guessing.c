/* Logons that fail are counted, by all processes together, and held back (T41). */
#include "tests/unit/provider/auth_fixture.h"

#include "base/encode.h"
#include "base/id.h"
#include "base/random.h"
#include "provider/auth_cache.h"
#include "provider/auth_secret.h"
#include "provider/setting.h"
#include "tests/unit/provider/given.h"

#include <criterion/criterion.h>
#include <sys/wait.h>
#include <unistd.h>

TestSuite(auth_guessing, .init = auth_begin, .fini = provider_close, .timeout = 300);

Test(auth_guessing, the_owner_passes_while_guessers_are_refused)
{
	struct auth_from guesser = somewhere(), stranger = somewhere();
	struct identity who;
	cr_assert_eq(logon("anna", PASSWORD), ST_OK);
	for (int i = 0; i < 10; i++)
		cr_assert_eq(logon_from(&guesser, "anna", "guess", &who), ST_DENIED);
	cr_assert_eq(logon_from(&guesser, "anna", PASSWORD, &who), ST_LIMITED);
	cr_assert_eq(
		logon_from(&guesser, "nobody", "guess", &who), ST_LIMITED, "one address, any name");
	cr_assert_eq(
		logon_from(&stranger, "anna", PASSWORD, &who), ST_LIMITED, "one name, any address");
	auth_cache_clear();
	cr_assert_eq(logon("anna", PASSWORD), ST_OK, "known here");
	uint64_t hashes = auth_hash_count();
	cr_assert_eq(logon_from(&guesser, "anna", "guess", &who), ST_LIMITED);
	cr_assert_eq(auth_hash_count(), hashes, "who is refused costs no hash (T34)");
}

Test(auth_guessing, all_spellings_of_a_name_are_one_account)
{
	slice host = arena_format(&here.a, "d%lld.test", (long long)id_new());
	store_domain(here.po, arena_z(&here.a, host));
	slice other = arena_format(&here.a, "anna@%.*s", SLICE_ARGS(host));
	struct identity who;
	for (int i = 0; i < 10; i++) {
		struct auth_from from = somewhere();
		cr_assert_eq(i % 2 ? logon_from(&from, "anna", "guess", &who)
				   : auth_password(other, S("guess"), &from, &here.a, &who),
			ST_DENIED);
	}
	struct auth_from from = somewhere();
	cr_assert_eq(auth_password(other, S(PASSWORD), &from, &here.a, &who), ST_LIMITED);
}

/* Those of this test's address and post office. */
static void age_failures(int minutes)
{
	uint8_t key[AUTH_KEY];
	auth_throttle_key(AUTH_KEY_ADDRESS, here.home.address, key);
	slice hex = hex_encode(slice_of(key, sizeof key), &here.a);
	store_sql(
		"update throttle set since = since - interval '%d minutes' where key = '\\x%.*s' or position(int8send(%lld) in key) > 0",
		minutes, SLICE_ARGS(hex), (long long)here.po);
}

Test(auth_guessing, failures_are_forgotten_after_their_span)
{
	struct identity who;
	for (int i = 0; i < 10; i++)
		cr_assert_eq(logon_from(&here.home, "anna", "guess", &who), ST_DENIED);
	cr_assert_eq(logon("anna", PASSWORD), ST_LIMITED);
	age_failures(2);
	cr_assert_eq(logon("anna", PASSWORD), ST_LIMITED);
	given_setting(S_auth_failure_span, "1 min");
	cr_assert_eq(logon("anna", PASSWORD), ST_OK, "two minutes are more than the span");
	given_setting(S_auth_failure_span, NULL);
}

Test(auth_guessing, delays_double_up_to_eightfold)
{
	given_setting(S_auth_failure_delay, "1 s");
	const struct {
		struct auth_counts counts;
		usec wanted;
	} rows[] = {
		{{0}, USEC_S},
		{{.address = 1}, 2 * USEC_S},
		{{.account = 2}, 4 * USEC_S},
		{{.address = 3, .account = 1}, 8 * USEC_S},
		{{.address = 50}, 8 * USEC_S},
		{{.address = 50, .account = 50, .known = true}, USEC_S},
		{{.pair = 1, .known = true}, 2 * USEC_S},
	};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		cr_expect_eq(auth_throttle_delay(&rows[i].counts), rows[i].wanted, "row %zu", i);
	given_setting(S_auth_failure_delay, "0 s");
}

/* Two processes, one count: the child guesses, the parent refuses. */
Test(auth_shared, failures_are_shared_between_processes, .timeout = 300)
{
	struct auth_from guesser = {.service = SERVICE_SUBMISSION, .address = somewhere().address};
	slice name = arena_format(&here.a, "nobody-%lld", (long long)random_below(1u << 30));
	struct identity who;
	int how;
	pid_t child = fork();
	if (child == 0) {
		given_providers();
		given_setting(S_auth_failure_delay, "0 s");
		for (int i = 0; i < 10; i++)
			if (auth_password(name, S("guess"), &guesser, &here.a, &who) != ST_DENIED)
				_exit(1);
		_exit(0);
	}
	cr_assert_eq(waitpid(child, &how, 0), child);
	cr_assert(WIFEXITED(how) && WEXITSTATUS(how) == 0);
	given_providers();
	guesser.service = SERVICE_POP3;
	cr_assert_eq(auth_password(name, S("guess"), &guesser, &here.a, &who), ST_LIMITED);
	provider_close();
}

Test(auth_guessing, all_failures_have_a_count_of_their_own)
{
	struct auth_scram s;
	struct identity who;
	struct auth_from from = somewhere();
	slice name = arena_format(&here.a, "anna@%.*s", SLICE_ARGS(here.office));
	cr_assert_eq(auth_scram_find(name, &from, &here.a, &s), ST_OK);
	int64_t before = s.counts.all;
	for (int i = 0; i < 5; i++) {
		struct auth_from other = somewhere();
		slice nobody = arena_format(&here.a, "nobody%d@%.*s", i, SLICE_ARGS(here.office));
		cr_assert_eq(auth_password(nobody, S("guess"), &other, &here.a, &who), ST_DENIED);
	}
	cr_assert_eq(auth_scram_find(name, &from, &here.a, &s), ST_OK);
	cr_assert_geq(s.counts.all, before + 5, "those of other tests count too");
	cr_assert_eq(s.counts.address, 0);
	cr_assert_eq(s.counts.account, 0);
	store_sql("update throttle set failures = failures + 1000 where key = 'g'");
	from = somewhere();
	before = asked();
	cr_assert_eq(auth_scram_find(name, &from, &here.a, &s), ST_OK);
	cr_assert_eq(asked(), before + 2, "held back, and found anew after that");
	store_sql("update throttle set failures = failures - 1000 where key = 'g'");
}
