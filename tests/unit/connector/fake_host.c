/* A host that follows a script; see fake_host.h. */
#include "fake_host.h"

#include "base/text.h"
#include "task/task.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- rows */

static bool hears(struct fake_host *h, stream *s, const char *wanted)
{
	enum line_end end;
	slice line;

	if (stream_line(s, 1000, &line, &end) != ST_OK || end != LINE_CRLF)
		return false;
	snprintf(h->line, sizeof h->line, "%.*s", SLICE_ARGS(line));
	size_t size = strlen(wanted);
	if (size > 0 && wanted[size - 1] == '*')
		return slice_starts(line, slice_of(wanted, size - 1));
	return slice_same(line, slice_z(wanted));
}

static bool hears_text(struct fake_host *h, stream *s)
{
	enum line_end end;
	slice line;

	for (;;) {
		if (stream_line(s, 100000, &line, &end) != ST_OK || end != LINE_CRLF)
			return false;
		text_add(&h->texts, line);
		text_add(&h->texts, S("\r\n"));
		if (slice_same(line, S("."))) {
			h->whole++;
			return true;
		}
	}
}

static bool hears_chunk(struct fake_host *h, stream *s)
{
	unsigned long left;
	slice bytes;

	if (!hears(h, s, "BDAT *") || sscanf(h->line, "BDAT %lu LAST", &left) != 1)
		return false;
	while (left > 0) {
		if (stream_some(s, left, &bytes) != ST_OK)
			return false;
		text_add(&h->texts, bytes);
		left -= bytes.size;
	}
	h->whole++;
	return true;
}

static bool drips(stream *s, const char *line)
{
	for (; *line; line++)
		if (stream_write(s, slice_of(line, 1)) != ST_OK || stream_flush(s) != ST_OK ||
			task_sleep(5 * USEC_MS) != ST_OK)
			return false;
	return stream_write(s, S("\r\n")) == ST_OK && stream_flush(s) == ST_OK;
}

static bool trickles(stream *s)
{
	while (stream_write(s, S("2")) == ST_OK && stream_flush(s) == ST_OK)
		task_sleep(5 * USEC_MS);
	return true;
}

static bool says_for_ever(stream *s, const char *words)
{
	while (stream_write(s, slice_z(words)) == ST_OK)
		;
	return true;
}

static bool waits(stream *s)
{
	slice bytes;

	while (stream_some(s, 1000, &bytes) == ST_OK)
		;
	return true;
}

static bool hears_some(stream *s)
{
	slice bytes;

	return stream_some(s, 1000, &bytes) == ST_OK;
}

static void *move_the_clock(void *over)
{
	while (!atomic_load((atomic_bool *)over)) {
		clock_advance(USEC_S);
		usleep(1000);
	}
	return NULL;
}

/* The end of the other side is heard with an old moment in mind, which no advance brings near. */
static bool is_late(stream *s)
{
	pthread_t mover;
	atomic_bool over = false;

	stream_patience(s, USEC_NEVER, 0, 0);
	cr_assert_eq(pthread_create(&mover, NULL, move_the_clock, &over), 0);
	bool ended = waits(s);
	atomic_store(&over, true);
	pthread_join(mover, NULL);
	return ended;
}

static bool follow(struct fake_host *h, stream *s, const char *row)
{
	if (!strncmp(row, "> ", 2))
		return stream_format(s, "%s\r\n", row + 2) == ST_OK && stream_flush(s) == ST_OK;
	if (!strncmp(row, ">> ", 3))
		return stream_write(s, slice_z(row + 3)) == ST_OK && stream_flush(s) == ST_OK;
	if (!strncmp(row, "< ", 2))
		return hears(h, s, row + 2);
	if (!strncmp(row, "drip ", 5))
		return drips(s, row + 5);
	if (!strcmp(row, "text"))
		return hears_text(h, s);
	if (!strcmp(row, "chunk"))
		return hears_chunk(h, s);
	if (!strcmp(row, "tls"))
		return stream_tls_accept(s, h->tls) == ST_OK;
	if (!strcmp(row, "wait"))
		return waits(s);
	if (!strcmp(row, "flood"))
		return says_for_ever(s, "250-and so on and on\r\n");
	if (!strcmp(row, "garbage"))
		return says_for_ever(s, "250 and so on and on ");
	if (!strcmp(row, "trickle"))
		return trickles(s);
	if (!strcmp(row, "some"))
		return hears_some(s);
	if (!strcmp(row, "late"))
		return is_late(s);
	cr_expect_fail("no such row: %s", row);
	return false;
}

/* ---- connections */

static stream *take(struct fake_host *h)
{
	stream *s;
	int fd = accept(h->listener, NULL, NULL);

	if (fd < 0)
		return NULL;
	h->connections++;
	cr_assert_eq(stream_open(fd, fd, &s), ST_OK);
	stream_patience(s, USEC_NEVER, 0, 0);
	return s;
}

static void *run(void *host)
{
	struct fake_host *h = host;
	stream *s = take(h);

	for (const char **row = h->script; s && *row && !h->stopped; row++) {
		atomic_store(&h->doing, *row);
		if (!strcmp(*row, "next")) {
			stream_close(&s);
			s = take(h);
		} else if (!follow(h, s, *row)) {
			h->stopped = *row;
		}
	}
	stream_close(&s);
	return NULL;
}

int fake_host_reserve(net_address *at)
{
	struct sockaddr_storage here = {0};
	struct sockaddr_in *in = (struct sockaddr_in *)&here;
	socklen_t size = sizeof *in;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

	in->sin_family = AF_INET;
	in->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	cr_assert(fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
		  bind(fd, (struct sockaddr *)in, size) == 0);
	cr_assert_eq(getsockname(fd, (struct sockaddr *)in, &size), 0);
	net_address_of(&here, at);
	return fd;
}

int fake_host_listen(net_address *at)
{
	int fd = fake_host_reserve(at);

	cr_assert_eq(listen(fd, 16), 0);
	return fd;
}

void fake_host_start(struct fake_host *h, const char *const *script, const tls_server *tls)
{
	pthread_t thread;

	text_free(&h->texts);
	*h = (struct fake_host){.tls = tls};
	for (size_t i = 0; script[i]; i++) {
		cr_assert_lt(i + 1, sizeof h->script / sizeof h->script[0]);
		h->script[i] = script[i];
	}
	h->listener = fake_host_listen(&h->at);
	cr_assert_eq(pthread_create(&thread, NULL, run, h), 0);
	h->thread = thread;
}

void fake_host_end(struct fake_host *h)
{
	shutdown(h->listener, SHUT_RDWR);
	pthread_join(h->thread, NULL);
	close(h->listener);
}

/* ---- certificates */

static X509 *make(const char *host, EVP_PKEY *key, int from, int to)
{
	char name[300];
	X509 *x = X509_new();

	cr_assert(key && x);
	snprintf(name, sizeof name, "DNS:%s", host);
	X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, name);
	X509_set_version(x, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
	X509_gmtime_adj(X509_getm_notBefore(x), from * 3600L);
	X509_gmtime_adj(X509_getm_notAfter(x), to * 3600L);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_UTF8,
		(const unsigned char *)host, -1, -1, 0);
	X509_set_issuer_name(x, X509_get_subject_name(x));
	X509_set_pubkey(x, key);
	cr_assert(e && X509_add_ext(x, e, -1) == 1);
	X509_EXTENSION_free(e);
	return x;
}

static FILE *open_in(const char *folder, const char *name, const char *mode)
{
	char path[200];

	snprintf(path, sizeof path, "%s/%s", folder, name);
	FILE *f = fopen(path, mode);
	cr_assert(f);
	return f;
}

static void write_pair(const char *folder, X509 *first, X509 *second, EVP_PKEY *key)
{
	FILE *f = open_in(folder, "default.crt", "w");

	cr_assert_eq(PEM_write_X509(f, first), 1);
	if (second)
		cr_assert_eq(PEM_write_X509(f, second), 1);
	fclose(f);
	f = open_in(folder, "default.key", "w");
	cr_assert_eq(PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL), 1);
	fclose(f);
}

void fake_certificate(const char *folder, const char *host, int from, int to)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *x = make(host, key, from, to);

	cr_assert(X509_sign(x, key, EVP_sha256()) > 0);
	write_pair(folder, x, NULL, key);
	X509_free(x);
	EVP_PKEY_free(key);
}

static struct tls_tlsa record_of(X509 *x, uint8_t usage, uint8_t selector, unsigned char sum[32])
{
	unsigned char *der = NULL;
	int size = selector ? i2d_X509_PUBKEY(X509_get_X509_PUBKEY(x), &der) : i2d_X509(x, &der);

	cr_assert(size > 0 && EVP_Digest(der, (size_t)size, sum, NULL, EVP_sha256(), NULL) == 1);
	OPENSSL_free(der);
	return (struct tls_tlsa){usage, selector, 1, slice_of(sum, 32)};
}

struct tls_tlsa fake_authority(const char *folder, const char *host, unsigned char sum[32])
{
	EVP_PKEY *key = EVP_EC_gen("P-256"), *high = EVP_EC_gen("P-256");
	X509 *authority = make("authority.test", high, -1, 1), *x = make(host, key, -1, 1);
	X509_EXTENSION *e =
		X509V3_EXT_conf_nid(NULL, NULL, NID_basic_constraints, "critical,CA:TRUE");

	cr_assert(e && X509_add_ext(authority, e, -1) == 1);
	X509_EXTENSION_free(e);
	X509_set_issuer_name(x, X509_get_subject_name(authority));
	cr_assert(X509_sign(authority, high, EVP_sha256()) > 0 &&
		  X509_sign(x, high, EVP_sha256()) > 0);
	write_pair(folder, x, authority, key);
	struct tls_tlsa record = record_of(authority, 2, 0, sum);
	X509_free(x);
	X509_free(authority);
	EVP_PKEY_free(key);
	EVP_PKEY_free(high);
	return record;
}

struct tls_tlsa fake_tlsa(
	const char *folder, uint8_t usage, uint8_t selector, unsigned char sum[32])
{
	FILE *f = open_in(folder, "default.crt", "r");
	X509 *x = PEM_read_X509(f, NULL, NULL, NULL);

	cr_assert(x);
	fclose(f);
	struct tls_tlsa record = record_of(x, usage, selector, sum);
	X509_free(x);
	return record;
}
