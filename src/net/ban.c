/* The table of bans.

     16,384 cells in windows of 8;  cell: | 32 bits of the client's hash | 32 bits: second it ends |

   A cell is one atomic word, so no lock can be left behind by a killed worker. Two that write one
   cell at the same moment: one ban is lost, and its client earns it again. */
#include "net/ban.h"

#include "base/random.h"
#include "base/shared.h"

#include <stdatomic.h>

#define CELLS 16384
#define WINDOW 8

struct bans {
	uint64_t key[2]; /* so that nobody chooses whose cell he fills */
	_Atomic uint64_t cell[CELLS];
};

static struct bans *bans;

void ban_share(void)
{
	bans = shared_new(sizeof *bans);
	random_bytes(bans->key, sizeof bans->key);
}

static uint64_t mix(uint64_t a, uint64_t b)
{
	unsigned __int128 product = (unsigned __int128)a * b;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* Of the IPv4 address or the IPv6 /64. */
static uint64_t hash_of(const net_address *who)
{
	uint64_t prefix = who->family;

	for (int i = 0; i < (who->family == 4 ? 4 : 8); i++)
		prefix = prefix << 8 | who->ip[i];
	uint64_t h = mix(prefix ^ bans->key[0], who->family ^ bans->key[1]);
	return mix(h ^ bans->key[1], bans->key[0] | 1);
}

static _Atomic uint64_t *window_of(uint64_t hash)
{
	return &bans->cell[(hash & (CELLS / WINDOW - 1)) * WINDOW];
}

void ban_set(const net_address *who, usec until)
{
	uint64_t second = (uint64_t)(until / USEC_S), oldest = UINT64_MAX;
	int place = 0;

	if (who->family == 0)
		return;
	if (!bans)
		ban_share();
	uint64_t hash = hash_of(who);
	_Atomic uint64_t *window = window_of(hash);
	for (int i = 0; i < WINDOW; i++) {
		uint64_t value = atomic_load(&window[i]), ends = value & UINT32_MAX;
		if (value >> 32 == hash >> 32) {
			if (ends < second)
				atomic_store(&window[i], (hash & ~(uint64_t)UINT32_MAX) | second);
			return;
		}
		if (ends < oldest) {
			oldest = ends;
			place = i;
		}
	}
	atomic_store(&window[place], (hash & ~(uint64_t)UINT32_MAX) | second);
}

/* The cell of a ban that has not ended; NULL = none. */
static _Atomic uint64_t *standing(const net_address *who)
{
	if (!bans || who->family == 0)
		return NULL;
	uint64_t hash = hash_of(who), now = (uint64_t)(clock_now() / USEC_S);
	_Atomic uint64_t *window = window_of(hash);
	for (int i = 0; i < WINDOW; i++) {
		uint64_t value = atomic_load(&window[i]);
		if (value >> 32 == hash >> 32 && (value & UINT32_MAX) > now)
			return &window[i];
	}
	return NULL;
}

bool ban_stands(const net_address *who)
{
	return standing(who) != NULL;
}

void ban_lift(const net_address *who)
{
	_Atomic uint64_t *cell = standing(who);

	if (cell)
		atomic_store(cell, 0);
}

net_address ban_address(const net_address *who)
{
	net_address at = *who;

	at.port = 0;
	if (at.family == 6)
		memset(at.ip + 8, 0, 8);
	return at;
}
