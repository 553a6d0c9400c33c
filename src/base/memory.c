/* Memory that is there or the worker is not. */
#include "base/memory.h"

#include "base/fault.h"
#include "base/log.h"

#include <stdint.h>
#include <stdlib.h>
#include <sysexits.h>
#include <unistd.h>

_Noreturn void memory_short(size_t wanted)
{
	log_event(EV_MEMORY_SHORT, "wanted=%zu", wanted);
	log_close();
	_exit(EX_SOFTWARE);
}

void *memory_new(size_t size)
{
	void *p = calloc(1, size > 0 ? size : 1);

	if (!p || FAULT("memory"))
		memory_short(size);
	return p;
}

void *memory_new_array(size_t n, size_t size)
{
	size_t whole;

	if (__builtin_mul_overflow(n, size, &whole))
		memory_short(SIZE_MAX);
	return memory_new(whole);
}

void *memory_grow(void *old, size_t size)
{
	void *p = realloc(old, size > 0 ? size : 1);

	if (!p || FAULT("memory"))
		memory_short(size);
	return p;
}

void memory_free(void *p)
{
	free(p);
}
