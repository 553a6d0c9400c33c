/* TLS-RPT (RFC 8460): where a domain wants to be told what became of TLS with its mail hosts, and
   the report of a day, as JSON and as the mail that brings it. Pure: counting, DNS and sending are
   the connector's matter. */
#ifndef PENNYPOST_MAIL_TLS_REPORT_H
#define PENNYPOST_MAIL_TLS_REPORT_H

#include "base/arena.h"
#include "base/clock.h"
#include "base/status.h"
#include "mail/notice.h"

#define TLS_REPORT_TARGETS_MOST 4 /* of one domain; further ones are passed over */

struct tls_report_target {
	slice uri;        /* as it was written */
	slice address;    /* mailto: "local@domain"; else empty */
	slice host, path; /* https: canonical; "/.." with its query */
	uint16_t port;
};

/* The targets of the record among the TXT rows of _smtp._tls.DOMAIN (3). What is neither mailto nor
   https, or is malformed, is passed over. ST_ABSENT: no such record, several, a malformed one, or
   no target in it. */
status tls_report_record(
	const slice *rows, size_t n, arena *a, struct tls_report_target *to, int *count);

/* ---- the report */

struct tls_report_failure {
	slice result;         /* as 4.3 calls it */
	slice sender;         /* our address; empty = not known */
	slice host, receiver; /* the exchanger and its address; empty = not known */
	int64_t sessions;
};
struct tls_report_policy {
	slice type;   /* "sts", "tlsa", "no-policy-found" */
	slice domain; /* that the policy is of */
	slice text;   /* its lines; empty = not known */
	const slice *mx;
	int mx_count; /* patterns of "sts" */
	int64_t successes, failures;
	const struct tls_report_failure *failure;
	int n;
};
struct tls_report {
	slice organisation, contact; /* contact: an address */
	slice id;
	slice domain;     /* that is told */
	usec from, until; /* wall, whole seconds, both included */
	const struct tls_report_policy *policy;
	int n;
};

/* One line per member, UTF-8 (4.4). Bytes of others are repaired and escaped. */
slice tls_report_json(const struct tls_report *r, arena *a);

struct tls_report_mail {
	const struct tls_report *report;
	slice submitter; /* our name */
	slice from, to;  /* addresses */
	slice message_id;
	usec at;
	enum language language; /* of its sentences; the subject is for programs (5.3) */
};
/* The whole mail with CRLF line ends (5.3), with "TLS-Required: No": it reaches those too whose TLS
   is what it tells about. ST_INVALID when an address cannot stand in a header. */
status tls_report_compose(const struct tls_report_mail *m, arena *a, slice *message);
/* The name of the file (5.1): "mail.demo.test!example.org!1461024000!1461110399.json". */
slice tls_report_file(const struct tls_report_mail *m, arena *a);

/* ---- mail that goes out whatever its hosts' TLS is */

/* Whether a header section says "TLS-Required: No" (RFC 8689 4). */
bool tls_report_is_waived(slice header);

#endif
