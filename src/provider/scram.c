/* SCRAM keys over libcrypto. Its calls fail only for want of memory or of the algorithm itself;
   both end the process, since going on would let a wrong key look like a right one. */
#include "provider/scram.h"

#include "base/encode.h"
#include "base/memory.h"
#include "base/secret.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

static void must(bool ok)
{
	if (!ok)
		memory_short(SCRAM_KEY);
}

static slice key_slice(const uint8_t key[SCRAM_KEY])
{
	return slice_of(key, SCRAM_KEY);
}

void scram_hmac(slice key, slice bytes, uint8_t out[SCRAM_KEY])
{
	unsigned size = SCRAM_KEY;
	must(HMAC(EVP_sha256(), key.size ? key.at : "", (int)key.size,
		     (const unsigned char *)bytes.at, bytes.size, out, &size) != NULL);
}

static void hash(slice bytes, uint8_t out[SCRAM_KEY])
{
	must(EVP_Digest(bytes.at, bytes.size, out, NULL, EVP_sha256(), NULL) == 1);
}

static void salt_password(slice password, slice salt, unsigned iterations, uint8_t out[SCRAM_KEY])
{
	must(PKCS5_PBKDF2_HMAC(password.size ? password.at : "", (int)password.size,
		     (const unsigned char *)salt.at, (int)salt.size, (int)iterations, EVP_sha256(),
		     SCRAM_KEY, out) == 1);
}

void scram_verifier_make(
	slice password, slice salt, unsigned iterations, struct scram_verifier *out)
{
	uint8_t salted[SCRAM_KEY], client_key[SCRAM_KEY];

	salt_password(password, salt, iterations, salted);
	out->iterations = iterations;
	out->salt = salt;
	scram_hmac(key_slice(salted), S("Client Key"), client_key);
	hash(key_slice(client_key), out->stored_key);
	scram_hmac(key_slice(salted), S("Server Key"), out->server_key);
	secret_forget(salted, sizeof salted);
	secret_forget(client_key, sizeof client_key);
}

slice scram_verifier_text(const struct scram_verifier *v, arena *a)
{
	slice salt = base64_encode(v->salt, a);
	slice stored = base64_encode(key_slice(v->stored_key), a);
	slice server = base64_encode(key_slice(v->server_key), a);
	return arena_format(a, "SCRAM-SHA-256$%u:%.*s$%.*s:%.*s", v->iterations, SLICE_ARGS(salt),
		SLICE_ARGS(stored), SLICE_ARGS(server));
}

static status take_key(slice coded, arena *a, uint8_t to[SCRAM_KEY])
{
	slice raw;
	TRY(base64_decode(coded, a, &raw));
	if (raw.size != SCRAM_KEY)
		return ST_INVALID;
	memcpy(to, raw.at, SCRAM_KEY);
	return ST_OK;
}

status scram_verifier_parse(slice text, arena *a, struct scram_verifier *out)
{
	slice rest = text, scheme, first, second, iterations, stored;
	uint64_t count;
	struct scram_verifier v = {0};

	if (!slice_take(&rest, '$', &scheme) || !slice_same(scheme, S("SCRAM-SHA-256")) ||
		!slice_take(&rest, '$', &first) || !slice_take(&rest, '$', &second) || rest.at)
		return ST_INVALID;
	if (!slice_take(&first, ':', &iterations) || !slice_number(iterations, &count) ||
		count == 0 || count > SCRAM_ITERATIONS_MOST)
		return ST_INVALID;
	v.iterations = (unsigned)count;
	TRY(base64_decode(first, a, &v.salt));
	if (v.salt.size == 0 || !slice_take(&second, ':', &stored))
		return ST_INVALID;
	TRY(take_key(stored, a, v.stored_key));
	TRY(take_key(second, a, v.server_key));
	*out = v;
	return ST_OK;
}

bool scram_proof_right(const uint8_t stored_key[SCRAM_KEY], slice auth_message, slice proof)
{
	uint8_t key[SCRAM_KEY], found[SCRAM_KEY];

	if (proof.size != SCRAM_KEY)
		return false;
	scram_hmac(key_slice(stored_key), auth_message, key);
	for (int i = 0; i < SCRAM_KEY; i++)
		key[i] ^= (uint8_t)proof.at[i];
	hash(key_slice(key), found);
	secret_forget(key, sizeof key);
	return secret_same(key_slice(found), key_slice(stored_key));
}

void scram_server_signature(
	const uint8_t server_key[SCRAM_KEY], slice auth_message, uint8_t out[SCRAM_KEY])
{
	scram_hmac(key_slice(server_key), auth_message, out);
}

void scram_client_proof(slice password, slice salt, unsigned iterations, slice auth_message,
	uint8_t proof[SCRAM_KEY], uint8_t server_signature[SCRAM_KEY])
{
	uint8_t salted[SCRAM_KEY], key[SCRAM_KEY], stored[SCRAM_KEY];

	salt_password(password, salt, iterations, salted);
	scram_hmac(key_slice(salted), S("Client Key"), key);
	hash(key_slice(key), stored);
	scram_hmac(key_slice(stored), auth_message, proof);
	for (int i = 0; i < SCRAM_KEY; i++)
		proof[i] ^= key[i];
	scram_hmac(key_slice(salted), S("Server Key"), key);
	scram_server_signature(key, auth_message, server_signature);
	secret_forget(salted, sizeof salted);
	secret_forget(key, sizeof key);
}
