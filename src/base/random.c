/* Randomness from the kernel. Nothing is kept in this process, so a fork has nothing to repeat. */
#include "base/random.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

void random_bytes(void *to, size_t size)
{
	char *at = to;

	while (size > 0) {
		ssize_t got = getrandom(at, size, 0);
		/* Interrupted is the only trouble possible; going on without it would be worse. */
		if (got < 0 && errno != EINTR)
			abort();
		if (got > 0) {
			at += got;
			size -= (size_t)got;
		}
	}
}

uint64_t random_below(uint64_t limit)
{
	/* Values below `uneven` would favour the small remainders. */
	uint64_t uneven = (UINT64_MAX - limit + 1) % limit, value;

	do
		random_bytes(&value, sizeof value);
	while (value < uneven);
	return value % limit;
}

#define LOWER "abcdefghijkmnpqrstuvwxyz"
#define UPPER "ABCDEFGHJKLMNPQRSTUVWXYZ"
#define DIGITS "23456789"

static const char letters[] = LOWER UPPER DIGITS;
enum {
	UPPER_AT = sizeof LOWER - 1,
	DIGITS_AT = UPPER_AT + sizeof UPPER - 1,
	LETTERS = DIGITS_AT + sizeof DIGITS - 1,
};

slice random_password(size_t length, arena *a)
{
	if (length == 0)
		length = 8;
	if (length < 3)
		length = 3;
	char *to = arena_new(a, length + 1);
	/* Drawn anew until all three sorts are there, so that every such password is as likely. */
	for (bool low = false, up = false, digit = false; !(low && up && digit);) {
		low = up = digit = false;
		for (size_t i = 0; i < length; i++) {
			uint64_t which = random_below(LETTERS);
			to[i] = letters[which];
			low |= which < UPPER_AT;
			up |= which >= UPPER_AT && which < DIGITS_AT;
			digit |= which >= DIGITS_AT;
		}
	}
	return slice_of(to, length);
}
