/* Reading a SEARCH program, and saying what it means in a folder; ask.c asks it of messages. */
#include "mail/charset.h"
#include "service/imap/key.h"

#define NUMBER_MOST                                                                                \
	(INT64_MAX / USEC_S) /* more is as much: also seconds are counted in microseconds */

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

/* THREADID: what no message has (FETCH tells NIL) is found with none. */
static status read_thread_id(struct reading *r, const struct word *w, struct key *k)
{
	slice id;

	(void)w;
	(void)k;
	TRY(arg_space(r->p));
	return arg_astring(r->p, &id);
}

/* "UIDAFTER 25", "UIDBEFORE 25" (RFC 9738 3.2): one UID, which need not be there. */
static status read_uid_bound(struct reading *r, const struct word *w, struct key *k)
{
	uint32_t uid;

	k->compare = w->compare;
	TRY(arg_space(r->p));
	TRY(arg_nz_number(r->p, &uid));
	k->number = w->compare == SINCE ? (int64_t)uid + 1 : uid;
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
	{"THREADID", read_thread_id, KEY_MESSAGE, 0, 0, 0, NULL},
	{"UID", read_uids, KEY_UIDS, 0, 0, 0, NULL},
	{"UIDAFTER", read_uid_bound, KEY_UID, SINCE, 0, 0, NULL},
	{"UIDBEFORE", read_uid_bound, KEY_UID, BEFORE, 0, 0, NULL},
	{"NOT", read_not, KEY_NOT, 0, 0, 0, NULL},
	{"FUZZY", read_fuzzy, KEY_AND, 0, 0, 0, NULL},
	{"OR", read_or, KEY_OR, 0, 0, 0, NULL},
};

static const struct word *word_find(slice name)
{
	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		if (slice_same_nocase(name, slice_z(words[i].name)))
			return &words[i];
	return NULL;
}

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
			r->p->trouble =
				"[UIDREQUIRED] There are no message numbers after ENABLE UIDONLY";
			return ST_INVALID;
		}
		TRY(key_new(r, KEY_NUMBERS, out));
		return arg_set(r->p, &(*out)->set);
	}
	TRY(arg_atom(r->p, &name));
	const struct word *w = word_find(name);
	if (w && w->kind == KEY_RECENT && imap_of(r->p->c)->rev2) {
		r->p->trouble =
			"IMAP4rev2 knows no RECENT, NEW and OLD; UNSEEN, SAVEDSINCE or UID ranges tell what is new";
		return ST_INVALID;
	}
	if (!w) {
		r->p->trouble = "There is no such search key";
		return ST_INVALID;
	}
	TRY(key_new(r, w->kind, out));
	(*out)->wanted = w->wanted;
	return w->read(r, w, *out);
}

/* What `*` and `$` mean is known now. */
static bool ends_open(const imap_set *s)
{
	for (size_t r = 0; r < s->count; r++)
		if (s->range[r].low == IMAP_LAST || s->range[r].high == IMAP_LAST)
			return true;
	return false;
}

/* Numbers beyond the last message are nothing here, and no mistake (RFC 7377 2). */
static void sets_resolve(conversation *c, struct key *k)
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
			}
		}
		sets_resolve(c, k->first);
	}
}

status arg_program_open(args *p, slice charset, program **out)
{
	program *g = arena_new(&p->c->command, sizeof *g);
	struct reading r = {.p = p, .g = g, .charset = charset};

	TRY(key_new(&r, KEY_AND, &g->top));
	TRY(keys_read(&r, g->top));
	TRY(arg_end(p));
	imap_of(p->c)->by_numbers = program_has_numbers(g);
	*out = g;
	return ST_OK;
}

void program_resolve(conversation *c, program *g)
{
	sets_resolve(c, g->top);
}

status arg_program(args *p, slice charset, program **out)
{
	program *g;

	TRY(arg_program_open(p, charset, &g));
	program_resolve(p->c, g);
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
		uint32_t low = range.low ? range.low : 1;
		uint32_t high = range.high < (uint32_t)v->n ? range.high : (uint32_t)v->n;

		if (low <= high)
			k->set.range[kept++] = (imap_range){v->uids[low - 1], v->uids[high - 1]};
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
