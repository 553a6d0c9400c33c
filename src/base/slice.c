/* Comparing, searching and cutting lent bytes. Letters are ASCII letters: what a locale thinks of
   them must never change what a protocol says. */
#include "base/slice.h"

static unsigned char folded(char c)
{
	return (unsigned char)(c >= 'A' && c <= 'Z' ? c | 0x20 : c);
}

bool slice_same_nocase(slice a, slice b)
{
	if (a.size != b.size)
		return false;
	for (size_t i = 0; i < a.size; i++)
		if (folded(a.at[i]) != folded(b.at[i]))
			return false;
	return true;
}

int slice_order(slice a, slice b)
{
	size_t common = a.size < b.size ? a.size : b.size;
	int order = common > 0 ? memcmp(a.at, b.at, common) : 0;

	return order != 0 ? order : (a.size > b.size) - (a.size < b.size);
}

bool slice_starts(slice s, slice prefix)
{
	return s.size >= prefix.size && slice_same(slice_until(s, prefix.size), prefix);
}

bool slice_starts_nocase(slice s, slice prefix)
{
	return s.size >= prefix.size && slice_same_nocase(slice_until(s, prefix.size), prefix);
}

bool slice_ends_nocase(slice s, slice suffix)
{
	return s.size >= suffix.size &&
	       slice_same_nocase(slice_from(s, s.size - suffix.size), suffix);
}

size_t slice_find(slice s, char c)
{
	const char *found = s.size > 0 ? memchr(s.at, c, s.size) : NULL;

	return found ? (size_t)(found - s.at) : s.size;
}

size_t slice_find_last(slice s, char c)
{
	const char *found = s.size > 0 ? memrchr(s.at, c, s.size) : NULL;

	return found ? (size_t)(found - s.at) : s.size;
}

/* memmem() looks at every octet of a text for two of them; the first one is mostly rare. */
static size_t search_pair(slice s, const char *pair)
{
	const char *at = s.at, *end = s.at + s.size - 1;

	while (at < end && (at = memchr(at, pair[0], (size_t)(end - at)))) {
		if (at[1] == pair[1])
			return (size_t)(at - s.at);
		at++;
	}
	return s.size;
}

size_t slice_search(slice s, slice part)
{
	if (part.size == 0)
		return 0;
	if (part.size > s.size)
		return s.size;
	if (part.size == 2)
		return search_pair(s, part.at);
	const char *found = memmem(s.at, s.size, part.at, part.size);
	return found ? (size_t)(found - s.at) : s.size;
}

#define WINDOW 64 /* places looked at together: the compiler makes a few vector steps of them */
#define VAIN_LEAST 4096 /* octets of work for nothing that are no trouble yet */

/* How many of " etaonisrhldcumfpgwybvkxjqz" stand more often in mail; what is none of them counts as
   rarer than half. */
static unsigned rarity(char c)
{
	static const unsigned char of_letters[] = {3, 20, 12, 11, 1, 15, 17, 9, 6, 24, 22, 10, 14,
		5, 4, 16, 25, 8, 7, 2, 13, 21, 18, 23, 19, 26};
	unsigned letter = folded(c) - (unsigned)'a';

	return letter < sizeof of_letters ? of_letters[letter] : c == ' ' ? 0 : 14;
}

/* The two octets of a string that are looked for first, since they stand in few places. */
struct rare {
	size_t one, other; /* where they stand in it */
	unsigned char first, second;
};

/* The rarest one; not one of the two beside `but`, since letters keep company: where there is a c
   there is mostly an h. */
static size_t rarest(slice part, size_t but)
{
	size_t best = 0;
	unsigned most = 0;

	for (size_t i = 0; i < part.size; i++) {
		bool near = i + 1 >= but && i <= but + 1;

		if (!near && rarity(part.at[i]) >= most) {
			most = rarity(part.at[i]);
			best = i;
		}
	}
	return best;
}

static struct rare rare_of(slice part)
{
	size_t one = rarest(part, part.size + 1), other = one == 0 ? part.size - 1 : 0;

	if (part.size > 3)
		other = rarest(part, one);
	return (struct rare){one, other, (unsigned char)(part.at[one] | 0x20),
		(unsigned char)(part.at[other] | 0x20)};
}

/* Whether it may begin here. Case is wiped by a bit, which takes some other octets for
   letters too. */
static bool may_begin(const char *at, const struct rare *r)
{
	unsigned char a = (unsigned char)((at[r->one] | 0x20) ^ r->first);
	unsigned char z = (unsigned char)((at[r->other] | 0x20) ^ r->second);

	return (a | z) == 0;
}

static bool may_begin_in_window(const char *at, const struct rare *r)
{
	unsigned char any = 0;

	for (size_t i = 0; i < WINDOW; i++)
		any |= may_begin(at + i, r);
	return any;
}

static size_t same_octets(const char *at, slice part)
{
	size_t n = 0;

	while (n < part.size && folded(at[n]) == folded(part.at[n]))
		n++;
	return n;
}

/* ---- Crochemore and Perrin's two-way search: no text and no part makes it more than linear, and it
   needs no room. It is slower where the rare octets tell apart, so it takes over where they do not. */

/* Before which the greatest suffix of the part begins, by one order of octets or by the other one, and
   its period. */
static ptrdiff_t greatest_suffix(slice part, bool other, size_t *period)
{
	ptrdiff_t before = -1;
	size_t at = 0, k = 1;

	*period = 1;
	while (at + k < part.size) {
		unsigned char here = folded(part.at[at + k]);
		unsigned char there = folded(part.at[(size_t)(before + (ptrdiff_t)k)]);

		if (here == there) {
			at += k == *period ? *period : 0;
			k = k == *period ? 1 : k + 1;
		} else if (other ? here > there : here < there) {
			at += k;
			k = 1;
			*period = (size_t)((ptrdiff_t)at - before);
		} else {
			before = (ptrdiff_t)at++;
			k = *period = 1;
		}
	}
	return before;
}

static bool repeats(slice part, size_t period, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if (i + period >= part.size || folded(part.at[i]) != folded(part.at[i + period]))
			return false;
	return true;
}

static size_t search_two_ways(slice s, slice part)
{
	size_t period, period_other, at = 0, known = 0; /* octets at the front that fit already */
	ptrdiff_t one = greatest_suffix(part, false, &period);
	ptrdiff_t other = greatest_suffix(part, true, &period_other);
	size_t middle = (size_t)((one > other ? one : other) + 1);

	if (other >= one)
		period = period_other;
	bool periodic = repeats(part, period, middle);
	if (!periodic)
		period = (middle > part.size - middle ? middle : part.size - middle) + 1;
	while (at + part.size <= s.size) {
		size_t i = middle > known ? middle : known;

		while (i < part.size && folded(part.at[i]) == folded(s.at[at + i]))
			i++;
		if (i < part.size) {
			at += i - middle + 1;
			known = 0;
			continue;
		}
		i = middle;
		while (i > known && folded(part.at[i - 1]) == folded(s.at[at + i - 1]))
			i--;
		if (i <= known)
			return at;
		at += period;
		known = periodic ? part.size - period : 0;
	}
	return s.size;
}

size_t slice_search_nocase(slice s, slice part)
{
	size_t at = 0, places = s.size >= part.size ? s.size - part.size + 1 : 0;
	size_t vain = 0; /* octets that were the same where it did not begin after all */

	if (part.size == 0)
		return 0;
	if (places == 0)
		return s.size;
	struct rare r = rare_of(part);
	while (at < places) {
		size_t window = places - at < WINDOW ? places - at : WINDOW;

		if (window == WINDOW && !may_begin_in_window(s.at + at, &r)) {
			at += WINDOW;
			continue;
		}
		for (; window > 0; window--, at++) {
			size_t same = may_begin(s.at + at, &r) ? same_octets(s.at + at, part) : 0;
			if (same == part.size)
				return at;
			if ((vain += same) > VAIN_LEAST + at)
				return at + search_two_ways(slice_from(s, at), part);
		}
	}
	return s.size;
}

bool slice_has_bare_cr(slice s)
{
	size_t at = 0;

	for (; at + WINDOW < s.size; at += WINDOW) {
		unsigned char any = 0;

		for (size_t i = 0; i < WINDOW; i++)
			any |= (unsigned char)((s.at[at + i] == '\r') & (s.at[at + i + 1] != '\n'));
		if (any)
			return true;
	}
	for (; at < s.size; at++)
		if (s.at[at] == '\r' && (at + 1 == s.size || s.at[at + 1] != '\n'))
			return true;
	return false;
}

slice slice_from(slice s, size_t start)
{
	if (start == 0)
		return s;
	return start < s.size ? slice_of(s.at + start, s.size - start) : slice_of(NULL, 0);
}

slice slice_until(slice s, size_t end)
{
	return slice_of(s.at, end < s.size ? end : s.size);
}

static bool blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

slice slice_trim(slice s)
{
	size_t start = 0, end = s.size;

	while (start < end && blank(s.at[start]))
		start++;
	while (end > start && blank(s.at[end - 1]))
		end--;
	return slice_from(slice_until(s, end), start);
}

bool slice_take(slice *rest, char c, slice *part)
{
	if (!rest->at)
		return false;
	size_t end = slice_find(*rest, c);
	*part = slice_until(*rest, end);
	/* A NULL pointer, unlike an empty rest, says that no part follows the one just taken. */
	*rest = end < rest->size ? slice_of(rest->at + end + 1, rest->size - end - 1)
				 : slice_of(NULL, 0);
	return true;
}

bool slice_number(slice s, uint64_t *out)
{
	uint64_t value = 0;

	if (s.size == 0)
		return false;
	for (size_t i = 0; i < s.size; i++) {
		if (s.at[i] < '0' || s.at[i] > '9')
			return false;
		uint64_t digit = (uint64_t)(s.at[i] - '0');
		if (value > ((uint64_t)INT64_MAX - digit) / 10)
			return false;
		value = value * 10 + digit;
	}
	*out = value;
	return true;
}

/* ---- near misses */

/* Letters to change, insert or remove, for short words. */
static unsigned distance(slice a, slice b)
{
	unsigned row[64];
	if (a.size >= 64 || b.size >= 64)
		return 64;
	for (unsigned j = 0; j <= b.size; j++)
		row[j] = j;
	for (unsigned i = 1; i <= a.size; i++) {
		unsigned corner = row[0];
		row[0] = i;
		for (unsigned j = 1; j <= b.size; j++) {
			unsigned change = corner + (a.at[i - 1] != b.at[j - 1]);
			unsigned gap = (row[j] < row[j - 1] ? row[j] : row[j - 1]) + 1;
			corner = row[j];
			row[j] = change < gap ? change : gap;
		}
	}
	return row[b.size];
}

const char *slice_nearest(slice word, const char *(*candidate)(int i))
{
	const char *best = NULL, *name;
	unsigned least = word.size / 3 + 2;
	for (int i = 0; (name = candidate(i)) != NULL; i++) {
		unsigned d = distance(word, slice_z(name));
		if (d < least) {
			least = d;
			best = name;
		}
	}
	return best;
}
