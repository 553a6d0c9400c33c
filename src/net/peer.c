/* The table of present clients. Each worker writes a part (slot) of its own and reads those of all,
   so a dead worker's counts go away with its part and no lock can be left behind.

     part:   65,536 cells in windows of 16;  cell: | 48 bits of the client's hash | 16 bits count |

   A client's cell lies anywhere in the window its hash points to. Counts of one client may lie in
   two cells when threads raced; readers add up all that match. */
#include "net/peer.h"

#include "base/random.h"
#include "net/listener.h"

#include <sys/mman.h>

#define CELLS 65536
#define WINDOW 16
#define COUNT_MASK UINT64_C(0xffff)

typedef _Atomic uint64_t cell;

struct peers {
	uint64_t key[2];       /* so that nobody chooses who shares a cell with whom */
	_Atomic unsigned used; /* slots below this one have been in use */
	cell part[PEER_SLOTS][CELLS];
};

static struct peers *peers;
static unsigned own;

static void map_peers(int how)
{
	void *at = mmap(NULL, sizeof *peers, PROT_READ | PROT_WRITE,
		how | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (at == MAP_FAILED)
		return; /* without a table nobody is limited by address */
	madvise(at, sizeof *peers, MADV_DONTDUMP);
	peers = at;
	random_bytes(peers->key, sizeof peers->key);
	peer_slot(0);
}

void peer_share(void)
{
	map_peers(MAP_SHARED);
}

void peer_slot(unsigned slot)
{
	own = slot % PEER_SLOTS;
	if (!peers)
		return;
	unsigned used = atomic_load(&peers->used);
	while (used <= own && !atomic_compare_exchange_weak(&peers->used, &used, own + 1))
		;
}

void peer_slot_clear(unsigned slot)
{
	if (!peers || slot >= PEER_SLOTS)
		return;
	for (unsigned i = 0; i < CELLS; i++)
		if (atomic_load_explicit(&peers->part[slot][i], memory_order_relaxed))
			atomic_store(&peers->part[slot][i], 0);
}

static uint64_t mix(uint64_t a, uint64_t b)
{
	unsigned __int128 product = (unsigned __int128)a * b;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* Never 0 in its upper 48 bits. */
static uint64_t hash_number(uint64_t number, uint64_t about)
{
	uint64_t h = mix(number ^ peers->key[0], about ^ peers->key[1]);

	h = mix(h ^ peers->key[1], peers->key[0] | 1);
	return h > COUNT_MASK ? h : h | (COUNT_MASK + 1);
}

/* The first `bytes` of the address, for one service. */
static uint64_t hash_of(enum service s, const net_address *a, unsigned bytes)
{
	uint64_t prefix = 0;

	for (unsigned i = 0; i < bytes; i++)
		prefix = prefix << 8 | a->ip[i];
	return hash_number(prefix, (uint64_t)s << 16 | (uint64_t)a->family << 8 | bytes);
}

static cell *window_of(unsigned slot, uint64_t hash)
{
	return &peers->part[slot][(hash & (CELLS / WINDOW - 1)) * WINDOW];
}

static unsigned present(uint64_t hash)
{
	unsigned slots = atomic_load(&peers->used), sum = 0;

	for (unsigned slot = 0; slot < slots; slot++) {
		cell *window = window_of(slot, hash);
		for (unsigned i = 0; i < WINDOW; i++) {
			uint64_t value = atomic_load_explicit(&window[i], memory_order_relaxed);
			if ((value & ~COUNT_MASK) == (hash & ~COUNT_MASK))
				sum += (unsigned)(value & COUNT_MASK);
		}
	}
	return sum;
}

/* One more in the client's cell, or in a free one. NULL when the window is full of others: then
   this one stays uncounted rather than refused. */
static cell *count_up(uint64_t hash)
{
	cell *window = window_of(own, hash);
	uint64_t tag = hash & ~COUNT_MASK;

	for (unsigned pass = 0; pass < 2; pass++) {
		for (unsigned i = 0; i < WINDOW; i++) {
			uint64_t value = atomic_load(&window[i]);
			bool fits = pass == 0 ? (value & ~COUNT_MASK) == tag &&
							(value & COUNT_MASK) < COUNT_MASK
					      : value == 0;
			while (fits) {
				if (atomic_compare_exchange_weak(
					    &window[i], &value, tag | ((value & COUNT_MASK) + 1)))
					return &window[i];
				fits = value == 0 || (value & ~COUNT_MASK) == tag;
				fits = fits && (value & COUNT_MASK) < COUNT_MASK;
			}
		}
	}
	return NULL;
}

static void count_down(cell *c)
{
	uint64_t value = c ? atomic_load(c) : 0;

	while (value & COUNT_MASK) {
		uint64_t less = (value & COUNT_MASK) == 1 ? 0 : value - 1;
		if (atomic_compare_exchange_weak(c, &value, less))
			return;
	}
}

/* Counted first and looked at then, so that two at the same moment cannot both be the last. */
static bool has_room(uint64_t hash, unsigned most, cell **at)
{
	*at = count_up(hash);
	if (most == 0 || !*at || present(hash) <= most)
		return true;
	count_down(*at);
	*at = NULL;
	return false;
}

static bool has_table(void)
{
	if (!peers)
		map_peers(MAP_PRIVATE);
	return peers;
}

status peer_enter(enum service s, const net_address *a, unsigned per_address, unsigned per_network,
	struct peer_stay *stay)
{
	*stay = (struct peer_stay){0};
	if (!has_table() || a->family == 0)
		return ST_OK;
	bool v4 = a->family == 4;
	if (!has_room(hash_of(s, a, v4 ? 4 : 8), per_address, &stay->address))
		return ST_LIMITED;
	if (has_room(hash_of(s, a, v4 ? 3 : 6), per_network, &stay->network))
		return ST_OK;
	count_down(stay->address);
	stay->address = NULL;
	return ST_LIMITED;
}

/* Families of addresses are 4 and 6. */
#define FAMILY_POSTOFFICE UINT64_C(1)

status peer_enter_postoffice(
	enum service s, int64_t postoffice, unsigned most, struct peer_stay *stay)
{
	*stay = (struct peer_stay){0};
	if (!has_table())
		return ST_OK;
	return has_room(hash_number(
				(uint64_t)postoffice, (uint64_t)s << 16 | FAMILY_POSTOFFICE << 8),
		       most, &stay->postoffice)
		       ? ST_OK
		       : ST_LIMITED;
}

void peer_leave(struct peer_stay *stay)
{
	count_down(stay->address);
	count_down(stay->network);
	count_down(stay->postoffice);
	*stay = (struct peer_stay){0};
}
