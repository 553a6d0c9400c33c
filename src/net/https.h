/* One GET or POST over HTTPS (RFC 9110, 9112), for what other systems publish beside their mail, or
   want to be told: small, bounded, and no more. One connection, one request, one answer; no
   redirects, no keep-alive, no encodings, and nothing is believed of a host whose certificate does
   not prove its name. All waits end with the task's deadline. */
#ifndef PENNYPOST_NET_HTTPS_H
#define PENNYPOST_NET_HTTPS_H

#include "net/stream.h"

struct https_ask {
	slice host;                    /* for Host, SNI and the certificate */
	net_address at;                /* address and port */
	slice path;                    /* "/.well-known/mta-sts.txt" */
	size_t most;                   /* octets of the answer's body */
	slice content, type;           /* https_post: what is posted, and its media type */
	const tls_client *authorities; /* NULL = tls_client_system() */
};
struct https_answer {
	int code;   /* 200 .. 599 */
	slice type; /* the media type, lower case, without parameters; may be empty */
	slice body; /* of https_get and 200 alone, else empty */
};

/* ST_OK: *out holds the answer, whatever its code. ST_DENIED: the certificate does not prove the
   host. ST_TOO_BIG: the body is longer than `most`. ST_INVALID: no HTTP, an encoding, or a body of
   unknown length, whose end could not be told from a cut. ST_CLOSED, ST_TIMED_OUT, ST_CANCELLED,
   ST_BUSY. */
status https_get(const struct https_ask *q, arena *a, struct https_answer *out);
/* The same; the answer's body is not read. */
status https_post(const struct https_ask *q, arena *a, struct https_answer *out);

/* The answer alone, from a stream on which the request was sent; kinds as above. */
status https_answer_read(stream *s, size_t most, arena *a, struct https_answer *out);

#endif
