/* What tests of stored mail begin with, beside given.h: post offices, mailboxes, messages to
   deliver, made by the providers themselves. */
#ifndef PENNYPOST_TESTS_STORE_FIXTURE_H
#define PENNYPOST_TESTS_STORE_FIXTURE_H

#include "provider/audit.h"
#include "provider/deliver.h"

extern const struct audit_by store_by;

/* All of these end the program with a sentence when they cannot. */
/* A new post office with a name nobody else has. */
int64_t store_postoffice(void);
/* A new mailbox (quota 0: none); the way to it. */
struct route store_mailbox(int64_t postoffice, const char *name, int64_t quota);
void store_domain(int64_t postoffice, const char *name);
/* Nothing is queued, and no runner has a shard. For programs whose tests run one after the
   other. */
void store_queue_empty(void);
/* The ledger begins anew with what is there, as after its migration; and whether it holds: what
   does not is shown. For programs whose tests run one after the other. */
void store_ledger_begin(void);
bool store_ledger_holds(void);
/* What a suite begins and ends with that is counted all the way: the providers, and a ledger that
   holds. For programs whose tests run one after the other. */
void store_counted_begin(void);
void store_counted_end(void);
/* Rows that a test puts into the queue by hand, "insert into queue ..", are counted too. */
#define STORE_PUT(insert)                                                                                             \
	"with made as (" insert                                                                                       \
	" returning postoffice), noted as (insert into ledger as l (postoffice, slot, put)"                           \
	" select postoffice, pg_backend_pid(), count(*) from made group by postoffice on conflict (postoffice, slot)" \
	" do update set put = l.put + excluded.put) select count(*) from made"
/* given_sql with a format: the first number it gives. */
int64_t store_sql(const char *sql, ...) __attribute__((format(printf, 1, 2)));
/* Messages in the INBOX of a mailbox. */
int64_t store_entries_in(const struct route *r);
/* There UIDs rise without gaps, and every counter says what the entries say. */
void store_assert_counts(const struct route *r);
/* Starts n fibers and runs the loop until all have ended. */
void store_fibers(int n, status (*run)(void *), void *arg);
/* One that stops the loop itself, over a schema that is made for it; the provider it opens is closed. */
void store_story(status (*story)(void *));

/* One message to deliver: as many parts as there are post offices among the routes. */
struct letter {
	struct delivery d;
	struct delivery_part parts[4];
};
void letter_write(struct letter *l, const struct route *to, int n, slice raw);
status letter_send(struct letter *l);
void letter_close(struct letter *l);
/* Writes, sends, closes. */
status letter_deliver(const struct route *to, int n, slice raw);
/* The same of anna@acme.test's message to people elsewhere, and to a mailbox here unless it is NULL. */
status letter_queue(int64_t postoffice, const struct route *local, const struct queue_recipient *to,
	int m, slice raw);

#endif
