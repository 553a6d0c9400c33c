#include "mail/tls_record.h"

#define NAME_MOST 32

bool tls_record_is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool tls_record_is_name(slice s)
{
	for (size_t i = 0; i < s.size; i++) {
		char c = s.at[i];

		if (!tls_record_is_letter(c) && (i == 0 || (c != '_' && c != '-' && c != '.')))
			return false;
	}
	return s.size > 0 && s.size <= NAME_MOST;
}

/* What is printable, without blanks, '=' and ';'; the blanks that TLS-RPT allows around the commas
   of its list are let through. */
static bool is_value(slice s)
{
	for (size_t i = 0; i < s.size; i++)
		if (s.at[i] < 0x20 || s.at[i] > 0x7e)
			return false;
	return s.size > 0;
}

status tls_record_find(const slice *rows, size_t n, slice version, slice *fields)
{
	slice found = {0};
	int records = 0;

	for (size_t i = 0; i < n; i++) {
		slice row = rows[i];

		if (!slice_starts(row, S("v=")) || !slice_starts(slice_from(row, 2), version) ||
			!slice_starts(slice_from(row, 2 + version.size), S(";")))
			continue;
		found = slice_from(row, 2 + version.size + 1);
		records++;
	}
	if (records != 1)
		return ST_ABSENT;
	*fields = found;
	return ST_OK;
}

status tls_record_next(slice *fields, slice *name, slice *value)
{
	slice field;

	if (!slice_take(fields, ';', &field))
		return ST_ABSENT;
	if (slice_trim(field).size == 0) /* the one ';' that may stand at the end */
		return fields->at ? ST_INVALID : ST_ABSENT;
	size_t equals = slice_find(field, '=');
	slice before = slice_trim(slice_until(field, equals)),
	      behind = slice_trim(slice_from(field, equals + 1));
	if (equals == field.size || !tls_record_is_name(before) || !is_value(behind))
		return ST_INVALID;
	*name = before;
	*value = behind;
	return ST_OK;
}
