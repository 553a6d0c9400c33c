/* Looking into messages for strings (RFC 9051 6.4.4): header fields and texts decoded to UTF-8 and compared
   as i;unicode-casemap says (RFC 5255 4.3), as substrings. Of a message larger than LOOK_MOST only the beginning is looked into. */
#ifndef PENNYPOST_SERVICE_IMAP_LOOK_H
#define PENNYPOST_SERVICE_IMAP_LOOK_H

#include "base/arena.h"
#include "base/status.h"
#include "mail/date.h"

#define LOOK_MOST ((size_t)4 * 1024 * 1024)

struct needle {
	slice folded;
	bool ascii; /* as it is folded: it can be found in any charset that has ASCII in it, as it stands */
	bool one_word; /* ASCII without blanks: no fold of a header divides it */
};
/* Of valid UTF-8; an empty one is found everywhere. */
void needle_make(slice utf8, arena *a, struct needle *out);

struct look;
/* Calls `each` for every one of the messages that is still there, with its place in `messages`, in batches and in any
   order; what it gives ends the walk unless it is ST_OK. Without `bodies` only headers need be at hand. */
status look_each(int64_t postoffice, const int64_t *messages, int n, bool bodies,
	status (*each)(int which, struct look *look, void *arg), void *arg);

/* A field of that name has it in its value. */
bool look_header(struct look *l, slice field, const struct needle *n);
/* The Date field. */
bool look_sent(struct look *l, date *out);
/* One of the texts has it, or the header of a part. */
bool look_body(struct look *l, const struct needle *n);
/* The header or one of the texts has it. */
bool look_text(struct look *l, const struct needle *n);

#endif
