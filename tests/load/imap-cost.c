/* What IMAP's parsers cost (trust.md F5): commands, search programs, sets, names, and what is made of messages for it.
   cost.h tells how that is told. */
#include "tests/load/cost.h"

#include "base/memory.h"
#include "base/text.h"
#include "mail/envelope.h"
#include "mail/imap_string.h"
#include "mail/structure.h"
#include "provider/memory/memory.h"
#include "service/imap/names.h"
#include "service/imap/program.h"
#include "service/imap/selected.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define COMMAND_MOST ((size_t)4 * 1024 * 1024) /* so that no limit hides anything */

static void must(bool holds)
{
	if (!holds)
		abort();
}

/* ---- a command that is read from a stream */

static struct selected selected;
static struct imap talk = {.state = AT_SELECTED, .selected = &selected, .tag = S("a")};
static conversation c = {.state = &talk};
static args p;

static int file_of(slice octets)
{
	int fd = memfd_create("in", MFD_CLOEXEC);

	must(fd >= 0 && write(fd, octets.at, octets.size) == (ssize_t)octets.size &&
		lseek(fd, 0, SEEK_SET) == 0);
	return fd;
}

static void ready_stream(slice s)
{
	arena_release(&c.command);
	if (c.stream)
		stream_close(&c.stream);
	must(stream_open(file_of(s), file_of((slice){0}), &c.stream) == ST_OK);
}

/* What a command has behind its name. */
static void ready_line(slice s)
{
	ready_stream(s);
	must(args_begin(&p, &c, COMMAND_MOST) == ST_OK);
}

static void run_line(slice s, arena *a)
{
	(void)s;
	(void)a;
	(void)args_begin(&p, &c, COMMAND_MOST);
	(void)args_skip(&p);
}

static void run_strings(slice s, arena *a)
{
	slice word;

	(void)s;
	(void)a;
	while (arg_astring(&p, &word) == ST_OK && arg_space(&p) == ST_OK)
		;
}

static void run_set(slice s, arena *a)
{
	imap_set set;

	(void)s;
	(void)a;
	if (arg_set(&p, &set) == ST_OK)
		imap_set_resolve(&set, 1000);
}

static void run_program(slice s, arena *a)
{
	program *g;

	(void)s;
	(void)a;
	(void)arg_program_open(&p, (slice){0}, &g);
}

static void run_name(slice s, arena *a)
{
	text out = TEXT_INIT;
	slice name;

	(void)s;
	(void)a;
	if (arg_mailbox(&p, &name) == ST_OK)
		imap_name_text(&c, name, &out);
	text_free(&out);
}

static void run_pattern(slice s, arena *a)
{
	slice name;

	(void)s;
	(void)a;
	(void)arg_mailbox_pattern(&p, &name);
}

/* ---- what is made of messages */

static void run_encode(slice s, arena *a)
{
	mutf7_encode(s, a);
}

static void run_decode(slice s, arena *a)
{
	slice name;

	(void)mutf7_decode(s, a, &name);
}

static void run_envelope(slice s, arena *a)
{
	envelope e;

	must(envelope_unpack(envelope_pack(s, a), a, &e) == ST_OK);
}

static void run_subject(slice s, arena *a)
{
	bool reply;

	subject_base(s, a, &reply);
}

static void run_structure(slice s, arena *a)
{
	mime_walk *w = mime_walk_open(a);
	mime_table t;
	structure out;

	mime_walk_keep_headers(w);
	mime_walk_feed(w, s);
	mime_walk_finish(w, &t);
	mime_walk_close(&w);
	must(structure_unpack(structure_pack(&t, a), a, &out) == ST_OK);
}

static void run_string(slice s, arena *a)
{
	text out = TEXT_INIT;

	(void)a;
	imap_string_add(&out, s);
	text_free(&out);
}

/* ---- THREAD, of as many messages as the input has lines */

static void message_of(slice line, int number, text *raw)
{
	text_clear(raw);
	text_format(raw, "Message-ID: <%d@t>\r\nSubject: %s\r\n", number,
		*line.at == 's' ? "same" : "");
	text_format(raw, "References: <%d@t>", number - 1);
	for (int k = 0; *line.at == 'u' && k < 20; k++)
		text_format(raw, " <%d.%d@t>", number, k);
	text_add_z(raw, "\r\n\r\n");
}

static void folder_of(slice lines)
{
	text raw = TEXT_INIT;
	slice line;

	view_close(&selected.view);
	memory_reset();
	talk.who.postoffice = memory_postoffice("acme", "acme.test");
	talk.who.mailbox = memory_mailbox(talk.who.postoffice, "anna", "secret-1");
	for (int i = 1; slice_take(&lines, '\n', &line) && line.size > 0; i++) {
		message_of(line, i, &raw);
		memory_message(talk.who.postoffice, talk.who.mailbox, raw.at);
	}
	text_free(&raw);
	must(view_open(talk.who.postoffice, talk.who.mailbox, S("INBOX"), 0, &selected.view) ==
		ST_OK);
}

/* The same lines mean the same folder, whose envelopes are packed by the run before. */
static void ready_thread(slice s)
{
	static size_t size;
	static char kind;

	if (size != s.size || kind != (char)*s.at)
		folder_of(s);
	size = s.size;
	kind = (char)*s.at;
	ready_line(S(" REFERENCES UTF-8 ALL\r\n"));
}

static void run_thread(slice s, arena *a)
{
	(void)s;
	(void)a;
	talk.row = &imap_thread_rows[0];
	must(talk.row->run(&c, &p) == ST_OK);
}

#define LINE "                                                              \n"

static const struct cost_input inputs[] = {
	{"command: one word", run_line, "a ", "x", "\r\n", ready_stream},
	{"command: blanks", run_line, "a ", " ", "\r\n", ready_stream},
	{"command: literals", run_line, "a ", "x {1+}\r\n", "\r\n", ready_stream},
	{"strings: atoms", run_strings, "a", " b", "\r\n", ready_line},
	{"strings: quoted", run_strings, "a", " \"b c\"", "\r\n", ready_line},
	{"strings: one, escapes", run_strings, "\"", "\\\\", "\"\r\n", ready_line},
	{"strings: literals", run_strings, "a", " {3+}\r\nabc", "\r\n", ready_line},
	{"set: numbers", run_set, "1", ",%d1", "\r\n", ready_line},
	{"set: falling", run_set, "1", ",*:%d1", "\r\n", ready_line},
	{"set: overlapping", run_set, "1", ",%d1:5", "\r\n", ready_line},
	{"program: keys", run_program, "ALL", " SUBJECT abcdefgh", "\r\n", ready_line},
	{"program: other letters", run_program, "ALL", " TEXT {8+}\r\n\xc3\xa4\xc3\xb6\xc3\x9fxy",
		"\r\n", ready_line},
	{"program: one string", run_program, "SUBJECT \"", "\xc3\xa4x", "\"\r\n", ready_line},
	{"program: fuzzy", run_program, "FUZZY SUBJECT \"", "word ", "\"\r\n", ready_line},
	{"program: sets", run_program, "ALL", " UID 1,7,%d1:*", "\r\n", ready_line},
	{"program: brackets", run_program, "ALL", " (NOT (OR (SEEN) DELETED))", "\r\n", ready_line},
	{"name: shifts", run_name, "\"", "&AOQ-", "\"\r\n", ready_line},
	{"name: one shift", run_name, "\"&", "AOQA", "-\"\r\n", ready_line},
	{"name: levels", run_name, "\"a", "/b", "\"\r\n", ready_line},
	{"pattern: stars", run_pattern, "", "*a", "\r\n", ready_line},
	{"mutf-7: encode", run_encode, "", "\xc3\xa4x"},
	{"mutf-7: encode, one run", run_encode, "", "\xc3\xa4"},
	{"mutf-7: decode", run_decode, "", "&AOQ-x"},
	{"string: to be quoted", run_string, "", "\\"},
	{"envelope: addresses", run_envelope, "From: x", ",a@b", "\r\n"},
	{"envelope: fields", run_envelope, "", "To: a@b\r\n"},
	{"envelope: other fields", run_envelope, "", "A: b\r\n"},
	{"envelope: one line", run_envelope, "Subject: ", "x", "\r\n"},
	{"envelope: a list's subject", run_envelope, "Subject: ", "[a] ", "\r\n"},
	{"envelope: folds", run_envelope, "Subject: a\r\n", " b\r\n"},
	{"envelope: words", run_envelope, "Subject:", " =?utf-8?q?=C3=BC?=", "\r\n"},
	{"envelope: references", run_envelope, "References:", " <%d@x>", "\r\n"},
	{"envelope: reference unclosed", run_envelope, "References:", " <", "\r\n"},
	{"envelope: comments", run_envelope, "From: ", "(", "\r\n"},
	{"envelope: groups", run_envelope, "To: ", "g:a@b;,", "\r\n"},
	{"subject: Re:", run_subject, "", "Re: ", "x"},
	{"subject: (fwd)", run_subject, "x", " (fwd)"},
	{"subject: [Fwd:", run_subject, "", "[Fwd: ", "x"},
	{"subject: [list]", run_subject, "", "[a] "},
	{"subject: lists and Re:", run_subject, "", "[a] re: [b] [c] fwd: "},
	{"subject: lists in [Fwd:", run_subject, "", "[Fwd: [a] [b] "},
	{"subject: brackets", run_subject, "", "["},
	{"subject: Re[", run_subject, "", "Re[a] "},
	{"subject: blanks", run_subject, "a", " ", "b"},
	{"structure: parts", run_structure, "Content-Type: multipart/mixed; boundary=b\r\n\r\n",
		"--b\r\n\r\nx\r\n", "--b--\r\n"},
	{"structure: nested", run_structure, "",
		"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n"},
	{"structure: messages", run_structure, "", "Content-Type: message/rfc822\r\n\r\n"},
	{"structure: parameters", run_structure, "Content-Type: a/b", ";\r\n n%d=x", "\r\n\r\n"},
	{"structure: languages", run_structure, "Content-Language: de", ", en", "\r\n\r\n"},
	{"structure: inner envelopes", run_structure,
		"Content-Type: multipart/digest; boundary=b\r\n\r\n",
		"--b\r\n\r\nFrom: a@b\r\nSubject: x\r\n\r\nx\r\n", "--b--\r\n"},
	{"thread: answers of answers", run_thread, "", "a" LINE, NULL, ready_thread},
	{"thread: one subject", run_thread, "", "s" LINE, NULL, ready_thread},
	{"thread: ids of strangers", run_thread, "", "u" LINE, NULL, ready_thread},
};

int main(int argc, char **argv)
{
	return cost_main(inputs, sizeof inputs / sizeof *inputs, argc, argv);
}
