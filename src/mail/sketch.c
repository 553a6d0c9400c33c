/* Threes are gathered as bits in a set of 65,536 first; how many there are tells how large the
   sketch is. */
#include "mail/sketch.h"

#include "base/memory.h"
#include "base/text.h"
#include "base/utf8.h"
#include "mail/collate.h"
#include "mail/header.h"

#define BUCKETS 65536

struct threes {
	uint64_t set[BUCKETS / 64];
	arena a; /* of one text */
};

static uint32_t upper(char c)
{
	return (uint32_t)(unsigned char)c - ((c >= 'a' && c <= 'z') ? 'a' - 'A' : 0);
}

/* The last two octets stand in `row` already. */
static uint32_t bucket(uint32_t row)
{
	return ((row & 0xffffff) * 2654435761u) >> 16;
}

static void threes_add(struct threes *t, slice s)
{
	uint32_t row = 0;

	for (size_t i = 0; i < s.size; i++) {
		row = row << 8 | upper(s.at[i]);
		if (i >= 2)
			t->set[bucket(row) / 64] |= (uint64_t)1 << bucket(row) % 64;
	}
}

/* UTF-8 as needle_in() reads it, ASCII as it stands, and in any case its fold; and as fuzzy_look()
   does. */
static void utf8_add_threes(struct threes *t, slice utf8)
{
	text folded = TEXT_INIT;

	threes_add(t, utf8);
	if (utf8_is_ascii(utf8))
		return;
	collate_fold(utf8, &folded);
	threes_add(t, text_slice(&folded));
	text_clear(&folded);
	collate_fold_bare(utf8, &folded);
	threes_add(t, text_slice(&folded));
	text_free(&folded);
}

static bool header_add(slice header, void *arg)
{
	struct threes *t = arg;
	header_walk walk = header_walk_of(header);
	header_field f;

	if (seek_is_plain(header))
		threes_add(t, header);
	while (header_next(&walk, &f)) {
		utf8_add_threes(t, seek_value(f.raw, &t->a));
		utf8_add_threes(t,
			seek_value(f.value, &t->a)); /* where it is too long it is cut elsewhere */
		arena_clear(&t->a);
	}
	return false;
}

static bool text_add_threes(slice bytes, slice charset, void *arg)
{
	struct threes *t = arg;

	if (seek_holds_ascii(charset))
		threes_add(t, bytes);
	if (!seek_holds_ascii(charset) || !utf8_is_ascii(bytes))
		utf8_add_threes(t, seek_utf8(bytes, charset, &t->a));
	arena_clear(&t->a);
	return false;
}

static size_t bits_for(const struct threes *t)
{
	size_t n = 0;

	for (size_t i = 0; i < BUCKETS / 64; i++)
		n += (size_t)__builtin_popcountll(t->set[i]);
	n = (n * 4 + 7) / 8;
	return 8 * (n < SKETCH_LEAST ? SKETCH_LEAST : n > SKETCH_MOST ? SKETCH_MOST : n);
}

static slice pack(const struct threes *t, arena *a)
{
	size_t bits = bits_for(t);
	unsigned char *out = arena_new_array(a, bits / 8, 1);

	for (size_t i = 0; i < BUCKETS / 64; i++)
		for (uint64_t rest = t->set[i]; rest; rest &= rest - 1) {
			size_t at = (i * 64 + (size_t)__builtin_ctzll(rest)) * bits / BUCKETS;

			out[at / 8] |= (unsigned char)(1u << at % 8);
		}
	return slice_of(out, bits / 8);
}

slice sketch_make(slice raw, arena *a)
{
	struct threes *t = memory_new(sizeof *t);
	struct seek_visitor v = {header_add, text_add_threes, t};
	arena parsed = ARENA_INIT;
	mime_table parts;

	raw = slice_until(raw, SEEK_MOST);
	header_add(seek_header(raw), t);
	mime_parse(raw, &parsed, &parts);
	seek_body(raw, &parts, &v);
	arena_release(&parsed);
	slice sketch = pack(t, a);
	arena_release(&t->a);
	memory_free(t);
	return sketch;
}

static bool has_bit(slice sketch, uint32_t row)
{
	size_t at = bucket(row) * (sketch.size * 8) / BUCKETS;

	return (unsigned char)sketch.at[at / 8] >> at % 8 & 1;
}

bool sketch_may_hold(slice sketch, const struct needle *n)
{
	uint32_t row = 0;

	for (size_t i = 0; i < n->folded.size && sketch.size > 0; i++) {
		row = row << 8 | upper(n->folded.at[i]);
		if (i >= 2 && !has_bit(sketch, row))
			return false;
	}
	return true;
}

bool sketch_may_have(slice sketch, const char three[3])
{
	return sketch.size == 0 ||
	       has_bit(sketch, upper(three[0]) << 16 | upper(three[1]) << 8 | upper(three[2]));
}
