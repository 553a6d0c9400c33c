/* MTA-STS (RFC 8461): what a domain says of the hosts that take its mail, in a TXT record and in a
   policy that is fetched over HTTPS. Pure: bytes in, values out; fetching, keeping and obeying are
   the connector's matter. */
#ifndef PENNYPOST_MAIL_MTA_STS_H
#define PENNYPOST_MAIL_MTA_STS_H

#include "base/arena.h"
#include "base/status.h"

#define MTA_STS_TEXT_MOST ((size_t)64 * 1024) /* of a policy; a longer one is none (3.2) */
#define MTA_STS_MX_MOST 1000                  /* patterns of one policy */
#define MTA_STS_AGE_MOST 31557600             /* seconds; a longer max_age is cut to it */

enum mta_sts_mode { MTA_STS_NONE, MTA_STS_TESTING, MTA_STS_ENFORCE };
const char *mta_sts_mode_name(enum mta_sts_mode m); /* "none", "testing", "enforce" */

typedef struct mta_sts_policy {
	enum mta_sts_mode mode;
	uint64_t max_age; /* seconds */
	slice *mx;        /* "mx.example.org", "*.example.org"; lower case */
	int mx_count;     /* 0 only in mode none */
} mta_sts_policy;

/* The id of the record among the TXT rows of _mta-sts.DOMAIN (3.1). ST_ABSENT: no such record,
   several, or one that is malformed; the domain has no policy then. The id lies in the rows. */
status mta_sts_record(const slice *rows, size_t n, slice *id);

/* The policy's text (3.2): lines end with LF or CRLF, unknown keys are passed over, of keys said
   twice the first counts. ST_INVALID: malformed, another version, no mode, no max_age, or no mx
   where mode is not none. */
status mta_sts_policy_parse(slice text, arena *a, mta_sts_policy *out);

/* Whether a host's name is what a pattern of the policy says (4.1): any case, "*." stands for
   exactly one label. */
bool mta_sts_mx_matches(slice host, slice pattern);

#endif
