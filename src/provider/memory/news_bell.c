/* There are no other processes in memory. */
#include "provider/news_bell.h"

void bell_watch(void)
{
}

void bell_ring(int64_t mailbox, int64_t folder)
{
	(void)mailbox;
	(void)folder;
}
