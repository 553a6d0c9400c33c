/* The operator's command line: one table of commands (cli_table.c) from which parsing, help, usage
   errors, shell completion and manual pages derive. A command's run function reads its values,
   asks providers, and answers by cli_answer.h; it never prints by itself and never exits. */
#ifndef PENNYPOST_PROGRAM_CLI_H
#define PENNYPOST_PROGRAM_CLI_H

#include "base/arena.h"
#include "base/status.h"
#include "base/text.h"
#include "provider/audit.h"
#include "provider/bootstrap.h"

#include <stdio.h>

/* What a value must look like; cli_parse.c has one row each. */
enum cli_kind {
	CLI_FLAG,    /* an option without a value */
	CLI_TEXT,    /* anything */
	CLI_NAME,    /* of a post office */
	CLI_MAILBOX, /* NAME@POSTOFFICE */
	CLI_ADDRESS, /* local@domain */
	CLI_DOMAIN,
	CLI_SETTING, /* a row of settings.def; number = enum setting_id */
	CLI_WORD,    /* one of `words` */
	CLI_COUNT,   /* number */
	CLI_SIZE,    /* number = bytes */
	CLI_SPAN,    /* number = microseconds */
	CLI_MOMENT,  /* number = wall time */
	CLI_SECRET,  /* "-" = a line of standard input; wiped from the process list */
	CLI_FILE,
	CLI_KINDS
};

enum { CLI_NEEDED = 1, CLI_MANY = 2 };

/* An argument when its name has no dashes, else an option. Arguments stand in their order. */
struct cli_parameter {
	const char *name; /* "MAILBOX", "--quota" */
	enum cli_kind kind;
	unsigned flags;
	const char *sentence;
	const char *words; /* CLI_WORD: "user|admin" */
	const char *also;  /* other words that are taken for an option's name: "--limit|-n"; NULL =
			      none */
};

enum cli_need {
	CLI_ALONE, /* neither bootstrap file nor database */
	CLI_CONF,  /* the bootstrap file */
	CLI_STORE, /* providers are open */
};

struct cli;
#define CLI_PARAMETERS_MOST 12
struct cli_command {
	const char *name; /* "mailbox add" */
	enum cli_need need;
	/* ST_OK, or cli_fail()'s kind, or a provider's kind as it came: its words and exit code are
	   found in cli.c. */
	status (*run)(struct cli *c);
	const char *sentence;
	struct cli_parameter parameters[CLI_PARAMETERS_MOST]; /* a nameless one closes them */
	const char *example;                                  /* behind "pennypost "; NULL = none */
	const char *remark; /* one paragraph for manual and help; NULL = none */
};
extern const struct cli_command cli_commands[]; /* a nameless row closes it */

struct cli_group { /* the first word of several commands */
	const char *name, *sentence;
};
extern const struct cli_group cli_groups[];
extern const struct cli_parameter cli_globals[]; /* --config, --json, --help */

struct cli_exit { /* the exit codes, for help and manual */
	int code;
	const char *sentence;
};
extern const struct cli_exit cli_exits[]; /* a NULL sentence closes it */

struct cli_given { /* one value of the call */
	const struct cli_parameter *parameter;
	slice text;
	int64_t number;
};

struct cli {
	arena a; /* everything of this call */
	FILE *in, *out, *err;
	const struct cli_command *command;
	struct cli_given *given;
	int given_count;
	bool json, help;
	slice asked; /* with `help`: the words that were no options */
	struct bootstrap boot;
	struct audit_by by;
	bool negative;          /* the answer is no: exit code 1 without an error */
	int code;               /* of the error; 0 = from its kind */
	slice sentence, remedy; /* of the error */
};

/* The whole program. Returns its exit code. */
int cli_main(int argc, char **argv, FILE *in, FILE *out, FILE *err);

/* ---- values (cli_parse.c); a name that is not in the command's row is a programming error */
/* Fills command and given; ST_INVALID with an error set. Secrets are wiped from argv. */
status cli_parse(struct cli *c, int argc, char **argv);
bool cli_has(const struct cli *c, const char *name);
slice cli_text(const struct cli *c, const char *name); /* empty when not given */
int64_t cli_number(const struct cli *c, const char *name, int64_t otherwise);
/* The i-th value of a repeated one; false behind the last. */
bool cli_each(const struct cli *c, const char *name, int i, slice *text);
/* NAME@POSTOFFICE apart. */
void cli_split(slice mailbox, slice *name, slice *postoffice);
/* All of a stream, for standard input and files. ST_TOO_BIG over 256 MB; ST_BROKEN. */
status cli_read_all(FILE *f, arena *a, slice *out);
/* For slice_take at '|'. */
slice cli_other_names(const struct cli_parameter *p);
/* How help calls a value of that kind: "SIZE". */
const char *cli_kind_word(enum cli_kind kind);
const char *cli_known_name(int i); /* candidates: groups and commands */

/* ---- errors (cli.c). Stores the sentence and what to do about it, and returns `kind`. The first
   error stays. Both end without a full stop. */
status cli_fail(struct cli *c, status kind, const char *remedy, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
/* Whether the secret file can be used, where there is one; fails with exit code 78. */
status cli_check_secret(struct cli *c);
/* Exit code 64. */
status cli_misused(struct cli *c, const char *remedy, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* ---- texts made of the table */
void cli_usage(const struct cli_command *m,
	text *t); /* one line: "pennypost mailbox add MAILBOX [--quota SIZE]" */
status cli_help_text(struct cli *c, slice words, text *t);
void cli_completion_bash(text *t);
void cli_completion_zsh(text *t);
void cli_manual_command(text *t);  /* pennypost(1) */
void cli_manual_settings(text *t); /* pennypost-settings(5) */
void cli_manual_settings_markdown(text *t);
void cli_manual_server(text *t); /* pennypostd(8) */
void cli_manual_conf(text *t);   /* pennypost.conf(5) */

#endif
