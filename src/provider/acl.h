/* Sharing: what others than its owner may do with a folder (RFC 4314). Rights are given, or denied,
   to a mailbox of the same post office, to whoever is in one of its groups, or to anyone: all its
   mailboxes. What a reader may do is all that he is given, without all that he is denied. The owner
   of a mailbox may do everything in it, always; nobody may do anything across post offices.

   A folder that is made takes over the rights of the one above it. Rights go with their folder, and
   stay with it when it is renamed. A reader knows a folder of others as "Other Users/", the owner's
   name, "/" and its name. */
#ifndef PENNYPOST_PROVIDER_ACL_H
#define PENNYPOST_PROVIDER_ACL_H

#include "base/text.h"
#include "provider/audit.h"
#include "provider/folder.h"

#define ACL_LOOKUP (1u << 0)      /* l: it is there */
#define ACL_READ (1u << 1)        /* r */
#define ACL_SEEN (1u << 2)        /* s: keep \Seen, which all readers of a folder share */
#define ACL_WRITE (1u << 3)       /* w: other flags and keywords */
#define ACL_INSERT (1u << 4)      /* i */
#define ACL_POST (1u << 5)        /* p: kept and told; nothing asks for it */
#define ACL_CREATE (1u << 6)      /* k: folders below it */
#define ACL_REMOVE (1u << 7)      /* x: the folder */
#define ACL_DELETE (1u << 8)      /* t: \Deleted */
#define ACL_EXPUNGE (1u << 9)     /* e */
#define ACL_ADMINISTER (1u << 10) /* a: change rights */
#define ACL_ALL ((1u << 11) - 1)

/* Letters, each once or more; the old "c" is "kx" and "d" is "te" (2.1.1). ST_INVALID: there is no
   such right. */
status acl_rights_parse(slice letters, unsigned *rights);
/* "lrs"; with "c" and "d" where one of what they stand for is among them. */
void acl_rights_text(unsigned rights, text *out);

enum acl_kind { ACL_ANYONE = 0, ACL_MAILBOX = 1, ACL_GROUP = 2 };

struct acl_entry {
	enum acl_kind kind;
	int64_t who;   /* id of the mailbox or group */
	slice name;    /* as it was made; "anyone" */
	bool negative; /* denied, not given: "-anna" on the wire */
	unsigned rights;
};

/* Whom "anna", "-anna" or "anyone" stands for, with no rights yet: a mailbox or group of that name,
   or what else a mailbox logs on by
   ("anna@demo", her addresses) and a group is written to. ST_ABSENT: nobody of this post office. */
status acl_who(int64_t postoffice, slice written, arena *a, struct acl_entry *out);
/* ST_INVALID (*why): a mailbox or group that is made cannot be called "anyone", in any case: who
   meant to share with it would share with all. */
status acl_name_check(slice name, slice *why);
/* All of a folder: who is given rights, then who is denied some; without its owner. */
status acl_list(int64_t postoffice, int64_t folder, arena *a, struct acl_entry **rows, int *n);

struct acl_change {
	unsigned remove, add; /* new = old & ~remove | add */
};
/* Changes what one entry gives or denies; without rights it is gone. ST_ABSENT: no such folder, or
   whom it is for is gone; ST_LIMITED: more entries than the setting folder_rights_most; ST_DENIED:
   they are its owner's. */
status acl_set(const folder *f, const struct acl_entry *who, const struct acl_change *change,
	const struct audit_by *by);

/* ---- what a reader may do */

struct acl_place { /* a folder of another mailbox of the post office */
	folder f;
	slice owner;     /* the mailbox's name */
	unsigned rights; /* the reader's; may be 0 */
};
/* ST_ABSENT: no such mailbox or folder, or it is the reader's own. */
status acl_find(int64_t postoffice, int64_t reader, slice owner, slice name, arena *a,
	struct acl_place *out);
/* The same by its id. */
status acl_again(
	int64_t postoffice, int64_t reader, int64_t folder, arena *a, struct acl_place *out);

/* The reader's own tree (folder_tree) and, under the names he knows them by, the folders others
   share with him by ACL_LOOKUP, with his rights: in one round trip, as cheap as folder_tree, where
   nothing is shared with him by his name, with a group or with anyone; else in two. Rows tell by
   f.mailbox whose they are; special uses are their owner's and not told. What is called as those of
   others are, and is his own, is left out. */
status acl_tree(int64_t postoffice, int64_t reader, arena *a, struct folder_row **rows, int *n);

/* "Other Users/anna/Work" apart; without a folder *name is empty, without an owner both are. False:
   it is one's own. */
bool acl_name_split(slice written, slice *owner, slice *name);
slice acl_name(slice owner, slice name, arena *a);
#define ACL_NAMESPACE "Other Users"

#endif
