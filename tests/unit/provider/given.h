/* What tests beside a PostgreSQL begin with (tests/with-pg.sh gives the URIs by the
   environment). */
#ifndef PENNYPOST_TESTS_GIVEN_H
#define PENNYPOST_TESTS_GIVEN_H

#include "provider/db.h"
#include "provider/provider.h"
#include "provider/setting.h"

extern const struct audit_by *const given_by; /* "test" */

/* The schema as of now; by the first test that asks, whichever process it is. */
void given_schema(void);
/* given_schema, and the providers opened as a command line does. Tests end with
   provider_close(). */
void given_providers(void);
const struct bootstrap *given_bootstrap(void);
/* A setting of the server; NULL is its default again. */
void given_setting(enum setting_id id, const char *value);
/* A statement as the superuser in the database of the test, for what no provider does; the first
   column of its first row as a number. Literal SQL only. */
int64_t given_sql(const char *sql);
/* The same of a statement that gives one text. It lives as long as the test; NULL is empty. */
slice given_text(const char *sql);
/* Until somebody waits for what a transaction of given_sql holds; false: nobody came. */
bool given_somebody_waits(void);
/* The superuser's connection to the database of the test, for more than one command; and another
   one, which the test closes. */
db_link *given_super(void);
db_link *given_link(void);
/* Commands that must succeed. */
void given_script(db_link *l, const char *sql);
/* What is logged from here on goes nowhere: for tests that are refused by the hundred. */
void given_silence(void);
/* A post office with one mailbox and its INBOX, straight into the tables. Ids of their own. */
struct given_tenant {
	int64_t postoffice, mailbox, inbox;
};
struct given_tenant given_tenant(void);

#endif
