/* The house's own messages: a raw text becomes a delivery, with a body for each post office. */
#include "provider/deliver_inside.h"

#include "mail/header.h"
#include "provider/header_facts.h"

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
