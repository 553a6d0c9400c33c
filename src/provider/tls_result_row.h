/* Rows of the table tls_result, for the files of this folder that read them. */
#ifndef PENNYPOST_PROVIDER_TLS_RESULT_ROW_H
#define PENNYPOST_PROVIDER_TLS_RESULT_ROW_H

#include "provider/db.h"
#include "provider/tls_result.h"

status tls_result_rows(enum statement_id id, const struct param *p, int params, arena *a,
	struct tls_result **rows, int *n);

#endif
