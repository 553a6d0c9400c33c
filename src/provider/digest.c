/* SHA-256 by libcrypto; see digest.h. */
#include "provider/digest.h"

#include "base/memory.h"

#include <openssl/evp.h>

struct digest {
	EVP_MD_CTX *hash;
};

digest *digest_open(void)
{
	digest *d = memory_new(sizeof *d);
	d->hash = EVP_MD_CTX_new();
	if (!d->hash || !EVP_DigestInit_ex(d->hash, EVP_sha256(), NULL))
		memory_short(0);
	return d;
}

void digest_add(digest *d, slice bytes)
{
	EVP_DigestUpdate(d->hash, bytes.at, bytes.size);
}

void digest_end(digest *d, uint8_t to[32])
{
	EVP_DigestFinal_ex(d->hash, to, NULL);
}

void digest_close(digest **d)
{
	if (!*d)
		return;
	EVP_MD_CTX_free((*d)->hash);
	memory_free(*d);
	*d = NULL;
}
