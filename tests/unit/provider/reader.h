/* What tests of a reader's contracts begin with. They run against both stores: reader_pg.c gives
   them a mailbox in PostgreSQL, tests/unit/memory/reader.c one in memory. */
#ifndef PENNYPOST_TESTS_READER_H
#define PENNYPOST_TESTS_READER_H

#include "base/arena.h"
#include "provider/append.h"
#include "provider/view.h"
#include "task/task.h"

struct reader {
	int64_t postoffice, mailbox, inbox;
	arena a;
};
extern struct reader me;

void reader_begin(void); /* providers, and `me` with an empty mailbox */
void reader_end(void);
/* A mailbox of another post office. */
struct reader reader_stranger(void);
void reader_quota(int64_t bytes); /* of my mailbox */
void reader_deliver(slice raw);   /* into my INBOX */
/* Whoever begins to watch is told to look once, when other processes are heard: waits until that
   was. */
void reader_heard(notice *n);

/* ---- reader_steps.c: for both */
view *opened(slice folder); /* it must be there; without flags */
/* Runs an append of one message with this text as its body. */
status append_text(struct append *x, slice raw);
/* Appends and gives the UID; it must go well. */
uint32_t appended(slice folder, slice raw, int64_t flags);
/* n messages with different sizes. */
void filled(slice folder, int n);
int64_t made(slice folder); /* its id */
/* Every count of every folder and the quota say what the entries say. */
void assert_counted(void);

#endif
