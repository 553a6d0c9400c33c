/* The manual pages as roff, made of the tables: commands, settings, the server's options, the keys
   of the bootstrap file; and the settings once more as Markdown. */
#include "program/cli.h"

#include "program/service_table.h"
#include "provider/setting_parse.h"

#include <string.h>

/* Text where roff takes nothing for its own: backslashes, hyphens, a dot or quote at a line's
   start. */
static void add(slice s, text *t)
{
	bool start = t->size == 0 || t->at[t->size - 1] == '\n';
	if (start && s.size > 0 && (s.at[0] == '.' || s.at[0] == '\''))
		text_add_z(t, "\\&");
	for (size_t i = 0; i < s.size; i++) {
		if (s.at[i] == '\\')
			text_add_z(t, "\\e");
		else if (s.at[i] == '-')
			text_add_z(t, "\\-");
		else
			text_add_char(t, s.at[i]);
	}
}

static void add_z(const char *s, text *t)
{
	add(slice_z(s), t);
}

/* `code` between back quotes comes in bold. */
static void paragraph(const char *s, text *t)
{
	slice rest = slice_z(s), part;
	bool bold = false;
	while (slice_take(&rest, '`', &part)) {
		text_add_z(t, bold ? "\\fB" : "");
		add(part, t);
		text_add_z(t, bold ? "\\fR" : "");
		bold = !bold;
	}
	text_add_char(t, '\n');
}

static void page(const char *title, int section, const char *name, const char *sentence, text *t)
{
	text_format(t,
		".\\\" Made by pennypost manual.\n.TH %s %d \"\" \"%s\" \"Pennypost\"\n.SH NAME\n%s \\- %s\n",
		title, section, PACKAGE_STRING, name, sentence);
}

static void heading(const char *words, text *t)
{
	text_format(t, ".SH %s\n", words);
}

static void term(const char *words, text *t)
{
	text_add_z(t, ".TP\n\\fB");
	add_z(words, t);
	text_add_z(t, "\\fR\n");
}

static void see_also(const char *pages, text *t)
{
	heading("SEE ALSO", t);
	text_format(t, "%s\n", pages);
}

/* ---- pennypost(1) */

static bool is_option(const struct cli_parameter *p)
{
	return p->name[0] == '-';
}

static void parameters(const struct cli_parameter *p, text *t)
{
	for (; p->name; p++) {
		text_add_z(t, ".TP\n\\fB");
		add_z(p->name, t);
		text_add_z(t, "\\fR");
		if (is_option(p) && p->kind != CLI_FLAG)
			text_format(t, " \\fI%s\\fR", cli_kind_word(p->kind));
		slice others = cli_other_names(p), other;
		while (slice_take(&others, '|', &other)) {
			text_add_z(t, ", \\fB");
			add(other, t);
			text_add_z(t, "\\fR");
		}
		text_add_char(t, '\n');
		add_z(p->sentence, t);
		if (p->kind == CLI_WORD) {
			text_add_z(t, ": ");
			slice rest = slice_z(p->words), word;
			for (int i = 0; slice_take(&rest, '|', &word); i++)
				text_format(t, "%s%.*s", i ? ", " : "", SLICE_ARGS(word));
		}
		text_add_z(t, p->flags & CLI_NEEDED ? "; needed.\n" : ".\n");
	}
}

static void command(const struct cli_command *m, text *t)
{
	text usage = TEXT_INIT;
	cli_usage(m, &usage);
	text_add_z(t, ".SS \"");
	add_z(m->name, t);
	text_add_z(t, "\"\n.B ");
	add(text_slice(&usage), t);
	text_add_z(t, "\n.PP\n");
	text_free(&usage);
	paragraph(m->sentence, t);
	parameters(m->parameters, t);
	if (m->remark) {
		text_add_z(t, ".PP\n");
		paragraph(m->remark, t);
	}
	if (m->example) {
		text_add_z(t, ".PP\nExample:\n.RS\n.nf\npennypost ");
		add_z(m->example, t);
		text_add_z(t, "\n.fi\n.RE\n");
	}
}

void cli_manual_command(text *t)
{
	page("PENNYPOST", 1, "pennypost", "administer a Pennypost mail system", t);
	heading("SYNOPSIS", t);
	text_add_z(t,
		".B pennypost\n[\\fB\\-\\-config\\fR \\fIFILE\\fR] [\\fB\\-\\-json\\fR] \\fICOMMAND\\fR ...\n");
	heading("DESCRIPTION", t);
	paragraph(
		"The operator's command line: it makes the database, changes settings, post offices, domains, "
		"mailboxes and addresses, shows and removes messages, and tells how the system is. It speaks with the "
		"database only, so it works on any machine that has the bootstrap file, whether servers run or not; they "
		"follow within two seconds. Every change leaves an audit row naming the user.",
		t);
	text_add_z(t, ".PP\n");
	paragraph(
		"Sizes are written with their unit (B, KB, MB, GB, TB), times too (s, min, h, d). Secrets given as "
		"arguments are wiped from the process list, but may have been seen there: `-` reads them from standard "
		"input instead.",
		t);
	heading("OPTIONS", t);
	parameters(cli_globals, t);
	heading("COMMANDS", t);
	for (const struct cli_command *m = cli_commands; m->name; m++)
		command(m, t);
	heading("\"EXIT STATUS\"", t);
	for (const struct cli_exit *x = cli_exits; x->sentence; x++) {
		text_format(t, ".TP\n.B %d\n", x->code);
		add_z(x->sentence, t);
		text_add_char(t, '\n');
	}
	text_add_z(t, ".PP\n");
	paragraph(
		"With `--json` an error is one JSON value on standard error: an object `error` with the members "
		"`kind`, `exit`, `sentence`, `remedy` and `notes`.",
		t);
	heading("FILES", t);
	term("/etc/pennypost/pennypost.conf", t);
	paragraph(
		"The bootstrap file, unless `--config` or the environment variable PENNYPOST_CONF names another.",
		t);
	see_also("pennypost\\-settings(5), pennypost.conf(5), pennypostd(8)", t);
}

/* ---- settings */

static const struct {
	unsigned bit;
	const char *word;
} scope_words[] = {{SCOPE_SERVER, "server"}, {SCOPE_POSTOFFICE, "post office"},
	{SCOPE_DOMAIN, "domain"}, {SCOPE_MAILBOX, "mailbox"}};
static const char *const effect_words[] = {[EFFECT_NOW] = "at once",
	[EFFECT_CONVERSATION] = "with the next conversation",
	[EFFECT_RESTART] = "with the next start of the worker",
	[EFFECT_SERVICE] = "with a restart of the service"};
static void add_scopes(unsigned scopes, text *t)
{
	const char *between = "";
	for (size_t i = 0; i < sizeof scope_words / sizeof *scope_words; i++) {
		if (scopes & scope_words[i].bit) {
			text_format(t, "%s%s", between, scope_words[i].word);
			between = ", ";
		}
	}
}

/* "a size, 64 KB to 2 GB", "a text, at most 400 characters" */
static void add_range(enum setting_id id, text *t)
{
	const struct setting_row *row = &setting_rows[id];
	arena a = ARENA_INIT;

	text_add(t, setting_form(id, &a));
	if (!setting_is_number(row->kind) && row->most[0])
		text_format(t, "; at most %s characters", row->most);
	arena_release(&a);
}

void cli_manual_settings(text *t)
{
	page("PENNYPOST-SETTINGS", 5, "pennypost-settings",
		"the settings of a Pennypost mail system", t);
	heading("DESCRIPTION", t);
	paragraph(
		"Settings are kept in the database and followed by all nodes within two seconds. They are shown and "
		"changed by `pennypost settings`. Where a setting has several scopes, the narrowest one set counts: "
		"mailbox, domain, post office, server.",
		t);
	heading("SETTINGS", t);
	for (int i = 0; i < S_COUNT; i++) {
		const struct setting_row *row = &setting_rows[i];
		text line = TEXT_INIT;
		term(row->name, t);
		paragraph(row->sentence, t);
		add_range((enum setting_id)i, &line);
		text_format(
			&line, "; default: %s; for: ", row->fallback[0] ? row->fallback : "empty");
		add_scopes(row->scopes, &line);
		text_format(&line, "; takes effect %s.", effect_words[row->effect]);
		text_add_z(t, ".br\n");
		add(text_slice(&line), t);
		text_add_char(t, '\n');
		text_free(&line);
	}
	see_also("pennypost(1), pennypostd(8)", t);
}

/* A bar would end the table's cell. */
static void add_cell(const char *s, text *t)
{
	for (; *s; s++) {
		if (*s == '|')
			text_add_char(t, '\\');
		text_add_char(t, *s);
	}
}

void cli_manual_settings_markdown(text *t)
{
	text_add_z(t,
		"# Settings\n\n"
		"Made by `pennypost manual settings --markdown`; a test keeps it true. Settings are kept in the database and\n"
		"followed by all nodes within two seconds; `pennypost settings` shows and changes them. Where a setting has\n"
		"several scopes, the narrowest one set counts: mailbox, domain, post office, server;\n"
		"`pennypost settings exceptions` lists what is set for less than the server.\n\n"
		"| Setting | What it is | Value | Default | For | Takes effect |\n|---|---|---|---|---|---|\n");
	for (int i = 0; i < S_COUNT; i++) {
		const struct setting_row *row = &setting_rows[i];
		text range = TEXT_INIT;
		add_range((enum setting_id)i, &range);
		text_format(t, "| `%s` | ", row->name);
		add_cell(row->sentence, t);
		text_add_z(t, " | ");
		add_cell(range.at, t);
		text_add_z(t, row->fallback[0] ? " | `" : " | ");
		add_cell(row->fallback, t);
		text_add_z(t, row->fallback[0] ? "` | " : " | ");
		add_scopes(row->scopes, t);
		text_format(t, " | %s |\n", effect_words[row->effect]);
		text_free(&range);
	}
}

/* ---- pennypostd(8) */

void cli_manual_server(text *t)
{
	static const struct {
		const char *name, *value, *sentence;
	} options[] = {
#define SERVER_OPTION(name, letter, value, sentence) {"--" name, value, sentence},
#include "program/server_options.def"
#undef SERVER_OPTION
	};
	static const struct {
		const char *name, *sentence;
	} signals[] = {
		{"TERM, INT",
			"Stops: no new clients, running commands finish (setting stop_patience), then the end."},
		{"HUP", "Reads certificates again."},
		{"USR2", "Restarts the workers one by one, so that services stay reachable."}};
	page("PENNYPOSTD", 8, "pennypostd", "the Pennypost mail server", t);
	heading("SYNOPSIS", t);
	text_add_z(t,
		".B pennypostd\n[\\fB\\-\\-config\\fR \\fIFILE\\fR] [\\fB\\-\\-check\\fR | \\fB\\-\\-stdio\\fR \\fISERVICE\\fR | \\fB\\-\\-foreground\\fR]\n");
	heading("DESCRIPTION", t);
	paragraph(
		"A master opens ports and certificates, gives up its privileges, and keeps worker processes alive that "
		"serve mail clients. Which services run is told by the setting `services`, where they listen by the setting "
		"beside each below. Any number of nodes may serve one database.",
		t);
	heading("OPTIONS", t);
	for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
		text_add_z(t, ".TP\n\\fB");
		add_z(options[i].name, t);
		text_format(t, "\\fR \\fI%s\\fR\n", options[i].value);
		add_z(options[i].sentence, t);
		text_add_z(t, ".\n");
	}
	heading("SERVICES", t);
	for (int i = 0; i < service_row_count; i++) {
		text line = TEXT_INIT;
		term(service_rows[i].word, t);
		if (service_rows[i].listen == S_COUNT)
			text_add_z(&line, "sends queued mail to other systems");
		else
			text_format(&line, "listens at `%s`",
				setting_rows[service_rows[i].listen].name);
		if (service_rows[i].tls)
			text_add_z(&line, ", TLS from the first byte");
		text_add_char(&line, '.');
		paragraph(line.at, t);
		text_free(&line);
	}
	heading("SIGNALS", t);
	for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) {
		term(signals[i].name, t);
		paragraph(signals[i].sentence, t);
	}
	see_also("pennypost(1), pennypost\\-settings(5), pennypost.conf(5)", t);
}

/* ---- pennypost.conf(5) */

void cli_manual_conf(text *t)
{
	static const struct {
		const char *name, *sentence;
	} keys[] = {
#define BOOTSTRAP_KEY(name, sentence) {#name, sentence},
#include "provider/bootstrap_keys.def"
#undef BOOTSTRAP_KEY
	};
	page("PENNYPOST.CONF", 5, "pennypost.conf", "the bootstrap file of Pennypost", t);
	heading("DESCRIPTION", t);
	paragraph(
		"The little a process must know before it can ask the database; everything else is a setting. Lines "
		"are written `key = value`; a line that begins with # is a comment. The file holds passwords: only "
		"administrators may read it. `pennypost schema init --write-config` makes one.",
		t);
	heading("KEYS", t);
	for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
		term(keys[i].name, t);
		paragraph(keys[i].sentence, t);
	}
	heading("EXAMPLE", t);
	text_add_z(t,
		".nf\n"
		"pguri = postgresql://pennypost_run:secret@db.example.org/pennypost\n"
		"pguri_system = postgresql://pennypost_system:other@db.example.org/pennypost\n"
		"certificates = /etc/pennypost/certificates\n"
		"user = pennypost\n"
		"state = /run/pennypost\n.fi\n");
	see_also("pennypost(1), pennypostd(8)", t);
}
