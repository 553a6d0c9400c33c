/* Reading a SEARCH program, and asking it of messages. A key may hold, not hold, or not be known from what is at
   hand; flags, dates, sizes and sets are always at hand, so most messages are decided without being read. */
#include "service/imap/program.h"

#include "base/utf8.h"
#include "mail/address.h"
#include "mail/charset.h"
#include "mail/sketch.h"
#include "provider/message_sketch.h"
#include "provider/setting.h"
#include "service/imap/look.h"

#define SKETCHES 1024 /* looked at at once */
#define EXACT 100     /* how well it holds without FUZZY */
#define DAY ((usec)24 * 3600 * USEC_S)
#define NUMBER_MOST (INT64_MAX / USEC_S) /* more is as much: also seconds are counted in microseconds */

enum kind {
	KEY_ALL,
	KEY_AND,
	KEY_OR,
	KEY_NOT,
	KEY_FLAGS,
	KEY_NUMBERS,
	KEY_UIDS,
	KEY_DAY,
	KEY_SENT,
	KEY_SAVED,
	KEY_AGE,
	KEY_SIZE,
	KEY_MODSEQ,
	KEY_MESSAGE,
	KEY_RECENT,
	KEY_HEADER,
	KEY_BODY,
	KEY_TEXT
};

/* How a day or a number is compared. */
enum compare { BEFORE, ON, SINCE };

struct key {
	enum kind kind;
	struct key *first, *next; /* keys inside; the next one beside it */
	int64_t bits, wanted;     /* KEY_FLAGS: flags & bits == wanted */
	enum compare compare;
	int64_t number; /* days since 1970, octets, MODSEQ, seconds, a message's id */
	imap_set set;
	bool open;   /* the set ends with `*` */
	slice field; /* KEY_HEADER; KEY_FLAGS: the keyword, if it is one */
	struct needle needle;
	struct fuzzy *fuzzy; /* something like the string is sought; else NULL */
};

struct program {
	struct key *top;
	int keys;
	bool modseq, fuzzy;
};

struct reading {
	args *p;
	program *g;
	slice charset;
	int depth;
	bool fuzzy; /* what is read now */
};

/* ---- reading */

static status key_read(struct reading *r, struct key **out);

static status key_new(struct reading *r, enum kind kind, struct key **out)
{
	if (++r->g->keys > PROGRAM_KEYS_MOST) {
		r->p->trouble = "The search has too many keys";
		return ST_INVALID;
	}
	*out = arena_new(&r->p->c->command, sizeof **out);
	(*out)->kind = kind;
	return ST_OK;
}

/* A string to look for, as it is compared. */
static status needle_read(struct reading *r, struct key *k)
{
	slice s;

	TRY(arg_space(r->p));
	TRY(arg_astring(r->p, &s));
	if (charset_to_utf8(r->charset.size ? r->charset : S("UTF-8"), s, &r->p->c->command, &s) !=
		ST_OK)
		return ST_INVALID;
	needle_make(s, &r->p->c->command, &k->needle);
	if (r->fuzzy) {
		k->fuzzy = arena_new(&r->p->c->command, sizeof *k->fuzzy);
		fuzzy_make(s, &r->p->c->command, k->fuzzy);
	}
	return ST_OK;
}

static status number_take(struct reading *r, int64_t *out)
{
	uint64_t n;

	TRY(arg_number(r->p, &n));
	*out = n < (uint64_t)NUMBER_MOST ? (int64_t)n : NUMBER_MOST;
	return ST_OK;
}

static status number_read(struct reading *r, int64_t *out)
{
	TRY(arg_space(r->p));
	return number_take(r, out);
}

static status day_read(struct reading *r, int64_t *out)
{
	TRY(arg_space(r->p));
	return arg_date(r->p, out);
}

static status child_read(struct reading *r, struct key **at)
{
	if (++r->depth > PROGRAM_DEPTH_MOST) {
		r->p->trouble = "The search is nested too deep";
		return ST_INVALID;
	}
	status s = key_read(r, at);
	r->depth--;
	return s;
}

/* ---- words: one row each */

struct word {
	const char *name;
	status (*read)(struct reading *r, const struct word *w, struct key *k);
	enum kind kind;
	enum compare compare;
	int64_t bits, wanted;
	const char *field;
};

static status read_flags(struct reading *r, const struct word *w, struct key *k)
{
	(void)r;
	k->bits = w->bits;
	k->wanted = w->wanted;
	return ST_OK;
}

/* Its bit depends on whose folder is looked into. */
static status read_keyword(struct reading *r, const struct word *w, struct key *k)
{
	k->number = w->wanted;
	TRY(arg_space(r->p));
	return arg_flag(r->p, &k->field);
}

/* A keyword nobody has named is set nowhere. */
static void keyword_resolve(const view *v, struct key *k)
{
	int bit = keyword_bit(&v->keywords, k->field);

	k->bits = bit >= 0 ? (int64_t)1 << bit : 0;
	k->wanted = k->number == 0 ? 0 : bit >= 0 ? k->bits : 1;
}

static status read_plain(struct reading *r, const struct word *w, struct key *k)
{
	(void)r;
	(void)w;
	(void)k;
	return ST_OK;
}

static status read_day(struct reading *r, const struct word *w, struct key *k)
{
	k->compare = w->compare;
	return day_read(r, &k->number);
}

static status read_number(struct reading *r, const struct word *w, struct key *k)
{
	k->compare = w->compare;
	return number_read(r, &k->number);
}

static status read_address(struct reading *r, const struct word *w, struct key *k)
{
	k->field = slice_z(w->field);
	return needle_read(r, k);
}

static status read_header(struct reading *r, const struct word *w, struct key *k)
{
	(void)w;
	TRY(arg_space(r->p));
	TRY(arg_astring(r->p, &k->field));
	return needle_read(r, k);
}

static status read_text(struct reading *r, const struct word *w, struct key *k)
{
	(void)w;
	return needle_read(r, k);
}

static status read_uids(struct reading *r, const struct word *w, struct key *k)
{
	(void)w;
	TRY(arg_space(r->p));
	return arg_set(r->p, &k->set);
}

static status read_not(struct reading *r, const struct word *w, struct key *k)
{
	(void)w;
	TRY(arg_space(r->p));
	return child_read(r, &k->first);
}

/* Strings are sought so, all else is as exact as ever. */
static status read_fuzzy(struct reading *r, const struct word *w, struct key *k)
{
	bool before = r->fuzzy;

	r->fuzzy = r->g->fuzzy = true;
	status s = read_not(r, w, k);
	r->fuzzy = before;
	return s;
}

static status read_or(struct reading *r, const struct word *w, struct key *k)
{
	TRY(read_not(r, w, k));
	TRY(arg_space(r->p));
	return child_read(r, &k->first->next);
}

/* "MODSEQ [entry type] n": flags have one MODSEQ here, so the entry does not matter. */
static status read_modseq(struct reading *r, const struct word *w, struct key *k)
{
	slice entry, type;

	r->g->modseq = true;
	imap_of(r->p->c)->condstore = true;
	TRY(arg_space(r->p));
	if (arg_is(r->p, '"')) {
		TRY(arg_string(r->p, &entry));
		TRY(arg_space(r->p));
		TRY(arg_atom(r->p, &type));
		TRY(arg_space(r->p));
	}
	k->compare = w->compare;
	return number_take(r, &k->number);
}

/* "M123" as FETCH EMAILID says; any other is nobody's. */
static status read_email_id(struct reading *r, const struct word *w, struct key *k)
{
	slice id;
	uint64_t n = 0;

	(void)w;
	TRY(arg_space(r->p));
	TRY(arg_astring(r->p, &id));
	if (slice_starts(id, S("M")) && slice_number(slice_from(id, 1), &n))
		k->number = (int64_t)n;
	return ST_OK;
}

static const struct word words[] = {
	{"ALL", read_plain, KEY_ALL, 0, 0, 0, NULL},
	{"ANSWERED", read_flags, KEY_FLAGS, 0, FLAG_ANSWERED, FLAG_ANSWERED, NULL},
	{"DELETED", read_flags, KEY_FLAGS, 0, FLAG_DELETED, FLAG_DELETED, NULL},
	{"DRAFT", read_flags, KEY_FLAGS, 0, FLAG_DRAFT, FLAG_DRAFT, NULL},
	{"FLAGGED", read_flags, KEY_FLAGS, 0, FLAG_FLAGGED, FLAG_FLAGGED, NULL},
	{"SEEN", read_flags, KEY_FLAGS, 0, FLAG_SEEN, FLAG_SEEN, NULL},
	{"UNANSWERED", read_flags, KEY_FLAGS, 0, FLAG_ANSWERED, 0, NULL},
	{"UNDELETED", read_flags, KEY_FLAGS, 0, FLAG_DELETED, 0, NULL},
	{"UNDRAFT", read_flags, KEY_FLAGS, 0, FLAG_DRAFT, 0, NULL},
	{"UNFLAGGED", read_flags, KEY_FLAGS, 0, FLAG_FLAGGED, 0, NULL},
	{"UNSEEN", read_flags, KEY_FLAGS, 0, FLAG_SEEN, 0, NULL},
	{"KEYWORD", read_keyword, KEY_FLAGS, 0, 0, 1, NULL},
	{"UNKEYWORD", read_keyword, KEY_FLAGS, 0, 0, 0, NULL},
	{"RECENT", read_plain, KEY_RECENT, 0, 0, 1, NULL},
	{"OLD", read_plain, KEY_RECENT, 0, 0, 0, NULL},
	{"NEW", read_plain, KEY_RECENT, 0, 0, 2, NULL},
	{"BEFORE", read_day, KEY_DAY, BEFORE, 0, 0, NULL},
	{"ON", read_day, KEY_DAY, ON, 0, 0, NULL},
	{"SINCE", read_day, KEY_DAY, SINCE, 0, 0, NULL},
	{"SENTBEFORE", read_day, KEY_SENT, BEFORE, 0, 0, NULL},
	{"SENTON", read_day, KEY_SENT, ON, 0, 0, NULL},
	{"SENTSINCE", read_day, KEY_SENT, SINCE, 0, 0, NULL},
	{"SAVEDBEFORE", read_day, KEY_SAVED, BEFORE, 0, 0, NULL},
	{"SAVEDON", read_day, KEY_SAVED, ON, 0, 0, NULL},
	{"SAVEDSINCE", read_day, KEY_SAVED, SINCE, 0, 0, NULL},
	{"SAVEDATESUPPORTED", read_plain, KEY_ALL, 0, 0, 0, NULL},
	{"OLDER", read_number, KEY_AGE, BEFORE, 0, 0, NULL},
	{"YOUNGER", read_number, KEY_AGE, SINCE, 0, 0, NULL},
	{"LARGER", read_number, KEY_SIZE, SINCE, 0, 0, NULL},
	{"SMALLER", read_number, KEY_SIZE, BEFORE, 0, 0, NULL},
	{"MODSEQ", read_modseq, KEY_MODSEQ, SINCE, 0, 0, NULL},
	{"EMAILID", read_email_id, KEY_MESSAGE, 0, 0, 0, NULL},
	{"FROM", read_address, KEY_HEADER, 0, 0, 0, "From"},
	{"TO", read_address, KEY_HEADER, 0, 0, 0, "To"},
	{"CC", read_address, KEY_HEADER, 0, 0, 0, "Cc"},
	{"BCC", read_address, KEY_HEADER, 0, 0, 0, "Bcc"},
	{"SUBJECT", read_address, KEY_HEADER, 0, 0, 0, "Subject"},
	{"HEADER", read_header, KEY_HEADER, 0, 0, 0, NULL},
	{"BODY", read_text, KEY_BODY, 0, 0, 0, NULL},
	{"TEXT", read_text, KEY_TEXT, 0, 0, 0, NULL},
	{"UID", read_uids, KEY_UIDS, 0, 0, 0, NULL},
	{"NOT", read_not, KEY_NOT, 0, 0, 0, NULL},
	{"FUZZY", read_fuzzy, KEY_AND, 0, 0, 0, NULL},
	{"OR", read_or, KEY_OR, 0, 0, 0, NULL},
};

static bool set_is_next(const args *p)
{
	return p->rest.size > 0 && ((p->rest.at[0] >= '0' && p->rest.at[0] <= '9') ||
					   p->rest.at[0] == '*' || p->rest.at[0] == '$');
}

/* Keys side by side, until `)` or the end of the line. */
static status keys_read(struct reading *r, struct key *k)
{
	struct key **at = &k->first;

	do {
		TRY(child_read(r, at));
		at = &(*at)->next;
	} while (arg_take(r->p, ' '));
	return ST_OK;
}

static status key_read(struct reading *r, struct key **out)
{
	slice name;

	if (arg_take(r->p, '(')) {
		TRY(key_new(r, KEY_AND, out));
		TRY(keys_read(r, *out));
		return arg_expect(r->p, ')');
	}
	if (set_is_next(r->p)) {
		if (imap_of(r->p->c)->uidonly && !arg_is(r->p, '$')) {
			r->p->trouble = "[UIDREQUIRED] There are no message numbers after ENABLE UIDONLY";
			return ST_INVALID;
		}
		TRY(key_new(r, KEY_NUMBERS, out));
		return arg_set(r->p, &(*out)->set);
	}
	TRY(arg_atom(r->p, &name));
	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		if (slice_same_nocase(name, slice_z(words[i].name))) {
			TRY(key_new(r, words[i].kind, out));
			(*out)->wanted = words[i].wanted;
			return words[i].read(r, &words[i], *out);
		}
	r->p->trouble = "There is no such search key";
	return ST_INVALID;
}

/* What `*` and `$` mean is known now. */
static bool ends_open(const imap_set *s)
{
	for (size_t r = 0; r < s->count; r++)
		if (s->range[r].low == IMAP_LAST || s->range[r].high == IMAP_LAST)
			return true;
	return false;
}

static status sets_resolve(conversation *c, args *p, struct key *k)
{
	for (; k; k = k->next) {
		if (k->kind == KEY_FLAGS && k->field.size > 0)
			keyword_resolve(imap_of(c)->selected->view, k);
		if (k->kind == KEY_NUMBERS || k->kind == KEY_UIDS) {
			const struct selected *sel = imap_of(c)->selected;
			const view *v = sel->view;
			bool uids = k->kind == KEY_UIDS;

			k->open = ends_open(&k->set);
			if (k->set.saved) {
				selected_saved_set(c, &k->set);
				k->kind = KEY_UIDS;
			} else {
				imap_set_resolve(&k->set,
					uids ? (v->n ? v->uids[v->n - 1] : 0) : (uint32_t)v->n);
				if (!uids)
					TRY(selected_numbers_check(p, &k->set, v->n));
			}
		}
		TRY(sets_resolve(c, p, k->first));
	}
	return ST_OK;
}

status arg_program_open(args *p, slice charset, program **out)
{
	program *g = arena_new(&p->c->command, sizeof *g);
	struct reading r = {.p = p, .g = g, .charset = charset};

	TRY(key_new(&r, KEY_AND, &g->top));
	TRY(keys_read(&r, g->top));
	TRY(arg_end(p));
	*out = g;
	return ST_OK;
}

status program_resolve(args *p, program *g)
{
	return sets_resolve(p->c, p, g->top);
}

status arg_program(args *p, slice charset, program **out)
{
	program *g;

	TRY(arg_program_open(p, charset, &g));
	TRY(program_resolve(p, g));
	*out = g;
	return ST_OK;
}

/* ---- copies */

/* With all beside it; no deeper than PROGRAM_DEPTH_MOST. */
static struct key *keys_copy(const struct key *k, arena *a)
{
	struct key *first = NULL, **at = &first;

	for (; k; k = k->next, at = &(*at)->next) {
		*at = arena_new(a, sizeof **at);
		**at = *k;
		(*at)->next = NULL;
		(*at)->first = keys_copy(k->first, a);
		(*at)->field = arena_copy(a, k->field);
		(*at)->needle.folded = arena_copy(a, k->needle.folded);
		if (k->fuzzy) {
			(*at)->fuzzy = arena_new(a, sizeof *k->fuzzy);
			fuzzy_make(k->fuzzy->written, a, (*at)->fuzzy);
		}
		(*at)->set.range = arena_new_array(a, k->set.count, sizeof *k->set.range);
		if (k->set.count > 0)
			memcpy((*at)->set.range, k->set.range, k->set.count * sizeof *k->set.range);
	}
	return first;
}

program *program_copy(const program *g, arena *a)
{
	program *copy = arena_new(a, sizeof *copy);

	*copy = *g;
	copy->top = keys_copy(g->top, a);
	return copy;
}

/* Messages side by side have UIDs with nothing between that is there, or will be. */
static void numbers_become_uids(const view *v, struct key *k)
{
	size_t kept = 0;

	for (size_t r = 0; r < k->set.count; r++) {
		imap_range range = k->set.range[r];

		if (range.low > 0 && range.high <= (uint32_t)v->n)
			k->set.range[kept++] = (imap_range){v->uids[range.low - 1], v->uids[range.high - 1]};
	}
	k->set.count = kept;
	k->kind = KEY_UIDS;
}

static void open_end(struct key *k, arena *a)
{
	if (k->set.count == 0) { /* "1:*" of an empty folder */
		k->set.range = arena_new_array(a, 1, sizeof *k->set.range);
		k->set.range[0].low = 1;
		k->set.count = 1;
	}
	k->set.range[k->set.count - 1].high = IMAP_LAST;
}

static void keys_last(const view *v, struct key *k, arena *a)
{
	for (; k; k = k->next) {
		if (k->kind == KEY_NUMBERS)
			numbers_become_uids(v, k);
		if (k->kind == KEY_UIDS && k->open)
			open_end(k, a);
		keys_last(v, k->first, a);
	}
}

void program_last(conversation *c, program *g, arena *a)
{
	keys_last(imap_of(c)->selected->view, g->top, a);
}

static bool keys_have_numbers(const struct key *k)
{
	for (; k; k = k->next)
		if (k->kind == KEY_NUMBERS || keys_have_numbers(k->first))
			return true;
	return false;
}

bool program_has_numbers(const program *g)
{
	return keys_have_numbers(g->top);
}

bool program_asks_modseq(const program *g)
{
	return g->modseq;
}

bool program_is_fuzzy(const program *g)
{
	return g->fuzzy;
}

/* ---- asking */

enum answer { NO, YES, UNKNOWN };

struct message_at_hand {
	const struct view *v;
	const struct view_entry *e;
	int number;
	usec now;
	slice sketch;      /* may be empty */
	struct look *look; /* NULL: not read yet */
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
	default:
		return truth(e->message == k->number);
	}
}

static enum answer fuzzy_answer(const struct key *k, struct message_at_hand *m)
{
	int score = k->kind == KEY_HEADER ? look_fuzzy_header(m->look, k->field, k->fuzzy)
		: k->kind == KEY_BODY     ? look_fuzzy_body(m->look, k->fuzzy)
					  : look_fuzzy_text(m->look, k->fuzzy);

	m->likes += score > 0;
	m->likeness += score;
	return truth(score > 0);
}

static enum answer text_answer(const struct key *k, struct message_at_hand *m)
{
	struct look *look = m->look;
	date sent;

	if (k->fuzzy)
		return look ? fuzzy_answer(k, m) : UNKNOWN;
	if (!look) /* KEY_SENT has an empty needle, and nothing excludes that */
		return sketch_may_hold(m->sketch, &k->needle) ? UNKNOWN : NO;
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

static bool asks_bodies(const struct key *k)
{
	for (; k; k = k->next)
		if (k->kind == KEY_BODY || k->kind == KEY_TEXT || asks_bodies(k->first))
			return true;
	return false;
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
	uint8_t *holds; /* by place: how well, up to 100; 0: it does not */
};

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
		if (k % 4096 == 4095)
			TRY(task_breathe());
	}
	return ST_OK;
}

/* A message that does not hold something, by its sketch, is found by NOT as if it had been read: not when it is gone. */
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
static status sketches_ask(struct run *r, const int64_t *messages, int from, int n, arena *a, int *left)
{
	slice *sketches;
	int *found = arena_new_array(a, (size_t)n, sizeof *found), found_n = 0;
	int64_t *ids = arena_new_array(a, (size_t)n, sizeof *ids);

	TRY(message_sketches(r->m.v->postoffice, messages, n, a, &sketches));
	for (int k = 0; k < n; k++) {
		int place = r->doubt[from + k];

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
	TRY(found_stand(r, found, ids, found_n, a));
	return task_breathe();
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

static status run_places(conversation *c, const program *g, const int *places, int places_n, int64_t most,
	uint32_t **uids, uint8_t **scores, int *n)
{
	const view *v = imap_of(c)->selected->view;
	arena *a = &c->command;
	struct run r = {.c = c,
		.g = g,
		.m = {.v = v, .now = clock_wall()},
		.places = places,
		.places_n = places_n,
		.doubt = arena_new_array(a, (size_t)places_n, sizeof(int)),
		.holds = arena_new_array(a, (size_t)v->count, sizeof(uint8_t))};
	uint32_t *found = arena_new_array(a, (size_t)places_n, sizeof *found);
	uint8_t *found_scores = arena_new_array(a, (size_t)places_n, sizeof *found_scores);
	int64_t *messages;
	int count = 0;

	TRY(first_pass(&r));
	if (r.doubt_n > 0 && asks_strings(g->top) && is_indexed(v->postoffice))
		TRY(second_pass(&r));
	if (most > 0)
		newest_keep(&r, most);
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

status program_run_newest(conversation *c, const program *g, uint32_t **uids, uint8_t **scores, int *n)
{
	return run_places(c, g, NULL, imap_of(c)->selected->view->count, imap_messages_most(c), uids, scores, n);
}

status program_run_of(conversation *c, const program *g, const uint32_t *of, int of_n, uint32_t **uids, int *n)
{
	const view *v = imap_of(c)->selected->view;
	int *places = arena_new_array(&c->command, (size_t)of_n, sizeof *places), places_n = 0;
	uint8_t *scores;

	for (int k = 0; k < of_n; k++) {
		const struct view_entry *e = view_find(v, of[k]);

		if (e)
			places[places_n++] = (int)(e - v->entries);
	}
	return run_places(c, g, places, places_n, 0, uids, &scores, n);
}
