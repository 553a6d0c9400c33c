/* Logons beside a PostgreSQL: who is let in, and that a refusal tells nothing by what it costs. */
#include "tests/unit/provider/auth_fixture.h"

#include "base/clock.h"
#include "base/id.h"
#include "provider/address_map.h"
#include "provider/auth_secret.h"
#include "provider/postoffice.h"
#include "provider/setting.h"
#include "tests/unit/provider/given.h"

#include <criterion/criterion.h>

TestSuite(auth, .init = auth_begin, .fini = provider_close, .timeout = 300);

/* ---- who is let in */

Test(auth, names_lead_to_their_mailbox_by_row)
{
	slice host = arena_format(&here.a, "d%lld.test", (long long)id_new());
	store_domain(here.po, arena_z(&here.a, host));
	cr_assert_eq(address_make(here.po, arena_format(&here.a, "a.huber@%.*s", SLICE_ARGS(host)),
			     here.anna.mailbox, given_by, &here.a, &here.why),
		ST_OK);
	store_mailbox(here.po, "100%_\\", 0);
	given_setting(S_auth_at_signs, "#!");
	const struct {
		const char *form; /* P: the post office's name, D: the domain */
		status kind;
	} rows[] = {
		{"anna@P", ST_OK},
		{"ANNA@P", ST_OK},
		{"anna@D", ST_OK},
		{"a.huber@D", ST_OK},
		{"A.Huber@D", ST_OK},
		{"anna#P", ST_OK},
		{"anna!D", ST_OK},
		{"100%_\\@P", ST_OK},
		{"ann_@P", ST_DENIED},
		{"anna%@P", ST_DENIED},
		{"%@P", ST_DENIED},
		{"_nna@P", ST_DENIED},
		{"anna'--@P", ST_DENIED},
		{"' or ''='@P", ST_DENIED},
		{"anna\"@P", ST_DENIED},
		{"anna@P'; drop table mailbox; --", ST_DENIED},
		{"a.huber@P", ST_DENIED},
		{"anna", ST_DENIED},
		{"@P", ST_DENIED},
		{"anna@", ST_DENIED},
		{"", ST_DENIED},
		{"anna\x01@P", ST_DENIED},
		{"\xff@P", ST_DENIED},
		{"anna@P@P", ST_DENIED},
	};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct auth_from from = somewhere();
		struct identity who = {0};
		slice name = slice_z(rows[i].form), sign = S("PD");
		for (int k = 0; k < 2; k++) {
			size_t at = slice_find(name, sign.at[k]);
			slice with = k ? host : here.office;
			if (at < name.size)
				name = arena_format(&here.a, "%.*s%.*s%.*s",
					SLICE_ARGS(slice_until(name, at)), SLICE_ARGS(with),
					SLICE_ARGS(slice_from(name, at + 1)));
		}
		cr_expect_eq(auth_password(name, S(PASSWORD), &from, &here.a, &who), rows[i].kind,
			"%s", rows[i].form);
		cr_expect_eq(who.mailbox != 0, rows[i].kind == ST_OK, "%s", rows[i].form);
	}
}

Test(auth, nobody_else_is_let_in)
{
	struct identity who = {0};
	cr_assert_eq(logon("anna", PASSWORD "x"), ST_DENIED);
	cr_assert_eq(logon("anna", ""), ST_DENIED);
	cr_assert_eq(logon_from(&here.home, "anna", PASSWORD, &who), ST_OK);
	cr_assert_eq(who.postoffice, here.po);
	cr_assert_eq(who.mailbox, here.anna.mailbox);
	cr_assert_eq(who.inbox, here.anna.inbox);
	cr_assert(slice_same(who.mailbox_name, S("anna")));
	cr_assert(slice_same(who.postoffice_name, here.office));
}

/* ---- the same work for every name (T40) */

static uint64_t hashes_for(const char *name, const char *password, status wanted)
{
	uint64_t before = auth_hash_count();
	cr_expect_eq(logon(name, password), wanted, "%s", name);
	return auth_hash_count() - before;
}

Test(auth, every_refusal_costs_one_hash)
{
	char big[AUTH_PASSWORD_MOST + 2];
	memset(big, 'x', sizeof big - 1);
	big[sizeof big - 1] = '\0';
	struct route off = store_mailbox(here.po, "off", 0);
	cr_assert_eq(mailbox_set_state(here.po, off.mailbox, MAILBOX_DISABLED, given_by), ST_OK);
	cr_expect_eq(hashes_for("anna", "wrong", ST_DENIED), 1);
	cr_expect_eq(hashes_for("nobody", PASSWORD, ST_DENIED), 1);
	cr_expect_eq(hashes_for("off", PASSWORD, ST_DENIED), 1);
	cr_expect_eq(hashes_for("an\x01na", PASSWORD, ST_DENIED), 1);
	cr_expect_eq(hashes_for("anna", big, ST_DENIED), 0, "too long for anybody");
	cr_expect_eq(hashes_for("nobody", big, ST_DENIED), 0);
	cr_assert_eq(postoffice_set_state(here.po, POSTOFFICE_DISABLED, given_by), ST_OK);
	cr_expect_eq(hashes_for("anna", PASSWORD, ST_DENIED), 1);
}

/* By PLAIN, which the post office of anna may take or not. */
static status plain(const struct auth_from *from, const char *password)
{
	struct identity who;
	return auth_password_by(S("PLAIN"),
		arena_format(&here.a, "anna@%.*s", SLICE_ARGS(here.office)), slice_z(password),
		from, &here.a, &who);
}

static int64_t failures(void)
{
	return metric_value(M_logons_failed, SERVICE_POP3);
}

/* T40: else the right password would be the one that is refused sooner. */
Test(auth, a_mechanism_not_taken_costs_what_a_wrong_password_costs)
{
	const struct setting_at at = {.postoffice = here.po};
	slice only = S("SCRAM-SHA-256"), and_login = S("SCRAM-SHA-256 LOGIN");
	cr_assert_eq(plain(&here.home, PASSWORD), ST_OK, "remembered from here on");
	cr_assert_eq(
		setting_set(S_auth_mechanisms, &at, &only, given_by, &here.a, &here.why), ST_OK);
	given_setting(S_auth_failure_delay, "100 ms");
	const char *const given[] = {PASSWORD, "wrong"};
	for (int i = 0; i < 2; i++) {
		struct auth_from fresh = somewhere();
		const struct auth_from *const from[] = {&here.home, &fresh};
		for (int k = 0; k < 2; k++) {
			uint64_t hashes = auth_hash_count();
			int64_t failed = failures();
			usec since = clock_now();
			cr_expect_eq(plain(from[k], given[i]), ST_DENIED, "%s", given[i]);
			cr_expect_geq(clock_now() - since, USEC_S / 10, "%s", given[i]);
			cr_expect_eq(auth_hash_count() - hashes, 1, "%s", given[i]);
			cr_expect_eq(failures() - failed, 1, "%s", given[i]);
		}
	}
	given_setting(S_auth_failure_delay, "0 s");
	cr_assert_eq(logon("anna", PASSWORD), ST_DENIED, "USER and PASS send it as it is, too");
	cr_assert_eq(setting_set(S_auth_mechanisms, &at, &and_login, given_by, &here.a, &here.why),
		ST_OK);
	cr_assert_eq(logon("anna", PASSWORD), ST_OK, "as LOGIN does");
}

Test(auth, a_logon_by_any_service_is_the_mailboxs_last)
{
	mailbox *m;
	cr_assert_eq(mailbox_by_id(here.po, here.anna.mailbox, &here.a, &m), ST_OK);
	cr_expect_eq(m->last_logon, 0);
	here.home.service = SERVICE_IMAP;
	cr_assert_eq(logon("anna", "guess"), ST_DENIED);
	cr_assert_eq(mailbox_by_id(here.po, here.anna.mailbox, &here.a, &m), ST_OK);
	cr_expect_eq(m->last_logon, 0);
	cr_assert_eq(logon("anna", PASSWORD), ST_OK);
	cr_assert_eq(mailbox_by_id(here.po, here.anna.mailbox, &here.a, &m), ST_OK);
	cr_expect_gt(m->last_logon, m->made);
}
