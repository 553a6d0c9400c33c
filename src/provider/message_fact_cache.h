/* What a process keeps of facts, for folder_page.c. */
#ifndef PENNYPOST_PROVIDER_MESSAGE_FACT_CACHE_H
#define PENNYPOST_PROVIDER_MESSAGE_FACT_CACHE_H

#include "provider/message_fact.h"

/* How many of these messages' envelopes, with `whole` part trees too, are not known here. */
int message_facts_unknown(int64_t postoffice, const int64_t *messages, int n, bool whole);
/* Keeps facts without their structure: enough for message_envelopes(). */
void message_facts_enter(int64_t postoffice, const struct message_fact *facts, int n);
/* facts[i] is of messages[i] and lives in `a`; false, and nothing, unless all of all of them is known
   here. */
bool message_facts_whole(
	int64_t postoffice, const int64_t *messages, int n, arena *a, struct message_fact **facts);

#endif
