/* Rewritten senders: whatever stands before the @ is nothing of ours unless we made it; what we
   make of any sender leads back to him, or to the first who passed his mail on. */
#include "mail/srs.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(int ok)
{
	if (!ok)
		abort();
}

static void toy_mac(void *arg, int secret, slice text, uint8_t to[32])
{
	uint64_t h = 1469598103934665603u + (uint64_t)secret;

	(void)arg;
	for (size_t i = 0; i < text.size; i++)
		h = (h ^ (uint8_t)text.at[i]) * 1099511628211u;
	memset(to, 0, 32);
	for (int i = 0; i < 8; i++)
		to[i] = (uint8_t)(h >> 8 * i);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct srs s = {.mac = toy_mac,
		.secrets = 2,
		.now = 1700000000 * USEC_S,
		.validity = 21 * 24 * 3600 * USEC_S};
	slice input = slice_of(data, size);
	arena a = ARENA_INIT;
	mail_address sender, made, home, again;

	if (srs_reverse(&s, input, S("here.test"), &a, &home) == ST_OK)
		must(srs_is(input) && home.local.size > 0 && home.domain.size > 0);
	if (mail_address_parse(input, &a, &sender) == ST_OK &&
		srs_forward(&s, &sender, S("here.test"), &a, &made) == ST_OK) {
		must(srs_is(made.local));
		must(mail_address_parse(mail_address_text(&made, &a), &a, &again) == ST_OK);
		must(slice_same(again.local, made.local));
		must(srs_reverse(&s, made.local, S("here.test"), &a, &home) == ST_OK);
		must(slice_same(mail_address_text(&home, &a), mail_address_text(&sender, &a)) ||
			(srs_is(sender.local) && srs_is(home.local)));
	}
	arena_release(&a);
	return 0;
}
