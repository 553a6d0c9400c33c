/* What makes bash and zsh complete the words of this program: scripts made of the table. */
#include "program/cli.h"
#include "provider/setting.h"

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

static bool first_of_its_word(const struct cli_command *m)
{
	return m == cli_commands || !slice_same(first_word(m), first_word(m - 1));
}

/* Every first word once; rows of one group stand together. */
static void add_first_words(text *t)
{
	for (const struct cli_command *m = cli_commands; m->name; m++)
		if (first_of_its_word(m))
			text_format(t, "%s%.*s", m == cli_commands ? "" : " ",
				SLICE_ARGS(first_word(m)));
}

static void add_second_words(const struct cli_command *first, text *t)
{
	for (const struct cli_command *m = first;
		m->name && slice_same(first_word(m), first_word(first)); m++)
		text_format(t, "%s%s", m == first ? "" : " ", m->name + first_word(m).size + 1);
}

/* ---- bash */

static bool is_listed(const struct cli_parameter *p)
{
	return p->kind == CLI_WORD || p->kind == CLI_SETTING;
}

static void add_word_list(const struct cli_parameter *p, text *t)
{
	if (p->kind == CLI_SETTING) {
		for (int id = 0; id < S_COUNT; id++)
			text_format(t, "%s%s", id ? " " : "", setting_rows[id].name);
		return;
	}
	slice rest = slice_z(p->words), word;
	for (int i = 0; slice_take(&rest, '|', &word); i++)
		text_format(t, "%s%.*s", i ? " " : "", SLICE_ARGS(word));
}

static void bash_command(const struct cli_command *m, text *t)
{
	text_format(t, "\t'%s')\n\t\toptions='", m->name);
	for (const struct cli_parameter *p = cli_globals; p->name; p++)
		text_format(t, "%s%s", p == cli_globals ? "" : " ", p->name);
	for (const struct cli_parameter *p = m->parameters; p->name; p++)
		if (is_option(p))
			text_format(t, " %s", p->name);
	text_add_z(t, "'\n");
	for (const struct cli_parameter *p = m->parameters; p->name; p++) {
		if (!is_listed(p))
			continue;
		text_add_z(t, "\t\t");
		if (is_option(p))
			text_format(t, "[ \"$before\" = %s ] && ", p->name);
		else if (p->kind == CLI_SETTING)
			text_add_z(t, "[ \"$before\" = \"$second\" ] && ");
		text_add_z(t, "words='");
		add_word_list(p, t);
		text_add_z(t, "'\n");
	}
	for (const struct cli_parameter *p = m->parameters; p->name; p++)
		if (is_option(p) && p->kind == CLI_FILE)
			text_format(t, "\t\t[ \"$before\" = %s ] && files=yes\n", p->name);
	text_add_z(t, "\t\t;;\n");
}

void cli_completion_bash(text *t)
{
	text_add_z(t,
		"# bash completion of pennypost; made by `pennypost completion bash`\n"
		"_pennypost()\n{\n"
		"\tlocal now=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}\n"
		"\tlocal first= second= options= words= files= i\n"
		"\tfor ((i = 1; i < COMP_CWORD; i++)); do\n"
		"\t\tcase ${COMP_WORDS[i]} in\n"
		"\t\t--config) i=$((i + 1)) ;;\n"
		"\t\t-*) ;;\n"
		"\t\t*)\n"
		"\t\t\tif [ -z \"$first\" ]; then\n\t\t\t\tfirst=${COMP_WORDS[i]}\n"
		"\t\t\telif [ -z \"$second\" ]; then\n\t\t\t\tsecond=${COMP_WORDS[i]}\n\t\t\tfi\n"
		"\t\t\t;;\n"
		"\t\tesac\n"
		"\tdone\n"
		"\tif [ -z \"$first\" ]; then\n\t\toptions='--config --json --help'\n\t\twords='");
	add_first_words(t);
	text_add_z(t, "'\n\telse\n\t\tcase $first in\n");
	for (const struct cli_command *m = cli_commands; m->name; m++) {
		if (!first_of_its_word(m) || !strchr(m->name, ' '))
			continue;
		text_format(
			t, "\t\t%.*s) [ -n \"$second\" ] || words='", SLICE_ARGS(first_word(m)));
		add_second_words(m, t);
		text_add_z(t, "' ;;\n");
	}
	text_add_z(t, "\t\t*) second= ;;\n\t\tesac\n\tfi\n"
		      "\tcase \"$first${second:+ $second}\" in\n");
	for (const struct cli_command *m = cli_commands; m->name; m++)
		bash_command(m, t);
	text_add_z(t,
		"\tesac\n"
		"\t[ \"$before\" = --config ] && files=yes\n"
		"\tif [ -n \"$files\" ]; then\n\t\tCOMPREPLY=($(compgen -f -- \"$now\"))\n"
		"\telif [ \"${now:0:1}\" = - ]; then\n\t\tCOMPREPLY=($(compgen -W \"$options\" -- \"$now\"))\n"
		"\telse\n\t\tCOMPREPLY=($(compgen -W \"$words\" -- \"$now\"))\n\tfi\n"
		"}\n"
		"complete -F _pennypost pennypost\n");
}

/* ---- zsh */

/* Within single quotes of a spec: quotes end it, brackets and colons are its own. */
static void add_zsh_text(const char *s, text *t)
{
	for (; *s; s++) {
		if (*s == '\'')
			text_add_z(t, "'\\''");
		else if (strchr("[]:\\", *s))
			text_format(t, "\\%c", *s);
		else
			text_add_char(t, *s);
	}
}

static void zsh_parameter(const struct cli_parameter *p, text *t)
{
	bool many = p->flags & CLI_MANY;
	text_add_z(t, " \\\n\t\t\t'");
	if (is_option(p)) {
		text_format(t, "%s%s[", many ? "*" : "", p->name);
		add_zsh_text(p->sentence, t);
		text_add_char(t, ']');
	} else {
		text_add_z(t, many ? "*" : "");
	}
	if (p->kind != CLI_FLAG) {
		text_format(t, ":%s:", is_option(p) ? cli_kind_word(p->kind) : p->name);
		if (p->kind == CLI_FILE)
			text_add_z(t, "_files");
		if (is_listed(p)) {
			text_add_char(t, '(');
			add_word_list(p, t);
			text_add_char(t, ')');
		}
	}
	text_add_char(t, '\'');
}

static void zsh_command(const struct cli_command *m, text *t)
{
	text_format(t, "\t'%s')\n\t\t_arguments", m->name);
	for (const struct cli_parameter *p = cli_globals; p->name; p++)
		zsh_parameter(p, t);
	for (const struct cli_parameter *p = m->parameters; p->name; p++)
		zsh_parameter(p, t);
	text_add_z(t, "\n\t\t;;\n");
}

static const char *sentence_of(slice group, const struct cli_command *m)
{
	for (const struct cli_group *g = cli_groups; g->name; g++)
		if (slice_same(group, slice_z(g->name)))
			return g->sentence;
	return m->sentence;
}

void cli_completion_zsh(text *t)
{
	text_add_z(t,
		"#compdef pennypost\n# zsh completion of pennypost; made by `pennypost completion zsh`\n"
		"_pennypost()\n{\n"
		"\tlocal -a given commands\n\tlocal i skip=0\n"
		"\tfor ((i = 2; i < CURRENT; i++)); do\n"
		"\t\tcase $words[i] in\n\t\t--config) ((i++)) ;;\n\t\t-*) ;;\n\t\t*) given+=($words[i]); skip=$i ;;\n"
		"\t\tesac\n"
		"\t\t[[ $#given -eq 2 || $given[1] = (");
	bool first = true;
	for (const struct cli_command *m = cli_commands; m->name; m++) {
		if (strchr(m->name, ' '))
			continue;
		text_format(t, "%s%s", first ? "" : "|", m->name);
		first = false;
	}
	text_add_z(t, ") ]] && break\n\tdone\n\tcase \"$given\" in\n\t'')\n\t\tcommands=(");
	for (const struct cli_command *m = cli_commands; m->name; m++) {
		if (!first_of_its_word(m))
			continue;
		text_format(t, " \\\n\t\t\t'%.*s:", SLICE_ARGS(first_word(m)));
		add_zsh_text(sentence_of(first_word(m), m), t);
		text_add_char(t, '\'');
	}
	text_add_z(t, ")\n\t\t_describe command commands\n\t\treturn\n\t\t;;\n");
	for (const struct cli_command *m = cli_commands; m->name; m++) {
		if (!strchr(m->name, ' '))
			continue;
		if (first_of_its_word(m))
			text_format(t, "\t%.*s)\n\t\tcommands=(", SLICE_ARGS(first_word(m)));
		text_format(t, " \\\n\t\t\t'%s:", m->name + first_word(m).size + 1);
		add_zsh_text(m->sentence, t);
		text_add_char(t, '\'');
		if (!m[1].name || first_of_its_word(m + 1))
			text_add_z(t, ")\n\t\t_describe command commands\n\t\treturn\n\t\t;;\n");
	}
	text_add_z(t,
		"\tesac\n\twords=(pennypost \"${(@)words[skip + 1,-1]}\")\n\t((CURRENT -= skip - 1))\n\tcase \"$given\" in\n");
	for (const struct cli_command *m = cli_commands; m->name; m++)
		zsh_command(m, t);
	/* As a file of $fpath its first call runs it; sourced it only makes itself known. */
	text_add_z(t, "\tesac\n}\n"
		      "if [[ $funcstack[1] = _pennypost ]]; then\n\t_pennypost \"$@\"\n"
		      "elif (( $+functions[compdef] )); then\n\tcompdef _pennypost pennypost\n"
		      "else\n\tprint -u2 'pennypost: call compinit before this is sourced'\nfi\n");
}
