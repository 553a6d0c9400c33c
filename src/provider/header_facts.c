#include "provider/header_facts.h"

#include "base/text.h"
#include "base/utf8.h"
#include "mail/date.h"
#include "mail/header.h"
#include "mail/word.h"

slice header_shown(slice s, size_t most, arena *a)
{
	text t = TEXT_INIT;
	slice clean;

	s = s.size > 0 ? slice_until(s, most) : S("");
	if (utf8_valid(s) && slice_find(s, 0) == s.size)
		return s;
	s = slice_until(s, slice_find(s, 0));
	utf8_add_repaired(&t, s);
	clean = arena_copy(a, text_slice(&t));
	text_free(&t);
	return clean;
}

void header_facts_read(slice header, arena *a, struct header_facts *out)
{
	header_survey h;
	date sent;

	header_look(header, &h);
	*out = (struct header_facts){.subject = word_decode(h.first_subject, a),
		.from = word_decode(h.first_from, a),
		.message_id = header_unfold(h.first_message_id, a)};
	if (h.first_date.size > 0 && date_parse(h.first_date, &sent) == ST_OK)
		out->sent = sent.at;
}
