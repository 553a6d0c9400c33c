/* The timer heap: for each task at most one moment at which its sleep ends. Tasks wait often and
   time out seldom, so a wait that ends leaves its row where it is: a later wait with a later moment
   finds it and is content, and a row that comes to the top too early is moved to its task's true
   moment or dropped. A usual wait so costs no heap operation at all. */
#include "task/inside.h"

#include "base/memory.h"

struct row {
	usec at;
	task *task;
};

static struct row *heap; /* rows 1 .. count; row i is not later than rows 2i and 2i+1 */
static size_t count, room;

static void place(size_t i, struct row r)
{
	heap[i] = r;
	r.task->timer = i;
}

static void rise(size_t i, struct row r)
{
	for (; i > 1 && heap[i / 2].at > r.at; i /= 2)
		place(i, heap[i / 2]);
	place(i, r);
}

static void sink(size_t i, struct row r)
{
	for (size_t child; (child = 2 * i) <= count; i = child) {
		if (child < count && heap[child + 1].at < heap[child].at)
			child++;
		if (heap[child].at >= r.at)
			break;
		place(i, heap[child]);
	}
	place(i, r);
}

void timer_set(task *t, usec until)
{
	t->until = until;
	if (until == USEC_NEVER)
		return;
	if (t->timer == 0) {
		if (count + 1 >= room) {
			room = room ? 2 * room : 256;
			heap = memory_grow(heap, room * sizeof *heap);
		}
		rise(++count, (struct row){until, t});
	} else if (until < heap[t->timer].at) {
		rise(t->timer, (struct row){until, t});
	}
}

void timer_unset(task *t)
{
	t->until = USEC_NEVER;
}

void timer_drop(task *t)
{
	size_t i = t->timer;
	if (i == 0)
		return;
	t->timer = 0;
	struct row last = heap[count--];
	if (last.task == t)
		return;
	if (i > 1 && heap[i / 2].at > last.at)
		rise(i, last);
	else
		sink(i, last);
}

usec timer_next(void)
{
	while (count > 0) {
		task *t = heap[1].task;
		if (t->until == heap[1].at)
			return t->until;
		if (t->until == USEC_NEVER)
			timer_drop(t);
		else
			sink(1, (struct row){t->until, t});
	}
	return USEC_NEVER;
}

task *timer_due(usec now)
{
	usec next = timer_next();
	if (next == USEC_NEVER || next > now)
		return NULL;
	task *t = heap[1].task;
	timer_drop(t);
	return t;
}

void timer_close(void)
{
	memory_free(heap);
	heap = NULL;
	count = room = 0;
}
