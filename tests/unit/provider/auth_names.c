/* What a stranger who logs on learns of names: nothing (T40). By every mechanism the name of a
   mailbox, of one that is switched off and of none cost the same work: hashes computed, questions
   asked of the database, logons counted and timed. Work is counted, not time: a busy machine is no
   fault of ours. */
#include "base/encode.h"
#include "base/random.h"
#include "provider/auth_apop.h"
#include "provider/auth_secret.h"
#include "provider/postoffice.h"
#include "provider/sasl.h"
#include "tests/unit/provider/given.h"
#include "tests/unit/provider/store_fixture.h"

#include <criterion/criterion.h>

#define PASSWORD "Secret-Word-1" /* of every mailbox store_fixture.h makes */

static arena a;
static int64_t po;
static slice office; /* its name */

static void begin(void)
{
	postoffice *p;
	given_providers();
	given_setting(S_auth_failure_delay, "0 s");
	po = store_postoffice();
	cr_assert_eq(postoffice_by_id(po, &a, &p), ST_OK);
	office = p->name;
}

TestSuite(auth_names, .init = begin, .fini = provider_close, .timeout = 300);

/* ---- clients */

struct client {
	struct auth_from from;
	slice name, password;
	const char *gs2;
};

static status ask_plain(void *arg, slice challenge, slice *answer)
{
	const struct client *c = arg;
	text t = TEXT_INIT;

	(void)challenge;
	text_add_char(&t, '\0');
	text_add(&t, c->name);
	text_add_char(&t, '\0');
	text_add(&t, c->password);
	*answer = arena_copy(&a, text_slice(&t));
	text_free(&t);
	return ST_OK;
}

static status ask_login(void *arg, slice challenge, slice *answer)
{
	const struct client *c = arg;
	*answer = slice_same(challenge, S("Username:")) ? c->name : c->password;
	return ST_OK;
}

/* Every proof is wrong. */
static status ask_scram(void *arg, slice challenge, slice *answer)
{
	static const uint8_t proof[32];
	const struct client *c = arg;
	slice nonce = slice_until(challenge, slice_find(challenge, ','));

	if (challenge.size == 0)
		*answer = arena_format(&a, "%s,,n=%.*s,r=client", c->gs2, SLICE_ARGS(c->name));
	else
		*answer = arena_format(&a, "c=biws,%.*s,p=%.*s", SLICE_ARGS(nonce),
			SLICE_ARGS(base64_encode(slice_of(proof, sizeof proof), &a)));
	return ST_OK;
}

static status binding(void *arg, slice kind, arena *to, slice *data)
{
	(void)arg, (void)kind;
	*data = arena_copy(to, S("the channel"));
	return ST_OK;
}

static status by_sasl(const char *mechanism, struct client *c,
	status (*ask)(void *arg, slice challenge, slice *answer))
{
	struct sasl_peer peer = {.from = c->from, .binding = binding};
	struct sasl_talk talk = {ask, c};
	struct identity who;
	sasl *s;

	cr_assert_eq(sasl_start(slice_z(mechanism), &peer, &a, &s), ST_OK);
	return sasl_exchange(s, NULL, &talk, &a, &who);
}

static status by_plain(struct client *c)
{
	return by_sasl("PLAIN", c, ask_plain);
}

static status by_login(struct client *c)
{
	return by_sasl("LOGIN", c, ask_login);
}

static status by_scram(struct client *c)
{
	c->gs2 = "n";
	return by_sasl("SCRAM-SHA-256", c, ask_scram);
}

static status by_scram_plus(struct client *c)
{
	c->gs2 = "p=tls-exporter";
	return by_sasl("SCRAM-SHA-256-PLUS", c, ask_scram);
}

static status by_user_and_pass(struct client *c)
{
	struct identity who;
	return auth_password(c->name, c->password, &c->from, &a, &who);
}

static status by_apop(struct client *c)
{
	struct identity who;
	slice banner = S("<1896.697170952@acme.test>");
	slice digest = auth_apop_digest(banner, c->password, &a);
	return auth_apop(c->name, banner, digest, &c->from, &a, &who);
}

/* ---- what a logon costs */

struct work {
	status kind;
	uint64_t hashes;
	int64_t questions, failed, timed;
};

static struct work work_of(status (*by)(struct client *), const char *name, const char *password)
{
	uint64_t n = random_below(UINT64_C(1) << 48), hashes = auth_hash_count();
	int64_t questions = metric_value(M_db_seconds, SERVICE_NONE);
	int64_t failed = metric_value(M_logons_failed, SERVICE_IMAP);
	int64_t timed = metric_value(M_logon_seconds, SERVICE_IMAP);
	struct client c = {.name = slice_z(name),
		.password = slice_z(password),
		.from = {.service = SERVICE_IMAP,
			.secure = true,
			.address = arena_format(&a, "2001:db8:%x:%x::%x", (unsigned)(n >> 32),
				(unsigned)(n >> 16 & 0xffff), (unsigned)(n & 0xffff))}};

	status kind = by(&c);
	return (struct work){.kind = kind,
		.hashes = auth_hash_count() - hashes,
		.questions = metric_value(M_db_seconds, SERVICE_NONE) - questions,
		.failed = metric_value(M_logons_failed, SERVICE_IMAP) - failed,
		.timed = metric_value(M_logon_seconds, SERVICE_IMAP) - timed};
}

static const struct way {
	const char *name;
	status (*by)(struct client *);
	uint64_t hashes;
} ways[] = {
	{"PLAIN", by_plain, 1},
	{"LOGIN", by_login, 1},
	{"USER and PASS", by_user_and_pass, 1},
	/* The client hashes; what is left here is a few rounds of SHA-256, the same for all. */
	{"SCRAM-SHA-256", by_scram, 0},
	{"SCRAM-SHA-256-PLUS", by_scram_plus, 0},
	{"APOP", by_apop, 0},
};

static const char *at_office(const char *name)
{
	return arena_z(&a, arena_format(&a, "%s@%.*s", name, SLICE_ARGS(office)));
}

Test(auth_names, cost_the_same_work_whoever_has_them)
{
	store_mailbox(po, "anna", 0);
	struct route off = store_mailbox(po, "off", 0);
	cr_assert_eq(mailbox_set_state(po, off.mailbox, MAILBOX_DISABLED, given_by), ST_OK);
	const char *const others[] = {at_office("off"), at_office("nobody"), at_office("an%na"),
		"anna@nowhere.test", "@"};
	work_of(by_scram, at_office("first"), "x"); /* a process reads the key of salts once */
	for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
		const struct way *w = &ways[i];
		struct work wrong = work_of(w->by, at_office("anna"), "wrong");
		cr_expect_eq(wrong.kind, ST_DENIED, "%s: %s", w->name, status_name(wrong.kind));
		cr_expect_eq(wrong.hashes, w->hashes, "%s: %d", w->name, (int)wrong.hashes);
		cr_expect_eq(wrong.questions, 2, "%s: %d", w->name, (int)wrong.questions);
		cr_expect_eq(wrong.failed, 1, "%s", w->name);
		cr_expect_eq(wrong.timed, 1, "%s", w->name);
		for (size_t k = 0; k < sizeof others / sizeof others[0]; k++) {
			struct work none = work_of(w->by, others[k], PASSWORD);
			cr_expect_eq(none.kind, wrong.kind, "%s: %s", w->name, others[k]);
			cr_expect_eq(none.hashes, wrong.hashes, "%s: %s: %d", w->name, others[k],
				(int)none.hashes);
			cr_expect_eq(none.questions, wrong.questions, "%s: %s: %d", w->name,
				others[k], (int)none.questions);
			cr_expect_eq(none.failed, wrong.failed, "%s: %s", w->name, others[k]);
			cr_expect_eq(none.timed, wrong.timed, "%s: %s", w->name, others[k]);
		}
	}
}
