/* Conversations: beginning, speaking, ending. Commands are read and run in command.c. */
#include "net/conversation.h"

#include "base/encode.h"
#include "base/id.h"
#include "base/log.h"
#include "net/conversation_inside.h"
#include "net/listener.h"

#include <inttypes.h>
#include <stdatomic.h>

#define LAST_WORD (5 * USEC_S)
#define SAFE_MOST 64
#define ANSWER_MOST 12288 /* to a challenge: RFC 4954 4 */

static link_t present = {&present, &present}; /* on fibers; plain threads are nobody's to stop */
static atomic_uint open_by[SERVICE_COUNT];

unsigned conversation_count(enum service s)
{
	return atomic_load_explicit(&open_by[s], memory_order_relaxed);
}

void conversation_begin(conversation *c, enum service service, stream *s, const tls_server *tls)
{
	*c = (conversation){.service = service, .tls = tls, .started = clock_now(), .stream = s};
	c->id = id_new();
	id_text(c->id, c->name);
	c->peer = *stream_peer(c->stream);
	c->local = *stream_local(c->stream);
	c->trusted = c->peer.family == 0;
	list_init(&c->among);
	stream_belongs(c->stream, service, c->name);
	atomic_fetch_add_explicit(&open_by[service], 1, memory_order_relaxed);
}

void conversation_drop(conversation *c)
{
	peer_leave(&c->tenant);
	stream_close(&c->stream);
	atomic_fetch_sub_explicit(&open_by[c->service], 1, memory_order_relaxed);
}

void conversation_enter(conversation *c)
{
	c->task = task_self();
	if (c->task)
		list_append(&present, &c->among);
	task_label((int)c->service);
	c->rows = transcript_open(c->service, false, c->name, c->stream, &c->peer, &c->local);
	transcript_begin(c->rows, S("connect"), (slice){0});
	metric_add(M_conversations, c->service, 1);
	metric_add(M_conversations_open, c->service, 1);
	log_event(EV_CONVERSATION_OPENED, "conversation=%s service=%s peer=%.*s port=%u", c->name,
		service_name(c->service), SLICE_ARGS(net_address_text(&c->peer, &c->command)),
		c->peer.port);
	arena_release(&c->command);
}

void conversation_end(conversation *c, status how)
{
	list_remove(&c->among);
	if (how != ST_CLOSED)
		(void)conversation_last_words(c);
	log_event(EV_CONVERSATION_CLOSED,
		"conversation=%s outcome=%s commands=%" PRIu64 " in=%" PRIu64 " out=%" PRIu64
		" ms=%" PRId64,
		c->name, status_name(how), c->commands, stream_bytes_in(c->stream),
		stream_bytes_out(c->stream), (clock_now() - c->started) / USEC_MS);
	transcript_begin(c->rows, S("close"), slice_z(status_name(how)));
	transcript_close(&c->rows);
	metric_add(M_conversations_open, c->service, -1);
	task_label(SERVICE_NONE);
	conversation_drop(c);
	arena_release(&c->command);
	arena_release(&c->talk);
}

status conversation_belongs(conversation *c, int64_t postoffice, unsigned most)
{
	peer_leave(&c->tenant);
	if (postoffice == 0 ||
		peer_enter_postoffice(c->service, postoffice, most, &c->tenant) == ST_OK)
		return ST_OK;
	metric_add(M_conversations_refused, c->service, 1);
	log_event(EV_CONVERSATION_REFUSED,
		"conversation=%s service=%s peer=%s postoffice=%" PRId64 " reason=postoffice-limit",
		c->name, service_name(c->service), net_address_text(&c->peer, &c->command).at,
		postoffice);
	return ST_LIMITED;
}

status conversation_tls(conversation *c, usec patience)
{
	c->implicit_tls = true;
	stream_patience(c->stream, patience, 0, 0);
	conversation_idle(c, true);
	status kind = stream_tls_accept(c->stream, c->tls);
	conversation_idle(c, false);
	return kind;
}

static status run_whole(conversation *c, usec handshake, status (*run)(conversation *c))
{
	conversation_enter(c);
	status kind = handshake ? conversation_tls(c, handshake) : ST_OK;
	if (kind == ST_OK)
		kind = run(c);
	conversation_end(c, kind);
	return kind;
}

status conversation_run(enum service service, int in, int out, const tls_server *tls,
	status (*run)(conversation *c))
{
	conversation c;
	stream *s;

	stream_open(in, out, &s);
	conversation_begin(&c, service, s, tls);
	return run_whole(&c, 0, run);
}

status conversation_run_tls(enum service service, int in, int out, const tls_server *tls,
	usec handshake, status (*run)(conversation *c))
{
	conversation c;
	stream *s;

	stream_open(in, out, &s);
	conversation_begin(&c, service, s, tls);
	return run_whole(&c, handshake, run);
}

/* ---- stopping */

void conversation_idle(conversation *c, bool idle)
{
	c->idle = idle;
}

static void wake_idle(conversation *c)
{
	if (!c->idle || c->told)
		return;
	c->told = true;
	task_cancel(c->task);
}

void conversation_stop_idle(void)
{
	for (link_t *at = present.next; at != &present; at = at->next)
		wake_idle(LINK_OWNER(at, conversation, among));
}

void conversation_dismiss(void *of)
{
	conversation *c = of;

	c->dismissed = true;
	if (c->task)
		wake_idle(c);
}

/* ---- speaking */

status conversation_say(conversation *c, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	status kind = stream_format_v(c->stream, format, args);
	va_end(args);
	return kind == ST_OK ? stream_write(c->stream, S("\r\n")) : kind;
}

status conversation_last_words(conversation *c)
{
	task_shield(true);
	stream_patience(c->stream, LAST_WORD, 0, 0);
	status kind = stream_flush(c->stream);
	task_shield(false);
	return kind;
}

status conversation_challenge(conversation *c, const char *lead, slice challenge, slice *answer)
{
	slice line, coded = base64_encode(challenge, &c->command);
	enum line_end end;

	transcript_answers(c->rows);
	TRY(conversation_say(c, "%s %.*s", lead, SLICE_ARGS(coded)));
	transcript_end(c->rows);
	TRY(stream_line(c->stream, ANSWER_MOST, &line, &end));
	transcript_begin(c->rows, S("answer"), TRANSCRIPT_SECRET);
	if (slice_same(line, S("*")))
		return ST_ABSENT;
	status kind = base64_decode(line, &c->command, answer);
	stream_forget(c->stream);
	return kind;
}

const char *conversation_safe(conversation *c, slice bytes)
{
	slice shown = slice_until(bytes, SAFE_MOST);
	char *z = arena_new(&c->command, SAFE_MOST + sizeof "...");

	for (size_t i = 0; i < shown.size; i++)
		z[i] = shown.at[i] >= 0x20 && shown.at[i] <= 0x7e ? shown.at[i] : '?';
	if (shown.size < bytes.size)
		memcpy(z + shown.size, "...", 3);
	return z;
}

void conversation_bad(conversation *c)
{
	c->bad_commands++;
	metric_add(M_commands_bad, c->service, 1);
}
