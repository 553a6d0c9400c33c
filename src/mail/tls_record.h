/* TXT records of the two neighbours MTA-STS (RFC 8461 3.1) and TLS-RPT (RFC 8460 3): a version
   word, then name=value fields divided by semicolons. Both rule that a domain has one such record
   or none. */
#ifndef PENNYPOST_MAIL_TLS_RECORD_H
#define PENNYPOST_MAIL_TLS_RECORD_H

#include "base/slice.h"
#include "base/status.h"

/* The only one of the rows that begins with "v=VERSION;", without that. ST_ABSENT: none or
   several. */
status tls_record_find(const slice *rows, size_t n, slice version, slice *fields);

/* What such records and policies call a field: letters and digits, behind the first also '_', '-'
   and '.'; at most 32. */
bool tls_record_is_name(slice s);
bool tls_record_is_letter(char c); /* or digit; ASCII */

/* Takes the next field. ST_OK; ST_ABSENT: no further one; ST_INVALID: no field of that grammar. */
status tls_record_next(slice *fields, slice *name, slice *value);

#endif
