/* What the tests of logons begin with: a post office with one mailbox, and an address no other test
   has. Tests share the database, so each has post offices and addresses of its own. */
#ifndef PENNYPOST_TESTS_AUTH_FIXTURE_H
#define PENNYPOST_TESTS_AUTH_FIXTURE_H

#include "provider/auth.h"
#include "tests/unit/provider/store_fixture.h"

#define PASSWORD "Secret-Word-1" /* of every mailbox store_fixture.h makes */

extern struct here {
	arena a;
	slice why;
	int64_t po;
	slice office; /* its name */
	struct route anna;
	struct auth_from home;
} here;

/* The providers, the post office, and no delay after a failure. Tests end with provider_close(). */
void auth_begin(void);
/* An address no other test has. */
struct auth_from somewhere(void);
/* As NAME@office. */
status logon_from(
	const struct auth_from *from, const char *name, const char *password, struct identity *who);
status logon(const char *name, const char *password); /* from home */
int64_t asked(void);                                  /* round trips to the database */

#endif
