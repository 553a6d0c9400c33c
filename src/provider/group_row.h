/* What members of groups are, as resolve.c works them off. For it and for the two stores. */
#ifndef PENNYPOST_PROVIDER_GROUP_ROW_H
#define PENNYPOST_PROVIDER_GROUP_ROW_H

#include "provider/address_map.h"
#include "provider/group.h"

struct group_lead { /* one member, or a group that has none */
	slice name; /* of the group */
	enum group_posting posting;
	slice written; /* the member's address; empty = there is none */
	bool here;     /* in a domain of the post office */
	bool known; /* here, and exactly: `route` says where it leads, `kind` ST_OK or ST_DENIED */
	struct route route;
	status kind;
};

/* The members of these groups of the post office, at most `most`; groups that are gone have none.
   One statement. */
status group_expand(int64_t postoffice, const int64_t *groups, int n, int most, arena *a,
	struct group_lead **rows, int *count);

/* ---- group_rule.c */
status group_name_check(slice name, slice title, slice *why); /* ST_INVALID */
/* ST_INVALID: *why names the first that is no address. */
status group_members_parse(const slice *written, int n, arena *a, group_member **out, slice *why);

#endif
