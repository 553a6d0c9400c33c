/* Logons that are remembered, and what makes them void: here, and in another process. */
#include "tests/unit/provider/auth_fixture.h"

#include "base/clock.h"
#include "base/id.h"
#include "provider/address_map.h"
#include "provider/auth_cache.h"
#include "provider/auth_secret.h"
#include "provider/domain.h"
#include "provider/maildrop.h"
#include "provider/postoffice.h"
#include "provider/setting.h"
#include "task/task.h"
#include "tests/unit/provider/given.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

TestSuite(auth_remembered, .init = auth_begin, .fini = provider_close, .timeout = 300);

/* ---- remembered logons */

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
	cr_assert_eq(maildrop_take(who->postoffice, who->mailbox, who->inbox, 60 * USEC_S, 0,
			     &here.a, &r->taken),
		ST_OK);
	*revision = r->taken.logons;
	return ST_OK;
}

static void reader_close(void *arg)
{
	struct reader *r = arg;
	r->closed++;
	if (!r->silent)
		maildrop_give(here.anna.postoffice, here.anna.mailbox, here.anna.inbox,
			r->taken.token, NULL, 0);
}

static struct auth_from as_reader(struct reader *r)
{
	struct auth_from from = here.home;
	r->opener = (struct auth_opener){reader_open, reader_close, r};
	from.opener = &r->opener;
	return from;
}

Test(auth_remembered, a_second_logon_asks_nobody_but_by_opening)
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
	cr_assert_eq(who.mailbox, here.anna.mailbox);
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

Test(auth_remembered, remembered_logons_are_void_with_the_password)
{
	cr_assert_eq(logon("anna", PASSWORD), ST_OK);
	cr_assert_eq(mailbox_set_password(here.po, here.anna.mailbox, S("Another-Word-2"), given_by,
			     &here.a, &here.why),
		ST_OK);
	cr_assert_eq(logon("anna", PASSWORD), ST_DENIED);
	cr_assert_eq(logon("anna", "Another-Word-2"), ST_OK);
	cr_assert_eq(
		mailbox_set_state(here.po, here.anna.mailbox, MAILBOX_DISABLED, given_by), ST_OK);
	cr_assert_eq(logon("anna", "Another-Word-2"), ST_DENIED);
}

Test(auth_remembered, a_change_elsewhere_costs_a_question_but_no_hash)
{
	struct identity who;
	cr_assert_eq(logon("anna", PASSWORD), ST_OK);
	cr_assert_eq(mailbox_set_kind(here.po, here.anna.mailbox, MAILBOX_ADMIN, given_by), ST_OK);
	uint64_t hashes = auth_hash_count();
	int64_t before = asked();
	cr_assert_eq(logon_from(&here.home, "anna", PASSWORD, &who), ST_OK);
	cr_assert_eq(who.kind, MAILBOX_ADMIN);
	cr_assert_eq(auth_hash_count(), hashes);
	cr_assert_gt(asked(), before);
	before = asked();
	cr_assert_eq(logon("anna", PASSWORD), ST_OK);
	cr_assert_eq(asked(), before + 1);
}

Test(auth_remembered, remembers_for_a_while_and_only_so_many)
{
	given_setting(S_auth_cache_most, "2");
	store_mailbox(here.po, "ben", 0);
	store_mailbox(here.po, "carl", 0);
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

/* ---- changes made by another process, such as the command line; this one has no watch and hears
   of nothing, so all it knows it has from the logon itself */

struct errand {
	enum {
		SET_PASSWORD,
		DISABLE_MAILBOX,
		DISABLE_OFFICE,
		DISABLE_DOMAIN,
		REMOVE_DOMAIN,
		REMOVE_ADDRESS
	} what;
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
		return mailbox_set_password(e->postoffice, e->mailbox, S("Another-Word-2"),
			given_by, &here.a, &here.why);
	case DISABLE_MAILBOX:
		return mailbox_set_state(e->postoffice, e->mailbox, MAILBOX_DISABLED, given_by);
	case DISABLE_OFFICE:
		return postoffice_set_state(e->postoffice, POSTOFFICE_DISABLED, given_by);
	case DISABLE_DOMAIN:
		return domain_change(&d, given_by, &here.a, &here.why);
	case REMOVE_DOMAIN:
		return domain_remove(e->postoffice, domain, given_by);
	case REMOVE_ADDRESS:
		return address_remove(
			e->postoffice, arena_format(&here.a, "a.huber@%s", e->domain), given_by);
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
	auth_begin();
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
	e.postoffice = here.po;
	e.mailbox = here.anna.mailbox;
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
	cr_assert_eq(store_sql("select count(*) from maildrop where mailbox = %lld",
			     (long long)here.anna.mailbox),
		0);
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
		store_domain(here.po, e.domain);
		slice name = arena_format(&here.a, "a.huber@%s", e.domain);
		cr_assert_eq(address_make(here.po, name, here.anna.mailbox, given_by, &here.a,
				     &here.why),
			ST_OK);
		cr_assert_eq(auth_password(name, S(PASSWORD), &here.home, &here.a, &who), ST_OK);
		cr_assert_eq(auth_password(name, S(PASSWORD), &here.home, &here.a, &who), ST_OK,
			"remembered");
		elsewhere(e);
		cr_expect_eq(auth_password(name, S(PASSWORD), &here.home, &here.a, &who), ST_DENIED,
			"errand %d", gone[i]);
		cr_expect_eq(logon("anna", PASSWORD), ST_OK, "by another name as before");
	}
}

/* Every change is told to who listens, as processes that serve do. */
Test(auth_elsewhere, a_change_is_told_aloud)
{
	db_link *l;
	slice payload = {0};
	bool heard = false, own;
	cr_assert_eq(db_link_open(given_bootstrap()->pguri, "test", &here.a, &l, &here.why), ST_OK);
	cr_assert_eq(db_link_script(l, "listen pennypost_change", &here.a, &here.why), ST_OK);
	elsewhere((struct errand){.what = SET_PASSWORD});
	while (!slice_same(payload, S("!auth"))) {
		cr_assert_eq(db_link_hear(l, &here.a, &heard, &payload, &own), ST_OK);
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
