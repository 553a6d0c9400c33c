/* Answers. A command makes one JSON value; --json prints it as it is, people get the same facts as
   aligned columns, as "name  value" lines or as a sentence. */
#ifndef PENNYPOST_PROGRAM_CLI_ANSWER_H
#define PENNYPOST_PROGRAM_CLI_ANSWER_H

#include "base/clock.h"
#include "program/cli.h"

#include <jansson.h>

enum cli_show {
	SHOW_PLAIN,
	SHOW_NUMBER, /* to the right */
	SHOW_SIZE,   /* bytes, for people in KB, MB .. */
};
struct cli_column {
	const char *key;   /* in the JSON object */
	const char *title; /* NULL: for --json only */
	enum cli_show show;
};

/* All take over the JSON value. Columns are closed by one without a key. */
/* A list of objects; `none` is what people read when it is empty. */
status cli_rows(struct cli *c, json_t *rows, const struct cli_column *columns, const char *none);
/* One object. Members that are lists of objects get no line: print them by cli_rows_below(). */
status cli_facts(struct cli *c, json_t *facts, const struct cli_column *columns);
/* Something was done: people read the sentence (its full stop is added). */
status cli_did(struct cli *c, json_t *facts, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* A text of many lines. */
status cli_says(struct cli *c, slice text);
/* For people only, after cli_facts: a list with a heading. Not taken over. */
void cli_below(
	struct cli *c, const char *heading, const json_t *rows, const struct cli_column *columns);

bool cli_have(const json_t *rows, const char *key); /* any of these objects has it */

/* ---- making values */
json_t *json_slice(slice s);  /* broken UTF-8 is repaired */
json_t *json_time(usec wall); /* "2026-01-31T12:00:00Z"; null for 0 */
json_t *json_id(int64_t id);  /* as base/id.h writes it; null for 0 */
slice cli_time(usec wall, arena *a);
slice cli_one_line(slice s, arena *a); /* PostgreSQL's sentences, with blanks for line breaks */
/* Appends text of others for a terminal: nothing in it moves the cursor. */
void cli_shown(slice s, text *t);

#endif
