/* Who is connected to the HTTP service: caps on their number, and the patience with each step of a
   request. libmicrohttpd's own patience begins anew with each octet, so that a client who sends one
   now and then would stay for ever (T21); and it has no word for those it does not let in. */
#ifndef PENNYPOST_SERVICE_WEB_CALLER_H
#define PENNYPOST_SERVICE_WEB_CALLER_H

#include "base/status.h"
#include "net/address.h"

#include <microhttpd.h>
#include <stddef.h>

struct caller;

/* Before the daemons start, and after they were stopped. ST_BUSY: no thread to watch the time. */
status caller_watch(void);
void caller_watch_end(void);

/* For MHD_OPTION_NOTIFY_CONNECTION. One too many (http_connections_most, http_per_address_most)
   reads 503 and that its connection ends. */
void caller_notify(void *unused, struct MHD_Connection *c, void **state,
	enum MHD_ConnectionNotificationCode what);
struct caller *caller_of(struct MHD_Connection *c);
const net_address *caller_peer(const struct caller *c);

/* The client has http_patience from here to its next step: its head, its body, to take the
   answer. */
void caller_next_step(struct caller *c);
/* It waits for us: until the next step its time does not run. */
void caller_waits(struct caller *c);
/* Octets of the present request's body so far; 0 begins a new one. */
size_t caller_body(struct caller *c, size_t more);

#endif
