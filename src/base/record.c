/* Rows of log files; the contract stands in record.h. The pipe is the queue: each line is written
   by one call of at most PIPE_BUF bytes, so that lines of several processes never mix and one is
   there whole or not at all. */
#include "base/record.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#define DETAILS_MOST 300 /* octets of one value: three of them fit a line, escaped altogether */
#define FIELDS_TEXT_MOST 400

/* ---- rules */

static int pipe_end = -1;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static _Atomic unsigned kinds_of[SERVICE_COUNT];
static _Atomic uint64_t dropped;

struct rule { /* the lock's */
	char names[FIELDS_TEXT_MOST];
	unsigned char fields[RECORD_FIELDS_MOST]; /* rows of w3c_fields */
	int n;
	char period[8];
	int64_t size_most;
};
static struct rule rules[SERVICE_COUNT];

static enum service shared(enum service s)
{
	return s == SERVICE_SUBMISSION ? SERVICE_SMTP : s;
}

static const char *file_name(enum service s)
{
	switch (shared(s)) {
	case SERVICE_SMTP:
		return "SMTP";
	case SERVICE_POP3:
		return "POP";
	case SERVICE_IMAP:
		return "IMAP";
	case SERVICE_HTTP:
		return "HTTP";
	default:
		return "Agent";
	}
}

/* ---- one line */

struct line {
	char at[RECORD_MOST];
	size_t size;
};

static void add(struct line *l, slice s)
{
	size_t room = sizeof l->at - 1 - l->size; /* the line feed always fits */
	size_t size = s.size < room ? s.size : room;

	memcpy(l->at + l->size, s.at, size);
	l->size += size;
}

static void add_number(struct line *l, uint64_t n)
{
	char digits[24];

	add(l, slice_of(digits, (size_t)snprintf(digits, sizeof digits, "%" PRIu64, n)));
}

/* What no line may hold, and what would be taken for the escape itself, as ESCAPE and two
   digits. */
static void add_safe(struct line *l, slice s, char escape, const char *also)
{
	slice shown = slice_until(s, DETAILS_MOST);
	char hex[4];

	for (size_t i = 0; i < shown.size; i++) {
		unsigned char c = (unsigned char)shown.at[i];
		bool plain = c >= 0x20 && c < 0x7f && c != '\\' && !strchr(also, c);
		int n = escape == '%' ? snprintf(hex, sizeof hex, "%%%02X", c) : 0;
		if (plain)
			add(l, slice_of(shown.at + i, 1));
		else if (n > 0)
			add(l, slice_of(hex, (size_t)n));
		else
			add(l, slice_of((char[]){'\\', 'x', "0123456789abcdef"[c >> 4],
						"0123456789abcdef"[c & 15]},
				       4));
	}
	if (shown.size < s.size)
		add(l, S("..."));
}

static void add_date(struct line *l, const struct civil *at)
{
	char z[40];

	add(l, slice_of(z, (size_t)snprintf(
				   z, sizeof z, "%04d-%02d-%02d", at->year, at->month, at->day)));
}

static void add_time(struct line *l, const struct civil *at)
{
	char z[40];

	add(l, slice_of(z, (size_t)snprintf(z, sizeof z, "%02d:%02d:%02d", at->hour, at->minute,
				   at->second)));
}

static void begin(struct line *l, const char *stem, const char *kind, const struct rule *r,
	usec now, const char *fields)
{
	int n = snprintf(l->at, sizeof l->at, "%s%s %s %" PRId64 " %" PRId64 " %s\x1f", stem, kind,
		r->period, r->size_most, now, fields);

	l->size = (size_t)n;
}

static void finish(struct line *l)
{
	l->at[l->size++] = '\n';
	if (write(pipe_end, l->at, l->size) != (ssize_t)l->size) {
		atomic_fetch_add(&dropped, 1);
		metric_add(M_log_lines_dropped, SERVICE_NONE, 1);
	}
}

/* ---- fields of the W3C log: "s" is the server of the conversation, "c" its client */

static void f_date(struct line *l, const struct exchange *x, const struct civil *at)
{
	(void)x;
	add_date(l, at);
}

static void f_time(struct line *l, const struct exchange *x, const struct civil *at)
{
	(void)x;
	add_time(l, at);
}

/* One value without blanks; "-" where there is none. */
static void put(struct line *l, slice s)
{
	slice rest = slice_until(s, DETAILS_MOST), part;
	bool first = true;

	if (s.size == 0)
		add(l, S("-"));
	while (slice_take(&rest, ' ', &part)) {
		if (!first)
			add(l, S("+"));
		add_safe(l, part, '%', "%+\"");
		first = false;
	}
}

#define FIELD(function, value)                                                                     \
	static void function(struct line *l, const struct exchange *x, const struct civil *at)     \
	{                                                                                          \
		(void)at;                                                                          \
		value;                                                                             \
	}
FIELD(f_c_ip, put(l, x->outward ? x->local : x->peer))
FIELD(f_c_port, add_number(l, x->outward ? x->local_port : x->peer_port))
FIELD(f_s_ip, put(l, x->outward ? x->peer : x->local))
FIELD(f_s_port, add_number(l, x->outward ? x->peer_port : x->local_port))
FIELD(f_site, put(l, x->outward ? S("outbound") : slice_z(service_name(x->service))))
FIELD(f_user, put(l, x->user))
FIELD(f_method, put(l, x->command))
FIELD(f_query, put(l, x->details))
FIELD(f_status, x->verdict.size ? add_safe(l, x->verdict, '%', "% ") : add(l, S("-")))
FIELD(f_comment, put(l, x->response))
FIELD(f_sc_bytes, add_number(l, x->outward ? x->received : x->sent))
FIELD(f_cs_bytes, add_number(l, x->outward ? x->sent : x->received))
FIELD(f_took, add_number(l, (uint64_t)(x->took / USEC_MS)))
FIELD(f_conversation, put(l, x->conversation))
FIELD(f_message, put(l, x->message))

static const struct {
	const char *name;
	void (*add)(struct line *l, const struct exchange *x, const struct civil *at);
} w3c_fields[] = {
	{"date", f_date},
	{"time", f_time},
	{"c-ip", f_c_ip},
	{"c-port", f_c_port},
	{"s-ip", f_s_ip},
	{"s-port", f_s_port},
	{"s-sitename", f_site},
	{"cs-username", f_user},
	{"cs-method", f_method},
	{"cs-uri-query", f_query},
	{"sc-status", f_status},
	{"sc-comment", f_comment},
	{"sc-bytes", f_sc_bytes},
	{"cs-bytes", f_cs_bytes},
	{"time-taken", f_took},
	{"x-conversation", f_conversation},
	{"x-message", f_message},
};
enum { W3C_FIELDS = sizeof w3c_fields / sizeof *w3c_fields };

static int field_find(slice name)
{
	for (int i = 0; i < W3C_FIELDS; i++)
		if (slice_same_nocase(name, slice_z(w3c_fields[i].name)))
			return i;
	return -1;
}

/* ---- rules, once more */

void record_open(int fd)
{
	pthread_mutex_lock(&lock);
	pipe_end = fd;
	if (fd < 0)
		for (int i = 0; i < SERVICE_COUNT; i++)
			atomic_store(&kinds_of[i], 0);
	pthread_mutex_unlock(&lock);
}

static void take_fields(struct rule *r, slice fields)
{
	slice name;
	size_t size = 0;

	r->n = 0;
	while (slice_take(&fields, ' ', &name)) {
		int row = field_find(name);
		if (row < 0 || r->n == RECORD_FIELDS_MOST)
			continue;
		r->fields[r->n++] = (unsigned char)row;
		size += (size_t)snprintf(r->names + size, sizeof r->names - size, "%s%s",
			size ? " " : "", w3c_fields[row].name);
	}
	r->names[size] = '\0';
}

void record_rule_set(enum service s, const struct record_rule *rule)
{
	pthread_mutex_lock(&lock);
	struct rule *r = &rules[shared(s)];
	take_fields(r, rule->fields);
	snprintf(r->period, sizeof r->period, "%s", rule->period);
	r->size_most = rule->size_most;
	atomic_store(&kinds_of[shared(s)], pipe_end >= 0 ? rule->kinds : 0);
	pthread_mutex_unlock(&lock);
}

unsigned record_kinds(enum service s)
{
	return atomic_load_explicit(&kinds_of[shared(s)], memory_order_relaxed);
}

uint64_t record_dropped(void)
{
	return atomic_load(&dropped);
}

/* ---- rows */

static void write_w3c(const struct exchange *x, const struct rule *r, usec now)
{
	static struct line l; /* the lock's */
	struct civil at;

	clock_civil(now, &at);
	begin(&l, file_name(x->service), "-W3C", r, now, r->names);
	for (int i = 0; i < r->n; i++) {
		if (i > 0)
			add(&l, S(" "));
		w3c_fields[r->fields[i]].add(&l, x, &at);
	}
	finish(&l);
}

/* The ten columns of R6. */
static void write_activity(const struct exchange *x, const struct rule *r, usec now)
{
	static struct line l; /* the lock's */
	const slice texts[] = {
		x->message, x->conversation, x->peer, x->command, x->details, x->response};
	struct civil at;

	clock_civil(now, &at);
	begin(&l, file_name(x->service), "-Activity", r, now, "");
	add_date(&l, &at);
	add(&l, S(" "));
	add_time(&l, &at);
	add(&l, S("\t"));
	add(&l, slice_z(file_name(x->service)));
	add(&l, x->outward ? S("-OU") : S("-IN"));
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		add(&l, S("\t"));
		add_safe(&l, texts[i], '\\', "");
	}
	add(&l, S("\t"));
	add_number(&l, x->sent);
	add(&l, S("\t"));
	add_number(&l, x->received);
	finish(&l);
}

void record_exchange(const struct exchange *x)
{
	unsigned kinds = record_kinds(x->service);

	if (!(kinds & (RECORD_W3C | RECORD_ACTIVITY)))
		return;
	pthread_mutex_lock(&lock);
	const struct rule *r = &rules[shared(x->service)];
	usec now = clock_wall();
	if ((kinds & RECORD_W3C) && r->n > 0)
		write_w3c(x, r, now);
	if (kinds & RECORD_ACTIVITY)
		write_activity(x, r, now);
	pthread_mutex_unlock(&lock);
}

/* A line that is rendered already. */
static void write_line(const char *stem, const char *kind, const struct rule *r, slice line)
{
	static struct line l; /* the lock's */

	if (pipe_end < 0)
		return;
	if (line.size > 0 && line.at[line.size - 1] == '\n')
		line.size--;
	begin(&l, stem, kind, r, clock_wall(), "");
	add(&l, line);
	finish(&l);
}

void record_words(enum service s, slice line)
{
	pthread_mutex_lock(&lock);
	write_line(file_name(s), "-Debug", &rules[shared(s)], line);
	pthread_mutex_unlock(&lock);
}

void record_server(slice line)
{
	pthread_mutex_lock(&lock);
	write_line("Server", "", &rules[SERVICE_NONE], line);
	pthread_mutex_unlock(&lock);
}

void record_syslog(log_level level, slice line)
{
	static const char *const priorities[] = {"23", "22", "20", "19"}; /* of facility mail */
	struct rule r = {0};

	snprintf(r.period, sizeof r.period, "%s", priorities[level]);
	pthread_mutex_lock(&lock);
	write_line("syslog", "", &r, line);
	pthread_mutex_unlock(&lock);
}
