/* The operator's command line without a database: the table, what is parsed, what is refused and
   how. */
#include "program/cli.h"

#include "program/cli_answer.h"
#include "provider/setting.h"

#include <criterion/criterion.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define WORDS_MOST 24

/* One call of the program and all it said. */
struct call {
	int code;
	char *out, *err;
	size_t out_size, err_size;
	char *argv[WORDS_MOST + 1];
};

/* `line` is split at blanks; what stands in single quotes is one word. */
static int split(const char *line, char **argv)
{
	int n = 0;
	argv[n++] = strdup("pennypost");
	while (*line) {
		const char *end = *line == '\'' ? strchr(++line, '\'') : strchrnul(line, ' ');
		argv[n++] = strndup(line, (size_t)(end - line));
		line = end + (*end == '\'');
		while (*line == ' ')
			line++;
	}
	argv[n] = NULL;
	return n;
}

static void call(struct call *k, const char *line, const char *input)
{
	int argc = split(line, k->argv);
	FILE *in = fmemopen((char *)(uintptr_t)input, strlen(input), "r");
	FILE *out = open_memstream(&k->out, &k->out_size);
	FILE *err = open_memstream(&k->err, &k->err_size);
	k->code = cli_main(argc, k->argv, in, out, err);
	fclose(in);
	fclose(out);
	fclose(err);
}

static void forget(struct call *k)
{
	for (int i = 0; k->argv[i]; i++)
		free(k->argv[i]);
	free(k->out);
	free(k->err);
}

/* ---- the table */

static bool is_option(const struct cli_parameter *p)
{
	return p->name[0] == '-';
}

Test(cli_table, every_command_tells_what_it_does)
{
	for (const struct cli_command *m = cli_commands; m->name; m++) {
		size_t size = strlen(m->sentence);
		cr_expect(size > 10 && m->sentence[size - 1] == '.', "%s has no sentence", m->name);
		cr_expect_not_null(m->run, "%s does nothing", m->name);
		cr_expect_not_null(m->example, "%s has no example", m->name);
		cr_expect_eq(strncmp(m->example, m->name, strlen(m->name)), 0,
			"%s shows another one", m->name);
		for (const struct cli_parameter *p = m->parameters; p->name; p++)
			cr_expect(strlen(p->sentence) > 3, "%s: %s says nothing", m->name, p->name);
	}
}

Test(cli_table, no_command_has_a_parameter_twice_nor_one_of_all_commands)
{
	for (const struct cli_command *m = cli_commands; m->name; m++) {
		for (const struct cli_parameter *p = m->parameters; p->name; p++) {
			for (const struct cli_parameter *q = p + 1; q->name; q++)
				cr_expect_str_neq(p->name, q->name, "%s: %s", m->name, p->name);
			for (const struct cli_parameter *g = cli_globals; g->name; g++)
				cr_expect_str_neq(p->name, g->name, "%s: %s", m->name, p->name);
		}
	}
}

Test(cli_table, words_belong_to_word_parameters_and_flags_are_options)
{
	for (const struct cli_command *m = cli_commands; m->name; m++) {
		for (const struct cli_parameter *p = m->parameters; p->name; p++) {
			cr_expect_eq(
				p->words != NULL, p->kind == CLI_WORD, "%s: %s", m->name, p->name);
			cr_expect(p->kind != CLI_FLAG || is_option(p), "%s: %s", m->name, p->name);
		}
	}
}

/* Completion and help count on it. */
Test(cli_table, commands_of_a_group_stand_together_and_every_group_has_some)
{
	for (const struct cli_group *g = cli_groups; g->name; g++) {
		int runs = 0;
		bool inside = false;
		for (const struct cli_command *m = cli_commands; m->name; m++) {
			size_t size = strlen(g->name);
			bool now = strncmp(m->name, g->name, size) == 0 && m->name[size] == ' ';
			runs += now && !inside;
			inside = now;
		}
		cr_expect_eq(runs, 1, "%s", g->name);
	}
}

Test(cli_table, every_example_is_accepted_by_the_parser)
{
	for (const struct cli_command *m = cli_commands; m->name; m++) {
		char line[512], *argv[WORDS_MOST + 1];
		snprintf(line, sizeof line, "%s", m->example);
		for (char *c = line; *c; c++)
			if (*c == '"')
				*c = '\'';
		int argc = split(line, argv);
		struct cli c = {.in = fmemopen((char[]){"secret"}, 6, "r")};
		status kind = cli_parse(&c, argc, argv);
		cr_expect_eq(kind, ST_OK, "%s: %.*s", m->name, SLICE_ARGS(c.sentence));
		cr_expect_eq(c.command, m, "%s", m->name);
		fclose(c.in);
		arena_release(&c.a);
		for (int i = 0; i < argc; i++)
			free(argv[i]);
	}
}

Test(cli_table, other_names_are_one_options_own)
{
	for (const struct cli_command *m = cli_commands; m->name; m++)
		for (const struct cli_parameter *p = m->parameters; p->name; p++) {
			slice rest = cli_other_names(p), other;

			cr_expect(!p->also || is_option(p), "%s: %s", m->name, p->name);
			while (slice_take(&rest, '|', &other)) {
				cr_expect(
					slice_starts(other, S("-")) && !slice_same(other, S("-h")),
					"%s: %s", m->name, p->also);
				for (const struct cli_parameter *q = m->parameters; q->name; q++)
					cr_expect(!slice_same(other, slice_z(q->name)) &&
							  (q == p || !q->also),
						"%s: %s", m->name, q->name);
				for (const struct cli_parameter *g = cli_globals; g->name; g++)
					cr_expect_not(slice_same(other, slice_z(g->name)), "%s: %s",
						m->name, p->also);
			}
		}
}

Test(cli_table, an_option_is_known_by_its_other_names)
{
	static const struct {
		const char *line;
		status kind;
		int64_t most;
	} rows[] = {
		{"audit list --most 7", ST_OK, 7},
		{"audit list --limit 7", ST_OK, 7},
		{"audit list --limit=7", ST_OK, 7},
		{"audit list -n 7", ST_OK, 7},
		{"audit list", ST_OK, -1},
		{"audit list -n", ST_INVALID, 0},
		{"audit list -n 7 --limit 8", ST_INVALID, 0},
		{"audit list -m 7", ST_INVALID, 0},
		{"audit list -- -n 7", ST_INVALID, 0},
		{"audit list ''", ST_INVALID, 0},
		{"postoffice list -n 7", ST_INVALID, 0},
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		char *argv[WORDS_MOST + 1];
		int argc = split(rows[i].line, argv);
		struct cli c = {.in = stdin};

		cr_expect_eq(cli_parse(&c, argc, argv), rows[i].kind, "%s: %.*s", rows[i].line,
			SLICE_ARGS(c.sentence));
		if (rows[i].kind == ST_OK)
			cr_expect_eq(
				cli_number(&c, "--most", -1), rows[i].most, "%s", rows[i].line);
		arena_release(&c.a);
		for (int k = 0; k < argc; k++)
			free(argv[k]);
	}
}

/* ---- help, completion, manual */

Test(cli_help, tells_about_everything)
{
	struct call k;
	call(&k, "help", "-");
	cr_assert_eq(k.code, 0);
	for (const struct cli_command *m = cli_commands; m->name; m++)
		cr_expect_not_null(strstr(k.out, m->sentence), "%s", m->name);
	for (const struct cli_exit *x = cli_exits; x->sentence; x++)
		cr_expect_not_null(strstr(k.out, x->sentence), "%d", x->code);
	forget(&k);
}

Test(cli_help, tells_about_each_command_by_two_ways_the_same)
{
	for (const struct cli_command *m = cli_commands; m->name; m++) {
		struct call by_word, by_option;
		char line[128];
		snprintf(line, sizeof line, "help %s", m->name);
		call(&by_word, line, "-");
		snprintf(line, sizeof line, "%s --help", m->name);
		call(&by_option, line, "-");
		cr_expect_eq(by_word.code, 0, "%s", m->name);
		cr_expect_str_eq(by_word.out, by_option.out, "%s", m->name);
		for (const struct cli_parameter *p = m->parameters; p->name; p++)
			cr_expect_not_null(
				strstr(by_word.out, p->sentence), "%s: %s", m->name, p->name);
		forget(&by_word);
		forget(&by_option);
	}
}

Test(cli_help, of_a_group_lists_its_commands)
{
	struct call k;
	call(&k, "help mailbox", "-");
	cr_expect_eq(k.code, 0);
	cr_expect_not_null(strstr(k.out, "mailbox logon-test"));
	cr_expect_null(strstr(k.out, "domain add"));
	forget(&k);
}

Test(cli_help, as_json_is_the_whole_table)
{
	struct call k;
	size_t count = 0;
	while (cli_commands[count].name)
		count++;
	call(&k, "help --json", "-");
	json_t *rows = json_loads(k.out, 0, NULL);
	cr_expect_eq(json_array_size(rows), count);
	json_decref(rows);
	forget(&k);
}

Test(cli_completion, covers_every_command_and_option)
{
	void (*const shells[])(text *) = {cli_completion_bash, cli_completion_zsh};
	for (int i = 0; i < 2; i++) {
		text t = TEXT_INIT;
		shells[i](&t);
		for (const struct cli_command *m = cli_commands; m->name; m++) {
			char begin[80];
			snprintf(begin, sizeof begin, "\t'%s')", m->name);
			const char *at = strstr(t.at, begin);
			cr_assert_not_null(at, "%s", m->name);
			const char *end = strstr(at, "\t\t;;");
			for (const struct cli_parameter *p = m->parameters; p->name; p++) {
				const char *found = strstr(at, p->name);
				cr_expect(!is_option(p) || (found && found < end), "%s: %s",
					m->name, p->name);
			}
		}
		text_free(&t);
	}
}

Test(cli_manual, has_every_setting_and_every_command)
{
	text settings = TEXT_INIT, markdown = TEXT_INIT;
	cli_manual_settings(&settings);
	cli_manual_settings_markdown(&markdown);
	for (int i = 0; i < S_COUNT; i++) {
		char term[80];
		snprintf(term, sizeof term, "\\fB%s\\fR", setting_rows[i].name);
		cr_expect_not_null(strstr(settings.at, term), "%s", term);
		snprintf(term, sizeof term, "| `%s` |", setting_rows[i].name);
		cr_expect_not_null(strstr(markdown.at, term), "%s", term);
	}
	text_free(&settings);
	text_free(&markdown);
}

/* ---- what is refused */

struct refusal {
	const char *line;
	int code;
	const char *sentence, *remedy; /* parts of what is said */
};

static const struct refusal refusals[] = {
	{"", 64, "a command is missing", "pennypost help"},
	{"malbox list", 64, "no command `malbox`", "did you mean `mailbox`?"},
	{"mailbox lst", 64, "no command `mailbox lst`", "did you mean `mailbox list`"},
	{"mailbox", 64, "`mailbox` needs one more word", "pennypost help mailbox"},
	{"xyzzyplugh", 64, "no command", "`pennypost help` lists all"},
	{"help malbox", 64, "no command", "did you mean `mailbox`"},
	{"mailbox add", 64, "MAILBOX is missing", "usage: pennypost mailbox add MAILBOX"},
	{"mailbox add anna@demo ben@demo", 64, "one word too many", "usage: pennypost mailbox add"},
	{"mailbox add anna@demo --size 5", 64, "no option --size", "pennypost help mailbox add"},
	{"mailbox add anna@demo --quota", 64, "--quota wants a value", "usage:"},
	{"mailbox add anna@demo --quota 1GB --quota 2GB", 64, "--quota is given twice", "usage:"},
	{"mailbox remove anna@demo --yes=please", 64, "--yes takes no value", "usage:"},
	{"domain add demo.test", 64, "--postoffice is missing", "usage:"},
	{"--config", 64, "--config wants a value", "--config FILE"},
	{"manual conf --markdown", 64, "only settings", "pennypost manual settings --markdown"},
	{"mailbox add anna", 65, "\"anna\" is no value for MAILBOX", "such as anna@demo"},
	{"mailbox add @demo", 65, "no value for MAILBOX", "such as anna@demo"},
	{"mailbox add anna@", 65, "no value for MAILBOX", "such as anna@demo"},
	{"mailbox add anna@demo --quota 12q", 65, "no value for --quota", "such as 500 MB"},
	{"mailbox add anna@demo --kind king", 65, "no value for --kind",
		"one of user, admin, sysadmin"},
	{"mailbox add-many u one 5 --postoffice demo --password x", 65, "for FIRST",
		"a whole number"},
	{"domain show 'demo test'", 65, "no value for DOMAIN", "such as demo.test"},
	{"address resolve anna", 65, "no value for ADDRESS", "such as anna@demo.test"},
	{"settings get smtp_mesage_most", 65, "for SETTING", "did you mean smtp_message_most?"},
	{"settings get xyzzyplugh", 65, "for SETTING", "pennypost settings list"},
	{"message delete --older-than soon", 65, "for --older-than", "such as 30d"},
	{"message delete --before never", 65, "for --before", "such as 2026-01-31"},
	{"completion fish", 65, "for SHELL", "one of bash, zsh"},
	{"mailbox password anna@demo --password=", 65, "the value of --password", "not empty"},
	{"mailbox show 'anna\xff@demo'", 65, "no value for MAILBOX", "such as anna@demo"},
	{"--config /nonexistent/pennypost.conf status", 78, "does not exist", "--config FILE"},
};

Test(cli_refusal, tells_what_is_wrong_and_what_to_do)
{
	for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
		const struct refusal *r = &refusals[i];
		struct call k;
		call(&k, r->line, "-");
		cr_expect_eq(k.code, r->code, "%s: %d", r->line, k.code);
		cr_expect_str_eq(k.out, "", "%s: %s", r->line, k.out);
		cr_expect_not_null(strstr(k.err, r->sentence), "%s: %s", r->line, k.err);
		cr_expect_not_null(strstr(k.err, r->remedy), "%s: %s", r->line, k.err);
		cr_expect_null(strstr(k.err, "?."), "%s: %s", r->line, k.err);
		const char *end = strchr(k.err, '\n');
		cr_expect(end && (end[-1] == '.' || end[-1] == '?'), "%s: %s", r->line, k.err);
		forget(&k);
	}
}

Test(cli_refusal, with_json_is_one_json_value)
{
	for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
		const struct refusal *r = &refusals[i];
		struct call k;
		char line[256];
		snprintf(line, sizeof line, "--json %s", r->line);
		call(&k, line, "-");
		json_t *value = json_loads(k.err, 0, NULL);
		cr_assert_not_null(value, "%s: %s", r->line, k.err);
		const json_t *error = json_object_get(value, "error");
		cr_expect_eq(
			json_integer_value(json_object_get(error, "exit")), r->code, "%s", r->line);
		cr_expect_not_null(
			strstr(json_string_value(json_object_get(error, "sentence")), r->sentence),
			"%s", r->line);
		cr_expect_not_null(
			strstr(json_string_value(json_object_get(error, "remedy")), r->remedy),
			"%s", r->line);
		json_decref(value);
		forget(&k);
	}
}

Test(cli_refusal, of_what_removes_much_asks_for_yes_first)
{
	static const char *const lines[] = {
		"postoffice remove demo", "domain remove demo.test", "mailbox remove anna@demo"};
	for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
		char *argv[WORDS_MOST + 1];
		int argc = split(lines[i], argv);
		struct cli c = {.in = stdin};
		cr_assert_eq(cli_parse(&c, argc, argv), ST_OK, "%s", lines[i]);
		cr_expect_eq(c.command->run(&c), ST_INVALID, "%s",
			lines[i]); /* before it asks any provider */
		cr_expect_eq(c.code, 64, "%s", lines[i]);
		cr_expect_str_eq(c.remedy.at, "add --yes if that is meant", "%s", lines[i]);
		arena_release(&c.a);
		for (int k = 0; k < argc; k++)
			free(argv[k]);
	}
}

Test(cli_refusal, when_the_answer_cannot_be_written)
{
	FILE *full = fopen("/dev/full", "w"), *in = fopen("/dev/null", "r");
	char *argv[] = {(char[]){"pennypost"}, (char[]){"help"}, NULL}, *said = NULL;
	size_t size;
	FILE *err = open_memstream(&said, &size);
	cr_expect_eq(cli_main(2, argv, in, full, err), 74);
	fclose(err);
	cr_expect_not_null(strstr(said, "could not be written"));
	free(said);
	fclose(full);
	fclose(in);
}

/* ---- values */

static void parse(struct cli *c, const char *line, const char *input, char **argv)
{
	int argc = split(line, argv);
	*c = (struct cli){.in = fmemopen((char *)(uintptr_t)input, strlen(input), "r")};
	cr_assert_eq(cli_parse(c, argc, argv), ST_OK, "%s: %.*s", line, SLICE_ARGS(c->sentence));
}

static void done(struct cli *c, char **argv)
{
	fclose(c->in);
	arena_release(&c->a);
	for (int i = 0; argv[i]; i++)
		free(argv[i]);
}

#define SAME(got, wanted)                                                                          \
	do {                                                                                       \
		slice got_ = (got);                                                                \
		cr_expect(slice_same(got_, S(wanted)), "got \"%.*s\"", SLICE_ARGS(got_));          \
	} while (0)

Test(cli_value, options_stand_anywhere_with_blank_or_equals)
{
	static const char *const lines[] = {"mailbox add anna@demo --quota 2GB --kind ADMIN --json",
		"--json mailbox add --kind=admin --quota '2 gb' anna@demo"};
	struct cli c;
	char *argv[WORDS_MOST + 1];
	for (int i = 0; i < 2; i++) {
		parse(&c, lines[i], "-", argv);
		SAME(cli_text(&c, "MAILBOX"), "anna@demo");
		SAME(cli_text(&c, "--kind"), "admin");
		cr_expect_eq(cli_number(&c, "--kind", 0), 1);
		cr_expect_eq(cli_number(&c, "--quota", 0), INT64_C(2) << 30);
		cr_expect(c.json);
		cr_expect_not(cli_has(&c, "--no-addresses"));
		done(&c, argv);
	}
}

Test(cli_value, behind_two_dashes_everything_is_a_word)
{
	struct cli c;
	char *argv[WORDS_MOST + 1];
	parse(&c, "settings set smtp_greeting -- --json", "-", argv);
	SAME(cli_text(&c, "VALUE"), "--json");
	cr_expect_not(c.json);
	done(&c, argv);
}

Test(cli_value, repeated_ones_come_in_their_order)
{
	struct cli c;
	char *argv[WORDS_MOST + 1];
	slice value;
	parse(&c, "mail send --from a@b.test --to c@d.test --to e@f.test --subject '' --body x",
		"-", argv);
	cr_expect(cli_each(&c, "--to", 0, &value));
	SAME(value, "c@d.test");
	cr_expect(cli_each(&c, "--to", 1, &value));
	SAME(value, "e@f.test");
	cr_expect_not(cli_each(&c, "--to", 2, &value));
	done(&c, argv);
}

Test(cli_value, names_come_in_their_canonical_form)
{
	struct cli c;
	char *argv[WORDS_MOST + 1];
	slice name, realm;
	parse(&c, "domain show M\xc3\xbcNCHEN.Test", "-", argv);
	SAME(cli_text(&c, "DOMAIN"), "xn--mnchen-3ya.test");
	done(&c, argv);
	parse(&c, "address add Anna@DEMO.test anna@demo", "-", argv);
	SAME(cli_text(&c, "ADDRESS"), "Anna@demo.test");
	done(&c, argv);
	parse(&c, "mailbox show an@na@demo", "-", argv);
	cli_split(cli_text(&c, "MAILBOX"), &name, &realm);
	SAME(name, "an@na");
	SAME(realm, "demo");
	done(&c, argv);
}

Test(cli_value, moments_and_spans)
{
	struct cli c;
	char *argv[WORDS_MOST + 1];
	parse(&c, "message delete --before 2026-01-31 --everywhere --yes", "-", argv);
	cr_expect_eq(cli_number(&c, "--before", 0), INT64_C(1769817600) * USEC_S);
	done(&c, argv);
	parse(&c, "message delete --older-than 30d --everywhere --yes", "-", argv);
	cr_expect_eq(cli_number(&c, "--older-than", 0), INT64_C(30) * 86400 * USEC_S);
	done(&c, argv);
}

Test(cli_value, secrets_leave_the_process_list_and_come_from_standard_input)
{
	struct cli c;
	char *argv[WORDS_MOST + 1];
	parse(&c, "mailbox password anna@demo --password geheim", "-", argv);
	SAME(cli_text(&c, "--password"), "geheim");
	cr_expect_str_eq(argv[5], "");
	done(&c, argv);
	parse(&c, "mailbox password anna@demo --password=geheim", "-", argv);
	SAME(cli_text(&c, "--password"), "geheim");
	cr_expect_str_eq(argv[4], "--password=");
	done(&c, argv);
	parse(&c, "mailbox password anna@demo --password -", " two words \r\nnext", argv);
	SAME(cli_text(&c, "--password"), " two words ");
	done(&c, argv);
}

/* ---- answers */

static void answered(char **out, bool json, json_t *rows)
{
	static const struct cli_column columns[] = {{"name", "NAME"}, {"size", "SIZE", SHOW_SIZE},
		{"on", "ON"}, {"words", "WORDS"}, {NULL}};
	size_t size;
	struct cli c = {.out = open_memstream(out, &size), .json = json};
	cli_rows(&c, rows, columns, "There is nothing");
	fclose(c.out);
}

Test(cli_answer, columns_are_aligned_by_characters_and_cannot_move_the_cursor)
{
	char *out;
	answered(&out, false,
		json_pack("[{s:s,s:I,s:b,s:[s,s]},{s:s,s:I,s:b,s:[]}]", "name",
			"Gr\xc3\xbc\xc3\x9f"
			"e",
			"size", (json_int_t)1536, "on", 1, "words", "a", "b", "name", "a\033[2Jb",
			"size", (json_int_t)999, "on", 0, "words"));
	cr_expect_str_eq(out, "NAME      SIZE  ON   WORDS\n"
			      "Gr\xc3\xbc\xc3\x9f"
			      "e   1.5 KB  yes  a, b\n"
			      "a?[2Jb   999 B  no   -\n");
	free(out);
}

Test(cli_answer, an_empty_list_is_a_sentence_or_an_empty_list)
{
	char *out;
	answered(&out, false, json_array());
	cr_expect_str_eq(out, "There is nothing.\n");
	free(out);
	answered(&out, true, json_array());
	cr_expect_str_eq(out, "[]\n");
	free(out);
}

Test(cli_answer, values_of_others_are_repaired)
{
	json_t *value = json_slice(S("a\xff"
				     "b"));
	cr_expect_str_eq(json_string_value(value), "a\xef\xbf\xbd"
						   "b");
	json_decref(value);
	value = json_time(-1);
	cr_expect_str_eq(json_string_value(value), "1969-12-31T23:59:59Z");
	json_decref(value);
	value = json_time(INT64_C(1769860799) * USEC_S);
	cr_expect_str_eq(json_string_value(value), "2026-01-31T11:59:59Z");
	json_decref(value);
	cr_expect(json_is_null(json_time(0)));
}
