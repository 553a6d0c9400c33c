/* The HTTP service: libmicrohttpd with its thread pool, the seat of the JSON APIs and the web
   applications. Handlers are plain threads that call the same providers as the fibers do. */
#ifndef PENNYPOST_SERVICE_WEB_WEB_H
#define PENNYPOST_SERVICE_WEB_WEB_H

#include "base/status.h"

/* Serves on the open listening sockets until web_close. Settings http_*. Returns at once; the
   daemon's threads work. ST_BUSY when it could not be started (logged with the remedy). */
status web_open(const int *listening, int n);
/* Stops accepting, lets running requests finish (at most `patience_ms`), frees everything. */
void web_close(unsigned patience_ms);

#endif
