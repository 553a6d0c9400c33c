/* Text: a growable, always terminated run of bytes with one owner. TEXT_INIT needs no memory. */
#ifndef PENNYPOST_BASE_TEXT_H
#define PENNYPOST_BASE_TEXT_H

#include "base/slice.h"

#include <stdarg.h>

typedef struct text {
	char *at;
	size_t size; /* without the terminator */
	size_t room;
} text;

#define TEXT_INIT ((text){0})

void text_add(text *t, slice s);
void text_add_z(text *t, const char *terminated);
void text_add_char(text *t, char c);
void text_add_number(text *t, int64_t n); /* in decimal */
void text_format(text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
void text_format_v(text *t, const char *format, va_list args);
void text_reserve(text *t, size_t more); /* room for `more` bytes beyond size */
void text_remove(text *t, size_t n);     /* the first n bytes */
void text_clear(text *t);                /* empty, memory kept */
void text_free(text *t);                 /* empty, memory given back; may be used again */
static inline slice text_slice(const text *t)
{
	return (slice){t->at, t->size};
}

#endif
