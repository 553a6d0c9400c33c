/* The structure of a message (RFC 2045, 2046): a push parser that makes a table of its parts while
   the bytes go by, line by line, holding no more than one header and the start of one line. Bodies
   are told by place and size, never kept. The table is a tree by construction: a parent stands
   before its children (trust.md T30). */
#ifndef PENNYPOST_MAIL_MIME_H
#define PENNYPOST_MAIL_MIME_H

#include "base/arena.h"
#include "mail/transfer.h"

#define MIME_PARTS_MOST 10000
#define MIME_DEPTH_MOST 50                  /* of a part; the message itself has depth 0 */
#define MIME_HEADER_MOST (64 * 1024)        /* bytes of one part's header that are looked at */
#define MIME_HEADERS_MOST (4 * 1024 * 1024) /* and of all of them together */
#define MIME_WORD_MOST 1000                 /* bytes kept of each value below */
#define MIME_NO_PARENT UINT32_MAX

typedef struct mime_part {
	uint32_t parent;   /* index, less than its own; MIME_NO_PARENT for the message itself */
	uint32_t children; /* parts whose parent this is: of a multipart, or the one message of a
			      message/rfc822 */
	uint16_t depth;
	bool opaque; /* multipart or message that was not walked into: too deep, no usable boundary,
			encoded, or the table was full */
	bool truncated; /* its header was longer than is looked at */
	bool broken;    /* its header has a broken Content-Type, or it ended without its boundary */

	uint64_t header_at,
		header_size;         /* with the empty line; body_at == header_at + header_size */
	uint64_t body_at, body_size; /* without the line end that belongs to the boundary */
	uint64_t lines;              /* line ends in the body */

	slice type, subtype; /* lower-case, defaults filled in: never empty */
	slice charset;       /* parameter of Content-Type, as written; empty when not given */
	slice boundary;
	slice name;        /* file name, of the disposition or else of the type, UTF-8 */
	slice disposition; /* "attachment", "inline", ..., lower-case, or empty */
	slice encoding;    /* Content-Transfer-Encoding, lower-case, or empty */
	enum transfer_kind transfer;
	slice id, description, md5, language, location; /* unfolded, as written, or empty */
	slice header; /* as it stands, where mime_walk_keep_headers() asked for it; cut where
			 `truncated` */
	slice type_value, disposition_value; /* within it: of Content-Type and
						Content-Disposition */
} mime_part;

typedef struct mime_table {
	mime_part *part; /* part[0] is the message */
	size_t count;    /* at least 1 */
	bool truncated;  /* there were more parts than are kept */
	uint64_t size;   /* bytes fed */
} mime_table;

typedef struct mime_walk mime_walk;

/* The table and its strings will lie in `a`. */
mime_walk *mime_walk_open(arena *a);
/* Before anything is fed: every part's header is kept. */
void mime_walk_keep_headers(mime_walk *w);
/* The next bytes of the message; lines end with LF, with or without CR. Pieces may be cut
   anywhere. */
void mime_walk_feed(mime_walk *w, slice piece);
/* The message is complete. Nothing may be fed afterwards. */
void mime_walk_finish(mime_walk *w, mime_table *out);
void mime_walk_close(mime_walk **w); /* NULL is nothing */

/* All of it for a message in memory. */
void mime_parse(slice message, arena *a, mime_table *out);

#endif
