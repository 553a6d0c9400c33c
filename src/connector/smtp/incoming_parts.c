/* Who gets the message: one part per post office, its mailboxes here, and rows of the queue for
   those elsewhere and for programs and reports. */
#include "connector/smtp/hook.h"
#include "connector/smtp/incoming_inside.h"

#include <stdlib.h>

/* Local ones first, then those elsewhere by domain, so that doubled ones stand together; at last
   those whose sender is told. */
static int by_place(const void *a, const void *b)
{
	const struct recipient *x = a, *y = b;
	if (x->route.postoffice != y->route.postoffice)
		return x->route.postoffice < y->route.postoffice ? -1 : 1;
	if (!x->told != !y->told)
		return x->told ? 1 : -1;
	if (x->remote != y->remote)
		return x->remote ? 1 : -1;
	int order = x->remote ? slice_order(x->address.domain, y->address.domain) : 0;
	if (x->remote)
		return order ? order : slice_order(x->address.local, y->address.local);
	return (x->route.mailbox > y->route.mailbox) - (x->route.mailbox < y->route.mailbox);
}

static slice orcpt_of(const struct recipient *r, arena *a)
{
	return r->dsn.has_orcpt ? arena_format(a, "%.*s;%.*s", SLICE_ARGS(r->dsn.orcpt_type),
					  SLICE_ARGS(r->dsn.orcpt))
				: S("");
}

/* No report to whom others name as a sender (T15): mail of a stranger whose domain says that it is
   not from there, and that a mailbox or an address here leads to another system, comes back to
   nobody. */
static unsigned notify_of(conversation *c, const struct recipient *r)
{
	bool nobody = r->remote && !smtp_of(c)->sender.empty && !(r->dsn.notify & NOTIFY_NEVER) &&
		      policy_disowns_sender(c);

	return nobody ? NOTIFY_NOBODY | NOTIFY_FAILURE : r->dsn.notify;
}

/* What is quarantined waits for an operator's word. */
static struct queue_recipient queued(conversation *c, const struct recipient *r)
{
	struct smtp *s = smtp_of(c);

	return (struct queue_recipient){
		.address = mail_address_text(&r->address, &s->mail),
		.domain = r->address.domain.size ? r->address.domain : smtp_local_domain(),
		.notify = notify_of(c, r),
		.orcpt = orcpt_of(r, &s->mail),
		.parked = r->remote && s->incoming->quarantined,
		.delivered = !r->remote,
		.told = r->dropped ? TOLD_EXPANDED : r->told,
		.sender = r->sender,
		.via = r->via,
		.mailbox = r->by,
	};
}

static bool wants_word(const struct smtp *s, const struct recipient *r)
{
	bool wants = r->dropped ? r->expands : r->told || (r->dsn.notify & NOTIFY_SUCCESS);

	return wants && !r->remote && !s->sender.empty;
}

/* Recipients here whose sender wants to know that they have it (RFC 3461 5.2.3), or is to know that
   they have not. */
static void add_told(conversation *c, struct delivery_part *part)
{
	struct smtp *s = smtp_of(c);
	int n = 0;
	for (int i = 0; i < s->n; i++)
		n += wants_word(s, &s->recipients[i]);
	if (n == 0 || !policy_knows_sender(c)) /* no report to who may have sent nothing (T15) */
		return;
	struct queue_recipient *all =
		arena_new_array(&s->mail, (size_t)part->m + (size_t)n, sizeof *all);
	if (part->m)
		memcpy(all, part->remote, (size_t)part->m * sizeof *all);
	for (int i = 0; i < s->n; i++)
		if (wants_word(s, &s->recipients[i]) &&
			s->recipients[i].route.postoffice == part->postoffice)
			all[part->m++] = queued(c, &s->recipients[i]);
	part->remote = all;
}

static bool doubled(const struct recipient *a, const struct recipient *b)
{
	return a->remote == b->remote &&
	       (a->remote ? by_place(a, b) == 0 : a->route.mailbox == b->route.mailbox);
}

/* Where nobody is told in the end, there was nothing else to store. */
static void drop_empty_parts(struct delivery *d)
{
	int kept = 0;

	for (int i = 0; i < d->n; i++)
		if (d->parts[i].n + d->parts[i].m > 0)
			d->parts[kept++] = d->parts[i];
	d->n = kept;
}

/* A row for each mailbox of the part whose program is to be run once the message is in it. */
static void add_programs(conversation *c, struct delivery_part *part)
{
	struct smtp *s = smtp_of(c);
	const struct recipient *last = NULL;
	struct queue_recipient *all = NULL;
	for (int i = 0; i < s->n; i++) {
		const struct recipient *r = &s->recipients[i];
		struct setting_at at = {r->route.postoffice, r->address.domain, r->route.mailbox};
		if (r->remote || r->told || r->dropped || r->route.postoffice != part->postoffice ||
			(last && doubled(r, last)))
			continue;
		last = r;
		if (hook_program(HOOK_DELIVERY, &at).size == 0)
			continue;
		if (!all) {
			all = arena_new_array(
				&s->mail, (size_t)part->m + (size_t)s->n, sizeof *all);
			if (part->m)
				memcpy(all, part->remote, (size_t)part->m * sizeof *all);
			part->remote = all;
		}
		all[part->m] = queued(c, r);
		all[part->m].told = TOLD_PROGRAM;
		all[part->m++].mailbox = r->route.mailbox;
	}
}

void incoming_parts(conversation *c, struct incoming *in)
{
	struct smtp *s = smtp_of(c);
	qsort(s->recipients, (size_t)s->n, sizeof *s->recipients, by_place);
	in->delivery.parts = arena_new_array(&s->mail, (size_t)s->n, sizeof *in->delivery.parts);
	struct route *routes = arena_new_array(&s->mail, (size_t)s->n, sizeof *routes);
	in->routes = routes;
	struct queue_recipient *far = arena_new_array(&s->mail, (size_t)s->n, sizeof *far);
	struct delivery_part *part = NULL;
	const struct recipient *last = NULL;
	for (int i = 0; i < s->n; i++) {
		const struct recipient *r = &s->recipients[i];
		if (r->dropped && !r->expands)
			continue;
		if (!part || part->postoffice != r->route.postoffice) {
			part = &in->delivery.parts[in->delivery.n++];
			*part = (struct delivery_part){.postoffice = r->route.postoffice,
				.recipients = routes,
				.remote = far};
		} else if (last && doubled(r, last)) {
			continue;
		}
		if (r->told || r->dropped)
			continue;
		last = r;
		if (r->remote) {
			*far++ = queued(c, r);
			part->m++;
		} else {
			*routes++ = r->route;
			part->n++;
		}
	}
	for (int i = 0; i < in->delivery.n; i++)
		add_told(c, &in->delivery.parts[i]);
	for (int i = 0; i < in->delivery.n; i++)
		add_programs(c, &in->delivery.parts[i]);
	drop_empty_parts(&in->delivery);
	in->delivery.envelope = &in->envelope;
}
