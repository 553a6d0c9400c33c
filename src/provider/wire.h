/* Values between C and PostgreSQL's binary format, and what its errors mean. For db.c and
   db_link.c. */
#ifndef PENNYPOST_PROVIDER_WIRE_H
#define PENNYPOST_PROVIDER_WIRE_H

#include "base/text.h"
#include "provider/db.h"

#include <libpq-fe.h>

#define PARAMS_MOST 32

/* Parameters as libpq wants them. */
struct wire {
	int n;
	Oid types[PARAMS_MOST];
	const char *values[PARAMS_MOST];
	int lengths[PARAMS_MOST], formats[PARAMS_MOST];
	text room; /* text_free() it when sent */
};
void wire_params(struct wire *w, const struct param *p, int n);
void wire_rows(const PGresult *r, arena *a, struct rows *out);
/* The kind of a failed result, counted and, when an operator should know, logged. ST_CLOSED: it
   tells of the lost connection, this one's or a pooler's behind it. */
status wire_failure(const PGresult *r, const char *statement);

#endif
