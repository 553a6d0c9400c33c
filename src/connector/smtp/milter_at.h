/* Endpoints that milters are for (at=): which connections came to one, and which of them there are
   not. */
#ifndef PENNYPOST_CONNECTOR_SMTP_MILTER_AT_H
#define PENNYPOST_CONNECTOR_SMTP_MILTER_AT_H

#include "net/address.h"
#include "provider/milter_service.h"
#include "provider/setting.h"

/* Whether the milter is asked about connections that came to this address and port. */
bool milter_at_has(const struct milter_service *s, const net_address *at);

struct milter_at_lost {
	slice milters; /* with blanks between them, those at= that no endpoint of the service can
			  be; empty: none */
	const char *listens; /* names of the settings that say where it listens */
	slice endpoints;     /* and what they say now */
};
/* Of smtp_milters or submission_milters, whichever has to do with the setting, as both stand now.
   False: all is well. */
bool milter_at_find_lost(enum setting_id changed, arena *a, struct milter_at_lost *out);

#endif
