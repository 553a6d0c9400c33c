/* Looking into messages. Bodies of mail are mostly ASCII, and so are most strings people look for: those are searched
   where they lie. */
#include "service/imap/look.h"

#include "base/text.h"
#include "base/utf8.h"
#include "mail/charset.h"
#include "mail/collate.h"
#include "mail/header.h"
#include "mail/mime.h"
#include "mail/word.h"
#include "provider/blob.h"
#include "provider/message_fact.h"
#include "provider/message_head.h"
#include "task/task.h"

#define BATCH 256
#define SMALL ((size_t)32 * 1024)        /* comes with the others of its batch */
#define HEADER_MOST ((size_t)1024 * 1024) /* octets of a header that are looked into */
#define AT_ONCE ((size_t)64 * 1024) /* octets of a text that are converted and folded in the loop */

struct look {
	slice raw;
	arena a;       /* of this message */
	arena scratch; /* of one question about it */
	bool parsed;
	mime_table parts;
	status ended; /* what came instead of a turn: the walk ends with it */
};

/* Every question costs a pass over the message, so others have a turn between two of them. */
static bool begin(struct look *l)
{
	arena_clear(&l->scratch);
	if (l->ended == ST_OK)
		l->ended = task_breathe();
	return l->ended == ST_OK;
}

/* ---- strings */

static bool has_blanks(slice s)
{
	for (size_t i = 0; i < s.size; i++)
		if (s.at[i] == ' ' || s.at[i] == '\t' || s.at[i] == '\r' || s.at[i] == '\n')
			return true;
	return false;
}

void needle_make(slice utf8, arena *a, struct needle *out)
{
	text folded = TEXT_INIT;

	collate_fold(utf8, &folded);
	out->ascii = utf8_is_ascii(text_slice(&folded));
	out->folded = arena_copy(a, text_slice(&folded));
	text_free(&folded);
	out->one_word = out->ascii && out->folded.size > 0 && !has_blanks(out->folded);
}

/* In UTF-8. A fold may have letters that do not stand there as they are: "e" is in e with an accent, "fi" in its ligature. */
static bool contains(slice utf8, const struct needle *n)
{
	text folded = TEXT_INIT;
	bool found;

	if (n->folded.size == 0 || (n->ascii && slice_search_nocase(utf8, n->folded) < utf8.size))
		return true;
	if (utf8_is_ascii(utf8))
		return false;
	collate_fold(utf8, &folded);
	found = slice_search(text_slice(&folded), n->folded) < folded.size;
	text_free(&folded);
	return found;
}

/* In a header's value as it stands, folded and with encoded words. */
static bool value_contains(slice value, const struct needle *n, arena *a)
{
	if (slice_search(value, S("=?")) == value.size && utf8_is_ascii(value))
		return contains(header_unfold(value, a), n);
	return contains(word_decode(value, a), n);
}

/* ---- headers */

static slice header_of(const struct look *l)
{
	slice near = slice_until(l->raw, HEADER_MOST);

	return slice_until(near, header_size(near));
}

/* A word without blanks stands in no field of a header in which it does not stand as it is, when that is ASCII
   without encoded words. */
static bool is_not_above(slice header, const struct needle *n)
{
	return n->one_word && slice_search_nocase(header, n->folded) == header.size && utf8_is_ascii(header) &&
	       slice_search(header, S("=?")) == header.size;
}

bool look_header(struct look *l, slice field, const struct needle *n)
{
	slice header = header_of(l);
	header_walk walk = header_walk_of(header);
	header_field f;

	if (!begin(l) || is_not_above(header, n))
		return false;
	while (header_next_named(&walk, field, &f))
		if (value_contains(f.value, n, &l->scratch))
			return true;
	return false;
}

bool look_sent(struct look *l, date *out)
{
	header_field f;

	return header_find(header_of(l), S("Date"), &f) && date_parse(f.value, out) == ST_OK;
}

static bool block_contains(slice header, const struct needle *n, arena *a)
{
	header_walk walk = header_walk_of(header);
	header_field f;

	if (n->ascii && slice_search(header, S("=?")) == header.size && slice_search_nocase(header, n->folded) < header.size)
		return true;
	while (header_next(&walk, &f))
		if (value_contains(f.raw, n, a))
			return true;
	return false;
}

/* ---- texts */

/* Charsets in which a byte below 0x80 may mean something else than ASCII. */
static bool holds_ascii(slice charset)
{
	return !slice_starts_nocase(charset, S("utf-16")) && !slice_starts_nocase(charset, S("utf-32")) &&
	       !slice_starts_nocase(charset, S("utf-7")) && !slice_starts_nocase(charset, S("iso-2022")) &&
	       !slice_starts_nocase(charset, S("hz-")) && !slice_starts_nocase(charset, S("ucs"));
}

struct finding { /* where a text must be turned into another form before it is searched */
	slice bytes, charset;
	const struct needle *needle;
	arena *a;
	bool found;
};

static status find(void *arg)
{
	struct finding *f = arg;
	slice utf8;

	if (charset_to_utf8(f->charset, f->bytes, f->a, &utf8) == ST_OK ||
		charset_to_utf8(S("us-ascii"), f->bytes, f->a, &utf8) == ST_OK)
		f->found = contains(utf8, f->needle);
	return ST_OK;
}

static bool text_contains(struct look *l, slice bytes, slice charset, const struct needle *n)
{
	struct finding f = {bytes, charset, n, &l->scratch, false};

	if (n->ascii && holds_ascii(charset)) {
		if (slice_search_nocase(bytes, n->folded) < bytes.size)
			return true;
		if (utf8_is_ascii(bytes))
			return false;
	}
	status s = bytes.size > AT_ONCE ? task_offload(find, &f) : find(&f);
	if (l->ended == ST_OK)
		l->ended = s;
	return s == ST_OK && f.found;
}

static bool part_contains(struct look *l, const mime_part *p, const struct needle *n)
{
	slice body = slice_until(slice_from(l->raw, (size_t)p->body_at), (size_t)p->body_size);
	transfer_decoder d = {.kind = p->transfer};
	text out = TEXT_INIT;
	bool found;

	if (p->transfer == TRANSFER_PLAIN || p->transfer == TRANSFER_UNKNOWN)
		return text_contains(l, body, p->charset, n);
	transfer_decode(&d, body, &out);
	transfer_decode_end(&d, &out);
	found = text_contains(l, text_slice(&out), p->charset, n);
	text_free(&out);
	return found;
}

/* ---- most messages say nothing but what stands there */

/* What follows each `word` in the raw message begins with one of `known`, blanks, signs and quotes passed over. */
static bool all_followed_by(slice raw, slice word, const slice *known, size_t known_n)
{
	for (size_t at; (at = slice_search_nocase(raw, word)) < raw.size;) {
		bool any = false;

		raw = slice_from(raw, at + word.size);
		while (raw.size > 0 && (*raw.at == ' ' || *raw.at == '=' || *raw.at == ':' || *raw.at == '"'))
			raw = slice_from(raw, 1);
		for (size_t k = 0; k < known_n && !any; k++)
			any = slice_starts_nocase(raw, known[k]);
		if (!any)
			return false;
	}
	return true;
}

/* ASCII without encoded words, transfer encodings that hide letters, and charsets that give it another meaning: a
   word that does not stand in the raw message is not in it. Other messages are read properly. */
static bool is_plain(slice raw)
{
	static const slice encodings[] = {S("7bit"), S("8bit"), S("binary")};
	static const slice charsets[] = {S("utf-8"), S("us-ascii"), S("iso-8859-"), S("windows-125")};

	return utf8_is_ascii(raw) && slice_search(raw, S("=?")) == raw.size &&
	       all_followed_by(raw, S("transfer-encoding"), encodings, sizeof encodings / sizeof *encodings) &&
	       all_followed_by(raw, S("charset"), charsets, sizeof charsets / sizeof *charsets);
}

static bool is_nowhere(const struct look *l, const struct needle *n)
{
	return n->one_word && slice_search_nocase(l->raw, n->folded) == l->raw.size && is_plain(l->raw);
}

static bool body_contains(struct look *l, const struct needle *n)
{
	if (n->folded.size == 0)
		return true;
	if (!begin(l))
		return false;
	if (!l->parsed)
		mime_parse(l->raw, &l->a, &l->parts);
	l->parsed = true;
	for (size_t i = 0; i < l->parts.count; i++) {
		const mime_part *p = &l->parts.part[i];
		slice header = slice_until(slice_from(l->raw, (size_t)p->header_at), (size_t)p->header_size);

		if (i > 0 && block_contains(slice_until(header, HEADER_MOST), n, &l->scratch))
			return true;
		if (slice_same(p->type, S("text")) && part_contains(l, p, n))
			return true;
	}
	return false;
}

bool look_body(struct look *l, const struct needle *n)
{
	return begin(l) && !is_nowhere(l, n) && body_contains(l, n);
}

bool look_text(struct look *l, const struct needle *n)
{
	if (!begin(l) || is_nowhere(l, n))
		return false;
	return block_contains(header_of(l), n, &l->scratch) || body_contains(l, n);
}

/* ---- many messages */

struct looking {
	struct look look;
	int first; /* place of the batch's first message */
	bool seen[BATCH];
	status (*each)(int which, struct look *look, void *arg);
	void *arg;
};

static status look_at(struct looking *k, int which, slice raw)
{
	k->look.raw = raw;
	k->look.parsed = false;
	status s = k->each(k->first + which, &k->look, k->arg);
	arena_clear(&k->look.a);
	return s == ST_OK ? k->look.ended : s;
}

static status small_look(int which, slice raw, void *arg)
{
	struct looking *k = arg;

	k->seen[which] = true;
	return look_at(k, which, raw);
}

/* One that is too big to come with others. */
static status big_look(struct looking *k, int64_t postoffice, const struct message_fact *f, int which)
{
	arena a = ARENA_INIT;
	slice raw;
	status s = blob_head(postoffice, f->blob, LOOK_MOST < f->size ? LOOK_MOST : f->size, &a, &raw);

	if (s == ST_OK)
		s = look_at(k, which, raw);
	else if (s == ST_ABSENT)
		s = ST_OK; /* gone meanwhile */
	arena_release(&a);
	return s;
}

static status batch_look(struct looking *k, int64_t postoffice, const int64_t *messages, int n)
{
	int64_t blobs[BATCH];
	struct message_fact *facts;
	arena a = ARENA_INIT;
	status s = message_envelopes(postoffice, messages, n, &a, &facts);

	for (int i = 0; s == ST_OK && i < n; i++) {
		blobs[i] = facts[i].blob;
		k->seen[i] = facts[i].blob == 0;
	}
	if (s == ST_OK)
		s = blob_each_small(postoffice, blobs, n, SMALL, small_look, k);
	for (int i = 0; s == ST_OK && i < n; i++)
		if (!k->seen[i])
			s = big_look(k, postoffice, &facts[i], i);
	arena_release(&a);
	return s;
}

static status head_look(int which, slice head, void *arg)
{
	return look_at(arg, which, head);
}

status look_each(int64_t postoffice, const int64_t *messages, int n, bool bodies,
	status (*each)(int which, struct look *look, void *arg), void *arg)
{
	struct looking k = {.each = each, .arg = arg};
	status s = bodies ? ST_OK : message_heads(postoffice, messages, n, head_look, &k);

	for (; s == ST_OK && bodies && k.first < n; k.first += BATCH) {
		s = batch_look(&k, postoffice, messages + k.first, n - k.first < BATCH ? n - k.first : BATCH);
		if (s == ST_OK)
			s = task_breathe();
	}
	arena_release(&k.look.a);
	arena_release(&k.look.scratch);
	return s;
}
