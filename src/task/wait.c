/* Waiting, for fibers and plain threads alike: descriptors, moments and notices. A fiber sleeps by
   leaving its thread to the loop (loop.c), a plain thread by poll() on what it waits for and on an
   eventfd of its own, its bell. */
#include "task/inside.h"

#include "base/memory.h"

#include <assert.h>
#include <limits.h>
#include <poll.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* While the clock is virtual, so often a sleeper looks whether it was advanced. */
#define VIRTUAL_LOOK_MS 1
/* A thread that gets no bell (no descriptors left) looks so often whether it was woken. */
#define BELL_REFUSED (-2)
#define NO_BELL_MS 10
/* task_breathe lets a task go on so long. */
#define BREATH (2 * USEC_MS)

struct notice {
	bool raised;
	link_t queue;
};

/* ---- the meeting lock */

static pthread_mutex_t meeting = PTHREAD_MUTEX_INITIALIZER;

void meeting_begin(void)
{
	pthread_mutex_lock(&meeting);
}

void meeting_end(void)
{
	pthread_mutex_unlock(&meeting);
}

void meeting_wait(pthread_cond_t *until)
{
	pthread_cond_wait(until, &meeting);
}

/* ---- moments */

static atomic_bool virtual_run, alone;

usec usec_add(usec a, usec b)
{
	usec sum;
	return __builtin_add_overflow(a, b, &sum) ? USEC_NEVER : sum;
}

void task_virtual_run(bool on)
{
	atomic_store(&virtual_run, on);
}

void task_virtual_alone(bool on)
{
	atomic_store(&alone, on);
}

bool virtual_runs(void)
{
	return atomic_load(&virtual_run) && clock_is_virtual();
}

bool virtual_alone(void)
{
	return atomic_load(&alone) && virtual_runs();
}

int patience_until(usec moment)
{
	if (moment == USEC_NEVER)
		return -1;
	usec left = moment - clock_now();
	if (left <= 0)
		return 0;
	if (clock_is_virtual())
		return VIRTUAL_LOOK_MS;
	usec ms = (left - 1) / USEC_MS + 1;
	return ms > INT_MAX ? INT_MAX : (int)ms;
}

/* ---- sleepers */

static _Thread_local struct {
	sleeper sleep;
	usec deadline;
} thread = {.sleep = {.came = AWAKE, .bell = -1}, .deadline = USEC_NEVER};

static pthread_once_t bells_once = PTHREAD_ONCE_INIT;
static pthread_key_t bells; /* closes a thread's bell when it ends; holds the descriptor + 1 */

static void bell_gone(void *kept)
{
	close((int)(intptr_t)kept - 1);
}

static void bells_open(void)
{
	pthread_key_create(&bells, bell_gone);
}

static void bell_open(sleeper *me)
{
	pthread_once(&bells_once, bells_open);
	me->bell = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (me->bell < 0)
		me->bell = BELL_REFUSED;
	else
		pthread_setspecific(bells, (void *)(intptr_t)(me->bell + 1));
}

static void bell_ring(int bell)
{
	uint64_t one = 1;
	if (bell >= 0 && write(bell, &one, sizeof one) < 0)
		return; /* it rings already */
}

static void bell_calm(int bell)
{
	uint64_t rung;
	if (bell >= 0 && read(bell, &rung, sizeof rung) < 0)
		return; /* it did not ring */
}

sleeper *sleeper_self(void)
{
	task *t = task_self();
	return t ? &t->sleep : &thread.sleep;
}

usec sleeper_deadline(const sleeper *me)
{
	return me->task ? me->task->deadline : thread.deadline;
}

status sleeper_may_wait(const sleeper *me)
{
	if (me->task && me->task->cancelled && !me->task->shielded)
		return ST_CANCELLED;
	usec deadline = sleeper_deadline(me);
	if (deadline != USEC_NEVER && deadline <= clock_now())
		return ST_TIMED_OUT;
	return ST_OK;
}

void sleeper_begin(sleeper *me)
{
	if (me->task == NULL && me->bell < 0)
		bell_open(me);
	atomic_store(&me->came, SLEEPING);
}

bool sleeper_wake(sleeper *s, int came)
{
	int asleep = SLEEPING;
	if (!atomic_compare_exchange_strong(&s->came, &asleep, came))
		return false;
	if (s->task == NULL)
		bell_ring(s->bell);
	else if (loop_here())
		loop_ready(s->task);
	else
		loop_inbox(s->task);
	return true;
}

bool sleeper_wake_first(link_t *queue)
{
	for (link_t *at = queue->next; at != queue; at = at->next) {
		struct waiter *w = LINK_OWNER(at, struct waiter, in);
		if (sleeper_wake(w->who, w->index))
			return true;
	}
	return false;
}

static bool wakes_itself(sleeper *me, int came)
{
	int asleep = SLEEPING;
	return atomic_compare_exchange_strong(&me->came, &asleep, came);
}

/* One turn of a thread's sleep: the index of a descriptor that is ready, or SLEEPING. */
static int thread_look(sleeper *me, const struct wait *w, int n, int patience)
{
	struct pollfd at[TASK_WAITS_MOST + 1];
	for (int i = 0; i < n; i++) {
		bool in = w[i].ready & WAIT_READ, out = w[i].ready & WAIT_WRITE;
		at[i] = (struct pollfd){
			.fd = w[i].fd, .events = (short)((in ? POLLIN : 0) | (out ? POLLOUT : 0))};
	}
	at[n] = (struct pollfd){.fd = me->bell, .events = POLLIN};
	if (me->bell == BELL_REFUSED && (patience < 0 || patience > NO_BELL_MS))
		patience = NO_BELL_MS;
	if (poll(at, (nfds_t)n + 1, patience) > 0)
		for (int i = 0; i < n; i++)
			if (at[i].revents != 0)
				return i;
	return SLEEPING;
}

static int thread_park(sleeper *me, const struct wait *w, int n, usec until)
{
	for (bool first = true; atomic_load(&me->came) == SLEEPING; first = false) {
		int patience = patience_until(until);
		int ready = thread_look(me, w, n, patience);
		if (ready != SLEEPING)
			wakes_itself(me, ready);
		else if (patience == 0)
			wakes_itself(me, WOKE_TIMED_OUT);
		else if (!first && virtual_runs() && until != USEC_NEVER && !loop_is_open())
			clock_advance(until - clock_now());
	}
	/* Whoever woke this thread did it under the lock, so that the bell has rung after this. */
	meeting_begin();
	meeting_end();
	bell_calm(me->bell);
	return atomic_exchange(&me->came, AWAKE);
}

int sleeper_sleep(sleeper *me, const struct wait *w, int n, usec until)
{
	if (me->task == NULL)
		return thread_park(me, w, n, until);
	if (until != USEC_NEVER && until <= clock_now() && wakes_itself(me, WOKE_TIMED_OUT))
		return WOKE_TIMED_OUT;
	return loop_park(me->task, w, n, until);
}

status sleeper_outcome(int came)
{
	return came >= 0 ? ST_OK : came == WOKE_CANCELLED ? ST_CANCELLED : ST_TIMED_OUT;
}

/* ---- deadlines */

usec task_deadline(usec at)
{
	task *t = task_self();
	usec *deadline = t ? &t->deadline : &thread.deadline;
	usec before = *deadline;
	*deadline = at;
	return before;
}

usec task_deadline_now(void)
{
	return sleeper_deadline(sleeper_self());
}

/* ---- waiting for the first of several */

/* A descriptor or a raised notice that need not be waited for: its index, or SLEEPING. Takes what
   it finds. Meeting lock held when there are notices. */
static int came_before(const sleeper *me, const struct wait *w, int n)
{
	for (int i = 0; i < n; i++) {
		notice *wanted = w[i].notice;
		if (wanted && wanted->raised) {
			wanted->raised = false;
			return i;
		}
		if (!wanted && me->task && loop_take_ready(&w[i]))
			return i;
	}
	return SLEEPING;
}

static void join_queues(sleeper *me, const struct wait *w, int n, struct waiter *places)
{
	for (int i = 0; i < n; i++) {
		if (w[i].notice == NULL)
			continue;
		places[i] = (struct waiter){.who = me, .index = i};
		list_append(&w[i].notice->queue, &places[i].in);
	}
}

static void leave_queues(const struct wait *w, int n, struct waiter *places)
{
	meeting_begin();
	for (int i = 0; i < n; i++)
		if (w[i].notice)
			list_remove(&places[i].in);
	meeting_end();
}

/* The present wait with notices among what is waited for. */
static int wait_with_notices(sleeper *me, const struct wait *w, int n, usec until)
{
	struct waiter places[TASK_WAITS_MOST];
	meeting_begin();
	int came = came_before(me, w, n);
	if (came == SLEEPING) {
		sleeper_begin(me);
		join_queues(me, w, n, places);
	}
	meeting_end();
	if (came != SLEEPING)
		return came;
	came = sleeper_sleep(me, w, n, until);
	leave_queues(w, n, places);
	return came;
}

static int wait_without_notices(sleeper *me, const struct wait *w, int n, usec until)
{
	int came = came_before(me, w, n);
	if (came != SLEEPING)
		return came;
	atomic_store(&me->came, SLEEPING);
	return sleeper_sleep(me, w, n, until);
}

status task_wait_any(struct wait *w, int n, usec until, int *which)
{
	assert(n >= 0 && n <= TASK_WAITS_MOST);
	sleeper *me = sleeper_self();
	if (me->task && me->task->cancelled && !me->task->shielded)
		return ST_CANCELLED;
	usec deadline = sleeper_deadline(me);
	if (until > deadline)
		until = deadline;
	bool notices = false;
	for (int i = 0; i < n; i++) {
		assert(w[i].notice ? w[i].fd < 0 : w[i].fd >= 0);
		notices |= w[i].notice != NULL;
	}
	int came = notices ? wait_with_notices(me, w, n, until)
			   : wait_without_notices(me, w, n, until);
	if (came >= 0)
		*which = came;
	return sleeper_outcome(came);
}

status task_wait(int fd, unsigned ready)
{
	struct wait w = {.fd = fd, .ready = ready};
	int which;
	return task_wait_any(&w, 1, USEC_NEVER, &which);
}

status task_sleep(usec span)
{
	task *t = task_self();
	if (span <= 0 && t)
		loop_yield(t);
	usec until = usec_add(clock_now(), span);
	int which;
	status s = task_wait_any(NULL, 0, until, &which);
	bool slept = s == ST_TIMED_OUT && until <= task_deadline_now();
	return slept ? ST_OK : s;
}

status task_breathe(void)
{
	task *t = task_self();
	if (t && loop_held() > BREATH)
		loop_yield(t);
	return sleeper_may_wait(sleeper_self());
}

/* ---- notices */

notice *notice_open(void)
{
	notice *n = memory_new(sizeof *n);
	list_init(&n->queue);
	return n;
}

void notice_close(notice **n)
{
	if (*n == NULL)
		return;
	assert(list_empty(&(*n)->queue));
	memory_free(*n);
	*n = NULL;
}

void notice_raise(notice *n)
{
	meeting_begin();
	if (!sleeper_wake_first(&n->queue))
		n->raised = true;
	meeting_end();
}

status notice_wait(notice *n)
{
	struct wait w = {.fd = -1, .notice = n};
	int which;
	return task_wait_any(&w, 1, USEC_NEVER, &which);
}
