/* TLS contexts; the contract stands in tls.h. A server holds a set of contexts, one per certificate
   pair; reloading builds a whole new set and swaps it in. Sessions hold their context by OpenSSL's
   own count, so an old set lives as long as somebody talks through it. */
#include "net/tls.h"

#include "base/log.h"
#include "base/map.h"
#include "base/memory.h"
#include "net/tls_inside.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

#define NAME_MOST 253 /* of a host name in text, RFC 1035 3.1 */
#define TICKET_LIFE (24 * 3600)
#define DAY (24 * 3600 * USEC_S)

struct pair {
	SSL_CTX *context;
	const char *crt; /* its file */
};

struct pair_set {
	struct pair *pair; /* in order of their names */
	int count;
	arena files;
	usec until;       /* the first of their certificates runs out */
	map *by_name;     /* to SSL_CTX, of `pair` */
	SSL_CTX *usual;   /* for everybody else; of `pair` */
	uint64_t outside; /* the folder's look when it was read */
};

struct tls_server {
	char *folder;
	struct pair_set *set;
	usec look_at; /* at dates: once a day, and when the set is new */
};

struct tls_client {
	SSL_CTX *strict, *lenient;
	tls_sessions *sessions;
};

const char *tls_reason(void)
{
	unsigned long code = ERR_peek_error();
	const char *reason = code ? ERR_reason_error_string(code) : NULL;

	ERR_clear_error();
	return reason ? reason : code ? "TLS error" : "connection lost";
}

/* ---- what both sides have in common */

static SSL_CTX *context_open(const SSL_METHOD *side)
{
	SSL_CTX *c = SSL_CTX_new(side);

	if (!c)
		return NULL;
	SSL_CTX_set_min_proto_version(c, TLS1_2_VERSION);
	SSL_CTX_set_cipher_list(c, "ECDHE+AESGCM:ECDHE+CHACHA20");
	SSL_CTX_set_options(
		c, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_IGNORE_UNEXPECTED_EOF);
	SSL_CTX_set_mode(c, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
				    SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_read_ahead(c, 1);
	return c;
}

/* ---- server contexts */

static SSL_CTX *certificate_for(const struct pair_set *set, const char *host)
{
	char folded[NAME_MOST + 1];
	size_t size = strlen(host);

	if (size == 0 || size > NAME_MOST)
		return set->usual;
	for (size_t i = 0; i <= size; i++)
		folded[i] = (char)tolower((unsigned char)host[i]);
	SSL_CTX *c = map_get(set->by_name, slice_of(folded, size));
	const char *dot = strchr(folded, '.');
	if (!c && dot && dot > folded) {
		char *wild = folded + (dot - folded) - 1;
		*wild = '_';
		c = map_get(set->by_name, slice_z(wild));
	}
	return c ? c : set->usual;
}

/* `server` and not its set: the set may be replaced while a client shakes hands. */
static int choose_certificate(SSL *s, int *alert, void *server)
{
	const struct tls_server *t = server;
	const char *host = SSL_get_servername(s, TLSEXT_NAMETYPE_host_name);

	(void)alert;
	SSL_set_SSL_CTX(s, host ? certificate_for(t->set, host) : t->set->usual);
	return SSL_TLSEXT_ERR_OK;
}

/* A client that came to speak HTTP and nothing else was led here by somebody (ALPACA); one that
   offers anything else, or nothing, is served. */
static int refuse_http(SSL *s, const unsigned char **chosen, unsigned char *size,
	const unsigned char *offered, unsigned offered_size, void *arg)
{
	slice rest = slice_of(offered, offered_size);

	(void)s, (void)chosen, (void)size, (void)arg;
	while (rest.size > 0) {
		slice one = slice_until(slice_from(rest, 1), (unsigned char)rest.at[0]);
		if (!slice_starts(one, S("http/")) && !slice_starts(one, S("h2")))
			return SSL_TLSEXT_ERR_NOACK;
		rest = slice_from(rest, one.size + 1);
	}
	return SSL_TLSEXT_ERR_ALERT_FATAL;
}

/* A key under a pass phrase must not make OpenSSL ask at the terminal. */
static int no_pass_phrase(char *to, int room, int writing, void *arg)
{
	(void)to, (void)room, (void)writing, (void)arg;
	return -1;
}

static SSL_CTX *server_context_open(tls_server *t)
{
	static const unsigned char house[] = "pennypost";
	SSL_CTX *c = context_open(TLS_server_method());

	if (!c)
		return NULL;
	SSL_CTX_set_options(c, SSL_OP_CIPHER_SERVER_PREFERENCE);
	SSL_CTX_set_session_cache_mode(c, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_session_id_context(c, house, sizeof house - 1);
	SSL_CTX_set_timeout(c, TICKET_LIFE);
	SSL_CTX_set_num_tickets(c, 1);
	SSL_CTX_set_tlsext_ticket_key_evp_cb(c, tls_ticket_key);
	SSL_CTX_set_tlsext_servername_callback(c, choose_certificate);
	SSL_CTX_set_tlsext_servername_arg(c, t);
	SSL_CTX_set_alpn_select_cb(c, refuse_http, NULL);
	SSL_CTX_set_default_passwd_cb(c, no_pass_phrase);
	return c;
}

static status pair_trouble(const char *file)
{
	int number = errno;
	unsigned long code = ERR_peek_error();
	/* A file that cannot be opened shows as a system error of its own kind. */
	const char *reason = ERR_SYSTEM_ERROR(code) ? strerror(ERR_GET_REASON(code))
			     : code                 ? tls_reason()
						    : strerror(number);

	ERR_clear_error();
	return log_trouble(ST_INVALID, EV_TLS_PAIR, "file=%s reason=%s", log_quote(slice_z(file)),
		log_quote(slice_z(reason)));
}

static const char *kind_of(const EVP_PKEY *key)
{
	const char *kind = key ? EVP_PKEY_get0_type_name(key) : NULL;

	return kind ? kind : "unknown";
}

/* A key can be read and is another one than the certificate's. */
static bool key_is_foreign(const char *file, const X509 *leaf, const char *crt)
{
	FILE *f = fopen(file, "re");
	EVP_PKEY *key = f ? PEM_read_PrivateKey(f, NULL, no_pass_phrase, NULL) : NULL;
	const EVP_PKEY *wanted = X509_get0_pubkey(leaf);
	bool foreign = key && wanted && EVP_PKEY_eq(key, wanted) != 1;

	if (foreign)
		log_event(EV_TLS_KEY, "file=%s kind=%s certificate=%s certificate_kind=%s",
			log_quote(slice_z(file)), kind_of(key), log_quote(slice_z(crt)),
			kind_of(wanted));
	if (f)
		fclose(f);
	EVP_PKEY_free(key);
	return foreign;
}

static usec wall_of(const ASN1_TIME *at)
{
	struct tm civil = {0};

	ASN1_TIME_to_tm(at, &civil);
	return (usec)timegm(&civil) * USEC_S;
}

/* The i-th certificate of a pair, its own first; NULL behind the last. */
static const X509 *certificate_of(const struct pair *p, int i)
{
	STACK_OF(X509) *above = NULL;

	SSL_CTX_get0_chain_certs(p->context, &above);
	return i == 0                    ? SSL_CTX_get0_certificate(p->context)
	       : i <= sk_X509_num(above) ? sk_X509_value(above, i - 1)
					 : NULL;
}

static usec until_of(const struct pair *p)
{
	const X509 *x;
	usec first = USEC_NEVER;

	for (int i = 0; (x = certificate_of(p, i)); i++) {
		usec until = wall_of(X509_get0_notAfter(x));

		first = until < first ? until : first;
	}
	return first;
}

static status pair_load(tls_server *t, slice name, arena *files, struct pair *out)
{
	const char *crt = arena_format(files, "%s/%.*s.crt", t->folder, SLICE_ARGS(name)).at;
	const char *key = arena_format(files, "%s/%.*s.key", t->folder, SLICE_ARGS(name)).at;
	status kind = ST_OK;

	ERR_clear_error();
	SSL_CTX *c = server_context_open(t);
	bool chain = c && SSL_CTX_use_certificate_chain_file(c, crt) == 1;
	const X509 *leaf = chain ? SSL_CTX_get0_certificate(c)
				 : NULL; /* a key of another kind would hide it */
	if (!chain)
		kind = pair_trouble(crt);
	else if (SSL_CTX_use_PrivateKey_file(c, key, SSL_FILETYPE_PEM) != 1 ||
		 SSL_CTX_check_private_key(c) != 1)
		kind = key_is_foreign(key, leaf, crt) ? ST_INVALID : pair_trouble(key);
	ERR_clear_error();
	if (kind == ST_OK)
		*out = (struct pair){c, crt};
	else
		SSL_CTX_free(c);
	return kind;
}

/* ---- the folder */

static bool ends_in(const struct dirent *e, const char *suffix)
{
	return slice_ends_nocase(slice_z(e->d_name), slice_z(suffix)) && e->d_name[0] != '.';
}

static int is_certificate(const struct dirent *e)
{
	return ends_in(e, ".crt");
}

static void look_add(uint64_t *look, const void *bytes, size_t size)
{
	const unsigned char *at = bytes;

	for (size_t i = 0; i < size; i++)
		*look = (*look ^ at[i]) * UINT64_C(0x100000001b3);
}

/* Names, sizes and modification times of all pairs, in any order, as one number. */
static uint64_t look_at(const char *folder)
{
	uint64_t all = 1;
	DIR *d = opendir(folder);
	struct dirent *e;

	while (d && (e = readdir(d))) {
		struct stat about;
		if (!(ends_in(e, ".crt") || ends_in(e, ".key")) ||
			fstatat(dirfd(d), e->d_name, &about, 0) != 0)
			continue;
		uint64_t one = UINT64_C(0xcbf29ce484222325);
		look_add(&one, e->d_name, strlen(e->d_name));
		look_add(&one, &about.st_mtim, sizeof about.st_mtim);
		look_add(&one, &about.st_size, sizeof about.st_size);
		look_add(&one, &about.st_ino, sizeof about.st_ino);
		all += one;
	}
	if (d)
		closedir(d);
	return all;
}

static void set_close(struct pair_set *set)
{
	if (!set)
		return;
	for (int i = 0; i < set->count; i++)
		SSL_CTX_free(set->pair[i].context);
	memory_free(set->pair);
	arena_release(&set->files);
	map_close(&set->by_name);
	memory_free(set);
}

static status set_add(tls_server *t, struct pair_set *set, const char *file)
{
	char name[NAME_MAX + 1];
	struct pair *p = &set->pair[set->count];
	size_t size = strlen(file) - strlen(".crt");

	TRY(pair_load(t, slice_of(file, size), &set->files, p));
	set->count++;
	usec until = until_of(p);
	set->until = until < set->until ? until : set->until;
	for (size_t i = 0; i < size; i++)
		name[i] = (char)tolower((unsigned char)file[i]);
	map_put(set->by_name, slice_of(name, size), p->context);
	if (set->count == 1 || slice_same(slice_of(name, size), S("default")))
		set->usual = p->context;
	return ST_OK;
}

static status set_open(tls_server *t, struct pair_set **out)
{
	struct dirent **file = NULL;
	status kind = ST_OK;
	uint64_t outside = look_at(t->folder);
	int n = scandir(t->folder, &file, is_certificate, alphasort);

	if (n <= 0) {
		free(file);
		return log_trouble(
			ST_ABSENT, EV_TLS_NO_PAIR, "folder=%s", log_quote(slice_z(t->folder)));
	}
	struct pair_set *set = memory_new(sizeof *set);
	set->outside = outside;
	set->until = USEC_NEVER;
	set->pair = memory_new_array((size_t)n, sizeof *set->pair);
	set->by_name = map_open();
	for (int i = 0; i < n; i++) {
		if (kind == ST_OK)
			kind = set_add(t, set, file[i]->d_name);
		free(file[i]);
	}
	free(file);
	if (kind == ST_OK)
		*out = set;
	else
		set_close(set);
	return kind;
}

status tls_server_open(const char *folder, tls_server **out)
{
	tls_server *t = memory_new(sizeof *t);

	t->folder = memory_new(strlen(folder) + 1);
	memcpy(t->folder, folder, strlen(folder));
	status kind = set_open(t, &t->set);
	if (kind == ST_OK)
		*out = t;
	else
		tls_server_close(&t);
	return kind;
}

status tls_server_reload(tls_server *s)
{
	uint64_t outside = look_at(s->folder);
	struct pair_set *fresh = NULL;
	status kind = set_open(s, &fresh);

	if (!fresh) {
		/* Read and found broken: told once, looked at again when it changes. */
		s->set->outside = outside;
		return kind;
	}
	set_close(s->set);
	s->set = fresh;
	s->look_at = 0;
	log_event(EV_TLS_LOADED, "folder=%s pairs=%d", log_quote(slice_z(s->folder)), fresh->count);
	return ST_OK;
}

bool tls_server_changed(const tls_server *s)
{
	return look_at(s->folder) != s->set->outside;
}

/* ---- dates */

static slice day_of(usec wall, arena *a)
{
	struct civil day;

	clock_civil(wall, &day);
	return arena_format(a, "%04d-%02d-%02d", day.year, day.month, day.day);
}

/* It is served all the same: a client that looks at no date, or that a clock has misled, is better
   off with it. */
static void warn_of_dates(const X509 *x, const char *crt, usec ahead)
{
	usec from = wall_of(X509_get0_notBefore(x)), until = wall_of(X509_get0_notAfter(x)),
	     now = clock_wall();
	slice file = slice_z(crt);
	arena a = ARENA_INIT;

	if (until < now)
		log_event(EV_TLS_EXPIRED, "file=%s until=%.*s", log_quote(file),
			SLICE_ARGS(day_of(until, &a)));
	else if (from > now)
		log_event(EV_TLS_EARLY, "file=%s from=%.*s", log_quote(file),
			SLICE_ARGS(day_of(from, &a)));
	else if (until - now < ahead)
		log_event(EV_TLS_ENDING, "file=%s until=%.*s days=%" PRId64, log_quote(file),
			SLICE_ARGS(day_of(until, &a)), (until - now) / DAY);
	arena_release(&a);
}

void tls_server_look(tls_server *s, usec ahead)
{
	const X509 *x;
	usec now = clock_now();

	if (now < s->look_at)
		return;
	s->look_at = now + DAY;
	for (const struct pair *p = s->set->pair; p < s->set->pair + s->set->count; p++)
		for (int i = 0; (x = certificate_of(p, i)); i++)
			warn_of_dates(x, p->crt, ahead);
}

usec tls_server_until(const tls_server *s)
{
	return s->set->until;
}

void tls_server_close(tls_server **s)
{
	if (!*s)
		return;
	set_close((*s)->set);
	memory_free((*s)->folder);
	memory_free(*s);
	*s = NULL;
}

SSL_CTX *tls_server_context(const tls_server *s)
{
	return s->set->usual;
}

/* ---- client contexts */

/* Where any certificate will do, an old cipher is better than none (RFC 7435). */
static SSL_CTX *lenient_context(SSL_CTX *strict)
{
	SSL_CTX *c = context_open(TLS_client_method());

	if (!c)
		return NULL;
	SSL_CTX_set_cipher_list(c, "DEFAULT:@SECLEVEL=0");
	SSL_CTX_set1_cert_store(c, SSL_CTX_get_cert_store(strict));
	return c;
}

/* The system's file is read here, and a folder is asked for single names. SSL_CTX_set_default_verify_paths would also
   have the whole folder listed in every handshake with somebody whom nobody known vouches for. */
static bool trust_system(SSL_CTX *c)
{
	return SSL_CTX_set_default_verify_file(c) == 1 && SSL_CTX_set_default_verify_dir(c) == 1;
}

status tls_client_open(const char *ca_file, tls_client **out)
{
	ERR_clear_error();
	SSL_CTX *c = context_open(TLS_client_method()), *lenient = NULL;
	if (!c || !(ca_file ? SSL_CTX_load_verify_file(c, ca_file) == 1 : trust_system(c)) ||
		SSL_CTX_dane_enable(c) != 1 || !(lenient = lenient_context(c))) {
		SSL_CTX_free(c);
		return pair_trouble(ca_file ? ca_file : "(system)");
	}
	tls_client *made = memory_new(sizeof *made);
	made->strict = c;
	made->lenient = lenient;
	made->sessions = tls_sessions_open();
	tls_sessions_of(c, made->sessions);
	tls_sessions_of(lenient, made->sessions);
	*out = made;
	return ST_OK;
}

void tls_client_close(tls_client **c)
{
	if (!*c)
		return;
	tls_sessions_of((*c)->strict, NULL);
	tls_sessions_of((*c)->lenient, NULL);
	tls_sessions_close(&(*c)->sessions);
	SSL_CTX_free((*c)->strict);
	SSL_CTX_free((*c)->lenient);
	memory_free(*c);
	*c = NULL;
}

const tls_client *tls_client_system(void)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	static tls_client *kept;

	pthread_mutex_lock(&lock);
	if (!kept && tls_client_open(NULL, &kept) != ST_OK)
		kept = NULL;
	pthread_mutex_unlock(&lock);
	return kept;
}

SSL_CTX *tls_client_context(const tls_client *c, enum tls_verify v)
{
	return v == TLS_VERIFY_NONE ? c->lenient : c->strict;
}

tls_sessions *tls_client_sessions(const tls_client *c)
{
	return c->sessions;
}
