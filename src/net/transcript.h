/* What one talk is told to the log files as (base/record.h): a row for each command with its
   answer. Hears with what we say on its stream, so that whoever speaks need not know of it. Every
   call takes NULL for a talk that nobody records. */
#ifndef PENNYPOST_NET_TRANSCRIPT_H
#define PENNYPOST_NET_TRANSCRIPT_H

#include "net/stream.h"

typedef struct transcript transcript;

/* NULL when the service records no rows now. `name` is the conversation's, lent; `outward`: we are
   the client. Close it before its stream: that ends a row that is begun. */
transcript *transcript_open(enum service service, bool outward, const char *name, stream *s,
	const net_address *peer, const net_address *local);
void transcript_close(transcript **t);

/* The talk turns out to be with somebody else: a balancer told. */
void transcript_peers(transcript *t, const net_address *peer, const net_address *local);
/* Who has logged on, as `name@postoffice`; which message the rows are about: the row that is begun
   and those that follow. With 0 (none) the row that is begun keeps the message it is about. */
void transcript_user(transcript *t, slice name, slice postoffice);
void transcript_message(transcript *t, int64_t id);

/* ---- as server: the row's answer is the last line we say, of POP3 the first */
/* A command came. One that is not ended yet is ended first. */
void transcript_begin(transcript *t, slice command, slice details);
/* The line was no command: a row that tells `what` of it, and of an answer that opens with the
   line's first word (IMAP) not that, since it may be a password that missed its question. */
void transcript_begin_stray(transcript *t, const char *what);
/* Its answer is complete: writes the row. Nothing when none is begun. */
void transcript_end(transcript *t);
/* What is said from here on answers the present row. An IMAP row has no other answer: what came
   before may be text of a message, and is all there is when the client leaves in its middle. */
void transcript_answers(transcript *t);

/* ---- as client: answers come in the order of the commands, which may be sent ahead of them */
/* We said a line; of one that holds a secret only the first word is told. */
void transcript_asked(transcript *t, slice line, bool secret);
/* The answer to the oldest of them, or to a text when none waits. */
void transcript_answered(transcript *t, slice verdict, slice response);

/* What stands in a row in the place of a secret. */
#define TRANSCRIPT_SECRET S("***")

#endif
