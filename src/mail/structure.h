/* The structure of a message as IMAP tells it (RFC 9051 7.5.2: BODY, BODYSTRUCTURE) and as it
   finds sections (6.4.5.1), made once from the MIME walk and stored beside the message. */
#ifndef PENNYPOST_MAIL_STRUCTURE_H
#define PENNYPOST_MAIL_STRUCTURE_H

#include "base/status.h"
#include "base/text.h"
#include "mail/mime.h"

typedef struct structure_part {
	uint32_t parent; /* MIME_NO_PARENT for the message itself */
	uint32_t children;
	bool multipart, message; /* what was not walked into has no children, and is no message */
	bool text;
	uint64_t header_at, header_size, body_at, body_size, lines;
	enum transfer_kind transfer;
	slice type, subtype, charset;
} structure_part;

typedef struct structure {
	structure_part *part; /* part[0] is the message */
	size_t count;
} structure;

/* Of a walk that kept its headers (mime_walk_keep_headers); bytes to be stored. */
slice structure_pack(const mime_table *t, arena *a);
/* ST_INVALID: not what this version packs; pack it anew. Slices lie in `packed`. */
status structure_unpack(slice packed, arena *a, structure *out);
/* The two texts alone, ready to be sent. */
status structure_unpack_texts(slice packed, slice *body, slice *bodystructure);
/* Adds one of them as the grammar of IMAP4rev1 has it, which knows no message within but message/rfc822
   (RFC 3501 9, media-message): a message/global is a part like any other, without what stands in it. */
void structure_add_rev1(text *out, slice told);

/* The part a section number names: {1, 2} is BODY[1.2]; n == 0 is the message. False when there is
   none. For HEADER and TEXT behind a number the part must be a `message`; they are then those of
   the part that structure_inner gives. */
bool structure_find(const structure *s, const uint32_t *number, size_t n, size_t *index);
/* The one message within a part that is a `message`. */
size_t structure_inner(const structure *s, size_t index);

#endif
