/* Streams over socket pairs: framing, gathering, patience, ends. */
#include "net/stream.h"

#include "help.h"
#include "net/buffer.h"
#include "net/stream_inside.h"

#include <linux/sockios.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static void nap(int ms)
{
	poll(NULL, 0, ms);
}

static void expect_line(stream *s, size_t most, const char *wanted, enum line_end wanted_end)
{
	slice line = {0};
	enum line_end end = LINE_CRLF;

	cr_assert_ok(stream_line(s, most, &line, &end));
	cr_expect_slice(line, wanted);
	cr_expect_eq(end, wanted_end);
}

static void read_all_kinds_of_lines(void)
{
	stream *s;
	int other;
	slice line;
	enum line_end end;

	help_pair(&s, &other);
	help_send(other, "one\r\ntwo\n\r\n\na\rb\r\r\n"
			 "tenletters\r\ntenletters\nelevenchars\r\nelevenchars\n"
			 "a line that is longer than all the others\r\nlast\r\nrest");
	close(other);
	expect_line(s, 10, "one", LINE_CRLF);
	expect_line(s, 10, "two", LINE_LF);
	expect_line(s, 10, "", LINE_CRLF);
	expect_line(s, 10, "", LINE_LF);
	expect_line(s, 10, "a\rb\r", LINE_CRLF);
	expect_line(s, 10, "tenletters", LINE_CRLF);
	expect_line(s, 10, "tenletters", LINE_LF);
	cr_expect_kind(stream_line(s, 10, &line, &end), ST_TOO_BIG);
	cr_expect_kind(stream_line(s, 10, &line, &end), ST_TOO_BIG);
	cr_expect_kind(stream_line(s, 10, &line, &end), ST_TOO_BIG);
	expect_line(s, 10, "last", LINE_CRLF);
	cr_expect_kind(stream_line(s, 10, &line, &end), ST_CLOSED);
	stream_close(&s);
	cr_expect_null(s);
	stream_close(&s);
}

ON_BOTH(stream, gives_lines_and_keeps_step_after_long_ones)
{
	read_all_kinds_of_lines();
}

ON_BOTH(stream, gives_the_same_lines_byte_by_byte)
{
	stream_trickle(1);
	read_all_kinds_of_lines();
	stream_trickle(3);
	read_all_kinds_of_lines();
	stream_trickle(0);
}

#define LONG_LINE ((size_t)300000)

static void *send_long_line(void *arg)
{
	int fd = *(int *)arg;
	char piece[1000];

	memset(piece, 'x', sizeof piece);
	for (size_t sent = 0; sent < LONG_LINE; sent += sizeof piece)
		if (send(fd, piece, sizeof piece, 0) != sizeof piece)
			abort();
	help_send(fd, "\r\nnext\r\n");
	close(fd);
	return NULL;
}

ON_BOTH(stream, gives_a_line_larger_than_any_buffer_whole)
{
	stream *s;
	int other;
	slice line;
	enum line_end end;

	help_pair(&s, &other);
	help_thread(send_long_line, &other);
	cr_assert_ok(stream_line(s, LONG_LINE, &line, &end));
	cr_expect_eq(line.size, LONG_LINE);
	cr_expect_eq(line.at[0], 'x');
	cr_expect_eq(line.at[LONG_LINE - 1], 'x');
	expect_line(s, 10, "next", LINE_CRLF);
	help_join();
	stream_close(&s);
}

ON_BOTH(stream, skips_a_line_larger_than_any_buffer)
{
	stream *s;
	int other;
	slice line;
	enum line_end end;

	help_pair(&s, &other);
	help_thread(send_long_line, &other);
	cr_expect_kind(stream_line(s, 512, &line, &end), ST_TOO_BIG);
	expect_line(s, 10, "next", LINE_CRLF);
	help_join();
	stream_close(&s);
}

/* A hundred megabytes in a hundred kilobytes, and no end of the line. */
static void *send_endless_line(void *arg)
{
	static const char letters[1 << 20];
	char packed[8192];
	press *p = press_open();
	int fd = *(int *)arg;

	for (int i = 0; i < 100; i++) {
		slice from = slice_of(letters, sizeof letters);

		while (from.size > 0) {
			size_t n = press_pack(p, &from, false, packed, sizeof packed);

			if (n > 0 && send(fd, packed, n, MSG_NOSIGNAL) < 0)
				from.size = 0;
		}
	}
	press_close(&p);
	shutdown(fd, SHUT_WR);
	return NULL;
}

ON_BOTH(stream, reads_a_bounded_part_of_a_line_without_end)
{
	stream *s;
	int other;
	slice line;
	enum line_end end;

	help_pair(&s, &other);
	cr_assert_ok(stream_deflate(s));
	help_thread(send_endless_line, &other);
	cr_expect_kind(stream_line(s, 8192, &line, &end), ST_TOO_BIG);
	cr_expect(s->in_room <= 2 * BUFFER_LARGE, "%zu", s->in_room);
	cr_expect(stream_bytes_in(s) < 2 * STREAM_SKIP_MOST, "%llu",
		(unsigned long long)stream_bytes_in(s));
	cr_expect_kind(stream_line(s, 8192, &line, &end), ST_CLOSED);
	cr_expect_eq(stream_pending(s), 0);
	cr_assert_ok(stream_write(s, S("BYE\r\n")));
	cr_assert_ok(stream_flush(s));
	stream_close(&s);
	help_join();
	close(other);
}

ON_BOTH(stream, answers_pipelined_commands_in_one_packet)
{
	stream *s;
	int other;
	slice line;
	enum line_end end;

	help_packets(&s, &other);
	help_send(other, "A\r\nB\r\nC\r\n");
	for (int i = 0; i < 3; i++) {
		cr_assert_ok(stream_line(s, 10, &line, &end));
		cr_assert_ok(stream_format(s, "%.*s done\r\n", SLICE_ARGS(line)));
	}
	stream_patience(s, 20 * USEC_MS, 0, 0);
	cr_expect_kind(stream_line(s, 10, &line, &end), ST_TIMED_OUT);
	cr_expect_str_eq(help_receive(other), "A done\r\nB done\r\nC done\r\n");
	close(other);
	stream_close(&s);
}

ON_BOTH(stream, sends_nothing_before_it_must)
{
	stream *s;
	int other;

	help_packets(&s, &other);
	cr_assert_ok(stream_write(s, S("early")));
	cr_expect_eq(recv(other, (char[9]){0}, 9, MSG_DONTWAIT), -1);
	cr_assert_ok(stream_flush(s));
	cr_expect_str_eq(help_receive(other), "early");
	cr_assert_ok(stream_write(s, S("dropped")));
	stream_close(&s);
	cr_expect_str_eq(help_receive(other), "");
	close(other);
}

static void *count_bytes(void *arg)
{
	int fd = *(int *)arg;
	unsigned char piece[7000];
	static uint64_t sum;
	ssize_t n;

	sum = 0;
	while ((n = recv(fd, piece, sizeof piece, 0)) > 0)
		for (ssize_t i = 0; i < n; i++)
			sum = sum * 31 + piece[i];
	return &sum;
}

static uint64_t sum_of(slice s, uint64_t sum)
{
	for (size_t i = 0; i < s.size; i++)
		sum = sum * 31 + (unsigned char)s.at[i];
	return sum;
}

static uint64_t received_sum;

static void *receive_sum(void *arg)
{
	received_sum = *(uint64_t *)count_bytes(arg);
	return NULL;
}

ON_BOTH(stream, sends_small_and_large_pieces_in_order)
{
	static const size_t sizes[] = {1, 5000, 16383, 16384, 3, 16385, 2000000, 12};
	static char large[2000100];
	stream *s;
	int other;
	uint64_t sum = 0;

	for (size_t i = 0; i < sizeof large; i++)
		large[i] = (char)(i * 7 + i / 251);
	help_pair(&s, &other);
	help_thread(receive_sum, &other);
	for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
		slice piece = slice_of(large + i, sizes[i]);
		sum = sum_of(piece, sum);
		cr_assert_ok(stream_write(s, piece));
	}
	cr_assert_ok(stream_flush(s));
	stream_close(&s);
	help_join();
	cr_expect_eq(received_sum, sum);
	close(other);
}

ON_BOTH(stream, formats_what_is_longer_than_its_buffers)
{
	static char wide[40000];
	stream *s;
	int other;
	uint64_t sum;

	memset(wide, 'w', sizeof wide - 1);
	help_pair(&s, &other);
	help_thread(receive_sum, &other);
	cr_assert_ok(stream_format(s, "%s-%d\r\n", wide, 7));
	cr_assert_ok(stream_flush(s));
	cr_expect_eq(stream_bytes_out(s), sizeof wide - 1 + 4);
	stream_close(&s);
	help_join();
	sum = sum_of(S("-7\r\n"), sum_of(slice_z(wide), 0));
	cr_expect_eq(received_sum, sum);
	close(other);
}

ON_BOTH(stream, ends_its_patience)
{
	stream *s;
	int other;
	slice line;
	enum line_end end;

	help_pair(&s, &other);
	help_send(other, "half a line");
	usec began = clock_now();
	stream_patience(s, 50 * USEC_MS, 0, 0);
	cr_expect_kind(stream_line(s, 100, &line, &end), ST_TIMED_OUT);
	cr_expect_geq(clock_now() - began, 50 * USEC_MS);
	close(other);
	stream_close(&s);
}

/* Later than the patience alone would wait. */
static void *send_the_end(void *arg)
{
	nap(300);
	help_send(*(int *)arg, "\r\n");
	return NULL;
}

/* Until nobody reads any more. */
static void *send_a_trickle(void *arg)
{
	int fd = *(int *)arg;

	while (send(fd, "x", 1, MSG_NOSIGNAL) == 1)
		nap(10);
	return NULL;
}

ON_BOTH(stream, grants_time_for_bytes_that_arrive)
{
	stream *s;
	int other;
	slice line;
	enum line_end end;

	help_pair(&s, &other);
	help_send(other, "sixty seconds, bought by as many bytes before the end comes.");
	help_thread(send_the_end, &other);
	stream_patience(s, 200 * USEC_MS, 1, 60 * USEC_S);
	cr_expect_kind(stream_line(s, 100, &line, &end), ST_OK);
	help_join();
	help_thread(send_a_trickle, &other);
	stream_patience(s, 200 * USEC_MS, 1000, 3600 * USEC_S);
	cr_expect_kind(stream_line(s, 100, &line, &end),
		ST_TIMED_OUT); /* a byte buys less than it takes */
	stream_close(&s);
	help_join();
	close(other);
}

static void *send_without_end(void *arg)
{
	int fd = *(int *)arg;
	char piece[4000];

	memset(piece, 'x', sizeof piece);
	while (send(fd, piece, sizeof piece, MSG_NOSIGNAL) > 0)
		;
	return NULL;
}

ON_BOTH(stream, ends_a_line_that_never_ends)
{
	stream *s;
	int other;
	slice line;
	enum line_end end;

	help_pair(&s, &other);
	help_thread(send_without_end, &other);
	stream_patience(s, 50 * USEC_MS, 1, 100 * USEC_MS);
	cr_expect_kind(stream_line(s, 100, &line, &end), ST_TIMED_OUT);
	stream_close(&s);
	help_join();
	close(other);
}

ON_BOTH(stream, ends_a_reader_that_never_reads)
{
	static char large[4000000];
	stream *s;
	int other;

	help_pair(&s, &other);
	stream_patience(s, 50 * USEC_MS, 0, 0);
	cr_expect_kind(stream_write(s, slice_of(large, sizeof large)), ST_TIMED_OUT);
	cr_expect_kind(stream_write(s, S("more")), ST_CLOSED);
	close(other);
	stream_close(&s);
}

ON_BOTH(stream, tells_a_peer_that_is_gone)
{
	static char large[100000];
	stream *s;
	int other;

	help_pair(&s, &other);
	close(other);
	cr_expect_kind(stream_wait_input(s, 60 * USEC_S), ST_CLOSED);
	cr_expect_kind(stream_write(s, slice_of(large, sizeof large)), ST_CLOSED);
	stream_close(&s);
}

ON_BOTH(stream, answers_a_peer_that_only_ended_its_own_half)
{
	stream *s;
	int other;
	slice line;
	enum line_end end;

	help_pair(&s, &other);
	help_send(other, "QUIT\r\n");
	shutdown(other, SHUT_WR);
	expect_line(s, 10, "QUIT", LINE_CRLF);
	cr_assert_ok(stream_write(s, S("bye\r\n")));
	cr_expect_kind(stream_line(s, 10, &line, &end), ST_CLOSED);
	cr_expect_str_eq(help_receive(other), "bye\r\n");
	close(other);
	stream_close(&s);
}

ON_BOTH(stream, lends_what_is_there)
{
	stream *s;
	int other;
	slice bytes;

	help_pair(&s, &other);
	help_send(other, "0123456789");
	cr_assert_ok(stream_peek(s, &bytes));
	cr_expect_slice(bytes, "0123456789");
	cr_expect_eq(stream_pending(s), 10);
	stream_consume(s, 2);
	cr_assert_ok(stream_some(s, 3, &bytes));
	cr_expect_slice(bytes, "234");
	cr_assert_ok(stream_some(s, 100, &bytes));
	cr_expect_slice(bytes, "56789");
	cr_expect_eq(stream_pending(s), 0);
	help_send(other, "dropped");
	cr_assert_ok(stream_wait_input(s, 60 * USEC_S));
	cr_expect_eq(stream_discard(s), 7);
	cr_expect_eq(stream_pending(s), 0);
	cr_expect_eq(stream_bytes_in(s), 17);
	close(other);
	stream_close(&s);
}

ON_BOTH(stream, waits_for_input_and_leaves_it_there)
{
	stream *s;
	int other;

	help_pair(&s, &other);
	cr_assert_ok(stream_write(s, S("hello\r\n")));
	cr_expect_kind(stream_wait_input(s, 20 * USEC_MS), ST_TIMED_OUT);
	cr_expect_str_eq(help_receive(other), "hello\r\n");
	help_send(other, "early\r\n");
	cr_expect_kind(stream_wait_input(s, 60 * USEC_S), ST_OK);
	cr_expect_kind(stream_wait_input(s, 60 * USEC_S), ST_OK);
	expect_line(s, 10, "early", LINE_CRLF);
	close(other);
	stream_close(&s);
}

ON_BOTH(stream, connects_and_is_refused)
{
	struct sockaddr_storage at;
	net_address to;
	stream *s;
	int door = socket(AF_INET, SOCK_STREAM, 0);

	cr_assert_ok(net_endpoint_parse(S("127.0.0.1:0"), &to));
	net_address any = to;
	cr_assert_eq(bind(door, (struct sockaddr *)&at, net_address_to(&to, &at)), 0);
	cr_assert_eq(listen(door, 4), 0);
	to.port = (uint16_t)help_port(door);
	cr_assert_ok(stream_connect(&to, &any, &s));
	cr_expect_eq(stream_peer(s)->port, to.port);
	cr_expect_eq(stream_peer(s)->family, 4);
	cr_expect(net_address_is_loopback(stream_local(s)));
	stream_close(&s);
	close(door);
	cr_expect_kind(stream_connect(&to, NULL, &s), ST_CLOSED);
}

/* A TCP connection on loopback: our stream and the other's descriptor. */
static void tcp_pair(stream **s, int *other)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof at;
	int door = socket(AF_INET, SOCK_STREAM, 0);

	cr_assert_eq(bind(door, (struct sockaddr *)&at, size), 0);
	cr_assert_eq(listen(door, 1), 0);
	getsockname(door, (struct sockaddr *)&at, &size);
	*other = socket(AF_INET, SOCK_STREAM, 0);
	cr_assert_eq(connect(*other, (struct sockaddr *)&at, size), 0);
	int fd = accept(door, NULL, NULL);
	cr_assert_ok(stream_open(fd, fd, s));
	close(door);
}

Test(stream, knows_whether_the_peer_heard_the_last_words)
{
	static const struct {
		bool reads, closes_before;
		bool heard;
		const char *what;
	} rows[] = {
		{true, false, true, "read, then closed"},
		{false, false, false, "closed with our words unread"},
		{false, true, false, "closed before we spoke"},
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		stream *s;
		int other;
		slice line;
		enum line_end end;
		char words[16];

		tcp_pair(&s, &other);
		cr_expect_not(stream_was_heard(s), "nobody has ended yet");
		if (rows[i].closes_before)
			close(other);
		stream_patience(s, 60 * USEC_S, 0, 0);
		cr_assert_ok(stream_write(s, S("250 ok\r\n")));
		cr_assert_ok(stream_flush(s));
		nap(50);
		if (rows[i].reads)
			cr_assert_eq(read(other, words, sizeof words), 8);
		if (!rows[i].closes_before)
			close(other);
		cr_expect_kind(stream_line(s, 100, &line, &end), ST_CLOSED);
		cr_expect_eq(stream_was_heard(s), rows[i].heard, "%s", rows[i].what);
		stream_close(&s);
	}
}

/* What a client sent behind its last command must not reset the line that carries our answer. */
Test(stream, closes_without_taking_its_last_words_along)
{
	for (int by_tcp = 0; by_tcp < 2; by_tcp++) {
		char junk[30000] = {0}, words[16];
		int ends[2], other;
		stream *s;

		if (by_tcp) {
			tcp_pair(&s, &other);
		} else {
			cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
			cr_assert_ok(stream_open(ends[0], ends[0], &s));
			other = ends[1];
		}
		for (int i = 0; i < 3; i++)
			cr_assert_eq(write(other, junk, sizeof junk), (ssize_t)sizeof junk);
		stream_patience(s, 60 * USEC_S, 0, 0);
		cr_assert_ok(stream_write(s, S("221 bye\r\n")));
		cr_assert_ok(stream_flush(s));
		stream_close(&s);
		cr_expect_eq(read(other, words, sizeof words), 9, "tcp: %d", by_tcp);
		cr_expect_eq(read(other, words, sizeof words), 0, "tcp: %d", by_tcp);
		close(other);
	}
}

static int unacknowledged(int fd)
{
	int octets = -1;

	cr_assert_eq(ioctl(fd, SIOCOUTQ, &octets), 0);
	return octets;
}

/* A conversation makes the kernel hold acknowledgements back for answers to go with. */
Test(stream, hurries_who_waits_to_be_acknowledged_amid_a_text)
{
	stream *s;
	int other;
	char words[16];
	slice some;

	tcp_pair(&s, &other);
	stream_patience(s, 60 * USEC_S, 0, 0);
	for (int i = 0; i < 20; i++) {
		help_send(other, "more\r\n");
		expect_line(s, 10, "more", LINE_CRLF);
		cr_assert_ok(stream_write(s, S("go on\r\n")));
		cr_assert_ok(stream_flush(s));
		cr_assert_eq(read(other, words, sizeof words), 7);
	}
	help_send(other, "all but the end");
	cr_assert_ok(stream_some(s, 100, &some));
	cr_assert_eq(some.size, 15);
	stream_hurry(s);
	cr_expect_eq(stream_wait_input(s, 20 * USEC_MS), ST_TIMED_OUT);
	cr_expect_eq(unacknowledged(other), 0);
	close(other);
	stream_close(&s);
}

Test(buffer, comes_in_three_sizes_or_as_asked)
{
	static const size_t rows[][2] = {
		{1, 4096},
		{4096, 4096},
		{4097, 16384},
		{20000, 65536},
		{65536, 65536},
		{65537, 65537},
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		size_t size = rows[i][0];
		char *at = buffer_take(&size);
		cr_expect_eq(size, rows[i][1]);
		memset(at, 1, size);
		buffer_give(at, size);
	}
	buffer_give(NULL, 0);
}

Test(buffer, is_given_out_again)
{
	size_t size = BUFFER_SMALL, other_size = BUFFER_SMALL;
	char *at = buffer_take(&size);

	buffer_give(at, size);
	char *again = buffer_take(&other_size);
	cr_expect_eq(at, again);
	buffer_give(again, other_size);
}
