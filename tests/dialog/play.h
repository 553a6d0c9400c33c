/* One play of one script: the house it is played in (house.c), the clients that talk (talk.c), and
   what is true of every house when all have left (invariant.c). run.c plays scripts in all
   modes. */
#ifndef PENNYPOST_TESTS_DIALOG_PLAY_H
#define PENNYPOST_TESTS_DIALOG_PLAY_H

#include "net/stream.h"
#include "provider/folder.h"
#include "script.h"

#include <stdint.h>

#define CLIENTS 26

struct client {
	stream *s;  /* NULL: not connected */
	int line;   /* its descriptor, when it leads to the house in memory */
	bool ended; /* the server has closed */
	bool quits; /* has said QUIT */
	usec spoke; /* when it said something last */
};

/* A running instance that plays instead of the house in memory (--connect). */
struct instance {
	slice host, ca;
	unsigned smtp, submission, submissions, pop3, pop3s, imap, imaps;
};

/* What stood in the mailboxes after a play, for comparing plays under faults with the plain one. */
struct copies {
	arena a;
	int n, room;
	struct copy {
		int64_t mailbox; /* its place in the order of making */
		slice content;   /* behind the fields the house adds */
	} * rows;
};

struct play {
	const struct script *script;
	const struct line *at;
	const struct instance *instance;
	const struct play *plain; /* NULL: this is the plain play */
	struct copies copies;     /* what stood there at the end */
	struct copies given;      /* what `given` put there */
	const tls_server *tls;
	tls_client *trust;
	arena a;
	text transcript, trouble; /* trouble: empty while all is well */
	struct variables v;
	struct client clients[CLIENTS];
	int open;       /* conversations that go on */
	bool forgiving; /* answers may be any; invariants must hold */
	bool unsure;    /* a client left without hearing the goodbye */
	bool copying;   /* clients copy: a message may stand twice in a mailbox */
	bool others;    /* under faults other mail than in the plain play may be stored */
	int acknowledged_count;
	int64_t acknowledged[512]; /* ids that a 250 named */
};

/* Notes the first trouble: where, what, and all that was said so far. */
void play_fails(struct play *p, const char *format, ...) __attribute__((format(printf, 2, 3)));
static inline bool play_goes_on(const struct play *p)
{
	return p->trouble.size == 0;
}
/* Takes "5 s", "20 ms", "3 min" or "1 h" off the front; below 0: there is none. */
usec play_span(slice *words);
/* Adds a line to the transcript; bytes are shown printable and shortened. */
void play_note(struct play *p, char who, char direction, slice bytes);

/* The file named in a script: beside it. False (and trouble) when there is none. */
bool play_file(struct play *p, slice name, slice *bytes);

/* ---- house.c: given, expect, and what is done to the house. Knows the sentence: true. */
void house_open(void);
bool house_sentence(struct play *p, slice text);
/* The n-th message (1..) of the mailbox; false with trouble told when there is none. */
bool house_stored(struct play *p, slice mailbox, slice number, slice *body);
/* Each mailbox, in the order of making. */
void house_each(void (*each)(struct play *p, int place, int64_t postoffice, int64_t mailbox),
	struct play *p);

/* ---- seal.c: domains that sign */
void seal_reset(void);
/* Makes a key, of RSA where bits are given, and publishes it; where the domain is one of ours it signs
   what is submitted. */
void seal_given(struct play *p, slice selector, slice domain, unsigned rsa_bits);
/* The message with a signature of the domain in front, or the first set of an ARC chain. */
slice seal_sign(struct play *p, slice domain, slice message, bool chain);
/* Whether a signature of the domain holds. */
bool seal_holds(struct play *p, slice domain, slice message);
bool seal_chain_holds(struct play *p, slice domain, slice message);

/* ---- talk.c */
void talk_line(struct play *p, const struct line *l);
void talk_end(
	struct play *p); /* who is still there leaves; waits until all conversations have ended */

/* ---- invariant.c */
void copies_keep(struct copies *c, int64_t mailbox, slice body);
void copies_free(struct copies *c);
void invariants_check(struct play *p);

#endif
