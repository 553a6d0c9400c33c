/* Words are compared as they are folded, without the marks that a fold takes off their letters,
   octet by octet: a letter beyond ASCII counts for its octets. */
#include "mail/fuzzy.h"

#include "base/text.h"
#include "mail/collate.h"
#include "mail/sketch.h"

#include <string.h>

#define WORD_MOST 48 /* octets; what is longer is no word that people look for */
#define SAME 100
#define LONGER 85     /* "work" in "working" */
#define SHORTER 70    /* "working" in "work" */
#define INSIDE 60     /* "work" in "network" */
#define WRONG_EACH 25 /* taken off for each wrong letter */
#define SCATTERED 90  /* of a hundred remain where the string does not stand as it is */

/* ---- words */

static bool in_word(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || (unsigned char)c >= 0x80;
}

static bool word_take(slice *rest, slice *word)
{
	size_t from = 0, n = 0;

	while (from < rest->size && !in_word(rest->at[from]))
		from++;
	*rest = slice_from(*rest, from);
	while (n < rest->size && in_word(rest->at[n]))
		n++;
	*word = slice_until(*rest, n);
	*rest = slice_from(*rest, n);
	return n > 0;
}

static uint32_t letters_of(slice word)
{
	uint32_t letters = 0;

	for (size_t i = 0; i < word.size; i++)
		letters |= (uint32_t)1 << (word.at[i] & 0x1f);
	return letters;
}

void fuzzy_make(slice utf8, arena *a, struct fuzzy *out)
{
	text folded = TEXT_INIT;
	slice rest, word;

	*out = (struct fuzzy){.written = arena_copy(a, utf8)};
	needle_make(utf8, a, &out->whole);
	collate_fold_bare(utf8, &folded);
	rest = text_slice(&folded);
	while (out->n < FUZZY_WORDS_MOST && word_take(&rest, &word)) {
		out->word[out->n] = arena_copy(a, slice_until(word, WORD_MOST));
		out->letters[out->n] = letters_of(out->word[out->n]);
		out->n++;
	}
	text_free(&folded);
}

/* ---- comparing */

/* Letters that may be wrong in a word of this length. */
static int wrong_most(size_t size)
{
	return size < 4 ? 0 : size < 8 ? 1 : 2;
}

static int least(int a, int b)
{
	return a < b ? a : b;
}

/* How many letters are to be put in, left out, changed, or changed with their neighbours (optimal
   string alignment): only whether they are at most `most`, which the words' lengths do not exceed
   by themselves. So what is further from the diagonal needs no look, and two rows of more end
   it. */
static int distance(slice a, slice b, size_t most)
{
	int rows[3][WORD_MOST + 2], *before = rows[0], *last = rows[1], *row = rows[2];
	int far = (int)most + 1, nearest_before = 0;

	for (size_t k = 0; k <= b.size + 1; k++)
		last[k] = (int)k;
	for (size_t i = 1; i <= a.size; i++) {
		size_t from = i > most ? i - most : 1, to = i + most < b.size ? i + most : b.size;
		int nearest = far;

		row[from - 1] = from == 1 ? (int)i : far;
		for (size_t k = from; k <= to; k++) {
			row[k] = least(least(last[k], row[k - 1]) + 1,
				last[k - 1] + (a.at[i - 1] != b.at[k - 1]));
			if (i > 1 && k > 1 && a.at[i - 1] == b.at[k - 2] &&
				a.at[i - 2] == b.at[k - 1])
				row[k] = least(row[k], before[k - 2] + 1);
			nearest = least(nearest, row[k]);
		}
		row[to + 1] = far;
		if (nearest == far && nearest_before == far)
			return far;
		nearest_before = nearest;
		int *free_row = before;

		before = last;
		last = row;
		row = free_row;
	}
	return last[b.size];
}

/* A wrong letter changes at most two of the bits. */
static bool may_be_near(slice wanted, uint32_t letters, slice word, int most)
{
	size_t apart = wanted.size > word.size ? wanted.size - word.size : word.size - wanted.size;

	return apart <= (size_t)most && __builtin_popcount(letters ^ letters_of(word)) <= 2 * most;
}

static int word_score(slice wanted, uint32_t letters, slice word)
{
	int most = wrong_most(wanted.size);

	if (slice_same(wanted, word))
		return SAME;
	if (slice_starts(word, wanted))
		return LONGER;
	if (word.size >= 4 && slice_starts(wanted, word))
		return SHORTER;
	if (most > 0 && word.size <= WORD_MOST && may_be_near(wanted, letters, word, most)) {
		int wrong = distance(wanted, word, (size_t)most);

		if (wrong <= most)
			return SAME - wrong * WRONG_EACH;
	}
	return wanted.size >= 3 && wanted.size < word.size && slice_search(word, wanted) < word.size
		       ? INSIDE
		       : 0;
}

void fuzzy_look(slice utf8, const struct fuzzy *f, struct fuzzy_found *out)
{
	text folded = TEXT_INIT;
	slice rest, word;

	out->whole = out->whole || needle_in(utf8, &f->whole);
	collate_fold_bare(utf8, &folded);
	rest = text_slice(&folded);
	while (word_take(&rest, &word))
		for (int k = 0; k < f->n; k++) {
			int score = out->word[k] < SAME
					    ? word_score(f->word[k], f->letters[k], word)
					    : 0;

			if (score > out->word[k])
				out->word[k] = (uint8_t)score;
		}
	text_free(&folded);
}

int fuzzy_score(const struct fuzzy *f, const struct fuzzy_found *found)
{
	int sum = 0;

	if (found->whole)
		return SAME;
	for (int k = 0; k < f->n; k++) {
		if (found->word[k] == 0)
			return 0;
		sum += found->word[k];
	}
	return f->n > 0 ? sum * SCATTERED / (f->n * SAME) : 0;
}

/* ---- without reading */

/* The threes of a word that a sketch lacks lie in so few runs: a wrong letter breaks `broken` in a
   row. */
static bool runs_suffice(slice sketch, slice word, int most, size_t broken)
{
	int runs = 0;

	for (size_t i = 0; i + 3 <= word.size; i++) {
		if (sketch_may_have(sketch, word.at + i))
			continue;
		if (++runs > most)
			return false;
		i += broken - 1;
	}
	return true;
}

static bool stands_there(slice sketch, slice word)
{
	return runs_suffice(sketch, word, 0, 1);
}

/* One with two neighbours changed is known as a whole. */
static bool changed_stands_there(slice sketch, slice word)
{
	char changed[WORD_MOST];
	bool stands = false;

	for (size_t i = 0; i + 1 < word.size && !stands; i++) {
		memcpy(changed, word.at, word.size);
		changed[i] = word.at[i + 1];
		changed[i + 1] = word.at[i];
		stands = stands_there(sketch, slice_of(changed, word.size));
	}
	return stands;
}

/* A letter too much, too few or another one breaks three threes; neighbours that are changed,
   four. */
static bool may_stand_nearly(slice sketch, slice word)
{
	int most = wrong_most(word.size);

	return most == 1 ? runs_suffice(sketch, word, 1, 3) || changed_stands_there(sketch, word)
			 : most > 1 && runs_suffice(sketch, word, most, 4);
}

/* As word_score() finds it: as it is or inside another, by its first four octets or more, or
   nearly. */
static bool word_may_stand(slice sketch, slice word)
{
	return word.size < 3 || stands_there(sketch, word) ||
	       (word.size > 4 && stands_there(sketch, slice_until(word, 4))) ||
	       may_stand_nearly(sketch, word);
}

bool fuzzy_may_hold(slice sketch, const struct fuzzy *f)
{
	if (sketch_may_hold(sketch, &f->whole))
		return true;
	for (int k = 0; k < f->n; k++)
		if (!word_may_stand(sketch, f->word[k]))
			return false;
	return f->n > 0;
}
