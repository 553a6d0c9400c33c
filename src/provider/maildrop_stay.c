/* A table of the last arrivals, each over the oldest one: a guess is all that is wanted of it, and
   who has stayed for long is not waited for anyway. */
#include "provider/maildrop_stay.h"

#include "base/clock.h"

#include <pthread.h>

#define ARRIVALS 64
#define FRESH (50 * USEC_MS) /* a mail program that fetches what is new is through sooner */

static struct {
	pthread_mutex_t lock; /* never held across a wait */
	struct {
		int64_t token; /* 0: left */
		usec since;
	} arrivals[ARRIVALS];
	unsigned next;
} stay = {.lock = PTHREAD_MUTEX_INITIALIZER};

void maildrop_stay_begin(int64_t token)
{
	pthread_mutex_lock(&stay.lock);
	unsigned at = stay.next++ % ARRIVALS;
	stay.arrivals[at].token = token;
	stay.arrivals[at].since = clock_now();
	pthread_mutex_unlock(&stay.lock);
}

void maildrop_stay_end(int64_t token)
{
	pthread_mutex_lock(&stay.lock);
	for (int i = 0; i < ARRIVALS; i++)
		if (stay.arrivals[i].token == token)
			stay.arrivals[i].token = 0;
	pthread_mutex_unlock(&stay.lock);
}

int maildrop_stay_fresh(void)
{
	usec now = clock_now();
	int n = 0;
	pthread_mutex_lock(&stay.lock);
	for (int i = 0; i < ARRIVALS; i++)
		n += stay.arrivals[i].token != 0 && now - stay.arrivals[i].since < FRESH;
	pthread_mutex_unlock(&stay.lock);
	return n;
}
