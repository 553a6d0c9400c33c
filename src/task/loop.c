/* The loop: one epoll descriptor, the ready queue and the tasks of this process. A turn runs every
   task that is ready once, then collects what happened:

       run the ready -> hand out a signal -> epoll_wait -> timers -> give idle stacks back
           ^                                                                  |
           +------------------------------------------------------------------+

   Descriptors are registered once, edge-triggered, for reading, and from the first wait for writing
   on for both: else each answer that a peer takes would wake the loop, and nobody waits for it. An
   edge that comes while nobody waits is remembered in the table of descriptors and taken by the
   next wait; so nothing is lost between a read that said EAGAIN and the wait that follows. */
#include "task/inside.h"

#include "base/log.h"
#include "base/memory.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

/* Events taken, and idle stacks given back, in one turn. */
#define EVENTS_MOST 256
#define IDLE_MOST 256
/* Ended tasks kept with their stacks for the next ones. */
#define SPARE_MOST 64
/* When the kernel refuses to watch a descriptor, a wait for it looks again so often. */
#define UNWATCHED_LOOK (20 * USEC_MS)

struct watch {
	task *reader, *writer;
	uint32_t registered;     /* edges epoll tells of; 0 = none */
	bool readable, writable; /* edges nobody has taken yet */
};

static struct {
	_Atomic bool open; /* threads ask, too */
	struct task_limits limits;
	int epoll;
	int bell; /* eventfd: the inbox is not empty, or stop */
	atomic_bool stop;
	struct watch *watches; /* by descriptor */
	int watch_room;
	link_t alive, ready, resting, spare;
	link_t inbox; /* tasks woken by other threads; meeting lock */
	unsigned count, spares;
	usec now;        /* of the present turn */
	usec held_since; /* machine's clock: when the running task got the loop */
} loop;

static _Thread_local bool here;
static _Thread_local task *current;

bool loop_here(void)
{
	return here;
}

bool loop_is_open(void)
{
	return loop.open;
}

const struct task_limits *loop_limits(void)
{
	return &loop.limits;
}

task *task_self(void)
{
	return current;
}

static _Thread_local int label_here; /* of a plain thread */

void task_label(int label)
{
	*(current ? &current->label : &label_here) = label;
}

int task_label_now(void)
{
	return current ? current->label : label_here;
}

unsigned task_count(void)
{
	return loop.count;
}

/* ---- opening and closing */

/* What holds of a fresh loop and of one that is closed. */
static void loop_reset(void)
{
	list_init(&loop.alive);
	list_init(&loop.ready);
	list_init(&loop.resting);
	list_init(&loop.spare);
	list_init(&loop.inbox);
	memory_free(loop.watches);
	loop.watches = NULL;
	loop.watch_room = 0;
	loop.count = loop.spares = 0;
	loop.epoll = loop.bell = -1;
	loop.open = false;
	here = false;
	atomic_store(&loop.stop, false);
}

status task_loop_open(const struct task_limits *l)
{
	assert(!loop.open);
	loop_reset();
	loop.limits = *l;
	loop.epoll = epoll_create1(EPOLL_CLOEXEC);
	loop.bell = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	struct epoll_event e = {.events = EPOLLIN, .data.fd = loop.bell};
	if (loop.epoll < 0 || loop.bell < 0 ||
		epoll_ctl(loop.epoll, EPOLL_CTL_ADD, loop.bell, &e) != 0) {
		status s = log_trouble(ST_BUSY, EV_LOOP_REFUSED, "errno=%d", errno);
		if (loop.epoll >= 0)
			close(loop.epoll);
		if (loop.bell >= 0)
			close(loop.bell);
		loop_reset();
		return s;
	}
	loop.open = true;
	here = true;
	loop.now = clock_now();
	return ST_OK;
}

static void spares_close(void)
{
	for (link_t *at; (at = list_first(&loop.spare)) != NULL;) {
		task *t = LINK_OWNER(at, task, turn);
		list_remove(at);
		fiber_close(&t->fiber);
		memory_free(t);
	}
}

static void turn(void);

void task_loop_close(void)
{
	if (!loop.open)
		return;
	assert(here && current == NULL);
	task_cancel_all();
	while (loop.count > 0)
		turn();
	offload_close();
	timer_close();
	spares_close();
	close(loop.epoll);
	close(loop.bell);
	loop_reset();
}

/* ---- tasks */

/* A fiber's whole life: one task after the other. */
static _Noreturn void task_body(void *of)
{
	task *t = of;
	for (;;) {
		t->run(t->arg);
		t->ended = true;
		fiber_suspend(t->fiber);
	}
}

static task *task_with_stack(void)
{
	link_t *spare = list_first(&loop.spare);
	if (spare) {
		list_remove(spare);
		loop.spares--;
		return LINK_OWNER(spare, task, turn);
	}
	task *t = memory_new(sizeof *t);
	t->fiber = fiber_open(loop.limits.stack, task_body, t);
	if (t->fiber)
		return t;
	memory_free(t);
	log_event(EV_TASK_STACK, "tasks=%u errno=%d", loop.count, errno);
	return NULL;
}

task *task_start(const char *name, status (*run)(void *), void *arg)
{
	assert(here);
	if (loop.count >= loop.limits.most)
		return NULL;
	task *t = task_with_stack();
	if (t == NULL)
		return NULL;
	*t = (task){
		.name = name,
		.run = run,
		.arg = arg,
		.fiber = t->fiber,
		.sleep = {.came = AWAKE, .task = t, .bell = -1},
		.deadline = USEC_NEVER,
		.until = USEC_NEVER,
	};
	list_init(&t->resting);
	list_append(&loop.alive, &t->alive);
	list_append(&loop.ready, &t->turn);
	loop.count++;
	metric_add(M_tasks, SERVICE_NONE, 1);
	return t;
}

static void task_end(task *t)
{
	timer_drop(t);
	list_remove(&t->alive);
	loop.count--;
	metric_add(M_tasks, SERVICE_NONE, -1);
	if (loop.spares < SPARE_MOST) {
		list_prepend(&loop.spare, &t->turn);
		loop.spares++;
		return;
	}
	fiber_close(&t->fiber);
	memory_free(t);
}

void task_cancel(task *t)
{
	assert(here);
	t->cancelled = true;
	if (!t->shielded && !t->firm)
		sleeper_wake(&t->sleep, WOKE_CANCELLED);
}

void task_cancel_all(void)
{
	for (link_t *at = loop.alive.next; at != &loop.alive; at = at->next)
		task_cancel(LINK_OWNER(at, task, alive));
}

bool task_cancelled(void)
{
	return current && current->cancelled;
}

void task_shield(bool on)
{
	if (current == NULL)
		return;
	assert(on || current->shielded > 0);
	current->shielded += on ? 1u : -1u;
}

/* ---- descriptors */

static struct watch *watch_of(int fd)
{
	if (fd >= loop.watch_room) {
		int room = loop.watch_room ? loop.watch_room : 64;
		while (room <= fd)
			room *= 2;
		loop.watches = memory_grow(loop.watches, (size_t)room * sizeof *loop.watches);
		for (int i = loop.watch_room; i < room; i++)
			loop.watches[i] = (struct watch){0};
		loop.watch_room = room;
	}
	return &loop.watches[fd];
}

/* Whether poll says what w waits for. */
static bool is_ready(const struct wait *w)
{
	bool in = w->ready & WAIT_READ, out = w->ready & WAIT_WRITE;
	struct pollfd at = {
		.fd = w->fd, .events = (short)((in ? POLLIN : 0) | (out ? POLLOUT : 0))};
	return poll(&at, 1, 0) > 0;
}

/* Plain files have no edges and are always ready. When the kernel has no room for one more,
   loop_park looks from time to time. */
static void watch_register(struct watch *at, const struct wait *w)
{
	uint32_t edges = EPOLLIN | EPOLLRDHUP | EPOLLET | (w->ready & WAIT_WRITE ? EPOLLOUT : 0);
	struct epoll_event e = {.events = edges | at->registered, .data.fd = w->fd};
	int how = at->registered ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
	if (epoll_ctl(loop.epoll, how, w->fd, &e) == 0)
		at->registered = e.events;
}

bool loop_take_ready(const struct wait *w)
{
	struct watch *at = watch_of(w->fd);
	if (!at->registered || ((w->ready & WAIT_WRITE) && !(at->registered & EPOLLOUT))) {
		/* What is ready already is told as an edge. */
		watch_register(at, w);
		return !at->registered && is_ready(w);
	}
	if ((w->ready & WAIT_READ) && at->readable) {
		at->readable = false;
		return true;
	}
	if ((w->ready & WAIT_WRITE) && at->writable) {
		at->writable = false;
		return true;
	}
	return !(w->ready & WAIT_TRIED) && is_ready(w);
}

/* Wakes the task if it waits so for the descriptor and nothing came before. */
static bool watch_wakes(task *t, int fd, unsigned ready)
{
	if (t == NULL)
		return false;
	for (int i = 0; i < t->wait_count; i++)
		if (t->waits[i].fd == fd && (t->waits[i].ready & ready))
			return sleeper_wake(&t->sleep, i);
	return false;
}

static void watch_event(int fd, uint32_t events)
{
	struct watch *at = &loop.watches[fd];
	uint32_t ends = EPOLLERR | EPOLLHUP;
	if ((events & (EPOLLIN | EPOLLRDHUP | ends)) && !watch_wakes(at->reader, fd, WAIT_READ))
		at->readable = true;
	if ((events & (EPOLLOUT | ends)) && !watch_wakes(at->writer, fd, WAIT_WRITE))
		at->writable = true;
}

/* False when one of the descriptors could not be registered. */
static bool watches_begin(task *t, const struct wait *w, int n)
{
	bool all = true;
	for (int i = 0; i < n; i++) {
		if (w[i].fd < 0)
			continue;
		struct watch *at = watch_of(w[i].fd);
		assert(!(w[i].ready & WAIT_READ) || at->reader == NULL || at->reader == t);
		assert(!(w[i].ready & WAIT_WRITE) || at->writer == NULL || at->writer == t);
		if (w[i].ready & WAIT_READ)
			at->reader = t;
		if (w[i].ready & WAIT_WRITE)
			at->writer = t;
		all &= at->registered != 0;
	}
	return all;
}

static void watches_end(const task *t, const struct wait *w, int n)
{
	for (int i = 0; i < n; i++) {
		if (w[i].fd < 0)
			continue;
		struct watch *at = watch_of(w[i].fd);
		if (at->reader == t)
			at->reader = NULL;
		if (at->writer == t)
			at->writer = NULL;
	}
}

static void watch_end(struct watch *at, int fd)
{
	/* Who still waits for it learns of the end by trying. */
	watch_wakes(at->reader, fd, WAIT_READ);
	watch_wakes(at->writer, fd, WAIT_WRITE);
	*at = (struct watch){0};
}

void task_forget(int fd)
{
	if (!here || fd < 0 || fd >= loop.watch_room)
		return;
	struct watch *at = &loop.watches[fd];
	if (at->registered)
		epoll_ctl(loop.epoll, EPOLL_CTL_DEL, fd, NULL);
	watch_end(at, fd);
}

/* Closing takes it out of epoll too. While a child that has it still begins another program, events
   may come for the number yet: whoever has it then is woken without need. */
void task_close(int fd)
{
	if (here && fd >= 0 && fd < loop.watch_room)
		watch_end(&loop.watches[fd], fd);
	close(fd);
}

/* ---- sleeping and waking */

void loop_ready(task *t)
{
	list_append(&loop.ready, &t->turn);
}

static void bell_ring(void)
{
	uint64_t one = 1;
	if (write(loop.bell, &one, sizeof one) < 0)
		return; /* it rings already */
}

void loop_inbox(task *t)
{
	bool first = list_empty(&loop.inbox);
	list_append(&loop.inbox, &t->turn);
	if (first)
		bell_ring();
}

static void inbox_take(void)
{
	uint64_t rung;
	if (read(loop.bell, &rung, sizeof rung) < 0)
		return; /* another turn was faster */
	meeting_begin();
	for (link_t *at; (at = list_first(&loop.inbox)) != NULL;) {
		list_remove(at);
		list_append(&loop.ready, at);
	}
	meeting_end();
}

/* Leaves the loop to others; back when this task's turn comes. */
static void leave(task *t)
{
	fiber_suspend(t->fiber);
}

int loop_park(task *t, const struct wait *w, int n, usec until)
{
	bool watched = watches_begin(t, w, n);
	usec look = watched ? USEC_NEVER : usec_add(clock_now(), UNWATCHED_LOOK);
	t->waits = w;
	t->wait_count = n;
	t->since = loop.now;
	list_append(&loop.resting, &t->resting);
	timer_set(t, look < until ? look : until);
	leave(t);
	timer_unset(t);
	list_remove(&t->resting);
	t->wait_count = 0;
	watches_end(t, w, n);
	int came = atomic_exchange(&t->sleep.came, AWAKE);
	if (came != WOKE_TIMED_OUT || look >= until)
		return came;
	for (int i = 0; i < n; i++)
		if (w[i].fd >= 0 && !watch_of(w[i].fd)->registered)
			return i; /* let the caller try */
	return came;
}

void loop_yield(task *t)
{
	list_append(&loop.ready, &t->turn);
	leave(t);
}

/* ---- turns */

/* The machine's clock, even while the house's is virtual: held loops are real. */
static usec machine_now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * USEC_S + t.tv_nsec / 1000;
}

usec loop_held(void)
{
	return machine_now() - loop.held_since;
}

static void watch_held(const char *name, usec now)
{
	usec held = now - loop.held_since;
	loop.held_since = now;
	if (held <= loop.limits.held_most)
		return;
	metric_add(M_loop_held, SERVICE_NONE, 1);
	log_event(EV_LOOP_HELD, "task=%s ms=%lld", name, (long long)(held / USEC_MS));
}

/* Runs every task that is ready now, once; who becomes ready meanwhile has to wait for the next
   turn. */
static void run_ready(void)
{
	link_t now;
	if (list_empty(&loop.ready))
		return;
	list_append(&loop.ready, &now);
	list_remove(&loop.ready);
	loop.held_since = machine_now();
	for (link_t *at; (at = list_first(&now)) != NULL;) {
		list_remove(at);
		task *t = LINK_OWNER(at, task, turn);
		const char *name = t->name;
		current = t;
		fiber_resume(t->fiber);
		current = NULL;
		if (t->ended)
			task_end(t);
		watch_held(name, machine_now());
	}
}

static void collect(int patience)
{
	struct epoll_event events[EVENTS_MOST];
	int n = epoll_wait(loop.epoll, events, EVENTS_MOST, patience);
	for (int i = 0; i < n; i++) {
		if (events[i].data.fd == loop.bell)
			inbox_take();
		else
			watch_event(events[i].data.fd, events[i].events);
	}
}

static void wake_due(void)
{
	loop.now = clock_now();
	for (task *t; (t = timer_due(loop.now)) != NULL;)
		sleeper_wake(&t->sleep, WOKE_TIMED_OUT);
}

/* When the stack of a sleeper is to be given back. */
static usec idle_from(const link_t *resting)
{
	return usec_add(LINK_OWNER(resting, task, resting)->since, loop.limits.idle_after);
}

static usec next_idle(void)
{
	const link_t *first = list_first(&loop.resting);
	return first ? idle_from(first) : USEC_NEVER;
}

/* Each wait is looked at once: given back is out of the list. */
static void give_idle_stacks_back(void)
{
	link_t *first;
	for (int n = 0; n < IDLE_MOST && (first = list_first(&loop.resting)) != NULL; n++) {
		if (idle_from(first) > loop.now)
			break;
		list_remove(first);
		fiber_give_back(LINK_OWNER(first, task, resting)->fiber);
	}
}

static int turn_patience(void)
{
	if (!list_empty(&loop.ready))
		return 0;
	usec timer = timer_next(), idle = next_idle();
	return patience_until(timer < idle ? timer : idle);
}

static bool inbox_empty(void)
{
	meeting_begin();
	bool empty = list_empty(&loop.inbox);
	meeting_end();
	return empty;
}

/* Nothing is ready, on a virtual clock that runs by itself: on to the next moment. A helper that is
   no longer busy has left whom it worked for in the inbox. */
static void advance(void)
{
	usec next = timer_next();
	if (virtual_runs() && list_empty(&loop.ready) && !offload_busy() && inbox_empty() &&
		next != USEC_NEVER && next > clock_now())
		clock_advance(next - clock_now());
}

/* Whether there is nobody whom a turn of a virtual clock would have to wait for. */
static bool all_are_here(void)
{
	return virtual_alone() && timer_next() != USEC_NEVER && !offload_busy();
}

static void turn(void)
{
	run_ready();
	if (loop.count == 0)
		return;
	int patience = turn_patience();
	collect(patience > 0 && all_are_here() ? 0 : patience);
	if (patience > 0)
		advance();
	wake_due();
	give_idle_stacks_back();
}

void task_loop_run(void)
{
	assert(here && current == NULL);
	while (loop.count > 0 && !atomic_load(&loop.stop))
		turn();
	atomic_store(&loop.stop, false);
}

void task_loop_stop(void)
{
	int kept = errno;
	atomic_store(&loop.stop, true);
	bell_ring();
	errno = kept;
}
