/* Gates: so many at once inside, the others in order of arrival. Who leaves hands his place to the
   first who still waits, so that nobody who comes later slips in between. */
#include "task/inside.h"

#include "base/memory.h"

#include <assert.h>

struct gate {
	unsigned most;
	unsigned inside;
	unsigned waiting;
	link_t queue;
};

gate *gate_open(unsigned most)
{
	assert(most > 0);
	gate *g = memory_new(sizeof *g);
	g->most = most;
	list_init(&g->queue);
	return g;
}

void gate_close(gate **g)
{
	if (*g == NULL)
		return;
	assert(list_empty(&(*g)->queue));
	memory_free(*g);
	*g = NULL;
}

/* Meeting lock held. */
static bool steps_in(gate *g)
{
	if (g->inside >= g->most)
		return false;
	g->inside++;
	return true;
}

bool gate_try(gate *g)
{
	meeting_begin();
	bool in = steps_in(g);
	meeting_end();
	return in;
}

status gate_enter(gate *g)
{
	sleeper *me = sleeper_self();
	TRY(sleeper_may_wait(me));
	struct waiter place = {.who = me};
	meeting_begin();
	bool in = steps_in(g);
	if (!in) {
		sleeper_begin(me);
		list_append(&g->queue, &place.in);
		g->waiting++;
	}
	meeting_end();
	if (in)
		return ST_OK;
	int came = sleeper_sleep(me, NULL, 0, sleeper_deadline(me));
	meeting_begin();
	list_remove(&place.in);
	if (came < 0)
		g->waiting--;
	meeting_end();
	return sleeper_outcome(came);
}

void gate_leave(gate *g)
{
	meeting_begin();
	assert(g->inside > 0);
	if (g->inside <= g->most && sleeper_wake_first(&g->queue))
		g->waiting--;
	else
		g->inside--;
	meeting_end();
}

void gate_width(gate *g, unsigned most)
{
	assert(most > 0);
	meeting_begin();
	g->most = most;
	while (g->inside < g->most && sleeper_wake_first(&g->queue)) {
		g->inside++;
		g->waiting--;
	}
	meeting_end();
}

unsigned gate_waiting(const gate *g)
{
	meeting_begin();
	unsigned waiting = g->waiting;
	meeting_end();
	return waiting;
}
