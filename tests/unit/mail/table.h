/* A DNS of lines for tests: "NAME TYPE DATA", TYPE one of A, AAAA, MX, PTR, TXT, or FAIL for names
   that get no answer. Bytes may be written \xNN. */
#ifndef PENNYPOST_TESTS_UNIT_MAIL_TABLE_H
#define PENNYPOST_TESTS_UNIT_MAIL_TABLE_H

#include "mail/lookup.h"

#define TABLE_MOST 200

struct table {
	slice line[TABLE_MOST];
	size_t count;
	unsigned asked;
};

/* `line` is lent. */
void table_add(struct table *t, slice line);
lookup table_lookup(struct table *t);
/* Bytes written \xNN. */
slice table_bytes(slice s, arena *a);
/* The file tests/unit/mail/NAME. */
slice table_file(const char *name, arena *a);

#endif
