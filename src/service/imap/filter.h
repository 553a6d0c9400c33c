/* Which folders are meant (RFC 5465 6, RFC 7377 2.2): "SUBTREE (Lists Work)", "SUBSCRIBED": for
   NOTIFY and ESEARCH. */
#ifndef PENNYPOST_SERVICE_IMAP_FILTER_H
#define PENNYPOST_SERVICE_IMAP_FILTER_H

#include "service/imap/session.h"

#define FILTER_NAMES_MOST 1000 /* in one filter */

enum filter_kind {
	FILTER_SELECTED,
	FILTER_SELECTED_DELAYED,
	FILTER_PERSONAL,
	FILTER_SUBSCRIBED,
	FILTER_SUBTREE,
	FILTER_SUBTREE_ONE,
	FILTER_NAMED
};
struct filter {
	enum filter_kind kind;
	slice *names; /* canonical, in the command arena */
	int names_n;
};

status arg_filter(args *p, struct filter *out);
/* A folder of that name, one's own or not, subscribed to or not, is meant; never by SELECTED. */
bool filter_has(const struct filter *f, slice name, bool own, bool subscribed);

#endif
