/* One TLS session on a wire, for stream.c. Nothing here waits: every call tries once and says what
   to wait for. OpenSSL's error queue is cleared before and read right after each call of it. */
#ifndef PENNYPOST_NET_TLS_SESSION_H
#define PENNYPOST_NET_TLS_SESSION_H

#include "net/stream.h"
#include "net/wire.h"

typedef struct ssl_st tls_session;

status tls_session_server(const tls_server *t, wire *w, tls_session **out);
status tls_session_client(
	const tls_client *t, wire *w, const struct tls_wanted *wanted, tls_session **out);
/* Says goodbye when `orderly` (best effort, one attempt) and frees. */
void tls_session_close(tls_session **s, bool orderly);
/* TURN_BROKEN: *why is a short reason for logs, static or valid until the next session call of
   this thread. */
enum turn tls_session_handshake(tls_session *s, const char **why);
/* Of a handshake that gave TURN_END or TURN_BROKEN. */
enum tls_trouble tls_session_trouble(const tls_session *s);
enum turn tls_session_read(tls_session *s, char *to, size_t room, size_t *got);
/* Whether some of what came is not read yet, be it an end alone. */
bool tls_session_holds(const tls_session *s);
enum turn tls_session_write(tls_session *s, slice bytes, size_t *sent);
void tls_session_facts(const tls_session *s, arena *a, struct stream_tls *out);
status tls_session_binding(tls_session *s, slice kind, arena *a, slice *data);

#endif
