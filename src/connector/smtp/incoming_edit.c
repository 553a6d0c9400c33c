/* Messages that milters may edit: the header stays apart until they have had their say, and parts
   follow recipients that came and went. */
#include "base/memory.h"
#include "connector/smtp/incoming_inside.h"

void incoming_keep_header(conversation *c, struct incoming *in, slice header, bool whole)
{
	struct smtp *s = smtp_of(c);
	header_walk w = header_walk_of(header);
	header_field f;
	text kept = TEXT_INIT;
	const char *from = header.at;

	text_add(&kept, in->missing);
	while (header_next(&w, &f)) {
		if (!incoming_is_forged(c, in, &f))
			continue;
		text_add(&kept, slice_of(from, (size_t)(f.raw.at - from)));
		from = f.raw.at + f.raw.size;
	}
	text_add(&kept, slice_of(from, (size_t)(header.at + header.size - from)));
	slice block = arena_copy(&s->mail, text_slice(&kept));
	text_free(&kept);
	in->missing = (slice){0};
	in->shown = arena_new(&s->mail, sizeof *in->shown);
	if (!whole || milter_header_open(in->shown, block, &s->mail) != ST_OK)
		in->refusal = "552 5.3.4 The header section is too big for the filters here";
}

static status copy_piece(slice bytes, void *arg)
{
	return blob_write(arg, bytes);
}

/* A header too big for the front is written before its body anew. */
static status write_anew(struct delivery_part *part, slice fields, slice header)
{
	blob_writer *made;

	TRY(blob_writer_open(part->postoffice, &made));
	status kind = blob_write(made, fields);
	if (kind == ST_OK)
		kind = blob_write(made, header);
	if (kind == ST_OK)
		kind = blob_writer_each(part->body, copy_piece, made);
	if (kind == ST_OK) {
		blob_writer_close(&part->body);
		part->body = made;
	} else {
		blob_writer_close(&made);
	}
	return kind;
}

status incoming_put_front(struct delivery_part *part, slice fields, slice header)
{
	if (fields.size + header.size > BLOB_FRONT_MOST)
		return write_anew(part, fields, header);
	TRY(blob_write_front(part->body, header));
	return blob_write_front(part->body, fields);
}

/* ---- parts */

static blob_writer *take_body(struct delivery_part *parts, int n, int64_t postoffice)
{
	blob_writer *body = NULL;

	for (int i = 0; i < n && !body; i++)
		if (parts[i].postoffice == postoffice) {
			body = parts[i].body;
			parts[i].body = NULL;
		}
	return body;
}

/* Every part has a body then, or nobody does. */
static status copy_bodies(struct incoming *in, const blob_writer *source)
{
	for (int i = 0; i < in->delivery.n; i++) {
		struct delivery_part *part = &in->delivery.parts[i];

		if (part->body)
			continue;
		TRY(blob_writer_open(part->postoffice, &part->body));
		TRY(blob_writer_each(source, copy_piece, part->body));
	}
	return ST_OK;
}

status incoming_parts_anew(conversation *c, struct incoming *in)
{
	struct delivery_part *before = in->delivery.parts;
	int n = in->delivery.n;
	const blob_writer *source = before[0].body;

	in->delivery.n = 0;
	incoming_parts(c, in);
	for (int i = 0; i < in->delivery.n; i++)
		in->delivery.parts[i].body = take_body(before, n, in->delivery.parts[i].postoffice);
	status kind = copy_bodies(in, source);
	for (int i = 0; i < n; i++)
		blob_writer_close(&before[i].body);
	return kind;
}

struct tail { /* a body without what was put before it */
	blob_writer *to;
	uint64_t skip;
};

static slice tail_of(struct tail *t, slice bytes)
{
	size_t skipped = t->skip < bytes.size ? (size_t)t->skip : bytes.size;

	t->skip -= skipped;
	return slice_from(bytes, skipped);
}

static status copy_tail(slice bytes, void *arg)
{
	struct tail *t = arg;

	bytes = tail_of(t, bytes);
	return bytes.size ? blob_write(t->to, bytes) : ST_OK;
}

/* ---- seals */

struct seal {
	struct seal *next;
	int64_t postoffice;
	slice fields;
};

struct sealed_body {
	const blob_writer *of;
	struct tail t;
	status (*take)(slice piece, void *to);
	void *to;
};

static status read_piece(slice bytes, void *arg)
{
	struct sealed_body *b = arg;

	bytes = tail_of(&b->t, bytes);
	return bytes.size ? b->take(bytes, b->to) : ST_OK;
}

static status read_body(void *from, status (*take)(slice piece, void *to), void *to)
{
	struct sealed_body *b = from;

	b->take = take;
	b->to = to;
	return blob_writer_each(b->of, read_piece, b);
}

slice incoming_seal_of(const struct incoming *in, int64_t postoffice)
{
	for (const struct seal *s = in->seals; s; s = s->next)
		if (s->postoffice == postoffice)
			return s->fields;
	return S("");
}

static void seal_add(conversation *c, struct incoming *in, const struct recipient *r, slice header)
{
	arena *a = &smtp_of(c)->mail;
	struct sealed_body b = {.t = {.skip = in->shown ? 0 : in->header_size}};
	struct seal *s;

	/* Also when nothing came of it: the body is read once for a post office, not once for a
	   recipient. */
	for (s = in->seals; s; s = s->next)
		if (s->postoffice == r->route.postoffice)
			return;
	if (r->dropped || !policy_seals(c, r))
		return;
	for (int i = 0; i < in->delivery.n; i++)
		if (in->delivery.parts[i].postoffice == r->route.postoffice)
			b.of = in->delivery.parts[i].body;
	if (!b.of)
		return;
	slice fields = policy_seal(c, r, &in->verdict, header, read_body, &b);
	s = arena_new(a, sizeof *s);
	*s = (struct seal){in->seals, r->route.postoffice, fields};
	in->seals = s;
}

void incoming_seal(conversation *c, struct incoming *in)
{
	struct smtp *s = smtp_of(c);
	slice header = {0};

	for (int i = 0; i < s->n && in->verdict.results.size > 0; i++) {
		if (s->recipients[i].via.size == 0)
			continue;
		if (header.size == 0)
			header = in->shown ? milter_header_text(in->shown, true) : in->came;
		seal_add(c, in, &s->recipients[i], header);
	}
}

/* ---- recipients that changed when the text was complete */

static status front_again(struct smtp *s, struct incoming *in, struct delivery_part *part,
	const struct delivery_part *source)
{
	slice fields = incoming_fields(s, in, part);
	struct tail t = {.skip = source->header_size - in->header_size};

	TRY(blob_writer_open(part->postoffice, &part->body));
	t.to = part->body;
	TRY(blob_write(part->body, fields));
	TRY(blob_writer_each(source->body, copy_tail, &t));
	part->header_size = (uint32_t)(fields.size + in->header_size);
	return blob_writer_finish(part->body);
}

status incoming_parts_late(conversation *c, struct incoming *in)
{
	struct delivery_part *before = in->delivery.parts;
	int n = in->delivery.n;
	status kind = ST_OK;

	in->delivery.n = 0;
	incoming_parts(c, in);
	for (int i = 0; i < in->delivery.n && kind == ST_OK; i++) {
		struct delivery_part *part = &in->delivery.parts[i], *same = before;

		while (same < before + n && same->postoffice != part->postoffice)
			same++;
		if (same == before + n || (part->n > 0 && same->n == 0)) {
			kind = front_again(smtp_of(c), in, part, before);
			continue;
		}
		part->header_size = same->header_size;
		part->body = same->body;
	}
	/* What is kept is the new parts' by now. */
	for (int i = 0; i < n; i++)
		for (int k = 0; k < in->delivery.n; k++)
			if (before[i].body == in->delivery.parts[k].body)
				before[i].body = NULL;
	for (int i = 0; i < n; i++)
		blob_writer_close(&before[i].body);
	return kind;
}
