/* See redirection.h. A change raises the revision of routing, since routes tell whether there is one. */
#include "provider/redirection.h"

#include "provider/change.h"
#include "provider/redirection_check.h"

static status commit(db_tx **tx, int64_t postoffice, const struct audit_by *by, const char *action, slice name,
	slice detail)
{
	change_audit(*tx, postoffice, by, action, name, detail);
	change_rise(*tx, REVISION_ROUTING);
	TRY(db_commit(tx, NULL));
	change_tell(REVISION_ROUTING);
	return ST_OK;
}

status redirection_set(int64_t postoffice, int64_t mailbox, const slice *written, int n, bool keep,
	const struct audit_by *by, arena *a, slice *why)
{
	redirection r = {.keep = keep};
	struct rows named;

	TRY(redirection_check(postoffice, mailbox, written, n, a, &r, why));
	const struct change_fact facts[] = {{"keep", keep ? S("yes") : S("no")},
		{"targets", redirection_list(&r, a)}};
	db_tx *tx = db_begin(DB_RUN, a);
	db_add(tx, SQL_REDIRECTION_SET,
		(struct param[]){p_int(postoffice), p_int(mailbox), p_bool(keep),
			p_text_array(r.targets, r.n)},
		4, &named);
	status kind = db_flush(tx);
	if (kind == ST_OK && named.count == 1)
		return commit(&tx, postoffice, by, "redirection.set", row_slice(&named, 0, 0),
			change_detail(a, facts, 2));
	db_rollback(&tx);
	return kind == ST_OK ? ST_ABSENT : kind;
}

status redirection_of(int64_t postoffice, int64_t mailbox, arena *a, redirection *out)
{
	struct rows r;
	slice all, one;
	int room = 1;

	TRY(db_one(SQL_REDIRECTION_OF, (struct param[]){p_int(postoffice), p_int(mailbox)}, 2, a, &r));
	all = row_slice(&r, 0, 1);
	for (size_t i = 0; i < all.size; i++)
		room += all.at[i] == '\n';
	*out = (redirection){.keep = row_bool(&r, 0, 0),
		.targets = arena_new_array(a, (size_t)room, sizeof *out->targets)};
	while (slice_take(&all, '\n', &one))
		if (one.size)
			out->targets[out->n++] = one;
	return ST_OK;
}

status redirection_remove(int64_t postoffice, int64_t mailbox, const struct audit_by *by)
{
	arena a = ARENA_INIT;
	struct rows named;
	db_tx *tx = db_begin(DB_RUN, &a);

	db_add(tx, SQL_REDIRECTION_REMOVE, (struct param[]){p_int(postoffice), p_int(mailbox)}, 2, &named);
	status kind = db_flush(tx);
	if (kind == ST_OK && named.count == 1) {
		kind = commit(&tx, postoffice, by, "redirection.remove", row_slice(&named, 0, 0), S(""));
	} else {
		db_rollback(&tx);
		kind = kind == ST_OK ? ST_ABSENT : kind;
	}
	arena_release(&a);
	return kind;
}
