/* Logons beside a PostgreSQL: who is let in, what it costs, who else must hear of it. Tests share
   the database, so each has post offices and addresses of its own. */
#include "provider/auth.h"

#include "base/clock.h"
#include "base/encode.h"
#include "base/id.h"
#include "base/random.h"
#include "provider/address_map.h"
#include "provider/auth_apop.h"
#include "provider/auth_cache.h"
#include "provider/auth_secret.h"
#include "provider/change.h"
#include "provider/domain.h"
#include "provider/maildrop.h"
#include "provider/postoffice.h"
#include "provider/scram.h"
#include "provider/setting.h"
#include "task/task.h"
#include "tests/unit/provider/given.h"
#include "tests/unit/provider/store_fixture.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define PASSWORD "Secret-Word-1" /* of every mailbox store_fixture.h makes */

static arena a;
static slice why;
static int64_t po;
static struct route anna;
static slice office; /* its name */
static struct auth_from home;

/* An address no other test has. */
static struct auth_from somewhere(void)
{
	uint64_t n = random_below(UINT64_C(1) << 48);
	return (struct auth_from){.service = SERVICE_POP3,
		.secure = true,
		.address = arena_format(&a, "2001:db8:%x:%x::%x", (unsigned)(n >> 32),
			(unsigned)(n >> 16 & 0xffff), (unsigned)(n & 0xffff))};
}

static void begin(void)
{
	postoffice *p;
	given_providers();
	given_setting(S_auth_failure_delay, "0 s");
	po = store_postoffice();
	anna = store_mailbox(po, "anna", 0);
	cr_assert_eq(postoffice_by_id(po, &a, &p), ST_OK);
	office = p->name;
	home = somewhere();
}

TestSuite(auth, .init = begin, .fini = provider_close, .timeout = 300);

static status logon_from(
	const struct auth_from *from, const char *name, const char *password, struct identity *who)
{
	return auth_password(arena_format(&a, "%s@%.*s", name, SLICE_ARGS(office)),
		slice_z(password), from, &a, who);
}

static status logon(const char *name, const char *password)
{
	struct identity who;
	return logon_from(&home, name, password, &who);
}

/* ---- who is let in */

Test(auth, names_lead_to_their_mailbox_by_row)
{
	slice host = arena_format(&a, "d%lld.test", (long long)id_new());
	store_domain(po, arena_z(&a, host));
	cr_assert_eq(address_make(po, arena_format(&a, "a.huber@%.*s", SLICE_ARGS(host)),
			     anna.mailbox, given_by, &a, &why),
		ST_OK);
	store_mailbox(po, "100%_\\", 0);
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
			slice with = k ? host : office;
			if (at < name.size)
				name = arena_format(&a, "%.*s%.*s%.*s",
					SLICE_ARGS(slice_until(name, at)), SLICE_ARGS(with),
					SLICE_ARGS(slice_from(name, at + 1)));
		}
		cr_expect_eq(auth_password(name, S(PASSWORD), &from, &a, &who), rows[i].kind, "%s",
			rows[i].form);
		cr_expect_eq(who.mailbox != 0, rows[i].kind == ST_OK, "%s", rows[i].form);
	}
}

Test(auth, nobody_else_is_let_in)
{
	struct identity who = {0};
	cr_assert_eq(logon("anna", PASSWORD "x"), ST_DENIED);
	cr_assert_eq(logon("anna", ""), ST_DENIED);
	cr_assert_eq(logon_from(&home, "anna", PASSWORD, &who), ST_OK);
	cr_assert_eq(who.postoffice, po);
	cr_assert_eq(who.mailbox, anna.mailbox);
	cr_assert_eq(who.inbox, anna.inbox);
	cr_assert(slice_same(who.mailbox_name, S("anna")));
	cr_assert(slice_same(who.postoffice_name, office));
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
	struct route off = store_mailbox(po, "off", 0);
	cr_assert_eq(mailbox_set_state(po, off.mailbox, MAILBOX_DISABLED, given_by), ST_OK);
	cr_expect_eq(hashes_for("anna", "wrong", ST_DENIED), 1);
	cr_expect_eq(hashes_for("nobody", PASSWORD, ST_DENIED), 1);
	cr_expect_eq(hashes_for("off", PASSWORD, ST_DENIED), 1);
	cr_expect_eq(hashes_for("an\x01na", PASSWORD, ST_DENIED), 1);
	cr_expect_eq(hashes_for("anna", big, ST_DENIED), 0, "too long for anybody");
	cr_expect_eq(hashes_for("nobody", big, ST_DENIED), 0);
	cr_assert_eq(postoffice_set_state(po, POSTOFFICE_DISABLED, given_by), ST_OK);
	cr_expect_eq(hashes_for("anna", PASSWORD, ST_DENIED), 1);
}

/* By PLAIN, which the post office of anna may take or not. */
static status plain(const struct auth_from *from, const char *password)
{
	struct identity who;
	return auth_password_by(S("PLAIN"), arena_format(&a, "anna@%.*s", SLICE_ARGS(office)),
		slice_z(password), from, &a, &who);
}

static int64_t failures(void)
{
	return metric_value(M_logons_failed, SERVICE_POP3);
}

/* T40: else the right password would be the one that is refused sooner. */
Test(auth, a_mechanism_not_taken_costs_what_a_wrong_password_costs)
{
	const struct setting_at at = {.postoffice = po};
	slice only = S("SCRAM-SHA-256");
	cr_assert_eq(plain(&home, PASSWORD), ST_OK, "remembered from here on");
	cr_assert_eq(setting_set(S_auth_mechanisms, &at, &only, given_by, &a, &why), ST_OK);
	given_setting(S_auth_failure_delay, "100 ms");
	const char *const given[] = {PASSWORD, "wrong"};
	for (int i = 0; i < 2; i++) {
		struct auth_from fresh = somewhere();
		const struct auth_from *const from[] = {&home, &fresh};
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
	cr_assert_eq(logon("anna", PASSWORD), ST_OK, "USER and PASS are no mechanism");
}

/* ---- remembered logons */

static int64_t asked(void) /* round trips to the database */
{
	return metric_value(M_db_seconds, SERVICE_NONE);
}

/* Somebody who opens the mailbox with the logon, as POP3 does. */
struct reader {
	struct auth_opener opener;
	struct maildrop_taken taken;
	int opened, closed;
	bool silent; /* learns nothing by opening */
};

static status reader_open(void *arg, const struct identity *who, int64_t as_of, int64_t *revision)
{
	struct reader *r = arg;
	(void)as_of;
	r->opened++;
	if (r->silent)
		return ST_OK;
	cr_assert_eq(maildrop_take(who->postoffice, who->mailbox, who->inbox, 60 * USEC_S, 0, &a, &r->taken),
		ST_OK);
	*revision = r->taken.logons;
	return ST_OK;
}

static void reader_close(void *arg)
{
	struct reader *r = arg;
	r->closed++;
	if (!r->silent)
		maildrop_give(anna.postoffice, anna.mailbox, anna.inbox, r->taken.token, NULL, 0);
}

static struct auth_from as_reader(struct reader *r)
{
	struct auth_from from = home;
	r->opener = (struct auth_opener){reader_open, reader_close, r};
	from.opener = &r->opener;
	return from;
}

Test(auth, a_second_logon_asks_nobody_but_by_opening)
{
	struct identity who = {0};
	struct reader r = {0};
	struct auth_from from = as_reader(&r);
	cr_assert_eq(logon_from(&from, "anna", PASSWORD, &who), ST_OK);
	cr_assert_eq(r.opened, 0, "was checked: its own matter");
	uint64_t hashes = auth_hash_count();
	cr_assert_eq(logon_from(&from, "anna", PASSWORD, &who), ST_OK);
	cr_assert_eq(r.opened, 1);
	cr_assert_eq(r.closed, 0, "stays open");
	cr_assert_eq(auth_hash_count(), hashes);
	cr_assert_eq(who.mailbox, anna.mailbox);
	cr_assert(slice_same(who.mailbox_name, S("anna")));
	reader_close(&r);

	int64_t before = asked();
	cr_assert_eq(logon_from(&from, "anna", PASSWORD, &who), ST_OK);
	cr_assert_eq(asked(), before + 1, "the opening's own");
	reader_close(&r);

	struct reader mute = {.silent = true};
	from = as_reader(&mute);
	before = asked();
	cr_assert_eq(logon_from(&from, "anna", PASSWORD, &who), ST_OK);
	cr_assert_eq(asked(), before + 1, "the opening told nothing");
	cr_assert_eq(logon("anna", PASSWORD), ST_OK);
	cr_assert_eq(asked(), before + 2, "nor does everybody open");
	cr_assert_eq(auth_hash_count(), hashes);
	cr_assert_eq(logon("anna", "wrong"), ST_DENIED);
}

Test(auth, remembered_logons_are_void_with_the_password)
{
	cr_assert_eq(logon("anna", PASSWORD), ST_OK);
	cr_assert_eq(
		mailbox_set_password(po, anna.mailbox, S("Another-Word-2"), given_by, &a, &why),
		ST_OK);
	cr_assert_eq(logon("anna", PASSWORD), ST_DENIED);
	cr_assert_eq(logon("anna", "Another-Word-2"), ST_OK);
	cr_assert_eq(mailbox_set_state(po, anna.mailbox, MAILBOX_DISABLED, given_by), ST_OK);
	cr_assert_eq(logon("anna", "Another-Word-2"), ST_DENIED);
}

Test(auth, a_change_elsewhere_costs_a_question_but_no_hash)
{
	struct identity who;
	cr_assert_eq(logon("anna", PASSWORD), ST_OK);
	cr_assert_eq(mailbox_set_kind(po, anna.mailbox, MAILBOX_ADMIN, given_by), ST_OK);
	uint64_t hashes = auth_hash_count();
	int64_t before = asked();
	cr_assert_eq(logon_from(&home, "anna", PASSWORD, &who), ST_OK);
	cr_assert_eq(who.kind, MAILBOX_ADMIN);
	cr_assert_eq(auth_hash_count(), hashes);
	cr_assert_gt(asked(), before);
	before = asked();
	cr_assert_eq(logon("anna", PASSWORD), ST_OK);
	cr_assert_eq(asked(), before + 1);
}

Test(auth, remembers_for_a_while_and_only_so_many)
{
	given_setting(S_auth_cache_most, "2");
	store_mailbox(po, "ben", 0);
	store_mailbox(po, "carl", 0);
	cr_assert_eq(logon("anna", PASSWORD), ST_OK);
	cr_assert_eq(logon("ben", PASSWORD), ST_OK);
	cr_assert_eq(logon("anna", PASSWORD), ST_OK);
	cr_assert_eq(logon("carl", PASSWORD), ST_OK);
	cr_assert_eq(auth_cache_size(), 2);
	uint64_t hashes = auth_hash_count();
	cr_assert_eq(logon("anna", PASSWORD), ST_OK);
	cr_assert_eq(auth_hash_count(), hashes, "used last but one");
	cr_assert_eq(logon("ben", PASSWORD), ST_OK);
	cr_assert_eq(auth_hash_count(), hashes + 1, "the least recently used had to go");
	given_setting(S_auth_cache_span, "0 s");
	cr_assert_eq(logon("ben", PASSWORD), ST_OK);
	cr_assert_eq(auth_hash_count(), hashes + 2);
	given_setting(S_auth_cache_span, "5 min");
	given_setting(S_auth_cache_most, "20000");
}

/* ---- changes made by another process, such as the command line; this one has no watch and hears of nothing,
   so all it knows it has from the logon itself */

struct errand {
	enum { SET_PASSWORD, DISABLE_MAILBOX, DISABLE_OFFICE, DISABLE_DOMAIN, REMOVE_DOMAIN, REMOVE_ADDRESS } what;
	int64_t postoffice, mailbox;
	char domain[40];
};
static int errands, outcomes;

static status run_errand(const struct errand *e)
{
	slice domain = slice_z(e->domain);
	struct domain d = {.name = domain, .postoffice = e->postoffice, .state = DOMAIN_DISABLED};

	switch (e->what) {
	case SET_PASSWORD:
		return mailbox_set_password(
			e->postoffice, e->mailbox, S("Another-Word-2"), given_by, &a, &why);
	case DISABLE_MAILBOX:
		return mailbox_set_state(e->postoffice, e->mailbox, MAILBOX_DISABLED, given_by);
	case DISABLE_OFFICE:
		return postoffice_set_state(e->postoffice, POSTOFFICE_DISABLED, given_by);
	case DISABLE_DOMAIN:
		return domain_change(&d, given_by, &a, &why);
	case REMOVE_DOMAIN:
		return domain_remove(e->postoffice, domain, given_by);
	case REMOVE_ADDRESS:
		return address_remove(
			e->postoffice, arena_format(&a, "a.huber@%s", e->domain), given_by);
	}
	return ST_BROKEN;
}

/* Forked before this process has connections; it ends with the pipe. */
static void begin_elsewhere(void)
{
	int to[2], from[2];
	cr_assert_eq(pipe(to), 0);
	cr_assert_eq(pipe(from), 0);
	if (fork() == 0) {
		struct errand e;
		close(to[1]);
		given_providers();
		while (read(to[0], &e, sizeof e) == sizeof e) {
			status kind = run_errand(&e);
			if (write(from[1], &kind, sizeof kind) != sizeof kind)
				break;
		}
		_exit(0);
	}
	close(to[0]);
	close(from[1]);
	errands = to[1];
	outcomes = from[0];
	begin();
}

static void end_elsewhere(void)
{
	close(errands);
	close(outcomes);
	wait(NULL);
	provider_close();
}

TestSuite(auth_elsewhere, .init = begin_elsewhere, .fini = end_elsewhere, .timeout = 300);

static void elsewhere(struct errand e)
{
	status kind;
	e.postoffice = po;
	e.mailbox = anna.mailbox;
	cr_assert_eq(write(errands, &e, sizeof e), (ssize_t)sizeof e);
	cr_assert_eq(read(outcomes, &kind, sizeof kind), (ssize_t)sizeof kind);
	cr_assert_eq(kind, ST_OK, "errand %d", (int)e.what);
}

Test(auth_elsewhere, the_old_password_is_refused_at_once)
{
	cr_assert_eq(logon("anna", PASSWORD), ST_OK);
	elsewhere((struct errand){.what = SET_PASSWORD});
	cr_assert_eq(logon("anna", PASSWORD), ST_DENIED);
	cr_assert_eq(logon("anna", "Another-Word-2"), ST_OK);
	elsewhere((struct errand){.what = DISABLE_MAILBOX});
	cr_assert_eq(logon("anna", "Another-Word-2"), ST_DENIED);
}

Test(auth_elsewhere, nobody_logs_on_to_a_post_office_that_was_just_disabled)
{
	cr_assert_eq(logon("anna", PASSWORD), ST_OK);
	elsewhere((struct errand){.what = DISABLE_OFFICE});
	cr_assert_eq(logon("anna", PASSWORD), ST_DENIED);
}

Test(auth_elsewhere, the_old_password_opens_no_maildrop)
{
	struct identity who;
	struct reader r = {0};
	struct auth_from from = as_reader(&r);
	cr_assert_eq(logon_from(&from, "anna", PASSWORD, &who), ST_OK);
	elsewhere((struct errand){.what = SET_PASSWORD});
	cr_assert_eq(logon_from(&from, "anna", PASSWORD, &who), ST_DENIED);
	cr_assert_eq(r.opened, 1);
	cr_assert_eq(r.closed, 1);
	cr_assert_eq(store_sql("select count(*) from maildrop where mailbox = %lld", (long long)anna.mailbox), 0);
	cr_assert_eq(logon_from(&from, "anna", "Another-Word-2", &who), ST_OK);
	cr_assert_eq(r.opened, 1, "was checked: its own matter");
}

/* Names by a domain: gone with it, and with the address. */
Test(auth_elsewhere, names_that_are_gone_log_nobody_on)
{
	static const int gone[] = {DISABLE_DOMAIN, REMOVE_DOMAIN, REMOVE_ADDRESS};
	for (size_t i = 0; i < sizeof gone / sizeof gone[0]; i++) {
		struct errand e = {.what = gone[i]};
		struct identity who;
		snprintf(e.domain, sizeof e.domain, "d%lld.test", (long long)id_new());
		store_domain(po, e.domain);
		slice name = arena_format(&a, "a.huber@%s", e.domain);
		cr_assert_eq(address_make(po, name, anna.mailbox, given_by, &a, &why), ST_OK);
		cr_assert_eq(auth_password(name, S(PASSWORD), &home, &a, &who), ST_OK);
		cr_assert_eq(auth_password(name, S(PASSWORD), &home, &a, &who), ST_OK, "remembered");
		elsewhere(e);
		cr_expect_eq(auth_password(name, S(PASSWORD), &home, &a, &who), ST_DENIED, "errand %d", gone[i]);
		cr_expect_eq(logon("anna", PASSWORD), ST_OK, "by another name as before");
	}
}

/* Every change is told to who listens, as processes that serve do. */
Test(auth_elsewhere, a_change_is_told_aloud)
{
	db_link *l;
	slice payload = {0};
	bool heard = false, own;
	cr_assert_eq(db_link_open(given_bootstrap()->pguri, "test", &a, &l, &why), ST_OK);
	cr_assert_eq(db_link_script(l, "listen pennypost_change", &a, &why), ST_OK);
	elsewhere((struct errand){.what = SET_PASSWORD});
	while (!slice_same(payload, S("!auth"))) {
		cr_assert_eq(db_link_hear(l, &a, &heard, &payload, &own), ST_OK);
		if (!heard) {
			payload = (slice){0};
			cr_assert_eq(task_wait(db_link_fd(l), WAIT_READ), ST_OK);
		}
	}
	db_link_close(&l);
}

/* A process that serves hears of it by itself, so that nothing is opened in vain. */
Test(auth_elsewhere, what_was_remembered_is_void_without_asking)
{
	struct provider_conf serving = {.boot = given_bootstrap(),
		.connections = 4,
		.system_connections = 2,
		.application = "test",
		.serve = true};
	provider_close();
	cr_assert_eq(provider_open(&serving), ST_OK);
	uint64_t before = auth_cache_generation();
	elsewhere((struct errand){.what = SET_PASSWORD});
	for (usec since = clock_now();
		auth_cache_generation() == before && clock_now() - since < 60 * USEC_S;)
		task_sleep(10 * USEC_MS);
	cr_assert_neq(auth_cache_generation(), before);
}

Test(auth, a_logon_by_any_service_is_the_mailboxs_last)
{
	mailbox *m;
	cr_assert_eq(mailbox_by_id(po, anna.mailbox, &a, &m), ST_OK);
	cr_expect_eq(m->last_logon, 0);
	home.service = SERVICE_IMAP;
	cr_assert_eq(logon("anna", "guess"), ST_DENIED);
	cr_assert_eq(mailbox_by_id(po, anna.mailbox, &a, &m), ST_OK);
	cr_expect_eq(m->last_logon, 0);
	cr_assert_eq(logon("anna", PASSWORD), ST_OK);
	cr_assert_eq(mailbox_by_id(po, anna.mailbox, &a, &m), ST_OK);
	cr_expect_gt(m->last_logon, m->made);
}

/* ---- guessing (T41) */

Test(auth, the_owner_passes_while_guessers_are_refused)
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

Test(auth, all_spellings_of_a_name_are_one_account)
{
	slice host = arena_format(&a, "d%lld.test", (long long)id_new());
	store_domain(po, arena_z(&a, host));
	slice other = arena_format(&a, "anna@%.*s", SLICE_ARGS(host));
	struct identity who;
	for (int i = 0; i < 10; i++) {
		struct auth_from from = somewhere();
		cr_assert_eq(i % 2 ? logon_from(&from, "anna", "guess", &who)
				   : auth_password(other, S("guess"), &from, &a, &who),
			ST_DENIED);
	}
	struct auth_from from = somewhere();
	cr_assert_eq(auth_password(other, S(PASSWORD), &from, &a, &who), ST_LIMITED);
}

/* Those of this test's address and post office. */
static void age_failures(int minutes)
{
	uint8_t key[AUTH_KEY];
	auth_throttle_key(AUTH_KEY_ADDRESS, home.address, key);
	slice hex = hex_encode(slice_of(key, sizeof key), &a);
	store_sql(
		"update throttle set since = since - interval '%d minutes' where key = '\\x%.*s' or position(int8send(%lld) in key) > 0",
		minutes, SLICE_ARGS(hex), (long long)po);
}

Test(auth, failures_are_forgotten_after_their_span)
{
	struct identity who;
	for (int i = 0; i < 10; i++)
		cr_assert_eq(logon_from(&home, "anna", "guess", &who), ST_DENIED);
	cr_assert_eq(logon("anna", PASSWORD), ST_LIMITED);
	age_failures(2);
	cr_assert_eq(logon("anna", PASSWORD), ST_LIMITED);
	given_setting(S_auth_failure_span, "1 min");
	cr_assert_eq(logon("anna", PASSWORD), ST_OK, "two minutes are more than the span");
	given_setting(S_auth_failure_span, NULL);
}

Test(auth, delays_double_up_to_eightfold)
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
	slice name = arena_format(&a, "nobody-%lld", (long long)random_below(1u << 30));
	struct identity who;
	int how;
	pid_t child = fork();
	if (child == 0) {
		given_providers();
		given_setting(S_auth_failure_delay, "0 s");
		for (int i = 0; i < 10; i++)
			if (auth_password(name, S("guess"), &guesser, &a, &who) != ST_DENIED)
				_exit(1);
		_exit(0);
	}
	cr_assert_eq(waitpid(child, &how, 0), child);
	cr_assert(WIFEXITED(how) && WEXITSTATUS(how) == 0);
	given_providers();
	guesser.service = SERVICE_POP3;
	cr_assert_eq(auth_password(name, S("guess"), &guesser, &a, &who), ST_LIMITED);
	provider_close();
}

Test(auth, all_failures_have_a_count_of_their_own)
{
	struct auth_scram s;
	struct identity who;
	struct auth_from from = somewhere();
	slice name = arena_format(&a, "anna@%.*s", SLICE_ARGS(office));
	cr_assert_eq(auth_scram_find(name, &from, &a, &s), ST_OK);
	int64_t before = s.counts.all;
	for (int i = 0; i < 5; i++) {
		struct auth_from other = somewhere();
		slice nobody = arena_format(&a, "nobody%d@%.*s", i, SLICE_ARGS(office));
		cr_assert_eq(auth_password(nobody, S("guess"), &other, &a, &who), ST_DENIED);
	}
	cr_assert_eq(auth_scram_find(name, &from, &a, &s), ST_OK);
	cr_assert_geq(s.counts.all, before + 5, "those of other tests count too");
	cr_assert_eq(s.counts.address, 0);
	cr_assert_eq(s.counts.account, 0);
	store_sql("update throttle set failures = failures + 1000 where key = 'g'");
	from = somewhere();
	before = asked();
	cr_assert_eq(auth_scram_find(name, &from, &a, &s), ST_OK);
	cr_assert_eq(asked(), before + 2, "held back, and found anew after that");
	store_sql("update throttle set failures = failures - 1000 where key = 'g'");
}

/* ---- hashing */

Test(auth, hashes_anew_when_the_parameters_rose)
{
	cr_assert_eq(
		store_sql(
			"select count(*) from credential where mailbox = %lld and hash like '$argon2id$v=19$m=19456,t=2,p=1$%%'",
			(long long)anna.mailbox),
		1);
	given_setting(S_auth_argon2_passes, "3");
	given_setting(S_auth_scram_iterations, "5000");
	uint64_t before = auth_hash_count();
	cr_assert_eq(logon("anna", PASSWORD), ST_OK);
	cr_assert_eq(auth_hash_count(), before + 2, "checked and made");
	cr_assert_eq(
		store_sql(
			"select count(*) from credential where mailbox = %lld and hash like '%%t=3,p=1$%%' and scram like 'SCRAM-SHA-256$5000:%%'",
			(long long)anna.mailbox),
		1);
	auth_cache_clear();
	before = auth_hash_count();
	cr_assert_eq(logon("anna", PASSWORD), ST_OK);
	cr_assert_eq(auth_hash_count(), before + 1);
	given_setting(S_auth_argon2_passes, "2");
	given_setting(S_auth_scram_iterations, "4096");
}

Test(auth, a_hash_that_costs_too_much_is_never_computed)
{
	static const char *const bad[] = {
		"$argon2id$v=19$m=4194304,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
		"$argon2id$v=19$m=19456,t=4000000000,p=1$c29tZXNhbHQ$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
		"$argon2id$v=19$m=19456,t=2,p=64$c29tZXNhbHQ$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
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
		(long long)anna.mailbox);
	uint64_t before = auth_hash_count();
	cr_expect_eq(logon("anna", PASSWORD), ST_DENIED);
	cr_expect_eq(auth_hash_count(), before + 1);
}

Test(auth, reads_hashes_made_by_the_reference)
{
	/* argon2id_hash_encoded(2, 32768, 1, "Secret-Word-1", 13, "somesaltsomesalt", 16, 32, ...)
	   */
	static const slice made = S(
		"$argon2id$v=19$m=32768,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$QQpm9GwsZRJ5kUGIJY7zOGTzbYCmrBW/M4mOZJsg9nM");
	cr_assert_eq(auth_hash_check(made, S(PASSWORD)), ST_OK);
	cr_assert_eq(auth_hash_check(made, S("Secret-Word-2")), ST_DENIED);
	cr_assert_not(auth_hash_outdated(made));
}

#ifdef PENNYPOST_TSAN
#define SHADOW 5 /* the sanitizer keeps four octets beside each */
#define CROWD 40 /* and hashes so slowly that more would run out of patience */
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

Test(auth, two_hundred_logons_stay_within_the_budget)
{
	char big[AUTH_PASSWORD_MOST + 1] = {0};
	struct crowd unhashed = {.password = slice_of(big, sizeof big)},
		     c = {.password = S("guess")};
	given_setting(S_auth_hash_memory, "64 MB");
	given_setting(S_auth_hash_patience, "1 min");
	given_setting(S_db_patience, "1 min");
	/* First what the threads take without hashing anything. */
	long before = most_memory_after(&unhashed);
	long grown = most_memory_after(&c) - before;
	fprintf(stderr, "bench: hashing for %d parallel logons took %ld KB (budget %d KB)\n",
		CROWD, grown, 64 * 1024);
	cr_expect_eq(c.denied, CROWD);
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

Test(auth, works_in_fibers_as_in_threads)
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

/* ---- SCRAM */

Test(auth, scram_finds_the_verifier_and_counts_the_outcome)
{
	struct auth_scram s, again;
	struct scram_verifier v;
	slice name = arena_format(&a, "anna@%.*s", SLICE_ARGS(office));
	cr_assert_eq(auth_scram_find(name, &home, &a, &s), ST_OK);
	cr_assert(s.real);
	cr_assert_eq(s.identity.mailbox, anna.mailbox);
	scram_verifier_make(S(PASSWORD), s.salt, s.iterations, &v);
	cr_assert_eq(memcmp(v.stored_key, s.stored_key, SCRAM_KEY), 0);
	cr_assert_eq(memcmp(v.server_key, s.server_key, SCRAM_KEY), 0);
	cr_assert_eq(auth_scram_done(&s, name, &home, true), ST_OK);
	cr_assert_eq(auth_scram_find(name, &home, &a, &s), ST_OK);
	cr_assert(s.counts.known, "the place is known from now on");

	struct auth_from stranger = somewhere();
	for (int i = 0; i < 10; i++) {
		cr_assert_eq(auth_scram_find(name, &stranger, &a, &s), ST_OK);
		cr_assert_eq(auth_scram_done(&s, name, &stranger, false), ST_DENIED);
	}
	cr_assert_eq(auth_scram_find(name, &stranger, &a, &again), ST_LIMITED);
}

Test(auth, scram_shows_unknown_names_one_steady_salt)
{
	struct auth_scram one, two, real;
	slice name = arena_format(&a, "nobody@%.*s", SLICE_ARGS(office));
	cr_assert_eq(auth_scram_find(name, &home, &a, &one), ST_OK);
	provider_close();
	given_providers(); /* as another process would */
	cr_assert_eq(auth_scram_find(name, &home, &a, &two), ST_OK);
	cr_assert_not(one.real);
	cr_assert(slice_same(one.salt, two.salt));
	cr_assert_eq(auth_scram_find(
			     arena_format(&a, "anna@%.*s", SLICE_ARGS(office)), &home, &a, &real),
		ST_OK);
	cr_assert_eq(real.salt.size, one.salt.size);
	cr_assert_eq(real.iterations, one.iterations);
	cr_assert_eq(auth_scram_done(&one, name, &home, true), ST_DENIED, "nobody is never let in");
}

Test(auth, scram_forgets_what_changed_meanwhile)
{
	struct auth_scram s;
	slice name = arena_format(&a, "anna@%.*s", SLICE_ARGS(office));
	cr_assert_eq(auth_scram_find(name, &home, &a, &s), ST_OK);
	store_mailbox(po, "ben", 0); /* somebody else's affair */
	change_tell(REVISION_AUTH);
	cr_assert_eq(auth_scram_done(&s, name, &home, true), ST_OK);
	cr_assert_eq(auth_scram_find(name, &home, &a, &s), ST_OK);
	cr_assert_eq(
		mailbox_set_password(po, anna.mailbox, S("Another-Word-2"), given_by, &a, &why),
		ST_OK);
	cr_assert_eq(auth_scram_done(&s, name, &home, true), ST_DENIED);
}

/* ---- APOP (E1) */

Test(auth, apop_needs_the_secret_file)
{
	const struct setting_at at = {.postoffice = po};
	slice on = S("on"), banner = S("<1896.697170952@acme.test>");
	slice name = arena_format(&a, "anna@%.*s", SLICE_ARGS(office));
	struct identity who = {0};
	char path[] = "/tmp/pennypost-secret-XXXXXX";
	cr_assert_not_null(mkdtemp(path));
	struct bootstrap b = *given_bootstrap();
	b.secret_file = arena_format(&a, "%s/secret", path);

	cr_assert_eq(setting_set(S_auth_recoverable, &at, &on, given_by, &a, &why), ST_INVALID);
	cr_assert_lt(slice_search(why, S("secret file")), why.size);
	cr_assert_eq(auth_secret_open(&b), ST_OK);
	cr_assert_not(auth_secret_has_key());
	cr_assert_eq(auth_secret_file_make(&b), ST_OK);
	cr_assert_eq(auth_secret_file_make(&b), ST_OK, "one that is there is left");
	cr_assert_eq(auth_secret_open(&b), ST_OK);
	cr_assert(auth_secret_has_key());
	cr_assert_eq(setting_set(S_auth_recoverable, &at, &on, given_by, &a, &why), ST_OK);

	/* Passwords set before keep no secret; the next one does. */
	slice digest = auth_apop_digest(banner, S(PASSWORD), &a);
	cr_assert_eq(auth_apop(name, banner, digest, &home, &a, &who), ST_DENIED);
	cr_assert_eq(
		mailbox_set_password(po, anna.mailbox, S(PASSWORD), given_by, &a, &why), ST_OK);
	cr_assert_eq(auth_apop(name, banner, digest, &home, &a, &who), ST_OK);
	cr_assert_eq(who.mailbox, anna.mailbox);
	cr_assert_eq(auth_apop(name, S("<other@acme.test>"), digest, &home, &a, &who), ST_DENIED);
	cr_assert_eq(store_sql("select count(*) from credential where position('" PASSWORD
			       "'::bytea in recoverable) > 0 or hash like '%%" PASSWORD "%%'"),
		0);

	/* In another post office's row the same bytes mean nothing. */
	struct route other = store_mailbox(store_postoffice(), "otto", 0);
	store_sql(
		"update credential c set recoverable = o.recoverable from credential o where c.mailbox = %lld and o.mailbox = %lld",
		(long long)other.mailbox, (long long)anna.mailbox);
	postoffice *p;
	cr_assert_eq(postoffice_by_id(other.postoffice, &a, &p), ST_OK);
	cr_assert_eq(auth_apop(arena_format(&a, "otto@%.*s", SLICE_ARGS(p->name)), banner, digest,
			     &home, &a, &who),
		ST_DENIED);

	/* A file others can read is none. */
	cr_assert_eq(chmod(arena_z(&a, b.secret_file), 0640), 0);
	cr_assert_eq(auth_secret_open(&b), ST_INVALID);
	cr_assert_not(auth_secret_has_key());
	cr_assert_eq(auth_apop(name, banner, digest, &home, &a, &who), ST_DENIED);
	unlink(arena_z(&a, b.secret_file));
	rmdir(path);
}

Test(auth, random_passwords_pass_the_rules_and_log_on)
{
	given_setting(S_auth_dictionary, "on");
	for (int i = 0; i < 200; i++) {
		slice password = random_password(0, &a);
		cr_assert_eq(password.size, 8);
		cr_assert_eq(auth_password_check(po, S("anna"), password, &a, &why), ST_OK);
	}
	slice password = random_password(0, &a);
	cr_assert_eq(mailbox_set_password(po, anna.mailbox, password, given_by, &a, &why), ST_OK);
	cr_assert_eq(mailbox_set_password(po, anna.mailbox, S("password1"), given_by, &a, &why),
		ST_INVALID);
	cr_assert_eq(logon("anna", arena_z(&a, password)), ST_OK);
	given_setting(S_auth_dictionary, "off");
}
