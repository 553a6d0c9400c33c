/* Clients: each is one end of a socket pair (or a connection to a running instance); at the other
   end a conversation of the service runs as a fiber of its own. */
#include "play.h"

#include "base/id.h"
#include "base/memory.h"
#include "connector/smtp/smtp.h"
#include "mail/dot.h"
#include "net/conversation_inside.h"
#include "provider/auth_apop.h"
#include "service/imap/imap.h"
#include "service/pop3/pop3.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define ANSWER (60 * USEC_S) /* patience of a client for an answer */
#define SILENCE USEC_S       /* how long "nothing" is listened for */
#define LINE_MOST (64 << 20)
#define LEAVING (USEC_S * 7200) /* no conversation outlives its clients longer than that */
#define LEASE_MOST (3600 * USEC_S)
#define HANDSHAKE (60 * USEC_S)

/* ---- the servers' side */

struct guest {
	conversation c;
	struct play *play;
	bool tls;
	status (*run)(conversation *c);
};

static status guest_talk(void *arg)
{
	struct guest *g = arg;
	status kind = ST_OK;

	conversation_enter(&g->c);
	g->c.implicit_tls = g->tls;
	if (g->tls) {
		stream_patience(g->c.stream, HANDSHAKE, 0, 0);
		kind = stream_tls_accept(g->c.stream, g->c.tls);
	}
	if (kind == ST_OK)
		kind = g->run(&g->c);
	conversation_end(&g->c, kind);
	g->play->open--;
	memory_free(g);
	return kind;
}

/* How a client comes: "smtp", "submission tls", "pop3 from 192.0.2.7", "pop3 without tls". */
struct arrival {
	enum service service;
	status (*run)(conversation *c);
	bool tls, no_tls;
	slice from;
};

static bool read_service(slice word, struct arrival *out)
{
	if (slice_same(word, S("pop3")))
		*out = (struct arrival){.service = SERVICE_POP3, .run = pop3_conversation};
	else if (slice_same(word, S("imap")))
		*out = (struct arrival){.service = SERVICE_IMAP, .run = imap_conversation};
	else if (slice_same(word, S("smtp")))
		*out = (struct arrival){.service = SERVICE_SMTP, .run = smtp_conversation};
	else if (slice_same(word, S("submission")))
		*out = (struct arrival){.service = SERVICE_SUBMISSION, .run = smtp_conversation};
	else
		return false;
	out->from = S("192.0.2.10");
	return true;
}

static bool read_arrival(struct play *p, slice text, struct arrival *out)
{
	slice word, value;
	bool comma;

	if (!script_word(&text, &p->a, &word, &comma) || !read_service(word, out))
		return false;
	while (script_word(&text, &p->a, &word, &comma)) {
		if (slice_same(word, S("tls")))
			out->tls = true;
		else if (slice_same(word, S("from")) && script_word(&text, &p->a, &value, &comma))
			out->from = value;
		else if (slice_same(word, S("without")) &&
			 script_word(&text, &p->a, &value, &comma))
			out->no_tls = true;
		else
			return false;
	}
	return true;
}

static bool arrive_here(struct play *p, const struct arrival *how, struct client *c)
{
	int fd[2];
	stream *taken;
	struct guest *g = memory_new(sizeof *g);

	*g = (struct guest){.play = p, .tls = how->tls, .run = how->run};
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd) != 0)
		return false;
	/* Octets that come one by one cost a unix socket a buffer each: room for what both sides
	   say at once. */
	for (int i = 0; i < 2; i++)
		setsockopt(fd[i], SOL_SOCKET, SO_SNDBUF, &(int){1 << 20}, sizeof(int));
	stream_open(fd[0], fd[0], &taken);
	conversation_begin(&g->c, how->service, taken, how->no_tls ? NULL : p->tls);
	g->c.trusted = slice_same(how->from, S("stdio"));
	if (!g->c.trusted && net_address_parse(how->from, &g->c.peer) != ST_OK)
		return false;
	p->open++;
	if (!task_start(service_name(how->service), guest_talk, g))
		return false;
	c->line = fd[1];
	return stream_open(fd[1], fd[1], &c->s) == ST_OK;
}

static bool arrive_there(struct play *p, const struct arrival *how, stream **s)
{
	const struct instance *i = p->instance;
	const unsigned port[SERVICE_COUNT][2] = {
		[SERVICE_SMTP] = {i->smtp, i->submissions},
		[SERVICE_SUBMISSION] = {i->submission, i->submissions},
		[SERVICE_POP3] = {i->pop3, i->pop3s},
		[SERVICE_IMAP] = {i->imap, i->imaps},
	};
	net_address to;

	if (net_address_parse(i->host, &to) != ST_OK)
		return false;
	to.port = (uint16_t)port[how->service][how->tls];
	return stream_connect(&to, NULL, s) == ST_OK;
}

/* ---- verbs */

static bool client_tls(struct play *p, struct client *c)
{
	stream_patience(c->s, ANSWER, 0, 0);
	return stream_tls_connect(c->s, p->trust, "localhost", TLS_VERIFY_NAME) == ST_OK;
}

static void verb_connect(struct play *p, struct client *c, slice rest)
{
	struct arrival how;

	if (!read_arrival(p, rest, &how)) {
		play_fails(p,
			"connect to what? (smtp, submission, pop3, imap; tls; from ADDRESS; without tls)");
		return;
	}
	if (c->s)
		stream_close(&c->s);
	*c = (struct client){0};
	bool there = p->instance ? arrive_there(p, &how, &c->s) : arrive_here(p, &how, c);
	if (!there || (how.tls && !client_tls(p, c))) {
		if (!p->forgiving)
			play_fails(p, "cannot connect");
		c->ended = true;
	}
}

static void verb_tls(struct play *p, struct client *c, slice rest)
{
	bool wanted = !slice_same(rest, S("fails"));
	bool done = client_tls(p, c);

	if (done != wanted && !p->forgiving)
		play_fails(p, done ? "the handshake succeeded" : "the handshake failed");
	c->ended |= !done;
}

/* What is said from here on is packed both ways (IMAP COMPRESS). */
static void verb_deflate(struct play *p, struct client *c, slice rest)
{
	(void)rest;
	if (stream_deflate(c->s) != ST_OK && !p->forgiving)
		play_fails(p, "cannot pack: something is unread");
}

/* Who goes away with something unread breaks the line; a stream reads it first. */
static void line_cut(int fd)
{
	int unread = 0, nowhere = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (ioctl(fd, FIONREAD, &unread) == 0 && unread > 0) {
		task_forget(fd);
		dup2(nowhere, fd);
	}
	close(nowhere);
}

static void verb_close(struct play *p, struct client *c, slice rest)
{
	(void)rest;
	p->unsure |= !c->ended || !c->quits;
	if (c->s && !p->instance)
		line_cut(c->line);
	stream_close(&c->s);
}

static void verb_apop(struct play *p, struct client *c, slice rest)
{
	slice name, password;
	bool comma;
	const struct variable *stamp = NULL;

	for (int i = 0; i < p->v.n; i++)
		if (slice_same(p->v.rows[i].name, S("stamp")))
			stamp = &p->v.rows[i];
	if (!stamp || !script_word(&rest, &p->a, &name, &comma) ||
		!script_word(&rest, &p->a, &password, &comma)) {
		if (!p->forgiving)
			play_fails(p, "apop NAME PASSWORD needs the greeting's $stamp");
		return;
	}
	slice banner = arena_format(&p->a, "<%.*s>", SLICE_ARGS(stamp->value));
	slice digest = auth_apop_digest(banner, password, &p->a);
	stream_format(c->s, "APOP %.*s %.*s\r\n", SLICE_ARGS(name), SLICE_ARGS(digest));
}

static void verb_text(struct play *p, struct client *c, slice rest)
{
	dot_writer w = {0};
	text out = TEXT_INIT;
	slice bytes;

	if (play_file(p, rest, &bytes)) {
		dot_write(&w, bytes, &out);
		dot_write_end(&w, &out);
		stream_write(c->s, text_slice(&out));
	}
	text_free(&out);
}

/* signed DOMAIN "text", sealed DOMAIN "text" */
static void say_signed(struct play *p, struct client *c, slice rest, bool chain)
{
	dot_writer w = {0};
	text out = TEXT_INIT;
	slice domain, bytes;
	bool comma;

	if (!script_word(&rest, &p->a, &domain, &comma) ||
		!script_word(&rest, &p->a, &bytes, &comma)) {
		play_fails(p, "signed|sealed DOMAIN \"text\"");
		return;
	}
	dot_write(&w, seal_sign(p, domain, bytes, chain), &out);
	dot_write_end(&w, &out);
	stream_write(c->s, text_slice(&out));
	text_free(&out);
}

static void verb_signed(struct play *p, struct client *c, slice rest)
{
	say_signed(p, c, rest, false);
}

static void verb_sealed(struct play *p, struct client *c, slice rest)
{
	say_signed(p, c, rest, true);
}

static void verb_file(struct play *p, struct client *c, slice rest)
{
	slice bytes;

	if (play_file(p, rest, &bytes))
		stream_write(c->s, bytes);
}

static const struct verb {
	const char *name;
	void (*run)(struct play *p, struct client *c, slice rest);
} verbs[] = {
	{"connect", verb_connect},
	{"tls", verb_tls},
	{"close", verb_close},
	{"deflate", verb_deflate},
	{"apop", verb_apop},
	{"text", verb_text},
	{"file", verb_file},
	{"signed", verb_signed},
	{"sealed", verb_sealed},
};

static const struct verb *find_verb(slice text, slice *rest)
{
	slice name = slice_until(text, slice_find(text, ' '));

	for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++)
		if (slice_same(name, slice_z(verbs[i].name))) {
			*rest = slice_trim(slice_from(text, name.size));
			return &verbs[i];
		}
	return NULL;
}

static void say(struct play *p, struct client *c, const struct line *l)
{
	slice rest;
	const struct verb *verb = l->kind == LINE_SAY ? find_verb(l->text, &rest) : NULL;
	bool arrives = verb && verb->run == verb_connect;

	if (!c->s && !arrives) {
		if (!p->forgiving)
			play_fails(p, "client %c is not connected", l->who);
		return;
	}
	if (c->s && c->ended && verb && verb->run != verb_close && !arrives)
		return;
	if (c->s)
		stream_patience(c->s, ANSWER, 0, 0);
	c->spoke = clock_now();
	if (verb) {
		play_note(p, l->who, '>', l->text);
		verb->run(p, c, rest);
	} else {
		slice bytes = script_bytes(l->text, &p->v, &p->a);
		play_note(p, l->who, '>', bytes);
		stream_write(c->s, bytes);
		if (l->kind == LINE_SAY)
			stream_write(c->s, S("\r\n"));
		c->quits |= slice_same_nocase(bytes, S("QUIT"));
	}
	/* A server that has closed is noticed when its answer is missed. */
	if (c->s)
		stream_flush(c->s);
}

/* ---- hearing */

/* Ids in "250 2.6.0 Stored as ..." are promises. */
static void note_promise(struct play *p, slice line)
{
	slice start = S("250 2.6.0 Stored as ");
	int64_t id;

	if (slice_starts(line, start) && id_parse(slice_from(line, start.size), &id) &&
		p->acknowledged_count < (int)(sizeof p->acknowledged / sizeof *p->acknowledged))
		p->acknowledged[p->acknowledged_count++] = id;
}

static status hear_line(struct play *p, struct client *c, char who, slice *line)
{
	enum line_end end = LINE_CRLF;

	if (c->ended)
		return ST_CLOSED;
	stream_patience(c->s, ANSWER, 0, 0);
	status kind = stream_line(c->s, LINE_MOST, line, &end);
	if (kind != ST_OK) {
		c->ended |= kind == ST_CLOSED;
		play_note(p, who, '!', slice_z(status_name(kind)));
		return kind;
	}
	play_note(p, who, '<', *line);
	note_promise(p, *line);
	if (end != LINE_CRLF)
		play_fails(p, "the server ended a line with a bare LF");
	return ST_OK;
}

static void wrong_answer(struct play *p, slice pattern, status kind, slice got)
{
	if (p->forgiving)
		return;
	if (kind == ST_OK)
		play_fails(
			p, "expected: %.*s\n     got: %.*s", SLICE_ARGS(pattern), SLICE_ARGS(got));
	else
		play_fails(p, "expected: %.*s\n     got: nothing (%s)", SLICE_ARGS(pattern),
			status_name(kind));
}

static void hear_closed(struct play *p, struct client *c, char who)
{
	slice line = {0};
	status kind = hear_line(p, c, who, &line);

	while (p->forgiving && kind == ST_OK)
		kind = hear_line(p, c, who, &line);
	if (kind != ST_CLOSED)
		wrong_answer(p, S("the connection's end"), kind, line);
}

static void hear_nothing(struct play *p, struct client *c, char who)
{
	slice line = {0};
	status kind = c->ended ? ST_CLOSED : stream_wait_input(c->s, SILENCE);

	if (kind == ST_TIMED_OUT || p->forgiving)
		return;
	if (kind == ST_OK)
		kind = hear_line(p, c, who, &line);
	wrong_answer(p, S("silence"), kind, line);
}

/* "PATTERN", or "PATTERN without PATTERN": lines until one is like the first, none like the
   second. */
static void hear_until(struct play *p, struct client *c, char who, slice pattern)
{
	slice line = {0}, unwanted = {0};
	size_t cut = slice_search(pattern, S(" without "));
	status kind;

	if (cut < pattern.size) {
		unwanted = slice_from(pattern, cut + S(" without ").size);
		pattern = slice_until(pattern, cut);
	}
	do {
		kind = hear_line(p, c, who, &line);
		if (kind == ST_CLOSED && slice_same(pattern, S("closed")))
			return;
		if (kind != ST_OK) {
			wrong_answer(p, pattern, kind, line);
			return;
		}
		if (unwanted.size && script_match(unwanted, line, &p->v) && !p->forgiving)
			play_fails(p, "unwanted: %.*s", SLICE_ARGS(line));
	} while (!script_match(pattern, line, &p->v));
}

/* A text with dots, up to its end; false when it has none. */
static bool hear_text(struct client *c, text *got)
{
	dot_scan scan = {0};
	slice piece;

	while (!c->ended && !scan.done) {
		stream_patience(c->s, ANSWER, 0, 0);
		if (stream_peek(c->s, &piece) != ST_OK)
			return false;
		stream_consume(c->s, dot_scan_data(&scan, piece, got));
	}
	return scan.done;
}

/* "anna 1": the text that follows is that message, byte for byte. */
static void hear_stored(struct play *p, struct client *c, slice which)
{
	text got = TEXT_INIT;
	slice mailbox, number, body = {0};
	bool comma;

	if (!script_word(&which, &p->a, &mailbox, &comma) ||
		!script_word(&which, &p->a, &number, &comma)) {
		play_fails(p, "stored MAILBOX NUMBER");
		return;
	}
	bool whole = hear_text(c, &got);
	play_note(p, '*', '<', text_slice(&got));
	if (!p->forgiving && house_stored(p, mailbox, number, &body)) {
		bool same = slice_same(text_slice(&got), body) ||
			    (got.size == body.size + 2 && slice_starts(text_slice(&got), body));
		if (!whole || !same)
			play_fails(p, "%s%zu octets came, %zu are stored; they differ",
				whole ? "" : "the text had no end; ", got.size, body.size);
	}
	text_free(&got);
}

static void hear_one(struct play *p, struct client *c, char who, slice pattern)
{
	slice line = {0};
	status kind = hear_line(p, c, who, &line);

	if (kind != ST_OK || !script_match(pattern, line, &p->v))
		wrong_answer(p, pattern, kind, line);
}

/* "5 s PATTERN", since the client spoke last. */
static void hear_within(struct play *p, struct client *c, char who, slice rest)
{
	usec most = play_span(&rest);

	if (most < 0)
		play_fails(p, "within NUMBER ms|s|min|h PATTERN");
	hear_one(p, c, who, rest);
	usec took = clock_now() - c->spoke;
	if (took > most && !p->forgiving)
		play_fails(p, "that took %lld ms", (long long)(took / USEC_MS));
}

static void hear(struct play *p, struct client *c, const struct line *l)
{

	if (!c->s) {
		if (!p->forgiving)
			play_fails(p, "client %c is not connected", l->who);
	} else if (slice_same(l->text, S("closed"))) {
		hear_closed(p, c, l->who);
	} else if (slice_same(l->text, S("nothing"))) {
		hear_nothing(p, c, l->who);
	} else if (slice_starts(l->text, S("stored "))) {
		hear_stored(p, c, slice_from(l->text, S("stored ").size));
	} else if (slice_starts(l->text, S("... "))) {
		hear_until(p, c, l->who, slice_from(l->text, 4));
	} else if (slice_starts(l->text, S("within "))) {
		hear_within(p, c, l->who, slice_from(l->text, S("within ").size));
	} else {
		hear_one(p, c, l->who, l->text);
	}
}

/* ---- */

void talk_line(struct play *p, const struct line *l)
{
	struct client *c = &p->clients[l->who - 'A'];

	if (l->kind == LINE_HEAR)
		hear(p, c, l);
	else
		say(p, c, l);
}

void talk_end(struct play *p)
{
	usec until = clock_now() + LEAVING;

	for (int i = 0; i < CLIENTS; i++)
		if (p->clients[i].s)
			verb_close(p, &p->clients[i], (slice){0});
	for (int i = 0; p->open > 0 && i < 100; i++)
		task_sleep(0);
	while (p->open > 0 && clock_now() < until)
		task_sleep(USEC_S * 10);
	/* A lock that could not be given back is free when its lease has ended. */
	if (p->forgiving)
		task_sleep(LEASE_MOST);
	if (p->open > 0)
		play_fails(p, "%d conversations go on though their clients have left", p->open);
}
