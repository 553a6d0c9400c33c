/* Session ticket keys (RFC 5077, RFC 8446 4.6.1): a key seals new tickets for 12 hours and opens
   old ones for 24. The keys lie in memory that all workers share, so that a client may come back to
   any of them; an old key is overwritten and gone for good. */
#include "net/tls_inside.h"

#include "base/clock.h"
#include "base/random.h"
#include "base/secret.h"

#include <errno.h>
#include <openssl/core_names.h>
#include <pthread.h>
#include <sys/mman.h>

#define SEALS_FOR (12 * 3600 * USEC_S)
#define OPENS_FOR (24 * 3600 * USEC_S)
#define NEWEST 0
#define KEPT 3

struct ticket_key {
	unsigned char name[16];
	unsigned char cipher[32];
	unsigned char mac[32];
	usec made;
	bool valid;
};

static struct ticket_keys {
	pthread_mutex_t lock; /* robust: a worker may die anywhere */
	struct ticket_key key[KEPT];
} own = {.lock = PTHREAD_MUTEX_INITIALIZER}, *keys = &own;

static void make_newest(usec now)
{
	memmove(&keys->key[1], &keys->key[0], sizeof keys->key[0] * (KEPT - 1));
	struct ticket_key *k = &keys->key[NEWEST];
	random_bytes(k->name, sizeof k->name);
	random_bytes(k->cipher, sizeof k->cipher);
	random_bytes(k->mac, sizeof k->mac);
	k->made = now;
	k->valid = true;
}

static void forget_old(usec now)
{
	for (int i = 0; i < KEPT; i++)
		if (keys->key[i].valid && now - keys->key[i].made >= OPENS_FOR)
			secret_forget(&keys->key[i], sizeof keys->key[i]);
}

/* Returns with the lock held and the newest key fit to seal. */
static void enter(void)
{
	usec now = clock_now();

	if (pthread_mutex_lock(&keys->lock) == EOWNERDEAD) {
		/* Half a rotation may lie here; clients of before handshake in full once. */
		secret_forget(keys->key, sizeof keys->key);
		pthread_mutex_consistent(&keys->lock);
	}
	forget_old(now);
	if (!keys->key[NEWEST].valid || now - keys->key[NEWEST].made >= SEALS_FOR)
		make_newest(now);
}

void tls_share_tickets(void)
{
	pthread_mutexattr_t shared;
	struct ticket_keys *at =
		mmap(NULL, sizeof *at, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (at == MAP_FAILED)
		return; /* every worker keeps keys of its own: fewer resumptions, nothing else */
	madvise(at, sizeof *at, MADV_DONTDUMP);
	pthread_mutexattr_init(&shared);
	pthread_mutexattr_setpshared(&shared, PTHREAD_PROCESS_SHARED);
	pthread_mutexattr_setrobust(&shared, PTHREAD_MUTEX_ROBUST);
	pthread_mutex_init(&at->lock, &shared);
	pthread_mutexattr_destroy(&shared);
	keys = at;
	enter();
	pthread_mutex_unlock(&keys->lock);
}

static bool key_by_name(const unsigned char name[16], struct ticket_key *out, bool *old)
{
	for (int i = 0; i < KEPT; i++) {
		if (keys->key[i].valid && memcmp(keys->key[i].name, name, 16) == 0) {
			*out = keys->key[i];
			*old = i != NEWEST;
			return true;
		}
	}
	return false;
}

static bool start_mac(EVP_MAC_CTX *mac, struct ticket_key *k)
{
	OSSL_PARAM how[] = {
		OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, k->mac, sizeof k->mac),
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char[]){"SHA256"}, 0),
		OSSL_PARAM_construct_end(),
	};

	return EVP_MAC_CTX_set_params(mac, how) == 1;
}

/* OpenSSL's answers: 0 no such key (full handshake), 1 done, 2 done and give a newer ticket, -1. */
int tls_ticket_key(SSL *s, unsigned char name[16], unsigned char *iv, EVP_CIPHER_CTX *cipher,
	EVP_MAC_CTX *mac, int making)
{
	struct ticket_key k;
	bool known = true, old = false;
	int done;

	(void)s;
	enter();
	if (making)
		k = keys->key[NEWEST];
	else
		known = key_by_name(name, &k, &old);
	pthread_mutex_unlock(&keys->lock);
	if (!known)
		return 0;
	if (making) {
		memcpy(name, k.name, sizeof k.name);
		random_bytes(iv, (size_t)EVP_CIPHER_get_iv_length(EVP_aes_256_cbc()));
		done = EVP_EncryptInit_ex(cipher, EVP_aes_256_cbc(), NULL, k.cipher, iv);
	} else {
		done = EVP_DecryptInit_ex(cipher, EVP_aes_256_cbc(), NULL, k.cipher, iv);
	}
	done = done == 1 && start_mac(mac, &k);
	secret_forget(&k, sizeof k);
	return !done ? -1 : old ? 2 : 1;
}
