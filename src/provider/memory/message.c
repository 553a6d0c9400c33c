/* Messages, traces and audit rows in memory. */
#include "provider/message.h"

#include "base/clock.h"
#include "mail/sketch.h"
#include "provider/folder_page.h"
#include "provider/memory/store.h"
#include "provider/message_sketch.h"
#include "provider/trace.h"

static void copy(const struct m_message *m, arena *a, message *out)
{
	*out = m->m;
	out->subject = arena_copy(a, m->m.subject);
	out->from = arena_copy(a, m->m.from);
	out->message_id = arena_copy(a, m->m.message_id);
}

static status find(int64_t postoffice, int64_t id, arena *a, message **out)
{
	struct store *s = store_take();
	struct m_message *m = store_message(s, postoffice, id);
	status kind = store_refuses(s) ? ST_BUSY : m ? ST_OK : ST_ABSENT;
	if (kind == ST_OK) {
		*out = arena_new(a, sizeof **out);
		copy(m, a, *out);
	}
	store_give();
	return kind;
}

status message_by_id(int64_t postoffice, int64_t id, arena *a, message **out)
{
	return postoffice == 0 ? ST_ABSENT : find(postoffice, id, a, out);
}

status message_anywhere(int64_t id, arena *a, message **out)
{
	return find(0, id, a, out);
}

/* ---- sketches: made when they are asked for */

status message_sketches(
	int64_t postoffice, const int64_t *messages, int n, arena *a, slice **sketches)
{
	struct store *s = store_take();
	status kind = store_refuses(s) ? ST_BUSY : ST_OK;

	*sketches = arena_new_array(a, (size_t)n + 1, sizeof **sketches);
	for (int i = 0; i < n && kind == ST_OK; i++) {
		struct m_message *m = store_message(s, postoffice, messages[i]);
		struct m_blob *b = m ? store_blob(s, postoffice, m->m.blob) : NULL;

		if (b)
			(*sketches)[i] = sketch_make(b->body, a);
	}
	store_give();
	return kind;
}

status messages_standing(
	int64_t postoffice, const int64_t *messages, int n, arena *a, bool **standing)
{
	struct store *s = store_take();
	status kind = store_refuses(s) ? ST_BUSY : ST_OK;

	*standing = arena_new_array(a, (size_t)n + 1, sizeof **standing);
	for (int i = 0; i < n && kind == ST_OK; i++)
		(*standing)[i] = store_message(s, postoffice, messages[i]) != NULL;
	store_give();
	return kind;
}

/* ---- facts */

status message_facts(int64_t postoffice, const int64_t *messages, int n, arena *a,
	struct message_fact **facts, int *whole)
{
	struct store *s = store_take();
	status kind = store_refuses(s) ? ST_BUSY : ST_OK;
	size_t given = 0;
	int all = n;

	*facts = arena_new_array(a, (size_t)n + 1, sizeof **facts);
	for (int i = 0; i < n && kind == ST_OK; i++) {
		struct m_message *m = postoffice ? store_message(s, postoffice, messages[i]) : NULL;
		struct message_fact *f = &(*facts)[i];

		f->message = messages[i];
		if (!m)
			continue;
		if (whole && given >= MESSAGE_FACTS_MOST && i < all)
			all = i;
		*f = i < all ? m->fact : (struct message_fact){0};
		f->message = messages[i];
		f->blob = m->m.blob;
		f->size = (uint32_t)m->m.size;
		f->header_size = m->m.header_size;
		f->envelope = arena_copy(a, f->envelope);
		f->structure = arena_copy(a, f->structure);
		given += f->envelope.size + f->structure.size;
	}
	if (whole)
		*whole = all;
	store_give();
	return kind;
}

status message_facts_keep(int64_t postoffice, const struct message_fact *facts, int n)
{
	struct store *s = store_take();
	status kind = store_refuses(s) ? ST_BUSY : ST_OK;

	for (int i = 0; i < n && kind == ST_OK; i++) {
		struct m_message *m = store_message(s, postoffice, facts[i].message);

		if (!m || facts[i].version < m->fact.version ||
			(facts[i].version == m->fact.version &&
				(facts[i].envelope.size < m->fact.envelope.size ||
					facts[i].structure.size <= m->fact.structure.size)))
			continue;
		m->fact = (struct message_fact){.version = facts[i].version,
			.envelope = arena_copy(&s->a, facts[i].envelope),
			.structure = arena_copy(&s->a, facts[i].structure)};
	}
	store_give();
	return kind;
}

status message_envelopes(int64_t postoffice, const int64_t *messages, int n, arena *a,
	struct message_fact **facts, int *whole)
{
	return message_facts(postoffice, messages, n, a, facts, whole);
}

bool message_bodies_known(int64_t postoffice, const int64_t *messages, int n, int64_t *blobs)
{
	(void)postoffice;
	(void)messages;
	(void)blobs;
	return n == 0;
}

void message_facts_learn(int64_t postoffice, const struct message_fact *facts, int n)
{
	(void)postoffice;
	(void)facts;
	(void)n;
}

void message_facts_forget(void)
{
}

/* Nothing is quicker than what is here already. */
void folder_page_bring(const view *v, const uint32_t *uids, int n, bool whole)
{
	(void)v;
	(void)uids;
	(void)n;
	(void)whole;
}

bool folder_page_takes(const view *v, uint32_t uid, const struct message_fact *f)
{
	(void)v;
	(void)uid;
	(void)f;
	return false;
}

void folder_page_keep(const view *v)
{
	(void)v;
}

status message_list(int64_t postoffice, int64_t mailbox, unsigned most, arena *a,
	struct message_entry **rows, int *n)
{
	struct m_mailbox *m = store_mailbox(store_take(), postoffice, mailbox);

	*n = 0;
	*rows = arena_new_array(a, (size_t)most + 1, sizeof **rows);
	if (m) {
		for (link_t *l = m->inbox->entries.prev;
			l != &m->inbox->entries && (unsigned)*n < most; l = l->prev) {
			const struct m_entry *e = LINK_OWNER(l, struct m_entry, link);
			struct message_entry *row = &(*rows)[(*n)++];
			copy(e->message, a, &row->m);
			row->folder = S("INBOX");
			row->uid = e->e.uid;
			row->flags = e->e.flags;
			row->received = e->e.received;
		}
	}
	store_give();
	return ST_OK;
}

/* ---- traces */

void trace_note(int64_t postoffice, int64_t message, enum trace_kind k, const char *fields, ...)
{
	va_list args;
	struct store *s = store_take();

	va_start(args, fields);
	struct m_trace *t = arena_new(&s->a, sizeof *t);
	t->row = (struct trace_row){.at = clock_wall(),
		.postoffice = postoffice,
		.message = message,
		.kind = k,
		.node = S("memory"),
		.fields = arena_format_v(&s->a, fields, args)};
	list_append(&s->traces, &t->link);
	va_end(args);
	store_give();
}

static void give_trace(struct trace_row *to, const struct m_trace *t, arena *a)
{
	*to = t->row;
	to->fields = arena_copy(a, t->row.fields);
}

status trace_by_message(int64_t message, arena *a, struct trace_row **rows, int *n)
{
	struct store *s = store_take();
	int count = 0;

	EACH(struct m_trace, &s->traces, t)
		count += t->row.message == message;
	*rows = arena_new_array(a, (size_t)count + 1, sizeof **rows);
	*n = 0;
	EACH(struct m_trace, &s->traces, t)
		if (t->row.message == message)
			give_trace(&(*rows)[(*n)++], t, a);
	store_give();
	return ST_OK;
}

status trace_by_message_id(slice message_id, arena *a, struct trace_row **rows, int *n)
{
	struct store *s = store_take();
	int64_t id = 0;

	EACH(struct m_message, &s->messages, m)
		if (slice_same(m->m.message_id, message_id))
			id = m->m.id;
	store_give();
	if (id == 0) {
		*rows = NULL;
		*n = 0;
		return ST_OK;
	}
	return trace_by_message(id, a, rows, n);
}

status trace_flush(void)
{
	return ST_OK;
}

status audit_list(int64_t postoffice, unsigned most, arena *a, struct audit_row **rows, int *n)
{
	(void)postoffice;
	(void)most;
	(void)a;
	*rows = NULL;
	*n = 0;
	return ST_OK;
}
