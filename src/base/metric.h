/* Counters that all processes of one node share: a table in anonymous shared memory that the master
   maps before it forks; atomic adds, no locks. Rows of base/metrics.def: name, kind, help; a row
   may be kept per service. A second table counts and times per post office (the first 4,096 seen;
   the rest are summed under post office 0). Without metric_share() (tests, command line) the table
   is private memory. */
#ifndef PENNYPOST_BASE_METRIC_H
#define PENNYPOST_BASE_METRIC_H

#include "base/clock.h"
#include "base/text.h"

#include <stdint.h>

enum metric {
#define COUNTER(name, by_service, help) M_##name,
#define GAUGE(name, by_service, help) M_##name,
#define LATENCY(name, by_service, help) M_##name,
#include "base/metrics.def"
#undef COUNTER
#undef GAUGE
#undef LATENCY
	M_COUNT
};

/* What a conversation or piece of work is for. */
enum service {
	SERVICE_NONE,
	SERVICE_SMTP,
	SERVICE_SUBMISSION,
	SERVICE_POP3,
	SERVICE_IMAP,
	SERVICE_HTTP,
	SERVICE_AGENT,
	SERVICE_COUNT
};
const char *service_name(enum service s); /* "smtp", "submission", ... */

void metric_share(void);                                   /* master, before the first fork */
void metric_add(enum metric m, enum service s, int64_t n); /* counters up, gauges up or down */
void metric_time(
	enum metric m, enum service s, usec took);   /* latency: histogram buckets 0.1 ms .. 60 s */
int64_t metric_value(enum metric m, enum service s); /* of a latency: how many were timed */
/* Commands run, by service and name; shown as commands_by_name. Names are given before the first
   fork, so that the label has no values but those: at most METRIC_COMMANDS of a service, one that
   is there already is left; lent for good. */
enum { METRIC_COMMANDS = 96 };
void metric_command_name(enum service s, const char *name);
/* One was run; what has no name of these, or NULL, counts as "other". */
void metric_command(enum service s, const char *name);
int64_t metric_command_value(enum service s, const char *name); /* NULL: other */
enum metric_po {
	MPO_DELIVERED,
	MPO_BYTES,
	MPO_READ,
	MPO_REFUSED,
	MPO_QUEUED,
	MPO_REPEATED,
	MPO_COUNT
};
void metric_postoffice(int64_t postoffice, enum metric_po m, int64_t n);
/* Latencies per post office, in the same buckets: for those who were told to keep them (setting
   metrics_by_postoffice). */
enum metric_po_latency { MPL_DELIVERY, MPL_LOGON, MPL_COUNT };
void metric_postoffice_time(int64_t postoffice, enum metric_po_latency m, usec took);
/* A gauge that dies with its owner: each process has a slot; the master clears the slot of a dead
   child, so that gauges of a killed worker do not stay. Counters and latencies stay. A process
   that never asks for a slot (the master) uses slot 0, which a child inherits until it asks. */
enum { METRIC_SLOTS = 256 };
void metric_slot(unsigned slot); /* below METRIC_SLOTS */
void metric_slot_clear(unsigned slot);
/* The whole table in OpenMetrics text (1.0.0), without the closing EOF line; post offices by their
   number, only where something was counted. */
void metric_print(text *to, bool by_postoffice);

#endif
