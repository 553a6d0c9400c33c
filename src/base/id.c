/* Identifiers. The last one given is kept as milliseconds and counter in one number, so the next is
   simply one more, or the present moment where that is later: a counter that overflows borrows from
   the next millisecond, and a clock that steps back is not followed. */
#include "base/id.h"

#include <assert.h>
#include <stdatomic.h>

enum { COUNTER_BITS = 12, NODE_BITS = 10 };
#define START ((usec)1577836800 * USEC_S) /* 2020-01-01 UTC */
#define MS_MOST (((int64_t)1 << 41) - 1)

static atomic_uint node_number;
static _Atomic int64_t last; /* milliseconds << COUNTER_BITS | counter */

void id_node(unsigned node)
{
	assert(node <= ID_NODE_MOST);
	atomic_store(&node_number, node);
}

static int64_t ms_since_start(usec wall)
{
	int64_t ms = wall < START ? 0 : (wall - START) / USEC_MS;

	return ms < MS_MOST ? ms : MS_MOST;
}

int64_t id_new(void)
{
	int64_t now = ms_since_start(clock_wall()) << COUNTER_BITS;
	int64_t before = atomic_load(&last), next;

	do
		next = now > before ? now : before + 1;
	while (!atomic_compare_exchange_weak(&last, &before, next));
	int64_t counter = next & ((1 << COUNTER_BITS) - 1);
	int64_t node = (int64_t)atomic_load(&node_number);
	return (next >> COUNTER_BITS) << (NODE_BITS + COUNTER_BITS) | node << COUNTER_BITS |
	       counter;
}

int64_t id_at(usec wall)
{
	return ms_since_start(wall) << (NODE_BITS + COUNTER_BITS);
}

static const char digits[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

void id_text(int64_t id, char to[ID_TEXT_SIZE + 1])
{
	for (int i = ID_TEXT_SIZE - 1; i >= 0; i--, id >>= 5)
		to[i] = digits[id & 31];
	to[ID_TEXT_SIZE] = '\0';
}

/* The value of a Crockford digit: any case, O read as 0, I and L as 1; -1 for others. */
static int value_32(char c)
{
	if (c >= 'a' && c <= 'z')
		c = (char)(c - 'a' + 'A');
	if (c == 'O')
		return 0;
	if (c == 'I' || c == 'L')
		return 1;
	size_t at = slice_find(slice_z(digits), c);
	return at < sizeof digits - 1 ? (int)at : -1;
}

bool id_parse(slice s, int64_t *id)
{
	uint64_t value = 0;

	if (s.size != ID_TEXT_SIZE || value_32(s.at[0]) > 7)
		return false;
	for (size_t i = 0; i < s.size; i++) {
		int digit = value_32(s.at[i]);
		if (digit < 0)
			return false;
		value = value << 5 | (uint64_t)digit;
	}
	if (value == 0)
		return false;
	*id = (int64_t)value;
	return true;
}
