/* One recipient of an envelope, worked off level by level.

   What was met is remembered under "m" and the mailbox's id, "g" and the group's, "r" and the
   folded address: so each of the three is a leaf once, a group that contains itself ends, and the
   work is bounded by the destinations it gives. Rows that only repeat what was met are bounded by
   the depth.

   An address of another post office here is worked off by itself, with what it has met kept apart,
   for its rules decide whether anything of it counts; once for a message, however many lead to it.
   All of them together are bounded as one. */
#include "provider/resolve.h"

#include "base/map.h"
#include "mail/address.h"
#include "provider/group_row.h"
#include "provider/setting.h"

#define DEPTH_MOST 20  /* groups within groups */
#define OFFICES_MOST 5 /* post offices that lead on to others, one behind the other (T16) */

struct neighbour { /* an address of another post office */
	bool under_way;
	status kind; /* ST_OK; ST_FOREIGN: it is at another system; else why nothing is delivered */
	struct route route; /* of one that is full */
	struct destination *to;
	int n;
};

struct whole {           /* one recipient */
	map *neighbours; /* by key */
	int left;        /* of what may be led to */
	int depth;
};

struct resolving {
	arena *a;
	struct whole *whole;
	struct resolution *out;
	map *met;
	uint64_t size;
	int most, room;  /* of destinations: allowed, allocated */
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

	if (out->n >= r->most || r->whole->left-- <= 0)
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
	return destination_add(
		r, &(struct destination){.route = *box, .address = address, .kind = kind});
}

static status remote_met(struct resolving *r, int64_t postoffice, const mail_address *m)
{
	if (met_before(r, 'r', mail_address_key(m, r->a)))
		return ST_OK;
	r->out->outside = true;
	return destination_add(r, &(struct destination){.remote = true,
					  .address = mail_address_text(m, r->a),
					  .domain = m->domain,
					  .route = {.postoffice = postoffice}});
}

/* Nobody who is to be told of by more than his address. */
static status nobody_met(struct resolving *r, int64_t postoffice, slice address, status kind)
{
	return met_before(r, 'r', address)
		       ? ST_OK
		       : destination_add(r, &(struct destination){.address = address,
						    .route = {.postoffice = postoffice},
						    .kind = kind});
}

/* ---- another post office's addresses */

static status lead_met(struct resolving *r, const struct route *to, slice address, status kind);
static status levels_run(struct resolving *r);
static status verdict(const struct resolution *out);

static bool is_trouble(status kind)
{
	return kind != ST_OK && kind != ST_ABSENT && kind != ST_DENIED && kind != ST_FULL &&
	       kind != ST_FOREIGN;
}

static bool is_itself(slice remote, slice key, arena *a)
{
	mail_address m;

	return remote.size > 0 && mail_address_parse(remote, a, &m) == ST_OK &&
	       slice_same(mail_address_key(&m, a), key);
}

/* What its post office makes of a message from anybody: whoever is sent mail by a group has not
   chosen the sender. */
static status neighbour_ask(
	struct resolving *r, const struct route *to, slice address, struct neighbour *n)
{
	struct resolution found = {.route = *to, .posting = GROUP_OPEN};
	struct resolving own = {.a = r->a,
		.whole = r->whole,
		.out = &found,
		.size = r->size,
		.met = map_open(),
		.most = r->whole->left};
	status kind =
		++r->whole->depth > OFFICES_MOST ? ST_LIMITED : lead_met(&own, to, address, ST_OK);

	if (kind == ST_OK)
		kind = levels_run(&own);
	map_close(&own.met);
	r->whole->depth--;
	TRY(kind);
	n->kind = to->postmaster || group_may_post(&found, &(struct poster){0}) ? verdict(&found)
										: ST_DENIED;
	n->to = found.to;
	n->n = found.n;
	return ST_OK;
}

static status neighbour_find(
	struct resolving *r, const mail_address *m, slice key, struct neighbour *n)
{
	struct route to = {0};
	status kind = address_lead(m->local, m->domain, r->size, r->a, &to);
	slice address = mail_address_text(m, r->a);

	if (is_trouble(kind))
		return kind;
	if (r->whole->left-- <= 0)
		return ST_LIMITED;
	if (kind == ST_FOREIGN || is_itself(to.remote, key, r->a)) {
		n->kind = ST_FOREIGN;
		return ST_OK;
	}
	if (kind == ST_OK && (to.group != 0 || to.remote.size > 0))
		return neighbour_ask(r, &to, address, n);
	n->kind = kind;
	if (kind != ST_OK && kind != ST_FULL)
		return ST_OK;
	n->kind = ST_OK;
	n->to = arena_new(r->a, sizeof *n->to);
	*n->to = (struct destination){.route = to, .address = address, .kind = kind};
	n->n = 1;
	return ST_OK;
}

/* Whom there is nobody for in that post office is named by the address that led there. */
static status neighbour_take(
	struct resolving *r, int64_t postoffice, const struct neighbour *n, slice led)
{
	for (int i = 0; i < n->n; i++) {
		const struct destination *d = &n->to[i];
		mail_address m;

		if (d->remote && mail_address_parse(d->address, r->a, &m) == ST_OK)
			TRY(remote_met(r, d->route.postoffice, &m));
		else if (d->route.mailbox == 0)
			TRY(nobody_met(r, postoffice, led, d->kind));
		else
			TRY(mailbox_met(r, &d->route, d->address, d->kind));
	}
	return ST_OK;
}

static status neighbour_met(struct resolving *r, int64_t postoffice, const mail_address *m)
{
	slice key = mail_address_key(m, r->a);
	struct neighbour *n = map_get(r->whole->neighbours, key);

	if (!n) {
		n = arena_new(r->a, sizeof *n);
		*n = (struct neighbour){.under_way = true};
		map_put(r->whole->neighbours, key, n);
		TRY(neighbour_find(r, m, key, n));
		n->under_way = false;
	}
	if (n->under_way) /* whoever is above has them */
		return ST_OK;
	if (n->kind == ST_FOREIGN)
		return remote_met(r, postoffice, m);
	if (n->kind == ST_OK)
		return neighbour_take(r, postoffice, n, mail_address_text(m, r->a));
	return nobody_met(r, postoffice, mail_address_text(m, r->a), n->kind);
}

/* Not of the post office; `from` led there. An address that leads to itself is at another system,
   and a route says where. */
static status outside_met(struct resolving *r, int64_t postoffice, slice address, slice from)
{
	mail_address m;

	if (mail_address_parse(address, r->a, &m) != ST_OK)
		return nobody_met(r, postoffice, address, ST_ABSENT);
	return is_itself(from, mail_address_key(&m, r->a), r->a) ? remote_met(r, postoffice, &m)
								 : neighbour_met(r, postoffice, &m);
}

/* ST_OK, or ST_DENIED, ST_FULL, ST_ABSENT of a mailbox: it keeps its place, with the reason. */
static status lead_met(struct resolving *r, const struct route *to, slice address, status kind)
{
	if (to->group != 0)
		return group_met(r, to->group);
	if (to->remote.size > 0)
		return outside_met(r, to->postoffice, to->remote, address);
	if (kind == ST_OK)
		kind = address_room(to, r->size);
	if (to->mailbox == 0)
		return met_before(r, 'r', address)
			       ? ST_OK
			       : destination_add(
					 r, &(struct destination){.route = *to,
						    .address = address,
						    .kind = kind == ST_OK ? ST_ABSENT : kind});
	return mailbox_met(r, to, address, kind);
}

static status address_met(struct resolving *r, int64_t postoffice, slice address)
{
	mail_address m;
	struct route to = {0};

	if (mail_address_parse(address, r->a, &m) != ST_OK)
		return nobody_met(r, postoffice, address, ST_ABSENT);
	status kind = address_lead(m.local, m.domain, r->size, r->a, &to);
	if (is_trouble(kind))
		return kind;
	if (kind == ST_FOREIGN || to.postoffice != postoffice)
		return outside_met(r, postoffice, address, S(""));
	return lead_met(r, &to, address, kind);
}

/* ---- level by level */

/* Which of those that are not of the post office are in a domain of another one: one statement for
   a level. */
static status ours_of(struct resolving *r, const struct group_lead *rows, int n, bool *ours)
{
	slice *domains = arena_new_array(r->a, (size_t)n, sizeof *domains);
	int *row = arena_new_array(r->a, (size_t)n, sizeof *row), count = 0;
	bool *found = arena_new_array(r->a, (size_t)n, sizeof *found);

	for (int i = 0; i < n; i++) {
		mail_address m;

		if (rows[i].written.size == 0 || rows[i].here ||
			mail_address_parse(rows[i].written, r->a, &m) != ST_OK)
			continue;
		domains[count] = m.domain;
		row[count++] = i;
	}
	if (count > 0)
		TRY(address_domains_ours(domains, count, r->a, found));
	for (int i = 0; i < count; i++)
		ours[row[i]] = found[i];
	return ST_OK;
}

static status member_met(struct resolving *r, const struct group_lead *m, bool ours)
{
	int64_t postoffice = r->out->route.postoffice;
	mail_address at;

	if (m->here)
		return m->known ? lead_met(r, &m->route, m->written, m->kind)
				: address_met(r, postoffice, m->written);
	if (ours)
		return outside_met(r, postoffice, m->written, S(""));
	return mail_address_parse(m->written, r->a, &at) == ST_OK
		       ? remote_met(r, postoffice, &at)
		       : nobody_met(r, postoffice, m->written, ST_ABSENT);
}

static status members_met(struct resolving *r, const struct group_lead *rows, int n)
{
	bool *ours = arena_new_array(r->a, (size_t)n, sizeof *ours);

	TRY(ours_of(r, rows, n, ours));
	for (int i = 0; i < n; i++)
		if (rows[i].written.size > 0)
			TRY(member_met(r, &rows[i], ours[i]));
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
		TRY(group_expand(
			r->out->route.postoffice, level, n, r->most + 1, r->a, &rows, &count));
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
		return arena_format(
			a, "%.*s;%.*s", SLICE_ARGS(dsn->orcpt_type), SLICE_ARGS(dsn->orcpt));
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

	int most = (int)setting_number(
		S_group_recipients_most, &(struct setting_at){.postoffice = out->route.postoffice});
	struct whole whole = {.neighbours = map_open(), .left = most};
	struct resolving r = {
		.a = a, .whole = &whole, .out = out, .size = size, .met = map_open(), .most = most};
	slice self = arena_format(a, "%.*s@%.*s", SLICE_ARGS(local), SLICE_ARGS(domain));
	struct neighbour root = {.under_way = true};
	mail_address m;

	if (mail_address_parse(self, a, &m) == ST_OK)
		map_put(whole.neighbours, mail_address_key(&m, a), &root);
	status s = lead_met(&r, &out->route, self, ST_OK);
	if (s == ST_OK)
		s = levels_run(&r);
	map_close(&r.met);
	map_close(&whole.neighbours);
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
