/* Searching a message for something like a string (RFC 6203): its words, in any order and anywhere
   in what is looked into, without regard to case and marks above letters, with other endings, and
   with few letters wrong. */
#ifndef PENNYPOST_MAIL_FUZZY_H
#define PENNYPOST_MAIL_FUZZY_H

#include "mail/seek.h"

#define FUZZY_WORDS_MOST 8 /* of a string; those behind are not looked for */

struct fuzzy {
	slice written; /* as it was given */
	slice word[FUZZY_WORDS_MOST];
	uint32_t letters[FUZZY_WORDS_MOST]; /* which stand in it, a bit for several */
	int n;
	struct needle whole;
};
/* Of valid UTF-8; what lives in `a` is all of it. */
void fuzzy_make(slice utf8, arena *a, struct fuzzy *out);

/* What was found so far, in one field or text after the other; ready when zeroed. */
struct fuzzy_found {
	uint8_t word[FUZZY_WORDS_MOST]; /* how well, up to 100 */
	bool whole;
};
/* Looks into UTF-8. Linear in its size; waits for nobody. */
void fuzzy_look(slice utf8, const struct fuzzy *f, struct fuzzy_found *out);
/* 0 when a word was not found; else how well it matches, 1 to 100. 100: the string stands there. */
int fuzzy_score(const struct fuzzy *f, const struct fuzzy_found *found);
/* False: the message of this sketch (mail/sketch.h) has no field or text in which it would be
   found. */
bool fuzzy_may_hold(slice sketch, const struct fuzzy *f);

#endif
