/* Where addresses lead, in memory. */
#include "tests/unit/provider/leads.h"

#include "provider/memory/memory.h"

void leads_begin(void)
{
	memory_reset();
}

void leads_end(void)
{
}
