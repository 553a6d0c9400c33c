#include "connector/smtp/plan.h"

#include "base/map.h"
#include "base/memory.h"

#define SHARE 3          /* times what is left, is what one of several may have */
#define RESERVED_ROWS 32 /* one of so many is for who has none */
#define RESERVED_SLOTS 10
#define KEPT_IDLE (10 * 60 * USEC_S) /* a destination nobody sends to is remembered so long */

struct plan_destination {
	link_t link;
	slice name;
	unsigned active, waiting;
	unsigned most; /* at once */
	usec apart;
	usec free_at; /* the next may start */
	usec avoid_until;
	struct client_result why;
	slice host;
	arena words; /* of the reason */
	usec used;
	char room[];
};

struct plan_lane { /* one post office's mail for one destination */
	link_t link;
	struct plan_destination *to;
	link_t jobs;
};

struct plan_office {
	link_t link; /* among those with mail that waits */
	int64_t id;
	link_t lanes;
	unsigned active;
	int rows; /* claimed and not ended */
	int jobs; /* waiting or under way */
};

struct plan {
	map *destinations, *offices;
	link_t all;  /* destinations */
	link_t turn; /* offices with lanes, the next one first */
	link_t suspects;
	bool suspect_active;
	unsigned active;
	int rows;
};

plan *plan_open(void)
{
	plan *p = memory_new(sizeof *p);

	p->destinations = map_open();
	p->offices = map_open();
	list_init(&p->all);
	list_init(&p->turn);
	list_init(&p->suspects);
	return p;
}

/* ---- places */

static struct plan_destination *destination_for(plan *p, slice name)
{
	struct plan_destination *d = map_get(p->destinations, name);

	if (d)
		return d;
	d = memory_new(sizeof *d + name.size);
	*d = (struct plan_destination){.words = ARENA_INIT};
	memcpy(d->room, name.at, name.size);
	d->name = slice_of(d->room, name.size);
	list_append(&p->all, &d->link);
	map_put(p->destinations, name, d);
	return d;
}

static void destination_forget(plan *p, struct plan_destination *d)
{
	map_remove(p->destinations, d->name);
	list_remove(&d->link);
	arena_release(&d->words);
	memory_free(d);
}

static slice office_key(const int64_t *id)
{
	return slice_of(id, sizeof *id);
}

static struct plan_office *office_for(plan *p, int64_t id)
{
	struct plan_office *o = map_get(p->offices, office_key(&id));

	if (o)
		return o;
	o = memory_new(sizeof *o);
	*o = (struct plan_office){.id = id};
	list_init(&o->link);
	list_init(&o->lanes);
	map_put(p->offices, office_key(&id), o);
	return o;
}

static struct plan_lane *lane_for(plan *p, struct plan_office *o, struct plan_destination *d)
{
	for (link_t *l = o->lanes.prev; l != &o->lanes; l = l->prev)
		if (LINK_OWNER(l, struct plan_lane, link)->to == d)
			return LINK_OWNER(l, struct plan_lane, link);
	struct plan_lane *lane = memory_new(sizeof *lane);
	lane->to = d;
	list_init(&lane->jobs);
	if (list_empty(&o->lanes))
		list_append(&p->turn, &o->link);
	list_append(&o->lanes, &lane->link);
	return lane;
}

static void lane_leave_when_empty(struct plan_office *o, struct plan_lane *lane)
{
	if (!list_empty(&lane->jobs))
		return;
	list_remove(&lane->link);
	memory_free(lane);
	if (list_empty(&o->lanes))
		list_remove(&o->link);
}

static void office_leave_when_empty(plan *p, struct plan_office *o)
{
	if (o->jobs > 0)
		return;
	map_remove(p->offices, office_key(&o->id));
	list_remove(&o->link);
	memory_free(o);
}

/* ---- jobs */

static queue_entry entry_copy(const queue_entry *e, arena *a)
{
	queue_entry c = *e;

	c.sender = arena_copy(a, e->sender);
	c.domain = arena_copy(a, e->domain);
	c.address = arena_copy(a, e->address);
	c.orcpt = arena_copy(a, e->orcpt);
	c.envid = arena_copy(a, e->envid);
	c.host = arena_copy(a, e->host);
	c.text = arena_copy(a, e->text);
	c.via = arena_copy(a, e->via);
	return c;
}

static void job_take(plan_job *j, const queue_entry *e)
{
	if (j->n == j->room) {
		int room = j->room ? 2 * j->room : 1;
		queue_entry *grown = arena_new_array(&j->a, (size_t)room, sizeof *grown);

		if (j->n)
			memcpy(grown, j->entries, (size_t)j->n * sizeof *grown);
		j->entries = grown;
		j->room = room;
	}
	j->entries[j->n++] = entry_copy(e, &j->a);
}

static plan_job *job_new(const queue_entry *e, struct plan_office *o, struct plan_destination *d)
{
	plan_job *j = memory_new(sizeof *j);

	*j = (plan_job){.a = ARENA_INIT,
		.postoffice = e->postoffice,
		.message = e->message,
		.suspect = e->kills > 0,
		.office = o,
		.to = d};
	j->destination = arena_copy(&j->a, d->name);
	list_init(&j->link);
	o->jobs++;
	d->waiting++;
	return j;
}

static void job_free(plan *p, plan_job *j)
{
	struct plan_office *o = j->office;

	p->rows -= j->n;
	o->rows -= j->n;
	o->jobs--;
	arena_release(&j->a);
	memory_free(j);
	office_leave_when_empty(p, o);
}

/* A message to many is claimed in one go, so its job is the last of its lane, or not there. Copies
   that are passed on go by themselves: their envelope and their first field are others. So do those
   a program is run for: nobody else waits for it, and its result is noted when it ended. */
static plan_job *job_to_join(struct plan_lane *lane, const queue_entry *e, unsigned most)
{
	if (list_empty(&lane->jobs))
		return NULL;
	plan_job *last = LINK_OWNER(lane->jobs.prev, plan_job, link);

	return last->message == e->message && (unsigned)last->n < most &&
			       slice_same(last->entries[0].domain, e->domain) &&
			       slice_same(last->entries[0].sender, e->sender) &&
			       slice_same(last->entries[0].via, e->via) &&
			       last->entries[0].returned == e->returned &&
			       last->entries[0].told != TOLD_PROGRAM && e->told != TOLD_PROGRAM &&
			       last->entries[0].state == e->state
		       ? last
		       : NULL;
}

static void lane_take(struct plan_lane *lane, plan_job *j)
{
	link_t *behind = lane->jobs.prev;

	j->lane = lane;
	while (behind != &lane->jobs &&
		LINK_OWNER(behind, plan_job, link)->entries[0].priority < j->entries[0].priority)
		behind = behind->prev;
	list_prepend(behind, &j->link);
}

plan_job *plan_add(plan *p, const struct plan_limits *l, const queue_entry *e, slice destination)
{
	struct plan_office *o = office_for(p, e->postoffice);
	struct plan_destination *d = destination_for(p, destination);
	plan_job *j = NULL;

	d->most = l->per_destination;
	d->apart = l->apart;
	p->rows++;
	o->rows++;
	if (e->urged)
		d->avoid_until = 0;
	if (e->kills > 0) {
		j = job_new(e, o, d);
		job_take(j, e);
		list_append(&p->suspects, &j->link);
		return j;
	}
	struct plan_lane *lane = lane_for(p, o, d);
	j = job_to_join(lane, e, l->recipients);
	if (j) {
		job_take(j, e);
		return j;
	}
	j = job_new(e, o, d);
	job_take(j, e);
	lane_take(lane, j);
	return j;
}

/* ---- whose turn it is */

/* Whether one more may start there now; *wait as plan_next has it. */
static bool destination_free(const struct plan_destination *d, usec now, usec *wait)
{
	if (d->avoid_until > now)
		return true; /* it costs nothing: nobody is asked */
	if (d->active >= d->most)
		return false;
	if (d->free_at <= now)
		return true;
	if (d->free_at < *wait)
		*wait = d->free_at;
	return false;
}

static plan_job *start(plan *p, plan_job *j, usec now)
{
	list_remove(&j->link);
	j->lane = NULL;
	j->to->waiting--;
	j->to->active++;
	j->to->free_at = now + j->to->apart;
	j->to->used = now;
	j->office->active++;
	p->active++;
	return j;
}

static plan_job *suspect_next(plan *p, usec now, usec *wait)
{
	if (p->suspect_active)
		return NULL;
	for (link_t *at = p->suspects.next; at != &p->suspects; at = at->next) {
		plan_job *j = LINK_OWNER(at, plan_job, link);

		if (!destination_free(j->to, now, wait))
			continue;
		p->suspect_active = true;
		return start(p, j, now);
	}
	return NULL;
}

static plan_job *office_next(plan *p, struct plan_office *o, usec now, usec *wait)
{
	for (link_t *at = o->lanes.next; at != &o->lanes; at = at->next) {
		struct plan_lane *lane = LINK_OWNER(at, struct plan_lane, link);

		if (!destination_free(lane->to, now, wait))
			continue;
		plan_job *j = start(p, LINK_OWNER(lane->jobs.next, plan_job, link), now);
		list_remove(&lane->link); /* behind the others */
		list_append(&o->lanes, &lane->link);
		lane_leave_when_empty(o, lane);
		return j;
	}
	return NULL;
}

/* One alone may use all that a post office may, but the last one. */
static bool office_may(const plan *p, const struct plan_limits *l, const struct plan_office *o)
{
	unsigned left = l->at_once - p->active,
		 reserve = (l->at_once + RESERVED_SLOTS - 1) / RESERVED_SLOTS;

	if (o->active >= l->per_postoffice)
		return false;
	if (o->active == 0)
		return true;
	if (o->active == p->active)
		return left > 1;
	return left > reserve && o->active < SHARE * left;
}

plan_job *plan_next(plan *p, const struct plan_limits *l, usec now, usec *wait)
{
	*wait = USEC_NEVER;
	if (p->active >= l->at_once)
		return NULL;
	plan_job *j = suspect_next(p, now, wait);
	if (j)
		return j;
	for (link_t *at = p->turn.next; at != &p->turn; at = at->next) {
		struct plan_office *o = LINK_OWNER(at, struct plan_office, link);

		if (!office_may(p, l, o))
			continue;
		j = office_next(p, o, now, wait);
		if (!j)
			continue;
		if (!list_empty(&o->lanes)) {
			list_remove(&o->link);
			list_append(&p->turn, &o->link);
		}
		return j;
	}
	return NULL;
}

void plan_sent(plan *p, plan_job *j, usec now)
{
	j->to->active--;
	j->to->used = now;
	j->office->active--;
	p->active--;
	if (j->suspect)
		p->suspect_active = false;
	j->to = NULL;
}

void plan_end(plan *p, plan_job **j)
{
	job_free(p, *j);
	*j = NULL;
}

/* ---- destinations that cannot be reached */

void plan_avoid(plan *p, plan_job *j, usec until, const struct client_result *why, slice host)
{
	struct plan_destination *d = j->to;

	(void)p;
	arena_clear(&d->words);
	d->avoid_until = until;
	d->why = *why;
	d->why.text = arena_copy(&d->words, why->text);
	d->why.enhanced = arena_copy(&d->words, why->enhanced);
	d->why.tls = arena_copy(&d->words, why->tls);
	d->host = arena_copy(&d->words, host);
}

bool plan_avoids(plan *p, const plan_job *j, usec now, struct client_result *why, slice *host)
{
	const struct plan_destination *d = j->to;

	(void)p;
	if (d->avoid_until <= now)
		return false;
	*why = d->why;
	*host = d->host;
	return true;
}

/* ---- forgetting */

void plan_sweep(plan *p, usec now)
{
	for (link_t *at = p->all.next, *next; at != &p->all; at = next) {
		struct plan_destination *d = LINK_OWNER(at, struct plan_destination, link);

		next = at->next;
		if (d->active == 0 && d->waiting == 0 && d->avoid_until <= now &&
			(d->free_at <= now || d->used + KEPT_IDLE < now))
			destination_forget(p, d);
	}
}

static void job_drop(
	plan *p, plan_job *j, void (*dropped)(void *arg, const queue_entry *e), void *arg)
{
	struct plan_lane *lane = j->lane;
	struct plan_office *o = j->office;

	for (int i = 0; i < j->n; i++)
		dropped(arg, &j->entries[i]);
	list_remove(&j->link);
	j->to->waiting--;
	if (lane)
		lane_leave_when_empty(o, lane);
	job_free(p, j);
}

static void drop_all(plan *p, link_t *jobs, uint64_t shards,
	void (*dropped)(void *arg, const queue_entry *e), void *arg)
{
	for (link_t *at = jobs->next, *next; at != jobs; at = next) {
		plan_job *j = LINK_OWNER(at, plan_job, link);

		next = at->next;
		if (shards >> j->entries[0].shard & 1) {
			bool last = next == jobs && at->prev == jobs;
			job_drop(p, j, dropped, arg);
			if (last)
				return; /* the lane is gone too */
		}
	}
}

void plan_drop(
	plan *p, uint64_t shards, void (*dropped)(void *arg, const queue_entry *e), void *arg)
{
	drop_all(p, &p->suspects, shards, dropped, arg);
	for (link_t *o = p->turn.next, *next; o != &p->turn; o = next) {
		struct plan_office *office = LINK_OWNER(o, struct plan_office, link);

		next = o->next;
		office->jobs++; /* stays while we walk it */
		for (link_t *l = office->lanes.next, *after; l != &office->lanes; l = after) {
			after = l->next;
			drop_all(p, &LINK_OWNER(l, struct plan_lane, link)->jobs, shards, dropped,
				arg);
		}
		office->jobs--;
		office_leave_when_empty(p, office);
	}
}

static void nobody(void *arg, const queue_entry *e)
{
	(void)arg;
	(void)e;
}

void plan_close(plan **out)
{
	plan *p = *out;

	if (!p)
		return;
	plan_drop(p, UINT64_MAX, nobody, NULL);
	while (!list_empty(&p->all))
		destination_forget(p, LINK_OWNER(p->all.next, struct plan_destination, link));
	map_close(&p->destinations);
	map_close(&p->offices);
	memory_free(p);
	*out = NULL;
}

/* ---- figures */

int plan_rows(const plan *p)
{
	return p->rows;
}

int plan_reserve(int most)
{
	return most / RESERVED_ROWS;
}

const int64_t *plan_full(const plan *p, int most, arena *a, int *n)
{
	int64_t *full = arena_new_array(a, map_size(p->offices), sizeof *full);
	int left = most - p->rows;
	size_t cursor = 0;
	slice key;
	void *value;

	*n = 0;
	while (map_next(p->offices, &cursor, &key, &value)) {
		const struct plan_office *o = value;

		if (left <= plan_reserve(most) || o->rows >= SHARE * left)
			full[(*n)++] = o->id;
	}
	return full;
}
