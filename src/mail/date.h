/* Dates in mail: RFC 5322 3.3 and 4.3 (Date, Received) and RFC 9051 date-time (INTERNALDATE). */
#ifndef PENNYPOST_MAIL_DATE_H
#define PENNYPOST_MAIL_DATE_H

#include "base/arena.h"
#include "base/clock.h"
#include "base/status.h"

typedef struct date {
	usec at;    /* wall time, UTC */
	int offset; /* minutes east of UTC, as written; -1439 .. 1439 */
} date;

/* "Fri, 21 Nov 2025 02:43:00 +0000". Times before year 0 or after 9999 are shown as the nearest
   date those years have; an offset outside the range above counts as 0. */
slice date_format(date d, arena *a);

/* Reads a date of a header, tolerantly: day name and seconds may be missing, comments and folds may
   stand anywhere, years have two to four digits (RFC 5322 4.3), zones are numeric, obsolete names
   or missing (UTC); "Nov 21", ISO 8601 "2025-11-21 02:43:00Z" and C's asctime order are understood;
   a leap second counts as :59. ST_INVALID when no sane date (years 1900 to 9999) comes out; *out is
   then untouched. Only the first 512 bytes are looked at. */
status date_parse(slice s, date *out);

/* "2025-11-21T02:43:00Z" (RFC 3339). */
slice date_stamp(usec wall, arena *a);

/* "21-Nov-2025 02:43:00 +0000", days below 10 with a blank in front; without quotes. */
slice date_internal_format(date d, arena *a);
/* The same, strictly; one or two digits of the day. ST_INVALID. */
status date_internal_parse(slice s, date *out);

/* Days since 1970-01-01 of a date of the Gregorian calendar, month 1..12, and back. */
int64_t date_days(int year, int month, int day);
void date_civil(int64_t days, int *year, int *month, int *day);

#endif
