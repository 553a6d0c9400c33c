/* Bodies on their way into hashes. Each canonicalisation is a small machine over the bytes that
   keeps in doubt what may yet turn out to be the end of the body (line ends) or of a line (blanks),
   as a count and a flag, never as bytes. */
#include "mail/signature.h"

#include "base/memory.h"
#include "base/text.h"

slice signature_algorithm_name(enum signature_algorithm algorithm)
{
	return algorithm == SIGNATURE_RSA_SHA256 ? S("rsa-sha256") : S("ed25519-sha256");
}

/* --- Bodies
   ------------------------------------------------------------------------------------ */

#define BUFFER 4096

struct wanted {
	enum signature_canon canon;
	uint64_t left; /* of its limit */
	uint64_t limit;
	signature_hash *hash;
	uint8_t digest[SIGNATURE_DIGEST];
};

struct canon {
	bool wanted;
	bool cr;       /* a CR is in doubt */
	bool blank;    /* relaxed: so are blanks */
	uint64_t ends; /* and so many line ends before them */
	uint64_t size; /* canonical octets so far */
	size_t fill;
	char buffer[BUFFER];
};

struct signature_body {
	const signature_crypto *crypto;
	bool ended;
	size_t count;
	struct wanted wanted[SIGNATURE_WANTED_MOST];
	struct canon canon[CANON_RELAXED + 1];
};

signature_body *signature_body_open(const signature_crypto *crypto)
{
	signature_body *b = memory_new(sizeof *b);

	b->crypto = crypto;
	return b;
}

const signature_crypto *signature_body_crypto(const signature_body *b)
{
	return b->crypto;
}

void signature_body_close(signature_body **b)
{
	if (!*b)
		return;
	for (size_t i = 0; i < (*b)->count; i++)
		if ((*b)->wanted[i].hash)
			(*b)->crypto->hash_close(&(*b)->wanted[i].hash, NULL);
	memory_free(*b);
	*b = NULL;
}

status signature_body_want(
	signature_body *b, enum signature_canon canon, uint64_t limit, size_t *which)
{
	for (size_t i = 0; i < b->count; i++) {
		if (b->wanted[i].canon == canon && b->wanted[i].limit == limit) {
			*which = i;
			return ST_OK;
		}
	}
	if (b->count == SIGNATURE_WANTED_MOST)
		return ST_LIMITED;
	b->wanted[b->count] = (struct wanted){
		.canon = canon, .limit = limit, .left = limit, .hash = b->crypto->hash_open()};
	b->canon[canon].wanted = true;
	*which = b->count++;
	return ST_OK;
}

static void hash_out(signature_body *b, struct canon *c, slice bytes)
{
	for (size_t i = 0; i < b->count; i++) {
		struct wanted *w = &b->wanted[i];
		if (&b->canon[w->canon] != c || w->left == 0)
			continue;
		slice share =
			slice_until(bytes, w->left < bytes.size ? (size_t)w->left : bytes.size);
		b->crypto->hash_add(w->hash, share);
		w->left -= share.size;
	}
}

static void flush(signature_body *b, struct canon *c)
{
	hash_out(b, c, slice_of(c->buffer, c->fill));
	c->fill = 0;
}

static void put(signature_body *b, struct canon *c, slice bytes)
{
	c->size += bytes.size;
	if (bytes.size > BUFFER - c->fill)
		flush(b, c);
	if (bytes.size > BUFFER) {
		hash_out(b, c, bytes);
		return;
	}
	memcpy(c->buffer + c->fill, bytes.at, bytes.size);
	c->fill += bytes.size;
}

/* Bytes that stay: whatever was in doubt before them stays, too. */
static void keep(signature_body *b, struct canon *c, slice bytes)
{
	for (; c->ends > 0; c->ends--)
		put(b, c, S("\r\n"));
	if (c->blank)
		put(b, c, S(" "));
	c->blank = false;
	put(b, c, bytes);
}

static bool special(enum signature_canon kind, char c)
{
	return c == '\r' || (kind == CANON_RELAXED && (c == ' ' || c == '\t'));
}

/* How many bytes from `at` on pass as they are; a single blank between two of them does. */
static size_t plain_run(enum signature_canon kind, slice piece, size_t at)
{
	size_t i = at;

	if (kind == CANON_SIMPLE)
		return slice_find(slice_from(piece, at), '\r');
	while (i < piece.size && (!special(kind, piece.at[i]) ||
					 (piece.at[i] == ' ' && i > at && i + 1 < piece.size &&
						 !special(kind, piece.at[i + 1]))))
		i++;
	return i - at;
}

static void canon_add(signature_body *b, enum signature_canon kind, slice piece)
{
	struct canon *c = &b->canon[kind];
	size_t i = 0;

	while (i < piece.size) {
		char next = piece.at[i];

		if (c->cr) {
			c->cr = false;
			if (next == '\n') {
				c->ends++;
				c->blank = false;
				i++;
				continue;
			}
			keep(b, c, S("\r"));
		}
		if (!special(kind, next)) {
			size_t run = plain_run(kind, piece, i);
			keep(b, c, slice_of(piece.at + i, run));
			i += run;
			continue;
		}
		if (next == '\r')
			c->cr = true;
		else
			c->blank = true;
		i++;
	}
}

void signature_body_add(signature_body *b, slice piece)
{
	for (int kind = CANON_SIMPLE; kind <= CANON_RELAXED; kind++)
		if (b->canon[kind].wanted)
			canon_add(b, (enum signature_canon)kind, piece);
}

/* Line ends at the end are one; a body without a last one gets it. An empty body is a line end when
   simple (RFC 6376 3.4.3) and nothing when relaxed (3.4.4). */
static void canon_end(signature_body *b, enum signature_canon kind)
{
	struct canon *c = &b->canon[kind];

	if (c->cr)
		keep(b, c, S("\r"));
	if (c->size > 0 || kind == CANON_SIMPLE)
		put(b, c, S("\r\n"));
	flush(b, c);
}

void signature_body_end(signature_body *b)
{
	if (b->ended)
		return;
	b->ended = true;
	for (int kind = CANON_SIMPLE; kind <= CANON_RELAXED; kind++)
		if (b->canon[kind].wanted)
			canon_end(b, (enum signature_canon)kind);
	for (size_t i = 0; i < b->count; i++)
		b->crypto->hash_close(&b->wanted[i].hash, b->wanted[i].digest);
}

const uint8_t *signature_body_digest(const signature_body *b, size_t which)
{
	return b->wanted[which].digest;
}

uint64_t signature_body_size(const signature_body *b, size_t which)
{
	return b->canon[b->wanted[which].canon].size;
}

/* --- Whole messages
   ---------------------------------------------------------------------------- */

#define PIECE (64 * 1024)

/* Appends a piece with CRLF for each LF; *cr tells whether the last byte was a CR. */
static void add_with_crlf(slice piece, bool *cr, text *out)
{
	while (piece.size > 0) {
		size_t lf = slice_find(piece, '\n');
		slice before = slice_until(piece, lf);

		text_add(out, before);
		if (before.size > 0)
			*cr = before.at[before.size - 1] == '\r';
		if (lf < piece.size) {
			text_add(out, *cr ? S("\n") : S("\r\n"));
			*cr = false;
		}
		piece = slice_from(piece, lf + 1);
	}
}

static bool ends_header(slice so_far)
{
	return slice_same(so_far, S("\r\n")) ||
	       (so_far.size >= 4 && slice_same(slice_from(so_far, so_far.size - 4), S("\r\n\r\n")));
}

void signature_message_split(slice message, arena *a, slice *header, slice *body)
{
	text whole = TEXT_INIT;
	bool cr = false;
	size_t end = 0;

	add_with_crlf(message, &cr, &whole);
	slice all = arena_copy(a, text_slice(&whole));
	text_free(&whole);
	while (end < all.size && !ends_header(slice_until(all, end)))
		end += slice_find(slice_from(all, end), '\n') + 1;
	*header = slice_until(all, end);
	*body = slice_from(all, end);
}

status signature_file_header(FILE *in, arena *a, slice *header)
{
	text so_far = TEXT_INIT;
	bool cr = false;
	int c;

	while (so_far.size < SIGNATURE_HEADER_MOST && (c = getc(in)) != EOF) {
		char byte = (char)c;
		add_with_crlf(slice_of(&byte, 1), &cr, &so_far);
		if (byte == '\n' && ends_header(text_slice(&so_far)))
			break;
	}
	status kind = so_far.size >= SIGNATURE_HEADER_MOST ? ST_TOO_BIG
		      : ferror(in)                         ? ST_BROKEN
							   : ST_OK;
	if (kind == ST_OK)
		*header = arena_copy(a, text_slice(&so_far));
	text_free(&so_far);
	return kind;
}

status signature_file_body(FILE *in, signature_body *b)
{
	char *piece = memory_new(PIECE);
	text lines = TEXT_INIT;
	bool cr = false;
	size_t size;

	while ((size = fread(piece, 1, PIECE, in)) > 0) {
		text_clear(&lines);
		add_with_crlf(slice_of(piece, size), &cr, &lines);
		signature_body_add(b, text_slice(&lines));
	}
	text_free(&lines);
	memory_free(piece);
	signature_body_end(b);
	return ferror(in) ? ST_BROKEN : ST_OK;
}
