/* What the sources of DKIM and ARC share among themselves: tag lists, canonical fields, what a
   signature says, the key it names, and the fields that are signed. */
#ifndef PENNYPOST_MAIL_SIGNATURE_INSIDE_H
#define PENNYPOST_MAIL_SIGNATURE_INSIDE_H

#include "base/text.h"
#include "mail/dkim.h"
#include "mail/header.h"

/* --- Tag lists (RFC 6376 3.2)
   ------------------------------------------------------------------ */

#define TAGS_MOST 32 /* a list of more is malformed */

typedef struct tag_list {
	size_t count;
	struct tag {
		slice name,
			value; /* blanks and folds around them gone, those within the value not */
	} tag[TAGS_MOST];
} tag_list;

/* ST_INVALID: no list, or a name twice. */
status tag_list_parse(slice s, tag_list *out);
bool tag_find(const tag_list *l, slice name, slice *value);
/* A value without the blanks and folds within it. */
slice tag_tight(slice value, arena *a);
/* Whether a colon-separated value holds the word, any case. */
bool tag_holds(slice value, slice word);

/* --- What a signature says
   --------------------------------------------------------------------- */

typedef struct signature_said {
	enum signature_algorithm algorithm;
	enum signature_canon header, body;
	slice algorithm_name;
	slice domain, selector;        /* canonical */
	slice key_name;                /* where the key record is */
	slice names;                   /* h= */
	slice signature_text;          /* b= without blanks */
	slice signature;               /* b= decoded */
	slice body_hash;               /* bh= decoded, SIGNATURE_DIGEST octets */
	uint64_t limit;                /* l=, SIGNATURE_ALL when not said */
	int64_t signed_at, expires_at; /* seconds, 0 when not said */
} signature_said;

/* Read tags that every signature has (a, b, d, s, t), and those of one over a message besides (bh,
   c, h, l, x). Return NULL, or in a few words what is wrong; *out holds what came before that. */
const char *signature_read_seal(const tag_list *tags, arena *a, signature_said *out);
const char *signature_read(const tag_list *tags, arena *a, signature_said *out);

/* --- Fields
   ------------------------------------------------------------------------------------ */

#define SIGNATURE_NAMES_MOST 1000 /* names in h= */

/* Appends the canonical form of a field with its CRLF. */
void signature_canon_field(enum signature_canon canon, slice raw, text *out);
/* The canonical form of a signature's own field: its b= empty, without CRLF (RFC 6376 3.7). */
void signature_canon_own(enum signature_canon canon, slice raw, text *out);
/* The digest that is signed: the fields `names` tells (colon-separated), repeated ones from the
   bottom up, then the signature's own field, which is never among the others. ST_INVALID: no names,
   or more than SIGNATURE_NAMES_MOST. The cost is linear in header and names, its memory in names
   alone. */
status signature_header_digest(const signature_crypto *crypto, slice header, slice own, slice names,
	enum signature_canon canon, uint8_t digest[SIGNATURE_DIGEST]);

/* --- Judging
   ----------------------------------------------------------------------------------- */

/* Why a signature cannot hold, whatever its key says: its time, or the body that went by. NULL when
   nothing speaks against it. */
const char *signature_stale(
	const signature_said *said, const signature_body *body, size_t which, usec now);

typedef struct signature_judgement {
	enum dkim_result result;
	const char *reason;
	unsigned bits;
	bool testing;
	bool strict;
} signature_judgement;

/* Fetches the key a signature names and checks the signature over the digest with it. */
signature_judgement signature_judge(const signature_said *said,
	const uint8_t digest[SIGNATURE_DIGEST], const signature_crypto *crypto, const lookup *dns,
	arena *a);

/* --- Signing
   ----------------------------------------------------------------------------------- */

/* The names to sign of this header, colon-separated, with a blank here and there where lines may be
   folded. ST_INVALID unless there is exactly one From field, and where the header begins with a
   blank. */
status signature_names(slice header, arena *a, slice *names);
/* Whether domain and selector can be written into a field. */
bool signature_signer_fits(const dkim_signer *signer, arena *a);
/* Makes the field `name` with the value `tags` ("...; b=" at its end), signs the digest of
   `header`'s fields in `names` and the field itself, and appends the whole to `out`. With `before`
   the digest is made of what that hash holds and the field, and nothing of `header`. */
typedef struct signature_task {
	const signature_crypto *crypto;
	const dkim_signer *signer;
	enum signature_canon canon;
	slice name, tags;
	slice header, names;
	const signature_hash *before;
} signature_task;
status signature_write(const signature_task *t, arena *a, text *out);

#endif
