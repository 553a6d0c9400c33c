/* Log files; the contract stands in scribe.h. Lines gather per file while one reading of the pipe
   is taken apart and go out together, so that a busy hour costs few writes. */
#include "program/scribe.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/metric.h"
#include "base/record.h"
#include "task/task.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <syslog.h>
#include <unistd.h>

enum { PAGES = 16, STEM_MOST = 40, PERIOD_MOST = 12, FIELDS_MOST = 400, READ_MOST = 64 * 1024 };

#define TELL_EVERY (60 * USEC_S) /* one event for all the lines lost meanwhile */
#define WELL_AFTER (5 * USEC_S)  /* so long without a loss there is room again */
#define GATHERS                                                                                    \
	(20 * USEC_MS) /* between two readings: waking up for each line costs more than the line   \
	\ */
#define AGAIN_AFTER USEC_S /* a file that could not be opened is tried again */

struct page { /* one stem's present file */
	char stem[STEM_MOST], period[PERIOD_MOST], fields[FIELDS_MOST];
	int fd;
	unsigned number; /* of its period, from 1 */
	uint64_t size;   /* of the file, without what gathers */
	text gathered;
	usec failed_at; /* opening it, monotonic; 0 = it did not fail */
	int error;      /* why it failed */
};

struct scribe {
	char *folder;
	const char *syslog;
	int syslog_fd;
	struct page pages[PAGES];
	int n;
	uint64_t lost, told;
	usec told_at, lost_at; /* monotonic */
};

struct entry {                            /* a line of the pipe, taken apart */
	slice stem, period, fields, line; /* `line` with its line feed */
	int64_t size_most;
	usec at;
};

/* ---- losing lines */

/* Directives of a W3C file are the scribe's own, and count for nothing. */
static uint64_t lines_in(slice s)
{
	uint64_t n = 0;

	for (slice line; s.size > 0 && slice_take(&s, '\n', &line);)
		n += !slice_starts(line, S("#"));
	return n;
}

static void lose(scribe *s, uint64_t lines, const char *stem, int error)
{
	usec now = clock_now();

	s->lost += lines;
	s->lost_at = now;
	metric_add(M_log_lines_dropped, SERVICE_NONE, (int64_t)lines);
	if (s->told_at && now - s->told_at < TELL_EVERY)
		return;
	log_event(EV_LOG_FILE, "folder=%s stem=%s lines=%llu error=%s",
		log_quote(slice_z(s->folder)), log_quote(slice_z(stem)),
		(unsigned long long)(s->lost - s->told), log_quote(slice_z(strerror(error))));
	s->told = s->lost;
	s->told_at = now;
}

/* Of the lines lost since it was told last, once nothing more is lost. */
static void tell_rest(scribe *s)
{
	if (s->lost == s->told)
		return;
	log_event(EV_LOG_FILE_AGAIN, "folder=%s lines=%llu all=%llu", log_quote(slice_z(s->folder)),
		(unsigned long long)(s->lost - s->told), (unsigned long long)s->lost);
	s->told = s->lost;
}

/* ---- files */

/* What of a time the file's name tells. */
static void name_period(const struct entry *e, char to[PERIOD_MOST])
{
	struct civil at;
	bool week = slice_same(e->period, S("week"));

	clock_civil(e->at, &at);
	if (week) /* its Monday */
		clock_civil(e->at - at.weekday * INT64_C(86400) * USEC_S, &at);
	if (slice_same(e->period, S("never")))
		to[0] = '\0';
	else if (slice_same(e->period, S("month")))
		snprintf(to, PERIOD_MOST, "-%02u%02u", (unsigned)at.year % 100,
			(unsigned)at.month % 100);
	else if (slice_same(e->period, S("hour")))
		snprintf(to, PERIOD_MOST, "-%02u%02u%02u%02u", (unsigned)at.year % 100,
			(unsigned)at.month % 100, (unsigned)at.day % 100, (unsigned)at.hour % 100);
	else
		snprintf(to, PERIOD_MOST, "-%02u%02u%02u", (unsigned)at.year % 100,
			(unsigned)at.month % 100, (unsigned)at.day % 100);
}

/* The disk took `written` of what has gathered: the rest is lost, and so is a line it cuts. The
   file's end is asked for, since others may have shortened it meanwhile. The directives, which may
   be among what is lost, come again with the next line. */
static void cut_short(scribe *s, struct page *p, size_t written, int error)
{
	size_t end = slice_find_last(slice_of(p->gathered.at, written), '\n');
	struct stat facts;

	end = end < written ? end + 1 : 0;
	if (fstat(p->fd, &facts) == 0 && (uint64_t)facts.st_size >= written &&
		ftruncate(p->fd, facts.st_size - (off_t)(written - end)) == 0)
		p->size = (uint64_t)facts.st_size - (written - end);
	lose(s, lines_in(slice_from(text_slice(&p->gathered), end)), p->stem, error);
	p->fields[0] = '\0';
}

/* Writes out what has gathered. */
static void flush(scribe *s, struct page *p)
{
	size_t written = 0;

	while (written < p->gathered.size && p->fd >= 0) {
		ssize_t n = write(p->fd, p->gathered.at + written, p->gathered.size - written);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			cut_short(s, p, written, errno);
			text_clear(&p->gathered);
			return;
		}
		written += (size_t)n;
	}
	p->size += p->gathered.size;
	text_clear(&p->gathered);
}

static void close_page(scribe *s, struct page *p)
{
	flush(s, p);
	if (p->fd >= 0)
		close(p->fd);
	p->fd = -1;
}

/* The directives of a W3C file; written again whenever the fields change. */
static void head(struct page *p, const struct entry *e)
{
	struct civil at;

	snprintf(p->fields, sizeof p->fields, "%.*s", SLICE_ARGS(e->fields));
	if (e->fields.size == 0)
		return;
	clock_civil(e->at, &at);
	text_format(&p->gathered,
		"#Version: 1.0\n#Software: Pennypost\n#Date: %04d-%02d-%02d %02d:%02d:%02d\n#Fields: %s\n",
		at.year, at.month, at.day, at.hour, at.minute, at.second, p->fields);
}

static int open_numbered(const scribe *s, struct page *p, uint64_t *size)
{
	text path = TEXT_INIT;
	struct stat facts;

	text_format(&path, "%s/%s%s", s->folder, p->stem, p->period);
	if (p->number > 1)
		text_format(&path, "-%u", p->number);
	text_add(&path, S(".log"));
	int fd = open(path.at, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0640);
	text_free(&path);
	if (fd >= 0 && (fstat(fd, &facts) != 0 || !S_ISREG(facts.st_mode))) {
		close(fd);
		errno = EINVAL;
		return -1;
	}
	*size = fd >= 0 ? (uint64_t)facts.st_size : 0;
	return fd;
}

static bool is_full(const struct page *p, const struct entry *e)
{
	uint64_t size = p->size + p->gathered.size;

	return e->size_most > 0 && size > 0 && size + e->line.size > (uint64_t)e->size_most;
}

/* The first file of the period, from p->number on, that has room. */
static void open_page(scribe *s, struct page *p, const struct entry *e)
{
	mkdir(s->folder, 0750);
	for (;; p->number++) {
		p->fd = open_numbered(s, p, &p->size);
		if (p->fd < 0 || !is_full(p, e))
			break;
		close(p->fd);
	}
	p->error = p->fd < 0 ? errno : 0;
	p->failed_at = p->fd < 0 ? clock_now() : 0;
	if (p->fd >= 0)
		head(p, e);
}

/* A worker that was taken over names files of this folder and no others. */
static bool is_stem(slice s)
{
	bool fine = s.size > 0 && s.size < STEM_MOST;

	for (size_t i = 0; i < s.size; i++)
		fine &= isalnum((unsigned char)s.at[i]) || s.at[i] == '-';
	return fine;
}

static struct page *page_of(scribe *s, slice stem)
{
	for (int i = 0; i < s->n; i++)
		if (slice_same(stem, slice_z(s->pages[i].stem)))
			return &s->pages[i];
	if (s->n == PAGES || !is_stem(stem))
		return NULL;
	struct page *p = &s->pages[s->n++];
	*p = (struct page){.fd = -1, .number = 1};
	memcpy(p->stem, stem.at, stem.size);
	return p;
}

/* The file that the line belongs into is open, unless that failed. A line that comes late, about an
   hour that is over, stays in the present file. */
static void turn_page(scribe *s, struct page *p, const struct entry *e)
{
	char period[PERIOD_MOST];

	name_period(e, period);
	bool later = strlen(period) != strlen(p->period) || strcmp(period, p->period) > 0;
	if (later) {
		close_page(s, p);
		snprintf(p->period, sizeof p->period, "%s", period);
		p->number = 1;
		p->failed_at = 0;
	} else if (p->fd >= 0 && is_full(p, e)) {
		close_page(s, p);
		p->number++;
	}
	if (p->fd < 0 && (p->failed_at == 0 || clock_now() - p->failed_at >= AGAIN_AFTER))
		open_page(s, p, e);
	else if (p->fd >= 0 && !slice_same(e->fields, slice_z(p->fields)))
		head(p, e);
}

/* ---- syslog */

static bool say_syslog(scribe *s, const struct entry *e)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	text line = TEXT_INIT;
	uint64_t priority;

	if (!slice_number(e->period, &priority) || priority / 8 != LOG_MAIL / 8) {
		errno = EINVAL;
		return false;
	}
	if (s->syslog_fd < 0)
		s->syslog_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	snprintf(at.sun_path, sizeof at.sun_path, "%s", s->syslog);
	text_format(&line, "<%u>pennypost: %.*s", (unsigned)priority,
		SLICE_ARGS(slice_until(e->line, e->line.size - 1)));
	bool said = sendto(s->syslog_fd, line.at, line.size, MSG_DONTWAIT | MSG_NOSIGNAL,
			    (struct sockaddr *)&at, sizeof at) >= 0;
	text_free(&line);
	return said;
}

/* ---- taking lines apart */

static bool parse(slice line, struct entry *e)
{
	size_t cut = slice_find(line, '\x1f');
	slice head = slice_until(line, cut), size, at;
	uint64_t number, when;

	*e = (struct entry){.line = slice_from(line, cut + 1)};
	if (cut == line.size || !slice_take(&head, ' ', &e->stem) ||
		!slice_take(&head, ' ', &e->period) || !slice_take(&head, ' ', &size) ||
		!slice_take(&head, ' ', &at) || !slice_number(size, &number) ||
		!slice_number(at, &when))
		return false;
	e->size_most = (int64_t)number;
	e->at = (usec)when;
	e->fields = head;
	return true;
}

static void take_line(scribe *s, slice line)
{
	struct entry e;

	if (!parse(line, &e))
		return;
	if (slice_same(e.stem, S("syslog"))) {
		if (!say_syslog(s, &e))
			lose(s, 1, "syslog", errno);
		return;
	}
	struct page *p = page_of(s, e.stem);
	if (!p)
		return;
	turn_page(s, p, &e);
	if (p->fd >= 0)
		text_add(&p->gathered, e.line);
	else
		lose(s, 1, p->stem, p->error);
}

void scribe_take(scribe *s, slice lines)
{
	while (lines.size > 0) {
		size_t end = slice_find(lines, '\n') + 1;
		take_line(s, slice_until(lines, end));
		lines = slice_from(lines, end);
	}
	for (int i = 0; i < s->n; i++)
		flush(s, &s->pages[i]);
	if (clock_now() - s->lost_at >= WELL_AFTER)
		tell_rest(s);
}

/* ---- opening, closing, the process */

scribe *scribe_open(slice folder, const char *syslog)
{
	scribe *s = memory_new(sizeof *s);

	s->folder = memory_new(folder.size + 1);
	memcpy(s->folder, folder.at, folder.size);
	s->syslog = syslog;
	s->syslog_fd = -1;
	return s;
}

uint64_t scribe_lost(const scribe *s)
{
	return s->lost;
}

void scribe_close(scribe **closing)
{
	scribe *s = *closing;

	if (!s)
		return;
	*closing = NULL;
	for (int i = 0; i < s->n; i++) {
		close_page(s, &s->pages[i]);
		text_free(&s->pages[i].gathered);
	}
	tell_rest(s);
	if (s->syslog_fd >= 0)
		close(s->syslog_fd);
	memory_free(s->folder);
	memory_free(s);
}

int scribe_run(int pipe, const struct bootstrap *boot)
{
	static char lines[READ_MOST + RECORD_MOST];
	size_t kept = 0;

	scribe *s = scribe_open(boot->logs, "/dev/log");
	for (;;) {
		ssize_t n = read(pipe, lines + kept, READ_MOST);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		slice all = slice_of(lines, kept + (size_t)n);
		size_t whole = slice_find_last(all, '\n');
		whole = whole < all.size ? whole + 1 : 0;
		scribe_take(s, slice_until(all, whole));
		/* A line longer than what any writer may write is none. */
		kept = all.size - whole < RECORD_MOST ? all.size - whole : 0;
		memmove(lines, lines + whole, kept);
		if (n < READ_MOST)
			task_sleep(GATHERS);
	}
	scribe_close(&s);
	return EXIT_SUCCESS;
}
