/* Guessing from many addresses on many accounts (T41), each too seldom to be noticed by itself:
   strangers are held back, owners are not, and nobody is locked out. On a virtual clock, which the
   waiting moves on. */
#include "base/clock.h"
#include "provider/memory/memory.h"
#include "provider/sasl.h"
#include "provider/setting.h"
#include "task/task.h"

#include <criterion/criterion.h>

#define ACCOUNTS 60
#define EACH 3 /* accounts that one address tries */
#define WRONG "Summer-2026"
#define RIGHT "right-one-1"

static arena a;

static void setup(void)
{
	memory_reset();
	memory_setting("auth_default_postoffice", "acme");
	memory_setting("auth_failures_all_most", "100");
	memory_setting("auth_failures_all_delay", "2 s");
	int64_t po = memory_postoffice("acme", "acme.test");
	for (int i = 0; i < ACCOUNTS; i++)
		memory_mailbox(po, arena_format(&a, "u%d", i).at, RIGHT);
	clock_virtual(1700000000 * USEC_S);
	task_virtual_run(true);
}

static void teardown(void)
{
	task_virtual_run(false);
	arena_release(&a);
}

TestSuite(guessing, .init = setup, .fini = teardown, .timeout = 300);

static struct auth_from from(int address)
{
	return (struct auth_from){.service = SERVICE_IMAP,
		.secure = true,
		.address = arena_format(&a, "198.51.%d.%d", address / 200, address % 200 + 1)};
}

/* How long the answer took. */
static usec attempt(int address, int account, const char *password, status wanted)
{
	struct auth_from at = from(address);
	struct identity who;
	usec since = clock_now();
	cr_assert_eq(
		auth_password(arena_format(&a, "u%d", account), slice_z(password), &at, &a, &who),
		wanted, "address %d, account %d", address, account);
	return clock_now() - since;
}

/* n wrong ones from addresses `first` on; the longest that one of them took. */
static usec spray(int first, int n)
{
	usec longest = 0;
	for (int i = 0; i < n; i++) {
		usec took = attempt(first + i / EACH, (first + i) % ACCOUNTS, WRONG, ST_DENIED);
		longest = took > longest ? took : longest;
	}
	return longest;
}

Test(guessing, one_password_on_many_accounts_slows_strangers_down)
{
	cr_expect_eq(attempt(5000, 0, RIGHT, ST_OK), 0, "an owner, at home before it began");
	cr_expect_eq(spray(0, 100), 0, "not yet many");
	cr_expect_eq(attempt(1000, 7, WRONG, ST_DENIED), 2 * USEC_S);
	cr_expect_eq(attempt(1001, 8, WRONG, ST_DENIED), 2 * USEC_S);
	cr_expect_eq(attempt(5000, 0, RIGHT, ST_OK), 0, "known there");
	cr_expect_eq(attempt(1002, 9, RIGHT, ST_OK), 2 * USEC_S, "a right one passes, late");
	cr_expect_eq(attempt(1002, 9, RIGHT, ST_OK), 0, "and is known from then on");
}

Test(guessing, delays_double_with_the_count_up_to_eightfold)
{
	memory_setting("auth_failures_most", "1000");
	const struct {
		int more;
		usec wanted;
	} rows[] = {{100, 0}, {99, 2 * USEC_S}, {2, 4 * USEC_S}, {198, 4 * USEC_S}, {2, 8 * USEC_S},
		{400, 16 * USEC_S}, {200, 16 * USEC_S}};
	memory_setting("auth_failure_span", "1 d");
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		cr_expect_eq(spray((int)i * 1000, rows[i].more), rows[i].wanted, "row %zu", i);
}

Test(guessing, names_that_nobody_has_wait_as_long)
{
	struct auth_from at = from(3000);
	struct auth_scram s;
	struct identity who;
	spray(0, 100);
	usec since = clock_now();
	cr_assert_eq(auth_password(S("nobody"), S(WRONG), &at, &a, &who), ST_DENIED);
	cr_expect_eq(clock_now() - since, 2 * USEC_S);
	since = clock_now();
	cr_assert_eq(auth_scram_find(S("nobody"), &at, &a, &s), ST_OK);
	cr_expect_eq(clock_now() - since, 2 * USEC_S, "before a salt is shown");
	since = clock_now();
	cr_assert_eq(auth_scram_done(&s, S("nobody"), &at, false), ST_DENIED);
	cr_expect_eq(clock_now() - since, 0, "once");
}

Test(guessing, it_ends_with_the_span_and_can_be_switched_off)
{
	spray(0, 100);
	clock_advance(setting_number(S_auth_failure_span, NULL));
	cr_expect_eq(attempt(1000, 7, WRONG, ST_DENIED), 0, "forgotten");
	spray(200, 100);
	cr_expect_eq(attempt(1001, 7, WRONG, ST_DENIED), 2 * USEC_S);
	memory_setting("auth_failures_all_most", "0");
	cr_expect_eq(attempt(1002, 7, WRONG, ST_DENIED), 0);
}
