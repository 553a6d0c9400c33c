/* A sketch of a message: a few hundred octets that tell which strings it can not hold. Every three
   octets in a row of what mail/seek.h looks into, folded, and without the marks above letters too,
   have a bit; a string is only there when all its threes have theirs. So a sketch never excludes
   what is there, and lets some of the others pass. Strings of less than three octets pass always.

   Of N different threes, hashed to 16 bits, a sketch has 4 N bits (32 to 4096 octets): 22 % of them
   are set, so a word of five letters passes by chance once in a hundred. Letters keep company, so
   in real mail it is somewhat more. */
#ifndef PENNYPOST_MAIL_SKETCH_H
#define PENNYPOST_MAIL_SKETCH_H

#include "mail/seek.h"

#define SKETCH_VERSION                                                                             \
	3 /* to be raised, never lowered, with what seek.h looks into, and how it folds */
#define SKETCH_NEEDLE_LEAST 3 /* octets of a string that it can exclude */
#define SKETCH_LEAST 32
#define SKETCH_MOST 4096

/* Of the raw message, or its first SEEK_MOST octets; lies in `a`. Linear; waits for nobody. */
slice sketch_make(slice raw, arena *a);

/* Whether the message may hold it, in its header or its body. An empty sketch knows nothing. */
bool sketch_may_hold(slice sketch, const struct needle *n);
/* Whether it may hold these three octets, folded, with or without the marks above letters. */
bool sketch_may_have(slice sketch, const char three[3]);

#endif
