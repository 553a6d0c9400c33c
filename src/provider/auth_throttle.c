/* The judgement on failed logons. */
#include "provider/auth_throttle.h"

#include "provider/digest.h"
#include "provider/setting.h"

#include <arpa/inet.h>

#define KNOWN_PAIR_TIMES 10 /* a known pair may fail this many times more often */
#define DELAY_TIMES_MOST 8

status auth_throttle_judge(const struct auth_counts *c)
{
	int64_t most = setting_number(S_auth_failures_most, NULL);

	if (c->known)
		return c->pair >= most * KNOWN_PAIR_TIMES ? ST_LIMITED : ST_OK;
	return c->address >= most || c->account >= most ? ST_LIMITED : ST_OK;
}

usec auth_throttle_delay(const struct auth_counts *c)
{
	int64_t most = c->account;

	if (c->known)
		most = c->pair;
	else if (c->address > most)
		most = c->address;
	usec times = 1;
	while (most-- > 0 && times < DELAY_TIMES_MOST)
		times *= 2;
	return times * setting_number(S_auth_failure_delay, NULL);
}

void auth_throttle_key(enum auth_key_kind kind, slice value, uint8_t to[AUTH_KEY])
{
	char z[64];
	uint8_t hash[32], ip[16];

	if (kind == AUTH_KEY_ADDRESS && value.size < sizeof z && slice_find(value, ':') < value.size) {
		memcpy(z, value.at, value.size);
		z[value.size] = '\0';
		if (inet_pton(AF_INET6, z, ip) == 1)
			value = slice_of(ip, 8); /* the /64: one house, one line */
	}
	digest *d = digest_open();
	digest_add(d, value);
	digest_end(d, hash);
	digest_close(&d);
	to[0] = (uint8_t)kind;
	memcpy(to + 1, hash, AUTH_KEY - 1);
}
