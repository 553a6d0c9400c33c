/* Where conversations wait that want a transaction of the same kind, so that those that come at the
   same time share one, as deliveries do (deliver.c): who comes while one is under way goes with the
   next one, all that wait for the same post office together. For the maildrop's files only. */
#ifndef PENNYPOST_PROVIDER_MAILDROP_DOOR_H
#define PENNYPOST_PROVIDER_MAILDROP_DOOR_H

#include "base/list.h"
#include "base/status.h"
#include "task/task.h"

#include <pthread.h>
#include <stdint.h>

#define MAILDROP_DOOR_MOST 50 /* guests in one transaction */

enum maildrop_guest_state { GUEST_WAITS, GUEST_LEADS, GUEST_TAKEN, GUEST_DONE };

struct maildrop_guest { /* one conversation; a member of what `run` knows of it */
	int64_t postoffice, mailbox;
	int weight;
	status outcome;
	enum maildrop_guest_state state; /* from here on the door's own */
	notice *changed;
	link_t link;
};

struct maildrop_door {
	/* Runs the transaction for all and, when it is ST_OK, gives each guest its outcome; *failed
	   as of db_commit: one that was refused is run again for each guest alone. All are of one
	   post office and of different mailboxes, which rise: so transactions lock them in one
	   order. In a shield and without a deadline. */
	status (*run)(struct maildrop_guest *const *all, int n, int *failed);
	int lanes_most;  /* transactions under way at once in one process */
	int weight_most; /* that another guest may still be put beside */
	/* How many guests may be expected soon, those at the door counted: a leader waits a moment
	   for them. NULL: it only lets those go first that are ready already. */
	int (*expected)(void);
	pthread_mutex_t lock; /* never held across a wait */
	link_t waiting;
	int crowd;                   /* how many wait */
	int lanes;                   /* busy ones */
	struct maildrop_guest *host; /* a leader that waits for company; NULL: none */
};
#define MAILDROP_DOOR(door, ...)                                                                   \
	{                                                                                          \
		.lock = PTHREAD_MUTEX_INITIALIZER, .waiting = {&(door).waiting, &(door).waiting},  \
		__VA_ARGS__                                                                        \
	}

/* The guest's outcome; or the kind of the wait, when it ended before a transaction had begun. */
status maildrop_door_enter(struct maildrop_door *d, struct maildrop_guest *own);

#endif
