/* Putting many things in order without keeping others waiting. */
#ifndef PENNYPOST_SERVICE_IMAP_ORDER_H
#define PENNYPOST_SERVICE_IMAP_ORDER_H

#include "base/arena.h"
#include "base/status.h"

/* Orders places so that `compare` of neighbours is at most 0; equal ones stay as they stood.
   Breathes (task.h) and so may give ST_CANCELLED. */
status order_places(int *places, int n, int (*compare)(int a, int b, const void *arg),
	const void *arg, arena *a);

#endif
