/* Sections of messages: BODY[1.2.HEADER.FIELDS (DATE)]<0.100>, BINARY[3] (RFC 9051 6.4.5.1):
   reading them, finding their octets in the message, sending those as a literal. */
#ifndef PENNYPOST_SERVICE_IMAP_SECTION_H
#define PENNYPOST_SERVICE_IMAP_SECTION_H

#include "mail/structure.h"
#include "provider/message_fact.h"
#include "service/imap/session.h"

#define SECTION_DEPTH_MOST 50   /* numbers of one section */
#define SECTION_FIELDS_MOST 200 /* names of header fields */

enum section_kind {
	SECTION_ALL,
	SECTION_HEADER,
	SECTION_FIELDS,
	SECTION_FIELDS_NOT,
	SECTION_TEXT,
	SECTION_MIME
};

struct section {
	enum section_kind kind;
	uint32_t number[SECTION_DEPTH_MOST];
	size_t depth;
	slice *fields;
	size_t fields_n;
	bool binary;    /* decoded (RFC 3516) */
	bool only_size; /* BINARY.SIZE */
	bool peek;      /* leaves \Seen alone */
	bool partial;
	uint64_t from, most;
	slice label; /* what stands before the literal: "BODY[1.TEXT]<0>", "RFC822.HEADER" */
};

/* Reads behind "BODY", "BODY.PEEK", "BINARY" ..: "[...]" and, where it may stand, "<from.most>".
   `word` names it in the label. */
status arg_section(args *p, slice word, struct section *out);

/* What the octets of a message are read by. `parts` is empty where no section has a number. */
struct source {
	int64_t postoffice;
	const struct message_fact *fact;
	slice raw; /* the whole message, when it is here already; else a NULL pointer */
	const structure *parts;
};

/* Sends " LABEL {n}CRLF octets" or " LABEL NIL". ST_ABSENT: the body is gone (nothing was sent of
   it); ST_INVALID: a binary section whose encoding is not known; ST_BROKEN: in the middle of the
   octets, no way to go on. */
status section_send(conversation *c, const struct source *from, const struct section *s);

/* The octets of a section that is not binary, in pieces; what `each` gives ends that unless it is
   ST_OK. ST_ABSENT: there is no such part, or the body is gone. */
status section_each(const struct source *from, const struct section *s,
	status (*each)(slice octets, void *arg), void *arg);

#endif
