/* Messages in 7 bits for hosts without 8BITMIME or BINARYMIME (RFC 6152 3, RFC 3030 3, RFC 2045 6):
   parts with octets from 0x80 on, NUL, lines over 998 octets or line ends that are none become
   quoted-printable or base64, whichever is shorter, and what encloses them 7bit. Nothing else
   changes.

   The message is read three times and more, in pieces cut anywhere: structure, what is in its
   parts, and as often as it is written. None of it is kept but headers. */
#ifndef PENNYPOST_MAIL_SEVEN_BIT_H
#define PENNYPOST_MAIL_SEVEN_BIT_H

#include "base/arena.h"
#include "base/status.h"
#include "base/text.h"

typedef struct seven_bit seven_bit;

seven_bit *seven_bit_open(arena *a);
void seven_bit_close(seven_bit **s); /* NULL is nothing */

/* The first reading, its end, and the second. */
void seven_bit_look(seven_bit *s, slice piece);
void seven_bit_looked(seven_bit *s);
void seven_bit_weigh(seven_bit *s, slice piece);

/* The message's header as it was read, without its empty line, and where its body began. Cut when
   it is longer than MIME_HEADER_MOST; it is judged ST_INVALID then. */
slice seven_bit_header(const seven_bit *s);
uint64_t seven_bit_body_at(const seven_bit *s);
/* Before it is judged: its DKIM signatures are the caller's own. They are left out when it is
   written, and he makes others for what it becomes. */
void seven_bit_unsign(seven_bit *s);

/* Both are complete. ST_OK; ST_DENIED: a signature covers it (DKIM, ARC, multipart/signed);
   ST_INVALID: such octets stand where nothing can be encoded: in a header, around parts, in what
   claims another encoding, too deep. */
status seven_bit_judge(seven_bit *s);

/* What its header becomes, with its empty line. Between two readings. */
void seven_bit_new_header(seven_bit *s, text *out);

/* Every further reading: begins anew, appends what can be told so far, and the rest. */
void seven_bit_begin(seven_bit *s);
void seven_bit_write(seven_bit *s, slice piece, text *out);
void seven_bit_end(seven_bit *s, text *out);

#endif
