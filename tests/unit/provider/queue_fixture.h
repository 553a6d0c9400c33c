/* What tests of the queue begin with, beside store_fixture.h: rows, runners, claims. One test after
   the other: shards belong to the whole database. */
#ifndef PENNYPOST_TESTS_QUEUE_FIXTURE_H
#define PENNYPOST_TESTS_QUEUE_FIXTURE_H

#include "provider/queue.h"
#include "tests/unit/provider/given.h"
#include "tests/unit/provider/store_fixture.h"

#define RAW S("Subject: hello\r\n\r\nhow are you?\r\n")

/* The providers and an empty queue. Tests end with store_counted_end(). */
void empty_queue_begin(void);
/* A message for ben at that domain, who wants to hear of failures. */
void queue_one(int64_t office, const char *domain);
/* A runner that has what is free. */
queue_runner *runner(void);
/* Of any shard, at most so many, and of each post office. */
queue_entry *claim(queue_runner *r, unsigned most, unsigned each, arena *a, int *n);
/* As if all runners had been silent for a minute. */
void give_up_leases(void);
int64_t rows_in(const char *table);

#endif
