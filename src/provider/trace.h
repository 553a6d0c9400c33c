/* Trace: what happened to a message, step by step. Rows are gathered in memory and written in
   batches every second outside any mail transaction, with synchronous_commit off; a full buffer
   drops the oldest and counts. Never waits. */
#ifndef PENNYPOST_PROVIDER_TRACE_H
#define PENNYPOST_PROVIDER_TRACE_H

#include "base/arena.h"
#include "base/clock.h"
#include "base/status.h"

enum trace_kind {
	TRACE_ACCEPTED,  /* taken from a client: from, peer, size, TLS, user */
	TRACE_DELIVERED, /* into a mailbox */
	TRACE_REFUSED,   /* recipient or message refused: code and reason */
	TRACE_REPEATED,  /* recognised as a repetition */
	TRACE_READ,      /* fetched by a reader */
	TRACE_REMOVED,   /* expunged */
	TRACE_QUEUED,    /* for another system: recipient, domain */
	TRACE_SENT,      /* another system took it: host, TLS, reply */
	TRACE_DEFERRED,  /* not now: host, reply, next attempt */
	TRACE_FAILED,    /* never: host, reply */
	TRACE_REPORTED,  /* its sender was told: kind of report, its message */
	TRACE_PARKED,    /* bad mail: it waits for an operator */
	TRACE_JUDGED,    /* SPF, DKIM, DMARC, ARC of a message that came in */
	TRACE_EXPANDED,  /* it went on from a group, or a mailbox that passes it on */
	TRACE_KINDS
};
const char *trace_name(enum trace_kind k);

/* postoffice 0 = of no tenant (refused before any was known). message: the delivery's id or 0.
   fields: key=value text, escaped as log fields, in one line. A field message_id=.., else
   entry=.., makes the row findable by it; so do the addresses in from=.., recipient=.. and
   to=... */
void trace_note(int64_t postoffice, int64_t message, enum trace_kind k, const char *fields, ...)
	__attribute__((format(printf, 4, 5)));

/* A message that came into a mailbox, as things are now. */
struct trace_place {
	slice mailbox; /* anna@demo; empty: none is called so any more */
	bool there;
	usec removed; /* 0: it is not there, and not known since when */
	usec until;   /* it can be had back (folder_undelete); 0: no more */
};
struct trace_row {
	usec at;
	int64_t postoffice, message;
	enum trace_kind kind;
	slice node, fields;
	const struct trace_place *place; /* NULL: not asked for */
};
/* By delivery id, which may be that of a queue entry of it, or by Message-ID header content; oldest
   first, and of more than 10,000 the newest. System role. */
status trace_by_message(int64_t message, arena *a, struct trace_row **rows, int *n);
status trace_by_message_id(slice message_id, arena *a, struct trace_row **rows, int *n);

struct trace_span {
	usec from, until;   /* the latter not included */
	int64_t postoffice; /* -1: any */
	unsigned most;      /* the newest so many */
};
/* All rows of messages with a row in that time, or rows of none, that names the address as sender
   or recipient. Each letter counts as it is written, but for its case. Of a post office: its
   messages' rows that are its own or nobody's. */
status trace_by_address(
	slice address, const struct trace_span *in, arena *a, struct trace_row **rows, int *n);
/* Rows of that time; of a post office its own alone. */
status trace_by_time(const struct trace_span *in, arena *a, struct trace_row **rows, int *n);
/* Of those that came into a mailbox (TRACE_DELIVERED) and are `wanted`, where they are now: a question for a
   thousand of them. System role. */
status trace_places(struct trace_row *rows, const bool *wanted, int n, arena *a);
/* Writes out what is gathered; the watch does it every second, programs before they end. Rows that
   may be stored (ST_UNSURE) are written again and may stand twice. */
status trace_flush(void);

/* ---- what a row says (trace_kind.c) */
/* The next field and its value, as trace_value; `fields` is what is left. False: there is none. */
bool trace_next(slice *fields, slice *name, slice *value);
/* A value with its quotes and backslashes as they were; other escapes (\xNN) stay. */
slice trace_plain(slice value, arena *a);
/* A field's value without its quotes, escaped as it stands; empty when there is none. */
slice trace_value(slice fields, const char *key);
/* The row in a sentence for people, without its full stop; with its place, how that is now. */
slice trace_sentence(const struct trace_row *row, arena *a);
/* Whom the row is about: a recipient, else a mailbox; empty: the message as a whole. */
slice trace_whom(const struct trace_row *row);
/* Tells where the message is, or is for that recipient; the newest such row counts. */
bool trace_is_verdict(enum trace_kind k);

#endif
