/* Settings: one row of settings.def each; values in PostgreSQL (table setting), kept in memory by
   every process and reloaded within 2 s of a change on any node. Reading never waits and is safe
   from any thread. Writing validates, stores, raises the revision and audits in one transaction. */
#ifndef PENNYPOST_PROVIDER_SETTING_H
#define PENNYPOST_PROVIDER_SETTING_H

#include "base/arena.h"
#include "base/clock.h"
#include "base/status.h"
#include "provider/audit.h"

enum setting_id {
#define SETTING(name, kind, default_, least, most, scopes, effect, sentence) S_##name,
#include "provider/settings.def"
#undef SETTING
	S_COUNT
};

/* What each looks like stands in setting_form.c. */
enum setting_kind {
	SK_BOOL,
	SK_COUNT,
	SK_SIZE,
	SK_SPAN,
	SK_TEXT,
	SK_WORD,
	SK_WORDS,
	SK_SIGNS,
	SK_TEMPLATE,
	SK_NETWORKS,
	SK_ADDRESSES,
	SK_ENDPOINTS,
	SK_NAME_SERVERS,
	SK_HOST,
	SK_HOSTS,
	SK_HELLO,
	SK_MASKS,
	SK_DNSBLS,
	SK_MILTERS,
	SK_TIMES,
	SK_MAIL_ADDRESS,
	SK_POSTOFFICE,
	SK_FIELD,
	SK_FILE,
	SK_URI,
	SK_FOLDERS,
	SETTING_KINDS
};
enum setting_scope_bit {
	SCOPE_SERVER = 1,
	SCOPE_POSTOFFICE = 2,
	SCOPE_DOMAIN = 4,
	SCOPE_MAILBOX = 8
};
enum setting_effect { EFFECT_NOW, EFFECT_CONVERSATION, EFFECT_RESTART, EFFECT_SERVICE };

struct setting_row { /* the table, for lists, forms, manuals */
	const char *name;
	enum setting_kind kind;
	const char *fallback, *least, *most; /* as written in settings.def */
	unsigned scopes;
	enum setting_effect effect;
	const char *sentence;
};
extern const struct setting_row setting_rows[S_COUNT];
status setting_find(slice name, enum setting_id *id); /* ST_ABSENT */

/* Where a value is asked for or set: the narrowest scope set wins. NULL = server. */
struct setting_at {
	int64_t postoffice; /* 0 = server */
	slice domain;       /* empty = none */
	int64_t mailbox;    /* 0 = none */
};

/* BOOL 0/1, COUNT, SIZE in bytes, SPAN in microseconds. Asking another kind is a programming
   error. */
int64_t setting_number(enum setting_id id, const struct setting_at *at);
bool setting_on(enum setting_id id, const struct setting_at *at);
/* All other kinds. The slice stays valid until the process ends its present
   request: old values are freed a minute after they were replaced. */
slice setting_text(enum setting_id id, const struct setting_at *at);
/* Lists: whether the word stands in it (any case). */
bool setting_lists(enum setting_id id, const struct setting_at *at, slice word);
bool setting_lists_any(enum setting_id id, const struct setting_at *at,
	slice words); /* one of them, blanks between */

/* What its values look like, for people: "a size, 0 or 64 KB to 2 GB", "words out of VRFY,
   EXPN". */
slice setting_form(enum setting_id id, arena *a);
/* Checks and normalises a written value ("4 kb" -> "4 KB"): ST_INVALID with *why, one sentence that
   tells what is allowed and, in a list, which word is not. */
status setting_check(enum setting_id id, slice written, arena *a, slice *normal, slice *why);
/* ST_INVALID (why), ST_DENIED (the scope is not allowed; why). value NULL = back to the wider
   scope. Loads the new value into this process before it returns. */
status setting_set(enum setting_id id, const struct setting_at *at, const slice *value,
	const struct audit_by *by, arena *a, slice *why);
/* The value in force as written, and the scope it comes from (0 = the default of the table). */
status setting_show(
	enum setting_id id, const struct setting_at *at, arena *a, slice *value, unsigned *scope);
struct setting_exception { /* what a post office, a domain or a mailbox has for itself */
	slice name, value;
	unsigned scope;
	struct setting_at at;
};
/* Of the settings whose name holds `part`, by name; at most `most`. */
status setting_exceptions(
	slice part, unsigned most, arena *a, struct setting_exception **rows, int *n);
/* "4 KB", "5 min" for a number of that kind. */
slice setting_written(enum setting_kind kind, int64_t number, arena *a);

#endif
