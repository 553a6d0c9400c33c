/* Recognising repetitions (trust.md R6). A message's key is stored with it and forgotten when its
   client has shown that it read the answer. A key that stands when the message comes again tells
   that the answer got lost: with its conversation (marked as broken) or with its worker (whose
   lease of a node number ended, or whose successor is there, or that the database does not hear of
   any more).

   A message that was given up on doubt may lie before a backend that is stopped, or in a pooler, and
   be stored when its repetition was, and its client has read so. Therefore its key becomes a fence,
   which stays: it stands for no message, or for a repetition, which takes its place; one that comes
   late meets it. Until all doubts of the node are fenced no key is forgotten, nor for some seconds
   after the database was away or silent, for the doubts of other nodes.

   For deliver.c, the master and its workers. */
#ifndef PENNYPOST_PROVIDER_REPEAT_H
#define PENNYPOST_PROVIDER_REPEAT_H

#include "base/clock.h"
#include "base/slice.h"
#include "base/status.h"

#define REPEAT_KEY 16 /* bytes of a key */
/* For a conversation that may still be alive. A little more than a worker's successor may be kept
   waiting for (master.c), since it is the successor that tells of the dead. With the least
   db_silence_most, which the client of a process that is cut off waited before, it is more than
   NODE_SILENCE_MOST. */
#define REPEAT_PATIENCE (8 * USEC_S)

/* The owner of a delivery's key: the node number its id was made with. */
int64_t repeat_owner(int64_t delivery);

/* Notes what is to become of a key; never waits. Broken ones are marked at once, read ones go
   together within 50 ms, at most 1,000 a turn; later where a process of the node is in doubt. While
   the database is away smtp_repeat_most of each kind are kept; when there are more, the oldest tenth
   goes (an event tells how many). */
void repeat_forget(slice key);
void repeat_break(slice key);
/* The message was given up on doubt: should it stand, or be stored yet by a backend that still has
   it before it (it may wait for a synchronous standby, and no timeout ends that), its repetition
   will be recognised for smtp_doubt_window; else its key is made a fence. While a backend is at it, it is looked for as
   long as smtp_repeat_window after the database is back, a minute at least. Never waits. */
void repeat_doubt(slice key, int64_t postoffice, int64_t delivery);

/* By the master before it has children, whose doubts they share then; each has a slot of its own
   (below METRIC_SLOTS), which is cleared when it is dead. */
void repeat_share(void);
void repeat_slot(unsigned slot);
void repeat_slot_clear(unsigned slot);
/* See deliver_hold. */
status repeat_hold(void);

/* A key stands. ST_EXISTS: it is a repetition, *earlier is the id of the one stored. ST_OK: the key
   is free now, or a fence that this message may replace: *fence, else 0. ST_TIMED_OUT: its
   conversation lives on at the moment `until`. */
status repeat_judge(slice key, usec until, int64_t *earlier, usec *fence);

/* Does what is noted; before the process ends. */
void repeat_close(void);

#endif
