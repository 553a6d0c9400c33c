/* Reading one IMAP command (RFC 9051 9, RFC 7888 literals) from the stream, piece by piece as its
   row asks:

       a1 LOGIN {4}         <- line; the row asks for a string: "+ " goes out,
       anna {6+}            <- four octets come, and the next line
       secret               <- no "+ " was due for these six

   Nothing is read ahead of what the row wants, so a literal can be refused before it is sent, and
   the message of an APPEND flows into the store without ever being here whole. All results lie in
   the command arena. ST_INVALID: a syntax error (the answer is BAD); ST_TOO_BIG: over a limit; what
   the stream says is passed up. */
#ifndef PENNYPOST_SERVICE_IMAP_ARGS_H
#define PENNYPOST_SERVICE_IMAP_ARGS_H

#include "base/text.h"
#include "mail/date.h"
#include "net/conversation.h"

typedef struct args {
	conversation *c;
	slice rest;  /* of the present line, unread */
	size_t most; /* octets of one command, lines and literals together, but for streamed ones */
	size_t taken;        /* so far */
	const char *trouble; /* static: what was wrong, for the answer; NULL: nothing special */
	uint64_t skip_most;  /* octets thrown away by args_skip before it gives up */
	bool out_of_step;    /* more octets were announced than will be read: the end of the talk */
} args;

/* Begins a command: reads its first line, waiting for it as long as the stream's patience allows.
   ST_INVALID also for a bare LF or a NUL in it, ST_TOO_BIG for a line that is too long (it is
   skipped). */
status args_begin(args *p, conversation *c, size_t most);
/* After an error: what the client has announced and will send without being asked (RFC 7888 4) is
   read and thrown away, so that the next command is where it should be. Sets out_of_step when that
   is too much. */
status args_skip(args *p);

/* ---- one thing each; *out is untouched on failure */
bool arg_is(const args *p, char c); /* the next character is c */
bool arg_take(args *p, char c);     /* and takes it */
status arg_expect(args *p, char c);
status arg_space(args *p); /* exactly one SP */
status arg_end(args *p);   /* nothing follows */
status arg_tag(args *p, slice *out);
status arg_atom(args *p, slice *out);
status arg_word(args *p, slice word); /* this atom, any case */
status arg_number(args *p, uint64_t *out);
/* The greatest there is, 4294967295, is given as the one below it: nothing is numbered so high, and
   IMAP_LAST is `*`. */
status arg_nz_number(args *p, uint32_t *out);
status arg_modseq(args *p, uint64_t *out); /* from 1 on (RFC 7162 7) */
status arg_string(args *p, slice *out);    /* quoted or literal */
status arg_astring(args *p, slice *out);   /* or an atom, "]" allowed */
/* NIL, or a string: out->at is NULL for NIL. */
status arg_nstring(args *p, slice *out);
/* Also `%` and `*` (LIST). */
status arg_pattern(args *p, slice *out);
/* A flag: "\Seen" or "$Forwarded" or "keyword", as written. */
status arg_flag(args *p, slice *out);
status arg_date_time(args *p, date *out); /* "dd-mon-yyyy hh:mm:ss +zzzz" in quotes */
status arg_date(args *p, int64_t *days);  /* d-mon-yyyy, quoted or not: days since 1970 */

/* ---- a literal that is streamed. arg_literal takes its announcement, asks for the octets if the
   client waits, and the caller reads exactly `size` of them from c->stream; args_continue then
   reads the line that follows. `most` is the limit; ST_TOO_BIG before anything was asked for.
   `binary`: literal8. */
typedef struct literal {
	uint64_t size;
	bool binary;
	bool waits; /* the client waits for "+ " */
} literal;
status arg_literal(args *p, uint64_t most, literal *out);
status args_continue(args *p);

/* ---- sets: of message numbers or UIDs as written, at most IMAP_RANGES_MOST ranges (trust.md T24);
   `*` is IMAP_LAST. `saved`: it was "$", the result of an earlier SEARCH (RFC 5182), and has no
   ranges. */
#define IMAP_LAST UINT32_MAX
#define IMAP_RANGES_MOST 20000
typedef struct imap_range {
	uint32_t low, high;
} imap_range;
typedef struct imap_set {
	imap_range *range;
	size_t count;
	bool saved;
} imap_set;
status arg_set(args *p, imap_set *out);
/* What `*` stands for is known: afterwards ranges rise and do not touch. */
void imap_set_resolve(imap_set *s, uint32_t last);
/* Of a resolved set. */
bool imap_set_has(const imap_set *s, uint32_t n);
/* A window of a list (RFC 9394): places from 1, or from -1 at its end; `from` is the one nearer to
   where counting starts. */
struct imap_window {
	int64_t from, to;
	slice written; /* as it is told again */
};
status arg_window(args *p, struct imap_window *out);
/* Its part of a list of n: how many, from *first on. */
int imap_window_of(const struct imap_window *w, int n, int *first);
/* "1:3,7" of numbers; those that follow one another rising become ranges. */
void imap_numbers_text(const uint32_t *numbers, size_t n, text *out);

#endif
