/* The queue in memory: what deliveries put there, for a look. Nobody runs it. */
#include "provider/queue.h"

#include "base/clock.h"
#include "base/id.h"
#include "provider/memory/memory.h"
#include "provider/memory/store.h"

#define HOUR (3600 * USEC_S)

void store_queue(struct store *s, const struct queue_envelope *e, const struct queue_recipient *to,
	const struct m_message *m)
{
	struct m_queued *q = arena_new(&s->a, sizeof *q);

	q->e = (queue_entry){.id = id_new(),
		.shard = queue_shard(to->domain),
		.postoffice = m->m.postoffice,
		.message = m->m.id,
		.mailbox = to->mailbox ? to->mailbox : e->mailbox,
		.sender = arena_copy(&s->a, to->sender.size ? to->sender : e->sender),
		.via = arena_copy(&s->a, to->via),
		.domain = arena_copy(&s->a, to->domain),
		.address = arena_copy(&s->a, to->address),
		.orcpt = arena_copy(&s->a, to->orcpt),
		.envid = arena_copy(&s->a, e->envid),
		.notify = to->notify,
		.told = to->told,
		.ret = e->ret,
		.eight_bit = e->eight_bit,
		.binary = e->binary,
		.utf8 = e->utf8,
		.require_tls = e->require_tls,
		.priority = e->priority,
		.state = to->parked      ? QUEUE_PARKED
			 : to->delivered ? QUEUE_TELL
					 : QUEUE_READY,
		.made = clock_wall(),
		.next = to->parked ? USEC_NEVER : clock_wall(),
		.expires = clock_wall() + e->lifetime,
		.size = m->m.size};
	list_append(&s->queue, &q->link);
}

void memory_queue(arena *a, queue_entry **rows, int *n)
{
	struct store *s = store_take();

	*n = 0;
	EACH(struct m_queued, &s->queue, q)
		++*n;
	*rows = arena_new_array(a, (size_t)*n, sizeof **rows);
	*n = 0;
	EACH(struct m_queued, &s->queue, q)
		(*rows)[(*n)++] = q->e;
	store_give();
}

static bool is_target(const struct store *s, int64_t postoffice, int64_t mailbox, slice to,
	const struct m_queued *until)
{
	EACH(struct m_queued, &s->queue, q) {
		if (q == until)
			break;
		if (q->e.postoffice == postoffice && q->e.mailbox == mailbox &&
			q->e.made >= clock_wall() - HOUR && slice_same_nocase(q->e.address, to))
			return true;
	}
	return false;
}

status queue_sent(
	int64_t postoffice, int64_t mailbox, const slice *to, int n, struct queue_sent *out)
{
	struct store *s = store_take();
	status kind = store_refuses(s) ? ST_BUSY : ST_OK;

	*out = (struct queue_sent){0};
	EACH(struct m_queued, &s->queue, q) {
		if (q->e.postoffice != postoffice || q->e.made < clock_wall() - HOUR)
			continue;
		out->by_postoffice++;
		out->by_mailbox += q->e.mailbox == mailbox;
		out->targets += q->e.mailbox == mailbox &&
				!is_target(s, postoffice, mailbox, q->e.address, q);
	}
	for (int i = 0; i < n; i++)
		out->fresh += !is_target(s, postoffice, mailbox, to[i], NULL);
	const struct m_mailbox *m = store_mailbox(s, postoffice, mailbox);
	out->paused = m && m->paused ? clock_wall() + HOUR : 0;
	store_give();
	return kind;
}

void memory_pause(int64_t postoffice, int64_t mailbox)
{
	struct m_mailbox *m = store_mailbox(store_take(), postoffice, mailbox);

	if (m)
		m->paused = true;
	store_give();
}
