/* The doorbell: per outbound worker of the node a word with one bit per shard and an eventfd, made
   by the master before it forks. Ringing is an atomic or, and a write only when nobody rang
   since. */
#include "provider/queue.h"

#include "base/shared.h"

#include <stdatomic.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct seat {
	_Atomic uint64_t shards; /* rung for and not yet told */
	_Atomic int wanted;      /* somebody listens here */
	atomic_bool ordered;     /* an operator's order, not told yet */
};

static struct {
	struct seat *seats;
	int fd[QUEUE_SEATS];
	atomic_bool own[QUEUE_SEATS]; /* this process listens here */
} bell;

int queue_shard(slice domain)
{
	uint64_t hash = UINT64_C(14695981039346656037); /* FNV-1a: the same everywhere */

	for (size_t i = 0; i < domain.size; i++)
		hash = (hash ^ (uint8_t)domain.at[i]) * UINT64_C(1099511628211);
	return (int)((hash ^ hash >> 32) % QUEUE_SHARDS);
}

void queue_share(void)
{
	if (bell.seats)
		return;
	bell.seats = shared_new(QUEUE_SEATS * sizeof *bell.seats);
	for (int i = 0; i < QUEUE_SEATS; i++)
		bell.fd[i] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
}

/* A counter that is full wakes just as well. */
static void wake(int seat)
{
	(void)!write(bell.fd[seat], &(uint64_t){1}, sizeof(uint64_t));
}

void queue_ring(uint64_t shards)
{
	for (int i = 0; bell.seats && i < QUEUE_SEATS; i++) {
		struct seat *s = &bell.seats[i];

		if (!atomic_load(&s->wanted) || atomic_fetch_or(&s->shards, shards) != 0)
			continue;
		wake(i);
	}
}

void queue_ordered(void)
{
	for (int i = 0; bell.seats && i < QUEUE_SEATS; i++)
		if (atomic_load(&bell.own[i]) && !atomic_exchange(&bell.seats[i].ordered, true))
			wake(i);
}

bool queue_was_ordered(unsigned seat)
{
	return atomic_exchange(&bell.seats[seat].ordered, false);
}

int queue_bell(unsigned seat)
{
	queue_share();
	atomic_store(&bell.seats[seat].wanted, 1);
	atomic_store(&bell.own[seat], true);
	return bell.fd[seat];
}

uint64_t queue_rung(unsigned seat)
{
	uint64_t count;

	(void)!read(bell.fd[seat], &count, sizeof count);
	return atomic_exchange(&bell.seats[seat].shards, 0);
}
