/* Plays dialog scripts (README.md tells their language):

	dialog [--bytes | --faults | --connect ENVFILE] [--most N] [-v] [FILE | FOLDER]...

   Each script is played in a child process, on a virtual clock. --bytes: every read and write moves
   one byte. --faults: first as it is; then again with each fault point it passed failing the first,
   second .. N-th time (--most), when answers may be any but the invariants must hold. --connect:
   the scripts that ask for no more than the demo house are played against a running instance.
   Without files: all of tests/dialog in $PENNYPOST_TOP_SRCDIR. */
#include "play.h"

#include "base/fault.h"
#include "base/id.h"
#include "base/log.h"
#include "certificate.h"
#include "task/task.h"

#include <dirent.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define MIDNIGHT (INT64_C(1767225600) * USEC_S) /* 2026-01-01 UTC: where each play begins */
#define REAL_MOST 240                           /* seconds of any machine, for one play */

static struct {
	bool bytes, faults, verbose;
	unsigned most;
	struct instance *instance;
	const tls_server *tls;
	tls_client *trust;
} mode = {.most = 50};

/* What a child tells its parent even when it dies. */
static struct report {
	char doing[200];
	int line; /* of the script that is played */
	unsigned plays;
} * report;

enum outcome { PASSED, FAILED, SKIPPED };

/* ---- what a play tells */

void play_fails(struct play *p, const char *format, ...)
{
	va_list args;

	if (!play_goes_on(p))
		return;
	text_format(&p->trouble, "%s:%d: ", p->script->path, p->at ? p->at->number : 0);
	va_start(args, format);
	text_format_v(&p->trouble, format, args);
	va_end(args);
	text_add_z(&p->trouble, "\n");
}

void play_note(struct play *p, char who, char direction, slice bytes)
{
	slice shown = slice_until(bytes, 300);

	text_format(&p->transcript, "    %c%c ", who, direction);
	for (size_t i = 0; i < shown.size; i++) {
		unsigned char c = (unsigned char)shown.at[i];
		if (c >= 0x20 && c < 0x7f)
			text_add_char(&p->transcript, (char)c);
		else
			text_format(&p->transcript,
				c == '\r'   ? "\\r"
				: c == '\n' ? "\\n"
					    : "\\x%02x",
				c);
	}
	if (shown.size < bytes.size)
		text_format(&p->transcript, " ... (%zu octets)", bytes.size);
	text_add_char(&p->transcript, '\n');
}

bool play_file(struct play *p, slice name, slice *bytes)
{
	slice folder = slice_z(p->script->path);
	char piece[4096];
	size_t n;
	text all = TEXT_INIT;

	folder = slice_until(folder, slice_find_last(folder, '/'));
	slice path = arena_format(&p->a, "%.*s/%.*s", SLICE_ARGS(folder), SLICE_ARGS(name));
	FILE *f = fopen(path.at, "rb");
	if (!f) {
		play_fails(p, "no file %s", path.at);
		return false;
	}
	while ((n = fread(piece, 1, sizeof piece, f)) > 0)
		text_add(&all, slice_of(piece, n));
	fclose(f);
	*bytes = arena_copy(&p->a, text_slice(&all));
	text_free(&all);
	return true;
}

/* ---- one play */

usec play_span(slice *words)
{
	static const struct {
		const char *unit;
		usec span;
	} units[] = {{"ms", USEC_MS}, {"s", USEC_S}, {"min", 60 * USEC_S}, {"h", 3600 * USEC_S}};
	slice number, unit = {0};
	uint64_t n;

	slice_take(words, ' ', &number);
	slice_take(words, ' ', &unit);
	for (size_t i = 0; i < sizeof units / sizeof *units; i++)
		if (slice_number(number, &n) && slice_same(unit, slice_z(units[i].unit)))
			return (usec)n * units[i].span;
	return -1;
}

static void sentence(struct play *p, slice words)
{
	slice wait = S("wait ");

	if (slice_starts(words, wait)) {
		slice rest = slice_from(words, wait.size);
		usec span = play_span(&rest);
		if (span < 0 || rest.size > 0)
			play_fails(p, "wait NUMBER ms|s|min|h");
		else
			task_sleep(span);
	} else if (!house_sentence(p, words)) {
		play_fails(p, "this says nothing to me: %.*s", SLICE_ARGS(words));
	}
}

static status perform(void *arg)
{
	struct play *p = arg;

	for (int i = 0; i < p->script->n && play_goes_on(p); i++) {
		p->at = &p->script->lines[i];
		report->line = p->at->number;
		if (p->at->kind != LINE_SENTENCE)
			talk_line(p, p->at);
		else if (!p->instance)
			sentence(p, p->at->text);
	}
	p->at = p->script->n ? &p->script->lines[p->script->n - 1] : NULL;
	talk_end(p);
	if (play_goes_on(p) && !p->instance)
		invariants_check(p);
	return ST_OK;
}

static void play_close(struct play *p)
{
	arena_release(&p->a);
	copies_free(&p->copies);
	copies_free(&p->given);
	text_free(&p->transcript);
	text_free(&p->trouble);
}

/* True when all was well; else its trouble is told. */
static bool play(struct play *p)
{
	struct task_limits limits = TASK_LIMITS_INIT;

	p->tls = mode.tls;
	p->trust = mode.trust;
	p->instance = mode.instance;
	p->v.a = &p->a;
	report->plays++;
	alarm(REAL_MOST);
	if (!p->instance) {
		clock_virtual(MIDNIGHT);
		house_open();
	}
	/* The machine may be slow; the clock that counts is the virtual one. */
	limits.held_most = 60 * USEC_S;
	if (task_loop_open(&limits) != ST_OK || !task_start("script", perform, p))
		abort();
	task_virtual_run(!p->instance);
	task_virtual_alone(!p->instance);
	task_loop_run();
	task_loop_close();
	if (p->trouble.size)
		fprintf(stderr, "%s%.*s", report->doing, SLICE_ARGS(text_slice(&p->trouble)));
	if (p->trouble.size || mode.verbose)
		fprintf(stderr, "%.*s", SLICE_ARGS(text_slice(&p->transcript)));
	return p->trouble.size == 0;
}

/* ---- faults */

struct point {
	char name[64];
	unsigned passed;
};

static int points_passed(struct point *points, int most)
{
	unsigned long long passed;
	int n = 0;
	FILE *f = tmpfile();

	if (!f)
		abort();
	fault_report(fileno(f));
	rewind(f);
	while (n < most && fscanf(f, "%63s %llu", points[n].name, &passed) == 2) {
		points[n].passed = (unsigned)passed;
		/* Without memory a worker ends and its successor carries on: nothing to see
		   here. */
		if (strcmp(points[n].name, "memory") != 0)
			n++;
	}
	fclose(f);
	return n;
}

static bool play_with_fault(
	const struct script *s, const struct play *plain, const char *name, unsigned passage)
{
	struct play p = {.script = s, .plain = plain, .forgiving = true};
	char row[120];

	snprintf(report->doing, sizeof report->doing, "with the fault %.63s:%u: ", name, passage);
	snprintf(row, sizeof row, "%.63s:%u:fail", name, passage);
	if (!fault_arm(row))
		abort();
	bool well = play(&p);
	play_close(&p);
	return well;
}

static bool play_faults(const struct script *s)
{
	struct point points[64];
	struct play plain = {.script = s};

	fault_arm("");
	bool well = play(&plain);
	int n = points_passed(points, sizeof points / sizeof *points);
	for (int i = 0; i < n && well; i++)
		for (unsigned k = 1; k <= points[i].passed && k <= mode.most && well; k++)
			well = play_with_fault(s, &plain, points[i].name, k);
	play_close(&plain);
	return well;
}

/* ---- one script, in a child */

/* Only what the demo house offers is to be had elsewhere too. */
static bool may_be_elsewhere(const struct script *s)
{
	for (int i = 0; i < s->n; i++) {
		const struct line *l = &s->lines[i];
		if (l->kind == LINE_SENTENCE && !slice_same(l->text, S("given the demo house")))
			return false;
		if (l->kind == LINE_HEAR && slice_starts(l->text, S("stored ")))
			return false;
		if (l->kind == LINE_SAY && slice_starts(l->text, S("connect ")) &&
			(slice_search(l->text, S(" from ")) < l->text.size ||
				slice_search(l->text, S(" without ")) < l->text.size))
			return false;
	}
	return true;
}

static int play_script(const struct script *s)
{
	struct play p = {.script = s};

	log_level_set(LOG_ERROR_LEVEL);
	if (mode.faults)
		return play_faults(s) ? PASSED : FAILED;
	if (mode.bytes)
		stream_trickle(1);
	bool well = play(&p);
	play_close(&p);
	return well ? PASSED : FAILED;
}

static enum outcome run_script(const char *path)
{
	struct script s;
	int end;

	if (!script_read(path, &s))
		return FAILED;
	if (mode.instance && !may_be_elsewhere(&s)) {
		script_close(&s);
		return SKIPPED;
	}
	report->doing[0] = '\0';
	report->line = 0;
	fflush(NULL);
	pid_t child = fork();
	if (child < 0)
		abort();
	if (child == 0) {
		int code = play_script(&s);
		script_close(&s);
		tls_client_close(&mode.trust);
		exit(code);
	}
	while (waitpid(child, &end, 0) < 0)
		;
	script_close(&s);
	if (WIFEXITED(end) && WEXITSTATUS(end) == PASSED)
		return PASSED;
	if (WIFSIGNALED(end) && WTERMSIG(end) == SIGALRM)
		fprintf(stderr, "%s:%d: %sit took more than %d s of this machine\n", path,
			report->line, report->doing, REAL_MOST);
	else if (WIFSIGNALED(end))
		fprintf(stderr, "%s:%d: %send by signal %d\n", path, report->line, report->doing,
			WTERMSIG(end));
	fprintf(stderr, "FAILED %s\n", path);
	return FAILED;
}

/* ---- all scripts */

static unsigned outcomes[3];

static void run_path(const char *path);

static void run_folder(const char *path)
{
	struct dirent **entries;
	char inner[4096];
	int n = scandir(path, &entries, NULL, alphasort);

	for (int i = 0; i < n; i++) {
		snprintf(inner, sizeof inner, "%s/%s", path, entries[i]->d_name);
		struct stat st;
		bool folder = stat(inner, &st) == 0 && S_ISDIR(st.st_mode);
		if (entries[i]->d_name[0] != '.' &&
			(folder || slice_ends_nocase(slice_z(inner), S(".dialog"))))
			run_path(inner);
		free(entries[i]);
	}
	if (n >= 0)
		free(entries);
}

static void run_path(const char *path)
{
	struct stat st;

	if (stat(path, &st) != 0) {
		perror(path);
		outcomes[FAILED]++;
	} else if (S_ISDIR(st.st_mode)) {
		run_folder(path);
	} else {
		outcomes[run_script(path)]++;
	}
}

/* ---- the instance of --connect */

static slice value_of(slice file, const char *name)
{
	slice line, key;

	while (slice_take(&file, '\n', &line))
		if (slice_take(&line, '=', &key) && slice_same(key, slice_z(name))) {
			line = slice_trim(line);
			if (line.size >= 2 && strchr("'\"", *line.at))
				line = slice_until(slice_from(line, 1), line.size - 2);
			return line;
		}
	return (slice){0};
}

static unsigned port_of(slice file, const char *name)
{
	uint64_t port = 0;
	slice_number(value_of(file, name), &port);
	return (unsigned)port;
}

static void read_instance(const char *path)
{
	static struct script file; /* only its arena is used */
	static struct instance i;
	struct play p = {.script = &file};
	slice all;

	file.path = path;
	const char *name = strrchr(path, '/');
	if (!play_file(&p, slice_z(name ? name + 1 : path), &all)) {
		fprintf(stderr, "%s", p.trouble.at);
		exit(99);
	}
	all = arena_copy(&file.a, all);
	i = (struct instance){
		.host = value_of(all, "HOST"),
		.ca = value_of(all, "CA_FILE"),
		.smtp = port_of(all, "SMTP_PORT"),
		.submission = port_of(all, "SUBMISSION_PORT"),
		.submissions = port_of(all, "SMTPS_PORT"),
		.pop3 = port_of(all, "POP3_PORT"),
		.pop3s = port_of(all, "POP3S_PORT"),
		.imap = port_of(all, "IMAP_PORT"),
		.imaps = port_of(all, "IMAPS_PORT"),
	};
	if (slice_same(i.host, S("localhost")))
		i.host = S("127.0.0.1");
	mode.instance = &i;
	play_close(&p);
	if (tls_client_open(arena_z(&file.a, i.ca), &mode.trust) != ST_OK)
		exit(99);
}

/* ---- */

/* Gives the place of the first file. */
static int options(int argc, char **argv)
{
	int at = 1;

	for (; at < argc && *argv[at] == '-'; at++) {
		const char *value = at + 1 < argc ? argv[at + 1] : NULL;
		if (strcmp(argv[at], "--bytes") == 0) {
			mode.bytes = true;
		} else if (strcmp(argv[at], "--faults") == 0) {
			mode.faults = true;
		} else if (strcmp(argv[at], "-v") == 0) {
			mode.verbose = true;
		} else if (strcmp(argv[at], "--most") == 0 && value) {
			mode.most = (unsigned)atoi(value);
			at++;
		} else if (strcmp(argv[at], "--connect") == 0 && value) {
			read_instance(value);
			at++;
		} else {
			fprintf(stderr,
				"usage: dialog [--bytes | --faults | --connect ENVFILE] [--most N] "
				"[-v] [FILE | FOLDER]...\n");
			exit(99);
		}
	}
	return at;
}

int main(int argc, char **argv)
{
	char all[4096];
	const char *top = getenv("PENNYPOST_TOP_SRCDIR");

	signal(SIGPIPE, SIG_IGN);
	report = mmap(
		NULL, sizeof *report, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (report == MAP_FAILED)
		abort();
	id_node(1);
	int at = options(argc, argv);
	if (!mode.instance)
		certificate_make(&mode.tls, &mode.trust);
	snprintf(all, sizeof all, "%s/tests/dialog", top ? top : ".");
	if (at == argc)
		run_path(all);
	for (; at < argc; at++)
		run_path(argv[at]);
	if (mode.faults)
		printf("%u plays\n", report->plays);
	printf("%u passed, %u failed", outcomes[PASSED], outcomes[FAILED]);
	printf(mode.instance ? ", %u skipped\n" : "\n", outcomes[SKIPPED]);
	return outcomes[FAILED] > 0 || outcomes[PASSED] == 0;
}
