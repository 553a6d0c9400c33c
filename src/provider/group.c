/* Groups of a post office. */
#include "provider/group.h"

#include "base/id.h"
#include "mail/address.h"
#include "provider/acl.h"
#include "provider/change.h"
#include "provider/group_row.h"
#include "provider/mailbox.h"
#include "provider/setting.h"

/* ---- groups */

status group_make(int64_t postoffice, slice name, slice title, enum group_posting posting,
	const struct audit_by *by, arena *a, group **out, slice *why)
{
	struct rows r;
	db_tx *tx;
	status s;

	TRY(group_name_check(name, title, why));
	TRY(acl_name_check(name, why));
	slice folded = mail_local_key(name, a);
	tx = db_begin(DB_RUN, a);
	db_add(tx, SQL_GROUP_INSERT,
		(struct param[]){p_int(postoffice), p_int(id_new()), p_text(name), p_text(folded),
			p_text(title), p_int(posting)},
		6, &r);
	s = db_flush(tx);
	if (s != ST_OK || r.changed == 0) {
		db_rollback(&tx);
		if (s == ST_OK || s == ST_EXISTS)
			*why = s == ST_OK ? S("a mailbox has this name")
					  : S("a group of this name exists");
		return s == ST_OK ? ST_EXISTS : s;
	}
	TRY(change_commit(&tx, postoffice, by, "group.make", name,
		change_detail(a,
			(struct change_fact[]){{"posting", slice_z(group_posting_word(posting))}},
			1)));
	return group_find(postoffice, name, a, out);
}

static group group_read(const struct rows *r, int row, int64_t postoffice)
{
	return (group){
		.id = row_int(r, row, 0),
		.postoffice = postoffice,
		.name = row_slice(r, row, 1),
		.title = row_slice(r, row, 2),
		.posting = (enum group_posting)row_int(r, row, 3),
		.members = row_int(r, row, 4),
	};
}

/* One line each. */
static void addresses_read(slice lines, arena *a, group *g)
{
	int n = lines.size > 0;

	for (size_t i = 0; i < lines.size; i++)
		n += lines.at[i] == '\n';
	g->addresses = arena_new_array(a, (size_t)n, sizeof *g->addresses);
	for (slice one; g->address_count < n && slice_take(&lines, '\n', &one);)
		g->addresses[g->address_count++] = one;
}

status group_find(int64_t postoffice, slice name, arena *a, group **out)
{
	struct rows r;

	TRY(db_one(SQL_GROUP_FIND,
		(struct param[]){p_int(postoffice), p_text(mail_local_key(name, a))}, 2, a, &r));
	*out = arena_new(a, sizeof **out);
	**out = group_read(&r, 0, postoffice);
	addresses_read(row_slice(&r, 0, 5), a, *out);
	return ST_OK;
}

status group_list(int64_t postoffice, slice after, unsigned most, arena *a, group **rows, int *n)
{
	struct rows r;

	TRY(db_run(SQL_GROUP_LIST,
		(struct param[]){p_int(postoffice), p_text(mail_local_key(after, a)), p_int(most)},
		3, a, &r));
	*rows = arena_new_array(a, (size_t)r.count, sizeof **rows);
	for (int i = 0; i < r.count; i++)
		(*rows)[i] = group_read(&r, i, postoffice);
	*n = r.count;
	return ST_OK;
}

status group_change(const group *g, const struct audit_by *by, arena *a, slice *why)
{
	TRY(group_name_check(g->name, g->title, why));
	return change_named(g->postoffice, SQL_GROUP_CHANGE,
		(struct param[]){
			p_int(g->postoffice), p_int(g->id), p_text(g->title), p_int(g->posting)},
		4, by, "group.change",
		change_detail(a,
			(struct change_fact[]){{"posting", slice_z(group_posting_word(g->posting))},
				{"title", g->title}},
			2),
		a);
}

status group_remove(int64_t postoffice, int64_t id, const struct audit_by *by)
{
	arena a = ARENA_INIT;
	status s = change_named(postoffice, SQL_GROUP_REMOVE,
		(struct param[]){p_int(postoffice), p_int(id)}, 2, by, "group.remove", S(""), &a);

	arena_release(&a);
	return s;
}

/* ---- members */

status group_members(int64_t postoffice, int64_t id, slice after, unsigned most, arena *a,
	group_member **rows, int *n)
{
	struct rows r;

	TRY(db_run(SQL_GROUP_MEMBERS,
		(struct param[]){p_int(postoffice), p_int(id), p_text(after), p_int(most)}, 4, a,
		&r));
	*rows = arena_new_array(a, (size_t)r.count, sizeof **rows);
	for (int i = 0; i < r.count; i++)
		(*rows)[i] = (group_member){
			row_slice(&r, i, 0), row_slice(&r, i, 1), row_slice(&r, i, 2)};
	*n = r.count;
	return ST_OK;
}

/* The rows are there; *added of them are new. */
static status members_run(int64_t postoffice, int64_t id, const group_member *all, int n, db_tx *tx,
	arena *a, slice *name, int *added)
{
	int64_t most = setting_number(
		S_group_members_most, &(struct setting_at){.postoffice = postoffice});
	slice *column = arena_new_array(a, (size_t)n * 3, sizeof *column);
	struct rows group, made;

	for (int i = 0; i < n; i++) {
		column[i] = all[i].key;
		column[n + i] = all[i].address;
		column[2 * n + i] = all[i].domain;
	}
	db_add(tx, SQL_GROUP_LOCK, (struct param[]){p_int(postoffice), p_int(id)}, 2, &group);
	db_add(tx, SQL_GROUP_MEMBERS_ADD,
		(struct param[]){p_int(postoffice), p_int(id), p_text_array(column, n),
			p_text_array(column + n, n), p_text_array(column + 2 * n, n)},
		5, &made);
	db_add(tx, SQL_GROUP_MEMBERS_WITHIN,
		(struct param[]){p_int(postoffice), p_int(id), p_int(most)}, 3, NULL);
	TRY(db_flush(tx));
	*name = row_slice(&group, 0, 0);
	*added = (int)made.changed;
	return ST_OK;
}

status group_members_add(int64_t postoffice, int64_t id, const slice *written, int n,
	const struct audit_by *by, arena *a, int *added, slice *why)
{
	group_member *all;
	slice name;
	status s;

	TRY(group_members_parse(written, n, a, &all, why));
	db_tx *tx = db_begin(DB_RUN, a);
	s = members_run(postoffice, id, all, n, tx, a, &name, added);
	if (s == ST_OK)
		return change_commit(&tx, postoffice, by, "group.members.add", name,
			change_detail(a,
				(struct change_fact[]){{"added", arena_format(a, "%d", *added)},
					{"first", n > 0 ? all[0].key : S("")}},
				2));
	db_rollback(&tx);
	if (s != ST_INVALID)
		return s;
	*why = S("the group would have more members than group_members_most allows");
	return ST_LIMITED;
}

status group_member_remove(int64_t postoffice, int64_t id, slice written, const struct audit_by *by)
{
	arena a = ARENA_INIT;
	mail_address m;
	status s = ST_ABSENT;

	if (mail_address_parse(written, &a, &m) == ST_OK) {
		slice key = mail_address_key(&m, &a);
		db_tx *tx = db_begin(DB_RUN, &a);
		struct rows group, gone;

		db_add(tx, SQL_GROUP_LOCK, (struct param[]){p_int(postoffice), p_int(id)}, 2,
			&group);
		db_add(tx, SQL_GROUP_MEMBER_REMOVE,
			(struct param[]){p_int(postoffice), p_int(id), p_text(key)}, 3, &gone);
		s = db_flush(tx);
		if (s == ST_OK && gone.changed > 0) {
			s = change_commit(&tx, postoffice, by, "group.members.remove",
				row_slice(&group, 0, 0),
				change_detail(&a, (struct change_fact[]){{"member", key}}, 1));
		} else {
			db_rollback(&tx);
			s = s == ST_OK ? ST_ABSENT : s;
		}
	}
	arena_release(&a);
	return s;
}

status group_memberships(
	int64_t postoffice, int64_t mailbox, arena *a, struct group_membership **rows, int *n)
{
	struct rows r;

	TRY(db_run(SQL_GROUP_MEMBERSHIPS, (struct param[]){p_int(postoffice), p_int(mailbox)}, 2, a,
		&r));
	*rows = arena_new_array(a, (size_t)r.count, sizeof **rows);
	for (int i = 0; i < r.count; i++)
		(*rows)[i] = (struct group_membership){row_slice(&r, i, 0), row_slice(&r, i, 1)};
	*n = r.count;
	return ST_OK;
}

/* ---- a message comes */

status group_expand(int64_t postoffice, const int64_t *groups, int n, int most, arena *a,
	struct group_lead **rows, int *count)
{
	enum {
		NAME = 1,
		POSTING,
		WRITTEN,
		HERE,
		GROUP,
		MAILBOX,
		MAILBOX_NAME,
		STATE,
		INBOX,
		QUOTA,
		USED,
		HANDLING
	};
	struct rows r;

	TRY(db_run(SQL_GROUP_EXPAND,
		(struct param[]){p_int(postoffice), p_int_array(groups, n), p_int(most)}, 3, a,
		&r));
	*rows = arena_new_array(a, (size_t)r.count, sizeof **rows);
	for (int i = 0; i < r.count; i++)
		(*rows)[i] = (struct group_lead){
			.name = row_slice(&r, i, NAME),
			.posting = (enum group_posting)row_int(&r, i, POSTING),
			.written = row_slice(&r, i, WRITTEN),
			.here = row_bool(&r, i, HERE),
			.known = !row_null(&r, i, GROUP) || !row_null(&r, i, MAILBOX),
			.kind = row_int(&r, i, STATE) == MAILBOX_ENABLED ? ST_OK : ST_DENIED,
			.route = {.postoffice = postoffice,
				.group = row_int(&r, i, GROUP),
				.mailbox = row_int(&r, i, MAILBOX),
				.mailbox_name = row_slice(&r, i, MAILBOX_NAME),
				.inbox = row_int(&r, i, INBOX),
				.quota = row_int(&r, i, QUOTA),
				.used = row_int(&r, i, USED),
				.handling = (unsigned)row_int(&r, i, HANDLING)},
		};
	*count = r.count;
	return ST_OK;
}
