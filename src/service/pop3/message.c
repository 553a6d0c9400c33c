/* The messages of the maildrop: listing, fetching, marking. Bodies flow from the database to the
   client a segment at a time; none is ever whole in memory. */
#include "mail/dot.h"
#include "mail/downgrade.h"
#include "provider/blob.h"
#include "provider/trace.h"
#include "service/pop3/session.h"

#include <inttypes.h>

/* ---- numbers */

/* The message a client means; NULL with *why when it means none. */
static struct drop_item *item_of(const conversation *c, slice number, const char **why)
{
	struct maildrop *d = &pop3_of(c)->drop;
	uint64_t n;
	*why = "No such message";
	if (!slice_number(number, &n) || n < 1 || n > (uint64_t)d->n)
		return NULL;
	*why = "That message is marked as deleted";
	return d->items[n - 1].deleted ? NULL : &d->items[n - 1];
}

static int number_of(const conversation *c, const struct drop_item *item)
{
	return (int)(item - pop3_of(c)->drop.items) + 1;
}

/* ---- lists */

status pop3_stat(conversation *c, slice rest)
{
	(void)rest;
	const struct maildrop *d = &pop3_of(c)->drop;
	return conversation_say(c, "+OK %d %" PRId64, d->kept, d->kept_size);
}

static status say_size(conversation *c, const char *before, const struct drop_item *item)
{
	return conversation_say(c, "%s%d %" PRId64, before, number_of(c, item), item->size);
}

/* UIDVALIDITY and UID together are never used twice for one mailbox, whatever happens to its
   folders. */
static status say_uid(conversation *c, const char *before, const struct drop_item *item)
{
	return conversation_say(c, "%s%d %08" PRIx32 "%08" PRIx32, before, number_of(c, item),
		pop3_of(c)->drop.uidvalidity, item->uid);
}

/* Once in a while the whole list, and of each message its size and its name once or twice: what is
   beyond counts like commands that do no work (T20). */
static void count_asking(conversation *c, bool whole)
{
	struct pop3 *p = pop3_of(c);
	if (whole || ++p->asked > 4 * (uint64_t)p->drop.n)
		conversation_workless(c);
}

static status say_list(conversation *c, slice rest,
	status (*say)(conversation *c, const char *before, const struct drop_item *item))
{
	struct maildrop *d = &pop3_of(c)->drop;
	const char *why;
	count_asking(c, rest.size == 0);
	if (rest.size) {
		const struct drop_item *item = item_of(c, rest, &why);
		return item ? say(c, "+OK ", item) : pop3_refuse(c, why);
	}
	TRY(conversation_say(c, "+OK %d messages, %" PRId64 " octets", d->kept, d->kept_size));
	for (int i = 0; i < d->n; i++)
		if (!d->items[i].deleted)
			TRY(say(c, "", &d->items[i]));
	return conversation_say(c, ".");
}

status pop3_list(conversation *c, slice rest)
{
	return say_list(c, rest, say_size);
}

status pop3_uidl(conversation *c, slice rest)
{
	return say_list(c, rest, say_uid);
}

/* ---- bodies */

struct sending {
	conversation *c;
	dot_writer writer;
	dot_top top;
	bool whole; /* RETR */
	bool ascii; /* headers are to be ASCII */
	downgrade surrogate;
	text plain; /* one piece of it */
	text out;   /* one piece, stuffed */
	bool begun; /* the client has read +OK */
	int64_t size;
	int number;
};

/* Said with the first piece: before it, a body that cannot be read is still an honest -ERR. */
static status begin(struct sending *s)
{
	if (s->begun)
		return ST_OK;
	s->begun = true;
	if (s->whole)
		return conversation_say(s->c, "+OK %" PRId64 " octets", s->size);
	return conversation_say(s->c, "+OK Top of message %d follows", s->number);
}

static status send_bytes(struct sending *s, slice bytes)
{
	TRY(begin(s));
	if (!s->whole)
		bytes = slice_until(bytes, dot_top_take(&s->top, bytes));
	dot_write(&s->writer, bytes, &s->out);
	TRY(stream_write(s->c->stream, text_slice(&s->out)));
	text_clear(&s->out);
	return !s->whole && s->top.full ? ST_LIMITED : ST_OK; /* ST_LIMITED: enough has been read */
}

static status send_piece(slice bytes, void *arg)
{
	struct sending *s = arg;
	if (!s->ascii)
		return send_bytes(s, bytes);
	downgrade_write(&s->surrogate, bytes, &s->plain);
	status kind = send_bytes(s, text_slice(&s->plain));
	text_clear(&s->plain);
	return kind;
}

/* What a surrogate still held back; also when no more of it is wanted. */
static status send_rest(struct sending *s, status kind)
{
	downgrade_end(&s->surrogate, &s->plain);
	if (kind == ST_OK && s->plain.size)
		kind = send_bytes(s, text_slice(&s->plain));
	text_free(&s->plain);
	return kind;
}

/* RFC 6856 2.1: who did not say UTF8 is shown no internationalized mail. */
static bool wants_ascii(const conversation *c)
{
	struct setting_at at = pop3_at(c);
	return !pop3_of(c)->utf8 && setting_on(S_pop3_downgrade, &at);
}

static bool is_at_hand(const struct maildrop *d, const struct drop_item *item)
{
	return item == d->items && d->first.packed.size > 0;
}

static status each_piece(struct maildrop *d, const struct drop_item *item, struct sending *s)
{
	int64_t postoffice = d->postoffice;
	if (is_at_hand(d, item)) {
		status kind = blob_along_each(&d->first, send_piece, s);
		maildrop_forget_first(d);
		return kind;
	}
	return item->blob ? blob_each(postoffice, item->blob, send_piece, s)
			  : blob_each_of(postoffice, item->message, send_piece, s);
}

static status send_body(conversation *c, const struct drop_item *item, struct sending *s)
{
	s->c = c;
	s->number = number_of(c, item);
	s->size = item->size;
	/* One deadline per request, moved on by what the client takes. */
	stream_pace(c->stream, setting_number(S_pop3_idle_patience, NULL), 1024);
	s->writer.as_is = true; /* LIST told the size */
	s->ascii = wants_ascii(c);
	s->surrogate.travelled_only = true;
	status kind = each_piece(&pop3_of(c)->drop, item, s);
	kind = send_rest(s, kind);
	if (kind == ST_LIMITED && s->top.full)
		kind = ST_OK;
	if (kind == ST_OK)
		kind = begin(s);
	if (kind == ST_OK) {
		dot_write_end(&s->writer, &s->out);
		kind = stream_write(c->stream, text_slice(&s->out));
	}
	text_free(&s->out);
	if (kind == ST_OK || s->begun)
		return kind; /* in the middle of a body there is no honest way to go on but to
		close */
	if (kind == ST_CANCELLED || kind == ST_CLOSED)
		return kind;
	if (kind == ST_ABSENT || kind == ST_BROKEN)
		return conversation_say(c,
			"-ERR [SYS/PERM] The text of this message is lost; tell your postmaster");
	return conversation_say(
		c, "-ERR [SYS/TEMP] The message cannot be read now; try again later");
}

static void note_read(conversation *c, const struct drop_item *item)
{
	metric_add(M_messages_read, SERVICE_POP3, 1);
	metric_postoffice(pop3_of(c)->who.postoffice, MPO_READ, 1);
	trace_note(pop3_of(c)->who.postoffice, item->message, TRACE_READ,
		"service=pop3 conversation=%s", c->name);
}

status pop3_retr(conversation *c, slice rest)
{
	const char *why;
	const struct drop_item *item = item_of(c, rest, &why);
	if (!item)
		return pop3_refuse(c, why);
	struct sending s = {.whole = true, .out = TEXT_INIT};
	TRY(send_body(c, item, &s));
	note_read(c, item);
	return ST_OK;
}

status pop3_top(conversation *c, slice rest)
{
	const char *why;
	slice number, lines = rest;
	uint64_t n;
	slice_take(&lines, ' ', &number);
	if (!slice_number(slice_trim(lines), &n))
		return pop3_refuse(c, "Syntax: TOP <message> <lines>");
	const struct drop_item *item = item_of(c, number, &why);
	if (!item)
		return pop3_refuse(c, why);
	struct sending s = {.top = {.lines = n}, .out = TEXT_INIT};
	return send_body(c, item, &s);
}

/* ---- marks */

status pop3_dele(conversation *c, slice rest)
{
	const char *why;
	struct drop_item *item = item_of(c, rest, &why);
	if (!item)
		return pop3_refuse(c, why);
	maildrop_mark(&pop3_of(c)->drop, item);
	return conversation_say(c, "+OK Marked, removed at QUIT");
}

status pop3_rset(conversation *c, slice rest)
{
	(void)rest;
	struct maildrop *d = &pop3_of(c)->drop;
	maildrop_unmark_all(d);
	return conversation_say(c, "+OK %d messages, %" PRId64 " octets", d->kept, d->kept_size);
}
