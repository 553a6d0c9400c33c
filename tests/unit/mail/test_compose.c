/* Messages of our own, read back by our own readers. */
#include "same.h"

#include "base/text.h"
#include "mail/compose.h"
#include "mail/mime.h"
#include "mail/word.h"

static const header_mailbox anna = {S("Anna"), S("anna@demo.test")};

static compose letter(void)
{
	return (compose){
		.from = {S("Pennypost"), S("postmaster@demo.test")},
		.to = &anna,
		.to_count = 1,
		.subject = S("Hello"),
		.text = S("one\ntwo\r\n"),
		.message_id = S("<1.2@demo.test>"),
	};
}

Test(compose, plain_text_goes_as_it_is)
{
	arena a = ARENA_INIT;
	compose c = letter();
	slice m;

	cr_assert_eq(compose_message(&c, &a, &m), ST_OK);
	SAME(m, S("Date: Thu, 1 Jan 1970 00:00:00 +0000\r\n"
		  "From: Pennypost <postmaster@demo.test>\r\n"
		  "To: Anna <anna@demo.test>\r\n"
		  "Subject: Hello\r\n"
		  "Message-ID: <1.2@demo.test>\r\n"
		  "MIME-Version: 1.0\r\n"
		  "Content-Type: text/plain; charset=us-ascii\r\n"
		  "Content-Transfer-Encoding: 7bit\r\n"
		  "\r\n"
		  "one\r\ntwo\r\n"));
	arena_release(&a);
}

static slice decoded_body(slice message, const mime_part *p, arena *a)
{
	transfer_decoder d = {.kind = p->transfer};
	text out = TEXT_INIT;

	transfer_decode(&d, slice_until(slice_from(message, p->body_at), p->body_size), &out);
	transfer_decode_end(&d, &out);
	cr_assert_not(d.broken);
	slice made = arena_copy(a, text_slice(&out));
	text_free(&out);
	return made;
}

Test(compose, text_and_files_come_back)
{
	static const compose_file files[] = {
		{S("b\xc3\xa4r.bin"), S(""), S("\0\1\2\xff--=_")},
		{S("empty"), S("text/csv"), S("")},
	};
	static const compose_field field = {S("Auto-Submitted"), S("auto-generated")};
	arena a = ARENA_INIT;
	compose c = letter();
	mime_table t;
	header_field f;
	slice m;

	c.subject = S("Gr\xc3\xbc\xc3\x9f"
		      "e");
	c.text = S("Gr\xc3\xbc\xc3\x9f"
		   "e\n--=_12demotest\n.dot\n");
	c.file = files;
	c.file_count = 2;
	c.field = &field;
	c.field_count = 1;
	c.reply_to = (header_mailbox){S(""), S("ben@demo.test")};
	cr_assert_eq(compose_message(&c, &a, &m), ST_OK);
	cr_assert(header_find(m, S("Subject"), &f));
	SAME(word_decode(f.value, &a), c.subject);
	cr_assert(header_find(m, S("Auto-Submitted"), &f));
	cr_assert(header_find(m, S("Reply-To"), &f));
	mime_parse(m, &a, &t);
	cr_assert_eq(t.count, 4);
	SAME(decoded_body(m, &t.part[1], &a), S("Gr\xc3\xbc\xc3\x9f"
						"e\r\n--=_12demotest\r\n.dot\r\n"));
	SAME(decoded_body(m, &t.part[2], &a), files[0].content);
	SAME(t.part[2].name, files[0].name);
	SAME(t.part[2].disposition, S("attachment"));
	SAME(decoded_body(m, &t.part[3], &a), S(""));
	SAME(t.part[3].subtype, S("csv"));
	arena_release(&a);
}

Test(compose, injection_is_refused)
{
	static const compose_file evil_file = {S("a\r\nX: y"), S(""), S("")};
	static const compose_field evil_field = {S("X"), S("a\nb")};
	arena a = ARENA_INIT;
	slice m = S("untouched");

	for (int i = 0; i < 6; i++) {
		compose c = letter();
		header_mailbox evil = {S("A\r\nBcc: x"), S("a@b")};
		switch (i) {
		case 0:
			c.subject = S("a\r\nBcc: x@y");
			break;
		case 1:
			c.from = evil;
			break;
		case 2:
			c.to = &evil;
			break;
		case 3:
			c.file = &evil_file;
			c.file_count = 1;
			break;
		case 4:
			c.field = &evil_field;
			c.field_count = 1;
			break;
		case 5:
			c.text = S("no utf-8: \xff");
			break;
		}
		cr_assert_eq(compose_message(&c, &a, &m), ST_INVALID, "case %d", i);
	}
	SAME(m, S("untouched"));
	arena_release(&a);
}
