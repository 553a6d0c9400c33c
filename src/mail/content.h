/* The structured Content-* fields of MIME: Content-Type and Content-Disposition with their
   parameters (RFC 2045 5.1, RFC 2183), continued and encoded ones (RFC 2231) joined. */
#ifndef PENNYPOST_MAIL_CONTENT_H
#define PENNYPOST_MAIL_CONTENT_H

#include "base/arena.h"

#define CONTENT_PARAMETERS_MOST 100 /* joined ones kept */
#define CONTENT_PIECES_MOST 50000   /* pieces read of one field */

typedef struct content_parameter {
	slice name;  /* lower-case, without the '*' marks of RFC 2231 */
	slice value; /* valid UTF-8: encoded pieces joined and converted; encoded words, which have
			no place here but are common, decoded too */
} content_parameter;

typedef struct content_value {
	slice type;    /* lower-case: "text" of "text/plain", "attachment"; empty when unreadable */
	slice subtype; /* lower-case; empty when there is no '/' */
	content_parameter *parameter; /* by name */
	size_t count;
	bool broken;    /* something was not as the grammar says */
	bool truncated; /* more parameters or pieces than are kept */
} content_value;

/* Reads a field value, folded or not. Of several parameters with one name the encoded one counts,
   then the first; continuations count from *0 up to the first number that is missing. Never fails;
   linear but for one sort of the pieces. */
void content_parse(slice value, arena *a, content_value *out);

/* The same, but parameters stay in their order and as written: names with the '*' marks, values not
   joined and not decoded. */
void content_parse_written(slice value, arena *a, content_value *out);

/* The same, but the sections of a value, wherever they stand, are joined where its first one stands,
   up to the first number that is missing (RFC 2231 6). Where any of them is encoded the name ends
   in '*' and the value is an encoded one. For IMAP: few readers join what they find in a structure. */
void content_parse_joined(slice value, arena *a, content_value *out);

/* The value of a parameter, name in lower case; empty when there is none. */
slice content_parameter_of(const content_value *c, slice name);

/* The sole word of Content-Transfer-Encoding, Content-ID and the like: without comments and blanks
   around it. */
slice content_word(slice value);

#endif
