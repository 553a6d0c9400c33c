/* settings.def as a table, and what stands in its columns. A value has one normal form ("4 KB", "5
   min", "on"), which is what is stored and shown; numbers are made of it on loading. */
#include "provider/setting_parse.h"

#include "base/text.h"
#include "base/utf8.h"
#include "provider/folder_first.h"
#include "provider/setting_form.h"

#include <inttypes.h>

#define WORD_SHOWN 160 /* bytes of a word that is refused */

#define SERVER SCOPE_SERVER
#define POSTOFFICE SCOPE_POSTOFFICE
#define DOMAIN SCOPE_DOMAIN
#define MAILBOX SCOPE_MAILBOX

const struct setting_row setting_rows[S_COUNT] = {
#define SETTING(name, kind, default_, least, most, scopes, effect, sentence)                       \
	[S_##name] = {#name, SK_##kind, default_, least, most, scopes, EFFECT_##effect, sentence},
#include "provider/settings.def"
#undef SETTING
};

struct unit {
	const char *name;
	int64_t size;
};
static const struct unit size_units[] = {{"PB", INT64_C(1) << 50}, {"TB", INT64_C(1) << 40},
	{"GB", 1 << 30}, {"MB", 1 << 20}, {"KB", 1 << 10}, {"B", 1}, {"", 1}, {NULL, 0}};
static const struct unit span_units[] = {{"d", 86400 * USEC_S}, {"h", 3600 * USEC_S},
	{"min", 60 * USEC_S}, {"s", USEC_S}, {"ms", USEC_MS}, {"us", 1}, {NULL, 0}};

status setting_find(slice name, enum setting_id *id)
{
	for (int i = 0; i < S_COUNT; i++) {
		if (slice_same(name, slice_z(setting_rows[i].name))) {
			*id = (enum setting_id)i;
			return ST_OK;
		}
	}
	return ST_ABSENT;
}

bool setting_is_number(enum setting_kind kind)
{
	return kind == SK_BOOL || kind == SK_COUNT || kind == SK_SIZE || kind == SK_SPAN;
}

/* "4 KB", "4kb", and "0" of any unit. */
static status parse_units(slice s, const struct unit *units, int64_t *number)
{
	size_t digits = 0;
	uint64_t n;

	while (digits < s.size && s.at[digits] >= '0' && s.at[digits] <= '9')
		digits++;
	if (!slice_number(slice_until(s, digits), &n))
		return ST_INVALID;
	slice unit = slice_trim(slice_from(s, digits));
	if (n == 0 && unit.size == 0) {
		*number = 0;
		return ST_OK;
	}
	for (; units->name; units++) {
		if (!slice_same_nocase(unit, slice_z(units->name)))
			continue;
		if (n > (uint64_t)(INT64_MAX / units->size))
			return ST_INVALID;
		*number = (int64_t)n * units->size;
		return ST_OK;
	}
	return ST_INVALID;
}

static status parse_bool(slice s, int64_t *number)
{
	static const char *const words[] = {"off", "on", "no", "yes", "false", "true", "0", "1"};

	for (int i = 0; i < 8; i++) {
		if (slice_same_nocase(s, slice_z(words[i]))) {
			*number = i % 2;
			return ST_OK;
		}
	}
	return ST_INVALID;
}

status setting_parse(enum setting_kind kind, slice written, int64_t *number)
{
	slice s = slice_trim(written);
	uint64_t n;

	switch (kind) {
	case SK_BOOL:
		return parse_bool(s, number);
	case SK_SIZE:
		return parse_units(s, size_units, number);
	case SK_SPAN:
		return parse_units(s, span_units, number);
	default:
		if (!slice_number(s, &n))
			return ST_INVALID;
		*number = (int64_t)n;
		return ST_OK;
	}
}

slice setting_written(enum setting_kind kind, int64_t number, arena *a)
{
	if (kind == SK_BOOL)
		return number ? S("on") : S("off");
	if (kind != SK_SIZE && kind != SK_SPAN)
		return arena_format(a, "%" PRId64, number);
	if (number == 0)
		return kind == SK_SPAN ? S("0 s") : S("0");
	const struct unit *u = kind == SK_SIZE ? size_units : span_units;
	while (number % u->size != 0)
		u++;
	if (u->size == 1 && kind == SK_SIZE)
		return arena_format(a, "%" PRId64, number);
	return arena_format(a, "%" PRId64 " %s", number / u->size, u->name);
}

bool setting_list_has(slice list, slice word)
{
	slice part;

	while (slice_take(&list, ' ', &part))
		if (part.size > 0 && slice_same_nocase(part, word))
			return true;
	return false;
}

bool setting_list_has_any(slice list, slice words)
{
	slice one;

	while (slice_take(&words, ' ', &one))
		if (one.size && setting_list_has(list, one))
			return true;
	return false;
}

/* ---- checking what somebody wrote */

static status refuse(enum setting_id id, arena *a, slice *why)
{
	*why = arena_format(
		a, "%s must be %.*s", setting_rows[id].name, SLICE_ARGS(setting_form(id, a)));
	return ST_INVALID;
}

#define OR_NONE "0 or " /* in the column of the least: 0 means something else than so little */

/* What looks like a number within the range and is none; empty: nothing to say. */
static const char *number_trouble(enum setting_kind kind, slice written)
{
	uint64_t n;

	if (kind == SK_SPAN && slice_number(slice_trim(written), &n))
		return ", with its unit: d, h, min, s, ms or us";
	if ((kind == SK_SPAN || kind == SK_SIZE) && slice_find(written, '.') < written.size)
		return ", as a whole number of a smaller unit";
	return "";
}

static status check_number(enum setting_id id, slice written, arena *a, slice *normal, slice *why)
{
	const struct setting_row *r = &setting_rows[id];
	int64_t number, least = 0, most = 1;
	bool or_none = strncmp(r->least, OR_NONE, sizeof OR_NONE - 1) == 0;

	if (r->kind != SK_BOOL) {
		setting_parse(
			r->kind, slice_z(r->least + (or_none ? sizeof OR_NONE - 1 : 0)), &least);
		setting_parse(r->kind, slice_z(r->most), &most);
	}
	if (setting_parse(r->kind, written, &number) != ST_OK ||
		((number < least || number > most) && !(or_none && number == 0))) {
		refuse(id, a, why);
		*why = arena_format(
			a, "%.*s%s", SLICE_ARGS(*why), number_trouble(r->kind, written));
		return ST_INVALID;
	}
	*normal = setting_written(r->kind, number, a);
	return ST_OK;
}

static status check_characters(const struct setting_row *r, slice s, arena *a, slice *why)
{
	for (size_t i = 0; i < s.size; i++) {
		if ((unsigned char)s.at[i] < 0x20 || s.at[i] == 0x7f) {
			*why = arena_format(a, "%s must have no control characters", r->name);
			return ST_INVALID;
		}
	}
	if (utf8_valid(s))
		return ST_OK;
	*why = arena_format(a, "%s must be UTF-8 text", r->name);
	return ST_INVALID;
}

/* Kinds with words or signs in the column of the least length have none. */
static status check_length(enum setting_id id, slice s, arena *a, slice *why)
{
	const struct setting_row *r = &setting_rows[id];
	int64_t least = 0, most = INT64_MAX;

	setting_parse(SK_COUNT, slice_z(r->least), &least);
	setting_parse(SK_COUNT, slice_z(r->most), &most);
	if ((int64_t)s.size < least)
		return refuse(id, a, why);
	if ((int64_t)s.size <= most)
		return ST_OK;
	*why = arena_format(a, "%s must have at most %s characters", r->name, r->most);
	return ST_INVALID;
}

/* Takes the list's next word, which is empty where two signs divide. */
static bool next_word(const struct setting_form *form, slice *rest, slice *word)
{
	size_t blank = slice_find(*rest, ' '), comma = slice_find(*rest, ',');
	size_t end = form->list == ITEMS || (form->list == COMMAS && comma < blank) ? comma : blank;

	*word = slice_trim(slice_until(*rest, end));
	*rest = slice_from(*rest, end + 1);
	return rest->size > 0 || word->size > 0;
}

static status refuse_word(enum setting_id id, slice one, slice before, arena *a, slice *why)
{
	const struct setting_row *r = &setting_rows[id];
	slice ignored;
	const struct setting_form *form = &setting_forms[r->kind];
	const char *trouble = form->list == ITEMS ? folder_first_refusal(one, a)
			      : !form->fits(r, one, S(""), a, &ignored) ? "is none"
			      : setting_list_has(before, one)           ? "stands there twice"
									: "is one too many";

	refuse(id, a, why);
	*why = arena_format(a, "%.*s: \"%.*s\" %s", SLICE_ARGS(*why),
		SLICE_ARGS(slice_until(one, WORD_SHOWN)), trouble);
	return ST_INVALID;
}

/* The normal form has one blank between two words, and a comma where words may hold blanks. */
static status check_list(enum setting_id id, slice written, arena *a, slice *normal, slice *why)
{
	const struct setting_form *form = &setting_forms[setting_rows[id].kind];
	text all = TEXT_INIT;
	slice word;

	while (next_word(form, &written, &word)) {
		slice as_given = word;

		if (word.size == 0)
			continue;
		if (!form->fits(&setting_rows[id], as_given, text_slice(&all), a, &word)) {
			status s = refuse_word(id, as_given, text_slice(&all), a, why);
			text_free(&all);
			return s;
		}
		if (all.size)
			text_add(&all, form->list == ITEMS ? S(", ") : S(" "));
		text_add(&all, word);
	}
	*normal = arena_copy(a, text_slice(&all));
	text_free(&all);
	return ST_OK;
}

/* Empty is what the row's sentence says it is; a word never is. */
static status check_text(enum setting_id id, slice written, arena *a, slice *normal, slice *why)
{
	const struct setting_row *r = &setting_rows[id];
	const struct setting_form *form = &setting_forms[r->kind];

	*normal = arena_copy(a, written);
	if (form->fits && (written.size > 0 || r->kind == SK_WORD) &&
		!form->fits(r, written, S(""), a, normal))
		return refuse(id, a, why);
	return ST_OK;
}

status setting_check(enum setting_id id, slice written, arena *a, slice *normal, slice *why)
{
	const struct setting_row *r = &setting_rows[id];
	slice s = slice_trim(written);

	if (setting_is_number(r->kind))
		return check_number(id, written, a, normal, why);
	TRY(check_characters(r, s, a, why));
	TRY(setting_forms[r->kind].list ? check_list(id, s, a, normal, why)
					: check_text(id, s, a, normal, why));
	return check_length(id, *normal, a, why);
}

status setting_sense(enum setting_id id, slice normal, arena *a, slice *why)
{
	slice trouble = S("");

	if (id == S_services && normal.size == 0)
		trouble = S("services must not be empty: such a node would serve nobody");
	if (id == S_mailbox_folders)
		trouble = folder_first_trouble(normal, a);
	if (trouble.size == 0)
		return ST_OK;
	*why = trouble;
	return ST_INVALID;
}
