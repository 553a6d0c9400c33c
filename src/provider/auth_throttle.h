/* Guessing (T41): what failed logons of an address, an account, their pair and of all together mean
   for the next one. Where the counts are kept is the store's matter; the judgement is the same
   everywhere. */
#ifndef PENNYPOST_PROVIDER_AUTH_THROTTLE_H
#define PENNYPOST_PROVIDER_AUTH_THROTTLE_H

#include "base/arena.h"
#include "base/clock.h"
#include "base/status.h"

struct auth_counts { /* failures within auth_failure_span */
	int64_t address, account, pair;
	int64_t all; /* whoever failed, wherever from */
	bool known;  /* this account logged on from this address before */
};

/* ST_LIMITED: not to be tried now. A known pair is judged by its own failures alone, and
   generously, so that nobody can lock an owner out. */
status auth_throttle_judge(const struct auth_counts *c);
/* Failures from which on that is so. */
struct auth_limits {
	int64_t single; /* an address, an account: strangers are shut out */
	int64_t pair;   /* a known one is shut out */
	int64_t all;    /* strangers wait; INT64_MAX = never */
};
struct auth_limits auth_throttle_limits(void);
/* How long an attempt waits before it is looked at, since so many fail everywhere: one password on
   many accounts from many addresses shows nowhere else. A known pair never waits. */
usec auth_throttle_hold(const struct auth_counts *c);
/* The present failure makes strangers wait from now on. */
bool auth_throttle_begins(const struct auth_counts *c);
/* How long the answer to a failure is held back, the present failure not yet counted. */
usec auth_throttle_delay(const struct auth_counts *c);

#define AUTH_KEY 17
/* The counting key of a fact: its kind and a digest, so that keys have one size. Addresses of IPv6
   count as their /64. */
enum auth_key_kind { AUTH_KEY_ADDRESS = 'a', AUTH_KEY_NAME = 'n' };
void auth_throttle_key(enum auth_key_kind kind, slice value, uint8_t to[AUTH_KEY]);
/* The key of all failures. */
slice auth_throttle_all(void);
/* The key of an account coming from an address: what auth_find makes of both too. */
slice auth_throttle_pair(const uint8_t address[AUTH_KEY], slice account, arena *a);
/* The place a logon comes from, for people: the address, or the /64 of an IPv6 one
   ("2001:db8:1:2::/64"). */
slice auth_throttle_place(slice address, arena *a);

#endif
