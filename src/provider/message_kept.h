/* What a process keeps of messages that never changes: octets by message, in as much memory as a
   setting allows; those that were asked for last stay. For the files of this folder. */
#ifndef PENNYPOST_PROVIDER_MESSAGE_KEPT_H
#define PENNYPOST_PROVIDER_MESSAGE_KEPT_H

#include "base/arena.h"
#include "base/list.h"
#include "base/map.h"
#include "provider/setting.h"

#include <pthread.h>

struct message_kept {
	enum setting_id most; /* octets in all */
	pthread_mutex_t lock; /* never held across a wait */
	map *messages;
	link_t list; /* lately used last */
	size_t bytes;
};
/* struct message_kept heads = MESSAGE_KEPT_INIT(heads, S_head_cache_most); */
#define MESSAGE_KEPT_INIT(self, setting)                                                           \
	{                                                                                          \
		.most = (setting), .lock = PTHREAD_MUTEX_INITIALIZER, .list = {                    \
			&(self).list,                                                              \
			&(self).list                                                               \
		}                                                                                  \
	}

/* Keeps a copy, unless something is kept of it. */
void message_kept_put(struct message_kept *k, int64_t postoffice, int64_t message, slice octets);
/* A copy, in the arena, since others may make it leave; a NULL pointer when nothing is kept. */
slice message_kept_find(struct message_kept *k, int64_t postoffice, int64_t message, arena *a);
/* Gives all of it back. */
void message_kept_forget(struct message_kept *k);

#endif
