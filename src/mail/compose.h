/* Messages the house writes itself: notices, `pennypost mail send`. One text, files beside it. What
   DSNs and web mail need beyond that they build with mail/header.h and mail/transfer.h. */
#ifndef PENNYPOST_MAIL_COMPOSE_H
#define PENNYPOST_MAIL_COMPOSE_H

#include "mail/header.h"

typedef struct compose_file {
	slice name; /* UTF-8, without a path */
	slice type; /* "application/pdf"; empty: application/octet-stream */
	slice content;
} compose_file;

typedef struct compose_field {
	slice name, value; /* free text, as header_build_text() takes it */
} compose_field;

typedef struct compose {
	header_mailbox from;
	header_mailbox reply_to; /* address empty: none */
	const header_mailbox *to;
	size_t to_count;
	const header_mailbox *cc;
	size_t cc_count;
	slice subject;
	slice text; /* UTF-8, lines end with LF or CRLF */
	const compose_file *file;
	size_t file_count;
	const compose_field *field; /* more fields: Auto-Submitted, X-... */
	size_t field_count;
	date at;
	slice message_id; /* "<...>" from header_message_id(); boundaries are made of it */
	bool utf8;        /* may go by SMTPUTF8 only: names and subject stay as they are */
} compose;

/* The whole message with CRLF line ends. ST_INVALID when something cannot stand in a header
   (header_builder) or the text is no UTF-8; *message is then untouched. The text is sent as it is
   when it is ASCII with short lines, else quoted-printable; files are base64. */
status compose_message(const compose *c, arena *a, slice *message);
/* "=_" and letters and digits of a Message-ID, which holds a random number: what parts are divided
   by. */
slice compose_boundary(slice message_id, arena *a);

#endif
