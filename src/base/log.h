/* Log events. One call writes an event; printers render it as key=value (standard error, file,
   journald) and later as W3C extended, activity and trace rows. The table of events is
   base/events.def: name, level, sentence. Every byte below 0x20, 0x7f, `"`, `\` and, when not valid
   UTF-8 or a character that moves the terminal's cursor, above is escaped (T55): one record is one
   line of at most LOG_LINE_MOST bytes, its line feed included.
   Writing never blocks (R18): records go through a ring of 1 MB per process, drained by a thread of
   its own; when it is full the record is dropped and counted, and the count is told later.
   Callable from any thread and fiber. Before log_open() records go straight to standard error. */
#ifndef PENNYPOST_BASE_LOG_H
#define PENNYPOST_BASE_LOG_H

#include "base/slice.h"
#include "base/status.h"

/* What a pipe takes in one piece, so that lines of several processes never mix. */
enum { LOG_LINE_MOST = 4096 };

typedef enum log_level {
	LOG_DEBUG_LEVEL,
	LOG_INFO_LEVEL,
	LOG_WARN_LEVEL,
	LOG_ERROR_LEVEL
} log_level;

enum event {
#define EVENT(name, level, sentence) EV_##name,
#include "base/events.def"
#undef EVENT
	EV_COUNT
};

struct log_target {
	int fd;           /* where lines go; -1 = standard error */
	log_level least;  /* events below this level are not written */
	bool journal;     /* prefix lines with <N> priorities for journald */
	const char *role; /* "master", "mail/0", "web/0", "cli" */
};

/* Starts the drain thread. Call again after fork: the ring is the child's own then, and empty,
   since the parent writes what the parent said. */
void log_open(const struct log_target *t);
void log_level_set(log_level least);
/* Drains what is there (at most 2 s) and stops the thread. */
void log_close(void);
uint64_t log_dropped(void); /* records lost since the process started */

/* A second reader of events, also of those below the level, chosen event by event: `wants` is asked
   first, `take` gets the line with its time and line feed. Both are called by whoever logs, hold no
   lock and must not wait or log. NULL: nobody. `t` is lent for good. */
struct log_tap {
	bool (*wants)(log_level level, bool written);
	void (*take)(log_level level, bool written, slice line);
};
void log_tap_set(const struct log_tap *t);

/* fields: printf format giving `key=value` pairs; values from outside, and all that may hold a
   space, go through log_quote(). NULL for none. `errno` is preserved. */
void log_event(enum event e, const char *fields, ...) __attribute__((format(printf, 2, 3)));
/* The same, and returns `kind`, for: return log_trouble(ST_BUSY, EV_DB_REFUSED, "state=%s", s); */
status log_trouble(status kind, enum event e, const char *fields, ...)
	__attribute__((format(printf, 3, 4)));
/* A quoted, escaped value of at most 512 bytes, for "%s"; lives in a small per-thread wheel of
   8. */
const char *log_quote(slice value);

#endif
