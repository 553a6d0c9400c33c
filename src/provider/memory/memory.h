/* The providers in memory: every header of this floor answered from one store in the process,
   chosen at link time (libprovider_memory.a instead of libprovider.a). For unit tests, dialog tests
   without PostgreSQL, and fuzzers. Contracts hold as written, except that nothing waits but logons
   that are held back (auth_failures_all_most), nothing outlives the process, audit rows are not
   kept and failed logons are not slept on.

   provider_open() is not needed. Everything may be called from any thread. What a call gave out
   lives in the caller's arena. */
#ifndef PENNYPOST_PROVIDER_MEMORY_MEMORY_H
#define PENNYPOST_PROVIDER_MEMORY_MEMORY_H

#include "base/arena.h"
#include "base/status.h"
#include "provider/address_map.h"
#include "provider/folder.h"
#include "provider/queue.h"

/* Forgets everything: post offices, settings, failures, hooks. */
void memory_reset(void);

/* Shorthand for tests; what goes wrong ends the process. postmaster's password is "secret-1". */
int64_t memory_postoffice(const char *name, const char *domain);
int64_t memory_mailbox(int64_t postoffice, const char *name, const char *password);
void memory_setting(const char *name, const char *value); /* server scope */
/* Puts a message into the INBOX; gives its id. */
int64_t memory_message(int64_t postoffice, int64_t mailbox, const char *raw);
/* The same of several, with what deliver_run() gives. */
status memory_text(const struct route *to, int n, slice raw, int64_t *id);

/* The next deliver_run stores nothing and gives this kind (once). */
void memory_deliver_fail_next(status kind);
/* The next deliver_run stores its message, yet gives this kind (once): an answer that was lost. */
void memory_deliver_lose_next(status kind);
/* provider_healthy() and provider_ping() tell this trouble until NULL; `why` is lent. */
void memory_unhealthy(const char *why);
/* SCRAM verifiers made from now on have this salt (lent); empty = one of their own. */
void memory_scram_salt(slice salt);
/* Which secret file encrypts private keys; what was kept under another cannot be opened. 0 at
   first; negative: there is none. */
void memory_secret(int file);
/* Every provider call that would ask the database gives ST_BUSY while on. */
void memory_busy(bool on);
/* append_run stores and gives ST_UNSURE while on, as when nobody hears what became of a commit. */
void memory_unsure(bool on);
/* What stores messages gives ST_BUSY, and provider_full() says why. */
void memory_full(bool on);

/* From now on the message has no body any more, as after damage to the database. */
void memory_body_vanish(int64_t postoffice, int64_t message);

/* While on, calls that would ask the database pass the fault point memory_call, and bodies the
   points memory_write and memory_read (each gives ST_BUSY when it fails). Off at first. */
void memory_faults(bool on);

/* ---- looking in */
struct memory_entry {
	entry e;
	slice body;
	int64_t blob;
};
/* What stands in the INBOX, oldest first. */
void memory_entries(
	int64_t postoffice, int64_t mailbox, arena *a, struct memory_entry **rows, int *n);
int memory_messages(void);    /* message rows stored */
int memory_blobs(void);       /* bodies stored */
int memory_repeat_keys(void); /* repeat keys not yet confirmed */
/* What waits for other systems, oldest first. */
void memory_queue(arena *a, queue_entry **rows, int *n);
/* As if other systems had refused too much of its mail. */
void memory_pause(int64_t postoffice, int64_t mailbox);
bool memory_locked(int64_t postoffice, int64_t mailbox);
int64_t memory_used(int64_t postoffice, int64_t mailbox); /* bytes counted for the quota */
/* Stored bytes of the mailbox's entries: equals memory_used() always. */
int64_t memory_sum(int64_t postoffice, int64_t mailbox);

#endif
