#include "provider/change.h"

#include "base/id.h"
#include "base/text.h"
#include "base/utf8.h"

const char *revision_name(enum revision r)
{
	static const char *const names[REVISIONS] = {[REVISION_SETTING] = "setting",
		[REVISION_ROUTING] = "routing",
		[REVISION_AUTH] = "auth",
		[REVISION_BAN] = "ban",
		[REVISION_QUEUE] = "queue"};
	return names[r];
}

void change_audit(db_tx *tx, int64_t postoffice, const struct audit_by *by, const char *action,
	slice object, slice detail)
{
	static const struct audit_by house = {.who = {"house", 5}};
	if (by == NULL)
		by = &house;
	struct param p[] = {p_int(postoffice), p_int(id_new()), p_text(by->who), p_text(by->from),
		p_text(slice_z(action)), p_text(object), p_text(detail)};
	db_add(tx, db_role_of(tx) == DB_RUN ? SQL_AUDIT_ADD : SQL_AUDIT_ADD_SYSTEM, p, 7, NULL);
}

void change_rise(db_tx *tx, enum revision r)
{
	struct param p = p_text(slice_z(revision_name(r)));
	db_add(tx, SQL_REVISION_RISE, &p, 1, NULL);
}

static void add_json(text *t, slice s)
{
	text clean = TEXT_INIT;
	utf8_add_repaired(&clean, s);
	text_add_char(t, '"');
	for (size_t i = 0; i < clean.size; i++) {
		unsigned char c = (unsigned char)clean.at[i];
		if (c == '"' || c == '\\')
			text_format(t, "\\%c", c);
		else if (c < 0x20 || c == 0x7f)
			text_format(t, "\\u%04x", c);
		else
			text_add_char(t, (char)c);
	}
	text_add_char(t, '"');
	text_free(&clean);
}

slice change_detail(arena *a, const struct change_fact *facts, int n)
{
	text t = TEXT_INIT;
	text_add_char(&t, '{');
	for (int i = 0; i < n; i++) {
		text_format(&t, "%s\"%s\":", i ? "," : "", facts[i].name);
		add_json(&t, facts[i].value);
	}
	text_add_char(&t, '}');
	slice detail = arena_copy(a, text_slice(&t));
	text_free(&t);
	return detail;
}

/* ---- whole changes */

status change_commit_raising(db_tx **tx, int64_t postoffice, const struct audit_by *by,
	const char *action, slice object, slice detail, unsigned raises)
{
	change_audit(*tx, postoffice, by, action, object, detail);
	for (int r = 0; r < REVISIONS; r++)
		if (raises & RAISES(r))
			change_rise(*tx, (enum revision)r);
	TRY(db_commit(tx, NULL));
	for (int r = 0; r < REVISIONS; r++)
		if (raises & RAISES(r))
			change_tell((enum revision)r);
	return ST_OK;
}

status change_commit(db_tx **tx, int64_t postoffice, const struct audit_by *by, const char *action,
	slice object, slice detail)
{
	return change_commit_raising(
		tx, postoffice, by, action, object, detail, RAISES(REVISION_ROUTING));
}

status change_named(int64_t postoffice, enum statement_id change, const struct param *params, int n,
	const struct audit_by *by, const char *action, slice detail, arena *a)
{
	db_tx *tx = db_begin(DB_RUN, a);
	struct rows r;

	db_add(tx, change, params, n, &r);
	status kind = db_flush(tx);
	if (kind == ST_OK && r.count > 0)
		return change_commit(&tx, postoffice, by, action, row_slice(&r, 0, 0), detail);
	db_rollback(&tx);
	return kind == ST_OK ? ST_ABSENT : kind;
}
