/* The header of a message (RFC 5322 2.2, 3.6): walking over a block of fields as it stands, broken
   ones included; building new fields, the only way text enters a header (trust.md T54); the
   Received field (RFC 5321 4.4) and Message-IDs. Encoded words are mail/word.h. */
#ifndef PENNYPOST_MAIL_HEADER_H
#define PENNYPOST_MAIL_HEADER_H

#include "base/arena.h"
#include "base/status.h"
#include "base/text.h"
#include "mail/address.h"
#include "mail/date.h"

/* --- Reading
   ----------------------------------------------------------------------------------- */

typedef struct header_field {
	slice raw;   /* the whole field: all its lines with their ends */
	slice name;  /* without the colon and blanks before it; empty when broken */
	slice value; /* behind the colon, still folded, without the last line end */
	bool broken; /* a first line that is none: no colon, no name, a bad byte in the name;
			`value` is then all of it. A line of blanks at the very start counts so
			too. */
} header_field;

/* A walk over a header block; lines end with CRLF or LF. Begin with header_walk_of(). */
typedef struct header_walk {
	slice rest;
} header_walk;

static inline header_walk header_walk_of(slice block)
{
	return (header_walk){.rest = block};
}

/* The next field. False at the end of the block or at the empty line; `rest` then starts behind
   that line. */
bool header_next(header_walk *w, header_field *out);
/* The next field of that name, any case; false when there is none any more. */
bool header_next_named(header_walk *w, slice name, header_field *out);
/* The first field of that name. */
bool header_find(slice block, slice name, header_field *out);
size_t header_count(slice block, slice name);

/* Bytes of the header at the start of a message, the empty line included; message.size when there
   is no empty line. */
size_t header_size(slice message);

/* A field's value on one line: line ends gone, blanks at both ends gone. Values over
   HEADER_VALUE_MOST are cut there (trust.md T28). Lies in `value` itself when nothing had to
   change, else in the arena. */
#define HEADER_VALUE_MOST (256 * 1024)
slice header_unfold(slice value, arena *a);

/* A structured value behind the blanks, folds and comments at its start; an unclosed comment takes
   all. */
slice header_behind_comments(slice value);

/* What a relay must know about a header, in one walk. */
typedef struct header_survey {
	size_t fields;
	size_t broken;
	size_t received; /* hops so far (trust.md T16) */
	size_t date, message_id, from, sender, reply_to, to, cc, bcc, subject;
	size_t return_path, delivered_to, mime_version, content_type;
	size_t longest_line; /* without its end */
	slice first_from, first_sender, first_date, first_message_id,
		first_subject; /* folded values */
} header_survey;
void header_look(slice block, header_survey *out);

/* --- Building
   ---------------------------------------------------------------------------------- */

/* Fields are added one after another; the first trouble stays and makes later calls do nothing, so
   that only header_build_end() needs to be asked. ST_INVALID: a CR, LF, NUL or other control
   character (tabs become blanks), broken UTF-8, a bad field name, an address that cannot be
   written. Lines are folded at blanks to 78 octets, and never get longer than 998. Start with
   (header_builder){.utf8 = ...}. */
typedef struct header_builder {
	bool utf8; /* write UTF-8 as it is (RFC 6532) instead of encoded words */
	status kind;
	text out;
} header_builder;

/* One mailbox of an address field: a name for people, which may be empty, and the address. */
typedef struct header_mailbox {
	slice name;
	slice address; /* "local@domain" as mail_address_text() makes it */
} header_mailbox;

/* Free text: Subject, Comments. Non-ASCII is encoded by RFC 2047 unless utf8. */
void header_build_text(header_builder *b, slice name, slice value);
/* Structured text that is ASCII and has its final form but for the folding. */
void header_build_raw(header_builder *b, slice name, slice value);
void header_build_mailboxes(header_builder *b, slice name, const header_mailbox *m, size_t n);
void header_build_date(header_builder *b, slice name, date d);
/* "Name: value; parameter=..."; the parameter is quoted, and split by RFC 2231 where it is long or
   non-ASCII. Empty `parameter`: none. */
void header_build_parameter(
	header_builder *b, slice name, slice value, slice parameter, slice parameter_value);
/* Gives the fields, without an empty line, or the trouble; the builder is empty again. */
status header_build_end(header_builder *b, arena *a, slice *fields);

/* "<id.salt@domain>". The domain must be canonical (mail_domain_parse). */
slice header_message_id(int64_t id, uint64_t salt, slice domain, arena *a);

/* --- Received
   ---------------------------------------------------------------------------------- */

/* What is known when a message is taken. Empty slices leave their clause out; bytes that have no
   place in a field are shown as '?'. */
typedef struct received {
	slice helo;      /* as the client said it */
	slice peer_name; /* verified name of the peer's address, or empty */
	slice peer;      /* its address as text: "192.0.2.1", "2001:db8::1" */
	slice by;        /* our host name */
	slice protocol;  /* overrides the word made from the five below: "HTTP", "POP3" */
	bool extended, tls, authenticated, utf8, lmtp; /* RFC 3848, RFC 6531 4.3 */
	slice cipher; /* "TLS1.3 TLS_AES_256_GCM_SHA384": written as a comment */
	slice id;
	slice recipient; /* "for <...>": give it only when there is one */
	slice note;      /* one more comment */
	date at;
} received;

/* The word behind "with": SMTP, ESMTP, ESMTPS, ESMTPA, ESMTPSA, LMTP.., UTF8SMTP.. */
slice received_protocol(const received *r);
/* The whole field, folded, with its last CRLF. */
slice received_compose(const received *r, arena *a);

#endif
