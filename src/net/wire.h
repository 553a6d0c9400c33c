/* The lowest step of a stream: moving bytes through a descriptor (or a pair) without waiting.
   Interrupted calls are repeated, broken pipes raise no signal on sockets, and stream_trickle()
   cuts everything into small pieces here, below TLS, for tests. */
#ifndef PENNYPOST_NET_WIRE_H
#define PENNYPOST_NET_WIRE_H

#include "base/slice.h"

typedef struct wire {
	int in, out;
	bool in_socket, out_socket;
	bool ended;   /* the peer sends no more */
	bool refuses; /* the peer takes no more */
} wire;

/* How far one attempt came. */
enum turn {
	TURN_DONE,       /* at least one byte moved */
	TURN_WAIT_READ,  /* try again when there is input */
	TURN_WAIT_WRITE, /* try again when there is room */
	TURN_END,        /* orderly end */
	TURN_BROKEN      /* reset, or TLS gone wrong */
};

void wire_open(wire *w, int in, int out); /* makes both non-blocking */
/* A socket that was accepted just now, non-blocking, and has what its listening socket had. */
void wire_accepted(wire *w, int fd);
void wire_close(wire *w);
/* Before a socket is closed: what came and nobody will read goes, up to 1 MB, so that the peer
   hears our last words instead of a reset. */
void wire_drain(int fd);
/* What has come is acknowledged now; nothing at all when it is no TCP socket. */
void wire_acknowledge(const wire *w);
enum turn wire_read(wire *w, char *to, size_t room, size_t *got);
/* Two pieces in one call; the second may be empty. */
enum turn wire_write(wire *w, slice first, slice second, size_t *sent);

#endif
