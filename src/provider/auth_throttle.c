/* The judgement on failed logons. */
#include "provider/auth_throttle.h"

#include "provider/digest.h"
#include "provider/setting.h"

#include <arpa/inet.h>

#define KNOWN_PAIR_TIMES 10 /* a known pair may fail this many times more often */
#define DELAY_TIMES_MOST 8

struct auth_limits auth_throttle_limits(void)
{
	int64_t most = setting_number(S_auth_failures_most, NULL),
		all = setting_number(S_auth_failures_all_most, NULL);

	return (struct auth_limits){
		.single = most, .pair = most * KNOWN_PAIR_TIMES, .all = all ? all : INT64_MAX};
}

status auth_throttle_judge(const struct auth_counts *c)
{
	const struct auth_limits most = auth_throttle_limits();

	if (c->known)
		return c->pair >= most.pair ? ST_LIMITED : ST_OK;
	return c->address >= most.single || c->account >= most.single ? ST_LIMITED : ST_OK;
}

usec auth_throttle_hold(const struct auth_counts *c)
{
	int64_t most = setting_number(S_auth_failures_all_most, NULL);

	if (c->known || most == 0 || c->all < most)
		return 0;
	usec times = 1;
	while (times < DELAY_TIMES_MOST && c->all / most >= 2 * times)
		times *= 2;
	return times * setting_number(S_auth_failures_all_delay, NULL);
}

bool auth_throttle_begins(const struct auth_counts *c)
{
	return c->all + 1 == setting_number(S_auth_failures_all_most, NULL);
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

/* An IPv6 address without its last 64 bits; false when it is none. */
static bool house_of(slice address, uint8_t ip[16])
{
	char z[64];

	if (address.size >= sizeof z || slice_find(address, ':') == address.size)
		return false;
	memcpy(z, address.at, address.size);
	z[address.size] = '\0';
	if (inet_pton(AF_INET6, z, ip) != 1)
		return false;
	memset(ip + 8, 0, 8);
	return true;
}

slice auth_throttle_place(slice address, arena *a)
{
	uint8_t ip[16];
	char z[INET6_ADDRSTRLEN];

	if (!house_of(address, ip))
		return arena_copy(a, slice_until(address, 64));
	return arena_format(a, "%s/64", inet_ntop(AF_INET6, ip, z, sizeof z));
}

void auth_throttle_key(enum auth_key_kind kind, slice value, uint8_t to[AUTH_KEY])
{
	uint8_t hash[32], ip[16];

	if (kind == AUTH_KEY_ADDRESS && house_of(value, ip))
		value = slice_of(ip, sizeof ip);
	digest *d = digest_open();
	digest_add(d, value);
	digest_end(d, hash);
	digest_close(&d);
	to[0] = (uint8_t)kind;
	memcpy(to + 1, hash, AUTH_KEY - 1);
}

slice auth_throttle_all(void)
{
	return S("g");
}

slice auth_throttle_pair(const uint8_t address[AUTH_KEY], slice account, arena *a)
{
	char *to = arena_new(a, AUTH_KEY + account.size);

	memcpy(to, address, AUTH_KEY);
	to[0] = 'p';
	memcpy(to + AUTH_KEY, account.at, account.size);
	return slice_of(to, AUTH_KEY + account.size);
}
