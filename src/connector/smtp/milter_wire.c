/* One milter's connection: reaching it, agreeing upon terms, packets there and back. */
#include "base/log.h"
#include "base/map.h"
#include "base/memory.h"
#include "connector/smtp/milter_inside.h"

/* Milters that this worker could not reach, by address, and until when they are left alone. */
static map *paused;

void milter_forget(void)
{
	size_t cursor = 0;
	slice name;
	void *until;

	while (paused && map_next(paused, &cursor, &name, &until)) {
		map_remove(paused, name);
		memory_free(until);
	}
	map_close(&paused);
}

static slice key_of(const struct milter *m, arena *a)
{
	return m->service.path.size
		       ? m->service.path
		       : arena_format(a, "%.*s %u", SLICE_ARGS(m->service.host), m->service.port);
}

static bool is_paused(slice key)
{
	const usec *until = paused ? map_get(paused, key) : NULL;

	return until && clock_now() < *until;
}

void milter_pause(const struct milter *m)
{
	usec *until = memory_new(sizeof *until);
	arena a = ARENA_INIT;

	*until = clock_now() + setting_number(S_milter_pause, NULL);
	if (!paused)
		paused = map_open();
	memory_free(map_put(paused, key_of(m, &a), until));
	arena_release(&a);
}

static usec either(usec own, enum setting_id id)
{
	return own ? own : setting_number(id, NULL);
}

void milter_patience(struct milter *m, usec patience)
{
	stream_patience(m->stream, patience, 0, 0);
}

usec milter_end_patience(const struct milter *m)
{
	return either(m->service.end, S_milter_end_patience);
}

static status reach(struct milter *m)
{
	net_address to;

	if (m->service.path.size)
		return stream_connect_path(m->service.path, &m->stream);
	TRY(net_address_parse(m->service.host, &to));
	to.port = m->service.port;
	return stream_connect(&to, NULL, &m->stream);
}

/* The lists of macros outlive the packet. */
static status agree(struct milter *m, arena *a)
{
	milter_terms offered = milter_terms_offered(m->service.version);
	milter_answer answer;

	text_clear(&m->out);
	milter_write_terms(&m->out, &offered);
	m->terms = offered;
	TRY(milter_send(m));
	TRY(milter_hear(m, MILTER_TERMS, a, &answer));
	text_clear(&m->names);
	text_add(&m->names, answer.value);
	return milter_terms_read(text_slice(&m->names), &offered, &m->terms);
}

status milter_open(struct milter *m)
{
	usec patience = either(m->service.connect, S_milter_connect_patience), now = clock_now();
	usec before = task_deadline_now();
	arena a = ARENA_INIT;
	status kind = is_paused(key_of(m, &a)) ? ST_LIMITED : ST_OK;

	if (kind == ST_OK) {
		task_deadline(now + patience < before ? now + patience : before);
		kind = reach(m);
		if (kind == ST_OK)
			kind = agree(m, &a);
		task_deadline(before);
		if (kind != ST_OK) {
			stream_close(&m->stream);
			if (kind != ST_CANCELLED)
				milter_pause(m);
		}
	}
	arena_release(&a);
	return kind;
}

void milter_close(struct milter *m)
{
	if (m->stream) {
		text_clear(&m->out);
		milter_write(&m->out, MILTER_QUIT, (slice){0});
		/* Five octets into a buffer that is empty: no wait worth speaking of. */
		milter_patience(m, USEC_S);
		if (milter_send(m) == ST_OK)
			stream_flush(m->stream);
	}
	stream_close(&m->stream);
	text_free(&m->names);
	text_free(&m->out);
	text_free(&m->in);
}

status milter_send(struct milter *m)
{
	status kind = stream_write(m->stream, text_slice(&m->out));

	text_clear(&m->out);
	return kind;
}

/* Memory is taken as bytes arrive, not as they are announced. */
static status fill(struct milter *m, size_t size)
{
	slice bytes;

	while (m->in.size < size) {
		TRY(stream_some(m->stream, size - m->in.size, &bytes));
		text_add(&m->in, bytes);
	}
	return ST_OK;
}

status milter_hear(struct milter *m, enum milter_command asked, arena *a, milter_answer *out)
{
	size_t size;

	text_clear(&m->in);
	TRY(fill(m, 4));
	TRY(milter_packet_size((const uint8_t *)m->in.at, &size));
	TRY(fill(m, 4 + size));
	return milter_answer_read(slice_from(text_slice(&m->in), 4), asked, &m->terms, a, out);
}
