/* What the files about milters share. */
#ifndef PENNYPOST_CONNECTOR_SMTP_MILTER_INSIDE_H
#define PENNYPOST_CONNECTOR_SMTP_MILTER_INSIDE_H

#include "connector/smtp/milter.h"
#include "connector/smtp/session.h"
#include "mail/milter.h"
#include "provider/milter_service.h"

struct milter {
	struct milter_service service; /* its slices live in milters.a */
	stream *stream;                /* NULL: not connected */
	milter_terms terms;
	text names;      /* of macros, as the milter listed them */
	text out, in;    /* packets to send; the packet that was read */
	bool left;       /* it accepted the conversation */
	bool done;       /* it has no more to say about the present message */
	bool failed;     /* since the present message began: its default action holds */
	bool in_message; /* MAIL was told and the end was not */
	unsigned waits;  /* times it has told that it is at work, in the present message */
};

struct milters { /* of one conversation */
	arena a;
	struct milter *one;
	int n;
	int64_t id;   /* of the message begun; 0 = none */
	bool dropped; /* the present message: a milter discarded it */
};

/* ---- one milter (milter_wire.c) */
/* Connects and agrees upon terms, within the connect patience. */
status milter_open(struct milter *m);
/* Leaves it alone for milter_pause: opening it fails at once then (ST_LIMITED). */
void milter_pause(const struct milter *m);
void milter_close(struct milter *m); /* with a goodbye when it is connected */
/* Sends what stands in m->out; before the next answer is waited for at the latest. */
status milter_send(struct milter *m);
/* The next packet, as an answer to `asked`; its slices are lent until the next one. */
status milter_hear(struct milter *m, enum milter_command asked, arena *a, milter_answer *out);
/* The waits that follow end then. */
void milter_patience(struct milter *m, usec patience);

/* ---- asking (milter.c) */
/* Sends m->out, if the milter wants to hear of `c`, and waits for what it says to that. NULL, or
   the reply that refuses. *word is what it said; CONTINUE when it was not asked. */
const char *milter_ask(
	conversation *c, struct milter *m, enum milter_command command, enum milter_word *word);
/* It cannot be asked any more: what its default action gives. */
const char *milter_trouble(conversation *c, struct milter *m, enum milter_command at, status why);
/* What the default action of one that failed gives. */
const char *milter_absent(const struct milter *m);
/* A word that ends an answer: does what it says. */
const char *milter_verdict(conversation *c, struct milter *m, enum milter_command command,
	const milter_answer *answer);
/* It is at work: its patience begins anew, some times. */
status milter_renews(struct milter *m, usec patience);
usec milter_end_patience(const struct milter *m);

/* ---- macros (milter_macro.c) */
struct macro_at {
	const struct recipient *recipient; /* at RCPT */
	bool refused;                      /* that one */
};
/* Adds the macros of this command to m->out. */
void milter_macros(
	conversation *c, struct milter *m, enum milter_command command, const struct macro_at *at);

#endif
