/* Where addresses lead: told once in leads.c, for both stores. */
#ifndef TESTS_UNIT_PROVIDER_LEADS_H
#define TESTS_UNIT_PROVIDER_LEADS_H

/* The store is ready, and gone. */
void leads_begin(void);
void leads_end(void);

#endif
