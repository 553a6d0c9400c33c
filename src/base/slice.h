/* Slices: a pointer and a length, by value, lent and not terminated. Whoever made the bytes owns
   them; a slice never does. An empty slice may have a NULL pointer. */
#ifndef PENNYPOST_BASE_SLICE_H
#define PENNYPOST_BASE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef struct slice {
	const char *at;
	size_t size;
} slice;

/* A slice of a string literal. */
#define S(literal) ((slice){"" literal, sizeof(literal) - 1})
/* For printf("%.*s"): two arguments. */
#define SLICE_ARGS(s) (int)(s).size, (s).at

static inline slice slice_of(const void *at, size_t size)
{
	return (slice){(const char *)at, size};
}
static inline slice slice_z(const char *terminated)
{
	return (slice){terminated, terminated ? strlen(terminated) : 0};
}
static inline bool slice_same(slice a, slice b)
{
	return a.size == b.size && (a.size == 0 || memcmp(a.at, b.at, a.size) == 0);
}

bool slice_same_nocase(slice a, slice b); /* ASCII letters only */
int slice_order(slice a, slice b);        /* memcmp order, shorter first: <0, 0, >0 */
bool slice_starts(slice s, slice prefix);
bool slice_starts_nocase(slice s, slice prefix); /* ASCII */
bool slice_ends_nocase(slice s, slice suffix);   /* ASCII */
size_t slice_find(slice s, char c);              /* index of the first c, or s.size */
size_t slice_find_last(slice s, char c);         /* index of the last c, or s.size */
size_t slice_search(slice s, slice part);        /* index of the first part, or s.size */
size_t slice_search_nocase(slice s, slice part); /* ASCII; linear, whatever they are */
bool slice_has_bare_cr(slice s);                 /* a CR without its LF */
slice slice_from(slice s, size_t start);         /* the rest; empty when start >= size */
slice slice_until(slice s, size_t end);          /* the first `end` bytes, or all */
slice slice_trim(slice s);                       /* without SP, HTAB, CR, LF at both ends */

/* Takes the part before the first c into *part and moves *rest behind it. True while there was
   something left to take: rows of "a,b," give "a", "b", "". Behind the last part rest->at is
   NULL. */
bool slice_take(slice *rest, char c, slice *part);

/* The candidate nearest to a mistyped word, or NULL: for "did you mean". A NULL closes them. */
const char *slice_nearest(slice word, const char *(*candidate)(int i));

/* Decimal digits only, no sign, no space, fits into 63 bits. False otherwise; *out untouched. */
bool slice_number(slice s, uint64_t *out);

#endif
