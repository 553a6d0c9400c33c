/* TLS on a stream that is open: the handshake, what must not stand before it, and what it gave. */
#include "net/stream_inside.h"

#include "base/log.h"

static status handshake(stream *s)
{
	const char *why = "";

	for (;;) {
		enum turn turn = tls_session_handshake(s->tls, &why);
		if (turn == TURN_DONE)
			break;
		status kind = ST_CLOSED;
		if (turn == TURN_WAIT_READ || turn == TURN_WAIT_WRITE) {
			kind = stream_wait_turn(s, turn);
			if (kind == ST_OK)
				continue;
			why = status_name(kind);
		}
		s->spoiled = s->broken = true;
		s->tls_trouble = tls_session_trouble(s->tls);
		metric_add(M_tls_failures, s->service, 1);
		return log_trouble(kind, EV_TLS_FAILED, "conversation=%s reason=%s", s->name,
			log_quote(slice_z(why)));
	}
	metric_add(M_tls_handshakes, s->service, 1);
	return ST_OK;
}

/* Whatever came in the clear behind the command must never be read as if it came through TLS: the
   handshake is refused while any of it is here, and what arrives later breaks the handshake. */
static status ready_for_tls(stream *s)
{
	if (s->tls)
		return ST_INVALID;
	if (stream_pending(s) > 0)
		return log_trouble(ST_INVALID, EV_TLS_INJECTION, "conversation=%s bytes=%zu",
			s->name, stream_pending(s));
	stream_give_in(s);
	return stream_flush(s);
}

status stream_tls_accept(stream *s, const tls_server *t)
{
	TRY(ready_for_tls(s));
	TRY(tls_session_server(t, &s->wire, &s->tls));
	return handshake(s);
}

status stream_tls_connect(stream *s, const tls_client *t, const char *host, enum tls_verify v)
{
	return stream_tls_connect_as(s, t, &(struct tls_wanted){.host = host, .verify = v});
}

status stream_tls_connect_as(stream *s, const tls_client *t, const struct tls_wanted *w)
{
	TRY(ready_for_tls(s));
	TRY(tls_session_client(t, &s->wire, w, &s->tls));
	return handshake(s);
}

enum tls_trouble stream_tls_trouble(const stream *s)
{
	return s->tls_trouble;
}

bool stream_is_tls(const stream *s)
{
	return s->tls != NULL;
}

void stream_tls_facts(const stream *s, arena *a, struct stream_tls *out)
{
	*out = (struct stream_tls){0};
	if (s->tls)
		tls_session_facts(s->tls, a, out);
}

status stream_tls_binding(const stream *s, slice kind, arena *a, slice *data)
{
	return s->tls ? tls_session_binding(s->tls, kind, a, data) : ST_ABSENT;
}
