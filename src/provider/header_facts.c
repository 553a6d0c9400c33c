#include "provider/header_facts.h"

#include "base/text.h"
#include "base/utf8.h"
#include "mail/date.h"
#include "mail/word.h"

#define READ_MOST 2000 /* bytes of a value that are read for what is kept */

slice header_shown(slice s, size_t most, arena *a)
{
	text t = TEXT_INIT;
	slice clean;

	s = s.size > 0 ? utf8_until(s, most) : S("");
	if (utf8_valid(s) && slice_find(s, 0) == s.size)
		return s;
	s = slice_until(s, slice_find(s, 0));
	utf8_add_repaired(&t, s);
	clean = arena_copy(a, utf8_until(text_slice(&t), most));
	text_free(&t);
	return clean;
}

static slice shown(slice value, arena *a)
{
	slice words = word_decode(header_unfold(slice_until(value, READ_MOST), a), a);

	return header_shown(words, HEADER_SHOWN_MOST, a);
}

void header_facts_of(const header_survey *h, arena *a, struct header_facts *out)
{
	date sent;

	*out = (struct header_facts){.subject = shown(h->first_subject, a),
		.from = shown(h->first_from, a),
		.message_id =
			header_shown(header_unfold(h->first_message_id, a), HEADER_ID_MOST, a)};
	if (h->first_date.size > 0 && date_parse(h->first_date, &sent) == ST_OK)
		out->sent = sent.at;
}

void header_facts_read(slice header, arena *a, struct header_facts *out)
{
	header_survey h;

	header_look(header, &h);
	header_facts_of(&h, a, out);
}
