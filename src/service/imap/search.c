/* SEARCH (RFC 9051 6.4.4) and SORT (RFC 5256), with their RETURN options (ESEARCH, RFC 4731; SAVE,
   RFC 5182; PARTIAL, RFC 9394; ESORT, and UPDATE of CONTEXT=SEARCH and CONTEXT=SORT, RFC 5267);
   ESEARCH of several folders (RFC 7377). */
#include "base/memory.h"
#include "mail/charset.h"
#include "service/imap/context.h"
#include "service/imap/fetch.h"
#include "service/imap/filter.h"
#include "service/imap/names.h"
#include "service/imap/place.h"
#include "service/imap/program.h"
#include "service/imap/selected.h"
#include "service/imap/sort.h"

#include <inttypes.h>
#include <stdlib.h>

enum {
	RETURN_MIN = 1,
	RETURN_MAX = 2,
	RETURN_COUNT = 4,
	RETURN_ALL = 8,
	RETURN_SAVE = 16,
	RETURN_PARTIAL = 32,
	RETURN_UPDATE = 64,
	RETURN_CONTEXT = 128,
	RETURN_RELEVANCY = 256
};

/* Of these nothing is told. */
#define SILENT_RETURNS (RETURN_SAVE | RETURN_UPDATE | RETURN_CONTEXT)
#define ONE_LIST (RETURN_ALL | RETURN_PARTIAL)

struct search {
	bool by_uid, extended;
	unsigned returns;
	struct imap_window partial;
	slice charset;
	program *what;
	struct sort_keys *sort; /* SORT; else NULL */
	bool several;           /* ESEARCH: of which folders is said in the answer */
	slice fetch;            /* UPDATE (UID FLAGS): what is told of new ones */
};

/* ---- reading */

static status returns_read(args *p, struct search *s)
{
	static const struct {
		const char *word;
		unsigned bit;
	} rows[] = {{"MIN", RETURN_MIN}, {"MAX", RETURN_MAX}, {"COUNT", RETURN_COUNT},
		{"ALL", RETURN_ALL}, {"SAVE", RETURN_SAVE}, {"PARTIAL", RETURN_PARTIAL},
		{"UPDATE", RETURN_UPDATE}, {"RELEVANCY", RETURN_RELEVANCY},
		{"CONTEXT", RETURN_CONTEXT}}; /* to keep the result at hand is a wish that needs
						 nothing here */
	slice word;

	s->extended = true;
	s->returns = 0;
	TRY(arg_space(p));
	TRY(arg_expect(p, '('));
	while (!arg_take(p, ')')) {
		unsigned bit = 0;

		if (s->returns)
			TRY(arg_space(p));
		TRY(arg_atom(p, &word));
		for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
			if (slice_same_nocase(word, slice_z(rows[i].word)))
				bit = rows[i].bit;
		if (!bit) {
			p->trouble =
				"SEARCH returns MIN, MAX, COUNT, ALL, SAVE, PARTIAL, RELEVANCY, UPDATE and CONTEXT";
			return ST_INVALID;
		}
		if (bit == RETURN_UPDATE && slice_starts(p->rest, S(" ("))) { /* RFC 5465 7 */
			arg_take(p, ' ');
			TRY(arg_fetch_items(p, &s->fetch));
		}
		if (bit == RETURN_PARTIAL) {
			TRY(arg_space(p));
			TRY(arg_window(p, &s->partial));
		}
		if ((bit & ONE_LIST) && (s->returns & ONE_LIST)) {
			p->trouble = "ALL and PARTIAL exclude each other";
			return ST_INVALID;
		}
		s->returns |= bit;
	}
	if ((s->returns & ~(unsigned)(RETURN_UPDATE | RETURN_CONTEXT)) == 0)
		s->returns |= RETURN_ALL;
	return arg_space(p);
}

/* Only what is sought FUZZY has a relevancy (RFC 6203 4, 6). */
static status relevancy_check(args *p, const struct search *s)
{
	bool asked = (s->returns & RETURN_RELEVANCY) || (s->sort && sort_by_relevancy(s->sort));

	if (!asked || program_is_fuzzy(s->what))
		return ST_OK;
	p->trouble = "There is no RELEVANCY without FUZZY";
	return ST_INVALID;
}

/* "(keys) charset program" */
static status arg_sort(args *p, struct search *s)
{
	TRY(arg_space(p));
	if (arg_word(p, S("RETURN")) == ST_OK)
		TRY(returns_read(p, s));
	TRY(arg_sort_keys(p, s->sort));
	TRY(arg_space(p));
	TRY(arg_astring(p, &s->charset));
	TRY(arg_space(p));
	if (!charset_known(s->charset))
		return ST_FOREIGN;
	TRY(arg_program(p, s->charset, &s->what));
	return relevancy_check(p, s);
}

static status arg_search(args *p, struct search *s)
{
	args before;

	TRY(arg_space(p));
	if (arg_word(p, S("RETURN")) == ST_OK)
		TRY(returns_read(p, s));
	before = *p;
	if (arg_word(p, S("CHARSET")) == ST_OK) {
		if (imap_of(p->c)->utf8) { /* RFC 9755 3 */
			p->trouble =
				"After ENABLE UTF8=ACCEPT searches are UTF-8 and name no CHARSET";
			return ST_INVALID;
		}
		TRY(arg_space(p));
		TRY(arg_astring(p, &s->charset));
		TRY(arg_space(p));
	} else {
		*p = before;
	}
	p->trouble = NULL;
	if (s->charset.size && !charset_known(s->charset))
		return ST_FOREIGN;
	TRY(s->several ? arg_program_open(p, s->charset, &s->what)
		       : arg_program(p, s->charset, &s->what));
	return relevancy_check(p, s);
}

/* ---- answering */

struct found {
	uint32_t *uids, *names; /* what the client calls them: numbers, or UIDs */
	uint8_t *scores;        /* how well the program holds for each */
	int n;
	int64_t modseq; /* the highest of them, when it was asked for */
};

/* The MODSEQ that is told is the highest of those that are; of MIN and MAX alone it is theirs (RFC
   4731 3.2). */
static bool tells_modseq_of(const struct search *s, const struct found *f, int at)
{
	unsigned what = s->returns & ~(unsigned)(SILENT_RETURNS | RETURN_RELEVANCY);

	if (!s->extended || !what || (what & ~(unsigned)(RETURN_MIN | RETURN_MAX)))
		return true;
	return (at == 0 && (what & RETURN_MIN)) || (at == f->n - 1 && (what & RETURN_MAX));
}

static void found_name(conversation *c, const struct search *s, struct found *f)
{
	const view *v = imap_of(c)->selected->view;

	f->names =
		s->by_uid ? f->uids : arena_new_array(&c->command, (size_t)f->n, sizeof *f->names);
	for (int i = 0; i < f->n; i++) {
		const struct view_entry *e = view_find(v, f->uids[i]);

		f->names[i] = s->by_uid ? f->uids[i] : (uint32_t)view_number(v, f->uids[i]);
		if (program_asks_modseq(s->what) && e && e->modseq > f->modseq &&
			tells_modseq_of(s, f, i))
			f->modseq = e->modseq;
	}
}

static void plain_text(const struct search *s, const struct found *f, text *out)
{
	text_add(out, s->sort ? S("* SORT") : S("* SEARCH"));
	for (int i = 0; i < f->n; i++) {
		text_add_char(out, ' ');
		text_add_number(out, f->names[i]);
	}
	if (f->modseq)
		text_format(out, " (MODSEQ %" PRId64 ")", f->modseq);
	text_add(out, S("\r\n"));
}

static void partial_text(const struct search *s, const struct found *f, text *out)
{
	int first, n = imap_window_of(&s->partial, f->n, &first);

	text_format(out, " PARTIAL (%.*s ", SLICE_ARGS(s->partial.written));
	if (n > 0)
		imap_numbers_text(f->names + first, (size_t)n, out);
	else
		text_add(out, S("NIL"));
	text_add_char(out, ')');
}

/* Of those that are told. */
static void relevancy_text(const struct search *s, const struct found *f, text *out)
{
	int first = 0,
	    n = (s->returns & RETURN_PARTIAL) ? imap_window_of(&s->partial, f->n, &first) : f->n;

	text_add(out, S(" RELEVANCY ("));
	for (int i = 0; i < n; i++) {
		if (i > 0)
			text_add_char(out, ' ');
		text_add_number(out, f->scores[first + i]);
	}
	text_add_char(out, ')');
}

static void extended_text(conversation *c, const struct search *s, const struct found *f, text *out)
{
	unsigned returns = s->extended ? s->returns : RETURN_ALL;

	text_add(out, S("* ESEARCH (TAG \""));
	text_add(out, imap_of(c)->tag);
	text_add_char(out, '"');
	if (s->several) {
		const struct selected *sel = imap_of(c)->selected;

		text_add(out, S(" MAILBOX "));
		imap_name_text(c, sel->shown, out);
		text_format(out, " UIDVALIDITY %u", sel->view->uidvalidity);
	}
	text_add(out, s->by_uid ? S(") UID") : S(")"));
	if ((returns & RETURN_MIN) && f->n)
		text_format(out, " MIN %u", f->names[0]);
	if ((returns & RETURN_MAX) && f->n)
		text_format(out, " MAX %u", f->names[f->n - 1]);
	if (returns & RETURN_COUNT)
		text_format(out, " COUNT %d", f->n);
	if ((returns & RETURN_ALL) && f->n) {
		text_add(out, S(" ALL "));
		imap_numbers_text(f->names, (size_t)f->n, out);
	}
	if (returns & RETURN_PARTIAL)
		partial_text(s, f, out);
	if ((returns & RETURN_RELEVANCY) && f->n)
		relevancy_text(s, f, out);
	if (f->modseq)
		text_format(out, " MODSEQ %" PRId64, f->modseq);
	text_add(out, S("\r\n"));
}

static int uid_order(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static void saved_set(struct selected *sel, const uint32_t *uids, size_t n)
{
	memory_free(sel->saved);
	sel->saved = n ? memory_new_array(n, sizeof *sel->saved) : NULL;
	sel->saved_n = n;
	if (n)
		memcpy(sel->saved, uids, n * sizeof *uids);
}

/* RFC 5182 2.4, RFC 9394 3.2: MIN, MAX and PARTIAL save what they return, everything else saves
   all. */
static void save(conversation *c, const struct search *s, const struct found *f)
{
	struct selected *sel = imap_of(c)->selected;
	bool some = (s->returns & (RETURN_MIN | RETURN_MAX | RETURN_PARTIAL)) &&
		    !(s->returns & (RETURN_ALL | RETURN_COUNT));
	int first = 0, n = 0;

	if (!some || f->n == 0) {
		saved_set(sel, f->uids, (size_t)f->n);
	} else {
		uint32_t *told = arena_new_array(&c->command, (size_t)f->n + 2, sizeof *told);

		if (s->returns & RETURN_PARTIAL)
			n = imap_window_of(&s->partial, f->n, &first);
		memcpy(told, f->uids + first, (size_t)n * sizeof *told);
		/* Each but once: not what the window has, nor the only one as both. */
		bool least = (s->returns & RETURN_MIN) && (n == 0 || first > 0);
		bool greatest = (s->returns & RETURN_MAX) && (n == 0 || first + n < f->n) &&
				!(least && f->n == 1);
		if (least)
			told[n++] = f->uids[0];
		if (greatest)
			told[n++] = f->uids[f->n - 1];
		saved_set(sel, told, (size_t)n);
	}
	if (sel->saved_n > 1)
		qsort(sel->saved, sel->saved_n, sizeof *sel->saved, uid_order);
}

/* Asked to be saved, and answered NO: what was saved before is not, either (RFC 5182 2.1). */
static void save_nothing(conversation *c, const struct search *s)
{
	struct selected *sel = imap_of(c)->selected;

	if (sel && (s->returns & RETURN_SAVE))
		saved_set(sel, NULL, 0);
}

static status say_found(conversation *c, const struct search *s, const struct found *f)
{
	bool extended = s->extended || (imap_of(c)->rev2 && !s->sort);
	text out = TEXT_INIT;
	status told;

	if (s->returns & RETURN_SAVE)
		save(c, s, f);
	if (s->returns & RETURN_UPDATE)
		TRY(context_open(c, s->by_uid, s->what, s->sort, s->fetch, f->uids, f->n));
	if (s->extended && (s->returns & ~(unsigned)SILENT_RETURNS) == 0)
		return imap_ok(c, "Saved");
	if (extended)
		extended_text(c, s, f, &out);
	else
		plain_text(s, f, &out);
	told = stream_write(c->stream, text_slice(&out));
	text_free(&out);
	TRY(told);
	return imap_ok(c, "That is all");
}

static status say_foreign(conversation *c, args *p, const struct search *s)
{
	TRY(args_skip(p));
	save_nothing(c, s);
	return imap_no(c, "[BADCHARSET (UTF-8 US-ASCII)] That charset is not known here");
}

static status search(conversation *c, args *p, struct search *s)
{
	struct found f = {0};
	status kind = s->sort ? arg_sort(p, s) : arg_search(p, s);

	if (kind == ST_FOREIGN)
		return say_foreign(c, p, s);
	TRY(kind);
	if ((s->returns & RETURN_UPDATE) &&
		context_is_open(imap_of(c)->selected, imap_of(c)->tag)) {
		p->trouble = "This tag is that of a search that is kept up to date already";
		return ST_INVALID;
	}
	usec began = clock_now();
	kind = s->sort ? program_run(c, s->what, &f.uids, &f.scores, &f.n)
		       : program_run_newest(c, s->what, &f.uids, &f.scores, &f.n);
	if (kind == ST_OK && s->sort)
		kind = sort_run(c, s->sort, f.uids, f.scores, f.n);
	metric_time(M_search_seconds, c->service, clock_now() - began);
	if (kind != ST_OK) {
		save_nothing(c, s);
		return program_trouble(c, kind);
	}
	found_name(c, s, &f);
	return say_found(c, s, &f);
}

static status imap_search(conversation *c, args *p)
{
	return search(c, p, &(struct search){0});
}

static status imap_uid_search(conversation *c, args *p)
{
	return search(c, p, &(struct search){.by_uid = true});
}

static status imap_sort(conversation *c, args *p)
{
	struct sort_keys keys;

	return search(c, p, &(struct search){.sort = &keys});
}

static status imap_uid_sort(conversation *c, args *p)
{
	struct sort_keys keys;

	return search(c, p, &(struct search){.by_uid = true, .sort = &keys});
}

/* ---- ESEARCH: in folders that are not selected, one after the other */

#define SOURCES_MOST 20

struct sources {
	struct filter filter[SOURCES_MOST];
	int n;
	bool selected, others;
};

/* "IN (SUBTREE Lists MAILBOXES (a b))"; without it the selected folder is meant. */
static status arg_sources(args *p, struct sources *x)
{
	args before = *p;

	if (arg_space(p) != ST_OK || arg_word(p, S("IN")) != ST_OK) {
		*p = before;
		x->selected = true;
		return ST_OK;
	}
	TRY(arg_space(p));
	TRY(arg_expect(p, '('));
	do {
		if (x->n == SOURCES_MOST) {
			p->trouble = "Too many sources";
			return ST_INVALID;
		}
		TRY(arg_filter(p, &x->filter[x->n]));
		if (x->filter[x->n].kind == FILTER_SELECTED_DELAYED) {
			p->trouble = "SELECTED-DELAYED is for NOTIFY alone";
			return ST_INVALID;
		}
		if (x->filter[x->n].kind == FILTER_SELECTED)
			x->selected = true;
		else
			x->others = true;
		x->n++;
	} while (arg_take(p, ' '));
	return arg_expect(p, ')');
}

static status arg_esearch(args *p, struct search *s, struct sources *x)
{
	TRY(arg_sources(p, x));
	TRY(arg_search(p, s));
	if (s->returns & RETURN_UPDATE) {
		p->trouble = "SEARCH is kept up to date, ESEARCH is not";
		return ST_INVALID;
	}
	if (x->others && ((s->returns & RETURN_SAVE) || program_has_numbers(s->what))) {
		p->trouble = "Numbers, $ and SAVE are of the selected folder alone";
		return ST_INVALID;
	}
	return ST_OK;
}

/* In the folder that stands for the selected one now. */
static status search_here(conversation *c, struct search *s)
{
	struct search here = *s;
	struct found f = {0};
	text out = TEXT_INIT;
	status kind;

	here.what = program_copy(s->what, &c->command);
	program_resolve(c, here.what);
	usec began = clock_now();
	kind = program_run(c, here.what, &f.uids, &f.scores, &f.n);
	metric_time(M_search_seconds, c->service, clock_now() - began);
	TRY(kind);
	found_name(c, &here, &f);
	if (s->returns & RETURN_SAVE)
		save(c, &here, &f);
	if (f.n == 0 || (s->returns & ~(unsigned)SILENT_RETURNS) == 0)
		return ST_OK;
	extended_text(c, &here, &f, &out);
	kind = stream_write(c->stream, text_slice(&out));
	text_free(&out);
	return kind;
}

/* What one folder needs is given back before the next one. */
static status search_in(conversation *c, struct search *s, struct selected *sel)
{
	struct imap *i = imap_of(c);
	struct selected *mine = i->selected;
	arena kept = c->command;

	i->progress_bare = true;
	i->selected = sel;
	c->command = ARENA_INIT;
	status kind = search_here(c, s);
	arena_release(&c->command);
	c->command = kept;
	i->selected = mine;
	return kind;
}

static bool is_meant(const struct imap *i, const struct sources *x, const struct folder_row *row)
{
	if (!row->f.id || !(row->rights & ACL_READ))
		return false;
	if (x->selected && row->f.id == i->selected->view->folder)
		return true;
	for (int k = 0; k < x->n; k++)
		if (filter_has(&x->filter[k], row->f.name, row->f.mailbox == i->who.mailbox,
			    row->subscribed))
			return true;
	return false;
}

static status search_folder(conversation *c, struct search *s, const struct folder_row *row)
{
	struct imap *i = imap_of(c);
	struct selected sel = {.shown = row->f.name, .rights = row->rights, .recent = UINT32_MAX};
	struct place at;

	if (i->selected && row->f.id == i->selected->view->folder)
		return search_in(c, s, i->selected);
	place_of(c, row, &at);
	status kind = place_open(&at, VIEW_READ_ONLY, &sel.view);
	if (kind == ST_ABSENT) /* it has just gone */
		return ST_OK;
	TRY(kind);
	kind = search_in(c, s, &sel);
	view_close(&sel.view);
	return kind;
}

static status search_folders(conversation *c, struct search *s, const struct sources *x)
{
	const struct imap *i = imap_of(c);
	struct folder_row *rows;
	int n;

	if (!x->others)
		return search_in(c, s, i->selected);
	TRY(acl_tree(i->who.postoffice, i->who.mailbox, &c->command, &rows, &n));
	for (int k = 0; k < n; k++) {
		if (is_meant(i, x, &rows[k]))
			TRY(search_folder(c, s, &rows[k]));
		TRY(task_breathe());
	}
	return ST_OK;
}

static status esearch_read(conversation *c, args *p, struct search *s, struct sources *x)
{
	TRY(arg_esearch(p, s, x));
	if (!x->selected || imap_of(c)->selected)
		return ST_OK;
	p->trouble = "No folder is selected";
	return ST_INVALID;
}

static status imap_esearch(conversation *c, args *p)
{
	struct search s = {
		.by_uid = true, .extended = true, .returns = RETURN_ALL, .several = true};
	struct sources *x = arena_new(&c->command, sizeof *x);
	status kind = esearch_read(c, p, &s, x);

	if (kind == ST_FOREIGN)
		return say_foreign(c, p, &s);
	TRY(kind);
	kind = search_folders(c, &s, x);
	if (kind == ST_OK)
		return imap_ok(c, "That is all");
	save_nothing(c, &s);
	return program_trouble(c, kind);
}

/* CANCELUPDATE (RFC 5267 4.3.5): what is not kept up to date need not be ended. */
static status imap_cancelupdate(conversation *c, args *p)
{
	slice tag;

	do {
		TRY(arg_space(p));
		TRY(arg_string(p, &tag));
		context_cancel(imap_of(c)->selected, tag);
	} while (p->rest.size > 0);
	return imap_ok(c, "No more of them is told");
}

const struct imap_row imap_search_rows[] = {
	{"SEARCH", imap_search, AT_SELECTED, IMAP_NO_EXPUNGE | IMAP_BY_NUMBER,
		"SEARCH [RETURN (..)] [CHARSET name] keys"},
	{"UID SEARCH", imap_uid_search, AT_SELECTED, 0,
		"UID SEARCH [RETURN (..)] [CHARSET name] keys"},
	{"SORT", imap_sort, AT_SELECTED, IMAP_NO_EXPUNGE | IMAP_BY_NUMBER,
		"SORT [RETURN (..)] ([REVERSE] key ..) charset keys"},
	{"UID SORT", imap_uid_sort, AT_SELECTED, 0,
		"UID SORT [RETURN (..)] ([REVERSE] key ..) charset keys"},
	{"ESEARCH", imap_esearch, AT_LOGGED_ON, 0,
		"ESEARCH [IN (folders ..)] [RETURN (..)] [CHARSET name] keys: in several folders"},
	{"CANCELUPDATE", imap_cancelupdate, AT_SELECTED, 0,
		"CANCELUPDATE \"tag\" ..: searches that are not kept up to date any more"},
	{0},
};
