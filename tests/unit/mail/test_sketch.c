/* Sketches: what a message holds is never excluded, whatever it is made of; most of what it does
   not hold is. */
#include "mail/sketch.h"

#include "base/text.h"
#include "base/utf8.h"
#include "mail/fuzzy.h"
#include "mail/header.h"
#include "mail/transfer.h"

#include <criterion/criterion.h>

/* ---- the same dice every time */

static uint64_t state;

static unsigned dice(unsigned sides)
{
	state = state * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)(state >> 33) % sides;
}

static const char *const plain[] = {
	"letter", "Office", "penny", "STAMP", "morning", "river", "x", "of", "harbour-master"};
static const struct {
	const char *charset, *word, *utf8;
	size_t size; /* of the word, where a NUL is in it */
} foreign[] = {
	{"utf-8",
		"Stra\xc3\x9f"
		"e",
		"strasse", 0},
	{"UTF-8", "\xef\xac\x81ne \xe1\xbb\x87t\xc3\xa9", "fine", 0},
	{"utf-8", "\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e", "\xe6\x97\xa5\xe6\x9c\xac", 0},
	{"iso-8859-1",
		"caf\xe9 Stra\xdf"
		"e",
		"caf\xc3\xa9", 0},
	{"windows-1252", "\x80uro na\xefve", "\xe2\x82\xacuro", 0},
	{"us-ascii", "na\xefve", "na\xc3\xafve", 0},
	{"shift_jis", "\x83\x5c\x83\x74\x83\x67", "\xe3\x82\xbd\xe3\x83\x95\xe3\x83\x88", 0},
	{"iso-2022-jp", "\x1b$B%=%U%H\x1b(B", "\xe3\x82\xbd\xe3\x83\x95\xe3\x83\x88", 0},
	{"utf-16be", "\0s\0t\0r\0a\0\xdf\0e", "strasse", 12},
	{"utf-7", "caf+AOk-", "caf\xc3\xa9", 0},
	{"x-nobody-knows", "caf\xe9 \xc3\xa9", "caf", 0},
	{"koi8-r", "\xf0\xd2\xc9\xd7\xc5\xd4", "\xd0\x9f\xd1\x80\xd0\xb8\xd0\xb2\xd0\xb5\xd1\x82",
		0},
};
#define PLAIN (sizeof plain / sizeof *plain)
#define FOREIGN (sizeof foreign / sizeof *foreign)

static slice foreign_word(unsigned k)
{
	return foreign[k].size ? slice_of(foreign[k].word, foreign[k].size)
			       : slice_z(foreign[k].word);
}

/* ---- messages */

static bool tame; /* ASCII without encoded words, but for what parts hide */

static void words_add(text *out, unsigned k)
{
	for (unsigned n = dice(30); n > 0; n--) {
		text_add(out, tame || dice(3) ? slice_z(plain[dice(PLAIN)]) : foreign_word(k));
		text_add(out, dice(6) ? S(" ") : S("\r\n"));
	}
}

static void encoded_word_add(text *out, unsigned k)
{
	text base64 = TEXT_INIT;
	transfer_encoder e = {.kind = TRANSFER_BASE64};

	transfer_encode(&e, foreign_word(k), &base64);
	transfer_encode_end(&e, &base64);
	text_format(out, "=?%s?b?%.*s?=", foreign[k].charset,
		SLICE_ARGS(slice_trim(text_slice(&base64))));
	text_free(&base64);
}

static void header_add(text *out)
{
	static const char *const names[] = {"Subject", "From", "X-Note", "=?utf-8?q?a"};

	for (unsigned n = 1 + dice(5); n > 0; n--) {
		text_format(out, "%s: ", names[dice(tame ? 3 : 4)]);
		for (unsigned w = dice(6); w > 0; w--) {
			unsigned k = dice(FOREIGN);

			switch (tame ? 2 : dice(4)) {
			case 0:
				encoded_word_add(out, k);
				break;
			case 1:
				text_add(out, foreign_word(dice(3)));
				break;
			default:
				text_add(out, slice_z(plain[dice(PLAIN)]));
			}
			text_add(out, dice(4) ? S(" ") : dice(2) ? S("\r\n ") : S("\r\n\t"));
		}
		text_add(out, S("\r\n"));
	}
}

static void part_add(text *out)
{
	static const char *const names[] = {
		"7bit", "base64", "quoted-printable", "8bit", "x-strange"};
	static const enum transfer_kind kinds[] = {TRANSFER_PLAIN, TRANSFER_BASE64,
		TRANSFER_QUOTED_PRINTABLE, TRANSFER_PLAIN, TRANSFER_PLAIN};
	unsigned k = dice(FOREIGN), how = dice(5);
	transfer_encoder e = {.kind = kinds[how]};
	text body = TEXT_INIT;

	text_format(out,
		"Content-Type: text/%s; charset=\"%s\"\r\nContent-Transfer-Encoding: %s\r\n\r\n",
		dice(2) ? "plain" : "html", foreign[k].charset, names[how]);
	words_add(&body, k);
	transfer_encode(&e, text_slice(&body), out);
	transfer_encode_end(&e, out);
	text_free(&body);
	text_add(out, S("\r\n"));
}

static void message_add(text *out, int depth)
{
	int edge = 10 * depth + (int)dice(10);

	header_add(out);
	if (dice(2) || depth > 2) {
		part_add(out);
		return;
	}
	text_format(out, "Content-Type: multipart/mixed; boundary=e%d\r\n\r\n", edge);
	for (unsigned n = dice(4); n > 0; n--) {
		text_format(out, "--e%d\r\n", edge);
		if (dice(3)) {
			header_add(out);
			part_add(out);
		} else {
			text_add(out, S("Content-Type: message/rfc822\r\n\r\n"));
			message_add(out, depth + 1);
		}
		text_add(out, S("\r\n"));
	}
	text_format(out, "--e%d--\r\n", edge);
}

/* ---- strings to look for */

/* Some characters of it. */
static slice piece_of(slice s)
{
	size_t from = dice((unsigned)s.size + 1), size = 1 + dice(12);

	while (from < s.size && ((unsigned char)s.at[from] & 0xc0) == 0x80)
		from++;
	s = slice_until(slice_from(s, from), size);
	while (s.size > 0 && !utf8_valid(s))
		s.size--;
	return s;
}

static slice needle_of(slice raw, arena *a)
{
	switch (dice(4)) {
	case 0:
		return piece_of(raw);
	case 1:
		return slice_z(foreign[dice(FOREIGN)].utf8);
	case 2:
		return arena_format(a, "%s %s", plain[dice(PLAIN)], plain[dice(PLAIN)]);
	default:
		return piece_of(slice_z(plain[dice(PLAIN)]));
	}
}

/* ---- asking the message itself */

struct asking {
	const struct needle *n;
	arena *a;
};

static bool header_has(slice header, void *arg)
{
	struct asking *q = arg;
	header_walk walk = header_walk_of(header);
	header_field f;

	while (header_next(&walk, &f))
		if (needle_in(seek_value(f.value, q->a), q->n))
			return true;
	return seek_block(header, q->n, q->a);
}

static bool text_has(slice bytes, slice charset, void *arg)
{
	struct asking *q = arg;

	return (q->n->ascii && seek_holds_ascii(charset) &&
		       slice_search_nocase(bytes, q->n->folded) < bytes.size) ||
	       needle_in(seek_utf8(bytes, charset, q->a), q->n);
}

static bool holds(slice raw, const struct needle *n, arena *a)
{
	struct asking q = {n, a};
	struct seek_visitor v = {header_has, text_has, &q};
	mime_table parts;

	mime_parse(raw, a, &parts);
	return header_has(seek_header(raw), &q) || seek_body(raw, &parts, &v);
}

#define MESSAGES 2000
#define NEEDLES 20

Test(sketch, excludes_nothing_that_is_there)
{
	int there = 0, excluded = 0, passed = 0;

	state = 7;
	for (int i = 0; i < MESSAGES; i++) {
		text raw = TEXT_INIT;
		arena a = ARENA_INIT;

		tame = dice(2);
		message_add(&raw, 0);
		for (unsigned n = dice(4); n > 1; n--) /* and damaged */
			raw.at[dice((unsigned)raw.size)] = (char)dice(tame ? 128 : 256);
		if (dice(3) == 0) /* unfolding drops it, and joins what it divides */
			raw.at[dice((unsigned)raw.size)] = '\r';
		slice sketch = sketch_make(text_slice(&raw), &a);
		for (int k = 0; k < NEEDLES; k++) {
			struct needle n;
			slice s = needle_of(text_slice(&raw), &a);
			bool may, without;

			needle_make(s, &a, &n);
			may = sketch_may_hold(sketch, &n);
			excluded += !may;
			slice word = needle_word(&n);
			without = word.size > 0 && seek_is_without(text_slice(&raw), word);
			passed += without;
			if (holds(text_slice(&raw), &n, &a)) {
				there++;
				cr_assert(may && !without, "message %d holds \"%.*s\":\n%s", i,
					SLICE_ARGS(s), raw.at);
			}
		}
		arena_release(&a);
		text_free(&raw);
	}
	cr_assert_gt(there, MESSAGES);
	cr_assert_gt(excluded, MESSAGES);
	cr_assert_gt(passed, MESSAGES / 4);
}

Test(sketch, takes_the_longest_word_of_a_string)
{
	static const struct {
		slice of, wanted;
	} rows[] = {
		{S("fox"), S("FOX")},
		{S("a red fox"), S("RED")},
		{S(" the\r\n\tquick fox "), S("QUICK")},
		{S(""), S("")},
		{S(" \t\r\n"), S("")},
		{S("f\xc3\xbcnf foxes"), S("")},
	};
	arena a = ARENA_INIT;

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct needle n;

		needle_make(rows[i].of, &a, &n);
		cr_assert(slice_same(needle_word(&n), rows[i].wanted), "row %zu", i);
	}
	arena_release(&a);
}

/* ---- what is only nearly there */

/* A string with a letter of it changed, left out, doubled, or changed with the next one, and some
   of its beginning. */
static slice damaged(slice s, arena *a)
{
	char *to = arena_new(a, s.size + 1);
	size_t at = s.size ? dice((unsigned)s.size) : 0, n = s.size;

	if (n > 0)
		memcpy(to, s.at, n);
	switch (n > 1 ? dice(6) : 5) {
	case 0:
		to[at] = (char)('a' + dice(26));
		break;
	case 1:
		memmove(to + at, to + at + 1, n - at - 1);
		n--;
		break;
	case 2:
		memmove(to + at + 1, to + at, n - at);
		n++;
		break;
	case 3:
		at = at + 1 < n ? at : at - 1;
		to[at] = s.at[at + 1];
		to[at + 1] = s.at[at];
		break;
	case 4:
		n = 1 + dice((unsigned)n);
		break;
	default:
		break;
	}
	slice out = slice_of(to, n);
	while (!utf8_valid(out))
		out.size--;
	return out;
}

struct liking {
	const struct fuzzy *f;
	struct fuzzy_found found;
	arena *a;
};

static bool header_like(slice header, void *arg)
{
	struct liking *q = arg;
	header_walk walk = header_walk_of(header);
	header_field h;

	while (header_next(&walk, &h)) {
		fuzzy_look(seek_value(h.raw, q->a), q->f, &q->found);
		fuzzy_look(seek_value(h.value, q->a), q->f, &q->found);
	}
	return false;
}

static bool text_like(slice bytes, slice charset, void *arg)
{
	struct liking *q = arg;

	fuzzy_look(seek_utf8(bytes, charset, q->a), q->f, &q->found);
	return false;
}

static bool holds_like(slice raw, const struct fuzzy *f, arena *a)
{
	struct liking q = {.f = f, .a = a};
	struct seek_visitor v = {header_like, text_like, &q};
	mime_table parts;

	mime_parse(raw, a, &parts);
	header_like(seek_header(raw), &q);
	seek_body(raw, &parts, &v);
	return fuzzy_score(f, &q.found) > 0;
}

/* Words without marks, and with one, as people write them. */
static const char *const like[] = {"naive", "cafe", "STRASSE", "harbor", "mornings", "officers",
	"penni", "harbour-mister", "stampede", "Пpивет", "nowhere", "rainbow", "umbrella",
	"qqqqqqq"};

Test(sketch, excludes_nothing_that_is_like_it)
{
	int there = 0, excluded = 0;

	state = 17;
	for (int i = 0; i < MESSAGES; i++) {
		text raw = TEXT_INIT;
		arena a = ARENA_INIT;

		message_add(&raw, 0);
		slice sketch = sketch_make(text_slice(&raw), &a);
		for (int k = 0; k < NEEDLES; k++) {
			struct fuzzy f;
			slice s = dice(4) ? damaged(needle_of(text_slice(&raw), &a), &a)
					  : slice_z(like[dice(sizeof like / sizeof *like)]);
			bool may;

			fuzzy_make(s, &a, &f);
			may = fuzzy_may_hold(sketch, &f);
			excluded += !may;
			if (holds_like(text_slice(&raw), &f, &a)) {
				there++;
				cr_assert(may, "message %d holds something like \"%.*s\":\n%s", i,
					SLICE_ARGS(s), raw.at);
			}
		}
		arena_release(&a);
		text_free(&raw);
	}
	cr_assert_gt(there, MESSAGES);
	cr_assert_gt(excluded, MESSAGES);
}

/* Letters by chance: nothing but the sizes decides. */
static void letters_add(text *out, size_t n)
{
	for (size_t i = 0; i < n; i++)
		text_add_char(out, (char)('a' + dice(26)));
}

Test(sketch, excludes_nearly_all_that_is_not_there)
{
	arena a = ARENA_INIT;
	text raw = TEXT_INIT, word = TEXT_INIT;
	int passed = 0;

	state = 11;
	text_add(&raw, S("Subject: x\r\n\r\n"));
	letters_add(&raw, 3000);
	slice sketch = sketch_make(text_slice(&raw), &a);
	cr_assert(sketch.size > 1200 && sketch.size < 1500, "%zu octets", sketch.size);
	for (int i = 0; i < 1000; i++) {
		struct needle n;

		text_clear(&word);
		letters_add(&word, 6); /* four threes: 0.22 ^ 4 */
		needle_make(text_slice(&word), &a, &n);
		passed += sketch_may_hold(sketch, &n);
	}
	cr_assert_lt(passed, 20);
	arena_release(&a);
	text_free(&raw);
	text_free(&word);
}

Test(sketch, has_bounds)
{
	arena a = ARENA_INIT;
	text raw = TEXT_INIT;
	struct needle n;

	cr_assert_eq(sketch_make(S(""), &a).size, SKETCH_LEAST);
	state = 13;
	text_add(&raw, S("Subject: x\r\n\r\n"));
	letters_add(&raw, 200000);
	cr_assert_eq(sketch_make(text_slice(&raw), &a).size, SKETCH_MOST);
	needle_make(S("qqqqqqqqqq"), &a, &n);
	cr_assert(sketch_may_hold(S(""), &n), "an empty one knows nothing");
	cr_assert_not(sketch_may_hold(sketch_make(S(""), &a), &n));
	needle_make(S("qq"), &a, &n);
	cr_assert(sketch_may_hold(sketch_make(S(""), &a), &n), "two letters are too few");
	arena_release(&a);
	text_free(&raw);
}
