/* TLS over socket pairs: which certificate is served to whom, what is refused, what both sides
   agree on. Server and client are two fibers; clients that do what ours never do are OpenSSL by
   hand on a thread. */
#include "net/tls.h"

#include "base/log.h"
#include "help.h"

#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <unistd.h>

static tls_server *server;
static tls_client *client;
static stream *near, *far; /* the server's end, the client's end */
static const char *host = "localhost";
static enum tls_verify verify = TLS_VERIFY_NAME;
static status accepted, connected;

static void leave(void)
{
	stream_close(&near);
	stream_close(&far);
	tls_client_close(&client);
	tls_server_close(&server);
}

TestSuite(tls, .fini = leave);

static void serve(void)
{
	accepted = stream_tls_accept(near, server);
	if (accepted != ST_OK) {
		stream_close(&near);
		return;
	}
	slice line;
	enum line_end end;
	if (stream_line(near, 100, &line, &end) == ST_OK)
		stream_format(near, "you said %.*s\r\n", SLICE_ARGS(line));
	stream_flush(near);
}

static void ask(void)
{
	connected = stream_tls_connect(far, client, host, verify);
	if (connected != ST_OK) {
		stream_close(&far);
		return;
	}
	slice line;
	enum line_end end;
	cr_expect_kind(stream_write(far, S("hello\r\n")), ST_OK);
	cr_assert_ok(stream_line(far, 100, &line, &end));
	cr_expect_slice(line, "you said hello");
}

static void open_both(void)
{
	int other;

	help_pair(&near, &other);
	cr_assert_ok(stream_open(other, other, &far));
}

static void close_both(void)
{
	stream_close(&near);
	stream_close(&far);
}

/* One conversation; the client trusts `authority` alone. */
static void meet(const char *authority)
{
	tls_client_close(&client);
	cr_assert_ok(tls_client_open(authority, &client));
	open_both();
	on_fibers(serve, ask);
}

static void expect_served(const char *folder, const char *certificate, const char *asked)
{
	host = asked;
	meet(help_path(folder, certificate));
	cr_expect_eq(connected, ST_OK, "%s is not served %s", asked, certificate);
	cr_expect_eq(accepted, ST_OK);
	close_both();
}

static const char *one_certificate(void)
{
	const char *folder = help_folder();

	help_certificate(folder, "default", "localhost");
	cr_assert_ok(tls_server_open(folder, &server));
	return folder;
}

Test(tls, serves_each_name_its_certificate)
{
	const char *folder = help_folder();
	struct stream_tls facts;
	arena a = ARENA_INIT;

	help_certificate(folder, "default", "localhost");
	help_certificate(folder, "mail.example.org", "mail.example.org");
	help_certificate(folder, "_.example.net", "*.example.net");
	cr_assert_ok(tls_server_open(folder, &server));
	expect_served(folder, "mail.example.org.crt", "mail.example.org");
	expect_served(folder, "mail.example.org.crt", "MAIL.Example.ORG");
	expect_served(folder, "_.example.net.crt", "pop.example.net");
	expect_served(folder, "default.crt", "localhost");
	verify = TLS_VERIFY_NONE;
	expect_served(folder, "default.crt", "unknown.example.com");
	host = "pop.example.net";
	meet(NULL);
	stream_tls_facts(near, &a, &facts);
	cr_expect_slice(facts.sni, "pop.example.net");
	cr_expect_slice(facts.version, "TLSv1.3");
	cr_expect(facts.cipher.size > 0);
	cr_expect_geq(facts.bits, 128);
	cr_expect_not(facts.resumed);
	cr_expect(stream_is_tls(near) && stream_is_tls(far));
	close_both();
	arena_release(&a);
}

Test(tls, first_in_order_serves_when_there_is_no_default)
{
	const char *folder = help_folder();

	help_certificate(folder, "b.example", "b.example");
	help_certificate(folder, "a.example", "a.example");
	cr_assert_ok(tls_server_open(folder, &server));
	verify = TLS_VERIFY_NONE;
	expect_served(folder, "a.example.crt", "c.example");
}

Test(tls, talks_byte_by_byte)
{
	const char *folder = one_certificate();

	stream_trickle(1);
	expect_served(folder, "default.crt", "localhost");
}

/* ---- a client that says all it has and is gone before it is read */

static void serve_who_left(void)
{
	slice line;
	enum line_end end;

	cr_assert_ok(stream_tls_accept(near, server));
	cr_assert_ok(stream_write(near, S("ready\r\n")));
	cr_assert_ok(stream_flush(near));
	while (far)
		cr_assert_ok(task_sleep(USEC_MS));
	cr_assert_ok(stream_line(near, 100, &line, &end));
	cr_expect_slice(line, "one");
	cr_expect_not(stream_was_left(near), "OpenSSL holds a line yet");
	cr_assert_ok(stream_line(near, 100, &line, &end));
	cr_expect_slice(line, "two");
	cr_expect_kind(stream_line(near, 100, &line, &end), ST_CLOSED);
	cr_expect(stream_was_left(near));
}

/* Two records and the end of the session, all in the server's socket at once. */
static void speak_and_leave(void)
{
	slice line;
	enum line_end end;

	cr_assert_ok(stream_tls_connect(far, client, host, TLS_VERIFY_NONE));
	cr_assert_ok(stream_line(far, 100, &line, &end));
	for (int i = 0; i < 2; i++) {
		cr_assert_ok(stream_write(far, i == 0 ? S("one\r\n") : S("two\r\n")));
		cr_assert_ok(stream_flush(far));
	}
	stream_close(&far);
}

Test(tls, nobody_has_left_while_a_record_is_unread)
{
	one_certificate();
	cr_assert_ok(tls_client_open(NULL, &client));
	open_both();
	on_fibers(serve_who_left, speak_and_leave);
}

Test(tls, checks_the_servers_name_and_authority)
{
	const char *folder = one_certificate();
	const char *stranger = help_folder();

	help_certificate(stranger, "ca", "localhost");
	host = "other.example";
	meet(help_path(folder, "default.crt"));
	cr_expect_eq(connected, ST_CLOSED);
	cr_expect_neq(accepted, ST_OK);
	close_both();
	host = "localhost";
	meet(help_path(stranger, "ca.crt"));
	cr_expect_eq(connected, ST_CLOSED);
	close_both();
	meet(NULL);
	cr_expect_eq(connected, ST_CLOSED);
	close_both();
	cr_expect_eq(metric_value(M_tls_failures, SERVICE_NONE), 6);
}

Test(tls, checks_an_address_as_an_address)
{
	const char *folder = help_folder();

	help_certificate(folder, "default", "192.0.2.1");
	cr_assert_ok(tls_server_open(folder, &server));
	expect_served(folder, "default.crt", "192.0.2.1");
	host = "192.0.2.2";
	meet(help_path(folder, "default.crt"));
	cr_expect_eq(connected, ST_CLOSED);
	close_both();
}

Test(tls, lists_no_folder_of_authorities_in_a_handshake)
{
	const char *folder = help_folder(), *authorities = help_folder();
	char events[1024];
	int watch = inotify_init1(IN_NONBLOCK);

	help_certificate(folder, "default", "localhost");
	help_certificate(authorities, "another", "another.example");
	setenv("SSL_CERT_FILE", help_path(authorities, "none.pem"), 1);
	setenv("SSL_CERT_DIR", authorities, 1);
	cr_assert_ok(tls_server_open(folder, &server));
	cr_assert(inotify_add_watch(watch, authorities, IN_OPEN) >= 0);
	meet(NULL);
	cr_expect_eq(connected, ST_CLOSED);
	cr_expect_lt(read(watch, events, sizeof events), 0);
	close_both();
	close(watch);
}

Test(tls, client_needs_a_readable_authority)
{
	cr_expect_kind(tls_client_open("/nonexistent/ca.pem", &client), ST_INVALID);
}

static void overwrite(const char *path, const char *bytes)
{
	FILE *f = fopen(path, "w");

	cr_assert(f && fputs(bytes, f) >= 0);
	fclose(f);
}

Test(tls, keeps_the_old_set_when_the_new_one_is_broken)
{
	const char *folder = one_certificate();
	const char *kept = help_folder();
	char command[400];

	cr_expect_not(tls_server_changed(server));
	snprintf(command, sizeof command, "cp %s/default.crt %s/", folder, kept);
	cr_assert_eq(system(command), 0);
	overwrite(help_path(folder, "default.crt"), "no certificate at all\n");
	cr_expect(tls_server_changed(server));
	cr_expect_kind(tls_server_reload(server), ST_INVALID);
	cr_expect_not(tls_server_changed(server));
	expect_served(kept, "default.crt", "localhost");

	help_certificate(folder, "default", "localhost");
	overwrite(help_path(folder, "second.crt"), "");
	cr_expect_kind(tls_server_reload(server), ST_INVALID);
	expect_served(kept, "default.crt", "localhost");
}

Test(tls, serves_the_new_set_after_a_reload)
{
	const char *folder = one_certificate();

	help_certificate(folder, "default", "localhost");
	help_certificate(folder, "new.example", "new.example");
	cr_expect(tls_server_changed(server));
	cr_assert_ok(tls_server_reload(server));
	cr_expect_not(tls_server_changed(server));
	expect_served(folder, "default.crt", "localhost");
	expect_served(folder, "new.example.crt", "new.example");
}

Test(tls, names_what_is_wrong_with_a_folder)
{
	const char *folder = help_folder(), *other = help_folder();
	char command[400];

	cr_expect_kind(tls_server_open("/nonexistent", &server), ST_ABSENT);
	cr_expect_kind(tls_server_open(folder, &server), ST_ABSENT);
	help_certificate(folder, "default", "localhost");
	help_certificate(other, "default", "localhost");
	snprintf(command, sizeof command, "cp %s/default.key %s/", other, folder);
	cr_assert_eq(system(command), 0);
	cr_expect_kind(tls_server_open(folder, &server), ST_INVALID);
	unlink(help_path(folder, "default.key"));
	cr_expect_kind(tls_server_open(folder, &server), ST_INVALID);
}

/* ---- what is said of certificates */

static char said[2000];

static bool warnings(log_level level, bool written)
{
	(void)written;
	return level >= LOG_WARN_LEVEL;
}

static void said_hear(log_level level, bool written, slice line)
{
	size_t at = strlen(said);

	(void)level, (void)written;
	snprintf(said + at, sizeof said - at, "%.*s\n", SLICE_ARGS(line));
}

static int times_said(const char *words)
{
	int n = 0;

	for (const char *at = said; (at = strstr(at, words)); at++)
		n++;
	return n;
}

static const struct log_tap warnings_tap = {warnings, said_hear};

Test(tls, warns_of_certificates_that_do_not_count)
{
	const char *folder = help_folder();

	log_tap_set(&warnings_tap);
	help_certificate(folder, "default", "localhost");
	help_certificate_of(folder, "old", "old.example", "EC", -7200, -3600);
	help_certificate_of(folder, "young", "young.example", "ED25519", 86400, 172800);
	cr_assert_ok(tls_server_open(folder, &server));
	tls_server_look(server, 0);
	cr_expect_eq(times_said("event=TLS_EXPIRED "), 1, "%s", said);
	cr_expect_eq(times_said("/old.crt"), 1, "%s", said);
	cr_expect_eq(times_said("event=TLS_EARLY "), 1, "%s", said);
	cr_expect_eq(times_said("/young.crt"), 1, "%s", said);
	tls_server_look(server, 0);
	cr_expect_eq(times_said("event="), 2, "once a day: %s", said);
	cr_assert_ok(tls_server_reload(server));
	tls_server_look(server, 0);
	cr_expect_eq(times_said("event=TLS_EXPIRED "), 2, "with each reading");
	verify = TLS_VERIFY_NONE;
	expect_served(folder, "old.crt", "old");
	help_certificate(folder, "old", "old.example");
	help_certificate(folder, "young", "young.example");
	said[0] = '\0';
	cr_assert_ok(tls_server_reload(server));
	tls_server_look(server, 0);
	cr_expect_eq(strlen(said), 0, "%s", said);
	log_tap_set(NULL);
}

#define DAY_S 86400
#define DAY (DAY_S * USEC_S)

/* What is said by looks each hour of that day. */
static void expect_said_on(int day, usec ahead, int ending, int expired)
{
	said[0] = '\0';
	for (int hour = 0; hour < 24; hour++) {
		tls_server_look(server, ahead);
		clock_advance(DAY / 24);
	}
	cr_expect_eq(times_said("event=TLS_ENDING "), ending, "day %d: %s", day, said);
	cr_expect_eq(times_said("event=TLS_EXPIRED "), expired, "day %d: %s", day, said);
}

Test(tls, warns_each_day_of_certificates_that_run_out)
{
	const char *folder = help_folder();
	char command[400];

	log_tap_set(&warnings_tap);
	help_certificate_of(folder, "default", "localhost", "EC", -3600, 5 * DAY_S + 1800);
	help_certificate_of(folder, "long", "long.example", "EC", -3600, 400 * DAY_S);
	cr_assert_ok(tls_server_open(folder, &server));
	clock_virtual(clock_wall());
	cr_expect_lt(llabs(tls_server_until(server) - clock_wall() - 5 * DAY - 1800 * USEC_S),
		600 * USEC_S);
	for (int day = 0; day < 8; day++)
		expect_said_on(day, 3 * DAY, day >= 3 && day <= 5, day > 5);
	cr_expect_eq(times_said("/default.crt\" until="), 1, "%s", said);
	expect_said_on(8, 400 * DAY, 1, 1);
	cr_expect_eq(times_said("/long.crt\" until="), 1, "%s", said);
	cr_expect_eq(times_said(" days=391"), 1, "%s", said);

	/* Its successor, above which stands one that runs out sooner. */
	clock_real();
	help_certificate_of(folder, "default", "localhost", "EC", -3600, 400 * DAY_S);
	help_certificate_of(folder, "above", "above.example", "EC", -3600, 20 * DAY_S);
	snprintf(command, sizeof command, "cd %s && cat above.crt >>default.crt && rm above.*",
		folder);
	cr_assert_eq(system(command), 0);
	clock_virtual(clock_wall());
	cr_assert_ok(tls_server_reload(server));
	expect_said_on(0, 21 * DAY, 1, 0);
	cr_expect_lt(llabs(tls_server_until(server) - clock_wall() - 19 * DAY), 600 * USEC_S);
	expect_said_on(1, 0, 0, 0);
	clock_real();
	log_tap_set(NULL);
}

Test(tls, says_that_a_key_is_not_the_certificates)
{
	static const char *const kinds[] = {"EC", "ED25519"};

	log_tap_set(&warnings_tap);
	for (size_t i = 0; i < 2; i++) {
		const char *folder = help_folder(), *other = help_folder();
		char words[60];

		help_certificate(folder, "default", "localhost");
		help_certificate_of(other, "default", "localhost", kinds[i], -3600, 3600);
		cr_assert_eq(
			rename(help_path(other, "default.key"), help_path(folder, "default.key")),
			0);
		said[0] = '\0';
		cr_expect_kind(tls_server_open(folder, &server), ST_INVALID);
		cr_expect_eq(times_said("event=TLS_KEY "), 1, "%s", said);
		snprintf(words, sizeof words, "/default.key\" kind=%s ", kinds[i]);
		cr_expect_eq(times_said(words), 1, "%s", said);
		cr_expect_eq(times_said("/default.crt\" certificate_kind=EC "), 1, "%s", said);
	}
	log_tap_set(NULL);
}

Test(tls, binds_both_sides_to_the_same_channel)
{
	const char *folder = one_certificate();
	static const char *const kinds[] = {"tls-exporter", "tls-server-end-point"};
	arena a = ARENA_INIT;
	slice ours, theirs;

	meet(help_path(folder, "default.crt"));
	for (int i = 0; i < 2; i++) {
		cr_assert_ok(stream_tls_binding(near, slice_z(kinds[i]), &a, &ours));
		cr_assert_ok(stream_tls_binding(far, slice_z(kinds[i]), &a, &theirs));
		cr_expect_eq(ours.size, 32);
		cr_expect(slice_same(ours, theirs), "%s", kinds[i]);
	}
	cr_expect_kind(stream_tls_binding(near, S("tls-unique"), &a, &ours), ST_ABSENT);
	cr_expect_kind(stream_tls_binding(near, S("tls-imagined"), &a, &ours), ST_ABSENT);
	close_both();
	open_both();
	cr_expect_kind(stream_tls_binding(near, S("tls-exporter"), &a, &ours), ST_ABSENT);
	close_both();
	arena_release(&a);
}

Test(tls, refuses_to_start_over_bytes_of_the_clear)
{
	slice line;
	enum line_end end;
	stream *s;
	int other;

	one_certificate();
	help_pair(&s, &other);
	help_send(other, "STARTTLS\r\nNOOP\r\n");
	cr_assert_ok(stream_line(s, 100, &line, &end));
	cr_expect_kind(stream_tls_accept(s, server), ST_INVALID);
	cr_expect_not(stream_is_tls(s));
	cr_expect_eq(stream_discard(s), 6);
	stream_close(&s);
	close(other);
}

Test(tls, bytes_of_the_clear_that_come_later_break_the_handshake)
{
	slice line;
	enum line_end end;
	stream *s;
	int other;

	one_certificate();
	help_pair(&s, &other);
	help_send(other, "STARTTLS\r\n");
	cr_assert_ok(stream_line(s, 100, &line, &end));
	help_send(other, "MAIL FROM:<evil@example.org>\r\n");
	stream_patience(s, 60 * USEC_S, 0, 0);
	cr_expect_kind(stream_tls_accept(s, server), ST_CLOSED);
	stream_close(&s);
	close(other);
}

Test(tls, does_not_wait_for_half_a_handshake)
{
	stream *s;
	int other;

	one_certificate();
	help_pair(&s, &other);
	help_send(other, "\x16\x03\x01");
	stream_patience(s, 30 * USEC_MS, 0, 0);
	cr_expect_kind(stream_tls_accept(s, server), ST_TIMED_OUT);
	stream_close(&s);
	close(other);
}

/* ---- clients by hand */

struct by_hand {
	int fd;
	int version_most; /* 0: any */
	slice alpn;       /* as on the wire */
	SSL_SESSION *offered, *received;
	bool shook, resumed;
	unsigned char unique[64];
	size_t unique_size;
};

static void *client_by_hand(void *arg)
{
	struct by_hand *h = arg;
	SSL_CTX *context = SSL_CTX_new(TLS_client_method());
	char answer[100];

	SSL_CTX_set_security_level(context, 0);
	SSL_CTX_set_cipher_list(context, "ALL:@SECLEVEL=0");
	SSL_CTX_set_min_proto_version(context, TLS1_VERSION);
	SSL_CTX_set_max_proto_version(context, h->version_most);
	SSL *s = SSL_new(context);
	if (h->alpn.size)
		SSL_set_alpn_protos(s, (const unsigned char *)h->alpn.at, (unsigned)h->alpn.size);
	if (h->offered)
		SSL_set_session(s, h->offered);
	SSL_set_fd(s, h->fd);
	h->shook = SSL_connect(s) == 1 && SSL_write(s, "hello\r\n", 7) == 7 &&
		   SSL_read(s, answer, sizeof answer) > 0;
	if (h->shook) {
		h->resumed = SSL_session_reused(s);
		h->received = SSL_get1_session(s);
		h->unique_size = h->resumed ? SSL_get_peer_finished(s, h->unique, 64)
					    : SSL_get_finished(s, h->unique, 64);
		SSL_shutdown(s);
	}
	SSL_free(s);
	SSL_CTX_free(context);
	close(h->fd);
	return NULL;
}

static void meet_by_hand(struct by_hand *h)
{
	help_pair(&near, &h->fd);
	help_thread(client_by_hand, h);
	serve();
	help_join();
}

Test(tls, refuses_versions_below_1_2)
{
	struct by_hand old = {.version_most = TLS1_1_VERSION};
	struct by_hand fit = {.version_most = TLS1_2_VERSION};

	one_certificate();
	meet_by_hand(&old);
	cr_expect_not(old.shook);
	cr_expect_eq(accepted, ST_CLOSED);
	stream_close(&near);
	meet_by_hand(&fit);
	cr_expect(fit.shook);
	SSL_SESSION_free(fit.received);
	cr_expect_eq(accepted, ST_OK);
	cr_expect_eq(metric_value(M_tls_failures, SERVICE_NONE), 1);
	cr_expect_eq(metric_value(M_tls_handshakes, SERVICE_NONE), 1);
}

static void resume(int version_most)
{
	const char *folder = one_certificate();
	struct by_hand first = {.version_most = version_most};
	struct stream_tls facts;
	arena a = ARENA_INIT;
	tls_server *second;

	meet_by_hand(&first);
	cr_assert(first.shook);
	cr_expect_not(first.resumed);
	stream_close(&near);
	cr_assert_ok(tls_server_open(folder, &second));
	tls_server_close(&server);
	server = second;
	struct by_hand again = {.version_most = version_most, .offered = first.received};
	meet_by_hand(&again);
	cr_expect(again.shook && again.resumed);
	stream_tls_facts(near, &a, &facts);
	cr_expect(facts.resumed);
	slice unique;
	if (version_most == TLS1_2_VERSION) {
		cr_assert_ok(stream_tls_binding(near, S("tls-unique"), &a, &unique));
		cr_expect(slice_same(unique, slice_of(again.unique, again.unique_size)));
	}
	stream_close(&near);
	tls_server_close(&server);
	SSL_SESSION_free(first.received);
	SSL_SESSION_free(again.received);
	arena_release(&a);
}

Test(tls, resumes_sessions_of_another_worker)
{
	tls_share_tickets();
	resume(TLS1_2_VERSION);
	resume(TLS1_3_VERSION);
}

Test(tls, resumes_for_a_day_with_keys_that_change)
{
	struct by_hand first = {0};

	clock_virtual(clock_wall());
	one_certificate();
	meet_by_hand(&first);
	stream_close(&near);
	cr_assert(first.shook);
	static const struct {
		usec hours;
		bool resumed;
	} rows[] = {{11, true}, {9, true}, {5, false}};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct by_hand again = {.offered = first.received};
		clock_advance(rows[i].hours * 3600 * USEC_S);
		meet_by_hand(&again);
		stream_close(&near);
		cr_expect(again.shook);
		cr_expect_eq(again.resumed, rows[i].resumed, "row %zu", i);
		SSL_SESSION_free(again.received);
	}
	SSL_SESSION_free(first.received);
}

Test(tls, turns_away_who_only_speaks_http)
{
	static const struct {
		slice offered;
		bool served;
	} rows[] = {
		{S("\x08http/1.1"), false},
		{S("\x02h2\x08http/1.1"), false},
		{S("\x02h2\x04imap"), true},
		{S("\x04pop3"), true},
	};

	one_certificate();
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct by_hand h = {.alpn = rows[i].offered};
		meet_by_hand(&h);
		stream_close(&near);
		cr_expect_eq(h.shook, rows[i].served, "row %zu", i);
		SSL_SESSION_free(h.received);
	}
}

Test(tls, binds_unique_below_1_3)
{
	struct by_hand h = {.version_most = TLS1_2_VERSION};
	arena a = ARENA_INIT;
	slice unique;

	one_certificate();
	meet_by_hand(&h);
	cr_assert_ok(stream_tls_binding(near, S("tls-unique"), &a, &unique));
	cr_expect(slice_same(unique, slice_of(h.unique, h.unique_size)));
	SSL_SESSION_free(h.received);
	arena_release(&a);
}
