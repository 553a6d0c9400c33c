/* RSA and Ed25519 by OpenSSL's EVP. Its error queue belongs to the thread and TLS sessions read it,
   so every function leaves it empty. A hash is an EVP_MD_CTX under the name the mail floor gives
   it. */
#include "net/signature.h"

#include "base/memory.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <stdlib.h>

#define ED25519_SIZE 32
#define ED25519_BITS 256
#define EXPONENT_BITS_MOST                                                                         \
	64 /* real ones have 17; bigger ones make checking as slow as signing                      \
\ */

struct signature_key {
	EVP_PKEY *pair;
};

/* --- Hashes
   ------------------------------------------------------------------------------------ */

/* libcrypto without memory or without SHA-256: nothing can go on. */
static void must(bool done)
{
	if (!done)
		memory_short(0);
}

static EVP_MD_CTX *context(const signature_hash *h)
{
	return (EVP_MD_CTX *)(uintptr_t)h;
}

static signature_hash *hash_open(void)
{
	EVP_MD_CTX *c = EVP_MD_CTX_new();

	must(c && EVP_DigestInit_ex(c, EVP_sha256(), NULL) == 1);
	return (signature_hash *)c;
}

static signature_hash *hash_copy(const signature_hash *h)
{
	EVP_MD_CTX *c = EVP_MD_CTX_new();

	must(c && EVP_MD_CTX_copy_ex(c, context(h)) == 1);
	return (signature_hash *)c;
}

static void hash_add(signature_hash *h, slice bytes)
{
	EVP_DigestUpdate(context(h), bytes.at, bytes.size);
}

static void hash_close(signature_hash **h, uint8_t digest[SIGNATURE_DIGEST])
{
	if (digest)
		must(EVP_DigestFinal_ex(context(*h), digest, NULL) == 1);
	EVP_MD_CTX_free(context(*h));
	*h = NULL;
}

/* --- Checking
   ---------------------------------------------------------------------------------- */

static bool rsa_fits(const EVP_PKEY *key)
{
	int bits = EVP_PKEY_get_bits(key);

	return bits >= SIGNATURE_RSA_LEAST && bits <= SIGNATURE_RSA_MOST;
}

static bool exponent_fits(const EVP_PKEY *key)
{
	BIGNUM *exponent = NULL;
	bool fits = EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_E, &exponent) == 1 &&
		    BN_num_bits(exponent) <= EXPONENT_BITS_MOST;

	BN_free(exponent);
	return fits;
}

static EVP_PKEY *read_rsa(slice coded)
{
	const unsigned char *at = (const unsigned char *)coded.at;
	EVP_PKEY *key = d2i_PUBKEY(NULL, &at, (long)coded.size);

	if (!key) {
		at = (const unsigned char *)coded.at;
		key = d2i_PublicKey(EVP_PKEY_RSA, NULL, &at, (long)coded.size);
	}
	if (key && (EVP_PKEY_get_base_id(key) != EVP_PKEY_RSA || !exponent_fits(key))) {
		EVP_PKEY_free(key);
		key = NULL;
	}
	return key;
}

static bool rsa_holds(EVP_PKEY *key, const uint8_t *digest, slice signature)
{
	EVP_PKEY_CTX *c = EVP_PKEY_CTX_new(key, NULL);
	bool holds = c && EVP_PKEY_verify_init(c) == 1 &&
		     EVP_PKEY_CTX_set_rsa_padding(c, RSA_PKCS1_PADDING) == 1 &&
		     EVP_PKEY_CTX_set_signature_md(c, EVP_sha256()) == 1 &&
		     EVP_PKEY_verify(c, (const unsigned char *)signature.at, signature.size, digest,
			     SIGNATURE_DIGEST) == 1;

	EVP_PKEY_CTX_free(c);
	return holds;
}

static status verify_rsa(slice coded, const uint8_t *digest, slice signature, unsigned *bits)
{
	EVP_PKEY *key = read_rsa(coded);

	if (!key)
		return ST_INVALID;
	*bits = (unsigned)EVP_PKEY_get_bits(key);
	status kind = !rsa_fits(key)                      ? ST_LIMITED
		      : rsa_holds(key, digest, signature) ? ST_OK
							  : ST_DENIED;
	EVP_PKEY_free(key);
	return kind;
}

static status verify_ed25519(slice coded, const uint8_t *digest, slice signature, unsigned *bits)
{
	if (coded.size != ED25519_SIZE)
		return ST_INVALID;
	EVP_PKEY *key = EVP_PKEY_new_raw_public_key(
		EVP_PKEY_ED25519, NULL, (const unsigned char *)coded.at, coded.size);
	if (!key)
		return ST_INVALID;
	*bits = ED25519_BITS;
	EVP_MD_CTX *c = EVP_MD_CTX_new();
	bool holds = c && EVP_DigestVerifyInit(c, NULL, NULL, NULL, key) == 1 &&
		     EVP_DigestVerify(c, (const unsigned char *)signature.at, signature.size,
			     digest, SIGNATURE_DIGEST) == 1;
	EVP_MD_CTX_free(c);
	EVP_PKEY_free(key);
	return holds ? ST_OK : ST_DENIED;
}

static status verify(enum signature_algorithm algorithm, slice public_key,
	const uint8_t digest[SIGNATURE_DIGEST], slice signature, unsigned *bits)
{
	*bits = 0;
	status kind = algorithm == SIGNATURE_RSA_SHA256
			      ? verify_rsa(public_key, digest, signature, bits)
			      : verify_ed25519(public_key, digest, signature, bits);
	ERR_clear_error();
	return kind;
}

/* --- Signing
   ----------------------------------------------------------------------------------- */

static bool sign_rsa(EVP_PKEY *pair, const uint8_t *digest, unsigned char *to, size_t *size)
{
	EVP_PKEY_CTX *c = EVP_PKEY_CTX_new(pair, NULL);
	bool signed_well = c && EVP_PKEY_sign_init(c) == 1 &&
			   EVP_PKEY_CTX_set_rsa_padding(c, RSA_PKCS1_PADDING) == 1 &&
			   EVP_PKEY_CTX_set_signature_md(c, EVP_sha256()) == 1 &&
			   EVP_PKEY_sign(c, to, size, digest, SIGNATURE_DIGEST) == 1;

	EVP_PKEY_CTX_free(c);
	return signed_well;
}

static bool sign_ed25519(EVP_PKEY *pair, const uint8_t *digest, unsigned char *to, size_t *size)
{
	EVP_MD_CTX *c = EVP_MD_CTX_new();
	bool signed_well = c && EVP_DigestSignInit(c, NULL, NULL, NULL, pair) == 1 &&
			   EVP_DigestSign(c, to, size, digest, SIGNATURE_DIGEST) == 1;

	EVP_MD_CTX_free(c);
	return signed_well;
}

static status sign(enum signature_algorithm algorithm, const signature_key *key,
	const uint8_t digest[SIGNATURE_DIGEST], arena *a, slice *signature)
{
	size_t size = (size_t)EVP_PKEY_get_size(key->pair);
	unsigned char *to = arena_new(a, size);

	if (signature_key_algorithm(key) != algorithm)
		return ST_INVALID;
	bool signed_well = algorithm == SIGNATURE_RSA_SHA256
				   ? sign_rsa(key->pair, digest, to, &size)
				   : sign_ed25519(key->pair, digest, to, &size);
	ERR_clear_error();
	if (!signed_well)
		return ST_INVALID;
	*signature = slice_of(to, size);
	return ST_OK;
}

const signature_crypto signature_openssl = {
	.hash_open = hash_open,
	.hash_copy = hash_copy,
	.hash_add = hash_add,
	.hash_close = hash_close,
	.verify = verify,
	.sign = sign,
};

/* --- Keys
   -------------------------------------------------------------------------------------- */

/* Takes the pair over, or frees it. */
static status take_pair(EVP_PKEY *pair, signature_key **out)
{
	bool ours = pair && (EVP_PKEY_get_base_id(pair) == EVP_PKEY_ED25519 ||
				    (EVP_PKEY_get_base_id(pair) == EVP_PKEY_RSA && rsa_fits(pair)));

	ERR_clear_error();
	if (!ours) {
		EVP_PKEY_free(pair);
		return ST_INVALID;
	}
	*out = memory_new(sizeof **out);
	(*out)->pair = pair;
	return ST_OK;
}

/* Encrypted keys are not asked for: a server has nobody to type. */
static int no_password(char *room, int size, int writing, void *with)
{
	(void)room, (void)size, (void)writing, (void)with;
	return -1;
}

status signature_key_open(slice coded, signature_key **out)
{
	const unsigned char *at = (const unsigned char *)coded.at;
	EVP_PKEY *pair = NULL;

	if (slice_search(coded, S("-----BEGIN ")) < coded.size) {
		BIO *in = BIO_new_mem_buf(coded.at, (int)coded.size);
		pair = in ? PEM_read_bio_PrivateKey(in, NULL, no_password, NULL) : NULL;
		BIO_free(in);
	} else if (coded.size > 0) {
		pair = d2i_AutoPrivateKey(NULL, &at, (long)coded.size);
	}
	return take_pair(pair, out);
}

void signature_key_close(signature_key **key)
{
	if (!*key)
		return;
	EVP_PKEY_free((*key)->pair);
	memory_free(*key);
	*key = NULL;
}

enum signature_algorithm signature_key_algorithm(const signature_key *key)
{
	return EVP_PKEY_get_base_id(key->pair) == EVP_PKEY_RSA ? SIGNATURE_RSA_SHA256
							       : SIGNATURE_ED25519_SHA256;
}

slice signature_key_public(const signature_key *key, arena *a)
{
	if (signature_key_algorithm(key) == SIGNATURE_ED25519_SHA256) {
		size_t size = ED25519_SIZE;
		unsigned char *raw = arena_new(a, size);
		must(EVP_PKEY_get_raw_public_key(key->pair, raw, &size) == 1);
		return slice_of(raw, size);
	}
	unsigned char *coded = NULL;
	int size = i2d_PUBKEY(key->pair, &coded);
	must(size > 0);
	slice copy = arena_copy(a, slice_of(coded, (size_t)size));
	OPENSSL_free(coded);
	return copy;
}

slice signature_key_text(const signature_key *key, arena *a)
{
	BIO *out = BIO_new(BIO_s_secmem());
	char *at = NULL;

	must(out && PEM_write_bio_PKCS8PrivateKey(out, key->pair, NULL, NULL, 0, NULL, NULL) == 1);
	long size = BIO_get_mem_data(out, &at);
	slice copy = arena_copy(a, slice_of(at, (size_t)size));
	BIO_free(out); /* secure memory is wiped by OpenSSL */
	return copy;
}

status signature_key_make(enum signature_algorithm algorithm, unsigned bits, signature_key **out)
{
	size_t size = bits > 0 ? bits : 2048;

	if (algorithm == SIGNATURE_ED25519_SHA256)
		return take_pair(EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"), out);
	if (size < SIGNATURE_RSA_LEAST || size > SIGNATURE_RSA_MOST)
		return ST_INVALID;
	return take_pair(EVP_PKEY_Q_keygen(NULL, NULL, "RSA", size), out);
}
