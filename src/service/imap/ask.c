/* Asking a SEARCH program of messages. A key may hold, not hold, or not be known from what is at
   hand; flags, dates, sizes and sets are always at hand, so most messages are decided without being
   read. */
#include "mail/sketch.h"
#include "provider/message_sketch.h"
#include "provider/setting.h"
#include "service/imap/key.h"

#include <inttypes.h>

#define SKETCHES 1024       /* fetched at once */
#define KEYS_AT_ONCE 4096   /* asked of messages before others have a turn */
#define SKETCHES_AT_ONCE 64 /* likewise, where sketches are looked into */
#define EXACT 100           /* how well it holds without FUZZY */
#define DAY ((usec)24 * 3600 * USEC_S)

/* ---- one message */

enum answer { NO, YES, UNKNOWN };

struct message_at_hand {
	const struct view *v;
	const struct view_entry *e;
	int number;
	usec now;
	slice sketch;        /* may be empty */
	struct look *look;   /* NULL: not read yet */
	int likes, likeness; /* strings something like which was found; the sum of how well */
};

static enum answer truth(bool b)
{
	return b ? YES : NO;
}

static enum answer compared(int64_t value, const struct key *k)
{
	switch (k->compare) {
	case BEFORE:
		return truth(value < k->number);
	case ON:
		return truth(value == k->number);
	default:
		return truth(value >= k->number);
	}
}

/* The day a moment falls on, where it was written. */
static int64_t day_of(usec at, int zone)
{
	usec there = at + (usec)zone * 60 * USEC_S;

	return there / DAY - (there % DAY < 0);
}

static enum answer flags_answer(const struct key *k, const struct message_at_hand *m)
{
	bool recent = m->e->uid >= m->v->recent;

	if (k->kind == KEY_FLAGS)
		return truth((m->e->flags & k->bits) == k->wanted);
	return truth(
		k->wanted == 2 ? recent && !(m->e->flags & FLAG_SEEN) : recent == (k->wanted == 1));
}

static enum answer number_answer(const struct key *k, const struct message_at_hand *m)
{
	const struct view_entry *e = m->e;

	switch (k->kind) {
	case KEY_DAY:
		return compared(day_of(e->received, e->zone), k);
	case KEY_SAVED:
		return compared(day_of((usec)e->saved * USEC_S, 0), k);
	case KEY_AGE: /* seconds before now */
		return truth(k->compare == BEFORE ? m->now - e->received >= k->number * USEC_S
						  : m->now - e->received < k->number * USEC_S);
	case KEY_SIZE: /* strictly larger, strictly smaller */
		return truth(k->compare == BEFORE ? e->size < k->number : e->size > k->number);
	case KEY_MODSEQ:
		return compared(e->modseq, k);
	case KEY_UID:
		return compared(e->uid, k);
	default:
		return truth(e->message == k->number);
	}
}

static enum answer fuzzy_answer(const struct key *k, struct message_at_hand *m)
{
	int score = k->kind == KEY_HEADER ? look_fuzzy_header(m->look, k->field, k->fuzzy)
		    : k->kind == KEY_BODY ? look_fuzzy_body(m->look, k->fuzzy)
					  : look_fuzzy_text(m->look, k->fuzzy);

	m->likes += score > 0;
	m->likeness += score;
	return truth(score > 0);
}

/* By its sketch. KEY_SENT has an empty needle, and nothing excludes that. */
static bool may_hold(const struct key *k, slice sketch)
{
	return k->fuzzy ? fuzzy_may_hold(sketch, k->fuzzy) : sketch_may_hold(sketch, &k->needle);
}

static enum answer text_answer(const struct key *k, struct message_at_hand *m)
{
	struct look *look = m->look;
	date sent;

	if (!look)
		return may_hold(k, m->sketch) ? UNKNOWN : NO;
	if (k->fuzzy)
		return fuzzy_answer(k, m);
	switch (k->kind) {
	case KEY_HEADER:
		return truth(look_header(look, k->field, &k->needle));
	case KEY_SENT:
		return look_sent(look, &sent) ? compared(day_of(sent.at, sent.offset), k) : NO;
	case KEY_BODY:
		return truth(look_body(look, &k->needle));
	default:
		return truth(look_text(look, &k->needle));
	}
}

static enum answer ask(const struct key *k, struct message_at_hand *m);

/* All of them; what is known to fail decides before anything is read. */
static enum answer ask_all(const struct key *k, struct message_at_hand *m)
{
	enum answer all = YES;

	for (; k; k = k->next) {
		enum answer one = ask(k, m);

		if (one == NO)
			return NO;
		if (one == UNKNOWN)
			all = UNKNOWN;
	}
	return all;
}

static enum answer ask_or(const struct key *k, struct message_at_hand *m)
{
	enum answer one = ask(k->first, m), other;

	if (one == YES)
		return YES;
	other = ask(k->first->next, m);
	return other == YES || one == NO ? other : UNKNOWN;
}

static enum answer ask(const struct key *k, struct message_at_hand *m)
{
	enum answer inside;

	switch (k->kind) {
	case KEY_ALL:
		return YES;
	case KEY_AND:
		return ask_all(k->first, m);
	case KEY_OR:
		return ask_or(k, m);
	case KEY_NOT:
		inside = ask(k->first, m);
		return inside == UNKNOWN ? UNKNOWN : truth(inside == NO);
	case KEY_FLAGS:
	case KEY_RECENT:
		return flags_answer(k, m);
	case KEY_NUMBERS:
		return truth(imap_set_has(&k->set, (uint32_t)m->number));
	case KEY_UIDS:
		return truth(imap_set_has(&k->set, m->e->uid));
	case KEY_HEADER:
	case KEY_SENT:
	case KEY_BODY:
	case KEY_TEXT:
		return text_answer(k, m);
	default:
		return number_answer(k, m);
	}
}

/* A string that a sketch can exclude. */
static bool asks_strings(const struct key *k)
{
	for (; k; k = k->next)
		if (k->needle.folded.size >= SKETCH_NEEDLE_LEAST || asks_strings(k->first))
			return true;
	return false;
}

static bool is_of_text(const struct key *k)
{
	return k->kind == KEY_BODY || k->kind == KEY_TEXT;
}

static bool is_of_header(const struct key *k)
{
	return k->kind == KEY_HEADER || k->kind == KEY_SENT;
}

static bool asks_bodies(const struct key *k)
{
	for (; k; k = k->next)
		if (is_of_text(k) || asks_bodies(k->first))
			return true;
	return false;
}

/* ---- what it costs (trust.md T24), before it is spent: in questions of what is at hand */

#define FIELD_COST 50      /* a header is read, and a field of it decoded */
#define TEXT_COST_OCTETS 8 /* of a message that is passed over, for the price of one */
#define FUZZY_COST 4       /* times as much: word by word */

/* Of one message: which is read for these keys, and whose text has so many octets. */
static int64_t reading_cost(const struct key *k, int64_t octets)
{
	int64_t cost = 0;

	for (; k; k = k->next) {
		if (is_of_text(k))
			cost += FIELD_COST +
				octets / TEXT_COST_OCTETS * (k->fuzzy ? FUZZY_COST : 1);
		else if (is_of_header(k))
			cost += FIELD_COST * (k->fuzzy ? FUZZY_COST : 1);
		cost += reading_cost(k->first, octets);
	}
	return cost;
}

/* Each passes over the header, whose size is known when it is read: it is paid for then. */
static int64_t fields_asked(const struct key *k)
{
	int64_t n = 0;

	for (; k; k = k->next) {
		if (is_of_header(k))
			n += k->fuzzy ? FUZZY_COST : 1;
		n += fields_asked(k->first);
	}
	return n;
}

/* ST_LIMITED: that is more than one command may have. */
static status spend(const conversation *c, int64_t cost)
{
	struct setting_at at = imap_at(c);
	struct imap *i = imap_of(c);
	int64_t most = setting_number(S_imap_search_most, &at);

	i->search_spent += cost;
	return most == 0 || i->search_spent <= most ? ST_OK : ST_LIMITED;
}

status program_trouble(conversation *c, status kind)
{
	struct setting_at at = imap_at(c);

	if (kind != ST_LIMITED)
		return imap_trouble(c, kind);
	return imap_no(c,
		"[LIMIT] Questions that one search may ask of messages are limited to %" PRId64
		" here; name fewer messages (UID, SINCE, SMALLER) or fewer words",
		setting_number(S_imap_search_most, &at));
}

/* ---- running */

struct run {
	conversation *c;
	const program *g;
	struct message_at_hand m;
	const int *places; /* in the view's entries, that are asked; NULL: all */
	int places_n;
	int *doubt; /* places in the view's entries that must be read */
	int doubt_n, decided_n;
	int64_t fields; /* that are asked for, as fields_asked() counts */
	uint8_t *holds; /* by place: how well, up to 100; 0: it does not */
	int asked;      /* keys, since others had a turn */
};

/* A program may have a thousand keys, so turns go by keys, not by messages. */
static status keys_pass(struct run *r)
{
	r->asked += r->g->keys;
	if (r->asked < KEYS_AT_ONCE)
		return ST_OK;
	r->asked = 0;
	return task_breathe();
}

/* By what is at hand of it. */
static enum answer place_ask(struct run *r, int place)
{
	const view *v = r->m.v;
	enum answer a;

	r->m.e = &v->entries[place];
	r->m.number = v->n == v->count ? place + 1 : view_number(v, r->m.e->uid);
	r->m.likes = r->m.likeness = 0;
	a = ask(r->g->top, &r->m);
	r->holds[place] = (uint8_t)(a != YES ? 0 : r->m.likes ? r->m.likeness / r->m.likes : EXACT);
	return a;
}

static status doubt_decide(int which, struct look *look, void *arg)
{
	struct run *r = arg;

	TRY(spend(r->c, r->fields * ((int64_t)look_header_size(look) / TEXT_COST_OCTETS)));
	r->m.look = look;
	place_ask(r, r->doubt[which]);
	return imap_progress(r->c, ++r->decided_n, r->doubt_n);
}

/* Without reading: decides, or notes the doubt. */
static status first_pass(struct run *r)
{
	for (int k = 0; k < r->places_n; k++) {
		int place = r->places ? r->places[k] : k;

		if (place_ask(r, place) == UNKNOWN)
			r->doubt[r->doubt_n++] = place;
		TRY(keys_pass(r));
	}
	return ST_OK;
}

/* Those in doubt are read now. */
static status reading_pay(struct run *r)
{
	int64_t cost = 0;

	for (int k = 0; k < r->doubt_n; k++) {
		int64_t size = r->m.v->entries[r->doubt[k]].size;

		cost += reading_cost(
			r->g->top, size < (int64_t)SEEK_MOST ? size : (int64_t)SEEK_MOST);
		TRY(keys_pass(r));
	}
	return spend(r->c, cost);
}

/* A message that does not hold something, by its sketch, is found by NOT as if it had been read:
   not when it is gone. */
static status found_stand(struct run *r, const int *found, const int64_t *messages, int n, arena *a)
{
	bool *standing;

	if (n == 0)
		return ST_OK;
	TRY(messages_standing(r->m.v->postoffice, messages, n, a, &standing));
	for (int k = 0; k < n; k++)
		if (!standing[k])
			r->holds[found[k]] = 0;
	return ST_OK;
}

/* Those in doubt that their sketches do not decide stay so. */
static status sketches_ask(
	struct run *r, const int64_t *messages, int from, int n, arena *a, int *left)
{
	slice *sketches;
	int *found = arena_new_array(a, (size_t)n, sizeof *found), found_n = 0;
	int64_t *ids = arena_new_array(a, (size_t)n, sizeof *ids);

	TRY(message_sketches(r->m.v->postoffice, messages, n, a, &sketches));
	for (int k = 0; k < n; k++) {
		int place = r->doubt[from + k];

		if (k % SKETCHES_AT_ONCE == 0)
			TRY(task_breathe());
		TRY(keys_pass(r));
		r->m.sketch = sketches[k];
		enum answer known = place_ask(r, place);
		if (known == UNKNOWN)
			r->doubt[(*left)++] = place;
		if (known != YES)
			continue;
		found[found_n] = place;
		ids[found_n++] = messages[k];
	}
	r->m.sketch = S("");
	return found_stand(r, found, ids, found_n, a);
}

static bool is_indexed(int64_t postoffice)
{
	return setting_on(S_search_index, &(struct setting_at){.postoffice = postoffice});
}

static status second_pass(struct run *r)
{
	arena a = ARENA_INIT;
	int64_t messages[SKETCHES];
	status s = ST_OK;
	int left = 0;

	for (int from = 0, n; s == ST_OK && from < r->doubt_n; from += n) {
		for (n = 0; n < SKETCHES && from + n < r->doubt_n; n++)
			messages[n] = r->m.v->entries[r->doubt[from + n]].message;
		s = sketches_ask(r, messages, from, n, &a, &left);
		arena_clear(&a);
	}
	r->doubt_n = left;
	arena_release(&a);
	return s;
}

/* Leaves the newest of those for which it holds or may hold; the answer tells where that ended. */
static void newest_keep(struct run *r, int64_t most)
{
	const view *v = r->m.v;
	int doubt = r->doubt_n, place = v->count;
	int64_t n = 0;

	while (place > 0 && n < most) {
		bool in_doubt = doubt > 0 && r->doubt[doubt - 1] == place - 1;

		place--;
		doubt -= in_doubt;
		n += in_doubt || r->holds[place] > 0;
	}
	r->doubt += doubt;
	r->doubt_n -= doubt;
	n = doubt;
	for (int k = 0; k < place; k++) {
		n += r->holds[k] > 0;
		r->holds[k] = 0;
	}
	if (n > 0)
		imap_of(r->c)->limited_at = v->entries[place].uid;
}

static status run_places(conversation *c, const program *g, const int *places, int places_n,
	int64_t most, uint32_t **uids, uint8_t **scores, int *n)
{
	const view *v = imap_of(c)->selected->view;
	arena *a = &c->command;
	struct run r = {.c = c,
		.g = g,
		.m = {.v = v, .now = clock_wall()},
		.fields = fields_asked(g->top),
		.places = places,
		.places_n = places_n,
		.doubt = arena_new_array(a, (size_t)places_n, sizeof(int)),
		.holds = arena_new_array(a, (size_t)v->count, sizeof(uint8_t))};
	uint32_t *found = arena_new_array(a, (size_t)places_n, sizeof *found);
	uint8_t *found_scores = arena_new_array(a, (size_t)places_n, sizeof *found_scores);
	int64_t *messages;
	int count = 0;

	TRY(spend(c, (int64_t)places_n * g->keys));
	TRY(first_pass(&r));
	if (r.doubt_n > 0 && asks_strings(g->top) && is_indexed(v->postoffice))
		TRY(second_pass(&r));
	if (most > 0)
		newest_keep(&r, most);
	TRY(reading_pay(&r));
	messages = arena_new_array(a, (size_t)r.doubt_n, sizeof *messages);
	for (int k = 0; k < r.doubt_n; k++)
		messages[k] = v->entries[r.doubt[k]].message;
	if (r.doubt_n > 0)
		TRY(look_each(
			v->postoffice, messages, r.doubt_n, asks_bodies(g->top), doubt_decide, &r));
	for (int k = 0; k < places_n; k++) {
		int place = places ? places[k] : k;

		if (r.holds[place]) {
			found_scores[count] = r.holds[place];
			found[count++] = v->entries[place].uid;
		}
	}
	*uids = found;
	*scores = found_scores;
	*n = count;
	return ST_OK;
}

status program_run(conversation *c, const program *g, uint32_t **uids, uint8_t **scores, int *n)
{
	return run_places(c, g, NULL, imap_of(c)->selected->view->count, 0, uids, scores, n);
}

status program_run_newest(
	conversation *c, const program *g, uint32_t **uids, uint8_t **scores, int *n)
{
	return run_places(c, g, NULL, imap_of(c)->selected->view->count, imap_messages_most(c),
		uids, scores, n);
}

status program_run_of(
	conversation *c, const program *g, const uint32_t *of, int of_n, uint32_t **uids, int *n)
{
	struct imap *i = imap_of(c);
	const view *v = i->selected->view;
	int *places = arena_new_array(&c->command, (size_t)of_n, sizeof *places), places_n = 0;
	int64_t spent = i->search_spent;
	uint8_t *scores;

	for (int k = 0; k < of_n; k++) {
		const struct view_entry *e = view_find(v, of[k]);

		if (e)
			places[places_n++] = (int)(e - v->entries);
	}
	i->search_spent = 0;
	status s = run_places(c, g, places, places_n, 0, uids, &scores, n);
	i->search_spent = spent;
	return s;
}
