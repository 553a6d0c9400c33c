/* Bodies of mail are mostly ASCII, and so are most strings people look for: those are searched
   where they lie. */
#include "mail/seek.h"

#include "base/text.h"
#include "base/utf8.h"
#include "mail/charset.h"
#include "mail/collate.h"
#include "mail/header.h"
#include "mail/word.h"

/* ---- strings */

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Up to the first blank. */
static slice first_word(slice s)
{
	size_t n = 0;

	while (n < s.size && !is_blank(s.at[n]))
		n++;
	return slice_until(s, n);
}

void needle_make(slice utf8, arena *a, struct needle *out)
{
	text folded = TEXT_INIT;

	collate_fold(utf8, &folded);
	out->ascii = utf8_is_ascii(text_slice(&folded));
	out->folded = arena_copy(a, text_slice(&folded));
	text_free(&folded);
}

slice needle_word(const struct needle *n)
{
	slice rest = n->ascii ? n->folded : S(""), longest = S("");

	while (rest.size > 0) {
		slice word = first_word(rest);

		if (word.size > longest.size)
			longest = word;
		rest = slice_from(rest, word.size + 1);
	}
	return longest;
}

/* A fold may have letters that do not stand there as they are: "e" is in e with an accent, "fi" in
   its ligature. */
bool needle_in(slice utf8, const struct needle *n)
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

/* ---- headers */

slice seek_header(slice raw)
{
	slice near = slice_until(raw, SEEK_HEADER_MOST);

	return slice_until(near, header_size(near));
}

bool seek_is_plain(slice header)
{
	return slice_search(header, S("=?")) == header.size;
}

slice seek_value(slice value, arena *a)
{
	if (seek_is_plain(value) && utf8_is_ascii(value) && slice_find(value, '\t') == value.size)
		return header_unfold(value, a);
	return word_decode(value, a); /* a tab is a blank then: who seeks a phrase sees no folds */
}

bool seek_block(slice header, const struct needle *n, arena *a)
{
	header_walk walk = header_walk_of(header);
	header_field f;

	if (n->ascii && seek_is_plain(header) &&
		slice_search_nocase(header, n->folded) < header.size)
		return true;
	while (header_next(&walk, &f))
		if (needle_in(seek_value(f.raw, a), n))
			return true;
	return false;
}

/* ---- texts */

bool seek_holds_ascii(slice charset)
{
	return !slice_starts_nocase(charset, S("utf-16")) &&
	       !slice_starts_nocase(charset, S("utf-32")) &&
	       !slice_starts_nocase(charset, S("utf-7")) &&
	       !slice_starts_nocase(charset, S("iso-2022")) &&
	       !slice_starts_nocase(charset, S("hz-")) && !slice_starts_nocase(charset, S("ucs"));
}

slice seek_utf8(slice bytes, slice charset, arena *a)
{
	slice utf8 = S("");

	if (charset_to_utf8(charset, bytes, a, &utf8) != ST_OK)
		charset_to_utf8(S("us-ascii"), bytes, a, &utf8);
	return utf8;
}

static bool part_seek(slice raw, const mime_part *p, const struct seek_visitor *v)
{
	slice body = slice_until(slice_from(raw, (size_t)p->body_at), (size_t)p->body_size);
	transfer_decoder d = {.kind = p->transfer};
	text out = TEXT_INIT;
	bool found;

	if (p->transfer == TRANSFER_PLAIN || p->transfer == TRANSFER_UNKNOWN)
		return v->text(body, p->charset, v->arg);
	transfer_decode(&d, body, &out);
	transfer_decode_end(&d, &out);
	found = v->text(text_slice(&out), p->charset, v->arg);
	text_free(&out);
	return found;
}

static bool is_message(const mime_part *p)
{
	return slice_same(p->type, S("message"));
}

/* What has no parts is read as it stands (mail/structure.h tells it so). */
static bool is_text(const mime_part *p)
{
	return slice_same(p->type, S("text")) ||
	       (p->children == 0 && (is_message(p) || slice_same(p->type, S("multipart"))));
}

/* The header of a message within stands in the body; that of another part only tells of it. */
static bool header_counts(const mime_table *parts, size_t i, const struct seek_visitor *v)
{
	return i > 0 && (!v->body_alone || is_message(&parts->part[parts->part[i].parent]));
}

bool seek_body(slice raw, const mime_table *parts, const struct seek_visitor *v)
{
	for (size_t i = 0; i < parts->count; i++) {
		const mime_part *p = &parts->part[i];
		slice header =
			slice_until(slice_from(raw, (size_t)p->header_at), (size_t)p->header_size);

		if (header_counts(parts, i, v) &&
			v->header(slice_until(header, SEEK_HEADER_MOST), v->arg))
			return true;
		if (is_text(p) && part_seek(raw, p, v))
			return true;
	}
	return false;
}

/* ---- most messages */

/* What follows each `word` in the field begins with one of `known`, blanks, signs and quotes passed
   over. */
static bool all_followed_by(slice field, slice word, const slice *known, size_t known_n)
{
	for (size_t at; (at = slice_search_nocase(field, word)) < field.size;) {
		bool any = false;

		field = slice_from(field, at + word.size);
		while (field.size > 0 && (*field.at == ' ' || *field.at == '=' ||
						 *field.at == ':' || *field.at == '"'))
			field = slice_from(field, 1);
		for (size_t k = 0; k < known_n && !any; k++)
			any = slice_starts_nocase(field, known[k]);
		if (!any)
			return false;
	}
	return true;
}

/* Content-Type: of no charset that gives letters another meaning; or Content-Transfer-Encoding: of none
   that hides them. */
static bool is_field_plain(slice field)
{
	static const slice encodings[] = {S("7bit"), S("8bit"), S("binary")};
	static const slice charsets[] = {
		S("utf-8"), S("us-ascii"), S("iso-8859-"), S("windows-125")};

	if (slice_starts_nocase(field, S("content-type")))
		return all_followed_by(
			field, S("charset"), charsets, sizeof charsets / sizeof *charsets);
	return all_followed_by(
		field, S("transfer-encoding"), encodings, sizeof encodings / sizeof *encodings);
}

/* ASCII without encoded words and bare CRs, which unfolding drops within a word, and what may be such a field of a part is plain: a word that does not
   stand in the raw message is not in it. A field begins with a line, whatever the line before is of. */
static bool is_plain(slice raw)
{
	header_walk lines = header_walk_of(raw);
	header_field f;

	if (!utf8_is_ascii(raw) || slice_has_bare_cr(raw) || !seek_is_plain(raw))
		return false;
	while (lines.rest.size > 0) {
		if (!slice_starts_nocase(lines.rest, S("content-t")))
			lines.rest = slice_from(
				lines.rest, slice_search_nocase(lines.rest, S("\ncontent-t")) + 1);
		else if (header_next(&lines, &f) && !is_field_plain(f.raw))
			return false;
	}
	return true;
}

bool seek_is_without(slice raw, slice word)
{
	return slice_search_nocase(raw, word) == raw.size && is_plain(raw);
}
