/* Keywords: flags with names. Bits 0..12 of an entry's flags have fixed names (folder.h);
   bits 16..62 are named per mailbox when a name is first used, at most 47, and keep their name for
   ever, so a copy of the names can only be too short. */
#ifndef PENNYPOST_PROVIDER_KEYWORD_H
#define PENNYPOST_PROVIDER_KEYWORD_H

#include "base/arena.h"
#include "base/status.h"

#define KEYWORD_FIRST 16 /* bit of the first one that a mailbox names */
#define KEYWORDS_MOST 47
#define KEYWORD_SIZE_MOST 64 /* bytes of a name */

struct keywords { /* of one mailbox */
	int n;
	slice names[KEYWORDS_MOST]; /* names[i] is bit KEYWORD_FIRST + i */
};

/* "\\Seen", "$Forwarded", "work"; empty for a bit without a name. `k` may be NULL. */
slice keyword_name(const struct keywords *k, int bit);
/* The bit of a name in any case, system flags with their backslash too; -1 when it has none. */
int keyword_bit(const struct keywords *k, slice name);
/* May be a keyword: 1..64 printable ASCII characters of an atom (RFC 9051) that begin with no
   backslash. */
bool keyword_valid(slice name);

/* All names of the mailbox. ST_ABSENT. */
status keyword_list(int64_t postoffice, int64_t mailbox, arena *a, struct keywords *out);
/* Names the names that have no bit yet and gives all; names with fixed bits need not be asked.
   ST_INVALID: one is not valid; ST_LIMITED: no bits are left (PERMANENTFLAGS without \*); nothing
   is named then. */
status keyword_add(int64_t postoffice, int64_t mailbox, const slice *names, int n, arena *a,
	struct keywords *out);

#endif
