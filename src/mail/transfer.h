/* Content transfer encodings (RFC 2045 6): base64 and quoted-printable as push transforms. Feed
   pieces cut anywhere; the output is appended to a text, which the caller may empty between calls.
   Decoders never fail: mail is read as it comes. For tokens and credentials use base/encode.h. */
#ifndef PENNYPOST_MAIL_TRANSFER_H
#define PENNYPOST_MAIL_TRANSFER_H

#include "base/slice.h"
#include "base/text.h"

enum transfer_kind {
	TRANSFER_PLAIN, /* 7bit, 8bit, binary: bytes pass as they are */
	TRANSFER_BASE64,
	TRANSFER_QUOTED_PRINTABLE,
	TRANSFER_UNKNOWN, /* any other name: as plain, but the content must count as opaque */
};

/* The kind for a Content-Transfer-Encoding value, blanks and comments around it ignored; an empty
   one is plain. */
enum transfer_kind transfer_kind_of(slice value);

/* A decoder of `kind` that is zeroed besides is ready to start. Base64: bytes outside the alphabet
   are skipped, '=' ends the group of four at hand (another may follow), a rest of less than a byte
   is dropped. Quoted-printable: '=' before a line end joins lines, a broken escape stays as it is,
   blanks at line ends are dropped (a run of more than 998 passes in part). */
typedef struct transfer_decoder {
	enum transfer_kind kind;
	bool broken;   /* something was not as the encoding says */
	uint8_t state; /* quoted-printable: where in an escape; base64: characters in `bits` */
	char digit;    /* quoted-printable: the first one behind '=' */
	uint32_t bits; /* base64: what does not make three bytes yet */
	text blanks;   /* quoted-printable: in doubt until something follows them */
} transfer_decoder;

void transfer_decode(transfer_decoder *d, slice piece, text *out);
/* The input is complete: hands out what is in doubt and gives back memory. The decoder may start
   anew; `broken` stays. To be called even when the output is of no interest any more. */
void transfer_decode_end(transfer_decoder *d, text *out);

/* Encoders write lines of at most 76 characters with CRLF; plain passes bytes as they are. Base64
   ends its last line. Quoted-printable takes CRLF and LF for line ends and all else for data, and
   encodes blanks before line ends, dots at the start of lines, which some relays touch, and hyphens
   there, so that no boundary of a multipart comes into being. Ready to start when zeroed but for
   `kind`. */
typedef struct transfer_encoder {
	enum transfer_kind kind;
	bool cr;       /* quoted-printable: a CR is in doubt */
	char blank;    /* quoted-printable: a blank is in doubt, or 0 */
	uint8_t count; /* base64: bytes in `bits` */
	uint8_t column;
	uint32_t bits;
} transfer_encoder;

void transfer_encode(transfer_encoder *e, slice piece, text *out);
/* The input is complete. The encoder may start anew. */
void transfer_encode_end(transfer_encoder *e, text *out);

#endif
