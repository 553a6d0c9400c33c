/* Kinds of outcome. Kinds travel up the house; words stay at home: each protocol has one table
   from kind to its own reply, each program one from kind to its exit code. Facts are logged where
   trouble is first seen, with log_trouble() (base/log.h). */
#ifndef PENNYPOST_BASE_STATUS_H
#define PENNYPOST_BASE_STATUS_H

typedef enum status {
	ST_OK = 0,
	ST_ABSENT,    /* what was asked for does not exist */
	ST_EXISTS,    /* what was to be made exists already */
	ST_DENIED,    /* not allowed: wrong credentials, disabled, no right */
	ST_INVALID,   /* malformed input; asking again the same way is of no use */
	ST_TOO_BIG,   /* over a size limit */
	ST_FULL,      /* over a quota; may have room later */
	ST_LIMITED,   /* over a count or rate limit; may pass later */
	ST_BUSY,      /* a resource (database, lock, pool) is not to be had now; try again */
	ST_TIMED_OUT, /* the deadline passed while waiting */
	ST_CANCELLED, /* the task was asked to end */
	ST_CLOSED,    /* the peer is gone */
	ST_BROKEN,    /* stored data or an internal rule is broken; an operator must look */
	ST_UNSURE,    /* a commit was sent, its outcome is unknown */
	ST_FOREIGN,   /* valid, but not ours to serve (a domain of somebody else) */
	ST_KINDS
} status;

/* Returns the kind at once when it is not ST_OK; the only macro that hides a return. */
#define TRY(call)                                                                                  \
	do {                                                                                       \
		status try_kind_ = (call);                                                         \
		if (try_kind_ != ST_OK)                                                            \
			return try_kind_;                                                          \
	} while (0)

/* The kind's short name for logs and JSON: "ok", "absent", "timed-out", ... Static storage. */
const char *status_name(status kind);

#endif
