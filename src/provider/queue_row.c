/* Rows of the queue as they enter with a delivery and as they come back. */
#include "provider/queue_row.h"

#include "base/id.h"
#include "base/text.h"
#include "base/utf8.h"
#include "provider/setting.h"

#include <stdlib.h>

/* The column `notify`: parameter_notify below, queue_told above. */
#define NOTIFY_BITS 0xffu
#define TOLD_SHIFT 8
#define TOLD_DELIVERED_KEPT                                                                        \
	7 /* 0 is mail: what is parked must still say which it is (queue_changed in queue.sql) */

static int64_t told_kept(const struct queue_recipient *to)
{
	return to->delivered && to->told == TOLD_DELIVERED ? TOLD_DELIVERED_KEPT
							   : (int64_t)to->told;
}

static enum queue_told told_read(int64_t notify)
{
	int64_t kept = notify >> TOLD_SHIFT;

	return kept == TOLD_DELIVERED_KEPT ? TOLD_DELIVERED : (enum queue_told)kept;
}

void queue_row(const struct rows *r, int row, queue_entry *out)
{
	enum {
		SHARD,
		ID,
		POSTOFFICE,
		MESSAGE,
		MAILBOX,
		SENDER,
		DOMAIN,
		ADDRESS,
		NOTIFY,
		ORCPT,
		RET,
		ENVID,
		BODY,
		UTF8,
		TLS,
		PRIORITY,
		STATE,
		MADE,
		NEXT,
		EXPIRES,
		ATTEMPTS,
		NOTICES,
		KILLS,
		CODE,
		HOST,
		TEXT,
		SIZE,
		EXPIRED,
		RETURNED,
		VIA,
		URGED
	};
	int64_t body = row_int(r, row, BODY);

	*out = (queue_entry){.id = row_int(r, row, ID),
		.shard = (int)row_int(r, row, SHARD),
		.postoffice = row_int(r, row, POSTOFFICE),
		.message = row_int(r, row, MESSAGE),
		.mailbox = row_int(r, row, MAILBOX),
		.sender = row_slice(r, row, SENDER),
		.domain = row_slice(r, row, DOMAIN),
		.address = row_slice(r, row, ADDRESS),
		.orcpt = row_slice(r, row, ORCPT),
		.envid = row_slice(r, row, ENVID),
		.notify = (unsigned)row_int(r, row, NOTIFY) & NOTIFY_BITS,
		.told = told_read(row_int(r, row, NOTIFY)),
		.ret = (enum parameter_ret)row_int(r, row, RET),
		.eight_bit = body != BODY_7BIT,
		.binary = body == BODY_BINARYMIME,
		.utf8 = row_bool(r, row, UTF8),
		.require_tls = row_bool(r, row, TLS),
		.priority = (int)row_int(r, row, PRIORITY),
		.attempts = (int)row_int(r, row, ATTEMPTS),
		.notices = (int)row_int(r, row, NOTICES),
		.kills = (int)row_int(r, row, KILLS),
		.state = (enum queue_state)row_int(r, row, STATE),
		.made = row_time(r, row, MADE),
		.next = row_time(r, row, NEXT),
		.expires = row_time(r, row, EXPIRES),
		.code = (int)row_int(r, row, CODE),
		.host = row_slice(r, row, HOST),
		.text = row_slice(r, row, TEXT),
		.size = row_int(r, row, SIZE),
		.expired = row_bool(r, row, EXPIRED),
		.returned = row_bool(r, row, RETURNED),
		.via = row_slice(r, row, VIA),
		.urged = row_bool(r, row, URGED)};
}

/* What others said must be text to be kept as such. */
static slice clean(slice s, size_t most, arena *a)
{
	text t = TEXT_INIT;

	s = slice_until(s, most);
	s = slice_until(s, slice_find(s, 0));
	utf8_add_repaired(&t, s);
	slice kept = t.size ? arena_copy(a, text_slice(&t)) : S("");
	text_free(&t);
	return kept;
}

void queue_add(db_tx *tx, arena *a, int64_t postoffice, const struct queue_addition *all, int n,
	int messages)
{
	enum {
		ID,
		SHARD,
		MESSAGE,
		MAILBOX,
		NOTIFY,
		RET,
		BODY,
		TRAITS,
		PRIORITY,
		LIFE,
		STATE,
		NUMBERS
	};
	enum { SENDER, DOMAIN, ADDRESS, ORCPT, ENVID, VIA, WORDS };
	int64_t *number[NUMBERS];
	slice *word[WORDS];
	int rows = 0, at = 0;

	for (int i = 0; i < n; i++)
		rows += all[i].n;
	for (int c = 0; c < NUMBERS; c++)
		number[c] = arena_new_array(a, (size_t)rows, sizeof **number);
	for (int c = 0; c < WORDS; c++)
		word[c] = arena_new_array(a, (size_t)rows, sizeof **word);
	for (int i = 0; i < n; i++) {
		const struct queue_envelope *e = all[i].envelope;

		for (int k = 0; k < all[i].n; k++, at++) {
			const struct queue_recipient *to = &all[i].to[k];

			number[ID][at] = id_new();
			number[SHARD][at] = queue_shard(to->domain);
			number[MESSAGE][at] = all[i].message;
			number[MAILBOX][at] = to->mailbox ? to->mailbox : e->mailbox;
			number[NOTIFY][at] = to->notify | told_kept(to) << TOLD_SHIFT;
			number[RET][at] = e->ret;
			number[BODY][at] = e->binary      ? BODY_BINARYMIME
					   : e->eight_bit ? BODY_8BITMIME
							  : BODY_7BIT;
			number[TRAITS][at] = (e->utf8 ? 1 : 0) | (e->require_tls ? 2 : 0);
			number[PRIORITY][at] = e->priority;
			number[LIFE][at] = e->lifetime;
			number[STATE][at] = to->parked      ? QUEUE_PARKED
					    : to->delivered ? QUEUE_TELL
							    : QUEUE_READY;
			word[SENDER][at] = clean(to->sender.size ? to->sender : e->sender, 1000, a);
			word[DOMAIN][at] = clean(to->domain, 300, a);
			word[ADDRESS][at] = clean(to->address, 1000, a);
			word[ORCPT][at] = clean(to->orcpt, 1000, a);
			word[ENVID][at] = clean(e->envid, 200, a);
			word[VIA][at] = clean(to->via, 1000, a);
		}
	}
	db_add(tx, SQL_QUEUE_ADD,
		(struct param[]){p_int(postoffice), p_int_array(number[ID], rows),
			p_int_array(number[SHARD], rows), p_int_array(number[MESSAGE], rows),
			p_int_array(number[MAILBOX], rows), p_text_array(word[SENDER], rows),
			p_text_array(word[DOMAIN], rows), p_text_array(word[ADDRESS], rows),
			p_int_array(number[NOTIFY], rows), p_text_array(word[ORCPT], rows),
			p_int_array(number[RET], rows), p_text_array(word[ENVID], rows),
			p_int_array(number[BODY], rows), p_int_array(number[TRAITS], rows),
			p_int_array(number[PRIORITY], rows), p_int_array(number[LIFE], rows),
			p_int_array(number[STATE], rows), p_text_array(word[VIA], rows),
			p_int(messages)},
		19, NULL);
}

struct counted { /* one recipient, and whose he is */
	int64_t mailbox;
	slice to;
};

static int by_mailbox(const void *a, const void *b)
{
	const struct counted *x = a, *y = b;

	return (x->mailbox > y->mailbox) - (x->mailbox < y->mailbox);
}

/* Mail that is passed on counts for who passes it on (T14). 0: it counts for nobody. */
static int64_t counted_for(const struct queue_envelope *e, const struct queue_recipient *to)
{
	if (to->told == TOLD_PROGRAM)
		return 0;
	return to->mailbox ? to->mailbox : e->counted && !to->delivered ? e->mailbox : 0;
}

/* Those that count, by whose they are. */
static struct counted *counted_of(arena *a, const struct queue_addition *all, int n, int *total)
{
	struct counted *each;
	int rows = 0;

	for (int i = 0; i < n; i++)
		rows += all[i].n;
	each = arena_new_array(a, (size_t)rows, sizeof *each);
	*total = 0;
	for (int i = 0; i < n; i++)
		for (int k = 0; k < all[i].n; k++) {
			const struct queue_recipient *to = &all[i].to[k];
			int64_t mailbox = counted_for(all[i].envelope, to);

			if (mailbox != 0)
				each[(*total)++] =
					(struct counted){mailbox, clean(to->address, 1000, a)};
		}
	if (*total > 1)
		qsort(each, (size_t)*total, sizeof *each, by_mailbox);
	return each;
}

static bool has_targets(int64_t postoffice, int64_t mailbox)
{
	struct setting_at at = {.postoffice = postoffice, .mailbox = mailbox};

	return setting_number(S_sent_targets_per_mailbox_most, &at) > 0;
}

void queue_count(db_tx *tx, arena *a, int64_t postoffice, const struct queue_addition *all, int n)
{
	int total, boxes = 0, targets = 0;
	struct counted *each = counted_of(a, all, n, &total);
	int64_t *numbers = arena_new_array(a, (size_t)total * 3, sizeof *numbers);
	int64_t *mailbox = numbers, *sum = mailbox + total, *whose = sum + total;
	slice *to = arena_new_array(a, (size_t)total, sizeof *to);
	bool distinct = false;

	for (int i = 0; i < total; i++) {
		if (boxes == 0 || mailbox[boxes - 1] != each[i].mailbox) {
			mailbox[boxes++] = each[i].mailbox;
			distinct = has_targets(postoffice, each[i].mailbox);
		}
		sum[boxes - 1]++;
		if (distinct) {
			whose[targets] = each[i].mailbox;
			to[targets++] = each[i].to;
		}
	}
	if (total > 0)
		db_add(tx, targets > 0 ? SQL_QUEUE_SENT_TARGETS : SQL_QUEUE_SENT_ADD,
			(struct param[]){p_int(postoffice), p_int_array(mailbox, boxes),
				p_int_array(sum, boxes), p_int_array(whose, targets),
				p_text_array(to, targets)},
			targets > 0 ? 5 : 3, NULL);
}

/* The results of one kind as arrays. */
struct columns {
	int64_t *shard, *id, *epoch, *wait, *code, *until, *tried, *gone;
	slice *host, *reply;
	int n;
};

static struct columns columns_of(const struct queue_result *r, int n, enum queue_end end, arena *a)
{
	struct columns c = {0};
	int64_t *numbers = arena_new_array(a, (size_t)n * 8, sizeof *numbers);

	c.shard = numbers;
	c.id = numbers + n;
	c.epoch = numbers + 2 * n;
	c.wait = numbers + 3 * n;
	c.code = numbers + 4 * n;
	c.until = numbers + 5 * n;
	c.tried = numbers + 6 * n;
	c.gone = numbers + 7 * n;
	c.host = arena_new_array(a, (size_t)n * 2, sizeof *c.host);
	c.reply = c.host + n;
	for (int i = 0; i < n; i++) {
		if ((r[i].end == QUEUE_DONE) != (end == QUEUE_DONE))
			continue;
		c.shard[c.n] = r[i].entry->shard;
		c.id[c.n] = r[i].entry->id;
		c.epoch[c.n] = r[i].entry->epoch;
		c.wait[c.n] = r[i].end == QUEUE_PARK ? -1 : r[i].wait;
		c.code[c.n] = r[i].code;
		c.until[c.n] = r[i].until;
		c.tried[c.n] = r[i].entry->attempts + !r[i].untried;
		c.gone[c.n] = r[i].gone;
		c.host[c.n] = clean(r[i].host, 300, a);
		slice said = r[i].code && r[i].enhanced.size
				     ? arena_format(a, "%.*s %.*s", SLICE_ARGS(r[i].enhanced),
					       SLICE_ARGS(r[i].text))
				     : r[i].text;
		c.reply[c.n++] = clean(said, QUEUE_TEXT_MOST, a);
	}
	return c;
}

void queue_end(db_tx *tx, arena *a, const struct queue_result *ends, int n)
{
	struct columns done = columns_of(ends, n, QUEUE_DONE, a),
		       later = columns_of(ends, n, QUEUE_DEFER, a);
	struct param office = p_int(ends[0].entry->postoffice);

	if (done.n > 0)
		db_add(tx, SQL_QUEUE_END,
			(struct param[]){office, p_int_array(done.shard, done.n),
				p_int_array(done.id, done.n), p_int_array(done.epoch, done.n),
				p_int_array(done.gone, done.n)},
			5, NULL);
	if (later.n > 0)
		db_add(tx, SQL_QUEUE_NOTICE,
			(struct param[]){office, p_int_array(later.shard, later.n),
				p_int_array(later.id, later.n), p_int_array(later.epoch, later.n),
				p_int_array(later.wait, later.n), p_int_array(later.code, later.n),
				p_text_array(later.host, later.n),
				p_text_array(later.reply, later.n),
				p_int_array(later.until, later.n),
				p_int_array(later.tried, later.n)},
			10, NULL);
}

void queue_results(db_tx *tx, arena *a, const struct queue_result *results, int n,
	struct rows *done, struct rows *later)
{
	struct columns d = columns_of(results, n, QUEUE_DONE, a),
		       l = columns_of(results, n, QUEUE_DEFER, a);

	*done = *later = (struct rows){0};
	if (d.n > 0)
		db_add(tx, SQL_QUEUE_DONE,
			(struct param[]){p_int_array(d.shard, d.n), p_int_array(d.id, d.n),
				p_int_array(d.epoch, d.n), p_int_array(d.gone, d.n)},
			4, done);
	if (l.n > 0)
		db_add(tx, SQL_QUEUE_DEFER,
			(struct param[]){p_int_array(l.shard, l.n), p_int_array(l.id, l.n),
				p_int_array(l.epoch, l.n), p_int_array(l.wait, l.n),
				p_int_array(l.code, l.n), p_text_array(l.host, l.n),
				p_text_array(l.reply, l.n), p_int_array(l.until, l.n),
				p_int_array(l.tried, l.n)},
			9, later);
}
