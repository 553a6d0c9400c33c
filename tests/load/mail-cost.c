/* What the parsers of the mail room cost (trust.md F5): for each its worst inputs; cost.h tells how that is
   told. */
#include "../unit/mail/toy.h"
#include "base/text.h"
#include "mail/address.h"
#include "mail/arc.h"
#include "mail/content.h"
#include "mail/date.h"
#include "mail/dot.h"
#include "mail/header.h"
#include "mail/mime.h"
#include "mail/parameter.h"
#include "mail/signature_inside.h"
#include "mail/sketch.h"
#include "mail/transfer.h"
#include "mail/word.h"
#include "tests/load/cost.h"

#define LIST_MOST (16 * MAIL_LIST_MOST) /* so that a cap hides nothing, but memory is no issue */

static void run_data(slice s, arena *a)
{
	dot_scan scan = {0};

	(void)a;
	dot_scan_data(&scan, s, NULL);
}

static void run_data_kept(slice s, arena *a)
{
	static text out;
	dot_scan scan = {0};

	(void)a;
	text_clear(&out);
	dot_scan_data(&scan, s, &out);
}

static void run_stuff(slice s, arena *a)
{
	static text out;
	dot_writer w = {0};

	(void)a;
	text_clear(&out);
	dot_write(&w, s, &out);
	dot_write_end(&w, &out);
}

static void run_path(slice s, arena *a)
{
	mail_address m;
	slice rest;

	mail_address_path(s, a, &m, &rest);
}

static void run_list(slice s, arena *a)
{
	mail_list l;

	mail_list_parse(s, LIST_MOST, a, &l);
}

static void run_parameters(slice s, arena *a)
{
	rcpt_parameters r;

	rcpt_parameters_parse(s, a, &r);
}

static void run_header(slice s, arena *a)
{
	header_survey survey;

	(void)a;
	header_look(s, &survey);
}

static void run_build(slice s, arena *a)
{
	header_builder b = {0};
	slice fields;

	header_build_text(&b, S("Subject"), s);
	header_build_end(&b, a, &fields);
}

static void run_date(slice s, arena *a)
{
	date d;

	(void)a;
	date_parse(s, &d);
}

static void run_word(slice s, arena *a)
{
	word_decode(s, a);
}

static void run_content(slice s, arena *a)
{
	content_value c;

	content_parse(s, a, &c);
}

static void run_mime(slice s, arena *a)
{
	mime_table t;

	mime_parse(s, a, &t);
}

static void decode(enum transfer_kind kind, slice s)
{
	static text out;
	transfer_decoder d = {.kind = kind};

	text_clear(&out);
	transfer_decode(&d, s, &out);
	transfer_decode_end(&d, &out);
}

static void run_base64(slice s, arena *a)
{
	(void)a;
	decode(TRANSFER_BASE64, s);
}

static void run_quoted(slice s, arena *a)
{
	(void)a;
	decode(TRANSFER_QUOTED_PRINTABLE, s);
}

static void run_sketch(slice s, arena *a)
{
	sketch_make(s, a);
}

/* What is not there, and begins everywhere. */
static void run_needle(slice s, arena *a)
{
	struct needle n;

	needle_make(S("aaaaaaab"), a, &n);
	needle_in(s, &n);
}

static struct toy_record no_keys[] = {{S(""), LOOKUP_ABSENT, {S("")}, 0}};
static const lookup no_dns = {.with = no_keys, .ask = toy_ask};

static void run_dkim(slice s, arena *a)
{
	dkim_report r;

	dkim_check_message(s, &toy, &no_dns, 0, a, &r);
}

static void run_arc(slice s, arena *a)
{
	arc_report r;

	arc_check_message(s, &toy, &no_dns, 0, a, &r);
}

static void run_canon(slice s, arena *a)
{
	signature_body *b = signature_body_open(&toy);
	size_t which;

	(void)a;
	signature_body_want(b, CANON_SIMPLE, 0, &which);
	signature_body_want(b, CANON_RELAXED, 0, &which);
	signature_body_add(b, s);
	signature_body_end(b);
	signature_body_close(&b);
}

static void run_record(slice s, arena *a)
{
	tag_list tags;

	(void)a;
	tag_list_parse(s, &tags);
}

#define SIGNATURE                                                                                  \
	"DKIM-Signature: v=1; a=rsa-sha256; c=relaxed; d=a.example; s=b; b=AAAA;"                  \
	" bh=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
#define SET                                                                                        \
	"ARC-Seal: i=1; cv=none; a=rsa-sha256; d=a.example; s=b; b=AAAA\r\n"                       \
	"ARC-Authentication-Results: i=1; a\r\n"                                                   \
	"ARC-Message-Signature: i=1; a=rsa-sha256; d=a.example; s=b; b=AAAA; h=From;"              \
	" bh=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="

#define LINE72 "It was a dark and stormy night; the rain fell in torrents, except at ..."

/* A part that is there at each place but for its last octet. */
static void run_search(slice s, arena *a)
{
	slice part = arena_copy(a, slice_until(s, s.size / 2));

	((char *)(uintptr_t)part.at)[part.size - 1] = 'e';
	slice_search_nocase(s, part);
}

static const struct cost_input inputs[] = {
	{"search: one letter", run_search, "", "z"},
	{"search: two letters", run_search, "", "qz"},
	{"data: plain lines, measured", run_data, "", LINE72 "\r\n"},
	{"data: plain lines, kept", run_data_kept, "", LINE72 "\r\n"},
	{"data: dots only", run_data_kept, "", "..\r\n"},
	{"data: bare CR", run_data_kept, "", "x\r"},
	{"data: bare LF", run_data_kept, "", "\n"},
	{"stuffing: plain lines", run_stuff, "", LINE72 "\r\n"},
	{"stuffing: dots only", run_stuff, "", ".\r\n"},
	{"stuffing: bare CR", run_stuff, "", ".\r"},
	{"path: endless", run_path, "<\"", "\\\""},
	{"list: addresses", run_list, "", "a@b,"},
	{"list: names", run_list, "", "\"Meier, A\" <a@b.test>, "},
	{"list: comments", run_list, "", "("},
	{"list: quotes", run_list, "", "\"a\"(b)"},
	{"list: literals", run_list, "", "a@["},
	{"list: groups", run_list, "", "g:a@b;"},
	{"list: words", run_list, "", "a . b "},
	{"parameters: blanks", run_parameters, " ", " "},
	{"parameters: one long", run_parameters, " ORCPT=rfc822;", "+2B"},
	{"header: fields", run_header, "", "A: b\r\n"},
	{"header: folds", run_header, "A: b\r\n", " \r\n"},
	{"header: one line", run_header, "A:", "b:"},
	{"build: words", run_build, "", "word "},
	{"build: encoded", run_build, "", "\xc3\xbc "},
	{"build: one word", run_build, "", "x"},
	{"date: comments", run_date, "", "("},
	{"word: openings", run_word, "", "=?"},
	{"word: unclosed", run_word, "", "=?utf-8?q?abc "},
	{"word: words", run_word, "", "=?utf-8?q?=C3=BC?= "},
	{"word: charsets", run_word, "", "=?utf-8?q?a?= =?koi8-r?q?b?= "},
	{"content: pieces", run_content, "a/b", ";n*%d=x"},
	{"content: names", run_content, "a/b", ";n%d=\"x\""},
	{"content: comments", run_content, "a/b", ";a=\"b\"(;a("},
	{"mime: one body", run_mime, "A: b\n\n", LINE72 "\r\n"},
	{"mime: body in a multipart", run_mime,
		"Content-Type: multipart/mixed; boundary=b\n\n--b\n\n", LINE72 "\r\n"},
	{"mime: parts", run_mime, "Content-Type: multipart/mixed; boundary=b\n\n", "--b\n\n"},
	{"mime: nested", run_mime, "", "Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n"},
	{"mime: messages", run_mime, "", "Content-Type: message/rfc822\n\n"},
	{"mime: near boundaries", run_mime, "Content-Type: multipart/mixed; boundary=b\n\n",
		"--bx\n"},
	{"mime: one header line", run_mime, "Content-Type: a/b", ";n=x"},
	{"dkim: fields", run_dkim, SIGNATURE "; h=From:A:B:A:A\r\n", "A: b\r\n"},
	{"dkim: folds", run_dkim, SIGNATURE "; h=From:A\r\nA: b\r\n", " c\r\n"},
	{"dkim: names", run_dkim, SIGNATURE "; h=From", ":A%d"},
	{"dkim: tags", run_dkim, SIGNATURE "; h=From", "; t%d=x"},
	{"dkim: signatures", run_dkim, SIGNATURE "; h=From\r\n", SIGNATURE "; h=From:a:b:c\r\n"},
	{"canon: lines", run_canon, "", LINE72 "\r\n"},
	{"canon: line ends", run_canon, "", "\r\n"},
	{"canon: blanks", run_canon, "", " \t"},
	{"canon: CR", run_canon, "", "\r"},
	{"canon: all in doubt", run_canon, "", " \r\n \rx"},
	{"record: tags", run_record, "v=DKIM1", "; t%d=x"},
	{"record: one tag", run_record, "p=", "A B"},
	{"arc: results", run_arc, SET "\r\n", "ARC-Authentication-Results: i=%d; a\r\n"},
	{"arc: fields", run_arc, SET "\r\n", "A: b\r\n"},
	{"base64", run_base64, "",
		"SXQgd2FzIGEgZGFyayBhbmQgc3Rvcm15IG5pZ2h0OyB0aGUgcmFpbiBmZWxsIGlu\r\n"},
	{"base64: padding", run_base64, "", "="},
	{"quoted-printable", run_quoted, "", "It was a d=C3=A4rk and stormy night; the rain =\r\n"},
	{"quoted-printable: blanks", run_quoted, "", " "},
	{"quoted-printable: equals", run_quoted, "", "="},
	{"needle: nearly there", run_needle, "", "a"},
	{"needle: nearly, and folded", run_needle, "", "aaaaaaa\xc3\xa9"},
	{"sketch: plain lines", run_sketch, "A: b\r\n\r\n", LINE72 "\r\n"},
	{"sketch: other letters", run_sketch, "Content-Type: text/plain; charset=utf-8\r\n\r\n",
		"\xc3\xa9t\xe1\xbb\x87 %d\r\n"},
	{"sketch: fields", run_sketch, "", "A: =?utf-8?q?=C3=BC?= b\r\n"},
	{"sketch: folds", run_sketch, "A: b\r\n", " b\r\n"},
	{"sketch: parts", run_sketch, "Content-Type: multipart/mixed; boundary=b\r\n\r\n",
		"--b\r\n\r\nabc %d\r\n"},
};

int main(int argc, char **argv)
{
	return cost_main(inputs, sizeof inputs / sizeof *inputs, argc, argv);
}
