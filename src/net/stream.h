/* Streams: buffered reading and writing on a socket (or a pair of descriptors for --stdio), with or
   without TLS, waiting by task_wait. Buffers are taken when needed and given back when the
   stream idles, so a silent conversation costs no buffer.

   Reads lend: a slice is valid until the next read on the stream. Writes gather in the buffer
   (16 KB) and go out when it is full, at stream_flush(), and always before a read waits: so
   replies to pipelined commands leave in one packet.

   Errors: ST_CLOSED (end or reset), ST_TIMED_OUT, ST_CANCELLED, ST_TOO_BIG (line too long),
   ST_INVALID. After any error but ST_TOO_BIG, and ST_TIMED_OUT of stream_wait_input, the stream is
   only good for a last word and closing. */
#ifndef PENNYPOST_NET_STREAM_H
#define PENNYPOST_NET_STREAM_H

#include "base/clock.h"
#include "base/metric.h"
#include "net/address.h"
#include "net/tls.h"
#include "task/task.h"

typedef struct stream stream;

/* Takes over the descriptor (in == out for a socket), made non-blocking; always ST_OK. Programs
   that stream into pipes ignore SIGPIPE; sockets raise none. */
status stream_open(int in, int out, stream **s);
/* A socket that was accepted just now, non-blocking and with TCP_NODELAY, from `peer`. */
status stream_accepted(int fd, const net_address *peer, stream **s);
/* Connects (happy with one address) within the task's deadline; `from` NULL = any source. */
status stream_connect(const net_address *to, const net_address *from, stream **s);
/* To a unix socket; its peer has no address. ST_INVALID: the path is too long. */
status stream_connect_path(slice path, stream **s);
void stream_close(stream **s); /* unsent output is dropped; call stream_flush before */

/* ---- deadlines: one per request, extended by arriving or leaving bytes.
   The following reads and writes end at `patience` from now; each `rate` bytes that pass extend it
   by one second, up to `most` from now. rate 0 = not extended. (Slow peers: T21, R3 of style.) */
void stream_patience(stream *s, usec patience, size_t rate, usec most);
/* For texts of any length: `silence` ends it, and each `rate` bytes that pass move the end on by
   one second, never further than `silence` ahead. Who is slower than the rate uses the silence
   up. */
void stream_pace(stream *s, usec silence, size_t rate);

/* ---- reading */
enum line_end {
	LINE_CRLF, /* the normal end */
	LINE_LF    /* a bare LF ended it: the caller decides whether that is an error */
};
/* One line without its end, of at most `most` bytes. A longer line is skipped up to its end and
   gives ST_TOO_BIG; the stream stays in step. Of one that comes packed (stream_deflate), which costs
   its peer a thousandth, so much is skipped; from then on reads give ST_CLOSED. A bare CR stays
   inside the line. */
#define STREAM_SKIP_MOST ((size_t)1024 * 1024)
status stream_line(stream *s, size_t most, slice *line, enum line_end *end);
/* Between 1 and `most` bytes, what is there; waits only when nothing is. */
status stream_some(stream *s, size_t most, slice *bytes);
/* Looks at what is buffered, waiting for at least one byte; does not consume. */
status stream_peek(stream *s, slice *bytes);
void stream_consume(stream *s, size_t n); /* after stream_peek */
/* Bytes already here, unread (behind TLS: those decoded so far). */
size_t stream_pending(const stream *s);
/* Drops what is buffered and unread (RFC 3207 4.2, T4): gives the count. */
size_t stream_discard(stream *s);
/* In the middle of a text or literal: should the next read have to wait, what has come is
   acknowledged first, unless there is output to go with. A peer that holds its last octets back
   until then (RFC 896) would wait for an acknowledgement that waits for an answer to go with
   (RFC 1122 4.2.3.2), 40 ms a message. */
void stream_hurry(stream *s);
/* A text begins: it is read in large pieces from the first one on. */
void stream_bulk(stream *s);
/* Waits up to `span` for input or the peer's end without consuming: ST_OK input is there,
   ST_TIMED_OUT nothing came, ST_CLOSED the peer has ended. Flushes first. Bounded by `span` and
   the task's deadline, not by stream_patience. Early-talker checks, IDLE. */
status stream_wait_input(stream *s, usec span);

/* Whether the peer is still there and has said nothing that is unread; looks once, never waits. For
   connections kept for later. */
bool stream_is_quiet(stream *s);
/* The same, or until the notice is raised, whichever comes first: IDLE. *noticed tells which. */
status stream_wait_input_or(stream *s, notice *other, usec span, bool *noticed);

/* ---- writing */
status stream_write(stream *s, slice bytes);
status stream_format(stream *s, const char *format, ...) __attribute__((format(printf, 2, 3)));
status stream_format_v(stream *s, const char *format, va_list args);
status stream_flush(stream *s);

/* ---- TLS */
/* Server or client handshake on the open stream. The caller has discarded or refused pending input
   before (T4); stream_tls_* returns ST_INVALID when unread input is buffered. On failure the stream
   is only good for closing. */
status stream_tls_accept(stream *s, const tls_server *t);
status stream_tls_connect(stream *s, const tls_client *t, const char *host, enum tls_verify v);
/* The same with all that a client may want: further names, TLSA records, a session of before.
   ST_INVALID also when TLS_VERIFY_DANE is wanted and no record is usable. */
status stream_tls_connect_as(stream *s, const tls_client *t, const struct tls_wanted *w);
/* Why stream_tls_connect or stream_tls_connect_as failed. */
enum tls_trouble stream_tls_trouble(const stream *s);
bool stream_is_tls(const stream *s);
/* Facts for Received and logs: "TLSv1.3", "TLS_AES_256_GCM_SHA384", 256, SNI name (or empty). */
struct stream_tls {
	slice version, cipher, sni;
	int bits;
	bool resumed;
	bool verified; /* our side is the client and the server's certificate proves what was
			  wanted; with TLS_VERIFY_NONE: would prove the name, had it been wanted */
	enum tls_trouble doubt; /* our side is the client: why it is not verified */
};
void stream_tls_facts(const stream *s, arena *a, struct stream_tls *out);
/* Channel binding for SCRAM-PLUS: "tls-exporter" (RFC 9266) or "tls-server-end-point" and
   "tls-unique" (RFC 5929; unique only below TLS 1.3). ST_ABSENT when not to be had. */
status stream_tls_binding(const stream *s, slice kind, arena *a, slice *data);

/* ---- DEFLATE (RFC 1951) below the words and above TLS, both ways from the next byte on (RFC 4978
   of IMAP). What is buffered goes out first as it is. ST_INVALID when it is on already, or unread
   input is buffered: that must never be read as if it had been packed. Costs what the
   peer said last, 32 KB at most, and 75 KB more while something is said. */
status stream_deflate(stream *s);
bool stream_is_deflated(const stream *s);

/* Wipes what has been read from its buffer: for lines that held a secret, before more is read. What
   was lent is gone with it. */
void stream_forget(stream *s);

/* Whose stream it is: the service its metrics count for and a name for logs (lent for the stream's
   life). Before it is told: SERVICE_NONE and "-". */
void stream_belongs(stream *s, enum service service, const char *name);

/* Shows `heard` all that is written from here on, before TLS and packing; it must not write. NULL:
   nobody. */
void stream_overhear(stream *s, void (*heard)(void *to, slice piece), void *to);

/* ---- facts */
const net_address *stream_peer(const stream *s);
const net_address *stream_local(const stream *s);
uint64_t stream_bytes_in(const stream *s);
uint64_t stream_bytes_out(const stream *s);
/* The peer has ended orderly and its system has acknowledged all that was sent. A peer that closes
   with our words unread, or is closed already when they come, resets the connection instead: so
   this tells that they were read, or were about to be. */
bool stream_was_heard(const stream *s);
/* The peer has ended or reset the connection, and nothing it said before is left to read. Never of
   one that is no socket: the end of a file is there before it is reached. */
bool stream_was_left(const stream *s);
/* Tests: hand out reads of at most n bytes and write at most n at once (0 = no limit); R12. */
void stream_trickle(size_t n);

#endif
