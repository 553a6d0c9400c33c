/* Names of folders as clients write and read them: modified UTF-7 in IMAP4rev1, UTF-8 once it is
   ENABLEd (RFC 9051 5.1, RFC 6855). */
#ifndef PENNYPOST_SERVICE_IMAP_NAMES_H
#define PENNYPOST_SERVICE_IMAP_NAMES_H

#include "service/imap/session.h"

/* A folder's name as UTF-8; the store makes it canonical. UTF-8 is understood from everybody.
   ST_INVALID: neither the one nor the other. */
status arg_mailbox(args *p, slice *name);
/* The same of a pattern of LIST, with its `%` and `*`. */
status arg_mailbox_pattern(args *p, slice *pattern);
void imap_name_text(const conversation *c, slice utf8, text *out);
/* An annotation's name: as it is, or quoted where it is no atom. */
void imap_entry_text(slice entry, text *out);

/* Behind a name that LIST tells: " ("OLDNAME" (..))", where the client wrote it in another form (RFC
   9051 6.3.9.7). */
void imap_oldname_text(const conversation *c, slice name, slice written, text *out);

#endif
