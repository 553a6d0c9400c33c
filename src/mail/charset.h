/* Charsets of mail: their names as mail spells them, and conversion to UTF-8 by the C library's
   iconv. Only charsets of a table are passed to it: mail must not choose which converters of the
   system are loaded. */
#ifndef PENNYPOST_MAIL_CHARSET_H
#define PENNYPOST_MAIL_CHARSET_H

#include "base/arena.h"
#include "base/status.h"

/* ST_ABSENT when the charset is unknown; *utf8 is then untouched. Otherwise *utf8 is valid UTF-8 in
   the arena: what the charset does not define becomes U+FFFD. Names in any case; "" counts as
   US-ASCII. US-ASCII with 8-bit bytes in it is taken for UTF-8 if it is that, else for
   Windows-1252, which is what such mail means. Linear. */
status charset_to_utf8(slice charset, slice raw, arena *a, slice *utf8);

/* Whether charset_to_utf8() knows it. */
bool charset_known(slice charset);

#endif
