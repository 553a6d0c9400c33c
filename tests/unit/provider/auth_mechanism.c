/* Logons that show no password, and passwords that are made for somebody. */
#include "tests/unit/provider/auth_fixture.h"

#include "base/random.h"
#include "provider/auth_apop.h"
#include "provider/auth_secret.h"
#include "provider/change.h"
#include "provider/postoffice.h"
#include "provider/scram.h"
#include "provider/setting.h"
#include "tests/unit/provider/given.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

TestSuite(auth_mechanism, .init = auth_begin, .fini = provider_close, .timeout = 300);

/* ---- SCRAM */

Test(auth_mechanism, scram_finds_the_verifier_and_counts_the_outcome)
{
	struct auth_scram s, again;
	struct scram_verifier v;
	slice name = arena_format(&here.a, "anna@%.*s", SLICE_ARGS(here.office));
	cr_assert_eq(auth_scram_find(name, &here.home, &here.a, &s), ST_OK);
	cr_assert(s.real);
	cr_assert_eq(s.identity.mailbox, here.anna.mailbox);
	scram_verifier_make(S(PASSWORD), s.salt, s.iterations, &v);
	cr_assert_eq(memcmp(v.stored_key, s.stored_key, SCRAM_KEY), 0);
	cr_assert_eq(memcmp(v.server_key, s.server_key, SCRAM_KEY), 0);
	cr_assert_eq(auth_scram_done(&s, name, &here.home, true), ST_OK);
	cr_assert_eq(auth_scram_find(name, &here.home, &here.a, &s), ST_OK);
	cr_assert(s.counts.known, "the place is known from now on");

	struct auth_from stranger = somewhere();
	for (int i = 0; i < 10; i++) {
		cr_assert_eq(auth_scram_find(name, &stranger, &here.a, &s), ST_OK);
		cr_assert_eq(auth_scram_done(&s, name, &stranger, false), ST_DENIED);
	}
	cr_assert_eq(auth_scram_find(name, &stranger, &here.a, &again), ST_LIMITED);
}

Test(auth_mechanism, scram_shows_unknown_names_one_steady_salt)
{
	struct auth_scram one, two, real;
	slice name = arena_format(&here.a, "nobody@%.*s", SLICE_ARGS(here.office));
	cr_assert_eq(auth_scram_find(name, &here.home, &here.a, &one), ST_OK);
	provider_close();
	given_providers(); /* as another process would */
	cr_assert_eq(auth_scram_find(name, &here.home, &here.a, &two), ST_OK);
	cr_assert_not(one.real);
	cr_assert(slice_same(one.salt, two.salt));
	cr_assert_eq(auth_scram_find(arena_format(&here.a, "anna@%.*s", SLICE_ARGS(here.office)),
			     &here.home, &here.a, &real),
		ST_OK);
	cr_assert_eq(real.salt.size, one.salt.size);
	cr_assert_eq(real.iterations, one.iterations);
	cr_assert_eq(
		auth_scram_done(&one, name, &here.home, true), ST_DENIED, "nobody is never let in");
}

Test(auth_mechanism, scram_forgets_what_changed_meanwhile)
{
	struct auth_scram s;
	slice name = arena_format(&here.a, "anna@%.*s", SLICE_ARGS(here.office));
	cr_assert_eq(auth_scram_find(name, &here.home, &here.a, &s), ST_OK);
	store_mailbox(here.po, "ben", 0); /* somebody else's affair */
	change_tell(REVISION_AUTH);
	cr_assert_eq(auth_scram_done(&s, name, &here.home, true), ST_OK);
	cr_assert_eq(auth_scram_find(name, &here.home, &here.a, &s), ST_OK);
	cr_assert_eq(mailbox_set_password(here.po, here.anna.mailbox, S("Another-Word-2"), given_by,
			     &here.a, &here.why),
		ST_OK);
	cr_assert_eq(auth_scram_done(&s, name, &here.home, true), ST_DENIED);
}

/* ---- APOP (E1) */

Test(auth_mechanism, apop_needs_the_secret_file)
{
	const struct setting_at at = {.postoffice = here.po};
	slice on = S("on"), banner = S("<1896.697170952@acme.test>");
	slice name = arena_format(&here.a, "anna@%.*s", SLICE_ARGS(here.office));
	struct identity who = {0};
	char path[] = "/tmp/pennypost-secret-XXXXXX";
	cr_assert_not_null(mkdtemp(path));
	struct bootstrap b = *given_bootstrap();
	b.secret_file = arena_format(&here.a, "%s/secret", path);

	cr_assert_eq(setting_set(S_auth_recoverable, &at, &on, given_by, &here.a, &here.why),
		ST_INVALID);
	cr_assert_lt(slice_search(here.why, S("secret file")), here.why.size);
	cr_assert_eq(auth_secret_open(&b), ST_OK);
	cr_assert_not(auth_secret_has_key());
	cr_assert_eq(auth_secret_file_make(&b), ST_OK);
	cr_assert_eq(auth_secret_file_make(&b), ST_OK, "one that is there is left");
	cr_assert_eq(auth_secret_open(&b), ST_OK);
	cr_assert(auth_secret_has_key());
	cr_assert_eq(
		setting_set(S_auth_recoverable, &at, &on, given_by, &here.a, &here.why), ST_OK);

	/* Passwords set before keep no secret; the next one does. */
	slice digest = auth_apop_digest(banner, S(PASSWORD), &here.a);
	cr_assert_eq(auth_apop(name, banner, digest, &here.home, &here.a, &who), ST_DENIED);
	cr_assert_eq(mailbox_set_password(
			     here.po, here.anna.mailbox, S(PASSWORD), given_by, &here.a, &here.why),
		ST_OK);
	cr_assert_eq(auth_apop(name, banner, digest, &here.home, &here.a, &who), ST_OK);
	cr_assert_eq(who.mailbox, here.anna.mailbox);
	cr_assert_eq(auth_apop(name, S("<other@acme.test>"), digest, &here.home, &here.a, &who),
		ST_DENIED);
	cr_assert_eq(store_sql("select count(*) from credential where position('" PASSWORD
			       "'::bytea in recoverable) > 0 or hash like '%%" PASSWORD "%%'"),
		0);

	/* In another post office's row the same bytes mean nothing. */
	struct route other = store_mailbox(store_postoffice(), "otto", 0);
	store_sql(
		"update credential c set recoverable = o.recoverable from credential o where c.mailbox = %lld and o.mailbox = %lld",
		(long long)other.mailbox, (long long)here.anna.mailbox);
	postoffice *p;
	cr_assert_eq(postoffice_by_id(other.postoffice, &here.a, &p), ST_OK);
	cr_assert_eq(auth_apop(arena_format(&here.a, "otto@%.*s", SLICE_ARGS(p->name)), banner,
			     digest, &here.home, &here.a, &who),
		ST_DENIED);

	/* A file others can read is none. */
	cr_assert_eq(chmod(arena_z(&here.a, b.secret_file), 0640), 0);
	cr_assert_eq(auth_secret_open(&b), ST_INVALID);
	cr_assert_not(auth_secret_has_key());
	cr_assert_eq(auth_apop(name, banner, digest, &here.home, &here.a, &who), ST_DENIED);
	unlink(arena_z(&here.a, b.secret_file));
	rmdir(path);
}

Test(auth_mechanism, random_passwords_pass_the_rules_and_log_on)
{
	given_setting(S_auth_dictionary, "on");
	for (int i = 0; i < 200; i++) {
		slice password = random_password(0, &here.a);
		cr_assert_eq(password.size, 8);
		cr_assert_eq(auth_password_check(here.po, S("anna"), password, &here.a, &here.why),
			ST_OK);
	}
	slice password = random_password(0, &here.a);
	cr_assert_eq(mailbox_set_password(
			     here.po, here.anna.mailbox, password, given_by, &here.a, &here.why),
		ST_OK);
	cr_assert_eq(mailbox_set_password(here.po, here.anna.mailbox, S("password1"), given_by,
			     &here.a, &here.why),
		ST_INVALID);
	cr_assert_eq(logon("anna", arena_z(&here.a, password)), ST_OK);
	given_setting(S_auth_dictionary, "off");
}
