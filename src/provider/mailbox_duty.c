/* See the header. */
#include "provider/mailbox_duty.h"

#include "provider/address_map.h"
#include "provider/domain.h"

#define PAGE 500

static status other_administers(int64_t postoffice, int64_t id, bool *out)
{
	arena a = ARENA_INIT, next = ARENA_INIT;
	slice after = S("");
	status kind = ST_OK;

	*out = false;
	for (int n = PAGE; kind == ST_OK && n == PAGE && !*out;) {
		mailbox *rows;

		kind = mailbox_list(postoffice, after, PAGE, &a, &rows, &n);
		for (int i = 0; kind == ST_OK && i < n; i++)
			*out = *out || (rows[i].id != id && mailbox_administers(&rows[i]));
		arena_clear(&next);
		if (kind == ST_OK && n > 0)
			after = arena_copy(&next, rows[n - 1].name);
		arena_clear(&a);
	}
	arena_release(&next);
	arena_release(&a);
	return kind;
}

static status leads_there(slice word, const domain *d, int64_t id, arena *a, bool *out)
{
	struct route r = {0};
	status kind = address_resolve(word, d->name, 0, a, &r);
	bool reached = kind == ST_OK || kind == ST_FULL;

	*out = reached && r.mailbox == id;
	return reached || kind == ST_ABSENT || kind == ST_DENIED || kind == ST_FOREIGN ? ST_OK
										       : kind;
}

/* What led to a mailbox that is gone falls to the one called postmaster. */
static bool has_heir(int64_t postoffice, int64_t id, enum mailbox_loss loss, arena *a)
{
	mailbox *heir;

	return loss == LOSS_REMOVED &&
	       mailbox_find(postoffice, S("postmaster"), a, &heir) == ST_OK && heir->id != id &&
	       heir->state == MAILBOX_ENABLED;
}

static status domains_spare(int64_t postoffice, int64_t id, arena *a, slice *why)
{
	static const slice words[] = {S("postmaster"), S("abuse")};
	domain *d;
	int n;

	TRY(domain_list(postoffice, a, &d, &n));
	for (int i = 0; i < 2 * n; i++) {
		const domain *of = &d[i / 2];
		slice word = words[i % 2];
		bool needed;

		if (of->stands_for.size > 0) /* its targets are the other's */
			continue;
		TRY(leads_there(word, of, id, a, &needed));
		if (!needed)
			continue;
		*why = arena_format(a, "%.*s@%.*s leads to it and would lead nowhere",
			SLICE_ARGS(word), SLICE_ARGS(of->name));
		return ST_DENIED;
	}
	return ST_OK;
}

status mailbox_spare(int64_t postoffice, int64_t id, enum mailbox_loss loss, arena *a, slice *why)
{
	mailbox *m;
	bool other = true;

	TRY(mailbox_by_id(postoffice, id, a, &m));
	if (mailbox_administers(m))
		TRY(other_administers(postoffice, id, &other));
	if (!other) {
		*why = S("it is the only administrator of its post office that works");
		return ST_DENIED;
	}
	if (loss == LOSS_OF_RIGHT || has_heir(postoffice, id, loss, a))
		return ST_OK;
	return domains_spare(postoffice, id, a, why);
}

status mailbox_spared(int64_t postoffice, int64_t id, enum mailbox_loss loss)
{
	arena a = ARENA_INIT;
	slice why;
	status kind = mailbox_spare(postoffice, id, loss, &a, &why);

	arena_release(&a);
	return kind;
}
