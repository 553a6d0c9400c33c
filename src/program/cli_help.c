/* pennypost help, and what completion and manual print. All made of the table. */
#include "program/cli_answer.h"
#include "program/cli_run.h"

#include <string.h>

static bool is_option(const struct cli_parameter *p)
{
	return p->name[0] == '-';
}

static slice first_word(const struct cli_command *m)
{
	slice name = slice_z(m->name);
	return slice_until(name, slice_find(name, ' '));
}

static void add_parameter(const struct cli_parameter *p, text *t)
{
	bool needed = p->flags & CLI_NEEDED;
	text_add_z(t, needed ? " " : " [");
	text_add_z(t, p->name);
	if (is_option(p) && p->kind != CLI_FLAG)
		text_format(t, " %s", cli_kind_word(p->kind));
	text_add_z(t, needed ? "" : "]");
	text_add_z(t, p->flags & CLI_MANY ? " ..." : "");
}

void cli_usage(const struct cli_command *m, text *t)
{
	text_format(t, "pennypost %s", m->name);
	for (const struct cli_parameter *p = m->parameters; p->name; p++)
		if (!is_option(p))
			add_parameter(p, t);
	for (const struct cli_parameter *p = m->parameters; p->name; p++)
		if (is_option(p))
			add_parameter(p, t);
}

static void add_parameter_lines(const struct cli_parameter *p, text *t)
{
	for (; p->name; p++) {
		text name = TEXT_INIT;
		text_add_z(&name, p->name);
		if (is_option(p) && p->kind != CLI_FLAG)
			text_format(&name, " %s", cli_kind_word(p->kind));
		slice rest = cli_other_names(p), other;
		while (slice_take(&rest, '|', &other))
			text_format(&name, ", %.*s", SLICE_ARGS(other));
		text_format(t, "  %-24s %s", name.at, p->sentence);
		if (p->kind == CLI_WORD)
			text_format(t, " [%s]", p->words);
		text_add_char(t, '\n');
		text_free(&name);
	}
}

static void help_command(const struct cli_command *m, text *t)
{
	text_add_z(t, "usage: ");
	cli_usage(m, t);
	text_format(t, "\n\n%s\n", m->sentence);
	if (m->parameters[0].name)
		text_add_char(t, '\n');
	add_parameter_lines(m->parameters, t);
	if (m->remark)
		text_format(t, "\n%s\n", m->remark);
	if (m->example)
		text_format(t, "\nexample: pennypost %s\n", m->example);
}

static void command_line(const struct cli_command *m, text *t)
{
	text_format(t, "  %-20s %s\n", m->name, m->sentence);
}

static status help_group(const struct cli_group *g, text *t)
{
	text_format(t, "%s:\n\n", g->sentence);
	for (const struct cli_command *m = cli_commands; m->name; m++)
		if (slice_same(first_word(m), slice_z(g->name)))
			command_line(m, t);
	text_format(t, "\n`pennypost help %s COMMAND` tells more about one.\n", g->name);
	return ST_OK;
}

static status help_all(text *t)
{
	text_add_z(t, "usage: pennypost [--config FILE] [--json] COMMAND ...\n\n");
	for (const struct cli_command *m = cli_commands; m->name; m++)
		command_line(m, t);
	text_add_z(t, "\noptions of every command:\n");
	add_parameter_lines(cli_globals, t);
	text_add_z(t, "\nexit codes:\n");
	for (const struct cli_exit *x = cli_exits; x->sentence; x++)
		text_format(t, "  %2d  %s\n", x->code, x->sentence);
	text_add_z(t, "\n`pennypost help COMMAND` tells more about one.\n");
	return ST_OK;
}

status cli_help_text(struct cli *c, slice words, text *t)
{
	if (words.size == 0)
		return help_all(t);
	for (const struct cli_command *m = cli_commands; m->name; m++) {
		if (slice_same(words, slice_z(m->name))) {
			help_command(m, t);
			return ST_OK;
		}
	}
	for (const struct cli_group *g = cli_groups; g->name; g++)
		if (slice_same(words, slice_z(g->name)))
			return help_group(g, t);
	const char *near = slice_nearest(words, cli_known_name);
	return cli_misused(c,
		near ? arena_format(&c->a, "did you mean `%s`?", near).at
		     : "`pennypost help` lists all commands",
		"there is no command `%.*s`", SLICE_ARGS(words));
}

/* ---- the table itself, for programs */

static json_t *parameters_as_json(const struct cli_command *m)
{
	json_t *rows = json_array();
	for (const struct cli_parameter *p = m->parameters; p->name; p++)
		json_array_append_new(
			rows, json_pack("{s:s,s:s,s:s,s:b,s:b,s:s}", "name", p->name, "also",
				      p->also ? p->also : "", "value",
				      p->kind == CLI_WORD ? p->words : cli_kind_word(p->kind),
				      "needed", (p->flags & CLI_NEEDED) != 0, "many",
				      (p->flags & CLI_MANY) != 0, "sentence", p->sentence));
	return rows;
}

static json_t *table_as_json(void)
{
	json_t *rows = json_array();
	for (const struct cli_command *m = cli_commands; m->name; m++)
		json_array_append_new(
			rows, json_pack("{s:s,s:s,s:o}", "command", m->name, "sentence",
				      m->sentence, "parameters", parameters_as_json(m)));
	return rows;
}

/* Lends the text to cli_says. */
static status say(struct cli *c, text *t, status kind)
{
	if (kind == ST_OK)
		kind = cli_says(c, text_slice(t));
	text_free(t);
	return kind;
}

status cli_help(struct cli *c)
{
	static const struct cli_column none[] = {{NULL}};
	text words = TEXT_INIT, t = TEXT_INIT;
	slice word;
	for (int i = 0; cli_each(c, "COMMAND", i, &word); i++) {
		if (i > 0)
			text_add_char(&words, ' ');
		text_add(&words, word);
	}
	if (c->json && words.size == 0)
		return cli_rows(c, table_as_json(), none, "");
	status kind = cli_help_text(c, text_slice(&words), &t);
	text_free(&words);
	return say(c, &t, kind);
}

status cli_completion(struct cli *c)
{
	text t = TEXT_INIT;
	if (slice_same(cli_text(c, "SHELL"), S("bash")))
		cli_completion_bash(&t);
	else
		cli_completion_zsh(&t);
	return say(c, &t, ST_OK);
}

status cli_manual(struct cli *c)
{
	static void (*const pages[])(text * t) = {
		cli_manual_command, cli_manual_settings, cli_manual_server, cli_manual_conf};
	enum { SETTINGS = 1, PAGES = sizeof pages / sizeof *pages };
	int64_t page =
		cli_number(c, "PAGE", 0) % PAGES; /* the names in full come in the same order */
	text t = TEXT_INIT;
	if (!cli_has(c, "--markdown")) {
		pages[page](&t);
		return say(c, &t, ST_OK);
	}
	if (page != SETTINGS)
		return cli_misused(c, "`pennypost manual settings --markdown`",
			"only settings come as Markdown");
	cli_manual_settings_markdown(&t);
	return say(c, &t, ST_OK);
}
