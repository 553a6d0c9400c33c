/* Looking into messages for strings, as mail/seek.h tells. Of a message larger than SEEK_MOST only
   the beginning is looked into. */
#ifndef PENNYPOST_SERVICE_IMAP_LOOK_H
#define PENNYPOST_SERVICE_IMAP_LOOK_H

#include "base/arena.h"
#include "base/status.h"
#include "mail/date.h"
#include "mail/fuzzy.h"
#include "mail/seek.h"

struct look;
/* Calls `each` for every one of the messages that is still there, with its place in `messages`, in
   batches and in any order; what it gives ends the walk unless it is ST_OK. Without `bodies` only
   headers need be at hand. */
status look_each(int64_t postoffice, const int64_t *messages, int n, bool bodies,
	status (*each)(int which, struct look *look, void *arg), void *arg);

/* Octets of its header that are looked into. */
size_t look_header_size(const struct look *l);
/* A field of that name has it in its value. */
bool look_header(struct look *l, slice field, const struct needle *n);
/* The Date field. */
bool look_sent(struct look *l, date *out);
/* One of the texts has it, or the header of a part. */
bool look_body(struct look *l, const struct needle *n);
/* The header or one of the texts has it. */
bool look_text(struct look *l, const struct needle *n);

/* The same for what is like a string: how well, 1 to 100; 0: not. */
int look_fuzzy_header(struct look *l, slice field, const struct fuzzy *f);
int look_fuzzy_body(struct look *l, const struct fuzzy *f);
int look_fuzzy_text(struct look *l, const struct fuzzy *f);

#endif
