#include "provider/change.h"

#include "base/id.h"
#include "base/text.h"
#include "base/utf8.h"

static const char *const revision_names[REVISIONS] = {
	[REVISION_SETTING] = "setting", [REVISION_ROUTING] = "routing", [REVISION_AUTH] = "auth"};

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
	struct param p = p_text(slice_z(revision_names[r]));
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
