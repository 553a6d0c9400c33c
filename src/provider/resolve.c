/* One recipient of an envelope, worked off level by level.

   What was met is remembered under "m" and the mailbox's id, "g" and the group's, "r" and the folded
   address: so each of the three is a leaf once, a group that contains itself ends, and the work is
   bounded by the destinations it gives. Rows that only repeat what was met are bounded by the depth. */
#include "provider/resolve.h"

#include "base/map.h"
#include "mail/address.h"
#include "provider/group_row.h"
#include "provider/setting.h"

#define DEPTH_MOST 20 /* groups within groups */

struct resolving {
	arena *a;
	struct resolution *out;
	map *met;
	uint64_t size;
	int most, room; /* of destinations: allowed, allocated */
	int64_t *groups; /* of the level that comes next */
	int group_count, group_room;
	int depth;
};

/* ---- what is met */

static bool met_before(struct resolving *r, char what, slice which)
{
	slice key = arena_format(r->a, "%c%.*s", what, SLICE_ARGS(which));

	return map_put(r->met, key, r) != NULL;
}

static bool met_number(struct resolving *r, char what, int64_t id)
{
	return met_before(r, what, arena_format(r->a, "%lld", (long long)id));
}

static status destination_add(struct resolving *r, const struct destination *d)
{
	struct resolution *out = r->out;

	if (out->n >= r->most)
		return ST_LIMITED;
	if (out->n == r->room) {
		int room = r->room ? 2 * r->room : 8;
		struct destination *grown = arena_new_array(r->a, (size_t)room, sizeof *grown);

		if (out->n > 0)
			memcpy(grown, out->to, (size_t)out->n * sizeof *grown);
		out->to = grown;
		r->room = room;
	}
	out->to[out->n++] = *d;
	return ST_OK;
}

static status group_met(struct resolving *r, int64_t id)
{
	if (met_number(r, 'g', id))
		return ST_OK;
	if (r->group_count == r->group_room) {
		int room = r->group_room ? 2 * r->group_room : 8;
		int64_t *grown = arena_new_array(r->a, (size_t)room, sizeof *grown);

		if (r->group_count > 0)
			memcpy(grown, r->groups, (size_t)r->group_count * sizeof *grown);
		r->groups = grown;
		r->group_room = room;
	}
	r->groups[r->group_count++] = id;
	return ST_OK;
}

static status mailbox_met(struct resolving *r, const struct route *box, slice address, status kind)
{
	if (met_number(r, 'm', box->mailbox))
		return ST_OK;
	return destination_add(r, &(struct destination){.route = *box, .address = address, .kind = kind});
}

static status outside_met(struct resolving *r, int64_t postoffice, slice address)
{
	mail_address m;

	if (mail_address_parse(address, r->a, &m) != ST_OK)
		return destination_add(r, &(struct destination){.remote = true, .address = address,
			.route = {.postoffice = postoffice}, .kind = ST_ABSENT});
	if (met_before(r, 'r', mail_address_key(&m, r->a)))
		return ST_OK;
	r->out->outside = true;
	return destination_add(r, &(struct destination){.remote = true, .address = mail_address_text(&m, r->a),
		.domain = m.domain, .route = {.postoffice = postoffice}});
}

/* ST_OK, or ST_DENIED, ST_FULL, ST_ABSENT of a mailbox: it keeps its place, with the reason. */
static status lead_met(struct resolving *r, const struct route *to, slice address, status kind)
{
	if (to->group != 0)
		return group_met(r, to->group);
	if (to->remote.size > 0)
		return outside_met(r, to->postoffice, to->remote);
	if (kind == ST_OK)
		kind = address_room(to, r->size);
	if (to->mailbox == 0)
		return met_before(r, 'r', address) ? ST_OK
			: destination_add(r, &(struct destination){.route = *to, .address = address,
				.kind = kind == ST_OK ? ST_ABSENT : kind});
	return mailbox_met(r, to, address, kind);
}

static bool is_trouble(status kind)
{
	return kind != ST_OK && kind != ST_ABSENT && kind != ST_DENIED && kind != ST_FULL && kind != ST_FOREIGN;
}

static status address_met(struct resolving *r, int64_t postoffice, slice address)
{
	mail_address m;
	struct route to = {0};

	if (mail_address_parse(address, r->a, &m) != ST_OK)
		return outside_met(r, postoffice, address);
	status kind = address_lead(m.local, m.domain, r->size, r->a, &to);
	if (is_trouble(kind))
		return kind;
	if (kind == ST_FOREIGN || to.postoffice != postoffice)
		return outside_met(r, postoffice, address);
	return lead_met(r, &to, address, kind);
}

/* ---- level by level */

static status members_met(struct resolving *r, const struct group_lead *rows, int n)
{
	int64_t postoffice = r->out->route.postoffice;

	for (int i = 0; i < n; i++) {
		const struct group_lead *m = &rows[i];

		if (m->written.size == 0)
			continue;
		if (!m->here)
			TRY(outside_met(r, postoffice, m->written));
		else if (m->known)
			TRY(lead_met(r, &m->route, m->written, m->kind));
		else
			TRY(address_met(r, postoffice, m->written));
	}
	return ST_OK;
}

static status levels_run(struct resolving *r)
{
	while (r->group_count > 0) {
		const int64_t *level = r->groups;
		struct group_lead *rows;
		int n = r->group_count, count;

		if (r->depth++ == DEPTH_MOST)
			return ST_LIMITED;
		r->groups = NULL;
		r->group_count = r->group_room = 0;
		TRY(group_expand(r->out->route.postoffice, level, n, r->most + 1, r->a, &rows, &count));
		if (count > r->most)
			return ST_LIMITED;
		if (r->depth == 1 && count > 0)
			r->out->posting = rows[0].posting;
		TRY(members_met(r, rows, count));
	}
	return ST_OK;
}

/* ---- what is reported (RFC 3461 5.2.7) */

static slice orcpt_of(const rcpt_parameters *dsn, slice local, slice domain, arena *a)
{
	if (dsn && dsn->has_orcpt)
		return arena_format(a, "%.*s;%.*s", SLICE_ARGS(dsn->orcpt_type), SLICE_ARGS(dsn->orcpt));
	return arena_format(a, "rfc822;%.*s@%.*s", SLICE_ARGS(local), SLICE_ARGS(domain));
}

static void reports_set(struct resolution *out, const rcpt_parameters *dsn, slice orcpt)
{
	unsigned notify = dsn ? dsn->notify : 0;

	out->expanded = out->n > 1 && (notify & NOTIFY_SUCCESS);
	if (out->expanded && !(notify &= ~(unsigned)NOTIFY_SUCCESS))
		notify = NOTIFY_NEVER;
	for (int i = 0; i < out->n; i++) {
		out->to[i].notify = notify;
		out->to[i].orcpt = orcpt;
	}
}

/* When nobody gets it: why the first does not. */
static status verdict(const struct resolution *out)
{
	for (int i = 0; i < out->n; i++)
		if (out->to[i].kind == ST_OK)
			return ST_OK;
	return out->n > 0 ? out->to[0].kind : ST_ABSENT;
}

status resolve(slice local, slice domain, uint64_t size, const rcpt_parameters *dsn, arena *a,
	struct resolution *out)
{
	*out = (struct resolution){.posting = GROUP_OPEN};
	TRY(address_lead(local, domain, size, a, &out->route));
	if (out->route.group == 0 && out->route.remote.size == 0)
		return ST_OK;

	struct setting_at at = {.postoffice = out->route.postoffice};
	struct resolving r = {.a = a, .out = out, .size = size, .met = map_open(),
		.most = (int)setting_number(S_group_recipients_most, &at)};
	status s = lead_met(&r, &out->route, S(""), ST_OK);
	if (s == ST_OK)
		s = levels_run(&r);
	map_close(&r.met);
	TRY(s);
	reports_set(out, dsn, orcpt_of(dsn, local, domain, a));
	return verdict(out);
}

/* ---- who may post */

/* By whom he logged on, or by the address he is known to have. */
static bool is_member(const struct resolution *g, const struct poster *p)
{
	for (int i = 0; i < g->n; i++) {
		const struct destination *d = &g->to[i];

		if (!d->remote && p->mailbox != 0 && d->route.postoffice == p->postoffice &&
			d->route.mailbox == p->mailbox)
			return true;
		if (p->known && p->address.size > 0 && slice_same_nocase(d->address, p->address))
			return true;
	}
	return false;
}

bool group_may_post(const struct resolution *g, const struct poster *p)
{
	enum group_posting rule = g->posting;

	if (rule == GROUP_USUAL)
		rule = g->outside ? GROUP_POSTOFFICE : GROUP_OPEN;
	switch (rule) {
	case GROUP_OPEN:
		return true;
	case GROUP_MEMBERS:
		return is_member(g, p);
	default:
		return p->postoffice == g->route.postoffice;
	}
}

/* ---- a mailbox alone (address_map.h) */

status address_resolve(slice local, slice domain, uint64_t size, arena *a, struct route *out)
{
	status s = address_lead(local, domain, size, a, out);

	if (s == ST_OK && out->group != 0)
		return ST_ABSENT;
	return s == ST_OK && out->remote.size > 0 ? ST_FOREIGN : s;
}
