/* Groups: an address of a post office that leads to many (A36). A group has a name, fixed as a
   mailbox's is, any number of addresses (address_map.h), and members: addresses here, of other
   groups, or at other systems. Who gets what is found when a message comes (resolve.h), so a member
   may be an address that is made later.

   A post office's groups are its own: nobody else sees them, and a member in another post office's
   domain is at another system. */
#ifndef PENNYPOST_PROVIDER_GROUP_H
#define PENNYPOST_PROVIDER_GROUP_H

#include "provider/audit.h"

enum group_posting { /* who may send to it */
	GROUP_USUAL =
		0, /* anybody; when somebody outside is among the members, its post office alone */
	GROUP_OPEN = 1,       /* anybody, on purpose: who has members outside then relays to them */
	GROUP_MEMBERS = 2,    /* who is among the members */
	GROUP_POSTOFFICE = 3, /* who logged on as a mailbox of its post office */
};
#define GROUP_POSTINGS 4
const char *group_posting_word(
	enum group_posting p); /* "usual", "anyone", "members", "postoffice" */

typedef struct group {
	int64_t id, postoffice;
	slice name;
	slice title; /* display name, for people */
	enum group_posting posting;
	int64_t members;
	slice *addresses; /* folded, in order */
	int address_count;
} group;

/* ST_EXISTS (a group or mailbox has the name; *why), ST_INVALID (*why), ST_ABSENT (post office). */
status group_make(int64_t postoffice, slice name, slice title, enum group_posting posting,
	const struct audit_by *by, arena *a, group **out, slice *why);
status group_find(int64_t postoffice, slice name, arena *a, group **out); /* ST_ABSENT */
/* By name, behind `after` (folded); without their addresses. */
status group_list(int64_t postoffice, slice after, unsigned most, arena *a, group **rows, int *n);
/* Stores title and posting. ST_ABSENT; ST_INVALID (*why). */
status group_change(const group *g, const struct audit_by *by, arena *a, slice *why);
status group_remove(int64_t postoffice, int64_t id,
	const struct audit_by *by); /* its addresses go too; ST_ABSENT */

typedef struct group_member {
	slice key;     /* folded local@domain */
	slice address; /* canonical, for RCPT */
	slice domain;
} group_member;
/* By key, behind `after`. */
status group_members(int64_t postoffice, int64_t id, slice after, unsigned most, arena *a,
	group_member **rows, int *n);
/* Adds all or none, each once; those there are stay. *added tells how many are new. ST_ABSENT (the
   group), ST_INVALID (*why names the address), ST_LIMITED: more than group_members_most (*why). */
status group_members_add(int64_t postoffice, int64_t id, const slice *written, int n,
	const struct audit_by *by, arena *a, int *added, slice *why);
status group_member_remove(
	int64_t postoffice, int64_t id, slice written, const struct audit_by *by); /* ST_ABSENT */
/* The groups that have an address of the mailbox among their members, by name, and that address:
   whoever is given it later is a member. */
struct group_membership {
	slice group, address;
};
status group_memberships(
	int64_t postoffice, int64_t mailbox, arena *a, struct group_membership **rows, int *n);

#endif
