/* SASL server mechanisms over auth.h, for every protocol: PLAIN (RFC 4616), LOGIN, SCRAM-SHA-256
   and -PLUS (RFC 5802, 7677), a table ready for XOAUTH2. The protocol moves the bytes (base64 is
   its matter); this room knows the steps. */
#ifndef PENNYPOST_PROVIDER_SASL_H
#define PENNYPOST_PROVIDER_SASL_H

#include "provider/auth.h"

typedef struct sasl sasl;

struct sasl_peer {
	struct auth_from from;
	/* Channel binding data of the connection, by name ("tls-exporter", ...): ST_ABSENT when not
	   to be had. NULL = no TLS. */
	status (*binding)(void *arg, slice kind, arena *a, slice *data);
	void *arg;
	bool password_unseen; /* no mechanism that shows us the password: neither PLAIN nor LOGIN */
};

/* Space-separated mechanisms to announce now (setting auth_mechanisms; nothing without TLS unless
   auth_allow_cleartext; -PLUS only with TLS, and when auth_plus_announced says so). Lives in the
   arena. */
slice sasl_offered(const struct sasl_peer *p, arena *a);
/* ST_ABSENT: no such mechanism on offer here. Lives in the arena (of the whole talk). */
status sasl_start(slice mechanism, const struct sasl_peer *p, arena *a, sasl **out);
/* One step: `in` the client's bytes (NULL when it sent no initial response); *out what to send.
   *done = false with ST_OK: send *out as challenge and step again with the answer.
   *done = true with ST_OK: logged on, *who is filled; *out (if not empty) goes with the success
   where the protocol can, else as a last challenge.
   ST_DENIED, ST_LIMITED, ST_BUSY as in auth.h; ST_INVALID: malformed (501). */
status sasl_step(sasl *s, const slice *in, arena *a, slice *out, bool *done, struct identity *who);
/* The initial response as it stands in a command: base64, or "=" for an empty one (RFC 4954 4,
   RFC 4959 3, RFC 5034 4). */
status sasl_initial(slice word, arena *a, slice *raw);
/* The whole exchange: steps until the outcome, while `ask` sends a challenge and brings the
   client's answer (both without base64; ST_ABSENT when the client gave up, or its own trouble,
   which is passed up after sasl_abort). `initial` NULL: the client sent none. What success wants to
   say goes as a last challenge that the client answers with nothing. */
struct sasl_talk {
	status (*ask)(void *arg, slice challenge, slice *answer);
	void *arg;
};
status sasl_exchange(sasl *s, const slice *initial, const struct sasl_talk *talk, arena *a,
	struct identity *who);
void sasl_abort(sasl *s); /* client sent "*": forgets what it learnt */

/* XOAUTH2 asks this for an identity; as long as it is NULL the mechanism is not offered. */
typedef status sasl_token_check(
	slice name, slice token, const struct auth_from *from, arena *a, struct identity *who);
void sasl_tokens(sasl_token_check *check);

/* Tests: the server's part of every following SCRAM nonce (lent); empty = random again. */
void sasl_nonce_fix(slice nonce);

#endif
