/* The house's own messages: a raw text becomes a delivery, with a body for each post office. */
#include "provider/deliver_inside.h"

#include "base/id.h"
#include "mail/header.h"
#include "provider/header_facts.h"

#include <stdlib.h>

static int route_order(const void *a, const void *b)
{
	const struct route *x = a, *y = b;

	if (x->postoffice != y->postoffice)
		return x->postoffice < y->postoffice ? -1 : 1;
	return x->mailbox < y->mailbox ? -1 : x->mailbox > y->mailbox;
}

/* The recipients in order, each mailbox once, as parts without bodies. */
static void parts_make(const struct route *to, int n, arena *a, struct delivery *d)
{
	struct route *all = arena_new_array(a, (size_t)n, sizeof *all);
	int count = 0;

	d->parts = arena_new_array(a, (size_t)n, sizeof *d->parts);
	memcpy(all, to, (size_t)n * sizeof *all);
	qsort(all, (size_t)n, sizeof *all, route_order);
	for (int i = 0; i < n; i++) {
		if (count > 0 && route_order(&all[i], &all[count - 1]) == 0)
			continue;
		all[count] = all[i];
		if (count == 0 || all[count].postoffice != all[count - 1].postoffice)
			d->parts[d->n++] = (struct delivery_part){
				.postoffice = all[count].postoffice, .recipients = &all[count]};
		d->parts[d->n - 1].n++;
		count++;
	}
}

static void header_read(slice raw, arena *a, struct delivery *d)
{
	struct header_facts h;
	size_t size = header_size(raw);

	for (int i = 0; i < d->n; i++)
		d->parts[i].header_size = (uint32_t)size;
	header_facts_read(slice_until(raw, size), a, &h);
	d->subject = h.subject;
	d->from = h.from;
	d->message_id = h.message_id;
	d->sent = h.sent;
}

status deliver_text_read(slice raw, arena *a, struct delivery *d)
{
	header_read(raw, a, d);
	for (int i = 0; i < d->n; i++) {
		TRY(blob_writer_open(d->parts[i].postoffice, &d->parts[i].body));
		TRY(blob_write(d->parts[i].body, raw));
		TRY(blob_writer_finish(d->parts[i].body));
	}
	return ST_OK;
}

status deliver_text(const struct route *to, int n, slice raw, int64_t *id)
{
	struct delivery d = {.id = id_new()};
	arena a = ARENA_INIT;
	status s;

	parts_make(to, n, &a, &d);
	s = deliver_text_read(raw, &a, &d);
	if (s == ST_OK)
		s = deliver_run(&d);
	for (int i = 0; i < d.n; i++)
		blob_writer_close(&d.parts[i].body);
	arena_release(&a);
	if (s == ST_OK)
		*id = d.id;
	return s;
}
