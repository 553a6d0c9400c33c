/* Searches of the selected folder that are kept up to date (CONTEXT=SEARCH, CONTEXT=SORT, RFC
   5267 4.3): whenever the client is told what changed, it is told what that changes in their
   results. */
#ifndef PENNYPOST_SERVICE_IMAP_CONTEXT_H
#define PENNYPOST_SERVICE_IMAP_CONTEXT_H

#include "service/imap/program.h"
#include "service/imap/sort.h"

/* From now on, under the present command's tag, which none has yet. `sort` NULL: in the folder's
   order. `fetch`: what is told of new messages that come into the result (RFC 5465 7); empty:
   nothing. When there are too many, or their results are too large, says NO [NOUPDATE "tag"] and
   keeps nothing. */
status context_open(conversation *c, bool by_uid, const program *g, const struct sort_keys *sort,
	slice fetch, const uint32_t *uids, int n);
bool context_is_open(const struct selected *sel, slice tag);
void context_cancel(struct selected *sel, slice tag);
void context_close(struct selected *sel); /* all of them */

/* Before EXPUNGE, and after FETCH and EXISTS have been told. */
status context_gone(conversation *c, const struct view_change *ch);
status context_changed(conversation *c, const struct view_change *ch);

#endif
