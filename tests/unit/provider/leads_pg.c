/* Where addresses lead, in PostgreSQL. */
#include "tests/unit/provider/leads.h"

#include "provider/provider.h"
#include "tests/unit/provider/given.h"

void leads_begin(void)
{
	given_providers();
}

void leads_end(void)
{
	provider_close();
}
