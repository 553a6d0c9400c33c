/* pennypost settings: list, get, set, unset, at every scope. */
#include "program/cli_find.h"
#include "program/cli_run.h"

#include "connector/smtp/milter_at.h"
#include "net/address.h"
#include "provider/setting_parse.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

static const struct {
	unsigned bit;
	const char *word;
} scopes[] = {{SCOPE_SERVER, "server"}, {SCOPE_POSTOFFICE, "postoffice"}, {SCOPE_DOMAIN, "domain"},
	{SCOPE_MAILBOX, "mailbox"}};
static const char *const effects[] = {[EFFECT_NOW] = "now",
	[EFFECT_CONVERSATION] = "next conversation",
	[EFFECT_RESTART] = "next start of the worker",
	[EFFECT_SERVICE] = "restart of the service"};

static const char *scope_word(unsigned bit)
{
	for (size_t i = 0; i < sizeof scopes / sizeof *scopes; i++)
		if (scopes[i].bit == bit)
			return scopes[i].word;
	return "default";
}

static json_t *scope_words(unsigned bits)
{
	json_t *words = json_array();
	for (size_t i = 0; i < sizeof scopes / sizeof *scopes; i++)
		if (bits & scopes[i].bit)
			json_array_append_new(words, json_string(scopes[i].word));
	return words;
}

/* The place meant by --postoffice, --domain and --mailbox. */
static status scope(struct cli *c, struct setting_at *at)
{
	postoffice *p;
	domain *d;
	mailbox *m;
	*at = (struct setting_at){0};
	if (cli_has(c, "--postoffice") + cli_has(c, "--domain") + cli_has(c, "--mailbox") > 1)
		return cli_misused(c,
			"give only the narrowest: a domain or mailbox tells its post office",
			"--postoffice, --domain and --mailbox do not go together");
	if (cli_has(c, "--postoffice")) {
		TRY(cli_find_postoffice(c, cli_text(c, "--postoffice"), &p));
		at->postoffice = p->id;
	}
	if (cli_has(c, "--domain")) {
		TRY(cli_find_domain(c, cli_text(c, "--domain"), &d));
		at->postoffice = d->postoffice;
		at->domain = d->name;
	}
	if (cli_has(c, "--mailbox")) {
		TRY(cli_find_mailbox(c, cli_text(c, "--mailbox"), &m));
		at->postoffice = m->postoffice;
		at->mailbox = m->id;
	}
	return ST_OK;
}

static status facts_of(struct cli *c, enum setting_id id, const struct setting_at *at, json_t **out)
{
	const struct setting_row *row = &setting_rows[id];
	slice value;
	unsigned from;
	TRY(setting_show(id, at, &c->a, &value, &from));
	bool words = row->kind == SK_WORD || row->kind == SK_WORDS || row->kind == SK_TEMPLATE;
	bool least = setting_is_number(row->kind) || row->kind == SK_TEXT;
	const char *longest = !setting_is_number(row->kind) && *row->most
				      ? arena_format(&c->a, "%s characters", row->most).at
				      : "";
	*out = json_pack("{s:s,s:o,s:s,s:s,s:s,s:s,s:s,s:s,s:o,s:o,s:s,s:s}", "name", row->name,
		"value", json_slice(value), "from", scope_word(from), "default", row->fallback,
		"least", least ? row->least : "", "most", row->most, "longest", longest, "words",
		words ? row->least : "", "form", json_slice(setting_form(id, &c->a)), "scopes",
		scope_words(row->scopes), "effect", effects[row->effect], "sentence",
		row->sentence);
	return ST_OK;
}

status cli_settings_list(struct cli *c)
{
	static const struct cli_column columns[] = {{"name", "SETTING"}, {"value", "VALUE"},
		{"from", "FROM"}, {"sentence", "WHAT IT IS"}, {NULL}};
	struct setting_at at;
	TRY(scope(c, &at));
	json_t *rows = json_array();
	for (int i = 0; i < S_COUNT; i++) {
		json_t *facts;
		if (slice_search(slice_z(setting_rows[i].name), cli_text(c, "--match")) ==
			strlen(setting_rows[i].name))
			continue;
		status kind = facts_of(c, (enum setting_id)i, &at, &facts);
		if (kind != ST_OK) {
			json_decref(rows);
			return kind;
		}
		if (cli_has(c, "--changed") &&
			strcmp(json_string_value(json_object_get(facts, "from")), "default") == 0)
			json_decref(facts);
		else
			json_array_append_new(rows, facts);
	}
	return cli_rows(c, rows, columns, "No setting is like that");
}

static slice place_name(struct cli *c, const struct setting_exception *e)
{
	mailbox *m;

	if (e->scope == SCOPE_DOMAIN)
		return e->at.domain;
	if (e->scope == SCOPE_POSTOFFICE)
		return cli_postoffice_name(c, e->at.postoffice);
	if (mailbox_by_id(e->at.postoffice, e->at.mailbox, &c->a, &m) != ST_OK)
		return S("-"); /* gone since */
	return arena_format(
		&c->a, "%.*s@%.*s", SLICE_ARGS(m->name), SLICE_ARGS(m->postoffice_name));
}

status cli_settings_exceptions(struct cli *c)
{
	static const struct cli_column columns[] = {
		{"name", "SETTING"}, {"value", "VALUE"}, {"from", "FROM"}, {"place", "OF"}, {NULL}};
	struct setting_exception *found;
	unsigned most;
	int n;
	TRY(cli_most(c, 1000, &most));
	TRY(setting_exceptions(cli_text(c, "--match"), most, &c->a, &found, &n));
	json_t *rows = json_array();
	for (int i = 0; i < n; i++)
		json_array_append_new(rows,
			json_pack("{s:o,s:o,s:s,s:o}", "name", json_slice(found[i].name), "value",
				json_slice(found[i].value), "from", scope_word(found[i].scope),
				"place", json_slice(place_name(c, &found[i]))));
	return cli_rows(c, rows, columns,
		"No post office, domain or mailbox has a setting of its own like that");
}

status cli_settings_get(struct cli *c)
{
	static const struct cli_column columns[] = {{"name", "setting"}, {"value", "value"},
		{"from", "from"}, {"default", "default"}, {"least", "least"}, {"most", "most"},
		{"form", "what it may be"}, {"scopes", "may be set for"},
		{"effect", "takes effect"}, {"sentence", "what it is"}, {NULL}};
	static const struct cli_column text_columns[] = {{"name", "setting"}, {"value", "value"},
		{"from", "from"}, {"default", "default"}, {"longest", "at most"},
		{"form", "what it may be"}, {"scopes", "may be set for"},
		{"effect", "takes effect"}, {"sentence", "what it is"}, {NULL}};
	enum setting_id id = (enum setting_id)cli_number(c, "SETTING", 0);
	struct setting_at at;
	json_t *facts;
	TRY(scope(c, &at));
	TRY(facts_of(c, id, &at, &facts));
	return cli_facts(
		c, facts, setting_is_number(setting_rows[id].kind) ? columns : text_columns);
}

/* Whether a program can be run as it stands on this machine. */
static status check_program(struct cli *c, enum setting_id id, slice value)
{
	struct stat facts;
	const char *path = arena_z(&c->a, value), *why = NULL;

	if ((id != S_pickup_program && id != S_dispatch_program && id != S_delivery_program) ||
		value.size == 0 || value.at[0] != '/')
		return ST_OK;
	if (stat(path, &facts) != 0)
		why = strerror(errno);
	else if (!S_ISREG(facts.st_mode) || !(facts.st_mode & S_IXUSR))
		why = "it is no program";
	else if (facts.st_mode & (S_IWGRP | S_IWOTH))
		why = "others may write to it";
	return why ? cli_fail(c, ST_INVALID,
			     "programs stand in the folder `programs` of the bootstrap file, chmod 755",
			     "%s: %s", path, why)
		   : ST_OK;
}

/* What lets anybody use this system to send mail anywhere is said aloud (T12); empty: nothing. */
static slice opens_relay(enum setting_id id, const struct setting_at *at)
{
	if (id == S_relay_local_sender && setting_on(id, at))
		return S(
			". Beware: anybody can give an address of yours as sender, so this system relays for everybody now");
	if (id == S_relay_networks && net_networks_have_all(setting_text(id, at)))
		return S(
			". Beware: this system relays for everybody now but for relay_networks_denied");
	return S("");
}

/* A milter at an endpoint that is none would never be asked, in silence. */
static slice asks_nobody(struct cli *c, enum setting_id id, json_t *facts)
{
	struct milter_at_lost lost;

	if (!milter_at_find_lost(id, &c->a, &lost))
		return S("");
	json_object_set_new(facts, "asked_nowhere", json_slice(lost.milters));
	return arena_format(&c->a, ". Beware: no mail comes to %.*s; the endpoints of %s are: %.*s",
		SLICE_ARGS(lost.milters), lost.listens,
		SLICE_ARGS(lost.endpoints.size ? lost.endpoints : S("none")));
}

static status change(struct cli *c, const slice *value)
{
	enum setting_id id = (enum setting_id)cli_number(c, "SETTING", 0);
	struct setting_at at;
	slice why = S("");
	TRY(scope(c, &at));
	if (value)
		TRY(check_program(c, id, *value));
	status kind = setting_set(id, &at, value, &c->by, &c->a, &why);
	if (kind == ST_DENIED && id == S_mailbox_quota && cli_has(c, "--mailbox"))
		return cli_fail(c, ST_INVALID,
			"`pennypost mailbox quota` changes that of one mailbox", "%.*s",
			SLICE_ARGS(why));
	if (kind == ST_INVALID || kind == ST_DENIED)
		return cli_fail(c, ST_INVALID,
			arena_format(&c->a, "`pennypost settings get %s` tells what it may be",
				setting_rows[id].name)
				.at,
			"%.*s", SLICE_ARGS(why));
	TRY(kind);
	json_t *facts;
	TRY(facts_of(c, id, &at, &facts));
	slice warning = opens_relay(id, &at);
	json_object_set_new(facts, "opens_relay", json_boolean(warning.size > 0));
	if (warning.size == 0)
		warning = asks_nobody(c, id, facts);
	const char *now = json_string_value(json_object_get(facts, "value"));
	return cli_did(c, facts, "%s is %s (%s); takes effect: %s%.*s", setting_rows[id].name,
		now && *now ? now : "empty", json_string_value(json_object_get(facts, "from")),
		effects[setting_rows[id].effect], SLICE_ARGS(warning));
}

status cli_settings_set(struct cli *c)
{
	slice value = cli_text(c, "VALUE");
	return change(c, &value);
}

status cli_settings_unset(struct cli *c)
{
	return change(c, NULL);
}
