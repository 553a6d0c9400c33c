/* TLS sessions that clients keep for next time (RFC 5077, RFC 8446 2.2), in memory only. One per
   key; the oldest goes when there are too many. A TLS 1.3 ticket is used once, so that nobody can
   tell two of our talks belong together by it (RFC 8446 C.4). */
#include "net/tls_inside.h"

#include "base/list.h"
#include "base/map.h"
#include "base/memory.h"

#include <pthread.h>

#define KEPT_MOST 4096

struct kept {
	link_t age; /* oldest first */
	SSL_SESSION *session;
	size_t size;
	char key[];
};

struct tls_sessions {
	pthread_mutex_t lock;
	map *by_key;
	link_t ages;
};

/* What a session of OpenSSL carries: under which key it is to be kept. */
struct label {
	size_t size;
	char key[];
};

static int label_index;
static pthread_once_t label_once = PTHREAD_ONCE_INIT;

static void label_free(
	void *session, void *label, CRYPTO_EX_DATA *all, int index, long number, void *pointer)
{
	(void)session, (void)all, (void)index, (void)number, (void)pointer;
	memory_free(label);
}

static void make_label_index(void)
{
	label_index = SSL_get_ex_new_index(0, NULL, NULL, NULL, label_free);
}

tls_sessions *tls_sessions_open(void)
{
	tls_sessions *k = memory_new(sizeof *k);

	pthread_mutex_init(&k->lock, NULL);
	k->by_key = map_open();
	list_init(&k->ages);
	return k;
}

/* Takes it out of the store. */
static void drop(tls_sessions *k, struct kept *one)
{
	map_remove(k->by_key, slice_of(one->key, one->size));
	list_remove(&one->age);
	SSL_SESSION_free(one->session);
	memory_free(one);
}

void tls_sessions_close(tls_sessions **k)
{
	link_t *first;

	if (!*k)
		return;
	while ((first = list_first(&(*k)->ages)))
		drop(*k, LINK_OWNER(first, struct kept, age));
	map_close(&(*k)->by_key);
	pthread_mutex_destroy(&(*k)->lock);
	memory_free(*k);
	*k = NULL;
}

static void keep(tls_sessions *k, slice key, SSL_SESSION *session)
{
	struct kept *one = memory_new(sizeof *one + key.size), *old;

	one->session = session;
	one->size = key.size;
	memcpy(one->key, key.at, key.size);
	pthread_mutex_lock(&k->lock);
	old = map_get(k->by_key, key);
	if (!old && map_size(k->by_key) >= KEPT_MOST)
		old = LINK_OWNER(list_first(&k->ages), struct kept, age);
	if (old)
		drop(k, old);
	map_put(k->by_key, key, one);
	list_append(&k->ages, &one->age);
	pthread_mutex_unlock(&k->lock);
}

/* OpenSSL's callback: 1 takes the session over. */
static int keep_new(SSL *s, SSL_SESSION *session)
{
	tls_sessions *k = SSL_CTX_get_app_data(SSL_get_SSL_CTX(s));
	const struct label *label = SSL_get_ex_data(s, label_index);

	if (!k || !label)
		return 0;
	keep(k, slice_of(label->key, label->size), session);
	return 1;
}

void tls_sessions_of(SSL_CTX *c, tls_sessions *k)
{
	pthread_once(&label_once, make_label_index);
	SSL_CTX_set_app_data(c, k);
	SSL_CTX_set_session_cache_mode(c, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(c, keep_new);
}

void tls_sessions_offer(tls_sessions *k, SSL *s, slice key)
{
	struct label *label = memory_new(sizeof *label + key.size);

	label->size = key.size;
	memcpy(label->key, key.at, key.size);
	if (SSL_set_ex_data(s, label_index, label) != 1) {
		memory_free(label);
		return;
	}
	pthread_mutex_lock(&k->lock);
	struct kept *one = map_get(k->by_key, key);
	if (one && SSL_SESSION_is_resumable(one->session))
		SSL_set_session(s, one->session);
	if (one && (SSL_SESSION_get_protocol_version(one->session) >= TLS1_3_VERSION ||
			   !SSL_SESSION_is_resumable(one->session)))
		drop(k, one);
	pthread_mutex_unlock(&k->lock);
}
