/* The named statements of sql/statement and the migrations of sql/schema as tables. The enum of
   names (SQL_FOLDER_BY_NAME) and the tables are made at build time (sql/statements.awk). */
#ifndef PENNYPOST_PROVIDER_STATEMENT_H
#define PENNYPOST_PROVIDER_STATEMENT_H

#include "provider/statement_table.h"

#include <stdbool.h>
#include <stddef.h>

/* Whose rows a statement touches; the word in its heading. */
enum statement_kind {
	STATEMENT_TENANT, /* one post office: $1, and row-level security is set from it */
	STATEMENT_SYSTEM, /* across post offices: runs as the system role */
	STATEMENT_GLOBAL, /* no tenant data */
	STATEMENT_OWNER,  /* only `pennypost schema`, as the schema's owner */
};

struct statement {
	const char *name; /* folder_by_name: also its name as a prepared statement */
	enum statement_kind kind;
	unsigned params; /* $1 .. $params */
	bool reads; /* it changes no row and no table, as its words tell: it may be tried again */
	const char *text;
};

/* Indexed by enum statement_id; a row of NULL closes it. */
extern const struct statement statement_table[STATEMENT_COUNT + 1];

struct migration {
	int number; /* 1, 2, 3, ... */
	const char *name;
	const char *text; /* several commands, run in one transaction */
};

/* In their order; a row of NULL closes it. */
extern const struct migration migration_table[];
extern const unsigned migration_count;

#endif
