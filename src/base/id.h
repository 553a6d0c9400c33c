/* 63-bit identifiers made by the front end (store.md, reason 1): 41 bits of milliseconds since
   2020-01-01 UTC, 10 bits of node number, 12 bits of counter. Rising within a process; unique while
   no two live processes share a node number (provider/node leases them). Two processes of one
   node have numbers of their own. If the clock steps back, the last time used goes on. */
#ifndef PENNYPOST_BASE_ID_H
#define PENNYPOST_BASE_ID_H

#include "base/clock.h"
#include "base/slice.h"

#include <stdint.h>

#define ID_NODE_MOST 1023

void id_node(unsigned node); /* before the first id; 0..ID_NODE_MOST */
int64_t id_new(void);        /* > 0; safe from several threads */
int64_t id_at(usec wall);    /* smallest id of that moment, for range queries */
/* As text for replies and logs: 13 characters of Crockford base 32, sortable. */
#define ID_TEXT_SIZE 13
void id_text(int64_t id, char to[ID_TEXT_SIZE + 1]);
bool id_parse(slice s, int64_t *id); /* any case; false when it is none */

#endif
