/* Packing and unpacking: what goes in comes out, whatever the pieces, and strangers' octets break
   nothing. */
#include "net/press.h"

#include "base/text.h"

#include <criterion/criterion.h>
#include <malloc.h>
#include <zlib.h>

/* Both ways between two sides, in pieces of `piece` and through room of `room`. */
static void pass_through(press *from, press *to, slice words, size_t piece, size_t room)
{
	text wire = TEXT_INIT, heard = TEXT_INIT;
	char out[4096];
	size_t made, got;

	for (size_t at = 0; at < words.size; at += piece) {
		slice part = slice_until(slice_from(words, at), piece);
		bool last = at + piece >= words.size;

		do {
			made = press_pack(from, &part, last, out, room);
			text_add(&wire, slice_of(out, made));
		} while (part.size > 0 || made == room);
	}
	press_rest(from);
	slice left = text_slice(&wire);
	while (press_unpack(to, &left, out, room, &got) == TURN_DONE)
		text_add(&heard, slice_of(out, got));
	cr_assert_eq(left.size, 0);
	cr_assert(slice_same(text_slice(&heard), words));
	text_free(&wire);
	text_free(&heard);
}

Test(press, gives_back_what_was_packed)
{
	static const size_t sizes[] = {1, 7, 100, 4096}, rooms[] = {16, 77, 1000, 4096};
	press *one = press_open(), *other = press_open();
	text words = TEXT_INIT;

	for (unsigned i = 0; i < 3000; i++)
		text_format(&words, "%u bottles, %u left\r\n", i % 97, i * i);
	for (size_t p = 0; p < 4; p++)
		for (size_t r = 0; r < 4; r++) {
			pass_through(one, other, text_slice(&words), sizes[p], rooms[r]);
			pass_through(other, one, S("a1 OK\r\n"), sizes[p], rooms[r]);
		}
	text_free(&words);
	press_close(&one);
	press_close(&other);
	press_close(&other);
}

Test(press, stops_at_what_is_none_and_at_an_end)
{
	static const char ends[] = "\x01\x01\x00\xfe\xff"
				   "x"; /* one stored octet, the last block */
	press *p = press_open();
	char out[10];
	size_t got;
	slice s = S("a1 NOOP\r\n");

	cr_assert_eq(press_unpack(p, &s, out, sizeof out, &got), TURN_BROKEN);
	press_close(&p);
	p = press_open();
	s = slice_of(ends, sizeof ends - 1);
	cr_assert_eq(press_unpack(p, &s, out, sizeof out, &got), TURN_DONE);
	cr_assert_eq(got, 1);
	cr_assert_eq(press_unpack(p, &s, out, sizeof out, &got), TURN_END);
	press_close(&p);
}

Test(press, unpacks_no_more_than_there_is_room)
{
	press *p = press_open(), *q = press_open();
	static char zeroes[1000000], packed[8000], out[100];
	slice from = slice_of(zeroes, sizeof zeroes);
	size_t size = press_pack(p, &from, true, packed, sizeof packed), got;

	cr_assert_eq(from.size, 0);
	from = slice_of(packed, size);
	cr_assert_eq(press_unpack(q, &from, out, sizeof out, &got), TURN_DONE);
	cr_assert_eq(got, sizeof out);
	press_close(&p);
	press_close(&q);
}

/* ---- who speaks to us has a packer of his own, and speaks again of what he said long ago */

#define PEER_BITS 15

/* Lines that stand in what was said up to 32 KB before. */
static void line_said(text *t, unsigned number)
{
	text_clear(t);
	for (unsigned k = 0; k < 40; k++)
		text_format(t, "%u ", number % 17 * 1000003 + k * 7919);
	text_add(t, S("\r\n"));
}

static slice peer_packs(z_stream *z, slice words, int flush, char *to, size_t room)
{
	z->next_in = (Bytef *)(uintptr_t)words.at;
	z->avail_in = (uInt)words.size;
	z->next_out = (Bytef *)to;
	z->avail_out = (uInt)room;
	cr_assert_eq(deflate(z, flush), Z_OK);
	cr_assert_eq(z->avail_in, 0);
	return slice_of(to, room - z->avail_out);
}

/* It rests behind every piece that came. */
static void hear(press *p, slice packed, size_t piece, text *heard)
{
	char out[100];
	size_t got;

	for (size_t at = 0; at < packed.size; at += piece) {
		slice part = slice_until(slice_from(packed, at), piece);

		while (press_unpack(p, &part, out, sizeof out, &got) == TURN_DONE)
			text_add(heard, slice_of(out, got));
		cr_assert_eq(part.size, 0);
		press_rest(p);
	}
}

Test(press, rests_wherever_a_peer_stops)
{
	static const int flushes[] = {
		Z_SYNC_FLUSH, Z_PARTIAL_FLUSH, Z_BLOCK, Z_NO_FLUSH, Z_FULL_FLUSH};
	static const size_t pieces[] = {10000, 100, 1};

	for (size_t f = 0; f < sizeof flushes / sizeof *flushes; f++)
		for (size_t k = 0; k < sizeof pieces / sizeof *pieces; k++) {
			press *p = press_open();
			z_stream z = {0};
			text line = TEXT_INIT, said = TEXT_INIT, heard = TEXT_INIT;
			char packed[10000];

			cr_assert_eq(
				deflateInit2(&z, 6, Z_DEFLATED, -PEER_BITS, 8, Z_DEFAULT_STRATEGY),
				Z_OK);
			for (unsigned i = 0; i < 300; i++) {
				bool last = i == 299;

				line_said(&line, i);
				text_add(&said, text_slice(&line));
				hear(p,
					peer_packs(&z, text_slice(&line),
						last ? Z_SYNC_FLUSH : flushes[f], packed,
						sizeof packed),
					pieces[k], &heard);
			}
			cr_assert(
				slice_same(text_slice(&said), text_slice(&heard)), "%zu %zu", f, k);
			deflateEnd(&z);
			press_close(&p);
			text_free(&line);
			text_free(&said);
			text_free(&heard);
		}
}

/* Whoever said little and waits costs little. */
Test(press, at_rest_keeps_what_was_said_and_no_more)
{
	press *p = press_open();
	z_stream z = {0};
	text heard = TEXT_INIT;
	char packed[1000];

	cr_assert_eq(deflateInit2(&z, 6, Z_DEFLATED, -PEER_BITS, 8, Z_DEFAULT_STRATEGY), Z_OK);
	slice words = peer_packs(&z, S("a1 IDLE\r\n"), Z_SYNC_FLUSH, packed, sizeof packed);
	size_t before = mallinfo2().uordblks;
	hear(p, words, words.size, &heard);
	size_t kept = mallinfo2().uordblks - before;
	cr_assert(slice_same(text_slice(&heard), S("a1 IDLE\r\n")));
	cr_assert(kept < 2000, "%zu", kept);
	deflateEnd(&z);
	press_close(&p);
	text_free(&heard);
}
