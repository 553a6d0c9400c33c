/* One TLS session over OpenSSL, on a BIO of our own: it moves bytes by wire_read and wire_write, so
   that broken pipes raise no signal and tests can cut the records into single bytes. */
#include "net/tls_session.h"

#include "base/log.h"
#include "base/text.h"
#include "net/tls_inside.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <pthread.h>

/* ---- the wire as a BIO */

static BIO_METHOD *wire_method;
static pthread_once_t wire_method_once = PTHREAD_ONCE_INIT;

static int bio_read(BIO *b, char *to, size_t room, size_t *got)
{
	enum turn turn = wire_read(BIO_get_data(b), to, room, got);

	BIO_clear_retry_flags(b);
	if (turn == TURN_WAIT_READ)
		BIO_set_retry_read(b);
	return turn == TURN_DONE;
}

static int bio_write(BIO *b, const char *from, size_t size, size_t *sent)
{
	enum turn turn = wire_write(BIO_get_data(b), slice_of(from, size), slice_of(NULL, 0), sent);

	BIO_clear_retry_flags(b);
	if (turn == TURN_WAIT_WRITE)
		BIO_set_retry_write(b);
	return turn == TURN_DONE;
}

static long bio_control(BIO *b, int command, long number, void *pointer)
{
	const wire *w = BIO_get_data(b);

	(void)number;
	(void)pointer;
	if (command == BIO_CTRL_EOF)
		return w->ended;
	return command == BIO_CTRL_FLUSH;
}

static void make_wire_method(void)
{
	wire_method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "wire");
	if (!wire_method)
		return;
	BIO_meth_set_read_ex(wire_method, bio_read);
	BIO_meth_set_write_ex(wire_method, bio_write);
	BIO_meth_set_ctrl(wire_method, bio_control);
}

/* ---- opening and closing */

static status open_on(SSL_CTX *with, wire *w, SSL **out)
{
	pthread_once(&wire_method_once, make_wire_method);
	ERR_clear_error();
	BIO *b = wire_method ? BIO_new(wire_method) : NULL;
	SSL *s = b ? SSL_new(with) : NULL;
	if (!s) {
		BIO_free(b);
		return log_trouble(
			ST_BUSY, EV_TLS_FAILED, "reason=%s", log_quote(slice_z(tls_reason())));
	}
	BIO_set_data(b, w);
	BIO_set_init(b, 1);
	SSL_set_bio(s, b, b);
	*out = s;
	return ST_OK;
}

status tls_session_server(const tls_server *t, wire *w, tls_session **out)
{
	TRY(open_on(tls_server_context(t), w, out));
	SSL_set_accept_state(*out);
	return ST_OK;
}

/* ---- what a client wants */

/* Usages 0 and 1 mean nothing to mail (RFC 7672 3.1.3). */
static bool for_mail(const struct tls_tlsa *r)
{
	return r->usage == 2 || r->usage == 3;
}

static bool is_whole(const struct tls_tlsa *r)
{
	const unsigned char *at = (const unsigned char *)r->data.at, *end = at + r->data.size;
	X509 *certificate = NULL;
	EVP_PKEY *key = NULL;
	bool whole;

	if (r->data.size == 0 || r->data.size > 65535)
		return false;
	ERR_clear_error();
	if (r->selector == 0)
		certificate = d2i_X509(NULL, &at, (long)r->data.size);
	else
		key = d2i_PUBKEY(NULL, &at, (long)r->data.size);
	whole = (certificate || key) && at == end;
	X509_free(certificate);
	EVP_PKEY_free(key);
	ERR_clear_error();
	return whole;
}

static bool usable(const struct tls_tlsa *r)
{
	if (!for_mail(r) || r->selector > 1 || r->matching > 2)
		return false;
	if (r->matching == 0)
		return is_whole(r);
	return r->data.size == (r->matching == 1 ? 32 : 64);
}

bool tls_tlsa_usable(const struct tls_tlsa *records, int n)
{
	for (int i = 0; i < n; i++)
		if (usable(&records[i]))
			return true;
	return false;
}

/* The host by its TLSA records; a DANE-EE record says all there is to say, names and dates do not
   count beside it (RFC 7672 3.1.1). */
static bool expect_records(SSL *s, const struct tls_wanted *w)
{
	bool any = false;

	if (SSL_dane_enable(s, w->host) != 1)
		return false;
	SSL_dane_set_flags(s, DANE_FLAG_NO_DANE_EE_NAMECHECKS);
	for (int i = 0; i < w->tlsa_count; i++) {
		const struct tls_tlsa *r = &w->tlsa[i];
		if (usable(r) && SSL_dane_tlsa_add(s, r->usage, r->selector, r->matching,
					 (const unsigned char *)r->data.at, r->data.size) > 0)
			any = true;
	}
	return any;
}

/* The host by its name; an address is checked as such and never asked for by SNI. */
static bool expect_name(SSL *s, const struct tls_wanted *w)
{
	X509_VERIFY_PARAM *checked = SSL_get0_param(s);
	net_address literal;

	if (net_address_parse(slice_z(w->host), &literal) == ST_OK)
		return X509_VERIFY_PARAM_set1_ip(
			       checked, literal.ip, literal.family == 4 ? 4 : 16) == 1;
	return SSL_set_tlsext_host_name(s, w->host) == 1 &&
	       X509_VERIFY_PARAM_set1_host(checked, w->host, 0) == 1;
}

static bool expect(SSL *s, const struct tls_wanted *w)
{
	SSL_set_verify(s, w->verify == TLS_VERIFY_NONE ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, NULL);
	if (!(w->verify == TLS_VERIFY_DANE ? expect_records(s, w) : expect_name(s, w)))
		return false;
	X509_VERIFY_PARAM_set_hostflags(SSL_get0_param(s), X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	for (int i = 0; i < w->name_count; i++)
		if (X509_VERIFY_PARAM_add1_host(
			    SSL_get0_param(s), w->names[i].at, w->names[i].size) != 1)
			return false;
	return true;
}

/* A resumed session stands for the check of its first handshake, so its key holds all that was
   wanted then. */
static void offer_session(SSL *s, const tls_client *t, const struct tls_wanted *w)
{
	text key = TEXT_INIT;

	if (w->session.size == 0)
		return;
	text_format(&key, "%.*s\n%s\n%d", SLICE_ARGS(w->session), w->host, w->verify);
	for (int i = 0; i < w->name_count; i++)
		text_format(&key, "\n%.*s", SLICE_ARGS(w->names[i]));
	for (int i = 0; w->verify == TLS_VERIFY_DANE && i < w->tlsa_count; i++) {
		const struct tls_tlsa *r = &w->tlsa[i];
		text_format(
			&key, "\n%u %u %u %zu ", r->usage, r->selector, r->matching, r->data.size);
		text_add(&key, r->data);
	}
	tls_sessions_offer(tls_client_sessions(t), s, text_slice(&key));
	text_free(&key);
}

status tls_session_client(
	const tls_client *t, wire *w, const struct tls_wanted *wanted, tls_session **out)
{
	TRY(open_on(tls_client_context(t, wanted->verify), w, out));
	SSL_set_connect_state(*out);
	if (!expect(*out, wanted)) {
		tls_session_close(out, false);
		return ST_INVALID;
	}
	offer_session(*out, t, wanted);
	return ST_OK;
}

void tls_session_close(tls_session **s, bool orderly)
{
	if (*s && orderly && SSL_is_init_finished(*s)) {
		ERR_clear_error();
		SSL_shutdown(*s);
	}
	SSL_free(*s);
	*s = NULL;
	ERR_clear_error();
}

/* ---- one attempt each */

static enum turn turn_of(SSL *s, int returned)
{
	switch (SSL_get_error(s, returned)) {
	case SSL_ERROR_WANT_READ:
		return TURN_WAIT_READ;
	case SSL_ERROR_WANT_WRITE:
		return TURN_WAIT_WRITE;
	case SSL_ERROR_ZERO_RETURN:
		return TURN_END;
	default:
		return TURN_BROKEN;
	}
}

enum turn tls_session_handshake(tls_session *s, const char **why)
{
	ERR_clear_error();
	int done = SSL_do_handshake(s);
	if (done == 1)
		return TURN_DONE;
	enum turn turn = turn_of(s, done);
	long verdict =
		SSL_get_verify_mode(s) == SSL_VERIFY_NONE ? X509_V_OK : SSL_get_verify_result(s);
	if (turn == TURN_END || turn == TURN_BROKEN)
		*why = verdict != X509_V_OK ? X509_verify_cert_error_string(verdict) : tls_reason();
	return turn;
}

static enum tls_trouble trouble_of(long verdict)
{
	switch (verdict) {
	case X509_V_OK:
		return TLS_TROUBLE_NONE;
	case X509_V_ERR_HOSTNAME_MISMATCH:
	case X509_V_ERR_IP_ADDRESS_MISMATCH:
		return TLS_TROUBLE_NAME;
	case X509_V_ERR_CERT_HAS_EXPIRED:
	case X509_V_ERR_CERT_NOT_YET_VALID:
		return TLS_TROUBLE_EXPIRED;
	case X509_V_ERR_DANE_NO_MATCH:
		return TLS_TROUBLE_TLSA;
	default:
		return TLS_TROUBLE_UNTRUSTED;
	}
}

enum tls_trouble tls_session_trouble(const tls_session *s)
{
	enum tls_trouble t = SSL_get_verify_mode(s) == SSL_VERIFY_NONE
				     ? TLS_TROUBLE_NONE
				     : trouble_of(SSL_get_verify_result(s));

	return t == TLS_TROUBLE_NONE ? TLS_TROUBLE_HANDSHAKE : t;
}

enum turn tls_session_read(tls_session *s, char *to, size_t room, size_t *got)
{
	ERR_clear_error();
	int done = SSL_read_ex(s, to, room, got);
	return done == 1 ? TURN_DONE : turn_of(s, done);
}

bool tls_session_holds(const tls_session *s)
{
	return SSL_has_pending(s) == 1;
}

enum turn tls_session_write(tls_session *s, slice bytes, size_t *sent)
{
	ERR_clear_error();
	int done = SSL_write_ex(s, bytes.at, bytes.size, sent);
	return done == 1 ? TURN_DONE : turn_of(s, done);
}

/* ---- facts */

void tls_session_facts(const tls_session *s, arena *a, struct stream_tls *out)
{
	const SSL_CIPHER *cipher = SSL_get_current_cipher(s);

	*out = (struct stream_tls){
		.version = arena_copy(a, slice_z(SSL_get_version(s))),
		.cipher = arena_copy(a, slice_z(SSL_CIPHER_get_name(cipher))),
		.sni = arena_copy(a, slice_z(SSL_get_servername(s, TLSEXT_NAMETYPE_host_name))),
		.bits = SSL_CIPHER_get_bits(cipher, NULL),
		.resumed = SSL_session_reused(s),
		.verified = !SSL_is_server(s) && SSL_get_verify_result(s) == X509_V_OK,
		.doubt = SSL_is_server(s) ? TLS_TROUBLE_NONE : trouble_of(SSL_get_verify_result(s)),
	};
}

/* RFC 9266. Below TLS 1.3 it binds the channel only with the extended master secret. */
static status bind_exporter(SSL *s, arena *a, slice *data)
{
	static const char label[] = "EXPORTER-Channel-Binding";
	unsigned char *key = arena_new(a, 32);

	if (SSL_version(s) < TLS1_3_VERSION && SSL_get_extms_support(s) != 1)
		return ST_ABSENT;
	if (SSL_export_keying_material(s, key, 32, label, sizeof label - 1, NULL, 0, 0) != 1)
		return ST_ABSENT;
	*data = slice_of(key, 32);
	return ST_OK;
}

/* RFC 5929, 4.1: the certificate under the hash of its own signature, at least SHA-256. */
static status bind_end_point(SSL *s, arena *a, slice *data)
{
	X509 *certificate =
		SSL_is_server(s) ? SSL_get_certificate(s) : SSL_get0_peer_certificate(s);
	unsigned char *sum = arena_new(a, EVP_MAX_MD_SIZE);
	unsigned size;
	int hash = NID_undef;

	if (!certificate || X509_get_signature_info(certificate, &hash, NULL, NULL, NULL) != 1)
		return ST_ABSENT;
	if (hash == NID_md5 || hash == NID_sha1)
		hash = NID_sha256;
	const EVP_MD *kind = EVP_get_digestbynid(hash);
	if (!kind || X509_digest(certificate, kind, sum, &size) != 1)
		return ST_ABSENT;
	*data = slice_of(sum, size);
	return ST_OK;
}

/* RFC 5929, 3: the first Finished of the latest handshake, which is the server's when a session was
   resumed. Not defined for TLS 1.3. */
static status bind_unique(SSL *s, arena *a, slice *data)
{
	unsigned char *finished = arena_new(a, EVP_MAX_MD_SIZE);
	bool server_first = SSL_session_reused(s);
	size_t size;

	if (SSL_version(s) >= TLS1_3_VERSION || SSL_get_extms_support(s) != 1)
		return ST_ABSENT;
	if (server_first == (bool)SSL_is_server(s))
		size = SSL_get_finished(s, finished, EVP_MAX_MD_SIZE);
	else
		size = SSL_get_peer_finished(s, finished, EVP_MAX_MD_SIZE);
	if (size == 0)
		return ST_ABSENT;
	*data = slice_of(finished, size);
	return ST_OK;
}

status tls_session_binding(tls_session *s, slice kind, arena *a, slice *data)
{
	ERR_clear_error();
	if (slice_same(kind, S("tls-exporter")))
		return bind_exporter(s, a, data);
	if (slice_same(kind, S("tls-server-end-point")))
		return bind_end_point(s, a, data);
	if (slice_same(kind, S("tls-unique")))
		return bind_unique(s, a, data);
	return ST_ABSENT;
}
