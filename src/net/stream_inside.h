/* What the files of the stream share: reading and writing (stream.c) and the handshake
   (stream_tls.c). */
#ifndef PENNYPOST_NET_STREAM_INSIDE_H
#define PENNYPOST_NET_STREAM_INSIDE_H

#include "net/press.h"
#include "net/stream.h"
#include "net/tls_session.h"
#include "net/wire.h"

struct stream {
	wire wire;
	tls_session *tls;
	press *press; /* NULL: nothing is packed */
	char *packed; /* what came and is not unpacked yet: packed_at .. packed_end of
	packed_room */
	size_t packed_room, packed_at, packed_end;
	char *in;
	size_t in_room, in_at, in_end, seen;
	char *out;
	size_t out_room, out_end;
	usec until, until_most; /* of the present request */
	usec silence;           /* `until` is never further ahead; 0 = it may be */
	size_t rate, credit; /* bytes that extend it by a second; those passed since the last one */
	uint64_t bytes_in, bytes_out;
	net_address peer, local;
	const char *name;
	void (*heard)(void *to, slice piece); /* who overhears what is written, or NULL */
	void *heard_by;
	notice *other; /* ends a wait for input too; NULL but in stream_wait_input_or */
	enum service service;
	bool bulk;     /* input comes in large pieces: read it with a large buffer */
	bool hurry;    /* before the next wait for input, what has come is acknowledged */
	bool out_bulk; /* output fills a buffer before it is asked to go: the next one is large */
	bool ended;    /* the peer's orderly end was read */
	bool adrift;   /* amid an endless line: nothing is read any more */
	bool broken;   /* nothing can be sent any more */
	bool spoiled;  /* TLS must not say goodbye */
	enum tls_trouble tls_trouble;
};

/* ---- stream.c */
/* Waits after a read or write that said EAGAIN, within the stream's deadline. ST_EXISTS: its other
   notice came first. */
status stream_wait_turn(const stream *s, enum turn turn);
/* Gives the buffer of input back; what is unread in it is lost. */
void stream_give_in(stream *s);

#endif
