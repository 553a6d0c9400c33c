/* Values between C and PostgreSQL's binary format, and what its errors mean to us. */
#include "provider/wire.h"

#include "base/log.h"
#include "base/metric.h"

#include <assert.h>
#include <endian.h>
#include <stdatomic.h>

/* PostgreSQL counts from 2000-01-01. */
#define PG_EPOCH (INT64_C(946684800) * USEC_S)

/* ---- parameters */

static const Oid oids[] = {
	[P_INT] = 20,
	[P_BOOL] = 16,
	[P_TEXT] = 25,
	[P_BYTES] = 17,
	[P_TIME] = 1184,
	[P_INT_ARRAY] = 1016,
	[P_TEXT_ARRAY] = 1009,
	[P_BYTES_ARRAY] = 1001,
	[P_TIME_ARRAY] = 1185,
};
static const Oid element_oids[] = {
	[P_INT_ARRAY] = 20,
	[P_TEXT_ARRAY] = 25,
	[P_BYTES_ARRAY] = 17,
	[P_TIME_ARRAY] = 1184,
};

static int64_t pg_time(usec wall)
{
	return wall == USEC_NEVER ? INT64_MAX : wall - PG_EPOCH;
}

static usec usec_of_pg(int64_t moment)
{
	return moment == INT64_MAX ? USEC_NEVER : moment == INT64_MIN ? 0 : moment + PG_EPOCH;
}

static void add_32(text *t, uint32_t v)
{
	v = htobe32(v);
	text_add(t, slice_of(&v, sizeof v));
}

static void add_64(text *t, int64_t v)
{
	uint64_t bits = htobe64((uint64_t)v);
	text_add(t, slice_of(&bits, sizeof bits));
}

/* Dimensions, has NULLs, element type, length, lower bound; then each element with its length. */
static void add_array(text *t, const struct param *p)
{
	bool nulls = false;
	if (p->slices)
		for (int i = 0; i < p->count && !nulls; i++)
			nulls = p->slices[i].at == NULL;
	add_32(t, p->count > 0 ? 1 : 0);
	add_32(t, nulls);
	add_32(t, element_oids[p->kind]);
	if (p->count <= 0)
		return;
	add_32(t, (uint32_t)p->count);
	add_32(t, 1);
	for (int i = 0; i < p->count; i++) {
		if (!p->slices) {
			add_32(t, 8);
			add_64(t, p->kind == P_INT_ARRAY ? p->numbers[i] : pg_time(p->numbers[i]));
		} else if (p->slices[i].at == NULL) {
			add_32(t, UINT32_MAX);
		} else {
			add_32(t, (uint32_t)p->slices[i].size);
			text_add(t, p->slices[i]);
		}
	}
}

/* Numbers and arrays are encoded into `room`; offsets are made pointers at the end, because it
   grows. */
void wire_params(struct wire *w, const struct param *p, int n)
{
	size_t start[PARAMS_MOST];
	assert(n <= PARAMS_MOST);
	w->n = n;
	w->room = TEXT_INIT;
	text_reserve(&w->room, (size_t)n * 8);
	for (int i = 0; i < n; i++) {
		w->types[i] = oids[p[i].kind];
		w->formats[i] = 1;
		w->values[i] = NULL;
		w->lengths[i] = 0;
		start[i] = w->room.size;
		if (p[i].null)
			continue;
		switch (p[i].kind) {
		case P_INT:
			add_64(&w->room, p[i].number);
			break;
		case P_TIME:
			add_64(&w->room, pg_time(p[i].number));
			break;
		case P_BOOL:
			text_add_char(&w->room, p[i].number ? 1 : 0);
			break;
		case P_TEXT:
		case P_BYTES:
			w->values[i] = p[i].bytes.size ? p[i].bytes.at : "";
			w->lengths[i] = (int)p[i].bytes.size;
			break;
		default:
			add_array(&w->room, &p[i]);
		}
	}
	for (int i = 0; i < n; i++) {
		if (p[i].null || w->values[i])
			continue;
		w->values[i] = w->room.at + start[i];
		w->lengths[i] = (int)((i + 1 < n ? start[i + 1] : w->room.size) - start[i]);
	}
}

/* ---- results */

void wire_rows(const PGresult *r, arena *a, struct rows *out)
{
	int n = PQntuples(r), m = PQnfields(r);
	struct cell *cells = arena_new_array(a, (size_t)n * (size_t)m, sizeof *cells);
	size_t room = 0;
	for (int i = 0; i < n; i++)
		for (int j = 0; j < m; j++)
			room += (size_t)PQgetlength(r, i, j) + 1;
	char *at = arena_new(a, room);
	for (int i = 0; i < n; i++)
		for (int j = 0; j < m; j++) {
			struct cell *c = &cells[i * m + j];
			int size = PQgetlength(r, i, j);
			*c = (struct cell){.type = PQftype(r, j), .size = -1};
			if (PQgetisnull(r, i, j))
				continue;
			memcpy(at, PQgetvalue(r, i, j), (size_t)size);
			c->at = at;
			c->size = size;
			at += size + 1; /* the arena is zeroed: a terminator follows */
		}
	*out = (struct rows){.count = n, .columns = m, .cells = cells};
}

static const struct cell *cell_at(const struct rows *r, int row, int column)
{
	assert(row >= 0 && row < r->count && column >= 0 && column < r->columns);
	return &r->cells[row * r->columns + column];
}

static int64_t number_of(const char *at, int size)
{
	uint64_t bits = 0;
	for (int i = 0; i < size; i++)
		bits = bits << 8 | (unsigned char)at[i];
	switch (size) {
	case 2:
		return (int16_t)bits;
	case 4:
		return (int32_t)bits;
	default:
		return (int64_t)bits;
	}
}

int64_t row_int(const struct rows *r, int row, int column)
{
	const struct cell *c = cell_at(r, row, column);
	if (c->size < 0)
		return 0;
	if (c->size != 1 && c->size != 2 && c->size != 4 && c->size != 8) {
		log_event(EV_DB_COLUMN, "column=%d type=%u size=%d", column, c->type, c->size);
		return 0;
	}
	return number_of(c->at, c->size);
}

bool row_bool(const struct rows *r, int row, int column)
{
	const struct cell *c = cell_at(r, row, column);
	return c->size == 1 && c->at[0] != 0;
}

slice row_slice(const struct rows *r, int row, int column)
{
	const struct cell *c = cell_at(r, row, column);
	return c->size < 0 ? (slice){0} : slice_of(c->at, (size_t)c->size);
}

usec row_time(const struct rows *r, int row, int column)
{
	const struct cell *c = cell_at(r, row, column);
	return c->size != 8 ? 0 : usec_of_pg(number_of(c->at, 8));
}

bool row_null(const struct rows *r, int row, int column)
{
	return cell_at(r, row, column)->size < 0;
}

static const int64_t *array_read(
	const struct rows *r, int row, int column, bool times, arena *a, int *n)
{
	slice s = row_slice(r, row, column);
	*n = 0;
	if (s.size < 20 || number_of(s.at, 4) != 1)
		return NULL;
	int64_t count = number_of(s.at + 12, 4);
	if (count <= 0 || (uint64_t)count > s.size / 4)
		return NULL;
	int64_t *values = arena_new_array(a, (size_t)count, sizeof *values);
	size_t at = 20;
	for (int64_t i = 0; i < count && at + 4 <= s.size; i++) {
		int64_t size = number_of(s.at + at, 4);
		at += 4;
		if (size < 0)
			continue;
		if ((size_t)size > s.size - at)
			return NULL;
		int64_t value = number_of(s.at + at, (int)size);
		values[i] = times ? usec_of_pg(value) : value;
		at += (size_t)size;
	}
	*n = (int)count;
	return values;
}

const int64_t *row_int_array(const struct rows *r, int row, int column, arena *a, int *n)
{
	return array_read(r, row, column, false, a, n);
}

const usec *row_time_array(const struct rows *r, int row, int column, arena *a, int *n)
{
	return array_read(r, row, column, true, a, n);
}

/* ---- kinds */

static const struct {
	const char *state; /* the whole SQLSTATE or its class */
	status kind;
} kinds[] = {
	{"23505", ST_EXISTS},
	{"23503", ST_ABSENT},
	{"22012", ST_INVALID},
	{"22021", ST_INVALID},
	{"40001", ST_BUSY},
	{"40P01", ST_BUSY},
	{"55P03", ST_BUSY},
	{"57014", ST_BUSY},
	{"25P03", ST_BUSY},
	{"53", ST_BUSY},
	{"57P", ST_BUSY},
	{"08", ST_CLOSED},
};

static status kind_of(const char *state)
{
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
		if (strncmp(state, kinds[i].state, strlen(kinds[i].state)) == 0)
			return kinds[i].kind;
	return ST_BROKEN;
}

/* Of another's connection: a pooler took a backend that does not know the statement, or knows it
   already. */
static bool is_unprepared(const char *state)
{
	return strcmp(state, "26000") == 0 || strcmp(state, "42P05") == 0;
}

/* ---- a full disk */

#define FULL_LATELY (5 * USEC_S)
#define FULL_SAY_AGAIN (10 * USEC_S)

static struct {
	_Atomic usec at; /* 0 = never */
	_Atomic usec said_at;
} full;

static bool is_full(const char *state)
{
	return strcmp(state, "53100") == 0;
}

/* Each statement meets it, some of them again and again: the log need not fill its own disk. */
static void full_note(const char *statement, const char *state)
{
	usec now = clock_now(), said = atomic_load(&full.said_at);
	atomic_store(&full.at, now);
	if ((said == 0 || now - said > FULL_SAY_AGAIN) &&
		atomic_compare_exchange_strong(&full.said_at, &said, now))
		log_event(EV_DB_FULL, "statement=%s state=%s", statement, state);
}

bool db_full(void)
{
	usec at = atomic_load(&full.at);
	return at != 0 && clock_now() - at < FULL_LATELY;
}

status wire_failure(const PGresult *r, const char *statement)
{
	const char *state = PQresultErrorField(r, PG_DIAG_SQLSTATE);
	metric_add(M_db_errors, SERVICE_NONE, 1);
	if (state == NULL)
		return ST_CLOSED;
	status kind = kind_of(state);
	if (is_unprepared(state))
		log_event(EV_DB_UNPREPARED, "statement=%s state=%s", statement, state);
	else if (kind == ST_BROKEN)
		log_event(EV_DB_REFUSED, "statement=%s state=%s", statement, state);
	else if (is_full(state))
		full_note(statement, state);
	else if (kind == ST_BUSY || kind == ST_CLOSED)
		log_event(EV_DB_BUSY, "statement=%s state=%s", statement, state);
	return kind;
}
