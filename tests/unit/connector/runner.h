/* What tests of the queue's runner share, beside store_fixture.h: an empty queue in a PostgreSQL, a
   transport that is no network, and a loop in which a story is told beside the runner. One test after
   the other: shards belong to the whole database. */
#ifndef PENNYPOST_TESTS_RUNNER_H
#define PENNYPOST_TESTS_RUNNER_H

#include "connector/smtp/outbound.h"
#include "tests/unit/provider/given.h"
#include "tests/unit/provider/store_fixture.h"

#define RAW S("Return-Path: <anna@acme.test>\r\nSubject: hello\r\n\r\nhow are you?\r\n")

/* A suite's begin and end; no way into the queue or out of it goes uncounted. */
void runner_begin(void);
void runner_end(void);

/* How a host answers, its domain's name begins with: slow (after `pause`), stuck (not before `go`),
   held (takes it behind `go`), dead (out of reach until `go`), late (the second time), never; ok, body
   and all others take it at once. */
extern struct runner_net {
	int sent, tried, ok,
		late; /* recipients, attempts, recipients at ok.test, attempts at late.test */
	int claimed,
		most; /* rows that were planned, and how many more than were sent at one moment */
	int tasks;    /* there were when the first was tried */
	void (*planned)(slice domain); /* told of each row that is; may be NULL */
	usec pause;
	bool go;
	text body;     /* of what went to body.test */
	uint64_t size; /* as it was announced */
} net;
struct client_result reply(
	enum client_outcome o, enum client_cause c, int code, const char *enhanced);

/* Tells the story beside the runner, which leaves behind it and gives everything back. */
void play(status (*story)(void));
/* Without the runner, whose own statements would meet a fault that is meant for the story. */
void play_alone(status (*story)(void));
/* Whether it came to be so within four minutes, which is longer than any machine takes. */
bool wait_until(bool (*good)(void));

/* A message for one at another system; RAW, or another text. */
void post(int64_t office, const char *sender, const char *address, const char *domain);
void post_text(
	int64_t office, const char *sender, const char *address, const char *domain, slice raw);

#endif
