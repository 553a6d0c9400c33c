/* What every change of stored facts writes beside itself, in the same transaction: a row of the
   audit and, where other processes keep copies of such facts, a new revision they hear of at once,
   and see within a second whatever became of the news. */
#ifndef PENNYPOST_PROVIDER_CHANGE_H
#define PENNYPOST_PROVIDER_CHANGE_H

#include "provider/audit.h"
#include "provider/db.h"

/* postoffice 0 = the server (DB_SYSTEM only). `action` is "mailbox.make", "setting.set"; `object`
   the name of what was changed; `detail` a JSON text or empty. `by` NULL = the house itself. The
   slices are lent until the transaction's next flush or commit. */
void change_audit(db_tx *tx, int64_t postoffice, const struct audit_by *by, const char *action,
	slice object, slice detail);

/* {"name":"value",..} for `detail`, in the arena. Bytes that are not UTF-8 become U+FFFD. */
struct change_fact {
	const char *name;
	slice value;
};
slice change_detail(arena *a, const struct change_fact *facts, int n);

enum revision {
	REVISION_SETTING, /* table setting */
	REVISION_ROUTING, /* domains, addresses, states of mailboxes and post offices */
	REVISION_AUTH,    /* passwords, states, what names stand for: remembered logons are void */
	REVISION_BAN,     /* table ban */
	REVISION_QUEUE,   /* an operator's order: what a runner has claimed may be held or gone */
	REVISIONS
};
/* As table revision has it. */
const char *revision_name(enum revision r);
#define RAISES(r) (1u << (r))
/* Last in the transaction: the row stays locked until the commit. */
void change_rise(db_tx *tx, enum revision r);

/* Ends a transaction that changed something: audit, the revisions in `raises` (RAISES(r) | ..),
   commit; and this process hears of it at once. */
status change_commit_raising(db_tx **tx, int64_t postoffice, const struct audit_by *by,
	const char *action, slice object, slice detail, unsigned raises);
/* The same for what changes where mail goes and nobody's logon. */
status change_commit(db_tx **tx, int64_t postoffice, const struct audit_by *by, const char *action,
	slice object, slice detail);
/* The whole of a change that one tenant statement makes, which gives the object's name. ST_ABSENT:
   it gave no row. */
status change_named(int64_t postoffice, enum statement_id change, const struct param *params, int n,
	const struct audit_by *by, const char *action, slice detail, arena *a);

/* Runs `seen` in the watch task of this process (and at once in the process that made the change,
   through change_tell) whenever the revision is another than before. Registered before
   provider_open; never removed. `seen` may wait and call providers. */
void change_watch(enum revision r, void (*seen)(void));
/* After the commit of a change made here: this process need not wait for the poll. */
void change_tell(enum revision r);

#endif
