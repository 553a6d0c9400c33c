/* Encoded words. The decoder looks for "=?" and tries to read one word there; a try stops at the
   first '?' or blank that does not fit, so every byte is looked at a few times at most. Bytes of
   adjacent words are gathered until the charset changes or plain text comes. */
#include "mail/word.h"

#include "base/utf8.h"
#include "mail/charset.h"
#include "mail/transfer.h"

#define CHARSET_NAME_MOST 64
#define CHARSET_CHANGES_MOST 64 /* per value: loading converters is the one dear step here */
#define WORD_MOST 75
#define LINE_MOST 76
#define WORD_OPEN "=?UTF-8?B?"
#define WORD_FRAME (sizeof WORD_OPEN - 1 + 2)

/* --- Decoding
   ---------------------------------------------------------------------------------- */

struct encoded {
	slice charset;
	char encoding; /* 'b' or 'q' */
	slice inside;
	size_t size; /* of the whole word */
};

static bool is_blank_or_end(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Takes what stands before the next '?', unless a blank comes first. */
static bool take_part(slice *rest, slice *part)
{
	size_t n = 0;

	while (n < rest->size && rest->at[n] != '?' && !is_blank_or_end(rest->at[n]))
		n++;
	if (n == rest->size || rest->at[n] != '?')
		return false;
	*part = slice_until(*rest, n);
	*rest = slice_from(*rest, n + 1);
	return true;
}

/* Reads the encoded word at the start of `s`, if there is one. */
static bool word_read(slice s, struct encoded *out)
{
	slice rest = s, encoding;

	if (!slice_starts(s, S("=?")))
		return false;
	rest = slice_from(rest, 2);
	if (!take_part(&rest, &out->charset) || out->charset.size > CHARSET_NAME_MOST ||
		!take_part(&rest, &encoding) || encoding.size != 1 ||
		!take_part(&rest, &out->inside) || !slice_starts(rest, S("=")))
		return false;
	out->charset = slice_until(out->charset, slice_find(out->charset, '*'));
	out->encoding = (char)(encoding.at[0] | 0x20);
	out->size = s.size - rest.size + 1;
	return (out->encoding == 'b' || out->encoding == 'q') && out->charset.size > 0 &&
	       charset_known(out->charset);
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static void decode_q(slice s, text *out)
{
	for (size_t i = 0; i < s.size; i++) {
		char c = s.at[i] == '_' ? ' ' : s.at[i];

		if (c == '=' && s.size - i > 2 && hex_digit(s.at[i + 1]) >= 0 &&
			hex_digit(s.at[i + 2]) >= 0) {
			c = (char)(hex_digit(s.at[i + 1]) << 4 | hex_digit(s.at[i + 2]));
			i += 2;
		}
		text_add_char(out, c);
	}
}

static void decode_b(slice s, text *out)
{
	transfer_decoder d = {.kind = TRANSFER_BASE64};

	transfer_decode(&d, s, out);
	transfer_decode_end(&d, out);
}

struct decoder {
	arena *a;
	text out;
	text bytes;    /* of adjacent words, not converted yet */
	slice charset; /* of those; empty when there are none */
	unsigned changes;
};

/* Controls become blanks; UTF-8 has no bytes below 0x20 inside its characters. */
static void add_visible(text *out, slice utf8)
{
	size_t start = out->size;

	text_add(out, utf8);
	for (size_t i = start; i < out->size; i++)
		if ((uint8_t)out->at[i] < 0x20 || out->at[i] == 0x7f)
			out->at[i] = ' ';
}

static void flush_words(struct decoder *d)
{
	slice utf8 = {0};

	if (d->charset.size == 0)
		return;
	if (charset_to_utf8(d->charset, text_slice(&d->bytes), d->a, &utf8) == ST_OK)
		add_visible(&d->out, utf8);
	text_clear(&d->bytes);
	d->charset = (slice){0};
	d->changes++;
}

/* Text between encoded words: line ends go, the rest stays. */
static void add_plain(struct decoder *d, slice plain)
{
	text repaired = TEXT_INIT;

	utf8_add_repaired(&repaired, plain);
	size_t kept = 0;
	for (size_t i = 0; i < repaired.size; i++)
		if (repaired.at[i] != '\r' && repaired.at[i] != '\n')
			repaired.at[kept++] = repaired.at[i];
	add_visible(&d->out, slice_of(repaired.at, kept));
	text_free(&repaired);
}

static void add_word(struct decoder *d, const struct encoded *w, slice before)
{
	bool adjacent = d->charset.size > 0 && slice_trim(before).size == 0;

	if (!adjacent || !slice_same_nocase(d->charset, w->charset))
		flush_words(d);
	if (!adjacent)
		add_plain(d, before);
	d->charset = w->charset;
	(w->encoding == 'b' ? decode_b : decode_q)(w->inside, &d->bytes);
}

/* Most values are one line of ASCII without encoded words. */
static bool is_simple(slice value)
{
	for (size_t i = 0; i < value.size; i++)
		if ((uint8_t)value.at[i] < 0x20 || (uint8_t)value.at[i] >= 0x7f)
			return false;
	return slice_search(value, S("=?")) == value.size;
}

slice word_decode(slice value, arena *a)
{
	struct decoder d = {.a = a};
	struct encoded w;
	size_t at = 0, plain = 0;

	value = slice_trim(value);
	if (is_simple(value))
		return arena_copy(a, value);
	while (at < value.size && d.changes < CHARSET_CHANGES_MOST) {
		at += slice_find(slice_from(value, at), '=');
		if (word_read(slice_from(value, at), &w)) {
			add_word(&d, &w, slice_of(value.at + plain, at - plain));
			at += w.size;
			plain = at;
		} else {
			at++;
		}
	}
	flush_words(&d);
	add_plain(&d, slice_from(value, plain));
	slice decoded = arena_copy(a, text_slice(&d.out));
	text_free(&d.out);
	text_free(&d.bytes);
	return decoded;
}

/* --- Encoding
   ---------------------------------------------------------------------------------- */

bool word_needed(slice utf8)
{
	return !utf8_is_ascii(utf8) || slice_search(utf8, S("=?")) < utf8.size;
}

/* What RFC 2047 5 (3) leaves as it is in phrases; a blank becomes '_'. */
static bool is_q_safe(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       (c != 0 && strchr("!*+-/ ", c));
}

static size_t q_size(slice s)
{
	size_t n = 0;

	for (size_t i = 0; i < s.size; i++)
		n += is_q_safe(s.at[i]) ? 1 : 3;
	return n;
}

/* Bytes of whole characters at the start of `s` whose encoded form fits into `room`. */
static size_t fitting(slice s, bool q, size_t room)
{
	size_t taken = 0, used = 0;

	while (taken < s.size) {
		uint32_t point;
		size_t n = utf8_take(slice_from(s, taken), &point);
		if (n == 0)
			n = 1;
		used += q ? q_size(slice_until(slice_from(s, taken), n)) : n;
		if ((q ? used : (used + 2) / 3 * 4) > room)
			break;
		taken += n;
	}
	return taken;
}

static void encode_q(slice s, text *out)
{
	for (size_t i = 0; i < s.size; i++) {
		if (s.at[i] == ' ')
			text_add_char(out, '_');
		else if (is_q_safe(s.at[i]))
			text_add_char(out, s.at[i]);
		else
			text_format(out, "=%02X", (unsigned)(uint8_t)s.at[i]);
	}
}

static void encode_b(slice s, text *out)
{
	static const char digit[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	for (size_t i = 0; i < s.size; i += 3) {
		slice three = slice_until(slice_from(s, i), 3);
		uint32_t bits = 0;
		for (size_t k = 0; k < 3; k++)
			bits = bits << 8 | (k < three.size ? (uint8_t)three.at[k] : 0);
		for (size_t k = 0; k < 4; k++)
			text_add_char(
				out, k <= three.size ? digit[bits >> (18 - 6 * k) & 63] : '=');
	}
}

void word_encode(slice utf8, size_t *column, text *out)
{
	bool q = q_size(utf8) <= (utf8.size + 2) / 3 * 4;

	while (utf8.size > 0) {
		size_t used = *column + 1 + WORD_FRAME;
		size_t n = used < LINE_MOST ? fitting(utf8, q, LINE_MOST - used) : 0;

		if (n == 0) {
			text_add(out, S("\r\n"));
			*column = 0;
			n = fitting(utf8, q, WORD_MOST - WORD_FRAME);
		}
		size_t start = out->size;
		text_add_char(out, ' ');
		text_add_z(out, q ? "=?UTF-8?Q?" : WORD_OPEN);
		(q ? encode_q : encode_b)(slice_until(utf8, n), out);
		text_add(out, S("?="));
		*column += out->size - start;
		utf8 = slice_from(utf8, n);
	}
}
