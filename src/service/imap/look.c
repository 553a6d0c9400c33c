/* Looking into messages. Most are ASCII throughout, so a word that does not stand in the raw
   message is not in it. */
#include "service/imap/look.h"

#include "base/memory.h"
#include "base/utf8.h"
#include "mail/header.h"
#include "mail/mime.h"
#include "provider/blob.h"
#include "provider/message_fact.h"
#include "provider/message_head.h"
#include "task/task.h"

#define BATCH 192                 /* of 4 KB each wait packed in a socket's buffer */
#define AHEAD 2                   /* batches on their way while one is looked into */
#define SMALL ((size_t)32 * 1024) /* comes with the others of its batch */
#define AT_ONCE                                                                                    \
	((size_t)64 *                                                                              \
		1024) /* octets of a text that are converted and folded in the loop          \
\ */
#define LIKE_AT_ONCE ((size_t)8 * 1024) /* and looked into word by word */

struct look {
	slice raw, header;
	arena a;       /* of this message */
	arena scratch; /* of one question about it */
	bool parsed;
	mime_table parts;
	status ended; /* what came instead of a turn: the walk ends with it */
};

/* Every question costs a pass over the message, so others have a turn between two of them. */
static bool begin(struct look *l)
{
	arena_clear(&l->scratch);
	if (l->ended == ST_OK)
		l->ended = task_breathe();
	return l->ended == ST_OK;
}

/* ---- headers */

/* No fold divides a word, but a bare CR, which unfolding drops, may: it stands in no field of a header in which it does
   not stand as it is, when that is ASCII without encoded words and bare CRs. */
static bool is_not_above(slice header, const struct needle *n)
{
	slice word = needle_word(n);

	return word.size > 0 && slice_search_nocase(header, word) == header.size &&
	       utf8_is_ascii(header) && !slice_has_bare_cr(header) && seek_is_plain(header);
}

size_t look_header_size(const struct look *l)
{
	return l->header.size;
}

bool look_header(struct look *l, slice field, const struct needle *n)
{
	header_walk walk = header_walk_of(l->header);
	header_field f;

	if (!begin(l) || is_not_above(l->header, n))
		return false;
	while (header_next_named(&walk, field, &f))
		if (needle_in(seek_value(f.value, &l->scratch), n))
			return true;
	return false;
}

bool look_sent(struct look *l, date *out)
{
	header_field f;

	return begin(l) && header_find(l->header, S("Date"), &f) &&
	       date_parse(f.value, out) == ST_OK;
}

/* ---- texts */

struct finding { /* where a text must be turned into another form before it is searched */
	slice bytes, charset;
	const struct needle *needle;
	arena *a;
	bool found;
};

static status find(void *arg)
{
	struct finding *f = arg;

	f->found = needle_in(seek_utf8(f->bytes, f->charset, f->a), f->needle);
	return ST_OK;
}

struct asking {
	struct look *l;
	const struct needle *n;
};

static bool text_has(slice bytes, slice charset, void *arg)
{
	struct asking *q = arg;
	struct look *l = q->l;
	struct finding f = {bytes, charset, q->n, &l->scratch, false};

	if (q->n->ascii && seek_holds_ascii(charset)) {
		if (slice_search_nocase(bytes, q->n->folded) < bytes.size)
			return true;
		if (utf8_is_ascii(bytes))
			return false;
	}
	status s = bytes.size > AT_ONCE ? task_offload(find, &f) : find(&f);
	if (l->ended == ST_OK)
		l->ended = s;
	return s == ST_OK && f.found;
}

static bool inner_header_has(slice header, void *arg)
{
	struct asking *q = arg;

	return seek_block(header, q->n, &q->l->scratch);
}

static bool is_nowhere(const struct look *l, const struct needle *n)
{
	slice word = needle_word(n);

	return word.size > 0 && seek_is_without(l->raw, word);
}

/* BODY matches no header fields, TEXT those of parts too (RFC 9051 6.4.4). */
static bool body_contains(struct look *l, const struct needle *n, bool alone)
{
	if (n->folded.size == 0)
		return true;
	if (!begin(l))
		return false;
	if (!l->parsed)
		mime_parse(l->raw, &l->a, &l->parts);
	l->parsed = true;
	struct asking q = {l, n};
	struct seek_visitor v = {inner_header_has, text_has, &q, alone};
	return seek_body(l->raw, &l->parts, &v);
}

bool look_body(struct look *l, const struct needle *n)
{
	return begin(l) && !is_nowhere(l, n) && body_contains(l, n, true);
}

bool look_text(struct look *l, const struct needle *n)
{
	if (!begin(l) || is_nowhere(l, n))
		return false;
	return seek_block(l->header, n, &l->scratch) || body_contains(l, n, false);
}

/* ---- what is like a string: everything is read properly */

struct likeness {
	struct look *l;
	const struct fuzzy *wanted;
	struct fuzzy_found found;
	slice bytes, charset; /* that are looked into, perhaps on a helper thread */
	bool is_field;
	size_t passed; /* since others had a turn */
};

static status likeness_find(void *arg)
{
	struct likeness *k = arg;
	slice utf8 = k->is_field ? seek_value(k->bytes, &k->l->scratch)
				 : seek_utf8(k->bytes, k->charset, &k->l->scratch);

	fuzzy_look(utf8, k->wanted, &k->found);
	return ST_OK;
}

/* What is long is looked into on a helper thread; between much that is short others have a turn.
   True: enough. */
static bool likeness_in(struct likeness *k, slice bytes, slice charset, bool is_field)
{
	k->bytes = bytes;
	k->charset = charset;
	k->is_field = is_field;
	status s = bytes.size > LIKE_AT_ONCE ? task_offload(likeness_find, k) : likeness_find(k);
	k->passed += bytes.size;
	if (s == ST_OK && k->passed > LIKE_AT_ONCE) {
		k->passed = 0;
		s = task_breathe();
	}
	if (k->l->ended == ST_OK)
		k->l->ended = s;
	return s != ST_OK || k->found.whole;
}

static bool likeness_in_text(slice bytes, slice charset, void *arg)
{
	return likeness_in(arg, bytes, charset, false);
}

static bool likeness_in_header(slice header, void *arg)
{
	struct likeness *k = arg;
	header_walk walk = header_walk_of(header);
	header_field f;

	while (header_next(&walk, &f))
		if (likeness_in(k, f.raw, S(""), true))
			return true;
	return false;
}

static void likeness_in_body(struct likeness *k, bool alone)
{
	struct look *l = k->l;
	struct seek_visitor v = {likeness_in_header, likeness_in_text, k, alone};

	if (!l->parsed)
		mime_parse(l->raw, &l->a, &l->parts);
	l->parsed = true;
	seek_body(l->raw, &l->parts, &v);
}

int look_fuzzy_header(struct look *l, slice field, const struct fuzzy *f)
{
	struct likeness k = {.l = l, .wanted = f};
	header_walk walk = header_walk_of(l->header);
	header_field h;

	if (!begin(l))
		return 0;
	while (header_next_named(&walk, field, &h) && !likeness_in(&k, h.value, S(""), true))
		;
	return fuzzy_score(f, &k.found);
}

int look_fuzzy_body(struct look *l, const struct fuzzy *f)
{
	struct likeness k = {.l = l, .wanted = f};

	if (!begin(l))
		return 0;
	likeness_in_body(&k, true);
	return fuzzy_score(f, &k.found);
}

int look_fuzzy_text(struct look *l, const struct fuzzy *f)
{
	struct likeness k = {.l = l, .wanted = f};

	if (!begin(l))
		return 0;
	if (!likeness_in_header(l->header, &k))
		likeness_in_body(&k, false);
	return fuzzy_score(f, &k.found);
}

/* ---- many messages */

/* Messages that are fetched at once. */
struct batch {
	int64_t postoffice;
	const int64_t *messages;
	int first, n; /* their places in all that are looked into */
	int64_t blobs[BATCH];
	bool seen[BATCH];
	blob_small *bodies;
	gate *database; /* one batch at a time is asked for: the others wait here, not for a
			   connection */
};

struct looking {
	struct look look;
	struct batch *batch; /* that is looked into */
	status (*each)(int which, struct look *look, void *arg);
	void *arg;
};

static status look_at(struct looking *k, int which, slice raw, slice header)
{
	k->look.raw = raw;
	k->look.header = header;
	k->look.parsed = false;
	status s = k->each(which, &k->look, k->arg);
	arena_clear(&k->look.a);
	return s == ST_OK ? k->look.ended : s;
}

static status small_look(int which, slice raw, void *arg)
{
	struct looking *k = arg;

	k->batch->seen[which] = true;
	return look_at(k, k->batch->first + which, raw, seek_header(raw));
}

/* One that is too big to come with others. */
static status big_look(struct looking *k, int which, const struct message_fact *f)
{
	arena a = ARENA_INIT;
	slice raw;
	status s = f->blob ? blob_head(k->batch->postoffice, f->blob,
				     SEEK_MOST < f->size ? SEEK_MOST : f->size, &a, &raw)
			   : ST_ABSENT;

	if (s == ST_OK)
		s = look_at(k, k->batch->first + which, raw, seek_header(raw));
	else if (s == ST_ABSENT)
		s = ST_OK; /* gone meanwhile */
	arena_release(&a);
	return s;
}

static status bigs_look(struct looking *k, arena *a)
{
	struct batch *b = k->batch;
	int64_t *messages = arena_new_array(a, BATCH, sizeof *messages);
	int *places = arena_new_array(a, BATCH, sizeof *places), n = 0;
	struct message_fact *facts;

	for (int i = 0; i < b->n; i++) {
		if (b->seen[i])
			continue;
		places[n] = i;
		messages[n++] = b->messages[i];
	}
	if (n == 0)
		return ST_OK;
	TRY(message_envelopes(b->postoffice, messages, n, a, &facts, &(int){0}));
	for (int i = 0; i < n; i++)
		TRY(big_look(k, places[i], &facts[i]));
	return ST_OK;
}

static status batch_look(struct looking *k)
{
	arena a = ARENA_INIT;

	TRY(blob_small_each(k->batch->bodies, small_look, k));
	status s = bigs_look(k, &a);
	arena_release(&a);
	TRY(s);
	return task_breathe();
}

static struct batch *batch_open(int64_t postoffice, const int64_t *messages, int first, int n)
{
	struct batch *b = memory_new(sizeof *b);

	b->postoffice = postoffice;
	b->messages = messages + first;
	b->first = first;
	b->n = n - first < BATCH ? n - first : BATCH;
	return b;
}

static void batch_close(struct batch **b)
{
	if (!*b)
		return;
	blob_small_close(&(*b)->bodies);
	memory_free(*b);
	*b = NULL;
}

static status batch_ask(struct batch *b)
{
	return message_bodies_known(b->postoffice, b->messages, b->n, b->blobs)
		       ? blob_small_fetch(b->postoffice, b->blobs, b->n, SMALL, &b->bodies)
		       : blob_small_fetch_of(b->postoffice, b->messages, b->n, SMALL, &b->bodies);
}

static status batch_fetch(void *arg)
{
	struct batch *b = arg;

	TRY(gate_enter(b->database));
	status s = batch_ask(b);
	gate_leave(b->database);
	return s;
}

/* Batches on their way, the next one first. */
struct ahead {
	struct batch *batch[AHEAD];
	beside *fetching[AHEAD];
	int n, first; /* the first message that none of them has */
	gate *database;
};

static void ahead_fill(struct ahead *x, int64_t postoffice, const int64_t *messages, int n)
{
	for (; x->n < AHEAD && x->first < n; x->n++) {
		struct batch *b = batch_open(postoffice, messages, x->first, n);

		b->database = x->database;
		x->batch[x->n] = b;
		x->fetching[x->n] = beside_start("fetch bodies", batch_fetch, b);
		x->first += b->n;
	}
}

static status ahead_take(struct ahead *x, struct batch **b)
{
	status s = beside_end(&x->fetching[0]);

	*b = x->batch[0];
	x->n--;
	for (int i = 0; i < x->n; i++) {
		x->batch[i] = x->batch[i + 1];
		x->fetching[i] = x->fetching[i + 1];
	}
	return s;
}

/* While one batch is looked into, the database brings the next ones. Each body is unpacked right before
   it is looked into: on a helper thread it would lie far off, and both would mostly wait for each
   other. */
static status bodies_look(struct looking *k, int64_t postoffice, const int64_t *messages, int n)
{
	struct ahead x = {.database = gate_open(1)};
	status s = ST_OK;

	ahead_fill(&x, postoffice, messages, n);
	while (s == ST_OK && x.n > 0) {
		s = ahead_take(&x, &k->batch);
		if (s == ST_OK)
			ahead_fill(&x, postoffice, messages, n);
		if (s == ST_OK)
			s = batch_look(k);
		batch_close(&k->batch);
	}
	for (int i = 0; i < x.n; i++) {
		beside_drop(&x.fetching[i]);
		batch_close(&x.batch[i]);
	}
	gate_close(&x.database);
	return s;
}

static status head_look(int which, slice head, void *arg)
{
	return look_at(arg, which, head, slice_until(head, SEEK_HEADER_MOST));
}

status look_each(int64_t postoffice, const int64_t *messages, int n, bool bodies,
	status (*each)(int which, struct look *look, void *arg), void *arg)
{
	struct looking k = {.each = each, .arg = arg};
	status s = bodies ? bodies_look(&k, postoffice, messages, n)
			  : message_heads(postoffice, messages, n, head_look, &k);

	arena_release(&k.look.a);
	arena_release(&k.look.scratch);
	return s;
}
