/* Log files of services: what clients and we said to each other, in W3C extended and activity form,
   and events in words (R1-R7). A process makes lines and hands them to the scribe
   (program/scribe.h) through a pipe; the scribe knows files, and nobody else. Writing never blocks
   (R18): a line that the pipe has no room for is dropped and counted. Without record_open() nothing
   is recorded. Callable from any thread and fiber.

   On the pipe, one line of at most RECORD_MOST bytes:
     STEM PERIOD SIZE TIME FIELDS US LINE LF
   STEM is the file's ("SMTP-Activity"), PERIOD and SIZE say when another one is begun, TIME is in
   microseconds, FIELDS are those of a W3C file; US is 0x1f. For STEM "syslog" PERIOD is the
   priority. */
#ifndef PENNYPOST_BASE_RECORD_H
#define PENNYPOST_BASE_RECORD_H

#include "base/clock.h"
#include "base/log.h"
#include "base/metric.h"

enum { RECORD_MOST = 4096 }; /* what a pipe takes in one piece */

/* Which logs a service writes. */
#define RECORD_W3C 1u
#define RECORD_ACTIVITY 2u
#define RECORD_DEBUG 4u

enum { RECORD_FIELDS_MOST = 24 };

struct record_rule {
	unsigned kinds;
	slice fields; /* of the W3C log: names with blanks between; unknown ones are passed over */
	const char *period; /* "hour", "day", "week", "month", "never" */
	int64_t size_most;  /* of one file; 0 = any */
};

/* The pipe's end to write to, non-blocking; -1: nothing is recorded any more. */
void record_open(int fd);
/* What a service records from now on. Submission is told with SMTP: they share their files. */
void record_rule_set(enum service s, const struct record_rule *rule);
unsigned record_kinds(enum service s); /* RECORD_*; 0 while no pipe is open */
uint64_t record_dropped(void);         /* lines lost since the process started */

/* One command and its answer. Slices are lent; empty where nothing is known. */
struct exchange {
	enum service service;
	bool outward; /* we are the client */
	slice conversation, message;
	slice peer, local; /* addresses */
	unsigned peer_port, local_port;
	slice user;
	slice command, details, response;
	slice verdict; /* the response's code: "250", "+OK", "NO" */
	uint64_t sent, received;
	usec took;
};
/* Writes its row to those of the W3C and activity logs that are on. */
void record_exchange(const struct exchange *x);
/* A line of the debug log; its line feed, if it has one, is cut off. */
void record_words(enum service s, slice line);
/* An event for the file of the whole server (period and size are the rule of SERVICE_NONE), or for
   the machine's syslog. */
void record_server(slice line);
void record_syslog(log_level level, slice line);

#endif
