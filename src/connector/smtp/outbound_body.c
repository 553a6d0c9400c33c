#include "connector/smtp/outbound_body.h"

#include "base/utf8.h"
#include "connector/smtp/policy_inside.h"
#include "mail/header.h"
#include "mail/tls_report.h"
#include "provider/blob.h"

#define BODY_KEPT 65536 /* octets of a body that need not be read twice */
#define SMALL 16384     /* octets of one that is read with others */
#define TOGETHER 100    /* read at once: 1.6 MB at most */

static status body_look(slice piece, void *arg)
{
	struct body *b = arg;

	if (!b->begun) {
		b->inside = slice_starts_nocase(piece, S("Return-Path:"));
		b->tls_waived = tls_report_is_waived(slice_until(piece, header_size(piece)));
		if (piece.size == b->size && piece.size <= BODY_KEPT)
			b->whole =
				piece.at == b->job->body.at ? piece : arena_copy(&b->job->a, piece);
	}
	b->begun = true;
	if (b->inside) {
		size_t end = slice_find(piece, '\n');

		b->inside = end == piece.size;
		b->skip += b->inside ? end : end + 1;
	}
	return b->inside ? ST_OK : ST_LIMITED; /* enough has been seen */
}

/* Should it come back, it is not passed on again (T16). Nobody else's body may show it, for it
   tells who gets a copy. */
static slice delivered_to(plan_job *j)
{
	header_builder b = {.utf8 = j->entries[0].utf8};
	slice field = {0};

	if (j->entries[0].via.size == 0)
		return field;
	header_build_raw(&b, S("Delivered-To"), j->entries[0].via);
	return header_build_end(&b, &j->a, &field) == ST_OK ? field : (slice){0};
}

status body_open(plan_job *j, struct body *b)
{
	*b = (struct body){
		.job = j, .size = (uint64_t)j->entries[0].size, .front = delivered_to(j)};
	status kind = j->body.at ? body_look(j->body, b)
				 : blob_each_of(j->postoffice, j->message, body_look, b);
	return kind == ST_LIMITED ? ST_OK : kind;
}

static status body_piece(slice piece, void *arg)
{
	struct body *b = arg;
	uint64_t skipped = b->left < piece.size ? b->left : piece.size;

	b->left -= skipped;
	piece = slice_from(piece, (size_t)skipped);
	return piece.size ? b->take(piece, b->to) : ST_OK;
}

/* The stored text without the fields of this copy. */
static status stored_each(void *arg, status (*take)(slice piece, void *to), void *to)
{
	struct body *b = arg;

	b->take = take;
	b->to = to;
	b->left = b->skip;
	return b->whole.at ? body_piece(b->whole, b)
			   : blob_each_of(b->job->postoffice, b->job->message, body_piece, b);
}

status body_source(void *arg, status (*take)(slice piece, void *to), void *to)
{
	struct body *b = arg;

	if (b->front.size)
		TRY(take(b->front, to));
	return stored_each(b, take, to);
}

/* ---- in 7 bits */

static status look_piece(slice piece, void *to)
{
	seven_bit_look(to, piece);
	return ST_OK;
}

static status weigh_piece(slice piece, void *to)
{
	seven_bit_weigh(to, piece);
	return ST_OK;
}

struct plain_sink {
	struct body *of;
	status (*take)(slice piece, void *to);
	void *to;
};

static status plain_hand_out(struct plain_sink *s)
{
	status kind = s->of->out.size > 0 ? s->take(text_slice(&s->of->out), s->to) : ST_OK;

	text_clear(&s->of->out);
	return kind;
}

static status plain_piece(slice piece, void *to)
{
	struct plain_sink *s = to;

	seven_bit_write(s->of->plain, piece, &s->of->out);
	return plain_hand_out(s);
}

/* What the stored text becomes. */
static status plain_each(void *arg, status (*take)(slice piece, void *to), void *to)
{
	struct body *b = arg;
	struct plain_sink s = {b, take, to};

	seven_bit_begin(b->plain);
	text_clear(&b->out);
	TRY(stored_each(b, plain_piece, &s));
	seven_bit_end(b->plain, &b->out);
	return plain_hand_out(&s);
}

status body_plain(void *arg, status (*take)(slice piece, void *to), void *to)
{
	struct body *b = arg;

	if (b->front.size)
		TRY(take(b->front, to));
	if (b->signatures.size)
		TRY(take(b->signatures, to));
	return plain_each(b, take, to);
}

/* ---- signed here: the signature is made for the octets that leave (RFC 6376 5.3) */

static status look_at_signatures(struct body *b, bool *ours)
{
	struct policy_stored t = {
		seven_bit_header(b->plain), seven_bit_body_at(b->plain), stored_each, b};

	*ours = false;
	if (header_count(t.header, S("DKIM-Signature")) == 0)
		return ST_OK;
	TRY(policy_signed_here(b->job->postoffice, &t, &b->job->a));
	seven_bit_unsign(b->plain);
	*ours = true;
	return ST_OK;
}

static status sign_anew(struct body *b)
{
	text header = TEXT_INIT;

	seven_bit_new_header(b->plain, &header);
	struct policy_stored t = {text_slice(&header), header.size, plain_each, b};
	status kind = policy_sign_stored(b->job->postoffice, &t, &b->job->a, &b->signatures);
	text_free(&header);
	return kind == ST_ABSENT ? ST_DENIED : kind;
}

static status make_plain(struct body *b)
{
	bool ours;

	b->plain = seven_bit_open(&b->job->a);
	status kind = stored_each(b, look_piece, b->plain);
	seven_bit_looked(b->plain);
	TRY(kind);
	TRY(stored_each(b, weigh_piece, b->plain));
	TRY(look_at_signatures(b, &ours));
	kind = seven_bit_judge(b->plain);
	if (kind == ST_INVALID && !utf8_is_ascii(seven_bit_header(b->plain)))
		return ST_FOREIGN;
	TRY(kind);
	return ours ? sign_anew(b) : ST_OK;
}

status body_seven_bit(void *arg)
{
	struct body *b = arg;

	if (!b->plain)
		b->fits = make_plain(b);
	status kind = b->fits;
	if (kind != ST_OK && kind != ST_DENIED && kind != ST_INVALID && kind != ST_FOREIGN)
		body_close(b); /* the next host is another try */
	return kind;
}

void body_close(struct body *b)
{
	seven_bit_close(&b->plain);
	text_free(&b->out);
}

/* ---- many at once */

struct reading {
	const queue_entry *rows;
	int n;
	slice *bodies;
	bool *seen;
	int64_t messages[TOGETHER]; /* asked for */
	int count;
	arena *a;
};

static bool is_small_and_new(const queue_entry *e)
{
	return e->attempts == 0 && e->kills == 0 && e->state == QUEUE_READY && !e->returned &&
	       e->size <= SMALL;
}

/* A message to many is read once. */
static status body_keep(int which, slice raw, void *arg)
{
	struct reading *r = arg;
	slice body = arena_copy(r->a, raw);

	for (int i = 0; i < r->n; i++)
		if (r->rows[i].message == r->messages[which] && is_small_and_new(&r->rows[i]))
			r->bodies[i] = body;
	return ST_OK;
}

static bool asked_for(const struct reading *r, int64_t message)
{
	for (int i = 0; i < r->count; i++)
		if (r->messages[i] == message)
			return true;
	return false;
}

/* The rows from `first` on that share its post office. */
static void gather(struct reading *r, int first)
{
	r->count = 0;
	for (int i = first; i < r->n && r->count < TOGETHER; i++) {
		const queue_entry *e = &r->rows[i];

		if (r->seen[i] || e->postoffice != r->rows[first].postoffice)
			continue;
		r->seen[i] = true;
		if (is_small_and_new(e) && !r->bodies[i].at && !asked_for(r, e->message))
			r->messages[r->count++] = e->message;
	}
}

const slice *bodies_read(const queue_entry *rows, int n, arena *a)
{
	struct reading r = {.rows = rows, .n = n, .a = a};

	r.bodies = arena_new_array(a, (size_t)n, sizeof *r.bodies);
	r.seen = arena_new_array(a, (size_t)n, sizeof *r.seen);
	for (int first = 0; first < n; first++) {
		if (r.seen[first])
			continue;
		gather(&r, first);
		if (r.count > 1 && blob_each_small_of(rows[first].postoffice, r.messages, r.count,
					   SMALL, body_keep, &r) != ST_OK)
			break;
	}
	return r.bodies;
}
