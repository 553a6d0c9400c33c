/* Dialog scripts as text: lines, escapes, variables, patterns. The language is told in
   README.md. */
#ifndef PENNYPOST_TESTS_DIALOG_SCRIPT_H
#define PENNYPOST_TESTS_DIALOG_SCRIPT_H

#include "base/arena.h"
#include "base/list.h"
#include "base/text.h"

enum line_kind {
	LINE_SENTENCE, /* given, expect, wait .. */
	LINE_SAY,      /* A> text: with a line end; or a verb */
	LINE_SAY_RAW,  /* A>> bytes */
	LINE_HEAR      /* A< pattern */
};

struct line {
	int number;
	enum line_kind kind;
	char who; /* 'A'..'Z' of a client */
	slice text;
};

struct script {
	const char *path;
	arena a;
	struct line *lines;
	int n;
};

/* False, with the reason on standard error, when there is no such file. */
bool script_read(const char *path, struct script *out);
void script_close(struct script *s);

/* What `$name` stands for in one play. */
struct variables {
	arena *a;
	int n;
	struct variable {
		slice name, value;
	} rows[32];
};

/* The bytes that are meant: escapes and variables replaced. */
slice script_bytes(slice written, const struct variables *v, arena *a);
/* Whether the pattern describes the whole of `got`; binds variables that are free. */
bool script_match(slice pattern, slice got, struct variables *v);
/* Takes the next word or "quoted text" (its escapes replaced) and the blanks behind it. False at
   the end. A comma behind it is taken too and told in *comma. */
bool script_word(slice *rest, arena *a, slice *word, bool *comma);

#endif
