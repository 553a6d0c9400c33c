/* Delivery in memory: checked whole, then stored whole, under one lock. */
#include "provider/deliver.h"

#include "base/id.h"
#include "base/metric.h"
#include "provider/memory/memory.h"
#include "provider/memory/store.h"
#include "provider/news.h"

static struct m_repeat *find_repeat(struct store *s, slice key)
{
	EACH(struct m_repeat, &s->repeats, r) {
		if (r->until <= clock_wall())
			list_remove(&r->link);
		else if (slice_same(r->key, key))
			return r;
	}
	return NULL;
}

static status check_part(struct store *s, const struct delivery_part *p, int64_t room)
{
	int64_t size = (int64_t)blob_writer_size(p->body);

	for (int i = 0; i < p->n; i++) {
		const struct route *r = &p->recipients[i];
		struct m_mailbox *m = store_mailbox(s, p->postoffice, r->mailbox);
		if (!m || m->state != MAILBOX_ENABLED || m->postoffice->state != POSTOFFICE_ENABLED)
			return ST_ABSENT;
		if (!store_folder(m, r->inbox))
			return ST_ABSENT;
		if (m->quota > 0 && m->used + size > m->quota + (r->postmaster ? room : 0))
			return ST_FULL;
	}
	return ST_OK;
}

static void store_part(struct store *s, const struct delivery *d, const struct delivery_part *p)
{
	struct m_blob *b = arena_new(&s->a, sizeof *b);
	*b = (struct m_blob){.postoffice = p->postoffice,
		.id = blob_writer_id(p->body),
		.body = arena_copy(&s->a, blob_writer_body(p->body))};
	list_append(&s->blobs, &b->link);

	struct m_message *kept = arena_new(&s->a, sizeof *kept);
	*kept = (struct m_message){.blob = b,
		.m = {.id = d->id,
			.postoffice = p->postoffice,
			.blob = b->id,
			.size = (int64_t)b->body.size,
			.header_size = p->header_size,
			.sent = d->sent,
			.subject = arena_copy(&s->a, d->subject),
			.from = arena_copy(&s->a, d->from),
			.message_id = arena_copy(&s->a, d->message_id)}};
	list_append(&s->messages, &kept->link);
	for (int i = 0; i < p->n; i++) {
		struct m_mailbox *m = store_mailbox(s, p->postoffice, p->recipients[i].mailbox);

		struct m_folder *f = store_folder(m, p->recipients[i].inbox);

		store_entry_add(s, m, f, kept, store_modseq(m, f), 0, clock_wall(), 0);
		news_tell(p->postoffice, m->id, f->f.id);
	}
	for (int i = 0; i < p->m; i++)
		store_queue(s, d->envelope, &p->remote[i], kept);
}

static status check(struct store *s, const struct delivery *d, int64_t room)
{
	if (d->right && store_answered(s, d->right))
		return ST_EXISTS;
	for (int i = 0; i < d->n; i++)
		TRY(check_part(s, &d->parts[i], room));
	return ST_OK;
}

static void store_all(struct store *s, const struct delivery *d)
{
	for (int i = 0; i < d->n; i++)
		store_part(s, d, &d->parts[i]);
	if (d->right)
		store_answered_add(s, d->right);
}

static status run(struct store *s, struct delivery *d, int64_t room, usec window)
{
	status lost = s->deliver_lose, fail = s->deliver_fail;

	s->deliver_lose = s->deliver_fail = ST_OK;
	if (fail != ST_OK)
		return fail;
	if (store_refuses(s) || s->full)
		return ST_BUSY;
	struct m_repeat *before = d->repeat_key.size ? find_repeat(s, d->repeat_key) : NULL;
	if (before) {
		d->id = before->id;
		return ST_EXISTS;
	}
	TRY(check(s, d, room));
	store_all(s, d);
	d->committed = clock_now();
	for (struct delivery *also = d->also; also; also = also->also) {
		also->left_out = check(s, also, room) != ST_OK;
		if (!also->left_out)
			store_all(s, also);
	}
	if (d->repeat_key.size && window > 0) {
		struct m_repeat *r = arena_new(&s->a, sizeof *r);
		*r = (struct m_repeat){.key = arena_copy(&s->a, d->repeat_key),
			.id = d->id,
			.until = clock_wall() + window};
		list_append(&s->repeats, &r->link);
	}
	return lost;
}

status deliver_run(struct delivery *d)
{
	int64_t room = setting_number(S_mailbox_postmaster_room, NULL);
	usec window = setting_number(S_smtp_repeat_window, NULL);
	status kind = run(store_take(), d, room, window);
	store_give();
	return kind;
}

status deliver_hold(void)
{
	return ST_OK; /* nothing is ever in doubt */
}

void deliver_confirm(slice repeat_key, bool broken)
{
	struct store *s = store_take();
	struct m_repeat *r = broken ? NULL : find_repeat(s, repeat_key);
	if (r)
		list_remove(&r->link);
	store_give();
}

/* Octets up to and with the empty line. */
static uint32_t header_end(slice raw)
{
	size_t end = slice_search(raw, S("\r\n\r\n"));
	return (uint32_t)(end < raw.size ? end + 4 : raw.size);
}

status memory_text(const struct route *to, int n, slice raw, int64_t *id)
{
	status kind = ST_OK;

	*id = id_new();
	for (int i = 0; i < n && kind == ST_OK; i++) {
		blob_writer *w;
		TRY(blob_writer_open(to[i].postoffice, &w));
		blob_write(w, raw);
		blob_writer_finish(w);
		struct delivery_part part = {.postoffice = to[i].postoffice,
			.body = w,
			.header_size = header_end(raw),
			.recipients = &to[i],
			.n = 1};
		struct delivery d = {.id = *id, .parts = &part, .n = 1};
		kind = deliver_run(&d);
		blob_writer_close(&w);
	}
	return kind;
}

int64_t memory_message(int64_t postoffice, int64_t mailbox, const char *raw)
{
	int64_t id = 0;
	struct m_mailbox *m = store_mailbox(store_take(), postoffice, mailbox);
	struct route to = {
		.postoffice = postoffice, .mailbox = mailbox, .inbox = m ? m->inbox->f.id : 0};
	store_give();
	return memory_text(&to, 1, slice_z(raw), &id) == ST_OK ? id : 0;
}
