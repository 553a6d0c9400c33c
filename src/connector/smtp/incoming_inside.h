/* What the files about one incoming message share: it arrives (incoming.c), has parts for those who
   get it (incoming_parts.c) and fields of the house (incoming_fields.c), may be edited by milters
   (incoming_edit.c), and is delivered and answered (incoming_end.c). */
#ifndef PENNYPOST_CONNECTOR_SMTP_INCOMING_INSIDE_H
#define PENNYPOST_CONNECTOR_SMTP_INCOMING_INSIDE_H

#include "connector/smtp/session.h"

/* ---- incoming_parts.c */
/* Sorts recipients by post office and place and makes one part per post office; several addresses
   of one mailbox are one entry. Bodies are the caller's. */
void incoming_parts(conversation *c, struct incoming *in);

/* ---- incoming_fields.c */
/* The Received field of this house. */
slice incoming_received(conversation *c, const struct incoming *in);
/* The fields that the house puts before the text of a part. */
slice incoming_fields(struct smtp *s, const struct incoming *in, const struct delivery_part *part);
/* in->missing: Message-ID and Date that a client of our own left out (C23, RFC 6409 8). */
void incoming_make_missing(struct smtp *s, struct incoming *in);
/* Names the fields that tell recipients who fell to a catch-all. Whoever reads such a field here
   believes it: none of the client's may stay, whether we write one or not. */
void incoming_name_caught(struct smtp *s, struct incoming *in);
/* Whether a field of the client's claims to be one that only this house writes. */
bool incoming_is_forged(conversation *c, const struct incoming *in, const header_field *f);
/* What lists and traces show of the message. */
void incoming_facts(struct smtp *s, struct incoming *in, const header_survey *seen);

/* ---- incoming_end.c */
/* The text is complete: delivers and answers. */
status incoming_finish(conversation *c, struct incoming *in);

/* ---- incoming_edit.c */
/* Keeps the header for milters: what they see and edit is `missing` and what of the client's is no
   forgery. in->refusal tells when it cannot be edited. */
void incoming_keep_header(conversation *c, struct incoming *in, slice header, bool whole);
/* Puts what the house adds and the kept header before the body. */
status incoming_put_front(struct delivery_part *part, slice fields, slice header);
/* The recipients are others, before the text is complete: parts keep the bodies that they have, new
   ones get a copy. */
status incoming_parts_anew(conversation *c, struct incoming *in);
/* The same when it is: what is put before a body that is new, or is read by a mailbox only now, is
   put there again. */
status incoming_parts_late(conversation *c, struct incoming *in);
/* Makes the ARC sets of parts that have copies for other systems which somebody here passes on;
   before anything is put in front of them. */
void incoming_seal(conversation *c, struct incoming *in);
/* The one of a post office; empty = none. */
slice incoming_seal_of(const struct incoming *in, int64_t postoffice);

#endif
