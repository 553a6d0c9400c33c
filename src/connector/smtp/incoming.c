/* DATA and BDAT: the message arrives. The header section is gathered in memory (up to
   smtp_header_most), looked at once, and passed on; the body then flows through to one blob per
   post office. A message that is refused on its way is read to its end all the same, so that the
   conversation stays in step. What comes of it then: incoming_end.c. */
#include "base/id.h"
#include "base/memory.h"
#include "connector/smtp/hook.h"
#include "connector/smtp/incoming_inside.h"
#include "connector/smtp/passing.h"
#include "connector/smtp/reply.h"
#include "provider/digest.h"
#include "provider/message.h"

#include <inttypes.h>

#define PIECE (64 * 1024)

/* ---- opening and closing */

static bool may_normalise(const conversation *c)
{
	return slice_same(setting_text(S_smtp_bare_line_ends, NULL), S("normalise")) &&
	       smtp_in_networks(S_smtp_trusted_networks, smtp_client(c));
}

static struct incoming *incoming_open(conversation *c)
{
	struct smtp *s = smtp_of(c);
	struct incoming *in = memory_new(sizeof *in);
	s->incoming = in;
	in->scan.repair = may_normalise(c);
	in->most = s->most;
	in->delivery.id = s->id ? s->id : id_new();
	in->content = digest_open();
	in->picks = hook_picks_up(c->service);
	in->pickup = in->picks ? errand_text() : -1;
	return in;
}

void incoming_close(struct incoming **in)
{
	struct incoming *i = *in;
	if (!i)
		return;
	for (int p = 0; p < i->delivery.n; p++)
		blob_writer_close(&i->delivery.parts[p].body);
	reply_close(i);
	digest_close(&i->content);
	errand_text_drop(&i->pickup);
	text_free(&i->fresh);
	policy_text_close(&i->judged);
	text_free(&i->header);
	memory_free(i);
	*in = NULL;
}

/* ---- the header */

static const char *header_refusal(const struct smtp *s, const header_survey *seen)
{
	if (seen->received > (size_t)setting_number(S_smtp_received_most, NULL))
		return "554 5.4.6 Too many Received fields: the message is looping";
	if (s->authenticated && seen->from > 1)
		return "554 5.6.0 More than one From field";
	return NULL;
}

static const char *author_refusal(conversation *c, const header_survey *seen)
{
	switch (smtp_owns_authors(c, seen->first_from)) {
	case ST_OK:
		return NULL;
	case ST_DENIED:
		return "550 5.7.1 An address in From is not one of yours";
	default:
		return "451 4.3.0 The authors cannot be checked now; try again later";
	}
}

/* ---- passing on */

static status write_all(struct incoming *in, slice bytes)
{
	for (int i = 0; i < in->delivery.n; i++)
		TRY(blob_write(in->delivery.parts[i].body, bytes));
	return ST_OK;
}

static status write_body(struct incoming *in, slice bytes)
{
	policy_body(&in->judged, bytes);
	return write_all(in, bytes);
}

/* All of the header but the fields that claim to be ours. */
static status write_header(conversation *c, struct incoming *in, slice header)
{
	header_walk w = header_walk_of(header);
	header_field f;
	const char *from = header.at;
	while (header_next(&w, &f)) {
		if (!incoming_is_forged(c, in, &f))
			continue;
		TRY(write_all(in, slice_of(from, (size_t)(f.raw.at - from))));
		in->header_size -= f.raw.size;
		from = f.raw.at + f.raw.size;
	}
	return write_all(in, slice_of(from, (size_t)(header.at + header.size - from)));
}

/* Whether it is passed on to other systems. */
static bool goes_on(const struct smtp *s)
{
	for (int i = 0; i < s->n; i++)
		if (s->recipients[i].remote && s->recipients[i].via.size > 0)
			return true;
	return false;
}

/* The header section is here, or its analysed share when it is not whole: judges it and starts the
   blobs. What the house adds is put in front when the text is complete. */
static status pass_header(conversation *c, struct incoming *in, size_t header_size, bool whole)
{
	struct smtp *s = smtp_of(c);
	slice header = slice_until(text_slice(&in->header), header_size);
	header_look(header, &in->seen);
	in->in_body = true;
	in->header_size = header_size;
	incoming_facts(s, in, &in->seen); /* by its Message-ID a refused one is found too */
	in->refusal = header_refusal(s, &in->seen);
	if (!in->refusal)
		in->refusal = author_refusal(c, &in->seen);
	if (in->refusal)
		return ST_OK;
	if (s->members > 0 || goes_on(s) || reply_wanted(s) || milter_waits(c))
		in->came = arena_copy(&s->mail, header);
	incoming_make_missing(s, in);
	in->refusal = passing_stop_loops(s, header);
	if (in->refusal)
		return ST_OK;
	incoming_name_caught(s, in);
	incoming_parts(c, in);
	for (int i = 0; i < in->delivery.n; i++)
		TRY(blob_writer_open(
			in->delivery.parts[i].postoffice, &in->delivery.parts[i].body));
	policy_header(c, &in->judged, header, whole, in->missing);
	if (milter_waits(c))
		incoming_keep_header(c, in, header, whole);
	else
		TRY(write_header(c, in, header));
	TRY(write_body(in, slice_from(text_slice(&in->header), header_size)));
	if (!in->judged.hashes)
		text_free(&in->header);
	return ST_OK;
}
static status take(conversation *c, struct incoming *in)
{
	if (in->refusal)
		return ST_OK;
	if (in->scan.size > in->most) {
		in->refusal = "552 5.3.4 Message is too big";
		return ST_OK;
	}
	digest_add(in->content, text_slice(&in->fresh));
	/* Where there is no room for it the client comes again: no text goes by unseen. */
	if (in->picks &&
		errand_text_add(in->pickup, text_slice(&in->fresh), hook_texts_most()) != ST_OK)
		return ST_BUSY;
	if (in->in_body)
		return write_body(in, text_slice(&in->fresh));
	text_add(&in->header, text_slice(&in->fresh));
	if (in->scan.header_size > 0)
		return pass_header(c, in, (size_t)in->scan.header_size, true);
	if (in->header.size > (size_t)setting_number(S_smtp_header_most, NULL))
		return pass_header(c, in, in->header.size, false);
	return ST_OK;
}

/* Passes on what the scanner left in in->fresh. ST_OK also when the message is refused
   meanwhile. */
static status incoming_take(conversation *c, struct incoming *in)
{
	status kind = take(c, in);
	text_clear(&in->fresh);
	if (kind == ST_CANCELLED || kind == ST_OK)
		return kind;
	in->refusal = smtp_delivery_reply(kind);
	return ST_OK;
}

/* The text is here. One that is all header has none of it passed on yet. */
static status text_ends(conversation *c, struct incoming *in)
{
	in->began = clock_now();
	if (!in->in_body && !in->refusal) {
		status passed = pass_header(c, in, in->header.size, true);
		if (passed != ST_OK)
			in->refusal = smtp_delivery_reply(passed);
	}
	return incoming_finish(c, in);
}

/* ---- DATA */

static void begin_text(conversation *c)
{
	stream_bulk(c->stream);
	stream_pace(c->stream, setting_number(S_smtp_data_patience, NULL),
		(size_t)setting_number(S_smtp_data_rate, NULL));
}

/* Far over the limit nobody is served by reading on. */
static bool hopeless(const struct incoming *in)
{
	return in->scan.size > in->most && in->scan.size - in->most > in->most;
}

static status receive_text(conversation *c, struct incoming *in)
{
	begin_text(c);
	while (!in->scan.done) {
		slice piece;
		TRY(stream_peek(c->stream, &piece));
		piece = slice_until(piece, PIECE);
		size_t used = dot_scan_data(&in->scan, piece, &in->fresh);
		stream_consume(c->stream, used);
		TRY(incoming_take(c, in));
		if (hopeless(in)) {
			c->closing = true;
			smtp_refuse(c, "552 5.3.4 Message is far too big, closing");
			return ST_TOO_BIG;
		}
		if (!in->scan.done)
			stream_hurry(c->stream);
	}
	return ST_OK;
}

status smtp_data(conversation *c, slice rest)
{
	(void)rest;
	struct smtp *s = smtp_of(c);
	if (s->parameters.body == BODY_BINARYMIME) {
		conversation_bad(c);
		return conversation_say(c, "503 5.5.1 BINARYMIME is sent by BDAT");
	}
	const char *refusal = milter_data(c);
	if (refusal) {
		s->data_refused = true;
		status said = smtp_refuse(c, refusal);
		smtp_reset(c);
		return said;
	}
	TRY(conversation_say(c, "354 End with a line holding a dot alone"));
	transcript_begin(c->rows, S("text"), (slice){0});
	struct incoming *in = incoming_open(c);
	status kind = receive_text(c, in);
	if (kind == ST_OK)
		kind = text_ends(c, in);
	smtp_reset(c);
	return kind == ST_TOO_BIG ? ST_OK : kind;
}

/* ---- BDAT (RFC 3030) */

struct chunk {
	uint64_t size;
	bool last;
};

static bool chunk_parse(slice rest, struct chunk *out)
{
	slice number;
	if (!slice_take(&rest, ' ', &number) || !slice_number(number, &out->size))
		return false;
	rest = slice_trim(rest);
	out->last = slice_same_nocase(rest, S("LAST"));
	return out->last || rest.size == 0;
}

static status receive_chunk(conversation *c, struct incoming *in, uint64_t size)
{
	begin_text(c);
	while (size > 0) {
		slice piece;
		TRY(stream_peek(c->stream, &piece));
		piece = slice_until(piece, size < PIECE ? (size_t)size : PIECE);
		if (in) {
			dot_scan_chunk(&in->scan, piece, &in->fresh);
			TRY(incoming_take(c, in));
		}
		stream_consume(c->stream, piece.size);
		size -= piece.size;
		if (size > 0)
			stream_hurry(c->stream);
	}
	return ST_OK;
}

/* A chunk that cannot be used: read past it, since its octets are no commands, or give up when it
   is longer than any message may be. */
static status skip_chunk(conversation *c, uint64_t size, const char *reply)
{
	conversation_bad(c);
	if (size > 2 * (uint64_t)message_size_most(NULL)) {
		c->closing = true;
		return conversation_say(c, "552 5.3.4 Chunk is far too big, closing");
	}
	TRY(receive_chunk(c, NULL, size));
	return conversation_say(c, "%s", reply);
}

static status finish_chunks(conversation *c, struct incoming *in)
{
	/* Readers that get lines would get an octet more than they were told (T10). */
	if (smtp_of(c)->parameters.body != BODY_BINARYMIME && in->scan.line_size > 0)
		dot_scan_chunk(&in->scan, S("\r\n"), &in->fresh);
	dot_scan_chunk_end(&in->scan, &in->fresh);
	TRY(incoming_take(c, in));
	status kind = text_ends(c, in);
	smtp_reset(c);
	return kind;
}

status smtp_bdat(conversation *c, slice rest)
{
	struct smtp *s = smtp_of(c);
	struct chunk chunk;
	bool off = setting_lists(S_smtp_commands_off, NULL, S("BDAT"));
	if (!chunk_parse(rest, &chunk)) {
		/* Without its size the chunk's octets cannot be told from commands. */
		conversation_bad(c);
		c->closing = true;
		return conversation_say(c, off ? "502 5.5.1 BDAT is switched off here, closing"
					       : "501 5.5.4 Syntax: BDAT <octets> [LAST]; closing");
	}
	if (off)
		return skip_chunk(c, chunk.size, "502 5.5.1 BDAT is switched off here");
	if (s->state != AT_RCPT && s->state != AT_CHUNK)
		return skip_chunk(c, chunk.size,
			s->state == AT_SENDER ? "554 5.5.1 No valid recipients"
					      : "503 5.5.1 MAIL and RCPT first");
	struct incoming *in = s->incoming;
	if (!in) {
		in = incoming_open(c);
		in->refusal = milter_data(c);
		if (in->refusal)
			in->refusal = arena_z(&s->mail, slice_z(in->refusal));
	}
	s->state = AT_CHUNK;
	if (chunk.size > in->most - (in->scan.size < in->most ? in->scan.size : in->most)) {
		static const char reply[] = "552 5.3.4 Message is too big";
		smtp_note_refused(c, reply);
		smtp_reset(c);
		return skip_chunk(c, chunk.size, reply);
	}
	TRY(receive_chunk(c, in, chunk.size));
	if (chunk.last)
		return finish_chunks(c, in);
	if (in->refusal) {
		status said = smtp_refuse(c, in->refusal); /* its words go with the message */
		smtp_reset(c);
		return said;
	}
	/* RFC 3030 wants it taken, but it brings nothing on. */
	if (chunk.size == 0)
		return smtp_idle(c, "250 2.0.0 0 octets taken");
	return conversation_say(c, "250 2.0.0 %" PRIu64 " octets taken", chunk.size);
}
