#include "provider/keyword_words.h"

void keyword_words(slice words, struct keywords *out)
{
	slice name;

	out->n = 0;
	while (words.size > 0 && out->n < KEYWORDS_MOST && slice_take(&words, ' ', &name))
		out->names[out->n++] = name;
}

status keyword_fresh(const struct keywords *k, const slice *names, int n, slice *fresh, int *count)
{
	*count = 0;
	for (int i = 0; i < n; i++) {
		bool twice = false;

		if (keyword_bit(k, names[i]) >= 0)
			continue;
		if (!keyword_valid(names[i]))
			return ST_INVALID;
		for (int j = 0; j < *count; j++)
			twice |= slice_same_nocase(fresh[j], names[i]);
		if (!twice)
			fresh[(*count)++] = names[i];
	}
	return ST_OK;
}
