/* Strings as IMAP writes them (RFC 9051 4.3, 9): NIL, quoted or literal; and mailbox names in
   modified UTF-7 (RFC 3501 5.1.3). For the service itself and for what the store keeps ready for
   it. */
#ifndef PENNYPOST_MAIL_IMAP_STRING_H
#define PENNYPOST_MAIL_IMAP_STRING_H

#include "base/arena.h"
#include "base/status.h"
#include "base/text.h"

/* Longer strings go out as literals even where they could be quoted: some clients read quoted
   strings into a small buffer. */
#define IMAP_QUOTED_MOST 1000

/* A string: quoted where it is printable ASCII, else a literal. NULs, which no literal may hold,
   become
   '?'. An empty one is "". */
void imap_string_add(text *out, slice s);
/* The same; NIL for a slice whose pointer is NULL. */
void imap_nstring_add(text *out, slice s);

/* Mailbox names: UTF-8 to modified UTF-7. The name must be valid UTF-8 (what is not becomes
   U+FFFD). */
slice mutf7_encode(slice utf8, arena *a);
/* And back, strictly. ST_INVALID: 8-bit bytes, controls, an open or needless shift, spare bits, a
   lone surrogate; *utf8 is then untouched. */
status mutf7_decode(slice coded, arena *a, slice *utf8);

#endif
