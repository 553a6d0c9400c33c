/* What load.c lends to a file that knows a talk of its own: when to end, where to count, whom to
   log on, what to send. */
#ifndef PENNYPOST_TESTS_LOAD_LOAD_H
#define PENNYPOST_TESTS_LOAD_LOAD_H

#include "net/stream.h"

#include <stdint.h>

/* Which of the conversations it is, and how many connections it had before this one. */
struct load_turn {
	unsigned client;
	uint64_t number;
};

bool load_goes_on(void); /* neither enough was begun nor is it time to end */
/* One more is begun; afterwards it was done since `began`, if it was. */
void load_begin(void);
void load_count(status kind, usec began);
/* The last of these is told at the end. */
void load_trouble(slice answer);

/* A line that begins with `code`; ST_DENIED when it is another one. */
status load_expect(stream *s, char code);
/* LOGIN as the mailbox of that number, counted around; its answer is left to the caller. */
status load_say_login(stream *s, uint64_t number);
/* The fields and the empty line of a message, and the text below, which is lent. */
void load_head(text *to, uint64_t number);
slice load_body(void);

unsigned load_mailboxes(void);

#endif
