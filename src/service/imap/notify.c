/* What is wanted stands in groups of folders. Whenever the mailbox has news, the tree of its
   folders is read once more and compared with what was told of it last: one query, however much has
   happened, and not more often than every NEWS_GAP. The selected folder is looked at through its
   view, as ever. */
#include "service/imap/notify.h"

#include "base/map.h"
#include "base/memory.h"
#include "provider/acl.h"
#include "provider/annotation.h"
#include "provider/news.h"
#include "service/imap/fetch.h"
#include "service/imap/names.h"
#include "service/imap/notify_read.h"
#include "service/imap/selected.h"

#include <inttypes.h>
#include <stdlib.h>

#define NEWS_GAP (40 * USEC_MS)

struct place { /* a folder as it was told last; id 0: a name that is subscribed to, and nothing
else */
	int64_t id, modseq, messages, unseen;
	slice name;
	uint32_t uidvalidity, uidnext;
	bool subscribed, children;
	int64_t mailbox; /* whose it is */
	unsigned rights;
};

struct watch { /* of somebody who shares folders with the reader */
	int64_t mailbox;
	news *news;
};

struct told { /* rows by id and name, annotations by folder and name */
	arena a;
	struct place *places;
	int places_n;
	struct annotation_mark *marks;
	int marks_n;
};

struct notify {
	arena a;         /* of what was asked for */
	int64_t mailbox; /* the reader's */
	struct notify_group *groups;
	int groups_n;
	slice fetch; /* "(UID FLAGS)" of what is new in the selected folder; empty: nothing */
	news *news;
	struct watch *watches; /* own memory */
	int watches_n;
	notice *raised;
	struct told told;
	usec told_at;
	bool missed; /* a look could not be had */
};

/* ---- what is wanted of a folder */

/* The reader may look it up and not read it: \NoAccess, to NOTIFY (RFC 5465 3.1, 5). */
static bool is_closed(const struct place *at)
{
	return at->id && !(at->rights & ACL_READ);
}

/* Of a closed folder its name alone is told. */
static unsigned events_allowed(const struct place *at)
{
	return is_closed(at) ? WANTS_NAME | WANTS_SUBSCRIPTION : ~0u;
}

/* By all groups a folder is in, up to one that wants nothing. */
static unsigned events_asked(const struct notify *n, const struct place *at)
{
	unsigned wanted = 0;

	for (int k = 0; k < n->groups_n; k++) {
		const struct notify_group *g = &n->groups[k];

		if (notify_is_of_selected(g) || !filter_has(&g->folders, at->name,
							at->mailbox == n->mailbox, at->subscribed))
			continue;
		if (g->events == 0)
			break;
		wanted |= g->events;
	}
	return wanted;
}

static unsigned events_of(const struct notify *n, const struct place *at)
{
	return events_asked(n, at) & events_allowed(at);
}

static unsigned events_anywhere(const struct notify *n)
{
	unsigned any = 0;

	for (int k = 0; k < n->groups_n; k++)
		any |= notify_is_of_selected(&n->groups[k]) ? 0 : n->groups[k].events;
	return any;
}

static const struct notify_group *group_of_selected(const struct notify *n)
{
	for (int k = 0; k < n->groups_n; k++)
		if (notify_is_of_selected(&n->groups[k]))
			return &n->groups[k];
	return NULL;
}

/* ---- looking */

static int places_compare(const void *a, const void *b)
{
	const struct place *x = a, *y = b;

	if (x->id != y->id)
		return x->id < y->id ? -1 : 1;
	return x->id ? 0 : slice_order(x->name, y->name);
}

/* Their annotations, and of what others share what all readers see. */
static status look_marks(const struct imap *i, struct told *now, arena *a)
{
	struct annotation_places others = {0};

	others.mailboxes = arena_new_array(a, (size_t)now->places_n + 1, sizeof *others.mailboxes);
	others.folders = arena_new_array(a, (size_t)now->places_n + 1, sizeof *others.folders);
	for (int k = 0; k < now->places_n; k++) {
		const struct place *at = &now->places[k];

		if (at->id == 0 || at->mailbox == i->who.mailbox || !(at->rights & ACL_READ))
			continue;
		others.mailboxes[others.n] = at->mailbox;
		others.folders[others.n++] = at->id;
	}
	return annotation_marks(
		i->who.postoffice, i->who.mailbox, &others, &now->a, &now->marks, &now->marks_n);
}

/* What stands there now. ST_LIMITED: too many folders. */
static status look(conversation *c, const struct notify *n, struct told *now)
{
	const struct imap *i = imap_of(c);
	const struct setting_at at = imap_at(c);
	struct folder_row *rows;
	int count;

	TRY(acl_tree(i->who.postoffice, i->who.mailbox, &c->command, &rows, &count));
	if (count > setting_number(S_imap_notify_folders_most, &at))
		return ST_LIMITED;
	now->places = arena_new_array(&now->a, (size_t)count, sizeof *now->places);
	for (int k = 0; k < count; k++) {
		const folder *f = &rows[k].f;

		if (!f->id && !rows[k].subscribed)
			continue;
		now->places[now->places_n++] = (struct place){
			.id = f->id,
			.modseq = f->modseq,
			.messages = f->messages,
			.unseen = f->unseen,
			.name = arena_copy(&now->a, f->name),
			.uidvalidity = f->uidvalidity,
			.uidnext = f->uidnext,
			.subscribed = rows[k].subscribed,
			.children = rows[k].children,
			.mailbox = f->mailbox,
			.rights = rows[k].rights,
		};
	}
	if (now->places_n > 1)
		qsort(now->places, (size_t)now->places_n, sizeof *now->places, places_compare);
	if (!(events_anywhere(n) & (WANTS_METADATA | WANTS_SERVER_METADATA)))
		return ST_OK;
	return look_marks(i, now, &c->command);
}

static struct watch *watch_of(const struct notify *n, int64_t mailbox)
{
	for (int k = 0; k < n->watches_n; k++)
		if (n->watches[k].mailbox == mailbox)
			return &n->watches[k];
	return NULL;
}

/* Registers with all who share something now, and with nobody else. */
static void watch_others(conversation *c, struct notify *n, const struct told *now)
{
	struct notify fresh = {0};

	for (int k = 0; k < now->places_n; k++) {
		const struct place *at = &now->places[k];

		if (at->mailbox == n->mailbox || watch_of(&fresh, at->mailbox))
			continue;
		struct watch *had = watch_of(n, at->mailbox);
		fresh.watches = memory_grow(
			fresh.watches, (size_t)(fresh.watches_n + 1) * sizeof *fresh.watches);
		fresh.watches[fresh.watches_n++] = (struct watch){at->mailbox,
			had ? had->news
			    : news_open(imap_of(c)->who.postoffice, at->mailbox, 0, n->raised)};
		if (had)
			had->news = NULL;
	}
	for (int k = 0; k < n->watches_n; k++)
		news_close(&n->watches[k].news);
	memory_free(n->watches);
	n->watches = fresh.watches;
	n->watches_n = fresh.watches_n;
}

/* ---- telling of folders */

static status say_text(conversation *c, text *line)
{
	text_add(line, S("\r\n"));
	status s = stream_write(c->stream, text_slice(line));
	text_free(line);
	return s;
}

static status say_status(conversation *c, const struct place *at)
{
	text line = TEXT_INIT;

	text_add(&line, S("* STATUS "));
	imap_name_text(c, at->name, &line);
	text_format(&line,
		" (MESSAGES %" PRId64 " UIDNEXT %u UIDVALIDITY %u UNSEEN %" PRId64
		" HIGHESTMODSEQ %" PRId64 ")",
		at->messages, at->uidnext, at->uidvalidity, at->unseen, at->modseq);
	return say_text(c, &line);
}

/* `before`: as it was called (RFC 5465 5.4); empty: not renamed. */
static status say_name(conversation *c, const struct place *at, bool is_gone, slice before)
{
	text line = TEXT_INIT;

	text_add(&line, S("* LIST ("));
	text_add(&line, is_gone || !at->id ? S("\\NonExistent")
			: at->children     ? S("\\HasChildren")
					   : S("\\HasNoChildren"));
	if (!is_gone && is_closed(at))
		text_add(&line, S(" \\Noselect \\NoAccess"));
	if (at->subscribed)
		text_add(&line, S(" \\Subscribed"));
	text_add(&line, S(") \"/\" "));
	imap_name_text(c, at->name, &line);
	if (before.size > 0)
		imap_oldname_text(c, at->name, before, &line);
	return say_text(c, &line);
}

static bool is_selected(conversation *c, const struct place *at)
{
	const struct selected *sel = imap_of(c)->selected;

	return sel && at->id == sel->view->folder;
}

/* Messages of it came, went, or changed as is wanted. */
static bool has_changed(const struct place *before, const struct place *now, unsigned wanted)
{
	if (!(wanted & WANTS_MESSAGES) || before->modseq == now->modseq)
		return false;
	return (wanted & WANTS_FLAGS) || before->uidnext != now->uidnext ||
	       before->messages != now->messages;
}

static const struct place *place_of(const struct told *t, int64_t id)
{
	int low = 0, high = t->places_n;

	while (low < high) {
		int middle = low + (high - low) / 2;

		if (t->places[middle].id < id)
			low = middle + 1;
		else
			high = middle;
	}
	return low < t->places_n && t->places[low].id == id ? &t->places[low] : NULL;
}

/* What was told of the folder of that name. `by_name`: NULL at first, to be closed. */
static const struct place *place_named(const struct told *t, slice name, map **by_name)
{
	if (!*by_name) {
		*by_name = map_open();
		for (int k = 0; k < t->places_n; k++)
			if (t->places[k].id)
				map_put(*by_name, t->places[k].name, &t->places[k]);
	}
	return map_get(*by_name, name);
}

/* Renamed with the folder above it, of which that is told: then it is not told of those below (RFC
   5465 5.4). */
static bool goes_along(const struct notify *n, const struct told *all, const struct place *before,
	const struct place *now, map **by_name)
{
	size_t old_end = slice_find_last(before->name, '/'), end = slice_find_last(now->name, '/');
	slice old_above = slice_until(before->name, old_end), above = slice_until(now->name, end);

	if (end == now->name.size || slice_same(old_above, above) ||
		!slice_same(slice_from(before->name, old_end), slice_from(now->name, end)))
		return false;
	const struct place *x = place_named(&n->told, old_above, by_name);
	const struct place *y = x ? place_of(all, x->id) : NULL;
	return y && slice_same(y->name, above) &&
	       ((events_asked(n, x) | events_asked(n, y)) & WANTS_NAME);
}

static status tell_new(conversation *c, const struct place *now, unsigned wanted)
{
	if (wanted & (WANTS_NAME | WANTS_SUBSCRIPTION) &&
		(now->id ? wanted & WANTS_NAME : wanted & WANTS_SUBSCRIPTION))
		TRY(say_name(c, now, false, S("")));
	return now->id && (wanted & WANTS_MESSAGES) ? say_status(c, now) : ST_OK;
}

/* Rights may grow and shrink meanwhile (RFC 5465 5.9): who is let read, or no more, is told by the
   name, which is \NoAccess then or not, whatever was asked for; and where events begin, from where
   on. The first folder below and the last one are told of the one above, too (5.4). `along`: it was
   renamed with that. */
static status tell_changed(conversation *c, const struct place *before, const struct place *now,
	unsigned asked, bool along)
{
	unsigned wanted = asked & events_allowed(now);
	bool renamed = !slice_same(before->name, now->name),
	     turned = is_closed(before) != is_closed(now), opened = turned && !is_closed(now);

	bool named = (renamed && !along) || before->children != now->children;
	if ((turned && asked) || (named && (wanted & WANTS_NAME)) ||
		(before->subscribed != now->subscribed && (wanted & WANTS_SUBSCRIPTION)))
		TRY(say_name(c, now, false, renamed ? before->name : S("")));
	bool news = (opened && (wanted & WANTS_MESSAGES)) || has_changed(before, now, wanted);
	return news && !is_selected(c, now) ? say_status(c, now) : ST_OK;
}

static status tell_gone(conversation *c, const struct place *before, unsigned wanted)
{
	struct place gone = *before;

	if (!(before->id ? wanted & WANTS_NAME : wanted & WANTS_SUBSCRIPTION))
		return ST_OK;
	gone.subscribed = before->id && before->subscribed;
	return say_name(c, &gone, true, S(""));
}

static status tell_places_by(
	conversation *c, const struct notify *n, const struct told *now, map **by_name)
{
	const struct told *before = &n->told;
	int b = 0, k = 0;

	for (;;) {
		const struct place *x = b < before->places_n ? &before->places[b] : NULL;
		const struct place *y = k < now->places_n ? &now->places[k] : NULL;

		if (!x && !y)
			return ST_OK;
		int order = !x ? 1 : !y ? -1 : places_compare(x, y);

		b += order <= 0;
		k += order >= 0;
		TRY(order < 0       ? tell_gone(c, x, events_of(n, x))
			: order > 0 ? tell_new(c, y, events_of(n, y))
				    : tell_changed(c, x, y, events_asked(n, x) | events_asked(n, y),
					      goes_along(n, now, x, y, by_name)));
		TRY(task_breathe());
	}
}

static status tell_places(conversation *c, const struct notify *n, const struct told *now)
{
	map *by_name = NULL;
	status s = tell_places_by(c, n, now, &by_name);

	map_close(&by_name);
	return s;
}

/* ---- telling of annotations: their names, in one line a folder */

static bool is_wanted_mark(const struct notify *n, const struct told *now, int64_t id, slice *name)
{
	const struct place *at = id ? place_of(now, id) : NULL;

	*name = at ? at->name : S("");
	return id ? at && (events_of(n, at) & WANTS_METADATA)
		  : events_anywhere(n) & WANTS_SERVER_METADATA;
}

static status tell_marks(conversation *c, const struct notify *n, const struct told *now)
{
	const struct told *before = &n->told;
	int b = 0, k = 0;

	for (;;) {
		const struct annotation_mark *x = b < before->marks_n ? &before->marks[b] : NULL;
		const struct annotation_mark *y = k < now->marks_n ? &now->marks[k] : NULL;

		if (!x && !y)
			return ST_OK;
		int order = !x                       ? 1
			    : !y                     ? -1
			    : x->folder != y->folder ? (x->folder < y->folder ? -1 : 1)
						     : slice_order(x->name, y->name);
		const struct annotation_mark *m = order < 0 ? x : y;
		slice name;

		b += order <= 0;
		k += order >= 0;
		if ((order == 0 && x->modseq == y->modseq) ||
			!is_wanted_mark(n, now, m->folder, &name))
			continue;
		text line = TEXT_INIT;
		text_add(&line, S("* METADATA "));
		imap_name_text(c, name, &line);
		text_add_char(&line, ' ');
		imap_entry_text(m->name, &line);
		TRY(say_text(c, &line));
	}
}

/* ---- when */

static status tell_folders(conversation *c, struct notify *n)
{
	struct told now = {0};
	status s = look(c, n, &now);

	n->missed = s != ST_OK;
	if (s == ST_LIMITED) {
		notify_close(c);
		s = conversation_say(
			c, "* OK [NOTIFICATIONOVERFLOW] There are too many folders to watch");
	} else if (s == ST_OK) {
		watch_others(c, n, &now);
		s = tell_places(c, n, &now);
		if (s == ST_OK)
			s = tell_marks(c, n, &now);
		arena_release(&n->told.a);
		n->told = now;
		return s;
	} else if (s == ST_BUSY || s == ST_BROKEN) {
		s = ST_OK; /* looked at again before long */
	}
	arena_release(&now.a);
	return s;
}

/* What was asked for by SELECTED or SELECTED-DELAYED alone, whatever else the folder is named by,
   while idling too (RFC 5465 3.1, 4). All else comes with commands, as ever. */
static status tell_selected(conversation *c, const struct notify *n, bool idling)
{
	const struct notify_group *g = group_of_selected(n);
	struct view_change ch;
	status s;

	if (!g || !g->events)
		return ST_OK;
	s = selected_renew(c);
	if (s != ST_OK)
		return s == ST_BUSY || s == ST_BROKEN ? ST_OK : s;
	s = view_refresh(imap_of(c)->selected->view,
		g->folders.kind == FILTER_SELECTED_DELAYED && !idling, &c->command, &ch);
	if (s != ST_OK)
		return s == ST_CANCELLED ? s : ST_OK;
	bool flags = g->events & WANTS_FLAGS;
	TRY(flags ? selected_tell_change(c, &ch) : selected_tell_unflagged(c, &ch));
	bool told = (flags && ch.changed_n > 0) || (n->fetch.size > 0 && ch.arrived > 0);
	return told ? selected_tell_highest(c) : ST_OK; /* with them came MODSEQs */
}

status notify_tell(conversation *c, bool idling)
{
	struct notify *n = imap_of(c)->notify;
	usec left = n->told_at + NEWS_GAP - clock_now();

	if (idling && left > 0)
		TRY(task_sleep(left));
	n->told_at = clock_now();
	if (imap_of(c)->selected)
		TRY(tell_selected(c, n, idling));
	return events_anywhere(n) ? tell_folders(c, n) : ST_OK;
}

status notify_arrived(conversation *c, int count)
{
	const struct imap *i = imap_of(c);
	const struct view *v = i->selected->view;

	if (!i->notify || i->notify->fetch.size == 0)
		return ST_OK;
	return fetch_items_tell(c, i->notify->fetch, v->uids + (v->n - count), count);
}

notice *notify_raised(const conversation *c)
{
	const struct notify *n = imap_of(c)->notify;

	return n ? n->raised : NULL;
}

/* News that come thick and fast are told together. */
static status gap_wait(conversation *c, const struct notify *n, bool *input)
{
	usec left = n->told_at + NEWS_GAP - clock_now();
	status s = left > 0 ? stream_wait_input(c->stream, left) : ST_TIMED_OUT;

	*input = s == ST_OK;
	return s == ST_TIMED_OUT ? ST_OK : s;
}

status notify_wait(conversation *c, usec patience)
{
	usec until = clock_now() + patience;

	while (imap_of(c)->notify && stream_pending(c->stream) == 0) {
		const struct notify *n = imap_of(c)->notify;
		usec span = until - clock_now();
		bool noticed, input, again = n->missed && span > USEC_S;
		status s =
			stream_wait_input_or(c->stream, n->raised, again ? USEC_S : span, &noticed);

		if (s == ST_OK && !noticed)
			return ST_OK;
		if (s != ST_OK && (s != ST_TIMED_OUT || !again))
			return s;
		TRY(gap_wait(c, n, &input));
		imap_pace(c);
		TRY(notify_tell(c, false));
		stream_patience(c->stream, until > clock_now() ? until - clock_now() : 0, 0, 0);
		arena_release(&c->command);
		if (input)
			return ST_OK;
	}
	return ST_OK;
}

/* ---- the command */

void notify_close(conversation *c)
{
	struct notify *n = imap_of(c)->notify;

	if (!n)
		return;
	imap_of(c)->notify = NULL;
	news_close(&n->news);
	for (int k = 0; k < n->watches_n; k++)
		news_close(&n->watches[k].news);
	memory_free(n->watches);
	notice_close(&n->raised);
	arena_release(&n->told.a);
	arena_release(&n->a);
	memory_free(n);
}

/* What was read lives with the command; what is wanted lives longer. */
static struct notify *keep(conversation *c, const struct notify_asked *x)
{
	const struct imap *i = imap_of(c);
	struct notify *n = memory_new(sizeof *n);

	*n = (struct notify){.mailbox = i->who.mailbox, .groups_n = x->n, .raised = notice_open()};
	n->news = news_open(i->who.postoffice, i->who.mailbox, 0, n->raised);
	n->groups = arena_new_array(&n->a, (size_t)x->n, sizeof *n->groups);
	n->fetch = arena_copy(&n->a, x->fetch);
	for (int k = 0; k < x->n; k++) {
		struct filter *f = &n->groups[k].folders;

		n->groups[k] = x->group[k];
		f->names = arena_new_array(&n->a, (size_t)f->names_n, sizeof *f->names);
		for (int name = 0; name < f->names_n; name++)
			f->names[name] = arena_copy(&n->a, x->group[k].folders.names[name]);
	}
	return n;
}

/* What is said of a folder before the answer: that it is closed to the reader, or how it is. */
static status tell_first(
	conversation *c, const struct notify *n, const struct place *at, bool with_status)
{
	if (is_closed(at) && events_asked(n, at))
		return say_name(c, at, false, S(""));
	if (with_status && at->id && !is_selected(c, at) && (events_of(n, at) & WANTS_MESSAGES))
		return say_status(c, at);
	return ST_OK;
}

static status begin(conversation *c, const struct notify_asked *x)
{
	struct imap *i = imap_of(c);
	struct notify *n;
	status s;

	notify_close(c);
	if (x->n == 0)
		return imap_ok(c, "Nothing is told unasked");
	n = i->notify = keep(c, x);
	s = events_anywhere(n) ? look(c, n, &n->told) : ST_OK;
	if (s != ST_OK)
		notify_close(c);
	if (s == ST_LIMITED)
		return imap_no(c, "[NOTIFICATIONOVERFLOW] There are too many folders to watch");
	if (s != ST_OK)
		return imap_trouble(c, s);
	watch_others(c, n, &n->told);
	for (int k = 0; k < n->told.places_n; k++)
		TRY(tell_first(c, n, &n->told.places[k], x->status));
	return imap_ok(c, "It is told when it happens");
}

static status imap_notify(conversation *c, args *p)
{
	struct notify_asked *x = arena_new(&c->command, sizeof *x);
	text known = TEXT_INIT;

	x->p = p;
	TRY(notify_read(x));
	if (!x->unknown)
		return begin(c, x);
	notify_known(&known);
	status s = imap_no(c, "[BADEVENT (%s)] One of these events is not known", known.at);
	text_free(&known);
	return s;
}

const struct imap_row imap_notify_rows[] = {
	{"NOTIFY", imap_notify, AT_LOGGED_ON, 0,
		"NOTIFY NONE | SET [STATUS] (folders events) ..: what is told unasked"},
	{0},
};
