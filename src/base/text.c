/* Growing runs of bytes. Room doubles, so adding n bytes one by one costs O(n). */
#include "base/text.h"

#include "base/memory.h"

#include <stdio.h>

enum { ROOM_LEAST = 64 };

void text_reserve(text *t, size_t more)
{
	size_t wanted;

	if (__builtin_add_overflow(t->size, more, &wanted) || wanted > SIZE_MAX / 2 - 1)
		memory_short(more);
	wanted++; /* the terminator */
	if (wanted <= t->room)
		return;
	size_t room = t->room > 0 ? t->room * 2 : ROOM_LEAST;
	t->room = room > wanted ? room : wanted;
	t->at = memory_grow(t->at, t->room);
	t->at[t->size] = '\0';
}

void text_add(text *t, slice s)
{
	text_reserve(t, s.size);
	if (s.size > 0)
		memcpy(t->at + t->size, s.at, s.size);
	t->size += s.size;
	t->at[t->size] = '\0';
}

void text_add_z(text *t, const char *terminated)
{
	text_add(t, slice_z(terminated));
}

void text_add_char(text *t, char c)
{
	text_add(t, slice_of(&c, 1));
}

void text_add_number(text *t, int64_t n)
{
	char digits[20];
	size_t at = sizeof digits;
	uint64_t left = n < 0 ? 0 - (uint64_t)n : (uint64_t)n;

	do
		digits[--at] = (char)('0' + left % 10);
	while (left /= 10);
	if (n < 0)
		digits[--at] = '-';
	text_add(t, slice_of(digits + at, sizeof digits - at));
}

void text_format(text *t, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	text_format_v(t, format, args);
	va_end(args);
}

void text_format_v(text *t, const char *format, va_list args)
{
	va_list again;

	/* Most pieces fit at the first try; the others tell how much they want. */
	va_copy(again, args);
	text_reserve(t, ROOM_LEAST - 1);
	int size = vsnprintf(t->at + t->size, t->room - t->size, format, args);
	if (size < 0)
		memory_short(0);
	if ((size_t)size >= t->room - t->size) {
		text_reserve(t, (size_t)size);
		vsnprintf(t->at + t->size, t->room - t->size, format, again);
	}
	va_end(again);
	t->size += (size_t)size;
}

void text_remove(text *t, size_t n)
{
	if (t->size == 0)
		return;
	n = n < t->size ? n : t->size;
	t->size -= n;
	memmove(t->at, t->at + n, t->size + 1);
}

void text_clear(text *t)
{
	t->size = 0;
	if (t->at)
		t->at[0] = '\0';
}

void text_free(text *t)
{
	memory_free(t->at);
	*t = TEXT_INIT;
}
