/* A context keeps its program and its result, as UIDs in their order. Only messages that changed or
   came are asked again; a sorted result is put in order again when something came into it. */
#include "service/imap/context.h"

#include "base/list.h"
#include "base/memory.h"
#include "service/imap/fetch.h"

#include <stdlib.h>

#define CONTEXTS_MOST 10
#define RESULT_MOST 100000
#define SORTED_MOST 20000

struct context {
	link_t link;
	arena a; /* its tag, what is fetched, and its program */
	slice tag, fetch;
	program *what;
	bool by_uid, sorted;
	struct sort_keys keys;
	uint32_t *uids; /* own memory */
	int n;
};

struct contexts {
	link_t all;
	int n;
};

/* ---- opening and closing */

static void drop(struct contexts *all, struct context *x)
{
	list_remove(&x->link);
	all->n--;
	memory_free(x->uids);
	arena_release(&x->a);
	memory_free(x);
}

static struct context *first_of(const struct contexts *all)
{
	link_t *l = all ? list_first(&all->all) : NULL;

	return l ? LINK_OWNER(l, struct context, link) : NULL;
}

static struct context *next_of(const struct contexts *all, const struct context *x)
{
	return x->link.next == &all->all ? NULL : LINK_OWNER(x->link.next, struct context, link);
}

void context_cancel(struct selected *sel, slice tag)
{
	for (struct context *x = first_of(sel->contexts), *next; x; x = next) {
		next = next_of(sel->contexts, x);
		if (slice_same(x->tag, tag))
			drop(sel->contexts, x);
	}
}

void context_close(struct selected *sel)
{
	struct context *x;

	while ((x = first_of(sel->contexts)))
		drop(sel->contexts, x);
	memory_free(sel->contexts);
	sel->contexts = NULL;
}

static void result_set(struct context *x, const uint32_t *uids, int n)
{
	memory_free(x->uids);
	x->uids = n ? memory_new_array((size_t)n, sizeof *uids) : NULL;
	x->n = n;
	if (n)
		memcpy(x->uids, uids, (size_t)n * sizeof *uids);
}

static status say_no_update(conversation *c, slice tag)
{
	return conversation_say(
		c, "* NO [NOUPDATE \"%.*s\"] It is not kept up to date", SLICE_ARGS(tag));
}

bool context_is_open(const struct selected *sel, slice tag)
{
	for (const struct context *x = first_of(sel->contexts); x; x = next_of(sel->contexts, x))
		if (slice_same(x->tag, tag))
			return true;
	return false;
}

status context_open(conversation *c, bool by_uid, const program *g, const struct sort_keys *sort,
	slice fetch, const uint32_t *uids, int n)
{
	struct imap *i = imap_of(c);
	struct selected *sel = i->selected;
	struct context *x;

	if (!sel->contexts) {
		sel->contexts = memory_new(sizeof *sel->contexts);
		sel->contexts->n = 0;
		list_init(&sel->contexts->all);
	}
	if (sel->contexts->n == CONTEXTS_MOST || n > (sort ? SORTED_MOST : RESULT_MOST) ||
		(sort && sort_by_relevancy(sort)))
		return say_no_update(c, i->tag);
	x = memory_new(sizeof *x);
	*x = (struct context){.by_uid = by_uid, .sorted = sort};
	x->tag = arena_copy(&x->a, i->tag);
	x->fetch = arena_copy(&x->a, fetch);
	x->what = program_copy(g, &x->a);
	program_last(c, x->what, &x->a);
	if (sort)
		x->keys = *sort;
	result_set(x, uids, n);
	list_append(&sel->contexts->all, &x->link);
	sel->contexts->n++;
	return ST_OK;
}

/* ---- sets of UIDs that rise */

static int uids_compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static bool has(const uint32_t *rising, int n, uint32_t uid)
{
	return n > 0 && bsearch(&uid, rising, (size_t)n, sizeof uid, uids_compare);
}

static const uint32_t *rising_of(conversation *c, const struct context *x)
{
	uint32_t *copy;

	if (!x->sorted || x->n < 2)
		return x->uids;
	copy = arena_new_array(&c->command, (size_t)x->n, sizeof *copy);
	memcpy(copy, x->uids, (size_t)x->n * sizeof *copy);
	qsort(copy, (size_t)x->n, sizeof *copy, uids_compare);
	return copy;
}

/* Those of a rising list that are in the other one, or are not. */
static int uids_keep(
	const uint32_t *from, int n, const uint32_t *other, int other_n, bool in, uint32_t *to)
{
	int kept = 0;

	for (int k = 0; k < n; k++)
		if (has(other, other_n, from[k]) == in)
			to[kept++] = from[k];
	return kept;
}

/* ---- telling */

struct pieces { /* places in a result, and what stands there */
	text out;
	bool sorted;
	int place, next; /* of the present run; the place behind it */
	uint32_t *names;
	int n;
};

static void run_end(struct pieces *p)
{
	if (p->n == 0)
		return;
	text_format(&p->out, "%s%d ", p->out.size ? " " : "", p->place);
	imap_numbers_text(p->names, (size_t)p->n, &p->out);
	p->n = 0;
}

/* In the folder's order the place does not matter: 0. */
static void piece_add(struct pieces *p, int place, uint32_t name)
{
	if (p->sorted && p->n > 0 && place != p->next)
		run_end(p);
	if (p->n == 0)
		p->place = p->sorted ? place : 0;
	p->names[p->n++] = name;
	p->next = place + 1;
}

static status pieces_say(
	conversation *c, const struct context *x, struct pieces *p, const char *word)
{
	run_end(p);
	status s = stream_format(c->stream, "* ESEARCH (TAG \"%.*s\")%s %s (%s)\r\n",
		SLICE_ARGS(x->tag), x->by_uid ? " UID" : "", word, p->out.at);
	text_free(&p->out);
	return s;
}

/* Numbers before anything was expunged, by ch; or now. */
static uint32_t name_of(
	conversation *c, const struct context *x, uint32_t uid, const struct view_change *before)
{
	int low = 0, high = before ? before->gone_n : 0;

	if (x->by_uid)
		return uid;
	while (low < high) { /* gone_uids fall */
		int middle = low + (high - low) / 2;

		if (before->gone_uids[middle] > uid)
			low = middle + 1;
		else
			high = middle;
	}
	return before ? before->gone[low] : (uint32_t)view_number(imap_of(c)->selected->view, uid);
}

/* The last place goes first, so that the others are right when it is gone. */
static status take_out(conversation *c, struct context *x, const uint32_t *out, int n,
	const struct view_change *before)
{
	struct pieces p = {.out = TEXT_INIT,
		.sorted = x->sorted,
		.names = arena_new_array(&c->command, (size_t)n, sizeof *out)};
	int kept = 0;

	for (int k = x->sorted ? x->n - 1 : 0; x->sorted ? k >= 0 : k < x->n;
		k += x->sorted ? -1 : 1)
		if (has(out, n, x->uids[k])) {
			piece_add(&p, k + 1, name_of(c, x, x->uids[k], before));
			if (x->sorted)
				run_end(&p);
		}
	for (int k = 0; k < x->n; k++)
		if (!has(out, n, x->uids[k]))
			x->uids[kept++] = x->uids[k];
	x->n = kept;
	return pieces_say(c, x, &p, "REMOVEFROM");
}

/* The first place goes first, so that the others are right when it is there. */
static status put_in(conversation *c, struct context *x, const uint32_t *in, int n)
{
	struct pieces p = {.out = TEXT_INIT,
		.sorted = x->sorted,
		.names = arena_new_array(&c->command, (size_t)n, sizeof *in)};
	int all_n = x->n + n;
	uint32_t *all = arena_new_array(&c->command, (size_t)all_n, sizeof *all);

	if (x->n > 0)
		memcpy(all, x->uids, (size_t)x->n * sizeof *all);
	memcpy(all + x->n, in, (size_t)n * sizeof *all);
	qsort(all, (size_t)all_n, sizeof *all, uids_compare);
	if (x->sorted)
		TRY(sort_run(c, &x->keys, all, NULL, all_n));
	result_set(x, all, all_n);
	for (int k = 0; k < all_n; k++)
		if (has(in, n, all[k]))
			piece_add(&p, k + 1, name_of(c, x, all[k], NULL));
	return pieces_say(c, x, &p, "ADDTO");
}

/* ---- what changed */

status context_gone(conversation *c, const struct view_change *ch)
{
	const struct selected *sel = imap_of(c)->selected;
	uint32_t *gone, *out;

	if (!sel->contexts || sel->contexts->n == 0)
		return ST_OK;
	gone = arena_new_array(&c->command, (size_t)ch->gone_n, sizeof *gone);
	out = arena_new_array(&c->command, (size_t)ch->gone_n, sizeof *out);
	for (int k = 0; k < ch->gone_n; k++)
		gone[k] = ch->gone_uids[ch->gone_n - 1 - k];
	for (struct context *x = first_of(sel->contexts); x; x = next_of(sel->contexts, x)) {
		int n = uids_keep(gone, ch->gone_n, rising_of(c, x), x->n, true, out);

		if (n > 0)
			TRY(take_out(c, x, out, n, ch));
	}
	return ST_OK;
}

/* Of those that come into the result the new ones, which are at the end (RFC 5465 7). */
static status fetch_new(
	conversation *c, const struct context *x, const uint32_t *in, int n, uint32_t first_new)
{
	int known = view_place(in, n, first_new);

	if (x->fetch.size == 0 || known == n)
		return ST_OK;
	return fetch_items_tell(c, x->fetch, in + known, n - known);
}

/* `uids` rise; from `first_new` on they are new. */
static status update(
	conversation *c, struct context *x, const uint32_t *uids, int n, uint32_t first_new)
{
	const uint32_t *members = rising_of(c, x);
	uint32_t *holds, *out = arena_new_array(&c->command, (size_t)n, sizeof *out);
	uint32_t *in = arena_new_array(&c->command, (size_t)n, sizeof *in), *gone;
	int holds_n, in_n, out_n, gone_n;

	TRY(program_run_of(c, x->what, uids, n, &holds, &holds_n));
	in_n = uids_keep(holds, holds_n, members, x->n, false, in);
	gone = arena_new_array(&c->command, (size_t)n, sizeof *gone);
	gone_n = uids_keep(uids, n, holds, holds_n, false, gone);
	out_n = uids_keep(gone, gone_n, members, x->n, true, out);
	if (x->n + in_n - out_n > (x->sorted ? SORTED_MOST : RESULT_MOST))
		return ST_LIMITED;
	if (out_n > 0)
		TRY(take_out(c, x, out, out_n, NULL));
	if (in_n == 0)
		return ST_OK;
	TRY(fetch_new(c, x, in, in_n, first_new));
	return put_in(c, x, in, in_n);
}

status context_changed(conversation *c, const struct view_change *ch)
{
	const struct selected *sel = imap_of(c)->selected;
	const view *v = sel->view;
	int n = ch->changed_n + ch->arrived;
	uint32_t first_new = ch->arrived ? v->uids[v->n - ch->arrived] : UINT32_MAX;
	uint32_t *uids;

	if (!sel->contexts || sel->contexts->n == 0 || n == 0)
		return ST_OK;
	uids = arena_new_array(&c->command, (size_t)n, sizeof *uids);
	if (ch->changed_n > 0)
		memcpy(uids, ch->changed, (size_t)ch->changed_n * sizeof *uids);
	if (ch->arrived > 0)
		memcpy(uids + ch->changed_n, v->uids + (v->n - ch->arrived),
			(size_t)ch->arrived * sizeof *uids);
	for (struct context *x = first_of(sel->contexts), *next; x; x = next) {
		status s = update(c, x, uids, n, first_new);

		next = next_of(sel->contexts, x);
		if (s == ST_CLOSED || s == ST_TIMED_OUT || s == ST_CANCELLED)
			return s;
		if (s == ST_OK)
			continue;
		TRY(say_no_update(c, x->tag));
		drop(sel->contexts, x);
	}
	return ST_OK;
}
