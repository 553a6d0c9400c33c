/* Answers of web servers: whole ones in every framing, and those that are cut, endless or
   nonsense. */
#include "net/https.h"

#include "help.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define OK_HEAD "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
#define GO_ON "HTTP/1.1 100 Continue\r\n\r\n"
#define MOST ((size_t)20)

/* The host says `z` and ends. */
static status answer(slice said, arena *a, struct https_answer *out)
{
	stream *s;
	int other;

	help_pair(&s, &other);
	cr_assert_eq(write(other, said.at, said.size), (ssize_t)said.size);
	close(other);
	status kind = https_answer_read(s, MOST, a, out);
	stream_close(&s);
	return kind;
}

static const struct {
	const char *said;
	status kind;
	int code;
	const char *body;
} rows[] = {
	{OK_HEAD "Content-Length: 5\r\n\r\nhello", ST_OK, 200, "hello"},
	{OK_HEAD "Content-Length: 5\r\n\r\nhello and more", ST_OK, 200, "hello"},
	{OK_HEAD "content-length: 0\r\n\r\n", ST_OK, 200, ""},
	{OK_HEAD "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello", ST_OK, 200, "hello"},
	{"HTTP/1.0 200\nContent-Length:5\n\nhello", ST_OK, 200, "hello"},
	{"HTTP/1.1 103 Hints\r\nLink: x\r\n\r\n" OK_HEAD "Content-Length: 2\r\n\r\nhi", ST_OK, 200,
		"hi"},
	{OK_HEAD
		"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n00001;x=y\r\n \r\n2\r\nme\r\n0\r\nA: b\r\n\r\n",
		ST_OK, 200, "hello me"},
	{OK_HEAD "Transfer-Encoding: chunked\r\nContent-Length: 99\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
		ST_OK, 200, "hi"},
	{OK_HEAD "Content-Encoding: identity\r\nContent-Length: 2\r\n\r\nhi", ST_OK, 200, "hi"},
	{"HTTP/1.1 301 Moved\r\nLocation: https://elsewhere.test/\r\n\r\n", ST_OK, 301, ""},
	{"HTTP/1.1 404 Not Found\r\nContent-Length: 100000\r\n\r\nnothing", ST_OK, 404, ""},
	/* As long as may be, and longer. */
	{OK_HEAD "Content-Length: 20\r\n\r\n12345678901234567890", ST_OK, 200,
		"12345678901234567890"},
	{OK_HEAD "Content-Length: 21\r\n\r\n", ST_TOO_BIG},
	{OK_HEAD "Content-Length: 9223372036854775807\r\n\r\n", ST_TOO_BIG},
	{OK_HEAD
		"Transfer-Encoding: chunked\r\n\r\n13\r\n1234567890123456789\r\n1\r\n0\r\n0\r\n\r\n",
		ST_OK, 200, "12345678901234567890"},
	{OK_HEAD "Transfer-Encoding: chunked\r\n\r\n13\r\n1234567890123456789\r\n2\r\n",
		ST_TOO_BIG},
	{OK_HEAD "Transfer-Encoding: chunked\r\n\r\nffffffff\r\n", ST_TOO_BIG},
	/* Cut. */
	{"", ST_CLOSED},
	{"HTTP/1.1 200 OK", ST_CLOSED},
	{OK_HEAD, ST_CLOSED},
	{OK_HEAD "Content-Length: 5\r\n\r\nhell", ST_CLOSED},
	{OK_HEAD "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", ST_CLOSED},
	{OK_HEAD "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n", ST_CLOSED},
	/* A length that is not told could be a cut. */
	{OK_HEAD "\r\nhello", ST_INVALID},
	{OK_HEAD "Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\nhi", ST_INVALID},
	{OK_HEAD "Transfer-Encoding: gzip, chunked\r\n\r\n", ST_INVALID},
	{OK_HEAD "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", ST_INVALID},
	{OK_HEAD "Transfer-Encoding: chunked\r\n\r\nx\r\n", ST_INVALID},
	{OK_HEAD "Transfer-Encoding: chunked\r\n\r\n\r\n", ST_INVALID},
	{OK_HEAD "Transfer-Encoding: chunked\r\n\r\n123456789\r\n", ST_INVALID},
	{OK_HEAD "Transfer-Encoding: chunked\r\n\r\n2\r\nhim\r\n", ST_INVALID},
	{OK_HEAD "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello", ST_INVALID},
	{OK_HEAD "Content-Length: +5\r\n\r\nhello", ST_INVALID},
	{OK_HEAD "Content-Length:\r\n\r\nhello", ST_INVALID},
	{OK_HEAD " folded: yes\r\n\r\n", ST_INVALID},
	{OK_HEAD "no field\r\n\r\n", ST_INVALID},
	{OK_HEAD ": no name\r\n\r\n", ST_INVALID},
	{GO_ON GO_ON GO_ON GO_ON GO_ON GO_ON OK_HEAD "Content-Length: 0\r\n\r\n", ST_INVALID},
	{"HTTP/2 200 OK\r\n\r\n", ST_INVALID},
	{"HTTP/1.1 20 OK\r\n\r\n", ST_INVALID},
	{"HTTP/1.1 2000 OK\r\n\r\n", ST_INVALID},
	{"HTTP/1.1 600 OK\r\n\r\n", ST_INVALID},
	{"HTTP/1.1 099 OK\r\n\r\n", ST_INVALID},
	{"HTTP/1.1-200 OK\r\n\r\n", ST_INVALID},
	{"220 mail.test ESMTP\r\n", ST_INVALID},
};

static void play(void)
{
	arena a = ARENA_INIT;

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct https_answer got = {0};
		status kind = answer(slice_z(rows[i].said), &a, &got);

		cr_expect_eq(kind, rows[i].kind, "row %zu gives %s", i, status_name(kind));
		cr_expect_eq(got.code, rows[i].code, "row %zu", i);
		cr_expect(slice_same(got.body, slice_z(rows[i].body)), "row %zu: %.*s", i,
			SLICE_ARGS(got.body));
	}
	arena_release(&a);
}

Test(https, reads_answers)
{
	play();
}

Test(https, reads_answers_byte_by_byte)
{
	stream_trickle(1);
	play();
	stream_trickle(0);
}

Test(https, knows_the_media_type)
{
	arena a = ARENA_INIT;
	struct https_answer got;

	cr_assert_ok(answer(
		S("HTTP/1.1 200 OK\r\nContent-Type: Text/Plain ;charset=utf-8\r\nContent-Length: 0\r\n\r\n"),
		&a, &got));
	cr_expect_slice(got.type, "text/plain");
	cr_assert_ok(answer(S("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"), &a, &got));
	cr_expect_slice(got.type, "");
	arena_release(&a);
}

/* `n` times the same words behind the status line. */
static slice many(const char *words, int n, arena *a)
{
	size_t size = strlen(words);
	char *to = arena_new(a, 20 + size * (size_t)n);

	memcpy(to, "HTTP/1.1 200 OK\r\n", 17);
	for (int i = 0; i < n; i++)
		memcpy(to + 17 + size * (size_t)i, words, size);
	return slice_of(to, 17 + size * (size_t)n);
}

Test(https, bounds_what_comes_before_the_body)
{
	arena a = ARENA_INIT;
	struct https_answer got;

	cr_expect_kind(answer(many("X: y\r\n", 200, &a), &a, &got), ST_TOO_BIG);
	cr_expect_kind(answer(many("X", 9000, &a), &a, &got), ST_CLOSED);
	arena_release(&a);
}
