/* Telling domains what became of TLS with their hosts (RFC 8460): once per day and domain, by one
   process of the whole house, to whom their TXT record names. What was counted stands in
   provider/tls_day.h, the report's form in mail/tls_report.h. */
#ifndef PENNYPOST_CONNECTOR_SMTP_TLS_REPORTER_H
#define PENNYPOST_CONNECTOR_SMTP_TLS_REPORTER_H

#include "base/arena.h"
#include "base/clock.h"
#include "base/status.h"

struct tls_reporter_done {
	int sent, unwanted, failed; /* domains and days */
};
/* All that are due. `now`: also those whose time has not come, or that were tried lately; of days
   that are over in any case. ST_LIMITED: another process is at it. ST_BUSY, ST_CANCELLED,
   ST_INVALID (dns_servers). */
status tls_reporter_once(bool now, struct tls_reporter_done *done);

/* What would be sent, or was, as JSON. ST_ABSENT: nothing was counted. */
status tls_reporter_show(usec day, slice domain, arena *a, slice *json);

/* A task body: does it where tls_report_enabled is on, until it is cancelled. */
status tls_reporter_run(void *unused);

#endif
