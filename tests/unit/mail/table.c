/* A DNS of lines for tests; see table.h. */
#include "table.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

void table_add(struct table *t, slice line)
{
	cr_assert_lt(t->count, TABLE_MOST);
	t->line[t->count++] = line;
}

slice table_bytes(slice s, arena *a)
{
	char *made = arena_z(a, s);
	size_t size = 0;

	for (size_t i = 0; i < s.size; i++) {
		unsigned byte;
		if (s.at[i] == '\\' && i + 3 < s.size && sscanf(s.at + i, "\\x%2x", &byte) == 1) {
			made[size++] = (char)byte;
			i += 3;
		} else {
			made[size++] = s.at[i];
		}
	}
	return slice_of(made, size);
}

slice table_file(const char *name, arena *a)
{
	const char *top = getenv("PENNYPOST_TOP_SRCDIR");
	char path[400];

	snprintf(path, sizeof path, "%s/tests/unit/mail/%s", top ? top : ".", name);
	FILE *f = fopen(path, "r");
	cr_assert(f, "%s cannot be read", path);
	char *at = arena_new(a, 1 << 18);
	size_t size = fread(at, 1, (1 << 18) - 1, f);
	fclose(f);
	return slice_of(at, size);
}

static slice row_of(enum lookup_type type, slice data, arena *a)
{
	char z[256];
	char *ip = arena_new(a, 16);
	slice preference;

	switch (type) {
	case LOOKUP_A:
	case LOOKUP_AAAA:
		snprintf(z, sizeof z, "%.*s", SLICE_ARGS(data));
		cr_assert_eq(inet_pton(type == LOOKUP_A ? AF_INET : AF_INET6, z, ip), 1, "%s", z);
		return slice_of(ip, type == LOOKUP_A ? 4 : 16);
	case LOOKUP_MX:
		slice_take(&data, ' ', &preference);
		return slice_same(data, S(".")) ? S("") : data;
	default:
		return data;
	}
}

static lookup_kind ask(void *with, enum lookup_type type, slice name, arena *a, lookup_answer *out)
{
	static const char *const words[] = {[LOOKUP_A] = "A",
		[LOOKUP_AAAA] = "AAAA",
		[LOOKUP_MX] = "MX",
		[LOOKUP_PTR] = "PTR",
		[LOOKUP_TXT] = "TXT"};
	struct table *t = with;

	t->asked++;
	out->kind = LOOKUP_ABSENT;
	out->row = arena_new_array(a, TABLE_MOST, sizeof *out->row);
	for (size_t i = 0; i < t->count; i++) {
		slice rest = t->line[i], owner, word;
		slice_take(&rest, ' ', &owner);
		slice_take(&rest, ' ', &word);
		if (!slice_same_nocase(table_bytes(owner, a), name))
			continue;
		if (slice_same(word, S("FAIL")))
			return out->kind = LOOKUP_TEMPORARY;
		if (slice_same(word, slice_z(words[type])))
			out->row[out->count++] = row_of(type, table_bytes(rest, a), a);
	}
	return out->kind = out->count > 0 ? LOOKUP_FOUND : LOOKUP_ABSENT;
}

lookup table_lookup(struct table *t)
{
	return (lookup){.with = t, .ask = ask};
}
