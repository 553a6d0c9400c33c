#include "provider/srs_scheme.h"

#include "provider/setting.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

static void mac(void *arg, int secret, slice text, uint8_t to[32])
{
	const slice *secrets = arg;
	unsigned size = 32;

	HMAC(EVP_sha256(), secrets[secret].at, (int)secrets[secret].size, (const uint8_t *)text.at,
		text.size, to, &size);
}

void srs_scheme(const slice *secrets, int n, arena *a, struct srs *out)
{
	slice *kept = arena_new_array(a, (size_t)n, sizeof *kept);

	for (int i = 0; i < n; i++)
		kept[i] = arena_copy(a, secrets[i]);
	*out = (struct srs){.mac = mac,
		.arg = kept,
		.secrets = n,
		.now = clock_wall(),
		.validity = setting_number(S_srs_validity, NULL)};
}
