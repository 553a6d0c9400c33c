/* Appending in memory: checked whole, then stored whole. */
#include "provider/append.h"

#include "base/id.h"
#include "provider/header_facts.h"
#include "provider/memory/store.h"
#include "provider/news.h"

static struct m_message *keep(
	struct store *s, int64_t postoffice, struct append_message *x, arena *a)
{
	struct m_blob *b = arena_new(&s->a, sizeof *b);
	struct m_message *m = arena_new(&s->a, sizeof *m);
	struct header_facts h;

	header_facts_read(x->header, a, &h);
	*b = (struct m_blob){.postoffice = postoffice,
		.id = blob_writer_id(x->body),
		.body = arena_copy(&s->a, blob_writer_body(x->body))};
	*m = (struct m_message){.blob = b,
		.m = {.id = x->id,
			.postoffice = postoffice,
			.blob = b->id,
			.size = (int64_t)b->body.size,
			.header_size = x->header_size,
			.sent = h.sent,
			.subject = arena_copy(&s->a, header_shown(h.subject, HEADER_SHOWN_MOST, a)),
			.from = arena_copy(&s->a, header_shown(h.from, HEADER_SHOWN_MOST, a)),
			.message_id =
				arena_copy(&s->a, header_shown(h.message_id, HEADER_ID_MOST, a))}};
	list_append(&s->blobs, &b->link);
	list_append(&s->messages, &m->link);
	return m;
}

static int64_t replaced_in(const struct append *x)
{
	return x->replaced_mailbox ? x->replaced_mailbox : x->mailbox;
}

static struct m_folder *replaced_folder(
	struct store *s, const struct append *x, struct m_mailbox **m)
{
	*m = store_mailbox(s, x->postoffice, replaced_in(x));
	return *m ? store_folder(*m, x->replaced_folder) : NULL;
}

static bool has_rights(struct store *s, const struct append *x, const struct m_folder *f)
{
	struct m_mailbox *reader = store_mailbox(s, x->postoffice, x->reader), *m;
	const struct m_folder *left = replaced_folder(s, x, &m);

	if (!x->rights && !x->replaced_rights)
		return true;
	return reader && !(x->rights & ~store_rights(s, f, reader)) &&
	       (!left || !(x->replaced_rights & ~store_rights(s, left, reader)));
}

static struct m_entry *replaced_entry(struct m_folder *f, const struct append *x)
{
	EACH(struct m_entry, &f->entries, e)
		if (e->e.uid == x->replaced_uid)
			return e;
	return NULL;
}

static void replace(struct store *s, const struct append *x)
{
	struct m_mailbox *m;
	struct m_folder *f = replaced_folder(s, x, &m);
	struct m_entry *e = f ? replaced_entry(f, x) : NULL;

	if (e)
		store_entry_remove(s, m, f, e, store_modseq(m, f), false);
}

/* Octets that the replaced one leaves in the same mailbox. */
static int64_t room_made(struct store *s, const struct append *x)
{
	struct m_mailbox *m;
	struct m_folder *f = replaced_folder(s, x, &m);
	const struct m_entry *e = f && replaced_in(x) == x->mailbox ? replaced_entry(f, x) : NULL;

	return e ? e->e.size : 0;
}

static status store_all(struct store *s, struct append *x, slice name, int64_t *folder, arena *a)
{
	struct m_mailbox *m = store_mailbox(s, x->postoffice, x->mailbox);
	struct m_folder *f = m ? store_folder_named(m, name) : NULL;
	int64_t bytes = 0;

	if (store_refuses(s) || s->full)
		return ST_BUSY;
	if (!f || (x->folder_id && f->f.id != x->folder_id) || m->state != MAILBOX_ENABLED)
		return ST_ABSENT;
	if (!has_rights(s, x, f))
		return ST_DENIED;
	for (int i = 0; i < x->n; i++)
		bytes += (int64_t)blob_writer_size(x->messages[i].body);
	if (m->quota > 0 && m->used + bytes > m->quota + room_made(s, x))
		return ST_FULL;
	x->modseq = store_modseq(m, f);
	x->uidvalidity = f->f.uidvalidity;
	*folder = f->f.id;
	for (int i = 0; i < x->n; i++) {
		struct append_message *in = &x->messages[i];

		in->id = id_new();
		in->uid = store_entry_add(s, m, f, keep(s, x->postoffice, in, a), x->modseq,
			in->flags, in->received ? in->received : clock_wall(), in->zone)
				  ->e.uid;
	}
	replace(s, x);
	return s->unsure ? ST_UNSURE : ST_OK;
}

status append_run(struct append *x)
{
	arena a = ARENA_INIT;
	slice name;
	int64_t folder;
	status kind = folder_name(x->folder, &a, &name) == ST_OK ? ST_OK : ST_ABSENT;

	if (kind == ST_OK) {
		kind = store_all(store_take(), x, name, &folder, &a);
		store_give();
	}
	if (kind == ST_OK)
		news_tell(x->postoffice, x->mailbox, folder);
	if (kind == ST_OK && x->replaced_folder)
		news_tell(x->postoffice, replaced_in(x), x->replaced_folder);
	arena_release(&a);
	return kind;
}
