/* Keys that sign, in memory; nobody else can look into it. */
#include "tests/unit/provider/dkim_key.h"

#include "provider/memory/memory.h"

void keys_begin(void)
{
	memory_reset();
	memory_secret(-1);
}

void keys_secret(bool there)
{
	memory_secret(there ? 0 : -1);
}

int keys_in_the_clear(void)
{
	return 0;
}

void keys_end(void)
{
}
