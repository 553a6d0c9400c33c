/* Routes of the HTTP service: one row each. */
#ifndef PENNYPOST_SERVICE_WEB_ROUTE_H
#define PENNYPOST_SERVICE_WEB_ROUTE_H

#include "base/text.h"
#include "net/address.h"

struct web_request {
	slice path;
	net_address peer;
};

struct web_answer { /* filled by the handler; the body is the server's to free */
	unsigned code;
	const char *type; /* static */
	text body;
};

struct route_row {
	const char *path;
	void (*answer)(const struct web_request *q, struct web_answer *out);
	const char *help;
};
extern const struct route_row web_routes[];
extern const int web_route_count;

/* {"error": ..., "remedy": ...} with the code. */
void web_say_error(struct web_answer *out, unsigned code, const char *error, const char *remedy);

#endif
