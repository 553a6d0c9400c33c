/* Log events: rendered by whoever speaks, queued in a ring of whole lines, written by a thread of
   its own.

       log_event -> [ line\n line\n line\n ........ ] -> drain thread -> poll, write
                      ^head                ^head+used

   The thread alone may meet a slow reader. Nothing here allocates, since shortage of memory is
   logged too; the rendering buffers are the thread's, not the stack's, because fibers keep the
   stack pages they have once touched. */
#include "base/log.h"

#include "base/clock.h"
#include "base/metric.h"
#include "base/utf8.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

enum { RING_SIZE = 1 << 20, ROLE_MOST = 24, QUOTE_MOST = 512, QUOTES = 8, CLOSE_S = 2 };

static const struct {
	const char *name;
	log_level level;
	const char *sentence;
} events[EV_COUNT] = {
#define EVENT(name, level, sentence) [EV_##name] = {#name, LOG_##level##_LEVEL, sentence},
#include "base/events.def"
#undef EVENT
};

static const struct {
	const char *name;
	int priority; /* of syslog, as journald reads it */
} levels[] = {
	[LOG_DEBUG_LEVEL] = {"debug", 7},
	[LOG_INFO_LEVEL] = {"info", 6},
	[LOG_WARN_LEVEL] = {"warn", 4},
	[LOG_ERROR_LEVEL] = {"error", 3},
};

static atomic_int least = LOG_INFO_LEVEL;
static _Atomic uint64_t dropped;
static const struct log_tap *_Atomic tap;

/* Everything below is the lock's. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t more = PTHREAD_COND_INITIALIZER, finished = PTHREAD_COND_INITIALIZER;
static struct log_target target = {.fd = -1};
static char role[ROLE_MOST + 1] = "-";
static char ring[RING_SIZE];
static size_t head, used;
static bool running;           /* records go to the ring */
static bool idle;              /* the drain thread waits for `more` */
static bool ending;            /* the drain thread is to end when the ring is empty, */
static struct timespec end_at; /* or at this time */
static bool alive;             /* it has not ended yet */
static unsigned generation;    /* of the drain thread; an older one has nothing to say here */
static pthread_t drainer;

/* Characters that are valid UTF-8 and still would let a value draw outside its line: C1 controls,
   line separators, changes of writing direction. */
static bool moves_cursor(uint32_t point)
{
	return (point >= 0x80 && point < 0xa0) || (point >= 0x2028 && point <= 0x202e) ||
	       (point >= 0x2066 && point <= 0x2069);
}

static size_t as_hex(char *to, slice bytes)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < bytes.size; i++) {
		unsigned char c = (unsigned char)bytes.at[i];
		*to++ = '\\';
		*to++ = 'x';
		*to++ = digits[c >> 4];
		*to++ = digits[c & 15];
	}
	return bytes.size * 4;
}

enum { PIECE_MOST = 16 }; /* four bytes, each as \xNN */

/* Renders the first character of `s`, which is not empty, into `piece`; both sizes are told. */
static size_t escape(slice s, char piece[PIECE_MOST], size_t *taken)
{
	uint32_t point;

	*taken = utf8_take(s, &point);
	if (*taken == 0) {
		*taken = 1;
		return as_hex(piece, slice_until(s, 1));
	}
	if (point < 0x20 || point == 0x7f || moves_cursor(point))
		return as_hex(piece, slice_until(s, *taken));
	if (point == '"' || point == '\\') {
		piece[0] = '\\';
		piece[1] = (char)point;
		return 2;
	}
	memcpy(piece, s.at, *taken);
	return *taken;
}

const char *log_quote(slice value)
{
	static _Thread_local char wheel[QUOTES][QUOTE_MOST];
	static _Thread_local unsigned turn;
	char *to = wheel[turn++ % QUOTES], piece[PIECE_MOST];
	size_t size = 0, taken;

	to[size++] = '"';
	while (value.size > 0) {
		size_t n = escape(value, piece, &taken);
		if (size + n + sizeof "...\"" > QUOTE_MOST) {
			memcpy(to + size, "...", 3);
			size += 3;
			break;
		}
		memcpy(to + size, piece, n);
		size += n;
		value = slice_from(value, taken);
	}
	to[size++] = '"';
	to[size] = '\0';
	return to;
}

/* What log_quote() has escaped already: a backslash and what follows it. */
static bool is_escape(slice s)
{
	return s.size >= 2 && s.at[0] == '\\' &&
	       (s.at[1] == 'x' || s.at[1] == '"' || s.at[1] == '\\');
}

/* Copies the formatted fields, escaping all that log_quote() has not. A quote opens a value only
   right behind '='; what does not fit is cut off, and an open quote closed. */
static size_t put_fields(char *to, size_t room, slice raw)
{
	size_t size = 0, taken;
	bool quoted = false;
	char before = ' ', piece[PIECE_MOST];

	for (; raw.size > 0; before = raw.at[taken - 1], raw = slice_from(raw, taken)) {
		bool turns = raw.at[0] == '"' && (quoted || before == '=');
		size_t n = escape(raw, piece, &taken);
		if (turns) {
			piece[0] = '"';
			n = 1;
		} else if (quoted && is_escape(raw)) {
			memcpy(piece, raw.at, 2);
			n = taken = 2;
		}
		if (size + n + sizeof "\"..." > room) {
			memcpy(to + size, "...", 3);
			size += 3;
			break;
		}
		memcpy(to + size, piece, n);
		size += n;
		quoted ^= turns;
	}
	if (quoted)
		to[size++] = '"';
	return size;
}

/* Date and time in RFC 3339. */
static size_t put_time(char *to, size_t room, usec wall)
{
	struct civil at;

	clock_civil(wall, &at);
	return (size_t)snprintf(to, room, "time=%04d-%02d-%02dT%02d:%02d:%02d.%06dZ ", at.year,
		at.month, at.day, at.hour, at.minute, at.second, (int)(wall % USEC_S));
}

/* Renders one record into `line`, line feed included; caller holds the lock. */
static size_t render(char line[LOG_LINE_MOST], enum event e, slice fields, bool journal)
{
	size_t size = 0, note = strlen(events[e].sentence) + sizeof " note=\"\"\n";

	if (journal)
		size = (size_t)snprintf(
			line, LOG_LINE_MOST, "<%d>", levels[events[e].level].priority);
	else
		size = put_time(line, LOG_LINE_MOST, clock_wall());
	size += (size_t)snprintf(line + size, LOG_LINE_MOST - size,
		"level=%s role=%s pid=%d event=%s", levels[events[e].level].name, role,
		(int)getpid(), events[e].name);
	if (fields.size > 0) {
		line[size++] = ' ';
		size += put_fields(line + size, LOG_LINE_MOST - size - note, fields);
	}
	size += (size_t)snprintf(
		line + size, LOG_LINE_MOST - size, " note=\"%s\"\n", events[e].sentence);
	return size;
}

static size_t lines_in(const char *at, size_t size)
{
	size_t n = 0;

	for (slice s = slice_of(at, size), line; s.size > 0 && slice_take(&s, '\n', &line);)
		n++;
	return n;
}

/* Takes as many whole lines as a pipe writes in one piece; caller holds the lock. */
static size_t take_lines(char batch[LOG_LINE_MOST])
{
	size_t size = used < LOG_LINE_MOST ? used : LOG_LINE_MOST;
	size_t first = RING_SIZE - head < size ? RING_SIZE - head : size;

	memcpy(batch, ring + head, first);
	memcpy(batch + first, ring, size - first);
	size = slice_find_last(slice_of(batch, size), '\n') + 1;
	used -= size;
	/* An empty ring starts over, so that a quiet process touches few of its pages. */
	head = used > 0 ? (head + size) % RING_SIZE : 0;
	return size;
}

/* Appends a line, or says that there is no room; caller holds the lock. */
static bool add_line(const char *line, size_t size)
{
	if (size > RING_SIZE - used)
		return false;
	size_t at = (head + used) % RING_SIZE;
	size_t first = RING_SIZE - at < size ? RING_SIZE - at : size;
	memcpy(ring + at, line, first);
	memcpy(ring, line + first, size - first);
	used += size;
	return true;
}

static bool past(struct timespec t)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return now.tv_sec != t.tv_sec ? now.tv_sec > t.tv_sec : now.tv_nsec >= t.tv_nsec;
}

/* True when the thread of generation `mine` has no time left to wait for its reader. */
static bool gives_up(unsigned mine)
{
	pthread_mutex_lock(&lock);
	bool over = mine != generation || (ending && past(end_at));
	pthread_mutex_unlock(&lock);
	return over;
}

/* Writes it all, waiting for the reader as long as that is allowed. Polls first, and in pieces no
   pipe is too full for, because the descriptor may be shared and must not be made non-blocking. */
static bool put(int fd, const char *at, size_t size, unsigned mine)
{
	while (size > 0) {
		struct pollfd ready = {.fd = fd, .events = POLLOUT};
		int n = poll(&ready, 1, 100);
		if (n == 0 && gives_up(mine))
			return false;
		if (n <= 0)
			continue;
		ssize_t wrote = write(fd, at, size);
		if (wrote < 0 && errno != EINTR && errno != EAGAIN)
			return false;
		if (wrote > 0) {
			at += wrote;
			size -= (size_t)wrote;
		}
	}
	return true;
}

static void drop(uint64_t records)
{
	atomic_fetch_add(&dropped, records);
	metric_add(M_log_records_dropped, SERVICE_NONE, (int64_t)records);
}

/* Tells of the records dropped since it was told last; `told` is the drain thread's. */
static void tell_dropped(int fd, unsigned mine, uint64_t *told)
{
	uint64_t now = atomic_load(&dropped);
	char line[LOG_LINE_MOST], fields[64];

	if (now == *told)
		return;
	int n = snprintf(fields, sizeof fields, "records=%llu total=%llu",
		(unsigned long long)(now - *told), (unsigned long long)now);
	pthread_mutex_lock(&lock);
	size_t size = render(line, EV_LOG_DROPPED, slice_of(fields, (size_t)n), target.journal);
	pthread_mutex_unlock(&lock);
	if (put(fd, line, size, mine))
		*told = now;
}

static void *drain(void *arg)
{
	unsigned mine = (unsigned)(uintptr_t)arg;
	char batch[LOG_LINE_MOST];

	pthread_mutex_lock(&lock);
	int fd = target.fd;
	uint64_t told = atomic_load(&dropped);
	while (mine == generation && (used > 0 || !ending)) {
		if (used == 0) {
			idle = true;
			pthread_cond_wait(&more, &lock);
			idle = false;
			continue;
		}
		size_t size = take_lines(batch);
		pthread_mutex_unlock(&lock);
		bool written = put(fd, batch, size, mine);
		if (written)
			tell_dropped(fd, mine, &told);
		else
			drop(lines_in(batch, size));
		pthread_mutex_lock(&lock);
		if (!written && ending)
			break;
	}
	if (mine == generation) {
		alive = false;
		pthread_cond_signal(&finished);
	}
	pthread_mutex_unlock(&lock);
	return NULL;
}

/* Around fork: the lock is whole on both sides, and the child starts with an empty ring and no
   thread. Its records go to standard error until it opens its own log. */

static void before_fork(void)
{
	pthread_mutex_lock(&lock);
}

static void after_fork_in_parent(void)
{
	pthread_mutex_unlock(&lock);
}

static void after_fork_in_child(void)
{
	pthread_mutex_init(&lock, NULL);
	pthread_cond_init(&more, NULL);
	pthread_cond_init(&finished, NULL);
	running = alive = ending = idle = false;
	head = used = 0;
	generation++;
	atomic_store(&dropped, 0);
}

static void watch_forks(void)
{
	pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
}

void log_open(const struct log_target *t)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	sigset_t all, before;

	pthread_once(&once, watch_forks);
	log_close();
	log_level_set(t->least);
	/* Signals are the program's, never this thread's. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	pthread_mutex_lock(&lock);
	target = *t;
	if (target.fd < 0)
		target.fd = STDERR_FILENO;
	snprintf(role, sizeof role, "%s", t->role ? t->role : "-");
	ending = false;
	generation++;
	/* Without a thread records keep going to standard error. */
	running = alive = pthread_create(&drainer, NULL, drain, (void *)(uintptr_t)generation) == 0;
	pthread_mutex_unlock(&lock);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
}

void log_level_set(log_level level)
{
	atomic_store(&least, (int)level);
}

/* What nobody will write any more; caller holds the lock. */
static void drop_rest(void)
{
	char batch[LOG_LINE_MOST];

	while (used > 0) {
		size_t size = take_lines(batch);
		drop(lines_in(batch, size));
	}
}

void log_close(void)
{
	struct timespec leave_at;

	pthread_mutex_lock(&lock);
	if (!running) {
		pthread_mutex_unlock(&lock);
		return;
	}
	running = false;
	ending = true;
	clock_gettime(CLOCK_REALTIME, &end_at);
	end_at.tv_sec += CLOSE_S;
	pthread_cond_signal(&more);
	/* The thread ends by itself, unless a reader of the shared pipe stopped between its poll
	   and its write; then it is left behind and finds itself of an older generation. */
	leave_at = (struct timespec){.tv_sec = end_at.tv_sec + 1, .tv_nsec = end_at.tv_nsec};
	while (alive && !past(leave_at))
		pthread_cond_timedwait(&finished, &lock, &leave_at);
	bool left_behind = alive;
	alive = false;
	generation++;
	drop_rest();
	pthread_mutex_unlock(&lock);
	if (left_behind)
		pthread_detach(drainer);
	else
		pthread_join(drainer, NULL);
}

uint64_t log_dropped(void)
{
	return atomic_load(&dropped);
}

static bool is_written(enum event e)
{
	return (int)events[e].level >= atomic_load_explicit(&least, memory_order_relaxed);
}

/* Into the ring, or straight out while there is none; caller holds the lock. */
static void pass_on(const char *line, size_t size)
{
	if (!running) {
		ssize_t ignored = write(STDERR_FILENO, line, size);
		(void)ignored;
	} else if (!add_line(line, size)) {
		drop(1);
	} else if (idle) {
		idle = false;
		pthread_cond_signal(&more);
	}
}

static void record(enum event e, const struct log_tap *tapped, const char *fields, va_list args)
{
	static _Thread_local char raw[LOG_LINE_MOST];
	static char line[LOG_LINE_MOST]; /* the lock's */
	int n = fields ? vsnprintf(raw, sizeof raw, fields, args) : 0;
	size_t size = n < 0 ? 0 : (size_t)n < sizeof raw ? (size_t)n : sizeof raw - 1;
	slice told = slice_of(raw, size);

	pthread_mutex_lock(&lock);
	if (is_written(e))
		pass_on(line, render(line, e, told, running && target.journal));
	if (tapped) {
		size = render(line, e, told, false);
		memcpy(raw, line, size);
	}
	pthread_mutex_unlock(&lock);
	if (tapped)
		tapped->take(events[e].level, is_written(e), slice_of(raw, size));
}

/* The tap, when it wants this event. */
static const struct log_tap *tap_for(enum event e)
{
	const struct log_tap *t = atomic_load_explicit(&tap, memory_order_acquire);

	return t && t->wants(events[e].level, is_written(e)) ? t : NULL;
}

void log_tap_set(const struct log_tap *t)
{
	atomic_store_explicit(&tap, t, memory_order_release);
}

void log_event(enum event e, const char *fields, ...)
{
	const struct log_tap *tapped = tap_for(e);
	if (!tapped && !is_written(e))
		return;
	int saved = errno;
	va_list args;
	va_start(args, fields);
	record(e, tapped, fields, args);
	va_end(args);
	errno = saved;
}

status log_trouble(status kind, enum event e, const char *fields, ...)
{
	const struct log_tap *tapped = tap_for(e);
	if (!tapped && !is_written(e))
		return kind;
	int saved = errno;
	va_list args;
	va_start(args, fields);
	record(e, tapped, fields, args);
	va_end(args);
	errno = saved;
	return kind;
}
