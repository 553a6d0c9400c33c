/* What the files of the outbound client share: one talk's state and its steps. */
#ifndef PENNYPOST_CONNECTOR_SMTP_CLIENT_INSIDE_H
#define PENNYPOST_CONNECTOR_SMTP_CLIENT_INSIDE_H

#include "base/text.h"
#include "connector/smtp/client.h"
#include "net/transcript.h"

enum client_mechanism { MECHANISM_PLAIN = 1, MECHANISM_LOGIN = 2, MECHANISM_SCRAM = 4 };

struct client {
	stream *stream;
	transcript *rows; /* for the log files; NULL: nobody records */
	bool secret;      /* what is said now holds a password */
	arena talk;       /* of the facts */
	text line;        /* the reply line being read */
	char name[14];    /* for logs */
	struct client_facts facts;
	bool starttls, binary, size; /* offered, beside the facts */
	unsigned mechanisms;
	struct client_patience patience;
	bool greeted; /* QUIT makes sense */
	bool over;    /* the talk has ended or cannot be trusted any more */
	bool dirty;   /* a transaction was begun in vain: RSET comes first */
	bool kept;    /* it has been idle in a pool */
	link_t among; /* of a pool */
	usec kept_since;
};

/* ---- replies (client_reply.c) */

struct reply {
	int code;
	slice enhanced; /* as replied; empty when none, or of another class than the code */
	slice text;     /* joined, printable, shortened; both in the arena */
};
static inline bool reply_is(const struct reply *r, int hundreds)
{
	return r->code / 100 == hundreds;
}

/* Reads one whole reply within `patience`. `each` (or NULL) gets every line without its code.
   ST_INVALID: what came is none. Any other kind than ST_OK ends the talk. */
status client_reply(client *c, usec patience, void (*each)(client *c, unsigned index, slice words),
	arena *a, struct reply *out);
/* Writes one line, CRLF added. */
status client_say(client *c, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Says a line and reads its answer. */
status client_ask(client *c, usec patience, arena *a, struct reply *out, const char *format, ...)
	__attribute__((format(printf, 5, 6)));

/* Results: of a reply (2xx delivered, 4xx deferred, else failed); of a talk that ended without one;
   of our own judgement. */
void client_result_of(const struct reply *r, enum client_phase p, enum client_cause cause,
	struct client_result *out);
void client_result_lost(status kind, enum client_phase p, struct client_result *out);
void client_result_own(enum client_outcome o, enum client_cause cause, enum client_phase p,
	const char *enhanced, const char *text, struct client_result *out);

/* ---- the steps of opening; each fills *why when it is not ST_OK */

/* Greeting and EHLO or HELO (client_hello.c). */
status client_greeting(client *c, arena *a, struct client_result *why);
status client_hello(client *c, slice own, arena *a, struct client_result *why);
/* AUTH (client_logon.c). */
status client_logon_run(
	client *c, const struct client_logon *l, arena *a, struct client_result *why);

/* ---- text (client_text.c) */

/* What went wrong, when it did: with `stream` not ST_OK the talk, else `bare` or the source. */
struct client_text {
	status stream;
	bool bare;  /* a bare CR or LF stood in it */
	bool ended; /* the end of the text has been handed to the system: it may arrive */
};
/* Sends the text behind 354, end mark included, and flushes. */
status client_text_data(client *c, const struct client_message *m, struct client_text *t);
/* The same as one chunk, BDAT command included. */
status client_text_chunk(client *c, const struct client_message *m, struct client_text *t);

#endif
