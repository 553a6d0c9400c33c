/* Connections kept for the next message, by the caller's name for them; the one kept last is taken
   first, so that the others can fall idle and be closed. */
#include "base/map.h"
#include "base/memory.h"
#include "base/metric.h"
#include "connector/smtp/client_inside.h"
#include "provider/setting.h"
#include "task/task.h"

struct client_pool {
	map *shelves; /* by name, each a ring of clients, the newest first */
	link_t all;   /* of shelves */
	unsigned count;
};

struct shelf {
	link_t clients;
	link_t among;
	slice name;
	char room[];
};

client_pool *client_pool_open(void)
{
	client_pool *p = memory_new(sizeof *p);

	p->shelves = map_open();
	list_init(&p->all);
	return p;
}

static struct shelf *shelf_for(client_pool *p, slice name)
{
	struct shelf *s = map_get(p->shelves, name);

	if (s)
		return s;
	s = memory_new(sizeof *s + name.size);
	memcpy(s->room, name.at, name.size);
	s->name = slice_of(s->room, name.size);
	list_init(&s->clients);
	list_append(&p->all, &s->among);
	map_put(p->shelves, name, s);
	return s;
}

/* Out of its shelf, which goes with its last client. */
static client *lift(client_pool *p, struct shelf *s, link_t *which)
{
	client *c = LINK_OWNER(which, client, among);

	list_remove(which);
	p->count--;
	metric_add(M_outbound_idle, SERVICE_NONE, -1);
	if (list_empty(&s->clients)) {
		map_remove(p->shelves, s->name);
		list_remove(&s->among);
		memory_free(s);
	}
	return c;
}

client *client_pool_take(client_pool *p, slice name)
{
	struct shelf *s;
	link_t *first;

	while ((s = map_get(p->shelves, name)) && (first = list_first(&s->clients))) {
		client *c = lift(p, s, first);
		if (stream_is_quiet(c->stream))
			return c;
		/* Ended meanwhile, or said something nobody asked for. */
		c->over = true;
		client_close(&c);
	}
	return NULL;
}

void client_pool_keep(client_pool *p, slice name, client **keeping)
{
	client *c = *keeping;

	*keeping = NULL;
	if (c->over || setting_number(S_outbound_idle, NULL) == 0 ||
		p->count >= setting_number(S_outbound_idle_most, NULL) ||
		c->facts.messages >= setting_number(S_outbound_messages_most, NULL)) {
		client_close(&c);
		return;
	}
	c->kept = true;
	c->kept_since = clock_now();
	list_prepend(&shelf_for(p, name)->clients, &c->among);
	p->count++;
	metric_add(M_outbound_idle, SERVICE_NONE, 1);
}

/* The oldest of all that has been idle for too long; NULL when there is none. */
static client *lift_old(client_pool *p, usec before)
{
	for (link_t *at = p->all.next; at != &p->all; at = at->next) {
		struct shelf *s = LINK_OWNER(at, struct shelf, among);
		link_t *oldest = s->clients.prev;
		if (LINK_OWNER(oldest, client, among)->kept_since <= before)
			return lift(p, s, oldest);
	}
	return NULL;
}

static status goodbye_run(void *arg)
{
	client *c = arg;

	client_close(&c);
	return ST_OK;
}

/* A host that does not answer QUIT keeps nobody waiting: who sweeps has the whole queue to run. */
static void goodbye(client *c)
{
	if (task_self() && task_start("goodbye", goodbye_run, c))
		return;
	c->over |= task_self() != NULL;
	client_close(&c);
}

void client_pool_sweep(client_pool *p)
{
	usec before = clock_now() - setting_number(S_outbound_idle, NULL);
	client *c;

	while ((c = lift_old(p, before)))
		goodbye(c);
}

void client_pool_close(client_pool **closing)
{
	client_pool *p = *closing;
	client *c;

	if (!p)
		return;
	*closing = NULL;
	while ((c = lift_old(p, USEC_NEVER))) {
		c->over = true;
		client_close(&c);
	}
	map_close(&p->shelves);
	memory_free(p);
}

unsigned client_pool_count(const client_pool *p)
{
	return p->count;
}
