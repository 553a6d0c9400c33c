/* Base64 and quoted-printable, both ways, a piece at a time. What a cut leaves in doubt lives in
   the decoder or encoder. */
#include "mail/transfer.h"

#include "base/encode.h"
#include "mail/header.h"

#define BASE64_LINE 76
#define QP_LINE 75 /* and '=' for a soft line break */
#define BLANKS_MOST 998

enum transfer_kind transfer_kind_of(slice value)
{
	static const struct {
		slice name;
		enum transfer_kind kind;
	} kinds[] = {
		{S("7bit"), TRANSFER_PLAIN},
		{S("8bit"), TRANSFER_PLAIN},
		{S("binary"), TRANSFER_PLAIN},
		{S("base64"), TRANSFER_BASE64},
		{S("quoted-printable"), TRANSFER_QUOTED_PRINTABLE},
	};
	slice word = header_behind_comments(value);
	size_t end = 0;

	while (end < word.size && word.at[end] > 0x20 && word.at[end] != '(' && word.at[end] != ';')
		end++;
	word = slice_until(word, end);
	if (word.size == 0)
		return TRANSFER_PLAIN;
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
		if (slice_same_nocase(word, kinds[i].name))
			return kinds[i].kind;
	return TRANSFER_UNKNOWN;
}

/* --- Base64, decoding
   -------------------------------------------------------------------------- */

/* A group ends with `state` characters instead of four. */
static void base64_group_end(transfer_decoder *d, text *out)
{
	if (d->state == 1)
		d->broken = true;
	if (d->state >= 2)
		text_add_char(out, (char)(d->bits >> (6 * d->state - 8) & 0xff));
	if (d->state == 3)
		text_add_char(out, (char)(d->bits >> 2 & 0xff));
	d->state = 0;
	d->bits = 0;
}

static void base64_decode_piece(transfer_decoder *d, slice piece, text *out)
{
	for (size_t i = 0; i < piece.size; i++) {
		int value = base64_value(piece.at[i]);

		if (value < 0) {
			if (piece.at[i] == '=')
				base64_group_end(d, out);
			else if (!strchr(" \t\r\n", piece.at[i]) || piece.at[i] == 0)
				d->broken = true;
			continue;
		}
		d->bits = d->bits << 6 | (uint32_t)value;
		if (++d->state == 4) {
			char three[3] = {
				(char)(d->bits >> 16), (char)(d->bits >> 8), (char)d->bits};
			text_add(out, slice_of(three, 3));
			d->state = 0;
			d->bits = 0;
		}
	}
}

/* --- Quoted-printable, decoding
   ---------------------------------------------------------------- */

enum qp_state {
	QP_TEXT,
	QP_EQUALS, /* behind '=' */
	QP_DIGIT,  /* behind '=' and a digit */
	QP_SOFT,   /* behind '=' and blanks, which may be padding before the line end */
	QP_SOFT_CR,
};

static void blanks_out(transfer_decoder *d, text *out)
{
	text_add(out, text_slice(&d->blanks));
	text_clear(&d->blanks);
}

/* An escape turned out to be none: it stays as it was written. */
static void escape_out(transfer_decoder *d, text *out)
{
	d->broken = true;
	if (d->state != QP_SOFT_CR) {
		text_add_char(out, '=');
		if (d->state == QP_DIGIT)
			text_add_char(out, d->digit);
	}
	blanks_out(d, out);
	d->state = QP_TEXT;
}

/* Plain text up to the next '='; returns how much was used. */
static size_t qp_text(transfer_decoder *d, slice s, text *out)
{
	char c = s.at[0];
	size_t n = 1;

	if (c == ' ' || c == '\t') {
		if (d->blanks.size == BLANKS_MOST)
			blanks_out(d, out);
		text_add_char(&d->blanks, c);
		return 1;
	}
	if (c == '\r' || c == '\n') {
		text_clear(&d->blanks);
		text_add_char(out, c);
		return 1;
	}
	blanks_out(d, out);
	if (c == '=') {
		d->state = QP_EQUALS;
		return 1;
	}
	while (n < s.size && (uint8_t)s.at[n] > 0x20 && s.at[n] != '=')
		n++;
	text_add(out, slice_until(s, n));
	return n;
}

/* One byte inside an escape; 0 when it is not part of it. */
static size_t qp_escape(transfer_decoder *d, char c, text *out)
{
	int value = hex_value(c);

	if (d->state == QP_EQUALS && value >= 0) {
		d->digit = c;
		d->state = QP_DIGIT;
	} else if (d->state == QP_DIGIT && value >= 0) {
		text_add_char(out, (char)((unsigned)hex_value(d->digit) << 4 | (unsigned)value));
		d->state = QP_TEXT;
	} else if (d->state != QP_DIGIT && c == '\n') {
		text_clear(&d->blanks);
		d->state = QP_TEXT;
	} else if ((d->state == QP_EQUALS || d->state == QP_SOFT) && c == '\r') {
		text_clear(&d->blanks);
		d->state = QP_SOFT_CR;
	} else if ((d->state == QP_EQUALS || d->state == QP_SOFT) && (c == ' ' || c == '\t') &&
		   d->blanks.size < BLANKS_MOST) {
		text_add_char(&d->blanks, c);
		d->state = QP_SOFT;
	} else {
		escape_out(d, out);
		return 0;
	}
	return 1;
}

static void qp_decode_piece(transfer_decoder *d, slice piece, text *out)
{
	while (piece.size > 0) {
		size_t used = d->state == QP_TEXT ? qp_text(d, piece, out)
						  : qp_escape(d, piece.at[0], out);
		piece = slice_from(piece, used);
	}
}

void transfer_decode(transfer_decoder *d, slice piece, text *out)
{
	if (d->kind == TRANSFER_BASE64)
		base64_decode_piece(d, piece, out);
	else if (d->kind == TRANSFER_QUOTED_PRINTABLE)
		qp_decode_piece(d, piece, out);
	else
		text_add(out, piece);
}

void transfer_decode_end(transfer_decoder *d, text *out)
{
	if (d->kind == TRANSFER_BASE64) {
		d->broken = d->broken || d->state > 0;
		base64_group_end(d, out);
	} else if (d->kind == TRANSFER_QUOTED_PRINTABLE && d->state == QP_EQUALS) {
		text_clear(&d->blanks); /* a soft line break whose line end was cut off */
	} else if (d->kind == TRANSFER_QUOTED_PRINTABLE && d->state == QP_DIGIT) {
		escape_out(d, out);
	}
	d->state = QP_TEXT;
	text_free(&d->blanks);
}

/* --- Base64, encoding
   -------------------------------------------------------------------------- */

static void base64_group(transfer_encoder *e, text *out)
{
	static const char digit[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	uint32_t bits = e->bits << (8 * (3 - e->count));
	char four[4] = {digit[bits >> 18 & 63], digit[bits >> 12 & 63],
		(char)(e->count > 1 ? digit[bits >> 6 & 63] : '='),
		(char)(e->count > 2 ? digit[bits & 63] : '=')};

	if (e->column == BASE64_LINE) {
		text_add(out, S("\r\n"));
		e->column = 0;
	}
	text_add(out, slice_of(four, 4));
	e->column += 4;
	e->bits = 0;
	e->count = 0;
}

static void base64_encode_piece(transfer_encoder *e, slice piece, text *out)
{
	for (size_t i = 0; i < piece.size; i++) {
		e->bits = e->bits << 8 | (uint8_t)piece.at[i];
		if (++e->count == 3)
			base64_group(e, out);
	}
}

static void base64_encode_end(transfer_encoder *e, text *out)
{
	if (e->count > 0)
		base64_group(e, out);
	if (e->column > 0)
		text_add(out, S("\r\n"));
	e->column = 0;
}

/* --- Quoted-printable, encoding
   ---------------------------------------------------------------- */

static void qp_break_before(transfer_encoder *e, uint8_t width, text *out)
{
	if (e->column + width <= QP_LINE)
		return;
	text_add(out, S("=\r\n"));
	e->column = 0;
}

static void qp_escaped(transfer_encoder *e, char c, text *out)
{
	qp_break_before(e, 3, out);
	text_format(out, "=%02X", (unsigned)(uint8_t)c);
	e->column += 3;
}

static void qp_literal(transfer_encoder *e, char c, text *out)
{
	qp_break_before(e, 1, out);
	if ((c == '.' || c == '-') && e->column == 0) {
		qp_escaped(e, c, out);
		return;
	}
	text_add_char(out, c);
	e->column++;
}

static void qp_line_end(transfer_encoder *e, text *out)
{
	if (e->blank)
		qp_escaped(e, e->blank, out);
	text_add(out, S("\r\n"));
	e->blank = 0;
	e->cr = false;
	e->column = 0;
}

/* Writes what was in doubt, now that no line end follows it. */
static void qp_settle(transfer_encoder *e, text *out)
{
	if (e->blank)
		qp_literal(e, e->blank, out);
	if (e->cr)
		qp_escaped(e, '\r', out);
	e->blank = 0;
	e->cr = false;
}

static void qp_encode_piece(transfer_encoder *e, slice piece, text *out)
{
	for (size_t i = 0; i < piece.size; i++) {
		char c = piece.at[i];

		if (c == '\n') {
			qp_line_end(e, out);
			continue;
		}
		if (c == '\r' && !e->cr) {
			e->cr = true; /* a blank before it stays in doubt too */
			continue;
		}
		qp_settle(e, out);
		if (c == ' ' || c == '\t')
			e->blank = c;
		else if (c == '\r')
			e->cr = true;
		else if (c > 0x20 && c < 0x7f && c != '=')
			qp_literal(e, c, out);
		else
			qp_escaped(e, c, out);
	}
}

void transfer_encode(transfer_encoder *e, slice piece, text *out)
{
	if (e->kind == TRANSFER_BASE64)
		base64_encode_piece(e, piece, out);
	else if (e->kind == TRANSFER_QUOTED_PRINTABLE)
		qp_encode_piece(e, piece, out);
	else
		text_add(out, piece);
}

void transfer_encode_end(transfer_encoder *e, text *out)
{
	if (e->kind == TRANSFER_BASE64) {
		base64_encode_end(e, out);
	} else if (e->kind == TRANSFER_QUOTED_PRINTABLE) {
		if (e->blank && !e->cr) {
			qp_escaped(
				e, e->blank, out); /* the end of the text may become a line end */
			e->blank = 0;
		}
		qp_settle(e, out);
		e->column = 0;
	}
}
