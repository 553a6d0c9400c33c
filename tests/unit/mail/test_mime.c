/* The MIME walk: structures, places and sizes; every message is also fed in pieces of one to nine
   bytes. */
#include "same.h"

#include "base/text.h"
#include "mail/mime.h"

/* Per part "parent:type/subtype header+size body+size/lines flags". */
static slice told(const mime_table *t, arena *a)
{
	text out = TEXT_INIT;

	for (size_t i = 0; i < t->count; i++) {
		const mime_part *p = &t->part[i];
		text_format(&out, "%s%d:%.*s/%.*s %d+%d %d+%d/%d%s%s", i ? " | " : "",
			(int)p->parent, SLICE_ARGS(p->type), SLICE_ARGS(p->subtype),
			(int)p->header_at, (int)p->header_size, (int)p->body_at, (int)p->body_size,
			(int)p->lines, p->opaque ? " opaque" : "", p->broken ? " broken" : "");
	}
	slice made = arena_copy(a, text_slice(&out));
	text_free(&out);
	return made;
}

static slice walk_in_pieces(slice message, size_t step, arena *a)
{
	mime_walk *w = mime_walk_open(a);
	mime_table t;

	for (size_t at = 0; at < message.size; at += step)
		mime_walk_feed(w, slice_until(slice_from(message, at), step));
	mime_walk_finish(w, &t);
	mime_walk_close(&w);
	return told(&t, a);
}

Test(mime, walks_structures)
{
	static const struct {
		slice message, wanted;
	} rows[] = {
		{S(""), S("-1:text/plain 0+0 0+0/0")},
		{S("A: b"), S("-1:text/plain 0+4 4+0/0")},
		{S("A: b\r\n\r\nbody\r\nmore"), S("-1:text/plain 0+8 8+10/1")},
		{S("\nbody\n"), S("-1:text/plain 0+1 1+5/1")},
		{S("Content-Type: text/HTML; charset=x\r\n\r\n"), S("-1:text/html 0+38 38+0/0")},
		{S("Content-Type: nonsense\r\n\r\nx"), S("-1:text/plain 0+26 26+1/0 broken")},
		/* two parts, preamble and epilogue */
		{S("Content-Type: multipart/mixed; boundary=b\r\n\r\npre\r\n--b\r\n\r\none\r\n--b\r\n"
		   "Content-Type: a/c\r\n\r\ntwo\r\n\r\n--b--\r\nepilogue\r\n"),
			S("-1:multipart/mixed 0+45 45+67/11 | 0:text/plain 55+2 57+3/0 | 0:a/c 67+21 88+5/1")},
		/* padding behind the boundary; LF line ends */
		{S("Content-Type: multipart/mixed; boundary=\"b \"\n\n--b \t\n\none\n--b-- \n"),
			S("-1:multipart/mixed 0+46 46+18/4 | 0:text/plain 52+1 53+3/0")},
		/* unclosed */
		{S("Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\none\r\n"),
			S("-1:multipart/mixed 0+45 45+12/3 broken | 0:text/plain 50+2 52+5/1")},
		/* no boundary, empty boundary */
		{S("Content-Type: multipart/mixed\r\n\r\n--b\r\n"),
			S("-1:multipart/mixed 0+33 33+5/1 opaque")},
		{S("Content-Type: multipart/mixed; boundary=\"\"\r\n\r\n--\r\n"),
			S("-1:multipart/mixed 0+46 46+4/1 opaque")},
		/* one boundary is the prefix of another */
		{S("Content-Type: multipart/mixed; boundary=b\n\n--b\n"
		   "Content-Type: multipart/mixed; boundary=bb\n\n--bb\n\nx\n--bb--\n--b\n\ny\n--b--\n"),
			S("-1:multipart/mixed 0+43 43+76/11 | 0:multipart/mixed 47+44 91+14/3 | "
			  "1:text/plain 96+1 97+1/0 | 0:text/plain 110+1 111+1/0")},
		/* the inner one is never closed: the outer boundary ends it */
		{S("Content-Type: multipart/mixed; boundary=b\n\n--b\n"
		   "Content-Type: multipart/mixed; boundary=c\n\n--c\n\nx\n--b--\n"),
			S("-1:multipart/mixed 0+43 43+60/7 | 0:multipart/mixed 47+43 90+6/2 broken | "
			  "1:text/plain 94+1 95+1/0")},
		/* no header, no empty line, nothing at all between boundaries */
		{S("Content-Type: multipart/mixed; boundary=b\n\n--b\n--b\nA: b\n--b\n\n--b--\n"),
			S("-1:multipart/mixed 0+43 43+24/6 | 0:text/plain 47+0 47+0/0 | "
			  "0:text/plain 51+4 55+0/0 | 0:text/plain 60+1 61+0/0")},
		/* an embedded message */
		{S("Content-Type: message/rfc822\n\nSubject: x\n\nbody\n"),
			S("-1:message/rfc822 0+30 30+17/3 | 0:text/plain 30+12 42+5/1")},
		{S("Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\nU3ViamVjdA==\n"),
			S("-1:message/rfc822 0+64 64+13/1 opaque")},
		{S("Content-Type: message/rfc822\n"),
			S("-1:message/rfc822 0+29 29+0/0 | 0:text/plain 29+0 29+0/0")},
		/* digests hold messages; a part that ends in its header */
		{S("Content-Type: multipart/digest; boundary=b\n\n--b\n\nSubject: x\n--b--\n"),
			S("-1:multipart/digest 0+44 44+22/4 | 0:message/rfc822 48+1 49+10/0 | "
			  "1:text/plain 49+10 59+0/0")},
		/* the same boundary inside and outside: the inner one wins */
		{S("Content-Type: multipart/mixed; boundary=b\n\n--b\n"
		   "Content-Type: multipart/mixed; boundary=b\n\n--b\n\nx\n--b--\n--b--\n"),
			S("-1:multipart/mixed 0+43 43+66/8 | 0:multipart/mixed 47+43 90+12/3 | "
			  "1:text/plain 94+1 95+1/0")},
		/* an empty body right before the outer boundary */
		{S("Content-Type: multipart/mixed; boundary=b\n\n--b\n"
		   "Content-Type: multipart/mixed; boundary=c\n\n--c\n\n--b--\n"),
			S("-1:multipart/mixed 0+43 43+58/6 | 0:multipart/mixed 47+43 90+5/2 broken | "
			  "1:text/plain 94+1 95+0/0")},
		/* what looks like a boundary is none */
		{S("Content-Type: multipart/mixed; boundary=b\n\n--bx\n-- b\n --b\n--b-\n--b--x\n"),
			S("-1:multipart/mixed 0+43 43+27/5 broken")},
	};

	for (size_t i = 0; i < ROWS(rows); i++) {
		arena a = ARENA_INIT;
		mime_table t;
		mime_parse(rows[i].message, &a, &t);
		SAME(told(&t, &a), rows[i].wanted);
		for (size_t step = 1; step < 10; step++)
			SAME(walk_in_pieces(rows[i].message, step, &a), rows[i].wanted);
		arena_release(&a);
	}
}

Test(mime, keeps_what_describes_a_part)
{
	arena a = ARENA_INIT;
	mime_table t;

	mime_parse(S("Content-Type: Text/Plain; charset=UTF-8; name=other.txt\r\n"
		     "Content-Transfer-Encoding: Quoted-Printable\r\n"
		     "Content-Disposition: Attachment; filename*=utf-8''b%C3%A4r.txt\r\n"
		     "Content-ID: <id@x>\r\nContent-Description: a\r\n b\r\nContent-MD5: Q2h=\r\n"
		     "Content-Language: de\r\nContent-Location: http://x/\r\n"
		     "Content-ID: <second@x>\r\n\r\n"),
		&a, &t);
	cr_assert_eq(t.count, 1);
	SAME(t.part->charset, S("UTF-8"));
	SAME(t.part->name, S("b\xc3\xa4r.txt"));
	SAME(t.part->encoding, S("quoted-printable"));
	cr_assert_eq(t.part->transfer, TRANSFER_QUOTED_PRINTABLE);
	SAME(t.part->disposition, S("attachment"));
	SAME(t.part->id, S("<id@x>"));
	SAME(t.part->description, S("a b"));
	SAME(t.part->md5, S("Q2h="));
	SAME(t.part->language, S("de"));
	SAME(t.part->location, S("http://x/"));
	arena_release(&a);
}

static void is_a_tree(const mime_table *t)
{
	for (size_t i = 0; i < t->count; i++) {
		const mime_part *p = &t->part[i];
		cr_assert(i == 0 ? p->parent == MIME_NO_PARENT : p->parent < i);
		cr_assert_leq(p->depth, MIME_DEPTH_MOST);
		cr_assert_eq(p->header_at + p->header_size, p->body_at);
		cr_assert_leq(p->body_at + p->body_size, t->size);
	}
}

Test(mime, depth_and_number_of_parts_are_capped)
{
	arena a = ARENA_INIT;
	mime_table t;
	text m = TEXT_INIT;

	for (int i = 0; i < 10000; i++)
		text_format(&m, "Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n", i, i);
	mime_parse(text_slice(&m), &a, &t);
	cr_assert_eq(t.count, MIME_DEPTH_MOST + 1);
	cr_assert(t.part[MIME_DEPTH_MOST].opaque);
	is_a_tree(&t);
	text_clear(&m);
	for (int i = 0; i < 10000; i++)
		text_add(&m, S("Content-Type: message/rfc822\n\n"));
	mime_parse(text_slice(&m), &a, &t);
	cr_assert_eq(t.count, MIME_DEPTH_MOST + 1);
	cr_assert(t.part[MIME_DEPTH_MOST].opaque);
	is_a_tree(&t);
	text_clear(&m);
	text_add(&m, S("Content-Type: multipart/mixed; boundary=b\n\n"));
	for (int i = 0; i < 100000; i++)
		text_add(&m, S("--b\n\nx\n"));
	mime_parse(text_slice(&m), &a, &t);
	cr_assert_eq(t.count, MIME_PARTS_MOST);
	cr_assert(t.truncated);
	is_a_tree(&t);
	text_free(&m);
	arena_release(&a);
}

Test(mime, long_header_is_looked_at_in_part_only)
{
	arena a = ARENA_INIT;
	mime_table t;
	text m = TEXT_INIT;

	text_add(&m, S("Content-Type: a/b\n"));
	for (int i = 0; i < 400000; i++)
		text_add(&m, S(" long line"));
	text_add(&m, S("\nContent-ID: <late>\n\nbody"));
	mime_parse(text_slice(&m), &a, &t);
	cr_assert(t.part->truncated);
	SAME(t.part->type, S("a"));
	SAME(t.part->id, S(""));
	cr_assert_eq(t.part->body_size, 4);
	cr_assert_lt(a.total, 1024 * 1024);
	text_free(&m);
	arena_release(&a);
}
