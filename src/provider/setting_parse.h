/* The part of settings that needs no database: the table's rows, reading and writing of values.
   Both implementations of setting.h stand on it. */
#ifndef PENNYPOST_PROVIDER_SETTING_PARSE_H
#define PENNYPOST_PROVIDER_SETTING_PARSE_H

#include "provider/setting.h"

/* The number of a BOOL (0, 1), COUNT, SIZE (bytes) or SPAN (microseconds) as written. ST_INVALID:
   none, or over 63 bits; the row's range is not looked at. */
status setting_parse(enum setting_kind kind, slice written, int64_t *number);
/* What nobody can mean, though it has the form: ST_INVALID (why). For setting_set alone: what stands
   in the database already counts as it is. */
status setting_sense(enum setting_id id, slice normal, arena *a, slice *why);
/* Whether a kind has a number at all. */
bool setting_is_number(enum setting_kind kind);
/* Whether the word stands in a list (any case). */
bool setting_list_has(slice list, slice word);
bool setting_list_has_any(slice list, slice words); /* one of the words, likewise */

#endif
