/* Streams; the contract stands in stream.h.

   Input buffer:   [ consumed | unread ......... | room ]
		   0          in_at   in_end       in_room
			      |-seen-|             `seen` unread bytes are known to hold no LF

   Reads try first and wait only when nothing is there; before they wait, output is flushed and an
   empty buffer goes back to the free list. */
#include "net/stream_inside.h"

#include "base/memory.h"
#include "base/secret.h"
#include "base/text.h"
#include "net/buffer.h"

#include <errno.h>
#include <linux/sockios.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

/* ---- opening and closing */

static void take_local(stream *s)
{
	struct sockaddr_storage at;
	socklen_t size = sizeof at;

	if (getsockname(s->wire.in, (struct sockaddr *)&at, &size) == 0)
		net_address_of(&at, &s->local);
}

static void take_peer(stream *s)
{
	struct sockaddr_storage at;
	socklen_t size = sizeof at;

	if (getpeername(s->wire.in, (struct sockaddr *)&at, &size) == 0)
		net_address_of(&at, &s->peer);
}

static stream *stream_new(void)
{
	stream *s = memory_new(sizeof *s);

	s->until = s->until_most = USEC_NEVER;
	s->name = "-";
	return s;
}

status stream_open(int in, int out, stream **made)
{
	stream *s = *made = stream_new();

	wire_open(&s->wire, in, out);
	if (s->wire.in_socket) {
		take_peer(s);
		take_local(s);
	}
	return ST_OK;
}

status stream_accepted(int fd, const net_address *peer, stream **made)
{
	stream *s = *made = stream_new();

	wire_accepted(&s->wire, fd);
	s->peer = *peer;
	take_local(s);
	return ST_OK;
}

void stream_give_in(stream *s)
{
	buffer_give(s->in, s->in_room);
	s->in = NULL;
	s->in_room = s->in_at = s->in_end = s->seen = 0;
}

static void give_out(stream *s)
{
	buffer_give(s->out, s->out_room);
	s->out = NULL;
	s->out_room = s->out_end = 0;
}

static void give_packed(stream *s)
{
	buffer_give(s->packed, s->packed_room);
	s->packed = NULL;
	s->packed_room = s->packed_at = s->packed_end = 0;
}

void stream_close(stream **closing)
{
	stream *s = *closing;

	if (!s)
		return;
	*closing = NULL;
	tls_session_close(&s->tls, !s->spoiled && !s->broken);
	wire_close(&s->wire);
	press_close(&s->press);
	give_packed(s);
	stream_give_in(s);
	give_out(s);
	if (s->service != SERVICE_NONE) {
		metric_add(M_bytes_in, s->service, (int64_t)s->bytes_in);
		metric_add(M_bytes_out, s->service, (int64_t)s->bytes_out);
	}
	memory_free(s);
}

void stream_belongs(stream *s, enum service service, const char *name)
{
	s->service = service;
	s->name = name;
}

void stream_overhear(stream *s, void (*heard)(void *to, slice piece), void *to)
{
	s->heard = heard;
	s->heard_by = to;
}

/* ---- deadlines */

static usec later(usec now, usec span)
{
	return span >= USEC_NEVER - now ? USEC_NEVER : now + span;
}

void stream_patience(stream *s, usec patience, size_t rate, usec most)
{
	usec now = clock_now();

	s->until = later(now, patience);
	s->until_most = rate ? later(now, most) : s->until;
	s->rate = rate;
	s->credit = 0;
	s->silence = 0;
}

void stream_pace(stream *s, usec silence, size_t rate)
{
	stream_patience(s, silence, rate, USEC_NEVER);
	s->silence = silence;
}

/* Bytes came or went: the deadline moves on. */
static void passed(stream *s, size_t n)
{
	if (!s->rate || s->until >= s->until_most)
		return;
	s->credit += n;
	usec span = (usec)(s->credit / s->rate) * USEC_S;
	s->credit %= s->rate;
	usec most = s->silence ? later(clock_now(), s->silence) : s->until_most;
	s->until = later(s->until, span);
	if (s->until > most)
		s->until = most;
}

status stream_wait_turn(const stream *s, enum turn turn)
{
	bool reading = turn == TURN_WAIT_READ;
	struct wait w[] = {
		{
			.fd = reading ? s->wire.in : s->wire.out,
			.ready = (reading ? WAIT_READ : WAIT_WRITE) | WAIT_TRIED,
		},
		{.fd = -1, .notice = s->other},
	};
	int which;

	TRY(task_wait_any(w, reading && s->other ? 2 : 1, s->until, &which));
	return which == 1 ? ST_EXISTS : ST_OK; /* the notice came first */
}

/* A peer that always has something for us never makes us wait; its deadline counts all the same and
   the others get their turn. */
static status still_in_time(const stream *s)
{
	if (s->until != USEC_NEVER && clock_now() > s->until)
		return ST_TIMED_OUT;
	return task_breathe();
}

/* ---- writing */

static enum turn write_now(stream *s, slice first, slice second, size_t *sent)
{
	if (s->tls)
		return tls_session_write(s->tls, first.size ? first : second, sent);
	return wire_write(&s->wire, first, second, sent);
}

/* Both, until all is out. *waited stays when there was no need to. */
static status send_now(stream *s, slice first, slice more, bool *waited)
{
	while (first.size + more.size > 0) {
		size_t sent;
		enum turn turn = write_now(s, first, more, &sent);
		if (turn == TURN_DONE) {
			s->bytes_out += sent;
			passed(s, sent);
			size_t of_first = sent < first.size ? sent : first.size;
			first = slice_from(first, of_first);
			more = slice_from(more, sent - of_first);
			continue;
		}
		if (turn == TURN_END || turn == TURN_BROKEN) {
			s->broken = true;
			return ST_CLOSED;
		}
		*waited = true;
		status kind = stream_wait_turn(s, turn);
		if (kind != ST_OK) {
			/* TLS may have to repeat a half-sent record, which nobody will: no
			   goodbye. */
			s->spoiled = true;
			s->broken = true;
			return kind;
		}
	}
	return ST_OK;
}

/* The same, packed piece by piece and so that the peer can read all of it. */
static status send_packed(stream *s, slice first, slice more, bool *waited)
{
	size_t room = BUFFER_MIDDLE;
	char *to = buffer_take(&room);
	status kind = ST_OK;

	for (bool all = false; kind == ST_OK && !all;) {
		bool last = first.size == 0;
		size_t made = press_pack(s->press, last ? &more : &first, last, to, room);

		all = last && more.size == 0 && made < room;
		kind = send_now(s, slice_of(to, made), (slice){0}, waited);
	}
	buffer_give(to, room);
	return kind;
}

/* What is buffered and then `more`, until all is out. */
static status send_all(stream *s, slice more, bool *waited)
{
	slice first = slice_of(s->out, s->out_end);

	*waited = false;
	status kind =
		s->press ? send_packed(s, first, more, waited) : send_now(s, first, more, waited);
	give_out(s);
	return kind;
}

status stream_write(stream *s, slice bytes)
{
	bool waited;

	if (s->broken)
		return ST_CLOSED;
	if (bytes.size == 0)
		return ST_OK;
	if (s->heard)
		s->heard(s->heard_by, bytes);
	if (!s->out) {
		s->out_room = s->out_bulk ? BUFFER_LARGE : BUFFER_MIDDLE;
		if (bytes.size <= s->out_room)
			s->out = buffer_take(&s->out_room);
	}
	if (!s->out || bytes.size > s->out_room - s->out_end) {
		TRY(send_all(s, bytes, &waited));
		s->out_bulk = true;
		return still_in_time(s);
	}
	memcpy(s->out + s->out_end, bytes.at, bytes.size);
	s->out_end += bytes.size;
	return ST_OK;
}

status stream_format_v(stream *s, const char *format, va_list args)
{
	char brief[512];
	va_list again;

	va_copy(again, args);
	int size = vsnprintf(brief, sizeof brief, format, args);
	status kind = ST_INVALID;
	if (size >= 0 && (size_t)size < sizeof brief) {
		kind = stream_write(s, slice_of(brief, (size_t)size));
	} else if (size >= 0) {
		text all = TEXT_INIT;
		text_reserve(&all, (size_t)size);
		text_format_v(&all, format, again);
		kind = stream_write(s, text_slice(&all));
		text_free(&all);
	}
	va_end(again);
	return kind;
}

status stream_format(stream *s, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	status kind = stream_format_v(s, format, args);
	va_end(args);
	return kind;
}

static status flush(stream *s, bool *waited)
{
	*waited = false;
	s->out_bulk = false;
	if (s->broken)
		return ST_CLOSED;
	return s->out_end ? send_all(s, slice_of(NULL, 0), waited) : ST_OK;
}

status stream_flush(stream *s)
{
	bool waited;

	return flush(s, &waited);
}

/* ---- reading */

/* Room for at least one more byte behind in_end. */
static void make_room(stream *s)
{
	size_t unread = s->in_end - s->in_at;
	size_t wanted = s->bulk ? BUFFER_LARGE : BUFFER_SMALL;

	if (unread == 0) {
		s->in_at = s->in_end = s->seen = 0;
		if (s->in_room >= wanted)
			return;
		stream_give_in(s);
		s->in_room = wanted;
		s->in = buffer_take(&s->in_room);
		return;
	}
	if (s->in_end < s->in_room)
		return;
	if (s->in_at > 0) {
		memmove(s->in, s->in + s->in_at, unread);
	} else {
		size_t room = s->in_room < BUFFER_LARGE ? BUFFER_LARGE : s->in_room * 2;
		char *larger = buffer_take(&room);
		memcpy(larger, s->in, unread);
		buffer_give(s->in, s->in_room);
		s->in = larger;
		s->in_room = room;
	}
	s->in_at = 0;
	s->in_end = unread;
}

static enum turn read_octets(stream *s, char *to, size_t room, size_t *got)
{
	return s->tls ? tls_session_read(s->tls, to, room, got)
		      : wire_read(&s->wire, to, room, got);
}

/* Takes what is here already; only then more from below. */
static enum turn read_packed(stream *s, char *to, size_t room, size_t *got)
{
	for (bool read = false;; read = true) {
		slice from = {0};

		if (s->packed)
			from = slice_of(s->packed + s->packed_at, s->packed_end - s->packed_at);
		enum turn turn = press_unpack(s->press, &from, to, room, got);

		s->packed_at = s->packed_end - from.size;
		if (turn != TURN_WAIT_READ || read)
			return turn == TURN_WAIT_READ
				       ? TURN_DONE
				       : turn; /* *got is 0: others have their turn */
		if (!s->packed) {
			s->packed_room = BUFFER_SMALL;
			s->packed = buffer_take(&s->packed_room);
		}
		s->packed_at = s->packed_end = 0;
		turn = read_octets(s, s->packed, s->packed_room, &s->packed_end);
		if (turn != TURN_DONE) {
			give_packed(s);
			return turn;
		}
	}
}

static enum turn read_now(stream *s, size_t *got)
{
	char *to = s->in + s->in_end;
	size_t room = s->in_room - s->in_end;

	return s->press ? read_packed(s, to, room, got) : read_octets(s, to, room, got);
}

static void filled(stream *s, size_t got)
{
	if (got == s->in_room - s->in_end)
		s->bulk = true;
	else if (got < BUFFER_SMALL / 2)
		s->bulk = false;
	s->in_end += got;
	s->bytes_in += got;
	passed(s, got);
}

/* At least one more byte, waiting when there is none. */
static status fill(stream *s)
{
	bool waited, hurry = s->hurry;

	s->hurry = false;
	if (s->adrift)
		return ST_CLOSED;
	TRY(still_in_time(s));
	for (;;) {
		size_t got;
		make_room(s);
		enum turn turn = read_now(s, &got);
		if (turn == TURN_DONE) {
			filled(s, got);
			if (got > 0)
				return ST_OK;
			TRY(still_in_time(s));
			continue;
		}
		if (s->in_at == s->in_end)
			stream_give_in(s);
		if (turn == TURN_BROKEN)
			s->broken = s->spoiled = true;
		s->ended = turn == TURN_END;
		if (hurry && turn == TURN_WAIT_READ && s->out_end == 0)
			wire_acknowledge(&s->wire);
		hurry = false;
		/* A peer that only ended its own half still reads our last replies. */
		status kind = flush(s, &waited);
		if (turn == TURN_END || turn == TURN_BROKEN)
			return ST_CLOSED;
		/* A peer that takes nothing any more may still be saying why. */
		if (kind != ST_OK && !(kind == ST_CLOSED && s->wire.refuses))
			return kind;
		if (s->press)
			press_rest(s->press);
		if (!waited)
			TRY(stream_wait_turn(s, turn));
	}
}

void stream_consume(stream *s, size_t n)
{
	s->in_at += n;
	s->seen = s->seen > n ? s->seen - n : 0;
}

static bool find_end(stream *s, size_t *at)
{
	const char *from = s->in + s->in_at;
	size_t unread = s->in_end - s->in_at;
	const char *end = unread > s->seen ? memchr(from + s->seen, '\n', unread - s->seen) : NULL;

	if (!end) {
		s->seen = unread;
		return false;
	}
	*at = (size_t)(end - from);
	return true;
}

/* The rest of an overlong line goes, piece by piece. */
static status skip_line(stream *s)
{
	size_t end, skipped = 0;

	do {
		size_t piece = s->in_end - s->in_at;

		stream_consume(s, piece);
		skipped += piece;
		s->adrift = s->press && skipped > STREAM_SKIP_MOST;
		if (s->adrift)
			return ST_TOO_BIG;
		TRY(fill(s));
	} while (!find_end(s, &end));
	stream_consume(s, end + 1);
	return ST_TOO_BIG;
}

status stream_line(stream *s, size_t most, slice *line, enum line_end *ended)
{
	size_t end;

	while (s->in_at == s->in_end || !find_end(s, &end)) {
		if (s->in_end - s->in_at > most + 1)
			return skip_line(s);
		TRY(fill(s));
	}
	const char *at = s->in + s->in_at;
	bool crlf = end > 0 && at[end - 1] == '\r';
	stream_consume(s, end + 1);
	if (end - crlf > most)
		return ST_TOO_BIG;
	*line = slice_of(at, end - crlf);
	*ended = crlf ? LINE_CRLF : LINE_LF;
	return ST_OK;
}

/* Behind the unread bytes lies what was moved to the front when room was made. */
void stream_forget(stream *s)
{
	if (!s->in)
		return;
	secret_forget(s->in, s->in_at);
	secret_forget(s->in + s->in_end, s->in_room - s->in_end);
}

status stream_peek(stream *s, slice *bytes)
{
	if (s->in_at == s->in_end)
		TRY(fill(s));
	*bytes = slice_of(s->in + s->in_at, s->in_end - s->in_at);
	return ST_OK;
}

status stream_some(stream *s, size_t most, slice *bytes)
{
	TRY(stream_peek(s, bytes));
	*bytes = slice_until(*bytes, most);
	stream_consume(s, bytes->size);
	return ST_OK;
}

size_t stream_pending(const stream *s)
{
	return s->in_end - s->in_at;
}

size_t stream_discard(stream *s)
{
	size_t dropped = stream_pending(s);

	stream_consume(s, dropped);
	return dropped;
}

status stream_wait_input(stream *s, usec span)
{
	usec until = s->until;

	if (stream_pending(s) > 0)
		return stream_flush(s);
	s->until = later(clock_now(), span);
	status kind = fill(s);
	s->until = until;
	return kind;
}

status stream_wait_input_or(stream *s, notice *other, usec span, bool *noticed)
{
	*noticed = false;
	s->other = other;
	status kind = stream_wait_input(s, span);
	s->other = NULL;
	if (kind != ST_EXISTS)
		return kind;
	*noticed = true;
	return ST_OK;
}

bool stream_is_quiet(stream *s)
{
	size_t got;

	if (stream_pending(s) > 0 || s->broken || s->ended)
		return false;
	make_room(s);
	enum turn turn = read_now(s, &got);
	if (turn == TURN_DONE) {
		filled(s, got);
		return false;
	}
	stream_give_in(s);
	s->ended = turn == TURN_END;
	if (turn == TURN_BROKEN)
		s->broken = s->spoiled = true;
	return turn == TURN_WAIT_READ || turn == TURN_WAIT_WRITE;
}

/* ---- DEFLATE */

status stream_deflate(stream *s)
{
	if (s->press || stream_pending(s) > 0)
		return ST_INVALID;
	stream_give_in(s);
	TRY(stream_flush(s));
	s->press = press_open();
	return ST_OK;
}

bool stream_is_deflated(const stream *s)
{
	return s->press != NULL;
}

/* ---- facts */

const net_address *stream_peer(const stream *s)
{
	return &s->peer;
}

const net_address *stream_local(const stream *s)
{
	return &s->local;
}

uint64_t stream_bytes_in(const stream *s)
{
	return s->bytes_in;
}

uint64_t stream_bytes_out(const stream *s)
{
	return s->bytes_out;
}

bool stream_was_heard(const stream *s)
{
	int unread = 0, trouble = 0;
	socklen_t size = sizeof trouble;

	if (!s->ended || s->broken || s->out_end > 0)
		return false;
	if (!s->wire.out_socket)
		return true;
	return ioctl(s->wire.out, SIOCOUTQ, &unread) == 0 && unread == 0 &&
	       getsockopt(s->wire.out, SOL_SOCKET, SO_ERROR, &trouble, &size) == 0 && trouble == 0;
}

void stream_hurry(stream *s)
{
	s->hurry = true;
}

void stream_bulk(stream *s)
{
	s->bulk = true;
}

bool stream_was_left(const stream *s)
{
	char next;

	if (!s->wire.in_socket || s->in_at < s->in_end || (s->tls && tls_session_holds(s->tls)))
		return false;
	if (s->ended || s->broken)
		return true;
	ssize_t n = recv(s->wire.in, &next, 1, MSG_PEEK | MSG_DONTWAIT);
	return n == 0 || (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR);
}
