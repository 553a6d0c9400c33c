/* Encoded words (RFC 2047): non-ASCII text in header fields. Parameters that carry text (RFC 2231)
   are mail/content.h. */
#ifndef PENNYPOST_MAIL_WORD_H
#define PENNYPOST_MAIL_WORD_H

#include "base/arena.h"
#include "base/text.h"

/* The value of an unstructured field or a display name as people read it: line ends gone, encoded
   words decoded (the language of RFC 2231 5 is dropped), white space between adjacent ones dropped,
   bytes of adjacent words in one charset joined before conversion. Words of an unknown charset or
   encoding stay as they are. The result is valid UTF-8 without control characters (broken bytes
   become U+FFFD, controls blanks) and lies in the arena. Never fails; linear. */
slice word_decode(slice value, arena *a);

/* True when the text cannot stand in a header as it is: non-ASCII, or something that reads like an
   encoded word. */
bool word_needed(slice utf8);

/* Appends the text as encoded words of at most 75 octets, UTF-8, B or Q whichever is shorter, safe
   in phrases too. Each is preceded by a blank, or by CRLF and a blank where the line would get
   longer than 76. *column is the length of the current line of `out`, before and after. The text
   must be valid UTF-8; an empty one appends nothing. */
void word_encode(slice utf8, size_t *column, text *out);

#endif
