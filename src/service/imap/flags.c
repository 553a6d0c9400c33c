/* Flags: their words, and the bits they are in the store. */
#include "service/imap/flags.h"

#include "service/imap/selected.h"

status arg_flag_list(args *p, struct flag_words *f)
{
	bool list = arg_take(p, '(');

	if (list && arg_take(p, ')'))
		return ST_OK;
	do {
		if (f->n == FLAGS_MOST) {
			p->trouble = "Too many flags";
			return ST_INVALID;
		}
		TRY(arg_flag(p, &f->word[f->n]));
		f->n++;
	} while (arg_take(p, ' '));
	return list ? arg_expect(p, ')') : ST_OK;
}

status flags_bits(conversation *c, args *p, const struct flag_words *f, int64_t mailbox, bool make,
	int64_t *bits)
{
	const struct imap *i = imap_of(c);
	view *near =
		i->selected && i->selected->view->mailbox == mailbox ? i->selected->view : NULL;
	const struct keywords *known = near ? &near->keywords : NULL;
	slice unknown[FLAGS_MOST];
	struct keywords all;
	int n = 0;

	*bits = 0;
	for (int w = 0; w < f->n; w++) {
		int bit = keyword_bit(known, f->word[w]);

		if (bit >= 0) {
			*bits |= (int64_t)1 << bit;
			continue;
		}
		if (f->word[w].at[0] == '\\') {
			p->trouble = slice_same_nocase(f->word[w], S("\\Recent"))
					     ? "\\Recent is the server's to set"
					     : "There is no such system flag";
			return ST_INVALID;
		}
		unknown[n++] = f->word[w];
	}
	if (n == 0 || !make)
		return ST_OK;
	TRY(keyword_add(i->who.postoffice, mailbox, unknown, n, &c->command, &all));
	if (near)
		view_learn(near, &all);
	for (int w = 0; w < n; w++)
		*bits |= (int64_t)1 << keyword_bit(&all, unknown[w]);
	return ST_OK;
}

status flags_too_many(conversation *c)
{
	return imap_no(c, "[LIMIT] Keywords of a mailbox are limited to %d; use those that it has",
		KEYWORDS_MOST);
}
