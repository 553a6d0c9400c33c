/* Post offices: the tenants. A new one is born with its administrator mailbox in one
   transaction. */
#include "provider/postoffice.h"

#include "base/id.h"
#include "provider/change.h"
#include "provider/mailbox_fresh.h"
#include "provider/setting.h"

#define REMOVE_BATCH 5000 /* rows in one transaction while a post office is emptied */

status postoffice_make(slice name, slice admin_password, const struct audit_by *by, arena *a,
	postoffice **out, slice *why)
{
	int64_t id = id_new();
	struct mailbox_fresh admin;
	struct rows made;
	slice folded;
	status s;

	if (postoffice_name(name, a, &folded) != ST_OK) {
		*why = S(
			"a post office name has 1 to 64 of a-z 0-9 . _ - and begins with a letter or digit");
		return ST_INVALID;
	}
	TRY(mailbox_fresh_make(id, S("postmaster"), admin_password, false, a, &admin, why));
	db_tx *tx = db_begin(DB_RUN, a);
	db_add(tx, SQL_POSTOFFICE_INSERT, (struct param[]){p_int(id), p_text(folded)}, 2, NULL);
	mailbox_fresh_add(
		tx, id, &admin, 1, MAILBOX_ADMIN, setting_number(S_mailbox_quota, NULL), a, &made);
	change_audit(tx, id, by, "postoffice.make", folded, S(""));
	change_rise(tx, REVISION_ROUTING);
	s = db_commit(&tx, NULL);
	if (s == ST_EXISTS)
		*why = S("a post office of this name exists");
	TRY(s);
	change_tell(REVISION_ROUTING);
	return postoffice_by_id(id, a, out);
}

static void postoffice_read(const struct rows *r, int row, postoffice *p)
{
	*p = (postoffice){
		.id = row_int(r, row, 0),
		.name = row_slice(r, row, 1),
		.state = (enum postoffice_state)row_int(r, row, 2),
		.made = row_time(r, row, 3),
		.mailboxes = row_int(r, row, 4),
		.domains = row_int(r, row, 5),
		.bytes = row_int(r, row, 6),
	};
}

static status postoffice_one(enum statement_id id, struct param p, arena *a, postoffice **out)
{
	struct rows r;

	TRY(db_one(id, &p, 1, a, &r));
	*out = arena_new(a, sizeof **out);
	postoffice_read(&r, 0, *out);
	return ST_OK;
}

status postoffice_find(slice name, arena *a, postoffice **out)
{
	slice folded;

	if (postoffice_name(name, a, &folded) != ST_OK)
		return ST_ABSENT;
	return postoffice_one(SQL_POSTOFFICE_FIND, p_text(folded), a, out);
}

status postoffice_by_id(int64_t id, arena *a, postoffice **out)
{
	return postoffice_one(SQL_POSTOFFICE_BY_ID, p_int(id), a, out);
}

status postoffice_list(slice after, unsigned most, arena *a, postoffice **rows, int *n)
{
	struct rows r;

	TRY(db_run(SQL_POSTOFFICE_LIST, (struct param[]){p_text(after), p_int(most)}, 2, a, &r));
	*rows = arena_new_array(a, (size_t)r.count, sizeof **rows);
	for (int i = 0; i < r.count; i++)
		postoffice_read(&r, i, &(*rows)[i]);
	*n = r.count;
	return ST_OK;
}

/* A statement that changes the post office and gives its name, audited. */
static status postoffice_change(enum statement_id id, const struct param *p, int n,
	const char *action, const char *const *words, const struct audit_by *by)
{
	arena a = ARENA_INIT;
	db_tx *tx = db_begin(DB_RUN, &a);
	struct rows r;
	status s;

	db_add(tx, id, p, n, &r);
	s = db_flush(tx);
	if (s == ST_OK && r.count == 0)
		s = ST_ABSENT;
	if (s == ST_OK)
		s = change_commit_raising(&tx, p[0].number, by, action, row_slice(&r, 0, 0),
			words ? change_detail(&a,
					(struct change_fact[]){
						{"state", slice_z(words[p[1].number])},
						{"was", slice_z(words[row_int(&r, 0, 1)])}},
					2)
			      : S(""),
			RAISES(REVISION_ROUTING) | RAISES(REVISION_AUTH));
	else
		db_rollback(&tx);
	arena_release(&a);
	return s;
}

status postoffice_set_state(int64_t id, enum postoffice_state s, const struct audit_by *by)
{
	static const char *const words[] = {
		[POSTOFFICE_ENABLED] = "enabled", [POSTOFFICE_DISABLED] = "disabled"};

	return postoffice_change(SQL_POSTOFFICE_SET_STATE, (struct param[]){p_int(id), p_int(s)}, 2,
		"postoffice.state", words, by);
}

/* What no foreign key ties to the post office. */
static const enum statement_id emptying[] = {
	SQL_POSTOFFICE_EMPTY_ENTRIES,
	SQL_POSTOFFICE_EMPTY_PACKS, /* become rows of the next one's */
	SQL_POSTOFFICE_EMPTY_EXPUNGED,
	SQL_POSTOFFICE_EMPTY_CHANGES,
	SQL_POSTOFFICE_EMPTY_MESSAGES,
	SQL_POSTOFFICE_EMPTY_MESSAGE_VIEWS,
	SQL_POSTOFFICE_EMPTY_SKETCHES,
	SQL_POSTOFFICE_EMPTY_OUTCOMES,
	SQL_POSTOFFICE_EMPTY_SEGMENTS,
	SQL_POSTOFFICE_EMPTY_BLOBS,
};

static status postoffice_empty(int64_t id)
{
	struct param p[] = {p_int(id), p_int(REMOVE_BATCH)};
	arena a = ARENA_INIT;
	status s = db_run(SQL_POSTOFFICE_EMPTY_QUEUE, p, 1, &a, NULL);

	for (size_t i = 0; i < sizeof emptying / sizeof *emptying && s == ST_OK; i++) {
		struct rows r;

		do {
			s = db_run(emptying[i], p, 2, &a, &r);
			arena_clear(&a);
		} while (s == ST_OK && r.changed == REMOVE_BATCH);
	}
	if (s == ST_OK)
		s = db_run(SQL_POSTOFFICE_EMPTY_REFUSALS, p, 1, &a, NULL);
	if (s == ST_OK)
		s = db_run(SQL_POSTOFFICE_EMPTY_LOGONS, p, 1, &a, NULL);
	if (s == ST_OK)
		s = db_run(SQL_POSTOFFICE_SETTINGS_REMOVE, p, 1, &a, NULL);
	arena_release(&a);
	return s;
}

/* Disabled first, so that nothing comes in or is read while it is emptied; emptied once more at the
   end, for what was under way. Broken off, it stays disabled and can be removed again. */
status postoffice_remove(int64_t id, const struct audit_by *by)
{
	TRY(postoffice_set_state(id, POSTOFFICE_DISABLED, by));
	TRY(postoffice_empty(id));
	TRY(postoffice_change(SQL_POSTOFFICE_REMOVE, (struct param[]){p_int(id)}, 1,
		"postoffice.remove", NULL, by));
	TRY(postoffice_empty(id));
	return db_run(SQL_POSTOFFICE_EMPTY_LEDGER, (struct param[]){p_int(id)}, 1, NULL, NULL);
}
