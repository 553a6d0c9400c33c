/* Which services there are, where they listen and what runs their conversations: one row each, from
   which the master opens sockets, workers start listeners and --stdio finds its talk. */
#ifndef PENNYPOST_PROGRAM_SERVICE_TABLE_H
#define PENNYPOST_PROGRAM_SERVICE_TABLE_H

#include "net/conversation.h"
#include "provider/setting.h"

struct service_row {
	const char *word;       /* in the setting `services` and after --stdio */
	enum setting_id listen; /* S_COUNT: it has no clients */
	enum service service;
	bool tls;                       /* implicit */
	status (*run)(conversation *c); /* NULL: the web worker's */
	const char *(*command)(
		int n); /* the name of its n-th command; NULL: it has none, or there are no more */
};
extern const struct service_row service_rows[];
extern const int service_row_count;

/* Tells the figures the names of all commands (base/metric.h). */
void service_commands_name(void);
/* ST_ABSENT. */
status service_row_find(slice word, const struct service_row **out);

#endif
