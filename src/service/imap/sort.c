/* Putting messages in order: their keys are gathered once, then compared. */
#include "service/imap/sort.h"

#include "mail/collate.h"
#include "service/imap/order.h"
#include "service/imap/packed.h"

enum kind {
	SORT_ARRIVAL,
	SORT_SIZE,
	SORT_RELEVANCY,
	SORT_DATE, /* from here on an envelope is needed */
	SORT_CC,
	SORT_FROM,
	SORT_SUBJECT,
	SORT_TO,
	SORT_DISPLAYFROM,
	SORT_DISPLAYTO
};

static const char *const words[] = {
	[SORT_ARRIVAL] = "ARRIVAL",
	[SORT_SIZE] = "SIZE",
	[SORT_RELEVANCY] = "RELEVANCY",
	[SORT_DATE] = "DATE",
	[SORT_CC] = "CC",
	[SORT_FROM] = "FROM",
	[SORT_SUBJECT] = "SUBJECT",
	[SORT_TO] = "TO",
	[SORT_DISPLAYFROM] = "DISPLAYFROM",
	[SORT_DISPLAYTO] = "DISPLAYTO",
};

static status key_read(args *p, struct sort_key *k)
{
	slice word;

	k->reverse = arg_word(p, S("REVERSE")) == ST_OK;
	if (k->reverse)
		TRY(arg_space(p));
	TRY(arg_atom(p, &word));
	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		if (slice_same_nocase(word, slice_z(words[i]))) {
			k->kind = (int)i;
			return ST_OK;
		}
	p->trouble =
		"SORT knows ARRIVAL, CC, DATE, DISPLAYFROM, DISPLAYTO, FROM, RELEVANCY, SIZE, SUBJECT and TO";
	return ST_INVALID;
}

status arg_sort_keys(args *p, struct sort_keys *out)
{
	TRY(arg_expect(p, '('));
	out->n = 0;
	do {
		if (out->n == SORT_KEYS_MOST) {
			p->trouble = "Too many keys to sort by";
			return ST_INVALID;
		}
		TRY(key_read(p, &out->key[out->n++]));
	} while (arg_take(p, ' '));
	p->trouble = NULL;
	return arg_expect(p, ')');
}

bool sort_by_relevancy(const struct sort_keys *k)
{
	for (int i = 0; i < k->n; i++)
		if (k->key[i].kind == SORT_RELEVANCY)
			return true;
	return false;
}

/* ---- gathering */

struct value { /* a number, or a text */
	int64_t number;
	slice text;
};

struct sorting {
	const struct sort_keys *keys;
	struct value *value; /* [message][key] */
	const uint8_t *scores;
	arena *a;
};

static slice text_of(int kind, const envelope *e)
{
	switch (kind) {
	case SORT_CC:
		return e->cc;
	case SORT_FROM:
		return e->from;
	case SORT_SUBJECT:
		return e->subject;
	case SORT_TO:
		return e->to;
	case SORT_DISPLAYFROM:
		return e->from_shown;
	default:
		return e->to_shown;
	}
}

static status message_take(int which, const struct view_entry *e, const envelope *facts, void *arg)
{
	struct sorting *s = arg;
	struct value *v = s->value + (size_t)which * (size_t)s->keys->n;

	for (int k = 0; k < s->keys->n; k++, v++) {
		int kind = s->keys->key[k].kind;

		if (kind == SORT_SIZE)
			v->number = e->size;
		else if (kind == SORT_RELEVANCY) /* what is most like it comes first */
			v->number = s->scores ? -s->scores[which] : 0;
		else if (kind == SORT_ARRIVAL || (kind == SORT_DATE && !facts->dated))
			v->number = e->received;
		else if (kind == SORT_DATE)
			v->number = facts->sent.at;
		else
			v->text = collate_key(text_of(kind, facts), s->a);
	}
	return ST_OK;
}

static bool wants_envelopes(const struct sort_keys *k)
{
	for (int i = 0; i < k->n; i++)
		if (k->key[i].kind >= SORT_DATE)
			return true;
	return false;
}

/* ---- ordering */

static int values_compare(const struct value *a, const struct value *b)
{
	if (a->number != b->number)
		return a->number < b->number ? -1 : 1;
	return slice_order(a->text, b->text);
}

static int messages_compare(int a, int b, const void *arg)
{
	const struct sorting *s = arg;
	const struct value *x = s->value + (size_t)a * (size_t)s->keys->n;
	const struct value *y = s->value + (size_t)b * (size_t)s->keys->n;

	for (int k = 0; k < s->keys->n; k++) {
		int order = values_compare(x + k, y + k);

		if (order != 0)
			return s->keys->key[k].reverse ? -order : order;
	}
	return 0;
}

status sort_run(conversation *c, const struct sort_keys *k, uint32_t *uids, uint8_t *scores, int n)
{
	arena a = ARENA_INIT;
	struct sorting s = {.keys = k, .a = &a, .scores = scores};
	int *places = arena_new_array(&a, (size_t)n, sizeof *places);
	uint32_t *before = arena_new_array(&a, (size_t)n, sizeof *before);

	s.value = arena_new_array(&a, (size_t)n * (size_t)k->n, sizeof *s.value);
	status done = packed_each(
		imap_of(c)->selected->view, uids, n, wants_envelopes(k), message_take, &s);
	for (int i = 0; i < n; i++) {
		places[i] = i;
		before[i] = uids[i];
	}
	if (done == ST_OK)
		done = order_places(places, n, messages_compare, &s, &a);
	uint8_t *scores_before = arena_new_array(&a, (size_t)n, sizeof *scores_before);
	if (scores && n > 0)
		memcpy(scores_before, scores, (size_t)n);
	for (int i = 0; done == ST_OK && i < n; i++) {
		uids[i] = before[places[i]];
		if (scores)
			scores[i] = scores_before[places[i]];
	}
	arena_release(&a);
	return done;
}
