/* MD5 is what RFC 1939 has; a libcrypto that refuses it leaves APOP without a digest that fits. */
#include "provider/auth_apop.h"

#include "base/encode.h"

#include <openssl/evp.h>

slice auth_apop_digest(slice banner, slice secret, arena *a)
{
	unsigned char hash[EVP_MAX_MD_SIZE];
	unsigned size = 0;
	EVP_MD_CTX *c = EVP_MD_CTX_new();

	bool made = c && EVP_DigestInit_ex(c, EVP_md5(), NULL) == 1 &&
		    EVP_DigestUpdate(c, banner.at, banner.size) == 1 &&
		    EVP_DigestUpdate(c, secret.at, secret.size) == 1 &&
		    EVP_DigestFinal_ex(c, hash, &size) == 1;
	EVP_MD_CTX_free(c);
	return made ? hex_encode(slice_of(hash, size), a) : S("no digest");
}
