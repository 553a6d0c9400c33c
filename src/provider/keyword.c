/* Names of flags; see keyword.h. Both implementations share this. */
#include "provider/keyword.h"

#include "provider/folder.h"

/* Indexed by bit. */
static const slice fixed[KEYWORD_FIRST] = {
	S("\\Seen"),
	S("\\Answered"),
	S("\\Flagged"),
	S("\\Deleted"),
	S("\\Draft"),
	S("$Forwarded"),
	S("$MDNSent"),
	S("$Junk"),
	S("$NotJunk"),
	S("$Phishing"),
	S("$Important"),
	S("$SubmitPending"),
	S("$Submitted"),
};

slice keyword_name(const struct keywords *k, int bit)
{
	if (bit >= 0 && bit < KEYWORD_FIRST)
		return fixed[bit].at ? fixed[bit] : S("");
	if (k && bit >= KEYWORD_FIRST && bit - KEYWORD_FIRST < k->n)
		return k->names[bit - KEYWORD_FIRST];
	return S("");
}

int keyword_bit(const struct keywords *k, slice name)
{
	for (int bit = 0; bit < KEYWORD_FIRST; bit++)
		if (fixed[bit].size > 0 && slice_same_nocase(fixed[bit], name))
			return bit;
	for (int i = 0; k && i < k->n; i++)
		if (slice_same_nocase(k->names[i], name))
			return KEYWORD_FIRST + i;
	return -1;
}

bool keyword_valid(slice name)
{
	if (name.size == 0 || name.size > KEYWORD_SIZE_MOST)
		return false;
	for (size_t i = 0; i < name.size; i++)
		if (name.at[i] <= ' ' || name.at[i] > '~' || strchr("(){%*\"\\]", name.at[i]))
			return false;
	return true;
}
