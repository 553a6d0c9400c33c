/* Mailboxes: accounts of a post office. The name is fixed after creation (A20); 1..64 characters,
   no control characters, spaces, `@`, `/` or quotes; folded for comparison. */
#ifndef PENNYPOST_PROVIDER_MAILBOX_H
#define PENNYPOST_PROVIDER_MAILBOX_H

#include "provider/audit.h"

enum mailbox_kind { MAILBOX_USER = 0, MAILBOX_ADMIN = 1, MAILBOX_SYSADMIN = 2 }; /* A24 */
enum mailbox_state { MAILBOX_ENABLED = 0, MAILBOX_DISABLED = 1 };                /* A26 */
#define MAILBOX_QUOTA_MOST (INT64_C(1) << 50) /* bytes; what goes over a quota is added to it */

typedef struct mailbox {
	int64_t id, postoffice;
	slice name, postoffice_name;
	enum mailbox_kind kind;
	enum mailbox_state state;
	int64_t quota; /* bytes; 0 = none */
	int64_t used;  /* bytes */
	int64_t messages;
	int64_t modseq;
	int64_t inbox; /* folder id */
	usec made;
	usec last_logon; /* 0 = none; by other services than POP3 to a day */
} mailbox;

/* Whether it may administer its post office, as it was when it was read. */
static inline bool mailbox_administers(const mailbox *m)
{
	return m->kind != MAILBOX_USER && m->state == MAILBOX_ENABLED;
}

struct mailbox_new {
	slice name, password;
	enum mailbox_kind kind;
	int64_t quota;     /* -1 = the setting mailbox_quota */
	bool no_addresses; /* else one per domain of the post office is made (A28) */
};
/* ST_EXISTS, ST_INVALID (*why), ST_ABSENT (post office). Makes INBOX too, and the
   folders of the setting mailbox_folders, subscribed. */
status mailbox_make(int64_t postoffice, const struct mailbox_new *n, const struct audit_by *by,
	arena *a, mailbox **out, slice *why);
/* Many at once with one password (hashed once per mailbox unless `same_hash`, which is for load
   tests): names PREFIX0001.. in batches; for quickstart --mailboxes. Existing ones are left. */
status mailbox_make_many(int64_t postoffice, slice prefix, unsigned first, unsigned last,
	slice password, bool same_hash, const struct audit_by *by, unsigned *made);
status mailbox_find(int64_t postoffice, slice name, arena *a, mailbox **out);  /* ST_ABSENT */
status mailbox_by_id(int64_t postoffice, int64_t id, arena *a, mailbox **out); /* ST_ABSENT */
/* What the audit calls it: its name; its number when it is gone. */
status mailbox_shown(int64_t postoffice, int64_t id, arena *a, slice *out);
status mailbox_list(
	int64_t postoffice, slice after, unsigned most, arena *a, mailbox **rows, int *n);
/* The next three: ST_ABSENT; what became of a commit whose answer was lost is found out (settle.h).
   These two and mailbox_remove(): ST_DENIED where the post office cannot do without it
   (mailbox_duty.h). */
status mailbox_set_state(
	int64_t postoffice, int64_t id, enum mailbox_state s, const struct audit_by *by);
status mailbox_set_kind(
	int64_t postoffice, int64_t id, enum mailbox_kind k, const struct audit_by *by);
/* 0 = none. ST_INVALID: below that, or above MAILBOX_QUOTA_MOST. */
status mailbox_set_quota(int64_t postoffice, int64_t id, int64_t quota, const struct audit_by *by);
/* The same by a tenant, who may do so again and again: no process throws away what it keeps of all post offices. What
   is stored goes by it at once, what is asked before (address_map.h) within ten seconds. */
status mailbox_let_quota(int64_t postoffice, int64_t id, int64_t quota, const struct audit_by *by);
/* Stores hash, SCRAM verifier and, where auth_recoverable is on, the encrypted secret; voids every
   cached logon. ST_INVALID when it breaks a rule (*why), ST_ABSENT. */
status mailbox_set_password(int64_t postoffice, int64_t id, slice password,
	const struct audit_by *by, arena *a, slice *why);
/* Removes mailbox, folders, entries and addresses. The entries are kept as expunged for the
   retention, and their messages with them, but nothing gives them back: folder_undelete wants the
   mailbox. ST_ABSENT. */
status mailbox_remove(int64_t postoffice, int64_t id, const struct audit_by *by);
bool mailbox_has_room(const mailbox *m, uint64_t size);

#endif
