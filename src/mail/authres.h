/* Authentication-Results (RFC 8601): what this house found about a message, written for those
   behind it, and reading what others wrote. Whose results to believe, and removing those that claim
   to be ours, is the connector's matter. */
#ifndef PENNYPOST_MAIL_AUTHRES_H
#define PENNYPOST_MAIL_AUTHRES_H

#include "base/status.h"
#include "base/text.h"
#include "mail/arc.h"
#include "mail/dkim.h"
#include "mail/dmarc.h"
#include "mail/spf.h"

/* --- Building
   ---------------------------------------------------------------------------------- */

/* Begin, add results with their properties, end. Values are quoted where they have to be; bytes
   that have no place in a field are shown as '?'. Values over 500 bytes are cut. */
typedef struct authres {
	text out;
	bool some; /* results were added */
} authres;

void authres_begin(authres *r, slice id); /* our authserv-id, a host name */
/* "; method=result", with reason="..." unless that is empty. */
void authres_result(authres *r, const char *method, const char *result, slice reason);
/* " type.property=value"; nothing when the value is empty. */
void authres_property(authres *r, const char *type, const char *property, slice value);
/* What the rooms beside this one found. */
void authres_spf(authres *r, const spf_query *q, const spf_report *found);
void authres_dkim(authres *r, const dkim_report *found);
void authres_dmarc(authres *r, slice author, const dmarc_report *found);
void authres_arc(authres *r, const arc_report *found);
/* The value on one line, "id; none" when nothing was added; the builder is empty again. */
slice authres_end(authres *r, arena *a);
/* The field of such a value, folded, with its last CRLF. */
slice authres_field(slice value, arena *a);

/* --- Reading
   ----------------------------------------------------------------------------------- */

#define AUTHRES_RESULTS_MOST 50
#define AUTHRES_PROPERTIES_MOST 20 /* of one result */

typedef struct authres_value {
	slice type, property; /* lower case letters as written: "smtp", "mailfrom" */
	slice value;          /* without quotes */
} authres_value;

typedef struct authres_said {
	slice method, result, reason; /* "spf", "pass"; as written */
	authres_value value[AUTHRES_PROPERTIES_MOST];
	size_t count;
} authres_said;

typedef struct authres_read {
	slice id;
	authres_said *said; /* none for "; none" */
	size_t count;
	bool cut; /* there were more than the limits */
} authres_read;

/* Reads a field's value, folded or not, comments and all. ST_INVALID: against the grammar, of a
   version other than 1, or without a result; out->id is set as soon as it could be read, so that a
   broken field that claims to be ours can be told (else empty). */
status authres_parse(slice value, arena *a, authres_read *out);

#endif
