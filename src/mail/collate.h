/* i;unicode-casemap (RFC 5051), the collation of SORT and THREAD: texts are the same when their
   keys are, and stand in the order of their keys' octets. */
#ifndef PENNYPOST_MAIL_COLLATE_H
#define PENNYPOST_MAIL_COLLATE_H

#include "base/arena.h"
#include "base/text.h"

/* Of UTF-8; broken UTF-8 is taken as octets, its ASCII letters without case. Never fails;
   linear. */
slice collate_key(slice utf8, arena *a);

/* Adds a text as it is searched: the same, character by character, so that what stands in a text
   stands in its fold too; sharp s is SS besides. For large texts; linear, and waits for nobody. */
void collate_fold(slice utf8, text *out);
/* The same without the combining marks (U+0300 to U+036F) that it takes off their letters, and
   those that stand alone. */
void collate_fold_bare(slice utf8, text *out);

#endif
