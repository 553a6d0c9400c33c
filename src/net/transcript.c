/* Rows of one talk; the contract stands in transcript.h. */
#include "net/transcript.h"

#include "base/id.h"
#include "base/memory.h"
#include "base/record.h"
#include "base/text.h"

#include <stdio.h>

enum { LINE_KEPT = 300, ADDRESS_MOST = 64, COMMAND_MOST = 24 };

struct line {
	char at[LINE_KEPT];
	size_t size;
};

struct transcript {
	enum service service;
	bool outward;
	const char *name;
	stream *stream;
	char peer[ADDRESS_MOST], local[ADDRESS_MOST], user[128], command[COMMAND_MOST];
	unsigned peer_port, local_port;
	int64_t message, next_message;
	bool begun, stray, answers;
	usec since;
	struct line details, first, last,
		present; /* `present`: what we say, since its line began */
	bool has_first;
	uint64_t said;      /* by us in all */
	uint64_t told_said; /* of it in rows */
	uint64_t told_heard;
	text asked;          /* as client: lines that wait for their answers */
	uint64_t asked_size; /* what they took on the wire */
	bool answered;       /* the greeting, at least */
};

static void keep(struct line *l, slice s)
{
	s = slice_until(s, sizeof l->at - l->size);
	memcpy(l->at + l->size, s.at, s.size);
	l->size += s.size;
}

static void set(struct line *l, slice s)
{
	l->size = 0;
	keep(l, s);
}

static slice got(const struct line *l)
{
	return slice_of(l->at, l->size);
}

static void set_z(char *to, size_t room, slice s)
{
	s = slice_until(s, room - 1);
	memcpy(to, s.at, s.size);
	to[s.size] = '\0';
}

/* ---- what we say */

static void line_said(transcript *t, slice line)
{
	if (line.size > 0 && line.at[line.size - 1] == '\r')
		line.size--;
	set(&t->last, line);
	if (!t->has_first)
		t->first = t->last;
	t->has_first = true;
}

/* Of a long piece only the lines at its two ends matter. */
static void overheard(void *to, slice piece)
{
	transcript *t = to;
	size_t end = slice_find(piece, '\n');

	t->said += piece.size;
	if (end == piece.size) {
		keep(&t->present, piece);
		return;
	}
	keep(&t->present, slice_until(piece, end));
	line_said(t, got(&t->present));
	piece = slice_from(piece, end + 1);
	end = slice_find_last(piece, '\n');
	if (end < piece.size) {
		slice lines = slice_until(piece, end);
		size_t before = slice_find_last(lines, '\n');
		line_said(t, before < lines.size ? slice_from(lines, before + 1) : lines);
		piece = slice_from(piece, end + 1);
	}
	set(&t->present, piece);
}

/* ---- opening and closing */

void transcript_peers(transcript *t, const net_address *peer, const net_address *local)
{
	arena a = ARENA_INIT;

	if (!t)
		return;
	set_z(t->peer, sizeof t->peer, net_address_text(peer, &a));
	set_z(t->local, sizeof t->local, net_address_text(local, &a));
	t->peer_port = peer->port;
	t->local_port = local->port;
	arena_release(&a);
}

transcript *transcript_open(enum service service, bool outward, const char *name, stream *s,
	const net_address *peer, const net_address *local)
{
	if (!(record_kinds(service) & (RECORD_W3C | RECORD_ACTIVITY)))
		return NULL;
	transcript *t = memory_new(sizeof *t);

	t->service = service;
	t->outward = outward;
	t->name = name;
	t->stream = s;
	transcript_peers(t, peer, local);
	stream_overhear(s, overheard, t);
	return t;
}

void transcript_close(transcript **closing)
{
	transcript *t = *closing;

	if (!t)
		return;
	*closing = NULL;
	transcript_end(t);
	stream_overhear(t->stream, NULL, NULL);
	text_free(&t->asked);
	memory_free(t);
}

void transcript_user(transcript *t, slice name, slice postoffice)
{
	if (t)
		snprintf(t->user, sizeof t->user, "%.*s@%.*s", SLICE_ARGS(name),
			SLICE_ARGS(postoffice));
}

void transcript_message(transcript *t, int64_t id)
{
	if (!t)
		return;
	t->next_message = id;
	if (id != 0 || !t->begun)
		t->message = id;
}

/* ---- rows */

static void write_row(
	transcript *t, slice command, slice details, slice verdict, slice response, uint64_t sent)
{
	char message[ID_TEXT_SIZE + 1] = "";
	uint64_t heard = stream_bytes_in(t->stream) - stream_pending(t->stream);

	if (t->message)
		id_text(t->message, message);
	record_exchange(&(struct exchange){
		.service = t->service,
		.outward = t->outward,
		.conversation = slice_z(t->name),
		.message = slice_z(message),
		.peer = slice_z(t->peer),
		.local = slice_z(t->local),
		.peer_port = t->peer_port,
		.local_port = t->local_port,
		.user = slice_z(t->user),
		.command = command,
		.details = details,
		.verdict = verdict,
		.response = response,
		.sent = sent,
		.received = heard > t->told_heard ? heard - t->told_heard : 0,
		.took = clock_now() - t->since,
	});
	t->told_said += sent;
	t->told_heard = heard;
}

/* The code of an answer: the first word, of IMAP what follows the tag. */
static slice verdict_of(const transcript *t, slice response)
{
	slice word = {0};

	slice_take(&response, ' ', &word);
	if (t->service == SERVICE_IMAP)
		slice_take(&response, ' ', &word);
	else if (t->service != SERVICE_POP3)
		word = slice_until(word, 3);
	return word;
}

void transcript_begin(transcript *t, slice command, slice details)
{
	if (!t)
		return;
	transcript_end(t);
	t->begun = true;
	t->since = clock_now();
	set_z(t->command, sizeof t->command, command);
	set(&t->details, details);
}

void transcript_begin_stray(transcript *t, const char *what)
{
	transcript_begin(t, slice_z(what), TRANSCRIPT_SECRET);
	if (t)
		t->stray = true;
}

/* An IMAP answer without its tag. */
static void veil_tag(struct line *answer)
{
	struct line whole = *answer;
	slice rest = got(&whole), tag;

	if (!slice_take(&rest, ' ', &tag) || slice_same(tag, S("*")))
		return;
	set(answer, TRANSCRIPT_SECRET);
	keep(answer, S(" "));
	keep(answer, rest);
}

void transcript_end(transcript *t)
{
	if (!t || !t->begun)
		return;
	if (t->service == SERVICE_IMAP && !t->answers)
		t->last.size = 0;
	if (t->stray && t->service == SERVICE_IMAP)
		veil_tag(&t->last);
	slice response = got(t->service == SERVICE_POP3 ? &t->first : &t->last);

	t->begun = t->stray = t->answers = false;
	write_row(t, slice_z(t->command), got(&t->details), verdict_of(t, response), response,
		t->said - t->told_said);
	t->message = t->next_message;
	t->first.size = t->last.size = t->present.size = 0;
	t->has_first = false;
}

void transcript_answers(transcript *t)
{
	if (!t)
		return;
	t->answers = true;
	t->last.size = t->present.size = 0;
}

void transcript_asked(transcript *t, slice line, bool secret)
{
	if (!t)
		return;
	t->asked_size += line.size + 2;
	text_format(&t->asked, "%zu ", line.size + 2);
	if (secret && slice_starts(line, S("AUTH ")))
		text_add(&t->asked, S("AUTH ***"));
	else
		text_add(&t->asked, secret ? S("answer ***") : slice_until(line, LINE_KEPT));
	text_add_char(&t->asked, '\n');
}

/* The oldest line that waits, and what it took. */
static bool next_asked(transcript *t, slice *line, uint64_t *size)
{
	slice rest = text_slice(&t->asked), number;

	if (!slice_take(&rest, '\n', line) || !slice_take(line, ' ', &number))
		return false;
	slice_number(number, size);
	return true;
}

void transcript_answered(transcript *t, slice verdict, slice response)
{
	if (!t)
		return;
	uint64_t size = t->said - t->told_said - t->asked_size; /* a text */
	slice line, command = t->answered ? S("text") : S("connect");
	bool asked = next_asked(t, &line, &size);
	slice details = asked ? line : (slice){0};

	if (asked)
		slice_take(&details, ' ', &command);
	write_row(t, command, details, verdict, response, size);
	t->answered = true;
	t->since = clock_now();
	if (asked) {
		t->asked_size -= size;
		text_remove(&t->asked, (size_t)(line.at + line.size + 1 - t->asked.at));
	}
}
