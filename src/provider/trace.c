/* Rows wait in a ring until the watch writes them. Who notes never waits: a full ring loses its
   oldest row, and the loss is counted and told. */
#include "provider/trace.h"

#include "base/id.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/utf8.h"
#include "mail/address.h"
#include "provider/db.h"
#include "provider/digest.h"
#include "provider/folder_admin.h"
#include "provider/watch.h"

#include <pthread.h>
#include <stdarg.h>

#define ROWS_MOST 20000
#define FIELDS_MOST 2000 /* octets kept of one row's fields */
#define BATCH 1000
#define PLACES_AT_ONCE 1000
#define ROWS_TOLD 10000 /* of a message, as the statements have it */
/* What is noted of a message so soon after another is of one moment. */
#define FOLD_WITHIN (10 * USEC_MS)

struct row {
	usec at;
	int64_t postoffice, message, id, hash, sender, recipient;
	enum trace_kind kind;
	text fields; /* where others were folded in, a line for each of them: its kind and its fields */
};

static struct {
	pthread_mutex_t lock; /* guards what follows; never held across a wait */
	struct row *rows;     /* a ring of ROWS_MOST */
	unsigned first, count;
	uint64_t lost;
	bool flushing;
} ring = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* ---- what a row is found by */

/* Fields stand escaped in rows, and what is looked for is escaped likewise: both sides hash the
   same. 0: nothing. */
static int64_t hash_of(slice value)
{
	uint8_t sum[32];
	uint64_t hash = 0;

	if (value.size == 0)
		return 0;
	digest *d = digest_open();
	digest_add(d, value);
	digest_end(d, sum);
	digest_close(&d);
	for (int i = 0; i < 8; i++)
		hash = hash << 8 | sum[i];
	return hash ? (int64_t)hash : 1;
}

static int64_t message_id_hash(slice message_id)
{
	message_id = slice_trim(message_id);
	if (message_id.size > 1 && message_id.at[0] == '<' &&
		message_id.at[message_id.size - 1] == '>')
		message_id = slice_of(message_id.at + 1, message_id.size - 2);
	return hash_of(message_id);
}

static int64_t address_hash(slice address)
{
	arena a = ARENA_INIT;
	int64_t hash = hash_of(address.size ? arena_lower(&a, address) : address);

	arena_release(&a);
	return hash;
}

/* A value as it stands in rows. */
static slice escaped(slice value, arena *a)
{
	return trace_value(arena_format(a, "value=%s", log_quote(value)), "value");
}

static void find_by(struct row *r, slice fields)
{
	slice entry = trace_value(fields, "entry"), recipient = trace_value(fields, "recipient");

	r->hash = message_id_hash(trace_value(fields, "message_id"));
	if (r->hash == 0)
		r->hash = hash_of(entry);
	r->sender = address_hash(trace_value(fields, "from"));
	r->recipient = address_hash(recipient.size ? recipient : trace_value(fields, "to"));
}

/* ---- noting */

static bool agree(int64_t a, int64_t b)
{
	return a == 0 || b == 0 || a == b;
}

/* One message leaves rows of who brought it, what was found and where it went, all at once. As long
   as one row is found by all that they are found by, they are stored as one: rows and their index
   entries are a good part of what a small delivery writes. */
static bool fold(struct row *into, struct row *r)
{
	if (r->message == 0 || into->message != r->message || into->postoffice != r->postoffice ||
		r->at < into->at || r->at - into->at > FOLD_WITHIN ||
		into->fields.size + r->fields.size > FIELDS_MOST || !agree(into->hash, r->hash) ||
		!agree(into->sender, r->sender) || !agree(into->recipient, r->recipient))
		return false;
	into->hash |= r->hash;
	into->sender |= r->sender;
	into->recipient |= r->recipient;
	text_format(&into->fields, "\n%d %.*s", (int)r->kind, SLICE_ARGS(text_slice(&r->fields)));
	text_free(&r->fields);
	return true;
}

static void put(struct row r)
{
	pthread_mutex_lock(&ring.lock);
	if (ring.rows == NULL)
		ring.rows = memory_new_array(ROWS_MOST, sizeof *ring.rows);
	if (ring.count && fold(&ring.rows[(ring.first + ring.count - 1) % ROWS_MOST], &r)) {
		pthread_mutex_unlock(&ring.lock);
		return;
	}
	if (ring.count == ROWS_MOST) {
		text_free(&ring.rows[ring.first].fields);
		ring.first = (ring.first + 1) % ROWS_MOST;
		ring.count--;
		ring.lost++;
	}
	ring.rows[(ring.first + ring.count) % ROWS_MOST] = r;
	ring.count++;
	pthread_mutex_unlock(&ring.lock);
}

void trace_note(int64_t postoffice, int64_t message, enum trace_kind k, const char *fields, ...)
{
	struct row r = {.at = clock_wall(),
		.postoffice = postoffice,
		.message = message,
		.kind = k,
		.id = id_new()};
	va_list args;
	va_start(args, fields);
	text_format_v(&r.fields, fields, args);
	va_end(args);
	find_by(&r, text_slice(&r.fields));
	if (r.fields.size > FIELDS_MOST)
		r.fields.size = FIELDS_MOST;
	for (size_t i = 0; i < r.fields.size; i++)
		if (r.fields.at[i] == '\n')
			r.fields.at[i] = ' ';
	put(r);
}

/* ---- writing out */

/* Copies up to a batch of the oldest rows; they stay in the ring until they are stored. */
static int take(struct row *batch, uint64_t *lost)
{
	int n = 0;
	pthread_mutex_lock(&ring.lock);
	for (; n < BATCH && (unsigned)n < ring.count; n++)
		batch[n] = ring.rows[(ring.first + (unsigned)n) % ROWS_MOST];
	ring.first = (ring.first + (unsigned)n) % ROWS_MOST;
	ring.count -= (unsigned)n;
	*lost = ring.lost;
	ring.lost = 0;
	pthread_mutex_unlock(&ring.lock);
	return n;
}

/* They are stored, or lost. */
static void drop(struct row *batch, int n, bool lost)
{
	for (int i = 0; i < n; i++)
		text_free(&batch[i].fields);
	pthread_mutex_lock(&ring.lock);
	ring.lost += lost ? (uint64_t)n : 0;
	pthread_mutex_unlock(&ring.lock);
}

/* Back to the front, as many as there is room for: the oldest are lost first. */
static void put_back(struct row *batch, int n)
{
	pthread_mutex_lock(&ring.lock);
	while (n > 0 && ring.count < ROWS_MOST) {
		ring.first = (ring.first + ROWS_MOST - 1) % ROWS_MOST;
		ring.rows[ring.first] = batch[--n];
		ring.count++;
	}
	pthread_mutex_unlock(&ring.lock);
	drop(batch, n, true);
}

enum { NUMBERS = 8 };

static status store(const struct row *batch, int n, arena *a)
{
	int64_t *numbers[NUMBERS];
	slice *fields = arena_new_array(a, (size_t)n, sizeof *fields);
	for (int c = 0; c < NUMBERS; c++)
		numbers[c] = arena_new_array(a, (size_t)n, sizeof **numbers);
	for (int i = 0; i < n; i++) {
		const struct row *r = &batch[i];
		const int64_t values[NUMBERS] = {r->postoffice, r->at, r->id, r->message, r->hash,
			r->sender, r->recipient, r->kind};
		for (int c = 0; c < NUMBERS; c++)
			numbers[c][i] = values[c];
		text clean = TEXT_INIT;
		utf8_add_repaired(&clean, text_slice(&r->fields));
		fields[i] = clean.size ? arena_copy(a, text_slice(&clean)) : S("");
		text_free(&clean);
	}
	struct param p[] = {p_int_array(numbers[0], n), p_time_array(numbers[1], n),
		p_int_array(numbers[2], n), p_int_array(numbers[3], n), p_int_array(numbers[4], n),
		p_int_array(numbers[5], n), p_int_array(numbers[6], n), p_int_array(numbers[7], n),
		p_text(node_name()), p_text_array(fields, n)};
	db_tx *tx = db_begin(DB_SYSTEM, a);
	db_relax(tx);
	db_add(tx, SQL_TRACE_ADD, p, sizeof p / sizeof *p, NULL);
	return db_commit(&tx, NULL);
}

static void tell_lost(uint64_t rows)
{
	if (rows)
		log_event(EV_TRACE_DROPPED, "rows=%llu", (unsigned long long)rows);
}

/* ST_ABSENT: nothing was there. */
static status flush_batch(struct row *batch)
{
	uint64_t lost;
	int n = take(batch, &lost);
	tell_lost(lost);
	if (n == 0)
		return ST_ABSENT;
	arena a = ARENA_INIT;
	status kind = store(batch, n, &a);
	arena_release(&a);
	/* What may be stored too: a row that is shown twice harms less than one that is missed. */
	if (db_passes(kind)) {
		put_back(batch, n);
		return kind;
	}
	drop(batch, n, kind != ST_OK);
	return kind;
}

static bool flushing(bool begins)
{
	pthread_mutex_lock(&ring.lock);
	bool was = ring.flushing;
	ring.flushing = begins;
	pthread_mutex_unlock(&ring.lock);
	return was;
}

status trace_flush(void)
{
	if (flushing(true))
		return ST_OK; /* somebody else does it now */
	struct row *batch = memory_new_array(BATCH, sizeof *batch);
	status kind;
	do
		kind = flush_batch(batch);
	while (kind == ST_OK);
	memory_free(batch);
	flushing(false);
	return kind == ST_ABSENT ? ST_OK : kind;
}

void trace_close(void)
{
	pthread_mutex_lock(&ring.lock);
	uint64_t lost = ring.lost + ring.count;
	for (; ring.count; ring.count--, ring.first = (ring.first + 1) % ROWS_MOST)
		text_free(&ring.rows[ring.first].fields);
	memory_free(ring.rows);
	ring.rows = NULL;
	ring.lost = 0;
	pthread_mutex_unlock(&ring.lock);
	tell_lost(lost);
}

/* ---- reading */

static int lines(slice fields)
{
	int n = 1;

	for (size_t i = 0; i < fields.size; i++)
		n += fields.at[i] == '\n';
	return n;
}

/* The rows that were stored as one. */
static int unfold(const struct trace_row *stored, struct trace_row *out)
{
	slice rest = stored->fields, kind;
	int n = 1;

	*out = *stored;
	slice_take(&rest, '\n', &out->fields);
	for (; slice_take(&rest, '\n', &out[n].fields); n++) {
		uint64_t number = TRACE_KINDS;
		slice fields = out[n].fields;
		if (slice_take(&fields, ' ', &kind) && !slice_number(kind, &number))
			fields = out[n].fields;
		out[n] = *stored;
		out[n].kind = (enum trace_kind)number;
		out[n].fields = fields;
	}
	return n;
}

/* The newest `most`. */
static status list(enum statement_id id, const struct param *p, int parameters, unsigned most,
	arena *a, struct trace_row **rows, int *n)
{
	struct rows r;
	int count = 0;
	TRY(db_run(id, p, parameters, a, &r));
	for (int i = 0; i < r.count; i++)
		count += lines(row_slice(&r, i, 5));
	struct trace_row *all = arena_new_array(a, (size_t)count, sizeof *all);
	for (int i = 0, at = 0; i < r.count; i++) {
		const struct trace_row stored = {.postoffice = row_int(&r, i, 0),
			.at = row_time(&r, i, 1),
			.message = row_int(&r, i, 2),
			.kind = (enum trace_kind)row_int(&r, i, 3),
			.node = row_slice(&r, i, 4),
			.fields = row_slice(&r, i, 5)};
		at += unfold(&stored, all + at);
	}
	*n = (unsigned)count < most ? count : (int)most;
	*rows = all + (count - *n);
	return ST_OK;
}

static status list_of(enum statement_id id, int64_t key, arena *a, struct trace_row **rows, int *n)
{
	const struct param p = p_int(key);

	return list(id, &p, 1, ROWS_TOLD, a, rows, n);
}

status trace_by_message(int64_t message, arena *a, struct trace_row **rows, int *n)
{
	char entry[ID_TEXT_SIZE + 1];

	TRY(list_of(SQL_TRACE_OF_MESSAGE, message, a, rows, n));
	if (*n > 0)
		return ST_OK;
	id_text(message, entry);
	return list_of(SQL_TRACE_OF_MESSAGE_ID, hash_of(slice_z(entry)), a, rows, n);
}

status trace_by_message_id(slice message_id, arena *a, struct trace_row **rows, int *n)
{
	return list_of(
		SQL_TRACE_OF_MESSAGE_ID, message_id_hash(escaped(message_id, a)), a, rows, n);
}

status trace_by_address(
	slice address, const struct trace_span *in, arena *a, struct trace_row **rows, int *n)
{
	const struct param p[] = {p_int(address_hash(escaped(address, a))), p_time(in->from),
		p_time(in->until), p_int(in->postoffice), p_int(in->most)};

	return list(SQL_TRACE_OF_ADDRESS, p, sizeof p / sizeof *p, ROWS_TOLD, a, rows, n);
}

status trace_by_time(const struct trace_span *in, arena *a, struct trace_row **rows, int *n)
{
	const struct param p[] = {
		p_time(in->from), p_time(in->until), p_int(in->postoffice), p_int(in->most)};

	return list(SQL_TRACE_OF_TIME, p, sizeof p / sizeof *p, in->most, a, rows, n);
}

/* ---- where they are now */

/* Empty: none is asked for. A name that was cut, or holds what the trace cannot, is that of nobody. */
static slice mailbox_of(const struct trace_row *row, arena *a)
{
	slice name = trace_plain(trace_value(row->fields, "mailbox"), a);

	return row->kind == TRACE_DELIVERED && row->message != 0 &&
			       !slice_ends_nocase(name, S("...")) &&
			       slice_search(name, S("\\x")) == name.size
		       ? name
		       : S("");
}

static struct trace_place place_of(const struct rows *r, int at)
{
	struct trace_place p = {.mailbox = row_slice(r, at, 1),
		.there = row_bool(r, at, 2),
		.removed = row_time(r, at, 3)};

	if (p.removed > 0 && p.removed + folder_lost_span() > clock_wall())
		p.until = p.removed + folder_lost_span();
	return p;
}

struct places {
	struct trace_row *of[PLACES_AT_ONCE];
	int64_t postoffice[PLACES_AT_ONCE], message[PLACES_AT_ONCE];
	slice name[PLACES_AT_ONCE];
	int n;
};

static status places_ask(struct places *q, arena *a)
{
	struct rows r;

	if (q->n == 0)
		return ST_OK;
	TRY(db_run(SQL_TRACE_PLACES,
		(struct param[]){p_int_array(q->postoffice, q->n), p_int_array(q->message, q->n),
			p_text_array(q->name, q->n)},
		3, a, &r));
	struct trace_place *places = arena_new_array(a, (size_t)q->n, sizeof *places);
	for (int i = 0; i < q->n; i++)
		q->of[i]->place = &places[i];
	for (int i = 0; i < r.count; i++)
		places[row_int(&r, i, 0) - 1] = place_of(&r, i);
	q->n = 0;
	return ST_OK;
}

status trace_places(struct trace_row *rows, const bool *wanted, int n, arena *a)
{
	struct places *q = arena_new(a, sizeof *q);

	for (int i = 0; i < n; i++) {
		slice name = wanted[i] ? mailbox_of(&rows[i], a) : S("");
		if (name.size == 0)
			continue;
		if (q->n == PLACES_AT_ONCE)
			TRY(places_ask(q, a));
		q->of[q->n] = &rows[i];
		q->postoffice[q->n] = rows[i].postoffice;
		q->message[q->n] = rows[i].message;
		q->name[q->n++] = mail_local_key(name, a);
	}
	return places_ask(q, a);
}
