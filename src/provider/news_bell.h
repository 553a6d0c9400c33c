/* What news.c asks of the side that knows other processes: news_bell.c, or nobody
   (provider/memory). */
#ifndef PENNYPOST_PROVIDER_NEWS_BELL_H
#define PENNYPOST_PROVIDER_NEWS_BELL_H

#include "provider/bootstrap.h"
#include "provider/db.h"
#include "provider/news.h"

#include <stdint.h>

/* A place somebody watches; folder 0: the mailbox. */
struct news_place {
	int64_t postoffice, mailbox, folder;
	int64_t modseq; /* the poll's: seen last, 0 = not yet */
};

/* ---- news.c */
/* Raises what watches the folder, and what watches the mailbox. Either id may be 0. */
void news_raise(int64_t mailbox, int64_t folder);
/* All that is watched, each once; the array is the caller's (memory_free). */
struct news_place *news_places(int *n);

/* ---- news_bell.c */
void bell_watch(void); /* somebody watches: other processes are to be heard */
void bell_ring(int64_t mailbox, int64_t folder); /* tell them; never waits */
/* Whose role hears news by this URI, as the statement system_role_facts tells it: one row. Else it
   cannot be asked now. */
status bell_role(slice uri, const char *application, arena *a, struct rows *out);
/* The providers open and close. A process that serves has a thread from the beginning; another
   tells its news when it closes, unless it watches too. */
void bell_open(const struct bootstrap *b, const char *application, bool serves);
void bell_close(void);

#endif
