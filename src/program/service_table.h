/* Which services there are, where they listen and what runs their conversations: one row each, from
   which the master opens sockets, workers start listeners and --stdio finds its talk. */
#ifndef PENNYPOST_PROGRAM_SERVICE_TABLE_H
#define PENNYPOST_PROGRAM_SERVICE_TABLE_H

#include "net/conversation.h"
#include "provider/setting.h"

struct service_row {
	const char *word;               /* in the setting `services` and after --stdio */
	enum setting_id listen;         /* S_COUNT: it has no clients */
	enum service service;
	bool tls;                       /* implicit */
	status (*run)(conversation *c); /* NULL: the web worker's */
};
extern const struct service_row service_rows[];
extern const int service_row_count;

/* ST_ABSENT. */
status service_row_find(slice word, const struct service_row **out);

#endif
