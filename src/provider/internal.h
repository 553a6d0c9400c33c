/* Internal addresses (G6): how a row of the address map names where it leads.

       [SF:demo/anna]             the mailbox anna of the post office demo, or its group of that name
       [SMTP:anna@example.org]    an address at another system
       [SMTP:*@example.org]       the same local part there
       [SMTP:*]                   the address as it is, at another system

   And the masks that lead there. Pure. */
#ifndef PENNYPOST_PROVIDER_INTERNAL_H
#define PENNYPOST_PROVIDER_INTERNAL_H

#include "base/arena.h"
#include "base/status.h"

#define INTERNAL_STARS_MOST                                                                        \
	8 /* in one mask: what more would be for, nobody knows, and each costs */

struct internal {
	slice postoffice, name; /* [SF:..] */
	slice smtp;             /* [SMTP:..]: what stands behind the colon, canonical; else empty */
};

/* With or without brackets, the scheme in any case. ST_FOREIGN: no internal address; ST_INVALID
   (*why). */
status internal_parse(slice written, arena *a, struct internal *out, slice *why);
/* With brackets. */
slice internal_text(const struct internal *i, arena *a);
/* Whom [SMTP:..] names for the recipient local@domain. */
slice internal_smtp(slice smtp, slice local, slice domain, arena *a);

bool internal_is_mask(slice local); /* has * or ? */
/* Folds it, drops doubled stars, and gives it as a pattern of LIKE. ST_INVALID (*why). */
status internal_mask(slice local, arena *a, slice *mask, slice *pattern, slice *why);
/* Whether a folded local part is what the mask stands for; linear but for its stars. */
bool internal_matches(slice mask, slice local);

#endif
