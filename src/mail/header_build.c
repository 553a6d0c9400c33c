/* Building header fields: the one place where text becomes a header, so the one place that refuses
   line ends and controls. Words are added to the current line or, where it would get longer than
   78, to a new one. */
#include "mail/header.h"

#include "base/id.h"
#include "base/utf8.h"
#include "mail/word.h"

#define LINE_GOOD 78
#define LINE_MOST 998
#define NAME_MOST 76
#define BLANKS_MOST 60    /* of a run of blanks in free text */
#define PARAMETER_GOOD 60 /* longer values are split by RFC 2231 */

/* A field being written. */
struct line {
	text *out;
	size_t column;
	bool begun; /* there is something behind the name */
};

static void line_begin(struct line *l, slice name)
{
	text_add(l->out, name);
	text_add_char(l->out, ':');
	l->column = name.size + 1;
	l->begun = false;
}

/* Adds `blanks` blanks and a word, folding before the blanks where that helps. */
static void line_word(struct line *l, size_t blanks, slice word)
{
	if (blanks > 0 && l->begun && l->column + blanks + word.size > LINE_GOOD) {
		text_add(l->out, S("\r\n"));
		l->column = 0;
	}
	for (size_t i = 0; i < blanks; i++)
		text_add_char(l->out, ' ');
	text_add(l->out, word);
	l->column += blanks + word.size;
	l->begun = true;
}

/* The same for text that must be encoded. */
static void line_encoded(struct line *l, slice utf8)
{
	word_encode(utf8, &l->column, l->out);
	l->begun = true;
}

/* --- Checks
   ------------------------------------------------------------------------------------ */

static bool is_field_name(slice name)
{
	for (size_t i = 0; i < name.size; i++)
		if (name.at[i] < 33 || name.at[i] > 126 || name.at[i] == ':')
			return false;
	return name.size > 0 && name.size <= NAME_MOST;
}

static bool has_controls(slice s)
{
	for (size_t i = 0; i < s.size; i++)
		if (((uint8_t)s.at[i] < 0x20 && s.at[i] != '\t') || s.at[i] == 0x7f)
			return true;
	return false;
}

/* True when the field may be begun; otherwise the trouble is noted. */
static bool may_build(header_builder *b, slice name, slice value)
{
	if (b->kind == ST_OK && (!is_field_name(name) || has_controls(value) || !utf8_valid(value)))
		b->kind = ST_INVALID;
	return b->kind == ST_OK;
}

/* --- Free text
   --------------------------------------------------------------------------------- */

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* Takes the blanks and the word behind them; false at the end. */
static bool take_word(slice *rest, size_t *blanks, slice *word)
{
	size_t n = 0, end;

	while (n < rest->size && is_blank(rest->at[n]))
		n++;
	for (end = n; end < rest->size && !is_blank(rest->at[end]);)
		end++;
	*blanks = n < BLANKS_MOST ? n : BLANKS_MOST;
	*word = slice_from(slice_until(*rest, end), n);
	*rest = slice_from(*rest, end);
	return word->size > 0;
}

static bool must_encode(const header_builder *b, slice word)
{
	bool plain = b->utf8 ? slice_search(word, S("=?")) == word.size : !word_needed(word);

	return !plain || word.size > LINE_MOST - LINE_GOOD - BLANKS_MOST;
}

/* Neighbouring words that need it are encoded together with the blanks between them, since a
   reader drops blanks between encoded words. */
static void add_text(header_builder *b, struct line *l, slice value)
{
	slice word;
	size_t blanks;
	text run = TEXT_INIT;
	bool first = true;

	while (take_word(&value, &blanks, &word)) {
		bool encode = must_encode(b, word);

		if (first)
			blanks = 1;
		if (run.size > 0 && !encode) {
			line_encoded(l, text_slice(&run));
			text_clear(&run);
		}
		if (encode) {
			/* word_encode() writes one blank itself before the first word of a run */
			for (size_t i = run.size > 0 ? 0 : 1; i < blanks; i++)
				text_add_char(&run, ' ');
			text_add(&run, word);
		} else {
			line_word(l, blanks, word);
		}
		first = false;
	}
	line_encoded(l, text_slice(&run));
	text_free(&run);
}

void header_build_text(header_builder *b, slice name, slice value)
{
	struct line l = {.out = &b->out};

	if (!may_build(b, name, value))
		return;
	line_begin(&l, name);
	add_text(b, &l, value);
	text_add(l.out, S("\r\n"));
}

/* --- Structured text
   --------------------------------------------------------------------------- */

/* Adds words as they are; false when one is too long for any line. */
static bool add_raw(struct line *l, slice value)
{
	slice word;
	size_t blanks;

	while (take_word(&value, &blanks, &word)) {
		if (word.size > LINE_MOST - NAME_MOST - 2)
			return false;
		line_word(l, 1, word);
	}
	return true;
}

void header_build_raw(header_builder *b, slice name, slice value)
{
	struct line l = {.out = &b->out};

	if (!may_build(b, name, value))
		return;
	line_begin(&l, name);
	if ((!b->utf8 && !utf8_is_ascii(value)) || !add_raw(&l, value))
		b->kind = ST_INVALID;
	text_add(l.out, S("\r\n"));
}

void header_build_date(header_builder *b, slice name, date d)
{
	arena a = ARENA_INIT;

	header_build_raw(b, name, date_format(d, &a));
	arena_release(&a);
}

/* --- Addresses
   --------------------------------------------------------------------------------- */

static bool is_phrase_plain(slice s)
{
	for (size_t i = 0; i < s.size; i++) {
		char c = s.at[i];
		bool alnum =
			(c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
		if (!alnum && (c == 0 || !strchr(" !#$%&'*+-/^_`{|}~", c)))
			return false;
	}
	return true;
}

/* Adds a quoted string word by word, so that it can be folded. */
static void add_quoted(struct line *l, slice s)
{
	text quoted = TEXT_INIT;

	text_add_char(&quoted, '"');
	for (size_t i = 0; i < s.size; i++) {
		if (s.at[i] == '"' || s.at[i] == '\\')
			text_add_char(&quoted, '\\');
		text_add_char(&quoted, s.at[i] == '\t' ? ' ' : s.at[i]);
	}
	text_add_char(&quoted, '"');
	slice rest = text_slice(&quoted), word;
	size_t blanks;
	for (bool first = true; take_word(&rest, &blanks, &word); first = false)
		line_word(l, first ? 1 : blanks, word);
	text_free(&quoted);
}

static bool has_long_word(slice s)
{
	slice word;
	size_t blanks;

	while (take_word(&s, &blanks, &word))
		if (word.size > LINE_GOOD)
			return true;
	return false;
}

static void add_display_name(const header_builder *b, struct line *l, slice name)
{
	bool as_it_is = !has_long_word(name) && slice_search(name, S("=?")) == name.size &&
			(b->utf8 || utf8_is_ascii(name));

	if (!as_it_is)
		line_encoded(l, name);
	else if (is_phrase_plain(name))
		add_raw(l, name);
	else
		add_quoted(l, name);
}

static bool add_mailbox(header_builder *b, struct line *l, const header_mailbox *m, bool last)
{
	arena a = ARENA_INIT;
	mail_address parsed;
	slice name = slice_trim(m->name);
	bool good = mail_address_parse(m->address, &a, &parsed) == ST_OK &&
		    (b->utf8 || utf8_is_ascii(parsed.local));

	if (good) {
		slice address = mail_address_text(&parsed, &a);
		if (name.size > 0) {
			add_display_name(b, l, name);
			address = arena_format(&a, "<%.*s>", SLICE_ARGS(address));
		}
		line_word(l, 1, arena_format(&a, "%.*s%s", SLICE_ARGS(address), last ? "" : ","));
	}
	arena_release(&a);
	return good;
}

void header_build_mailboxes(header_builder *b, slice name, const header_mailbox *m, size_t n)
{
	struct line l = {.out = &b->out};

	if (!may_build(b, name, (slice){0}))
		return;
	line_begin(&l, name);
	for (size_t i = 0; i < n && b->kind == ST_OK; i++)
		if (!may_build(b, name, m[i].name) || !add_mailbox(b, &l, &m[i], i + 1 == n))
			b->kind = ST_INVALID;
	text_add(l.out, S("\r\n"));
}

/* --- Parameters
   -------------------------------------------------------------------------------- */

/* attribute-char of RFC 2231 7, and what tokens are made of. */
static bool is_attribute_char(char c)
{
	return c > 0x20 && c < 0x7f && !strchr("*'%()<>@,;:\\\"/[]?=", c);
}

static bool is_token(slice s)
{
	for (size_t i = 0; i < s.size; i++)
		if (!is_attribute_char(s.at[i]))
			return false;
	return s.size > 0;
}

/* Writes name*=UTF-8''..., or name*0*=UTF-8''...; name*1*=... where it is long. */
static void add_extended(struct line *l, slice name, slice value)
{
	text coded = TEXT_INIT;
	size_t at = 0;
	bool split = name.size + sizeof "*=UTF-8''" + value.size * 3 > PARAMETER_GOOD;

	for (unsigned piece = 0; at < value.size; piece++) {
		text_clear(&coded);
		text_add(&coded, name);
		if (split)
			text_format(&coded, "*%u", piece);
		text_add_z(&coded, piece == 0 ? "*=UTF-8''" : "*=");
		while (at < value.size && coded.size < PARAMETER_GOOD) {
			if (is_attribute_char(value.at[at]))
				text_add_char(&coded, value.at[at]);
			else
				text_format(&coded, "%%%02X", (unsigned)(uint8_t)value.at[at]);
			at++;
		}
		if (at < value.size)
			text_add_char(&coded, ';');
		line_word(l, 1, text_slice(&coded));
	}
	text_free(&coded);
}

static void add_parameter(struct line *l, slice name, slice value)
{
	text coded = TEXT_INIT;

	if (!utf8_is_ascii(value) || value.size > PARAMETER_GOOD) {
		add_extended(l, name, value);
		return;
	}
	text_add(&coded, name);
	text_add_char(&coded, '=');
	if (is_token(value)) {
		text_add(&coded, value);
	} else {
		text_add_char(&coded, '"');
		for (size_t i = 0; i < value.size; i++) {
			if (value.at[i] == '"' || value.at[i] == '\\')
				text_add_char(&coded, '\\');
			text_add_char(&coded, value.at[i] == '\t' ? ' ' : value.at[i]);
		}
		text_add_char(&coded, '"');
	}
	line_word(l, 1, text_slice(&coded));
	text_free(&coded);
}

void header_build_parameter(
	header_builder *b, slice name, slice value, slice parameter, slice parameter_value)
{
	struct line l = {.out = &b->out};
	text first = TEXT_INIT;

	if (!may_build(b, name, value) || !may_build(b, name, parameter_value))
		return;
	line_begin(&l, name);
	text_add(&first, value);
	if (parameter.size > 0)
		text_add_char(&first, ';');
	if (!utf8_is_ascii(value) || (parameter.size > 0 && !is_token(parameter)) ||
		parameter.size > PARAMETER_GOOD / 2 || !add_raw(&l, text_slice(&first)))
		b->kind = ST_INVALID;
	else if (parameter.size > 0)
		add_parameter(&l, parameter, parameter_value);
	text_free(&first);
	text_add(l.out, S("\r\n"));
}

status header_build_end(header_builder *b, arena *a, slice *fields)
{
	status kind = b->kind;

	if (kind == ST_OK)
		*fields = arena_copy(a, text_slice(&b->out));
	text_free(&b->out);
	b->kind = ST_OK;
	return kind;
}

slice header_message_id(int64_t id, uint64_t salt, slice domain, arena *a)
{
	char id_word[ID_TEXT_SIZE + 1];

	id_text(id, id_word);
	return arena_format(
		a, "<%s.%016llx@%.*s>", id_word, (unsigned long long)salt, SLICE_ARGS(domain));
}

/* --- Received
   ---------------------------------------------------------------------------------- */

slice received_protocol(const received *r)
{
	static const slice words[3][4] = {
		{S("ESMTP"), S("ESMTPS"), S("ESMTPA"), S("ESMTPSA")},
		{S("UTF8SMTP"), S("UTF8SMTPS"), S("UTF8SMTPA"), S("UTF8SMTPSA")},
		{S("LMTP"), S("LMTPS"), S("LMTPA"), S("LMTPSA")},
	};

	if (r->protocol.size > 0)
		return r->protocol;
	if (r->lmtp && r->utf8)
		return r->tls ? (r->authenticated ? S("UTF8LMTPSA") : S("UTF8LMTPS"))
			      : (r->authenticated ? S("UTF8LMTPA") : S("UTF8LMTP"));
	if (!r->extended && !r->lmtp)
		return S("SMTP");
	return words[r->lmtp ? 2 : r->utf8 ? 1 : 0][(r->tls ? 1 : 0) + (r->authenticated ? 2 : 0)];
}

/* What others said, with '?' for all that could be taken for structure or is no printable ASCII.
   Words take no blanks, comments do. */
static slice tamed(slice s, size_t most, const char *refused, bool utf8, arena *a)
{
	slice tame = arena_copy(a, slice_until(s, most));
	char *at = arena_z(a, tame);
	bool keep_utf8 = utf8 && utf8_valid(tame);

	for (size_t i = 0; i < tame.size; i++)
		if ((uint8_t)at[i] < 0x20 || at[i] == 0x7f || strchr(refused, at[i]) ||
			((uint8_t)at[i] >= 0x80 && !keep_utf8))
			at[i] = '?';
	return slice_of(at, tame.size);
}

#define NOT_IN_WORDS " ()<>@,;\\\""
#define NOT_IN_COMMENTS "()\\"
#define NOT_IN_PATHS "\x01<>"
#define WORDS_MOST 255

static slice helo_word(const received *r, arena *a)
{
	slice host;
	bool literal;

	if (mail_host_parse(r->helo, a, &host, &literal) == ST_OK)
		return host;
	return r->helo.size > 0 ? tamed(r->helo, WORDS_MOST, NOT_IN_WORDS, false, a) : S("unknown");
}

/* "(name [address])", or as much of it as is known. */
static void add_peer(struct line *l, const received *r, arena *a)
{
	slice name = tamed(r->peer_name, WORDS_MOST, NOT_IN_WORDS, false, a);
	slice peer = tamed(r->peer, WORDS_MOST, NOT_IN_WORDS, false, a);
	bool six = slice_find(peer, ':') < peer.size;

	if (peer.size == 0)
		return;
	if (name.size > 0)
		line_word(l, 1, arena_format(a, "(%.*s", SLICE_ARGS(name)));
	line_word(l, 1,
		arena_format(a, "%s[%s%.*s])", name.size > 0 ? "" : "(", six ? "IPv6:" : "",
			SLICE_ARGS(peer)));
}

static void add_clause(struct line *l, const char *word, slice value)
{
	if (value.size == 0)
		return;
	line_word(l, 1, slice_z(word));
	line_word(l, 1, value);
}

static void add_comment(struct line *l, slice s, arena *a)
{
	if (s.size > 0)
		add_raw(l, arena_format(a, "(%.*s)",
				   SLICE_ARGS(tamed(s, WORDS_MOST, NOT_IN_COMMENTS, false, a))));
}

slice received_compose(const received *r, arena *a)
{
	text out = TEXT_INIT;
	struct line l = {.out = &out};
	slice recipient = tamed(r->recipient, MAIL_PATH_MOST, NOT_IN_PATHS, r->utf8, a);

	line_begin(&l, S("Received"));
	add_clause(&l, "from", helo_word(r, a));
	add_peer(&l, r, a);
	add_clause(&l, "by", tamed(r->by, WORDS_MOST, NOT_IN_WORDS, false, a));
	add_clause(&l, "with", received_protocol(r));
	add_comment(&l, r->cipher, a);
	add_clause(&l, "id", tamed(r->id, WORDS_MOST, NOT_IN_WORDS, false, a));
	if (recipient.size > 0)
		add_clause(&l, "for", arena_format(a, "<%.*s>", SLICE_ARGS(recipient)));
	add_comment(&l, r->note, a);
	text_add_char(&out, ';');
	l.column++;
	add_raw(&l, date_format(r->at, a));
	text_add(&out, S("\r\n"));
	slice field = arena_copy(a, text_slice(&out));
	text_free(&out);
	return field;
}
