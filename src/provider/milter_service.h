/* How settings write milters:

     ADDRESS[,OPTION=VALUE]...

   ADDRESS is inet:PORT@IPV4, inet6:PORT@IPV6, or unix:/PATH. Options: name (for logs; else the
   address), connect, command and end (patience, such as 5s), default (accept, tempfail or reject:
   what happens when the milter cannot be asked), version (2 to 6, the newest that is offered), at
   (an endpoint of the service, as it listens there: *:2525, 192.0.2.1:25; may stand several times;
   else all of them). */
#ifndef PENNYPOST_PROVIDER_MILTER_SERVICE_H
#define PENNYPOST_PROVIDER_MILTER_SERVICE_H

#include "base/clock.h"
#include "base/slice.h"
#include "base/status.h"

#define MILTER_PATH_MOST 107 /* what an address of a unix socket takes */
#define MILTER_ENDPOINTS_MOST 8

enum milter_default { MILTER_DEFAULT_NONE, MILTER_ACCEPTS, MILTER_TEMPFAILS, MILTER_REJECTS };

struct milter_service {
	slice name;
	slice host; /* an address, for the caller to read; empty = `path` */
	uint16_t port;
	slice path;
	usec connect, command, end;    /* 0 = as the settings say */
	enum milter_default otherwise; /* NONE: as the setting says */
	unsigned version;
	slice at[MILTER_ENDPOINTS_MOST]; /* for the caller to read */
	int at_count;                    /* 0 = at all of them */
};

/* "accept", "tempfail", "reject"; NONE for anything else. */
enum milter_default milter_default_of(slice word);
/* Slices lie in `word`. ST_INVALID. */
status milter_service_parse(slice word, struct milter_service *out);

#endif
