/* What values of settings look like, one row per kind: how it is told to people, and how one word
   is judged. Numbers are read in setting_parse.c. */
#ifndef PENNYPOST_PROVIDER_SETTING_FORM_H
#define PENNYPOST_PROVIDER_SETTING_FORM_H

#include "provider/setting.h"

struct setting_form {
	const char *is; /* with a range or words of the row behind it, where it has such */
	enum {
		ALONE,
		BLANKS, /* words with blanks between them, each of which is judged alone */
		COMMAS, /* likewise; no word has a comma, so one divides words, too */
		ITEMS,  /* words with commas between them, in which blanks may stand */
	} list;
	/* Whether `one`, a list's word that comes after those in `before`, will do; *normal is the
	   word and may be given another shape, in `a`. NULL: anything. */
	bool (*fits)(
		const struct setting_row *row, slice one, slice before, arena *a, slice *normal);
};
extern const struct setting_form setting_forms[SETTING_KINDS];
/* Whether it is an endpoint as smtp_listen has them. */
bool setting_is_endpoint(slice written);

#endif
