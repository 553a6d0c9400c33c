/* Settings without a table: what was set stands in a list, narrowest scope first asked. */
#include "provider/memory/store.h"
#include "provider/setting_parse.h"

#include <assert.h>

static struct m_value *value_at(struct store *s, enum setting_id id, const struct setting_at *at)
{
	EACH(struct m_value, &s->values, v)
		if (v->id == id && v->postoffice == at->postoffice && v->mailbox == at->mailbox &&
			slice_same_nocase(v->domain, at->domain))
			return v;
	return NULL;
}

/* The value in force and its scope; the table's own when nothing was set. */
static slice in_force(
	struct store *s, enum setting_id id, const struct setting_at *at, unsigned *scope)
{
	const struct setting_at all = at ? *at : (struct setting_at){0};
	const struct {
		bool asked;
		unsigned scope;
		struct setting_at at;
	} steps[] = {
		{all.mailbox != 0, SCOPE_MAILBOX,
			{.postoffice = all.postoffice, .mailbox = all.mailbox}},
		{all.domain.size > 0, SCOPE_DOMAIN,
			{.postoffice = all.postoffice, .domain = all.domain}},
		{all.postoffice != 0, SCOPE_POSTOFFICE, {.postoffice = all.postoffice}},
		{true, SCOPE_SERVER, {0}},
	};
	for (int i = 0; i < 4; i++) {
		struct m_value *v = steps[i].asked ? value_at(s, id, &steps[i].at) : NULL;
		if (v) {
			*scope = steps[i].scope;
			return v->value;
		}
	}
	*scope = 0;
	return slice_z(setting_rows[id].fallback);
}

slice setting_text(enum setting_id id, const struct setting_at *at)
{
	unsigned scope;
	assert(!setting_is_number(setting_rows[id].kind));
	slice value = in_force(store_take(), id, at, &scope);
	store_give();
	return value;
}

int64_t setting_number(enum setting_id id, const struct setting_at *at)
{
	unsigned scope;
	int64_t number = 0;

	assert(setting_is_number(setting_rows[id].kind));
	slice value = in_force(store_take(), id, at, &scope);
	store_give();
	setting_parse(setting_rows[id].kind, value, &number);
	return number;
}

bool setting_on(enum setting_id id, const struct setting_at *at)
{
	assert(setting_rows[id].kind == SK_BOOL);
	return setting_number(id, at) != 0;
}

bool setting_lists(enum setting_id id, const struct setting_at *at, slice word)
{
	return setting_list_has(setting_text(id, at), word);
}

bool setting_lists_any(enum setting_id id, const struct setting_at *at, slice words)
{
	return setting_list_has_any(setting_text(id, at), words);
}

static unsigned scope_of(const struct setting_at *at)
{
	return at->mailbox       ? SCOPE_MAILBOX
	       : at->domain.size ? SCOPE_DOMAIN
	       : at->postoffice  ? SCOPE_POSTOFFICE
				 : SCOPE_SERVER;
}

status setting_set(enum setting_id id, const struct setting_at *at, const slice *value,
	const struct audit_by *by, arena *a, slice *why)
{
	const struct setting_at where = at ? *at : (struct setting_at){0};
	slice normal = {0};

	(void)by;
	if (!(setting_rows[id].scopes & scope_of(&where))) {
		*why = arena_format(a, "%s cannot be set there", setting_rows[id].name);
		return ST_DENIED;
	}
	if (value) {
		TRY(setting_check(id, *value, a, &normal, why));
		TRY(setting_sense(id, normal, a, why));
	}

	struct store *s = store_take();
	struct m_value *v = value_at(s, id, &where);
	if (!value) {
		if (v)
			list_remove(&v->link);
	} else {
		if (!v) {
			v = arena_new(&s->a, sizeof *v);
			*v = (struct m_value){.id = id,
				.postoffice = where.postoffice,
				.mailbox = where.mailbox,
				.domain = arena_copy(&s->a, where.domain)};
			list_append(&s->values, &v->link);
		}
		v->value = arena_copy(&s->a, normal);
	}
	store_give();
	return ST_OK;
}

status setting_show(
	enum setting_id id, const struct setting_at *at, arena *a, slice *value, unsigned *scope)
{
	*value = arena_copy(a, in_force(store_take(), id, at, scope));
	store_give();
	return ST_OK;
}
