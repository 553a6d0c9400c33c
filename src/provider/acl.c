/* Rights to folders in PostgreSQL: changed under the lock of their owner's mailbox. */
#include "provider/acl_row.h"

#include "mail/address.h"
#include "provider/change.h"
#include "provider/folder_row.h"
#include "provider/news.h"
#include "provider/setting.h"
#include "provider/settle.h"

enum { OWNER = 13, RIGHTS = 14 }; /* behind the folder's columns */
enum { MAYBE_MORE = 14 };         /* of folder_tree */

status acl_who(int64_t postoffice, slice written, arena *a, struct acl_entry *out)
{
	struct rows r;

	struct auth_name n = {0};

	if (acl_is_anyone(&written, out))
		return ST_OK;
	acl_name_apart(written, a, &n);
	TRY(db_one(SQL_ACL_WHO,
		(struct param[]){p_int(postoffice), p_text(mail_local_key(written, a)),
			p_text(n.mailbox), p_text(n.realm), p_text(n.domain)},
		5, a, &r));
	out->kind = (enum acl_kind)row_int(&r, 0, 0);
	out->who = row_int(&r, 0, 1);
	out->name = row_slice(&r, 0, 2);
	return ST_OK;
}

status acl_list(int64_t postoffice, int64_t folder, arena *a, struct acl_entry **rows, int *n)
{
	struct rows r;

	TRY(db_run(
		SQL_ACL_OF_FOLDER, (struct param[]){p_int(postoffice), p_int(folder)}, 2, a, &r));
	*rows = arena_new_array(a, (size_t)r.count, sizeof **rows);
	for (int i = 0; i < r.count; i++)
		(*rows)[i] = (struct acl_entry){
			.kind = (enum acl_kind)row_int(&r, i, 0),
			.who = row_int(&r, i, 1),
			.name = row_slice(&r, i, 2),
			.negative = row_bool(&r, i, 3),
			.rights = (unsigned)row_int(&r, i, 4),
		};
	*n = r.count;
	return ST_OK;
}

/* ---- changing */

struct turn {
	const folder *f;
	const struct acl_entry *who;
	const struct acl_change *change;
	const struct audit_by *by;
	arena a; /* scratch of one run */
};

static slice detail_of(struct turn *t)
{
	text added = TEXT_INIT, removed = TEXT_INIT;

	acl_rights_text(t->change->add, &added);
	acl_rights_text(t->change->remove & ~t->change->add, &removed);
	slice detail = change_detail(&t->a,
		(struct change_fact[]){
			{"who", arena_format(&t->a, "%s%.*s", t->who->negative ? "-" : "",
					SLICE_ARGS(t->who->name))},
			{"added", text_slice(&added)}, {"removed", text_slice(&removed)}},
		3);
	text_free(&added);
	text_free(&removed);
	return detail;
}

static status set_once(void *arg, bool again)
{
	struct turn *t = arg;
	const folder *f = t->f;
	struct param folder[] = {p_int(f->postoffice), p_int(f->id)};
	struct setting_at at = {.postoffice = f->postoffice, .mailbox = f->mailbox};
	struct rows put;

	(void)again;
	arena_clear(&t->a);
	db_tx *tx = settle_begin(f->postoffice, &f->mailbox, &t->a);
	db_add(tx, SQL_ACL_PUT,
		(struct param[]){folder[0], p_int(f->mailbox), folder[1], p_int(t->who->kind),
			p_int(t->who->who), p_bool(t->who->negative), p_int(t->change->remove),
			p_int(t->change->add)},
		8, &put);
	db_add(tx, SQL_ACL_PRUNE, folder, 2, NULL);
	if (t->change->add)
		db_add(tx, SQL_ACL_FITS,
			(struct param[]){folder[0], folder[1],
				p_int(setting_number(S_folder_rights_most, &at))},
			3, NULL);
	change_audit(tx, f->postoffice, t->by, "folder.rights", f->name, detail_of(t));
	status s = db_commit(&tx, NULL);
	if (s == ST_INVALID)
		return ST_LIMITED;
	return s == ST_OK && put.changed == 0 ? ST_ABSENT : s;
}

status acl_set(const folder *f, const struct acl_entry *who, const struct acl_change *change,
	const struct audit_by *by)
{
	struct turn t = {.f = f, .who = who, .change = change, .by = by};

	if (who->kind == ACL_MAILBOX && who->who == f->mailbox)
		return ST_DENIED;
	status s = settle(set_once, &t);
	arena_release(&t.a);
	if (s != ST_OK && s != ST_UNSURE)
		return s;
	news_tell(f->postoffice, f->mailbox, f->id);
	if (who->kind == ACL_MAILBOX)
		news_tell(f->postoffice, who->who, 0);
	return s;
}

/* ---- what a reader may do */

static status place_read(const struct param *p, arena *a, struct acl_place *out)
{
	struct rows r;

	TRY(db_one(SQL_ACL_FIND, p, 6, a, &r));
	folder_read(&r, 0, &out->f);
	out->owner = row_slice(&r, 0, OWNER);
	out->rights = (unsigned)row_int(&r, 0, RIGHTS);
	return ST_OK;
}

status acl_find(int64_t postoffice, int64_t reader, slice owner, slice name, arena *a,
	struct acl_place *out)
{
	slice stored;

	if (folder_name(name, a, &stored) != ST_OK)
		return ST_ABSENT;
	return place_read(
		(struct param[]){p_int(postoffice), p_int(reader), p_text(mail_local_key(owner, a)),
			p_text(stored), p_int(0), p_int(0)},
		a, out);
}

status acl_again(
	int64_t postoffice, int64_t reader, int64_t folder, arena *a, struct acl_place *out)
{
	return place_read((struct param[]){p_int(postoffice), p_int(reader), p_text(S("")),
				  p_text(S("")), p_int(folder), p_int(0)},
		a, out);
}

/* Of folder_tree: nobody shares anything that could be for this reader. */
static bool is_alone(const struct rows *own)
{
	for (int i = 0; i < own->count; i++)
		if (row_bool(own, i, MAYBE_MORE))
			return false;
	return own->count > 0;
}

status acl_tree(int64_t postoffice, int64_t reader, arena *a, struct folder_row **rows, int *n)
{
	struct param p[] = {p_int(postoffice), p_int(reader)};
	struct folder_row *given;
	struct rows r;

	/* Most have none of it, and pay for no more than their own. */
	TRY(db_run(SQL_FOLDER_TREE, p, 2, a, &r));
	bool alone = is_alone(&r);
	if (!alone)
		TRY(db_run(SQL_ACL_TREE, p, 2, a, &r));
	given = arena_new_array(a, (size_t)r.count + 1, sizeof *given);
	for (int i = 0; i < r.count; i++) {
		folder_read(&r, i, &given[i].f);
		given[i].subscribed = row_bool(&r, i, 13);
		bool own = alone || row_null(&r, i, 14);
		given[i].rights = own ? ACL_ALL : (unsigned)row_int(&r, i, 15);
		if (own)
			continue;
		given[i].f.name = acl_name(row_slice(&r, i, 14), given[i].f.name, a);
		given[i].f.special = 0;
	}
	acl_grow(postoffice, reader, given, r.count, a, rows, n);
	return ST_OK;
}
