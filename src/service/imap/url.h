/* URLs of stored messages and their parts (RFC 5092), as far as CATENATE needs them (RFC 4469): of
   the reader's own folders, "/Drafts;UIDVALIDITY=3/;UID=20/;SECTION=1.2/;PARTIAL=0.100", or of the
   selected one, ";UID=20". */
#ifndef PENNYPOST_SERVICE_IMAP_URL_H
#define PENNYPOST_SERVICE_IMAP_URL_H

#include "service/imap/section.h"

/* Hands over the octets it means, in pieces; what `each` gives ends that unless it is ST_OK.
   ST_ABSENT: it is no such URL, or there is nothing behind it. */
status imap_url_each(
	conversation *c, slice url, status (*each)(slice octets, void *arg), void *arg);

#endif
