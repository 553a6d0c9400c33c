/* Anonymous shared mappings. */
#include "base/shared.h"

#include "base/memory.h"

#include <sys/mman.h>

void *shared_new(size_t size)
{
	void *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (at == MAP_FAILED)
		memory_short(size);
	return at;
}
