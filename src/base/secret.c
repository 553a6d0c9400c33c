/* Comparing without telling, forgetting for good. */
#include "base/secret.h"

bool secret_same(slice a, slice b)
{
	volatile unsigned char differ = a.size != b.size;
	size_t common = a.size < b.size ? a.size : b.size;

	for (size_t i = 0; i < common; i++)
		differ |= (unsigned char)(a.at[i] ^ b.at[i]);
	return differ == 0;
}

void secret_forget(void *at, size_t size)
{
	explicit_bzero(at, size);
}
