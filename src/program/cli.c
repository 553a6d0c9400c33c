/* One call of the command line: parse, read the bootstrap file, open providers, run, and tell how
   it ended. What the floors below log is kept back and shown only beside an error. */
#include "program/cli.h"

#include "base/log.h"
#include "base/random.h"
#include "program/cli_answer.h"
#include "provider/auth_secret.h"
#include "provider/provider.h"
#include "provider/trace.h"

#include <errno.h>
#include <pwd.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sysexits.h>
#include <unistd.h>

enum { EXIT_NO = 1 };

const struct cli_exit cli_exits[] = {{EX_OK, "done, or the answer is yes"},
	{EXIT_NO,
		"the answer is no: what was asked for does not exist, or something is not healthy"},
	{EX_USAGE, "the command line is wrong"},
	{EX_DATAERR, "a value is wrong, or what was to be made exists already"},
	{EX_UNAVAILABLE, "the database cannot be reached"},
	{EX_SOFTWARE, "stored data or an internal rule is broken"},
	{EX_IOERR, "the answer could not be written"}, {EX_TEMPFAIL, "not now: try again later"},
	{EX_NOPERM, "not allowed"},
	{EX_CONFIG, "the bootstrap file, the secret file or the schema is missing or wrong"},
	{0, NULL}};

/* What a kind means when the command had nothing better to say. */
static const struct {
	int code;
	const char *sentence, *remedy;
} words[ST_KINDS] = {
	[ST_ABSENT] = {EXIT_NO, "it does not exist", "look with the command's `list`"},
	[ST_EXISTS] = {EX_DATAERR, "it exists already",
		"choose another name, or remove that one first"},
	[ST_DENIED] = {EX_NOPERM, "this is not allowed", "look at the notes below for the reason"},
	[ST_INVALID] = {EX_DATAERR, "a value is not valid",
		"see `pennypost help` for what it must look like"},
	[ST_TOO_BIG] = {EX_DATAERR, "a value is too long", "make it shorter"},
	[ST_FULL] = {EX_TEMPFAIL, "the mailbox is over its quota",
		"raise it with `pennypost mailbox quota`, or remove mail"},
	[ST_LIMITED] = {EX_TEMPFAIL, "a limit is reached", "try again later"},
	[ST_BUSY] = {EX_TEMPFAIL, "the database cannot answer now",
		"try again; `pennypost status` tells how it is"},
	[ST_TIMED_OUT] = {EX_TEMPFAIL, "it took too long", "try again"},
	[ST_CANCELLED] = {EX_TEMPFAIL, "it was interrupted", "try again"},
	[ST_CLOSED] = {EX_TEMPFAIL, "the connection was lost", "try again"},
	[ST_BROKEN] = {EX_SOFTWARE, "stored data or an internal rule is broken",
		"the notes tell what; restore from a backup, or report it"},
	[ST_UNSURE] = {EX_TEMPFAIL,
		"the connection was lost before the answer came: it may be done or not",
		"look, then repeat it if needed"},
	[ST_FOREIGN] = {EXIT_NO, "that is not a domain of this system",
		"see `pennypost domain list`"},
};

/* ---- errors */

static status note_error(
	struct cli *c, status kind, int code, const char *remedy, const char *format, va_list args)
{
	if (c->sentence.size == 0) {
		c->sentence = arena_format_v(&c->a, format, args);
		c->remedy = arena_copy(&c->a, slice_z(remedy));
		c->code = code;
	}
	return kind;
}

status cli_fail(struct cli *c, status kind, const char *remedy, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	note_error(c, kind, 0, remedy, format, args);
	va_end(args);
	return kind;
}

status cli_misused(struct cli *c, const char *remedy, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	note_error(c, ST_INVALID, EX_USAGE, remedy, format, args);
	va_end(args);
	return ST_INVALID;
}

static void print_error(const struct cli *c, status kind, slice notes)
{
	text t = TEXT_INIT;
	if (c->json) {
		json_t *lines = json_array();
		for (slice line; slice_take(&notes, '\n', &line);)
			if (line.size > 0)
				json_array_append_new(lines, json_slice(line));
		json_t *error = json_pack("{s:{s:s,s:i,s:o,s:o,s:o}}", "error", "kind",
			status_name(kind), "exit", c->code, "sentence", json_slice(c->sentence),
			"remedy", json_slice(c->remedy), "notes", lines);
		json_dumpf(error, c->err, JSON_INDENT(2));
		fputc('\n', c->err);
		json_decref(error);
		return;
	}
	cli_shown(c->sentence, &t);
	text_add_z(&t, "; ");
	cli_shown(c->remedy, &t);
	if (t.at[t.size - 1] != '?')
		text_add_char(&t, '.');
	fprintf(c->err, "pennypost: %s\n", t.at);
	text_free(&t);
	for (slice line; slice_take(&notes, '\n', &line);)
		if (line.size > 0)
			fprintf(c->err, "  %.*s\n", SLICE_ARGS(line));
}

/* ---- notes: the log of this call, in memory */

static int notes_open(void)
{
	int fd = memfd_create("notes", MFD_CLOEXEC);
	log_open(&(struct log_target){.fd = fd, .least = LOG_WARN_LEVEL, .role = "cli"});
	return fd;
}

static slice notes_read(int fd, arena *a)
{
	enum { NOTES_MOST = 64 * 1024 };
	char *at = arena_new(a, NOTES_MOST);
	ssize_t size = fd < 0 ? 0 : pread(fd, at, NOTES_MOST, 0);
	return slice_of(at, size > 0 ? (size_t)size : 0);
}

/* ---- the call */

static slice actor(arena *a)
{
	const char *name = getlogin();
	const struct passwd *p = name ? NULL : getpwuid(getuid());
	if (p)
		name = p->pw_name;
	return name ? arena_format(a, "%s (command line)", name)
		    : arena_format(a, "uid %u (command line)", (unsigned)getuid());
}

static status read_conf(struct cli *c)
{
	const char *path = c->boot.file.size ? c->boot.file.at : NULL;
	status kind = bootstrap_read(path, &c->a, &c->boot);
	if (kind == ST_OK)
		return ST_OK;
	if (kind == ST_ABSENT)
		cli_fail(c, kind,
			"name it by --config FILE or PENNYPOST_CONF, or make one with "
			"`pennypost schema init --write-config FILE`",
			"the bootstrap file does not exist");
	else if (access(c->boot.file.at, R_OK) != 0 && errno == EACCES)
		cli_fail(c, kind, "call as root, or as somebody of the file's group",
			"you may not read the bootstrap file %.*s", SLICE_ARGS(c->boot.file));
	else
		cli_fail(c, kind, "correct what the line below tells",
			"the bootstrap file %.*s cannot be used", SLICE_ARGS(c->boot.file));
	c->code = EX_CONFIG;
	return kind;
}

status cli_check_secret(struct cli *c)
{
	status kind = auth_secret_open(&c->boot);
	auth_secret_close();
	if (kind == ST_OK)
		return ST_OK;
	cli_fail(c, kind,
		"it holds 32 random bytes, belongs to the user of the server and has mode 0600; put back its copy",
		"the secret file %.*s cannot be used", SLICE_ARGS(c->boot.secret_file));
	c->code = EX_CONFIG;
	return kind;
}

static status open_store(struct cli *c)
{
	static const struct {
		status kind;
		int code;
		const char *sentence, *remedy;
	} refusals[] = {
		{ST_BUSY, EX_UNAVAILABLE, "the database cannot be reached",
			"check pguri in the bootstrap file and whether PostgreSQL runs"},
		{ST_ABSENT, EX_CONFIG, "the database has no schema yet",
			"run `pennypost schema migrate`"},
		{ST_INVALID, EX_CONFIG, "the schema is of another version than this program",
			"run `pennypost schema migrate` of the newest version installed"},
		{ST_DENIED, EX_NOPERM, "the database is not set up as it must be",
			"the notes tell what must be changed in PostgreSQL"},
	};
	const struct provider_conf conf = {.boot = &c->boot,
		.connections = 2,
		.system_connections = 2,
		.application = "pennypost command line"};
	/* Its trouble and that of the schema are of one kind. */
	TRY(cli_check_secret(c));
	status kind = provider_open(&conf);
	for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
		if (kind == refusals[i].kind) {
			cli_fail(c, kind, refusals[i].remedy, "%s", refusals[i].sentence);
			c->code = refusals[i].code;
		}
	}
	return kind;
}

static status run(struct cli *c)
{
	if (c->command->need != CLI_ALONE)
		TRY(read_conf(c));
	if (c->command->need != CLI_STORE)
		return c->command->run(c);
	TRY(open_store(c));
	status kind = c->command->run(c);
	trace_flush();
	provider_close();
	return kind;
}

static status answer(struct cli *c, int argc, char **argv)
{
	TRY(cli_parse(c, argc, argv));
	c->by.who = actor(&c->a);
	if (!c->help)
		return run(c);
	text t = TEXT_INIT;
	status kind = cli_help_text(c, c->asked, &t);
	if (kind == ST_OK)
		kind = cli_says(c, text_slice(&t));
	text_free(&t);
	return kind;
}

int cli_main(int argc, char **argv, FILE *in, FILE *out, FILE *err)
{
	struct cli c = {.in = in, .out = out, .err = err};
	int notes = notes_open();
	status kind = answer(&c, argc, argv);
	if (kind == ST_OK && (fflush(out) != 0 || ferror(out))) {
		kind = cli_fail(&c, ST_BROKEN, "make room there and repeat it",
			"the answer could not be written");
		c.code = EX_IOERR;
	}
	log_close();
	int code = c.negative ? EXIT_NO : EX_OK;
	if (kind != ST_OK) {
		cli_fail(&c, kind, words[kind].remedy, "%s", words[kind].sentence);
		if (c.code == 0)
			c.code = words[kind].code;
		code = c.code;
		print_error(&c, kind, notes_read(notes, &c.a));
	}
	if (notes >= 0)
		close(notes);
	arena_release(&c.a);
	return code;
}
