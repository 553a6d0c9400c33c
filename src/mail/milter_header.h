/* A header section that milters edit: fields in their order, added to, inserted before, changed and
   removed. Fields nobody touched stay octet for octet, broken ones too. What comes in is made safe:
   a value may be folded but never begins a field of its own, and lines stay below 998 octets. */
#ifndef PENNYPOST_MAIL_MILTER_HEADER_H
#define PENNYPOST_MAIL_MILTER_HEADER_H

#include "mail/header.h"

#define MILTER_FIELDS_MOST 10000
#define MILTER_ADDED_MOST ((size_t)512 * 1024) /* octets of edits, all together */

typedef struct milter_header {
	arena *a; /* where edited fields live, and the list */
	header_field *field;
	size_t count, room;
	size_t added;    /* octets */
	bool empty_line; /* stood at the end */
	bool eight_bit;  /* an edit brought some */
} milter_header;

/* The block stays lent. ST_LIMITED: it has more fields than MILTER_FIELDS_MOST. */
status milter_header_open(milter_header *h, slice block, arena *a);

/* `leading`: values begin behind the colon, blanks and all; else one is put there. ST_INVALID: no
   name of a field; ST_TOO_BIG, ST_LIMITED: beyond what is above. Nothing was changed then. */
status milter_header_add(milter_header *h, slice name, slice value, bool leading);
/* Before the index-th field, 1 is the first (0 too); at the end when there are fewer. */
status milter_header_insert(
	milter_header *h, uint32_t index, slice name, slice value, bool leading);
/* The index-th field of that name, any case; 0 is the first too. When there is none it is added. An
   empty value removes it. */
status milter_header_change(
	milter_header *h, uint32_t index, slice name, slice value, bool leading);

/* All of it, in its arena; with the empty line when there was one or `body` follows. */
slice milter_header_text(milter_header *h, bool body);

#endif
