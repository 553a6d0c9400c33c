/* The outbound client and TLS: each policy against hosts that keep it, miss it and cheat (T5, T59);
   logons; connections kept for later; faults at every read and write. */
#include "hand_over.h"

#include "base/fault.h"
#include "base/log.h"
#include "connector/smtp/smtp.h"
#include "net/listener.h"

#include <pthread.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

TestSuite(client_secure, .init = hand_over_begin, .fini = hand_over_end, .timeout = 300);

#define SAYS_STARTTLS HOST_KNOWS("> 250 STARTTLS"), "< STARTTLS", "> 220 go on"
#define IS_SECURE SAYS_STARTTLS, "tls", "< EHLO us.test", "> 250 there.test"
#define TAKES_AGAIN "next", HOST_GREETS, "> 250 there.test", TAKES_ONE

static enum client_tls proved;

/* As deliver(); what was proved is kept. */
static status deliver_proved(const char *const *script)
{
	status kind = meet(script);

	proved = talk ? client_facts(talk)->proved : CLIENT_TLS_OFF;
	if (kind == ST_OK)
		kind = client_send(talk, &message, &a);
	client_close(&talk);
	fake_host_end(&host);
	return kind;
}

/* ---- policies that are kept */

static const enum client_tls policies[] = {
	CLIENT_TLS_MAY, CLIENT_TLS_MUST, CLIENT_TLS_NAME, CLIENT_TLS_DANE};

Test(client_secure, every_policy_is_met_by_a_good_host)
{
	unsigned char sum[32];

	certificate_for("there.test", -1, 1);
	struct tls_tlsa record = fake_tlsa(certificate_folder, 3, 1, sum);
	for (size_t i = 0; i < sizeof policies / sizeof policies[0]; i++) {
		target.policy = (struct client_policy){
			.tls = policies[i], .tlsa = &record, .tlsa_count = 1};
		cr_expect_eq(deliver_proved(SCRIPT(IS_SECURE, TAKES_ONE)), ST_OK);
		expect_script_done();
		expect_delivered(0);
		cr_expect_eq(
			proved, policies[i] == CLIENT_TLS_DANE ? CLIENT_TLS_DANE : CLIENT_TLS_NAME);
	}
}

Test(client_secure, a_stranger_is_good_enough_where_nobody_is_asked_for)
{
	certificate_for("somebody.else.test", -3, -2);
	for (size_t i = 0; i < 2; i++) {
		target.policy.tls = policies[i];
		cr_expect_eq(deliver_proved(SCRIPT(IS_SECURE, TAKES_ONE)), ST_OK);
		cr_expect_eq(proved, CLIENT_TLS_MUST);
		expect_delivered(0);
	}
}

Test(client_secure, further_names_do)
{
	const slice names[] = {S("x.test"), S("domain.test")};

	certificate_for("domain.test", -1, 1);
	target.policy =
		(struct client_policy){.tls = CLIENT_TLS_NAME, .names = names, .name_count = 2};
	cr_expect_eq(deliver_proved(SCRIPT(IS_SECURE, TAKES_ONE)), ST_OK);
	cr_expect_eq(proved, CLIENT_TLS_NAME);
}

Test(client_secure, a_record_of_the_key_needs_neither_name_nor_date)
{
	unsigned char sum[32];

	certificate_for("somebody.else.test", -3, -2);
	struct tls_tlsa records[] = {{3, 1, 1, S("0123456789abcdef0123456789abcdef")},
		fake_tlsa(certificate_folder, 3, 1, sum)};
	target.policy =
		(struct client_policy){.tls = CLIENT_TLS_DANE, .tlsa = records, .tlsa_count = 2};
	cr_expect_eq(deliver_proved(SCRIPT(IS_SECURE, TAKES_ONE)), ST_OK);
	cr_expect_eq(proved, CLIENT_TLS_DANE);
}

Test(client_secure, a_record_of_the_authority_needs_the_name)
{
	unsigned char sum[32];
	const slice names[] = {S("domain.test")};

	certificate_for("domain.test", -1, 1);
	struct tls_tlsa record = fake_authority(certificate_folder, "domain.test", sum);
	cr_assert_eq(tls_server_reload(served), ST_OK);
	target.policy =
		(struct client_policy){.tls = CLIENT_TLS_DANE, .tlsa = &record, .tlsa_count = 1};
	cr_expect_eq(deliver_proved(SCRIPT(SAYS_STARTTLS, "tls")), ST_DENIED);
	cr_expect(slice_same(why.tls, S("certificate-host-mismatch")), "%.*s", SLICE_ARGS(why.tls));
	target.policy.names = names;
	target.policy.name_count = 1;
	cr_expect_eq(deliver_proved(SCRIPT(IS_SECURE, TAKES_ONE)), ST_OK);
	cr_expect_eq(proved, CLIENT_TLS_DANE);
}

Test(client_secure, records_nobody_can_use_still_mean_tls)
{
	const struct tls_tlsa records[] = {{0, 0, 1, S("0123456789abcdef0123456789abcdef")},
		{1, 1, 1, S("0123456789abcdef0123456789abcdef")}, {3, 1, 1, S("short")},
		{3, 7, 1, S("0123456789abcdef0123456789abcdef")},
		{3, 1, 9, S("0123456789abcdef0123456789abcdef")}, {3, 1, 0, S("no key")},
		{2, 0, 0, S("no certificate")}};
	int n = (int)(sizeof records / sizeof records[0]);

	certificate_for("somebody.else.test", -3, -2);
	cr_expect_not(tls_tlsa_usable(records, n));
	target.policy =
		(struct client_policy){.tls = CLIENT_TLS_DANE, .tlsa = records, .tlsa_count = n};
	cr_expect_eq(deliver_proved(SCRIPT(IS_SECURE, TAKES_ONE)), ST_OK);
	cr_expect_eq(proved, CLIENT_TLS_MUST);
	cr_expect_eq(deliver_proved(SCRIPT(HOST_GREETS, "> 250 there.test", "wait")), ST_DENIED);
}

/* RFC 8689 4.2.1: behind a certificate that is the host's, and with the word that has the host do the
   same. */
Test(client_secure, what_needs_tls_all_the_way_says_so)
{
	certificate_for("there.test", -1, 1);
	target.policy.tls = CLIENT_TLS_NAME;
	for (int i = 0; i < 2; i++) {
		message.require_tls = i == 0;
		cr_expect_eq(deliver_proved(SCRIPT(SAYS_STARTTLS, "tls", "< EHLO us.test",
				     "> 250-there.test\r\n250 REQUIRETLS",
				     i == 0 ? "< MAIL FROM:<me@us.test> REQUIRETLS"
					    : "< MAIL FROM:<me@us.test>",
				     "> 250 ok", "< RCPT TO:<anna@there.test>", "> 250 ok",
				     "< DATA", "> 354 go on", "text", "> 250 stored", "< QUIT",
				     "> 221 bye", "wait")),
			ST_OK);
		expect_script_done();
		expect_delivered(0);
	}
}

Test(client_secure, implicit_tls_needs_no_command)
{
	certificate_for("there.test", -1, 1);
	target.implicit_tls = true;
	target.policy.tls = CLIENT_TLS_NAME;
	cr_expect_eq(
		deliver_proved(SCRIPT("tls", HOST_GREETS, "> 250 there.test", TAKES_ONE)), ST_OK);
	expect_delivered(0);
	cr_expect_eq(proved, CLIENT_TLS_NAME);
}

Test(client_secure, sessions_are_taken_up_again)
{
	static const enum client_tls same[] = {CLIENT_TLS_NAME, CLIENT_TLS_NAME, CLIENT_TLS_MUST};

	certificate_for("there.test", -1, 1);
	fake_host_start(&host,
		SCRIPT(IS_SECURE, TAKES_ONE, "next", IS_SECURE, TAKES_ONE, "next", IS_SECURE,
			TAKES_ONE),
		served);
	target.at = host.at;
	for (size_t i = 0; i < 3; i++) {
		target.policy.tls = same[i];
		cr_assert_eq(client_open(&target, &a, &talk, &why), ST_OK);
		/* What proved a stranger's encryption proves no name. */
		cr_expect_eq(client_facts(talk)->resumed, i == 1);
		cr_expect_eq(client_facts(talk)->proved, CLIENT_TLS_NAME);
		cr_expect_eq(client_send(talk, &message, &a), ST_OK);
		client_close(&talk);
	}
	fake_host_end(&host);
	expect_script_done();
}

/* ---- policies that are missed: not a word about the message (T59) */

static void expect_missed(const char *word, int code)
{
	cr_expect_eq(why.outcome, CLIENT_DEFERRED);
	cr_expect_eq(why.cause, CLIENT_BY_POLICY);
	cr_expect_eq(why.phase, CLIENT_STARTTLS);
	cr_expect_eq(why.code, code);
	cr_expect(slice_same(why.tls, slice_z(word)), "%.*s", SLICE_ARGS(why.tls));
	cr_expect_eq(host.connections, 1);
	cr_expect(strncmp(host.line, "MAIL", 4) != 0, "%s", host.line);
}

Test(client_secure, without_the_tls_asked_for_nothing_is_said)
{
	unsigned char sum[32];

	certificate_for("there.test", -1, 1);
	struct tls_tlsa record = fake_tlsa(certificate_folder, 3, 1, sum);
	for (size_t i = 1; i < sizeof policies / sizeof policies[0]; i++) {
		target.policy = (struct client_policy){
			.tls = policies[i], .tlsa = &record, .tlsa_count = 1};
		deliver(SCRIPT(HOST_GREETS, "> 250 there.test", "< *", "> 250 ok", "< *"));
		expect_missed("starttls-not-supported", 0);
		deliver(SCRIPT(HOST_GREETS, "> 502 no", "< HELO*", "> 250 there.test", "< *"));
		expect_missed("starttls-not-supported", 0);
		deliver(SCRIPT(HOST_KNOWS("> 250 STARTTLS"), "< STARTTLS", "> 454 4.7.0 not now",
			"< *", "> 250 ok", "< *"));
		expect_missed("starttls-not-supported", 454);
		deliver(SCRIPT(SAYS_STARTTLS, ">> this is no TLS at all, is it?", "wait"));
		cr_expect_neq(why.outcome, CLIENT_DELIVERED);
		cr_expect_eq(host.connections, 1);
	}
}

Test(client_secure, a_wrong_certificate_is_told_as_what_it_is)
{
	const struct {
		const char *name, *word;
		int from, until;
	} rows[] = {
		{"other.test", "certificate-host-mismatch", -1, 1},
		{"*.there.test", "certificate-host-mismatch", -1, 1},
		{"there.test", "certificate-expired", -3, -2},
		{"there.test", "certificate-expired", 2, 3},
	};
	target.policy.tls = CLIENT_TLS_NAME;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		certificate_for(rows[i].name, rows[i].from, rows[i].until);
		deliver(SCRIPT(SAYS_STARTTLS, "tls", "< *"));
		expect_missed(rows[i].word, 0);
		hand_over_end();
	}
}

Test(client_secure, an_unknown_authority_is_told)
{
	certificate_for("there.test", -1, 1);
	target.authorities = NULL;
	target.policy.tls = CLIENT_TLS_NAME;
	deliver(SCRIPT(SAYS_STARTTLS, "tls", "< *"));
	expect_missed("certificate-not-trusted", 0);
}

Test(client_secure, a_record_of_another_key_is_told)
{
	const struct tls_tlsa record = {3, 1, 1, S("0123456789abcdef0123456789abcdef")};

	certificate_for("there.test", -1, 1);
	target.policy =
		(struct client_policy){.tls = CLIENT_TLS_DANE, .tlsa = &record, .tlsa_count = 1};
	deliver(SCRIPT(SAYS_STARTTLS, "tls", "< *"));
	expect_missed("tlsa-invalid", 0);
}

Test(client_secure, a_host_outside_the_sts_policy_is_not_even_connected_to)
{
	static const struct {
		const char *host, *pattern;
		bool fits;
	} rows[] = {
		{"mx.there.test", "mx.there.test", true},
		{"MX.there.test", "mx.There.test", true},
		{"mx.there.test.", "mx.there.test", true},
		{"mx.there.test", "*.there.test", true},
		{"there.test", "*.there.test", false},
		{"a.mx.there.test", "*.there.test", false},
		{"mx.there.test.evil.test", "mx.there.test", false},
		{"mxthere.test", "*.there.test", false},
		{".there.test", "*.there.test", false},
		{"mx.there.test", "*", false},
	};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		const slice patterns[] = {S("other.test"), slice_z(rows[i].pattern)};
		target.host = slice_z(rows[i].host);
		target.policy = (struct client_policy){
			.tls = CLIENT_TLS_MAY, .mx = patterns, .mx_count = 2};
		status kind = deliver(SCRIPT(HOST_GREETS, "> 250 there.test", TAKES_ONE));
		cr_expect_eq(kind, rows[i].fits ? ST_OK : ST_DENIED, "%s %s", rows[i].host,
			rows[i].pattern);
		cr_expect_eq(host.connections, rows[i].fits ? 1 : 0);
		if (!rows[i].fits)
			cr_expect_eq(why.cause, CLIENT_BY_POLICY);
	}
}

/* ---- opportunity */

Test(client_secure, where_tls_may_be_it_may_be_not)
{
	target.policy.tls = CLIENT_TLS_MAY;
	certificate_for("there.test", -1, 1);
	cr_expect_eq(deliver_proved(SCRIPT(HOST_GREETS, "> 250 there.test", TAKES_ONE)), ST_OK);
	expect_delivered(0);
	cr_expect_eq(deliver_proved(SCRIPT(HOST_KNOWS("> 250 STARTTLS"), "< STARTTLS",
			     "> 454 4.7.0 not now", TAKES_ONE)),
		ST_OK);
	expect_delivered(0);
	cr_expect_eq(host.connections, 1);
	cr_expect_eq(deliver_proved(SCRIPT(SAYS_STARTTLS, "some", ">> this is no TLS, is it?\r\n",
			     "wait", TAKES_AGAIN)),
		ST_OK);
	expect_delivered(0);
	cr_expect_eq(host.connections, 2);
	cr_expect_eq(proved, CLIENT_TLS_OFF);
}

Test(client_secure, tls_that_is_off_is_not_asked_for)
{
	cr_expect_eq(deliver_proved(SCRIPT(HOST_KNOWS("> 250 STARTTLS"), TAKES_ONE)), ST_OK);
	expect_script_done();
}

/* ---- bytes in the clear behind STARTTLS (T5) */

Test(client_secure, an_injected_answer_ends_the_talk)
{
	static const char *const rows[] = {"> 220 go on\r\n250 there.test",
		"> 220 go on\r\n250-there.test\r\n250 AUTH PLAIN", ">> 220 go on\r\n2",
		">> 220 go on\r\n\r\n", "> 220-go\r\n220 on\r\n220 and on"};

	certificate_for("there.test", -1, 1);
	for (size_t p = 0; p < 3; p++) {
		target.policy.tls = policies[p];
		for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
			deliver(SCRIPT(HOST_KNOWS("> 250 STARTTLS"), "< STARTTLS", rows[i], "wait",
				TAKES_AGAIN));
			cr_expect_eq(why.outcome, CLIENT_DEFERRED);
			cr_expect_eq(why.cause, CLIENT_BY_HOST);
			cr_expect_eq(why.phase, CLIENT_STARTTLS);
			cr_expect_eq(host.connections, 1, "no second try in the clear");
		}
	}
}

Test(client_secure, what_was_offered_in_the_clear_counts_no_more)
{
	certificate_for("there.test", -1, 1);
	target.policy.tls = CLIENT_TLS_MUST;
	message.ret = RET_FULL;
	cr_expect_eq(
		deliver(SCRIPT(
			HOST_KNOWS("> 250-PIPELINING\r\n250-DSN\r\n250-SIZE 1\r\n250 STARTTLS"),
			"< STARTTLS", "> 220 go", "tls", "< EHLO*", "> 250 there.test",
			"< MAIL FROM:<me@us.test>", "> 250 ok", "< RCPT*", "> 250 ok", "< DATA",
			"> 354 go", "text", "> 250 stored", "< QUIT")),
		ST_OK);
	expect_script_done();
}

Test(client_secure, a_handshake_that_stands_still_ends)
{
	certificate_for("there.test", -1, 1);
	target.policy.tls = CLIENT_TLS_MUST;
	target.patience.starttls = 100 * USEC_MS;
	clock_virtual(clock_wall());
	deliver(SCRIPT(SAYS_STARTTLS, "some", "late"));
	expect_missed("validation-failure", 0);
}

Test(client_secure, byte_by_byte_tls_is_the_same)
{
	stream_trickle(1);
	certificate_for("there.test", -1, 1);
	target.policy.tls = CLIENT_TLS_NAME;
	cr_expect_eq(deliver(SCRIPT(IS_SECURE, TAKES_ONE)), ST_OK);
	expect_delivered(0);
}

/* ---- logons */

static struct client_logon user = {.name = S("anna"), .secret = S("s3cret")};

Test(client_secure, a_logon_is_said_through_tls)
{
	certificate_for("there.test", -1, 1);
	target.policy.tls = CLIENT_TLS_NAME;
	target.logon = &user;
	cr_expect_eq(deliver(SCRIPT(SAYS_STARTTLS, "tls", "< EHLO*",
			     "> 250-there.test\r\n250 AUTH PLAIN LOGIN",
			     "< AUTH PLAIN AGFubmEAczNjcmV0", "> 235 2.7.0 welcome", TAKES_ONE)),
		ST_OK);
	expect_script_done();
	cr_expect_eq(deliver(SCRIPT(SAYS_STARTTLS, "tls", "< EHLO*",
			     "> 250-there.test\r\n250 AUTH=LOGIN", "< AUTH LOGIN",
			     "> 334 VXNlcm5hbWU6", "< YW5uYQ==", "> 334 UGFzc3dvcmQ6", "< czNjcmV0",
			     "> 235 2.7.0 welcome", TAKES_ONE)),
		ST_OK);
	expect_script_done();
}

Test(client_secure, a_logon_is_never_said_in_the_clear_unless_wanted)
{
	target.logon = &user;
	cr_expect_eq(deliver(SCRIPT(HOST_KNOWS("> 250 AUTH PLAIN LOGIN"), "< QUIT", "> 221 bye")),
		ST_DENIED);
	expect_script_done();
	expect_result(&why, CLIENT_DEFERRED, CLIENT_BY_LOGON, CLIENT_LOGON, 0, "4.7.8");
	user.in_clear = true;
	cr_expect_eq(deliver(SCRIPT(HOST_KNOWS("> 250 AUTH PLAIN"), "< AUTH PLAIN*",
			     "> 235 welcome", TAKES_ONE)),
		ST_OK);
	expect_script_done();
}

Test(client_secure, a_logon_refused_defers)
{
	target.logon = &user;
	user.in_clear = true;
	deliver(SCRIPT(HOST_KNOWS("> 250 AUTH PLAIN"), "< AUTH*", "> 535 5.7.8 no", "< QUIT"));
	expect_result(&why, CLIENT_DEFERRED, CLIENT_BY_LOGON, CLIENT_LOGON, 535, "5.7.8");
	deliver(SCRIPT(HOST_KNOWS("> 250 PIPELINING"), "< QUIT"));
	expect_result(&why, CLIENT_DEFERRED, CLIENT_BY_LOGON, CLIENT_LOGON, 0, "4.7.8");
}

/* Whether the log warned of the logon when the host answered so. */
static bool is_warned_of(const char *answer)
{
	char said[16384];
	int ends[2];

	cr_assert_eq(pipe(ends), 0);
	log_open(&(struct log_target){.fd = ends[1], .least = LOG_WARN_LEVEL, .role = "test"});
	deliver(SCRIPT(HOST_KNOWS("> 250 AUTH PLAIN"), "< AUTH*", answer, "< QUIT"));
	log_close();
	cr_assert_eq(write(ends[1], "\n", 1), 1);
	ssize_t n = read(ends[0], said, sizeof said);
	close(ends[0]);
	close(ends[1]);
	cr_expect_eq(why.cause, CLIENT_BY_LOGON);
	return n > 0 &&
	       slice_search(slice_of(said, (size_t)n), S("event=OUTBOUND_LOGON")) < (size_t)n;
}

Test(client_secure, a_warning_of_a_logon_is_for_one_that_is_wrong)
{
	target.logon = &user;
	user.in_clear = true;
	cr_expect(is_warned_of("> 535 5.7.8 no"));
	cr_expect(!is_warned_of("> 454 4.7.0 not now"), "the password may be right");
}

Test(client_secure, a_host_that_cannot_prove_scram_is_left)
{
	target.logon = &user;
	static const char *const rows[] = {"> 334 not base64",
		"> 334 cj1hYmMscz1RU1U9LGk9NDA5Ng==", "> 334 ", "> 235 come in",
		"> 334 cj0scz0saT0="};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		cr_expect_neq(deliver(SCRIPT(HOST_KNOWS("> 250 AUTH SCRAM-SHA-256 PLAIN"),
				      "< AUTH SCRAM-SHA-256 *", rows[i], "< *", "> 235 ok", "< *")),
			ST_OK, "%s", rows[i]);
		cr_expect_eq(why.cause, CLIENT_BY_LOGON);
		cr_expect_eq(why.outcome, CLIENT_DEFERRED);
	}
}

/* Our own submission service on one side, our client on the other. */
static void *run_own(void *fd)
{
	conversation_run(SERVICE_SUBMISSION, *(int *)fd, *(int *)fd, served, smtp_conversation);
	return NULL;
}

static void *take_one(void *listener)
{
	int fd = accept(*(int *)listener, NULL, NULL);

	return fd < 0 ? NULL : run_own(&fd);
}

static status log_on_to_ourselves(void)
{
	pthread_t thread;
	int listener = fake_host_listen(&target.at);

	cr_assert_eq(pthread_create(&thread, NULL, take_one, &listener), 0);
	status kind = client_open(&target, &a, &talk, &why);
	if (kind == ST_OK)
		kind = client_send(talk, &message, &a);
	client_close(&talk);
	shutdown(listener, SHUT_RDWR);
	pthread_join(thread, NULL);
	close(listener);
	return kind;
}

Test(client_secure, our_own_house_is_logged_on_to_with_scram)
{
	int64_t po = memory_postoffice("us", "us.test");

	memory_mailbox(po, "me", "my-secret");
	certificate_for("there.test", -1, 1);
	target.policy.tls = CLIENT_TLS_NAME;
	user = (struct client_logon){.name = S("me@us"), .secret = S("my-secret")};
	target.logon = &user;
	to[0].address = S("me@us.test");
	cr_expect_eq(log_on_to_ourselves(), ST_OK, "%.*s", SLICE_ARGS(why.text));
	cr_expect_eq(to[0].result.outcome, CLIENT_DELIVERED, "%.*s", SLICE_ARGS(to[0].result.text));
	cr_expect_eq(memory_messages(), 1);
	user.secret = S("not-my-secret");
	cr_expect_eq(log_on_to_ourselves(), ST_DENIED);
	expect_result(&why, CLIENT_DEFERRED, CLIENT_BY_LOGON, CLIENT_LOGON, 535, "5.7.8");
}

/* ---- connections kept for later */

#define TAKES                                                                                      \
	"< MAIL*", "> 250 ok", "< RCPT*", "> 250 ok", "< DATA", "> 354 go", "text", "> 250 stored"

Test(client_secure, a_kept_connection_serves_again)
{
	client_pool *pool = client_pool_open();

	cr_assert_eq(
		meet(SCRIPT(HOST_GREETS, "> 250 there.test", TAKES, TAKES, "< QUIT", "> 221 bye")),
		ST_OK);
	cr_expect_eq(client_send(talk, &message, &a), ST_OK);
	client_pool_keep(pool, S("there"), &talk);
	cr_expect_null(talk);
	cr_expect_eq(client_pool_count(pool), 1);
	cr_expect_null(client_pool_take(pool, S("elsewhere")));
	talk = client_pool_take(pool, S("there"));
	cr_assert_not_null(talk);
	cr_expect_eq(client_send(talk, &message, &a), ST_OK);
	expect_delivered(0);
	client_pool_keep(pool, S("there"), &talk);
	client_pool_sweep(pool);
	cr_expect_eq(client_pool_count(pool), 1);
	memory_setting("outbound_idle", "0 s");
	client_pool_sweep(pool);
	cr_expect_eq(client_pool_count(pool), 0);
	fake_host_end(&host);
	expect_script_done();
	client_pool_close(&pool);
}

/* The talk's end is seen sooner or later: from then on the pool does not hand it out. */
static void expect_not_handed_out(client_pool *pool)
{
	do {
		task_sleep(USEC_MS);
		client_pool_keep(pool, S("there"), &talk);
		talk = client_pool_take(pool, S("there"));
	} while (talk);
	cr_expect_eq(client_pool_count(pool), 0);
}

Test(client_secure, a_kept_connection_that_ended_is_not_handed_out)
{
	client_pool *pool = client_pool_open();

	cr_assert_eq(meet(SCRIPT(HOST_GREETS, "> 250 there.test")), ST_OK);
	fake_host_end(&host);
	expect_not_handed_out(pool);
	cr_assert_eq(meet(SCRIPT(HOST_GREETS, "> 250 there.test", "> 421 enough", "wait")), ST_OK);
	expect_not_handed_out(pool);
	fake_host_end(&host);
	client_pool_close(&pool);
}

Test(client_secure, a_kept_connection_that_breaks_says_nothing_of_the_host)
{
	static const char *const rows[] = {NULL, "> 421 4.4.2 idle for too long"};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		cr_assert_eq(
			meet(SCRIPT(HOST_GREETS, "> 250 there.test", TAKES, "< MAIL*", rows[i])),
			ST_OK);
		cr_expect_eq(client_send(talk, &message, &a), ST_OK);
		cr_expect_eq(client_send(talk, &message, &a), ST_CLOSED);
		cr_expect_eq(to[0].result.outcome, CLIENT_DEFERRED);
		cr_expect_eq(to[0].result.cause, CLIENT_STALE);
		client_close(&talk);
		fake_host_end(&host);
	}
}

Test(client_secure, a_pool_has_its_limits)
{
	client_pool *pool = client_pool_open();

	memory_setting("outbound_idle_most", "1");
	memory_setting("outbound_messages_most", "1");
	cr_assert_eq(meet(SCRIPT(HOST_GREETS, "> 250 there.test", TAKES, "< QUIT")), ST_OK);
	cr_expect_eq(client_send(talk, &message, &a), ST_OK);
	client_pool_keep(pool, S("there"), &talk);
	cr_expect_eq(client_pool_count(pool), 0, "it has carried its share");
	fake_host_end(&host);
	cr_assert_eq(meet(SCRIPT(HOST_GREETS, "> 250 there.test", "wait", "next", HOST_GREETS,
			     "> 250 there.test", "< QUIT")),
		ST_OK);
	client_pool_keep(pool, S("there"), &talk);
	cr_expect_eq(client_pool_count(pool), 1);
	client_pool_close(&pool);
	fake_host_end(&host);
}

/* ---- fibers, cancelling, faults */

static status cancelled_send(void *arg)
{
	(void)arg;
	cr_expect_eq(client_open(&target, &a, &talk, &why), ST_OK);
	cr_expect_eq(client_send(talk, &message, &a), ST_CANCELLED);
	client_close(&talk);
	return ST_OK;
}

static const char silent[] = "wait"; /* the row at which the host has heard all before */

static status cancel_soon(void *t)
{
	while (host.doing != silent)
		task_sleep(USEC_MS);
	task_cancel(t);
	return ST_OK;
}

static void cancel_at(const char *const *script)
{
	struct task_limits limits = TASK_LIMITS_INIT;

	fake_host_start(&host, script, NULL);
	target.at = host.at;
	cr_assert_eq(task_loop_open(&limits), ST_OK);
	task_start("cancel", cancel_soon, task_start("send", cancelled_send, NULL));
	task_loop_run();
	task_loop_close();
	fake_host_end(&host);
}

Test(client_secure, a_worker_that_stops_blames_nobody)
{
	cancel_at(SCRIPT(HOST_GREETS, "> 250 there.test", "< MAIL*", silent));
	expect_result(&to[0].result, CLIENT_DEFERRED, CLIENT_BY_US, CLIENT_MAIL, 0, "4.3.2");
	cancel_at(SCRIPT(HOST_GREETS, "> 250 there.test", "< MAIL*", "> 250 ok", "< RCPT*",
		"> 250 ok", "< DATA", "> 354 go", "text", silent));
	expect_result(&to[0].result, CLIENT_UNSURE, CLIENT_BY_US, CLIENT_END, 0, "4.3.2");
}

static status sweep_silent(void *arg)
{
	client_pool *pool = client_pool_open();

	(void)arg;
	cr_expect_eq(client_open(&target, &a, &talk, &why), ST_OK);
	client_pool_keep(pool, S("there"), &talk);
	memory_setting("outbound_idle", "0 s");
	client_pool_sweep(pool);
	cr_expect_eq(client_pool_count(pool), 0);
	cr_expect_neq(host.doing, silent, "who sweeps waited for a host that does not answer");
	cr_expect_eq(task_count(), 2u, "nobody says goodbye");
	client_pool_close(&pool);
	return ST_OK;
}

Test(client_secure, a_host_that_does_not_answer_quit_holds_up_nobody)
{
	struct task_limits limits = TASK_LIMITS_INIT;

	fake_host_start(&host, SCRIPT(HOST_GREETS, "> 250 there.test", "< QUIT", silent), NULL);
	target.at = host.at;
	target.patience.quit = 100 * USEC_MS;
	cr_assert_eq(task_loop_open(&limits), ST_OK);
	task_start("sweep", sweep_silent, NULL);
	task_loop_run();
	task_loop_close();
	fake_host_end(&host);
	expect_script_done();
}

#ifdef PENNYPOST_FAULT_POINTS
/* Whatever breaks on either side: delivered only what the host has whole, and what it has whole is
   never called deferred. */
static void break_everywhere(const char *const *script, const char *point)
{
	char row[60];
	int broken = 0;

	for (int n = 1; n < 60; n++) {
		snprintf(row, sizeof row, "%s:%d:fail", point, n);
		cr_assert(fault_arm(row));
		to[0].result = (struct client_result){.outcome = CLIENT_DEFERRED};
		status kind = deliver(script);
		enum client_outcome o = to[0].result.outcome;
		if (o == CLIENT_DELIVERED)
			cr_expect_eq(host.whole, 1, "%s", row);
		if (host.whole > 0)
			cr_expect(o == CLIENT_DELIVERED || o == CLIENT_UNSURE, "%s: %s", row,
				client_outcome_name(o));
		broken += kind != ST_OK;
		text_clear(&host.texts);
	}
	cr_expect_gt(broken, 5);
	cr_assert(fault_arm(""));
}

Test(client_secure, a_fault_anywhere_loses_nothing_and_claims_nothing)
{
	certificate_for("there.test", -1, 1);
	break_everywhere(SCRIPT(HOST_GREETS, "> 250 there.test", TAKES_ONE), "wire_read");
	break_everywhere(SCRIPT(HOST_GREETS, "> 250 there.test", TAKES_ONE), "wire_write");
	target.policy.tls = CLIENT_TLS_MUST;
	break_everywhere(SCRIPT(IS_SECURE, TAKES_ONE), "wire_read");
	break_everywhere(SCRIPT(IS_SECURE, TAKES_ONE), "wire_write");
}
#endif
