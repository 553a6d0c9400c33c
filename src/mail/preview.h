/* The first words of a message, as a list shows them (RFC 8970). */
#ifndef PENNYPOST_MAIL_PREVIEW_H
#define PENNYPOST_MAIL_PREVIEW_H

#include "base/arena.h"

#define PREVIEW_MOST 200 /* characters; RFC 8970 3.2: at most 256 */

/* Of a message, or as much of its beginning as is at hand: from its first text that is no
   attachment, HTML without its marks, white space made one blank. Valid UTF-8 without controls, in
   `a`; empty when it says nothing. Never fails; linear. */
slice preview_make(slice message, arena *a);

#endif
