/* From argv to values: finds the command's row, checks every value by its kind, and tells what is
   wrong with the remedy. Options may stand anywhere; "--" ends them. Those of one letter are other
   names of long ones. */
#include "program/cli.h"

#include "base/id.h"
#include "base/secret.h"
#include "base/utf8.h"
#include "mail/address.h"
#include "mail/date.h"
#include "provider/setting_parse.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* ---- kinds */

static bool is_anything(slice s, arena *a, struct cli_given *g)
{
	(void)a;
	g->text = s;
	return utf8_valid(s);
}

static bool is_something(slice s, arena *a, struct cli_given *g)
{
	return s.size > 0 && is_anything(s, a, g);
}

static bool is_mailbox(slice s, arena *a, struct cli_given *g)
{
	size_t at = slice_find_last(s, '@');
	return at > 0 && at + 1 < s.size && is_anything(s, a, g);
}

static bool is_address(slice s, arena *a, struct cli_given *g)
{
	mail_address m;
	if (mail_address_parse(s, a, &m) != ST_OK)
		return false;
	g->text = mail_address_text(&m, a);
	return true;
}

static bool is_domain(slice s, arena *a, struct cli_given *g)
{
	slice shown;
	return mail_domain_parse(s, a, &g->text, &shown) == ST_OK;
}

static bool is_setting(slice s, arena *a, struct cli_given *g)
{
	enum setting_id id;
	if (setting_find(s, &id) != ST_OK)
		return false;
	g->number = id;
	return is_anything(s, a, g);
}

static bool is_word(slice s, arena *a, struct cli_given *g)
{
	slice rest = slice_z(g->parameter->words), word;
	for (int i = 0; slice_take(&rest, '|', &word); i++) {
		if (slice_same_nocase(s, word)) {
			g->text = word;
			g->number = i;
			return true;
		}
	}
	(void)a;
	return false;
}

static bool is_count(slice s, arena *a, struct cli_given *g)
{
	return setting_parse(SK_COUNT, s, &g->number) == ST_OK && is_anything(s, a, g);
}

static bool is_size(slice s, arena *a, struct cli_given *g)
{
	return setting_parse(SK_SIZE, s, &g->number) == ST_OK && is_anything(s, a, g);
}

static bool is_span(slice s, arena *a, struct cli_given *g)
{
	return setting_parse(SK_SPAN, s, &g->number) == ST_OK && is_anything(s, a, g);
}

static bool is_moment(slice s, arena *a, struct cli_given *g)
{
	date d;
	if (date_parse(s, &d) != ST_OK)
		return false;
	g->number = d.at;
	return is_anything(s, a, g);
}

static const struct {
	const char *word, *wanted;
	bool (*check)(slice s, arena *a, struct cli_given *g);
} kinds[CLI_KINDS] = {
	[CLI_FLAG] = {"", "", is_anything},
	[CLI_TEXT] = {"TEXT", "a text in UTF-8", is_anything},
	[CLI_NAME] = {"POSTOFFICE", "the name of a post office, such as demo", is_something},
	[CLI_MAILBOX] = {"MAILBOX", "a name with its post office, such as anna@demo",
		is_mailbox},
	[CLI_ADDRESS] = {"ADDRESS", "a mail address, such as anna@demo.test", is_address},
	[CLI_DOMAIN] = {"DOMAIN", "a full domain name, such as demo.test", is_domain},
	[CLI_SETTING] = {"SETTING", "the name of a setting; `pennypost settings list` shows all",
		is_setting},
	[CLI_WORD] = {"WORD", NULL, is_word},
	[CLI_COUNT] = {"N", "a whole number", is_count},
	[CLI_SIZE] = {"SIZE", "a size with its unit, such as 500 MB or 2GB", is_size},
	[CLI_SPAN] = {"SPAN", "a time with its unit, such as 30d, 12h or 10 min", is_span},
	[CLI_MOMENT] = {"DATE", "a date, such as 2026-01-31 or \"2026-01-31 12:00:00Z\"",
		is_moment},
	[CLI_SECRET] = {"SECRET", "a text that is not empty, or - to read it from standard input",
		is_something},
	[CLI_FILE] = {"FILE", "the name of a file", is_something},
};

const char *cli_kind_word(enum cli_kind kind)
{
	return kinds[kind].word;
}

/* ---- near misses */

static const char *setting_name(int i)
{
	return i < S_COUNT ? setting_rows[i].name : NULL;
}

/* Groups first, then whole commands. */
const char *cli_known_name(int i)
{
	int groups = 0;
	while (cli_groups[groups].name)
		groups++;
	return i < groups ? cli_groups[i].name : cli_commands[i - groups].name;
}

/* ---- values */

static bool is_option(const struct cli_parameter *p)
{
	return p->name[0] == '-';
}

slice cli_other_names(const struct cli_parameter *p)
{
	return p->also ? slice_z(p->also) : (slice){0};
}

static bool is_called(const struct cli_parameter *p, slice name)
{
	slice rest = cli_other_names(p), other;

	if (slice_same(slice_z(p->name), name))
		return true;
	while (slice_take(&rest, '|', &other))
		if (slice_same(other, name))
			return true;
	return false;
}

static const struct cli_parameter *option_of(const struct cli_parameter *p, slice name)
{
	for (; p->name; p++)
		if (is_option(p) && is_called(p, name))
			return p;
	return NULL;
}

static struct cli_given *given_of(const struct cli *c, const char *name)
{
	for (int i = 0; i < c->given_count; i++)
		if (strcmp(c->given[i].parameter->name, name) == 0)
			return &c->given[i];
	return NULL;
}

static bool stands_in_row(const struct cli *c, const char *name)
{
	for (const struct cli_parameter *p = c->command->parameters; p->name; p++)
		if (strcmp(p->name, name) == 0)
			return true;
	return false;
}

bool cli_has(const struct cli *c, const char *name)
{
	assert(stands_in_row(c, name));
	return given_of(c, name) != NULL;
}

slice cli_text(const struct cli *c, const char *name)
{
	assert(stands_in_row(c, name));
	const struct cli_given *g = given_of(c, name);
	return g ? g->text : S("");
}

int64_t cli_number(const struct cli *c, const char *name, int64_t otherwise)
{
	assert(stands_in_row(c, name));
	const struct cli_given *g = given_of(c, name);
	return g ? g->number : otherwise;
}

bool cli_each(const struct cli *c, const char *name, int i, slice *value)
{
	assert(stands_in_row(c, name));
	for (int k = 0; k < c->given_count; k++) {
		if (strcmp(c->given[k].parameter->name, name) == 0 && i-- == 0) {
			*value = c->given[k].text;
			return true;
		}
	}
	return false;
}

void cli_split(slice mailbox, slice *name, slice *postoffice)
{
	size_t at = slice_find_last(mailbox, '@');
	*name = slice_until(mailbox, at);
	*postoffice = slice_from(mailbox, at + 1);
}

/* ---- parsing */

static status usage_error(struct cli *c, slice sentence)
{
	text t = TEXT_INIT;
	cli_usage(c->command, &t);
	text_format(&t, "; `pennypost help %s` tells more", c->command->name);
	slice remedy = arena_format(&c->a, "usage: %.*s", SLICE_ARGS(text_slice(&t)));
	text_free(&t);
	return cli_misused(c, remedy.at, "%.*s", SLICE_ARGS(sentence));
}

static status bad_value(struct cli *c, const struct cli_parameter *p, slice value)
{
	const char *near = p->kind == CLI_SETTING ? slice_nearest(value, setting_name) : NULL;
	slice wanted = slice_z(kinds[p->kind].wanted);
	if (near) {
		wanted = arena_format(&c->a, "the name of a setting; did you mean %s?", near);
	} else if (p->kind == CLI_WORD) {
		text t = TEXT_INIT;
		slice rest = slice_z(p->words), word;
		text_add_z(&t, "one of");
		while (slice_take(&rest, '|', &word))
			text_format(&t, "%s %.*s", t.size > 6 ? "," : "", SLICE_ARGS(word));
		wanted = arena_copy(&c->a, text_slice(&t));
		text_free(&t);
	}
	slice remedy = arena_format(&c->a, "give %.*s", SLICE_ARGS(wanted));
	if (p->kind == CLI_SECRET)
		return cli_fail(
			c, ST_INVALID, remedy.at, "the value of %s cannot be used", p->name);
	return cli_fail(c, ST_INVALID, remedy.at, "\"%.*s\" is no value for %s", SLICE_ARGS(value),
		p->name);
}

/* One line of standard input, its end cut off. */
static status read_secret(struct cli *c, const struct cli_parameter *p, slice *line)
{
	char *at = NULL;
	size_t room = 0;
	ssize_t size = getline(&at, &room, c->in);
	if (size > 0) {
		*line = slice_of(at, (size_t)size);
		while (line->size > 0 &&
			(line->at[line->size - 1] == '\n' || line->at[line->size - 1] == '\r'))
			line->size--;
		*line = arena_copy(&c->a, *line);
		secret_forget(at, (size_t)size);
	}
	free(at);
	if (size > 0)
		return ST_OK;
	return cli_fail(c, ST_INVALID, "write it there as one line",
		"%s - found nothing on standard input", p->name);
}

static status take_value(struct cli *c, const struct cli_parameter *p, char *raw)
{
	struct cli_given g = {.parameter = p};
	slice value = slice_z(raw);
	if (!(p->flags & CLI_MANY) && given_of(c, p->name))
		return usage_error(c, arena_format(&c->a, "%s is given twice", p->name));
	if (p->kind == CLI_SECRET) {
		value = arena_copy(&c->a, value);
		secret_forget(raw, value.size);
		if (slice_same(value, S("-")))
			TRY(read_secret(c, p, &value));
	}
	if (!kinds[p->kind].check(value, &c->a, &g))
		return bad_value(c, p, value);
	c->given[c->given_count++] = g;
	return ST_OK;
}

/* The argument the next word is for: the first one not given yet, or a repeated last one. */
static const struct cli_parameter *next_argument(const struct cli *c)
{
	const struct cli_parameter *last = NULL;
	for (const struct cli_parameter *p = c->command->parameters; p->name; p++) {
		if (is_option(p))
			continue;
		if (!given_of(c, p->name))
			return p;
		last = p;
	}
	return last && last->flags & CLI_MANY ? last : NULL;
}

/* A word that no argument takes is one more value of the repeated option before it. */
static const struct cli_parameter *open_option(const struct cli *c)
{
	const struct cli_parameter *last =
		c->given_count > 0 ? c->given[c->given_count - 1].parameter : NULL;
	return last && is_option(last) && last->flags & CLI_MANY ? last : NULL;
}

static status take_word(struct cli *c, char *word)
{
	const struct cli_parameter *p = next_argument(c);
	if (!p)
		p = open_option(c);
	if (!p)
		return usage_error(c, arena_format(&c->a, "\"%s\" is one word too many", word));
	return take_value(c, p, word);
}

static status take_option(struct cli *c, char **argv, int *i)
{
	char *equals = strchr(argv[*i], '=');
	slice name = equals ? slice_of(argv[*i], (size_t)(equals - argv[*i])) : slice_z(argv[*i]);
	const struct cli_parameter *p = option_of(c->command->parameters, name);
	if (!p)
		return usage_error(c, arena_format(&c->a, "`%s` has no option %.*s",
					      c->command->name, SLICE_ARGS(name)));
	if (p->kind == CLI_FLAG) {
		static char none[] = "";
		if (equals)
			return usage_error(c, arena_format(&c->a, "%s takes no value", p->name));
		return take_value(c, p, none);
	}
	if (!equals && !argv[*i + 1])
		return usage_error(c, arena_format(&c->a, "%s wants a value", p->name));
	return take_value(c, p, equals ? equals + 1 : argv[++*i]);
}

static status complete(struct cli *c)
{
	for (const struct cli_parameter *p = c->command->parameters; p->name; p++)
		if (p->flags & CLI_NEEDED && !given_of(c, p->name))
			return usage_error(c, arena_format(&c->a, "%s is missing", p->name));
	return ST_OK;
}

/* ---- the command's words */

static bool is_group(slice word)
{
	for (const struct cli_group *g = cli_groups; g->name; g++)
		if (slice_same(word, slice_z(g->name)))
			return true;
	return false;
}

static const struct cli_command *command_of(slice words)
{
	for (const struct cli_command *m = cli_commands; m->name; m++)
		if (slice_same(words, slice_z(m->name)))
			return m;
	return NULL;
}

static status no_command(struct cli *c, slice words)
{
	if (words.size == 0)
		return cli_misused(c, "`pennypost help` lists them", "a command is missing");
	if (is_group(words))
		return cli_misused(c,
			arena_format(&c->a, "`pennypost help %.*s` lists them", SLICE_ARGS(words))
				.at,
			"`%.*s` needs one more word", SLICE_ARGS(words));
	const char *near = slice_nearest(words, cli_known_name);
	return cli_misused(c,
		near ? arena_format(&c->a, "did you mean `%s`?", near).at
		     : "`pennypost help` lists all commands",
		"there is no command `%.*s`", SLICE_ARGS(words));
}

/* Options of every command stand before, between and behind the others; what is left goes to
   `rest`. */
static status take_globals(struct cli *c, int argc, char **argv, char **rest)
{
	int n = 0;
	bool options = true;
	for (int i = 1; i < argc; i++) {
		slice word = slice_z(argv[i]);
		if (options && slice_same(word, S("--json"))) {
			c->json = true;
		} else if (options &&
			   (slice_same(word, S("--help")) || slice_same(word, S("-h")))) {
			c->help = true;
		} else if (options && slice_same(word, S("--config"))) {
			if (!argv[i + 1])
				return cli_misused(c, "give the bootstrap file: --config FILE",
					"--config wants a value");
			c->boot.file = slice_z(argv[++i]);
		} else if (options && slice_starts(word, S("--config="))) {
			c->boot.file = slice_from(word, 9);
		} else {
			options = options && !slice_same(word, S("--"));
			rest[n++] = argv[i];
		}
	}
	return ST_OK;
}

/* One or two words name a command. */
static char **find_command(struct cli *c, char **words)
{
	slice first = words[0] && words[0][0] != '-' ? slice_z(words[0]) : S("");
	if (words[0] && strcmp(words[0], "--version") == 0)
		first = S("version");
	c->asked = first;
	c->command = command_of(first);
	if (c->command || first.size == 0 || !words[1] || words[1][0] == '-')
		return words + (first.size > 0);
	if (!is_group(first))
		return words + 1;
	c->asked = arena_format(&c->a, "%s %s", words[0], words[1]);
	c->command = command_of(c->asked);
	return words + 2;
}

status cli_parse(struct cli *c, int argc, char **argv)
{
	char **words = arena_new_array(&c->a, (size_t)argc + 1, sizeof *words);
	TRY(take_globals(c, argc, argv, words));
	char **rest = find_command(c, words);
	if (c->help)
		return ST_OK;
	if (!c->command)
		return no_command(c, c->asked);
	c->given = arena_new_array(&c->a, (size_t)argc + 1, sizeof *c->given);
	bool options = true;
	int count = 0;
	while (rest[count])
		count++;
	for (int i = 0; i < count; i++) {
		if (options && strcmp(rest[i], "--") == 0)
			options = false;
		else if (options && (slice_starts(slice_z(rest[i]), S("--")) ||
					    option_of(c->command->parameters, slice_z(rest[i]))))
			TRY(take_option(c, rest, &i));
		else
			TRY(take_word(c, rest[i]));
	}
	return complete(c);
}

/* ---- streams */

enum { FILE_MOST = 256 * 1024 * 1024 };

status cli_read_all(FILE *f, arena *a, slice *out)
{
	text t = TEXT_INIT;
	size_t got;
	do {
		text_reserve(&t, 64 * 1024);
		got = fread(t.at + t.size, 1, 64 * 1024, f);
		t.size += got;
	} while (got > 0 && t.size <= FILE_MOST);
	status kind = ferror(f) ? ST_BROKEN : t.size > FILE_MOST ? ST_TOO_BIG : ST_OK;
	*out = arena_copy(a, text_slice(&t));
	text_free(&t);
	return kind;
}
