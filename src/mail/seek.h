/* Searching a message for a string (RFC 9051 6.4.4): header fields and texts decoded to UTF-8 and
   compared as i;unicode-casemap says (RFC 5255 4.3), as substrings. What is searched, and in which
   form, is told here once: for who asks a message, and for who writes down what it may hold
   (mail/sketch.h). */
#ifndef PENNYPOST_MAIL_SEEK_H
#define PENNYPOST_MAIL_SEEK_H

#include "base/arena.h"
#include "mail/mime.h"

#define SEEK_MOST ((size_t)4 * 1024 * 1024)    /* octets of a message that are looked into */
#define SEEK_HEADER_MOST ((size_t)1024 * 1024) /* and of one of its headers */

struct needle {
	slice folded;
	bool ascii; /* as it is folded: it can be found in any charset that has ASCII in it, as it
		       stands */
};
/* Of valid UTF-8; an empty one is found everywhere. */
void needle_make(slice utf8, arena *a, struct needle *out);
/* The longest of its words, which no fold of a header divides: what has the string has this too, as it
   stands. Lent; empty where there is none, and where the string is not ASCII. */
slice needle_word(const struct needle *n);
/* It stands in this UTF-8. */
bool needle_in(slice utf8, const struct needle *n);

/* ---- headers */

/* The header at the start of a message, as much as is looked into. */
slice seek_header(slice raw);
/* Of a header without encoded words a string in ASCII is sought where it lies. */
bool seek_is_plain(slice header);
/* A value, or a whole field, as people read it, in UTF-8. */
slice seek_value(slice value, arena *a);
/* One of its fields has it, name and value. */
bool seek_block(slice header, const struct needle *n, arena *a);

/* ---- texts */

/* In this charset a byte below 0x80 always means ASCII. */
bool seek_holds_ascii(slice charset);
/* A text in UTF-8, whatever its charset is said to be. */
slice seek_utf8(slice bytes, slice charset, arena *a);

/* What stands behind the header, until one of the two says true: the headers of inner parts as they
   stand, and the texts, messages that are no mail (reports of deliveries) among them, decoded from
   their transfer encodings, lent. */
struct seek_visitor {
	bool (*header)(slice header, void *arg);
	bool (*text)(slice bytes, slice charset, void *arg);
	void *arg;
	bool body_alone; /* without the fields that tell of parts; those of messages within count */
};
bool seek_body(slice raw, const mime_table *parts, const struct seek_visitor *v);

/* ---- most messages */

/* Neither the header nor a text of this message has a string of this word (needle_word). A quick look
   that tells it of most messages without reading them properly; of the others it is false. */
bool seek_is_without(slice raw, slice word);

#endif
