/* The keys of SORT (RFC 5256, RFC 5957 DISPLAY): reading them, putting messages in their order. */
#ifndef PENNYPOST_SERVICE_IMAP_SORT_H
#define PENNYPOST_SERVICE_IMAP_SORT_H

#include "service/imap/selected.h"

#define SORT_KEYS_MOST 20

struct sort_keys {
	struct sort_key {
		int kind;
		bool reverse;
	} key[SORT_KEYS_MOST];
	int n;
};

/* "(REVERSE DATE SUBJECT)" */
status arg_sort_keys(args *p, struct sort_keys *out);
/* RELEVANCY is among them (RFC 6203 6). */
bool sort_by_relevancy(const struct sort_keys *k);
/* Orders UIDs that rise, and `scores` with them (NULL: none are wanted); what is equal stays so.
   The store's trouble is passed up. */
status sort_run(conversation *c, const struct sort_keys *k, uint32_t *uids, uint8_t *scores, int n);

#endif
