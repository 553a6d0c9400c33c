/* What readers ask of a message's header again and again, made once: the ENVELOPE of IMAP
   (RFC 9051 7.5.2) ready to be sent, and the keys of SORT and THREAD (RFC 5256, RFC 5957). */
#ifndef PENNYPOST_MAIL_ENVELOPE_H
#define PENNYPOST_MAIL_ENVELOPE_H

#include "mail/date.h"

#define ENVELOPE_REFERENCES_MOST 200 /* ids kept of one message, the newest (trust.md T26) */

typedef struct envelope {
	slice text; /* "(date subject from sender ... message-id)" */
	bool dated;
	date sent;          /* the Date field; meaningless unless `dated` */
	slice subject;      /* base subject (RFC 5256 2.1), decoded, in upper case where ASCII */
	bool reply;         /* the base subject was won from a reply or a forward */
	slice from, to, cc; /* local part of the first address, or empty */
	slice from_shown, to_shown; /* RFC 5957: display name, or local@domain, or empty */
	slice message_id;           /* without its brackets, normalised; empty when there is none */
	slice *references;          /* oldest first: of References, else the first of In-Reply-To */
	size_t references_count;
} envelope;

/* Of a header block; bytes to be stored. Never fails. */
slice envelope_pack(slice header, arena *a);
/* ST_INVALID: not what this version packs; pack it anew. Slices lie in `packed`. */
status envelope_unpack(slice packed, arena *a, envelope *out);
/* envelope.text alone. */
status envelope_unpack_text(slice packed, slice *shown);

/* RFC 5256 2.1 over an unfolded, decoded subject. *reply as above. */
slice subject_base(slice decoded, arena *a, bool *reply);

#endif
