/* The selected folder: leaving it, telling what changed, and the messages a set means. */
#include "service/imap/selected.h"

#include "base/memory.h"
#include "provider/acl.h"
#include "service/imap/context.h"
#include "service/imap/notify.h"
#include "task/task.h"

#include <inttypes.h>

#define RENEW_GAP USEC_S
#define RENEW_PAUSE (200 * USEC_MS)

static void flag_names(const view *v, int64_t flags, text *out)
{
	for (int bit = 0; bit < 63; bit++) {
		slice name = flags >> bit & 1 ? keyword_name(&v->keywords, bit) : S("");

		if (name.size > 0 && out->size > 0)
			text_add_char(out, ' ');
		text_add(out, name);
	}
}

void selected_close(conversation *c)
{
	struct imap *i = imap_of(c);

	if (!i->selected)
		return;
	context_close(i->selected);
	view_close(&i->selected->view);
	memory_free(i->selected->saved);
	memory_free(i->selected->held);
	if (i->selected->shared)
		memory_free((char *)i->selected->shown.at);
	memory_free(i->selected);
	i->selected = NULL;
	if (i->state == AT_SELECTED)
		i->state = AT_AUTHENTICATED;
}

/* ---- rights to a folder of others (RFC 4314 4) */

bool selected_may(const conversation *c, unsigned rights)
{
	return !(rights & ~imap_of(c)->selected->rights);
}

int64_t rights_flags(unsigned rights)
{
	const int64_t others = VIEW_ALL_FLAGS & ~(int64_t)(FLAG_SEEN | FLAG_DELETED);

	return (rights & ACL_SEEN ? FLAG_SEEN : 0) | (rights & ACL_DELETE ? FLAG_DELETED : 0) |
	       (rights & ACL_WRITE ? others : 0);
}

unsigned flags_rights(int64_t flags)
{
	return (flags & FLAG_SEEN ? ACL_SEEN : 0) | (flags & FLAG_DELETED ? ACL_DELETE : 0) |
	       (flags & ~(int64_t)(FLAG_SEEN | FLAG_DELETED) ? ACL_WRITE : 0);
}

bool selected_writable(const struct selected *s)
{
	return !s->view->read_only &&
	       (s->rights & (ACL_INSERT | ACL_EXPUNGE | ACL_SEEN | ACL_WRITE | ACL_DELETE));
}

static status tell_rights(conversation *c, bool was_writable)
{
	bool writable = selected_writable(imap_of(c)->selected);

	TRY(selected_tell_permanent(c));
	if (writable == was_writable)
		return ST_OK;
	return conversation_say(c, writable ? "* OK [READ-WRITE] You may change it now"
					    : "* OK [READ-ONLY] You may change it no more");
}

status selected_lost(conversation *c)
{
	c->closing = true;
	return conversation_say(c, "* BYE " SELECTED_LOST);
}

/* ST_ABSENT: it is gone, or not for him any more. */
static status rights_now(conversation *c, unsigned *rights)
{
	const unsigned least = ACL_LOOKUP | ACL_READ;
	const struct imap *i = imap_of(c);
	struct selected *sel = i->selected;
	arena a = ARENA_INIT;
	struct acl_place now;
	status s = acl_again(i->who.postoffice, i->who.mailbox, sel->view->folder, &a, &now);

	arena_release(&a);
	sel->unknown = s != ST_OK && s != ST_ABSENT;
	TRY(s);
	sel->renewed_at = clock_now();
	*rights = now.rights;
	return (now.rights & least) == least ? ST_OK : ST_ABSENT;
}

/* What the database cannot say just now is asked again: what is sent meanwhile is nothing. */
static status rights_awaited(conversation *c, unsigned *rights)
{
	usec until = clock_now() + setting_number(S_db_silence_most, NULL);
	status s;

	while ((s = rights_now(c, rights)) == ST_BUSY && clock_now() < until)
		TRY(task_sleep(RENEW_PAUSE));
	return s;
}

static status renew(conversation *c, status (*ask)(conversation *c, unsigned *rights))
{
	struct selected *sel = imap_of(c)->selected;
	unsigned rights;
	status s = ask(c, &rights);

	if (s == ST_ABSENT)
		selected_close(c);
	TRY(s);
	if (rights == sel->rights)
		return ST_OK;
	bool was = selected_writable(sel);
	sel->rights = rights;
	return tell_rights(c, was);
}

static bool is_shared(const conversation *c)
{
	const struct selected *sel = imap_of(c)->selected;

	return sel && sel->shared;
}

static bool is_late(const conversation *c)
{
	return is_shared(c) && clock_now() >= imap_of(c)->selected->renewed_at + RENEW_GAP;
}

status selected_renew(conversation *c)
{
	return is_shared(c) ? renew(c, rights_now) : ST_OK;
}

status selected_renew_late(conversation *c)
{
	return is_late(c) ? selected_renew(c) : ST_OK;
}

status selected_renew_amid(conversation *c)
{
	return is_late(c) ? renew(c, rights_awaited) : ST_OK;
}

status selected_stays(conversation *c)
{
	unsigned rights;

	return is_late(c) ? rights_awaited(c, &rights) : ST_OK;
}

/* ---- telling */

status selected_tell_permanent(conversation *c)
{
	const struct selected *sel = imap_of(c)->selected;
	bool makes = (sel->rights & ACL_WRITE) && sel->view->keywords.n < KEYWORDS_MOST;
	text names = TEXT_INIT;

	if (!sel->view->read_only)
		flag_names(
			sel->view, rights_flags(sel->rights) & selected_flags_known(sel), &names);
	if (!sel->view->read_only && makes)
		text_add_z(&names, names.size > 0 ? " \\*" : "\\*");
	status s = conversation_say(
		c, "* OK [PERMANENTFLAGS (%s)] Flags that stay", names.size ? names.at : "");
	text_free(&names);
	return s;
}

int64_t selected_flags_known(const struct selected *s)
{
	const int64_t fixed = ((int64_t)1 << KEYWORD_FIRST) - 1;
	int64_t known = fixed | ((((int64_t)1 << s->view->keywords.n) - 1) << KEYWORD_FIRST);

	return s->shared ? known & (fixed | s->used) : known;
}

void selected_flags_look(struct selected *s)
{
	for (int n = 0; s->shared && n < s->view->count; n++)
		s->used |= s->view->entries[n].flags;
}

static void flags_used(struct selected *s, uint32_t uid)
{
	const struct view_entry *e = view_find(s->view, uid);

	s->used |= e ? e->flags : 0;
}

status selected_tell_names(conversation *c)
{
	struct selected *sel = imap_of(c)->selected;
	text names = TEXT_INIT;

	sel->told |= selected_flags_known(sel);
	flag_names(sel->view, sel->told, &names);
	status s = conversation_say(c, "* FLAGS (%s)", names.at);
	text_free(&names);
	return s;
}

void selected_flags_text(const struct selected *s, const struct view_entry *e, text *out)
{
	bool first = true;

	text_add_char(out, '(');
	for (int64_t left = e->flags; left > 0; left &= left - 1) {
		slice name = keyword_name(&s->view->keywords, __builtin_ctzll((uint64_t)left));

		if (name.size == 0)
			continue;
		if (!first)
			text_add_char(out, ' ');
		text_add(out, name);
		first = false;
	}
	if (e->uid >= s->recent)
		text_add(out, first ? S("\\Recent") : S(" \\Recent"));
	text_add_char(out, ')');
}

static status tell_gone(conversation *c, const struct view_change *ch)
{
	const struct imap *i = imap_of(c);
	text list = TEXT_INIT;
	uint32_t *rising;

	if (ch->gone_n == 0)
		return ST_OK;
	TRY(context_gone(c, ch));
	if (!i->qresync && !i->uidonly) {
		for (int n = 0; n < ch->gone_n; n++) {
			text_add(&list, S("* "));
			text_add_number(&list, ch->gone[n]);
			text_add(&list, S(" EXPUNGE\r\n"));
		}
		status told = stream_write(c->stream, text_slice(&list));
		text_free(&list);
		return told;
	}
	rising = arena_new_array(&c->command, (size_t)ch->gone_n, sizeof *rising);
	for (int n = 0; n < ch->gone_n; n++)
		rising[n] = ch->gone_uids[ch->gone_n - 1 - n];
	imap_numbers_text(rising, (size_t)ch->gone_n, &list);
	status s = conversation_say(c, "* VANISHED %s", list.at);
	text_free(&list);
	return s;
}

void selected_fetch_text(conversation *c, uint32_t uid, text *out)
{
	const struct imap *i = imap_of(c);

	text_add(out, S("* "));
	text_add_number(out, i->uidonly ? (int64_t)uid : view_number(i->selected->view, uid));
	text_add(out, i->uidonly ? S(" UIDFETCH ") : S(" FETCH "));
}

status selected_tell_flags(conversation *c, uint32_t uid)
{
	const struct imap *i = imap_of(c);
	const struct selected *sel = i->selected;
	const struct view_entry *e = view_find(sel->view, uid);
	text line = TEXT_INIT;

	if (!e || view_number(sel->view, uid) == 0)
		return ST_OK;
	selected_fetch_text(c, uid, &line);
	if (!i->uidonly) {
		text_add(&line, S("(UID "));
		text_add_number(&line, uid);
	}
	text_add(&line, i->uidonly ? S("(FLAGS ") : S(" FLAGS "));
	selected_flags_text(sel, e, &line);
	if (i->condstore) {
		text_add(&line, S(" MODSEQ ("));
		text_add_number(&line, e->modseq);
		text_add_char(&line, ')');
	}
	text_add(&line, S(")\r\n"));
	status s = stream_write(c->stream, text_slice(&line));
	text_free(&line);
	return s;
}

/* Names come before they are used; those that PERMANENTFLAGS leaves out a client takes for names
   that do not stay (RFC 9051 7.1). */
static status tell_names(conversation *c, struct selected *sel, const struct view_change *ch)
{
	for (int n = 0; sel->shared && n < ch->changed_n; n++)
		flags_used(sel, ch->changed[n]);
	for (int n = 0; sel->shared && n < ch->arrived; n++)
		flags_used(sel, sel->view->uids[sel->view->n - 1 - n]);
	if (!(selected_flags_known(sel) & ~sel->told))
		return ST_OK;
	TRY(selected_tell_names(c));
	return selected_tell_permanent(c);
}

status selected_tell_modseq(conversation *c, uint32_t uid)
{
	const struct view_entry *e = view_find(imap_of(c)->selected->view, uid);
	text line = TEXT_INIT;

	if (!e)
		return ST_OK;
	selected_fetch_text(c, e->uid, &line);
	text_add_char(&line, '(');
	if (!imap_of(c)->uidonly)
		text_format(&line, "UID %u ", e->uid);
	text_format(&line, "MODSEQ (%" PRId64 "))\r\n", e->modseq);
	status s = stream_write(c->stream, text_slice(&line));
	text_free(&line);
	return s;
}

/* What the client takes its flags for; -1: it takes them for nothing. */
static int64_t flags_expected(const struct selected_silent *silent, uint32_t uid)
{
	int at = silent->uids ? view_place(silent->uids, silent->n, uid) : silent->n;

	return at < silent->n && silent->uids[at] == uid ? silent->flags[at] : -1;
}

int selected_recent(const struct selected *s)
{
	return s->view->n - view_place(s->view->uids, s->view->n, s->recent);
}

/* RECENT goes with EXISTS (RFC 3501 7.3.2), where there is something that could be recent. */
static status tell_arrived(conversation *c, const struct view_change *ch)
{
	const struct selected *sel = imap_of(c)->selected;

	if (ch->arrived == 0)
		return ST_OK;
	TRY(stream_format(c->stream, "* %d EXISTS\r\n", sel->view->n));
	if (sel->recent != UINT32_MAX)
		TRY(stream_format(c->stream, "* %d RECENT\r\n", selected_recent(sel)));
	return notify_arrived(c, ch->arrived);
}

/* ---- flags that were held back */

static bool is_held(const struct selected *sel, uint32_t uid)
{
	int at = sel->held_n ? view_place(sel->held, sel->held_n, uid) : 0;

	return at < sel->held_n && sel->held[at] == uid;
}

/* What changed, with what was held back: both rise. */
static struct view_change with_held(conversation *c, const struct view_change *ch)
{
	const struct selected *sel = imap_of(c)->selected;
	struct view_change both = *ch;
	int held = 0, n = 0;

	if (sel->held_n == 0)
		return both;
	uint32_t *all = arena_new_array(
		&c->command, (size_t)sel->held_n + (size_t)ch->changed_n, sizeof *all);
	for (int k = 0; k < ch->changed_n; k++) {
		while (held < sel->held_n && sel->held[held] < ch->changed[k])
			all[n++] = sel->held[held++];
		held += held < sel->held_n && sel->held[held] == ch->changed[k];
		all[n++] = ch->changed[k];
	}
	while (held < sel->held_n)
		all[n++] = sel->held[held++];
	both.changed = all;
	both.changed_n = n;
	return both;
}

static void held_set(struct selected *sel, const struct view_change *both)
{
	memory_free(sel->held);
	sel->held = NULL;
	sel->held_n = both ? both->changed_n : 0;
	if (sel->held_n == 0)
		return;
	sel->held = memory_new_array((size_t)sel->held_n, sizeof *sel->held);
	memcpy(sel->held, both->changed, (size_t)sel->held_n * sizeof *sel->held);
}

/* Something of the view is not told yet: messages that are gone and keep their numbers, or flags. */
static bool holds_back(const struct selected *sel)
{
	return sel->view->n > sel->view->count || sel->held_n > 0;
}

/* After all of a change was told, but for what was held back. */
static void told_take(struct selected *sel)
{
	if (!holds_back(sel))
		sel->safe = sel->view->modseq;
}

status selected_tell_unflagged(conversation *c, const struct view_change *ch)
{
	struct selected *sel = imap_of(c)->selected;
	const struct view_change both = with_held(c, ch);

	TRY(tell_gone(c, ch));
	TRY(tell_arrived(c, ch));
	TRY(tell_names(c, sel, ch));
	held_set(sel, &both);
	told_take(sel);
	return context_changed(c, ch);
}

/* ---- all of it */

status selected_tell_stored(
	conversation *c, const struct view_change *change, const struct selected_silent *silent)
{
	const struct imap *i = imap_of(c);
	struct selected *sel = i->selected;
	const struct view_change both = with_held(c, change), *ch = &both;

	TRY(tell_gone(c, ch));
	TRY(tell_arrived(c, ch));
	TRY(tell_names(c, sel, ch));
	for (int n = 0; n < ch->changed_n; n++) {
		const struct view_entry *e = view_find(sel->view, ch->changed[n]);
		bool known = e && e->modseq == ch->own && !is_held(sel, e->uid) &&
			     flags_expected(silent, e->uid) == e->flags;

		if (!known)
			TRY(selected_tell_flags(c, ch->changed[n]));
		else if (i->condstore) /* the client knows the flags, but not their MODSEQ (RFC
					  7162 3.1.3) */
			TRY(selected_tell_modseq(c, e->uid));
	}
	held_set(sel, NULL);
	told_take(sel);
	return context_changed(c, ch);
}

status selected_tell_others(conversation *c, const struct view_change *change)
{
	struct selected *sel = imap_of(c)->selected;
	const struct view_change both = with_held(c, change), *ch = &both;

	TRY(tell_gone(c, ch));
	TRY(tell_arrived(c, ch));
	TRY(tell_names(c, sel, ch));
	for (int n = 0; n < ch->changed_n; n++) {
		const struct view_entry *e = view_find(sel->view, ch->changed[n]);

		if (e && (e->modseq != ch->own || is_held(sel, e->uid)))
			TRY(selected_tell_flags(c, e->uid));
	}
	held_set(sel, NULL);
	told_take(sel);
	return context_changed(c, ch);
}

status selected_tell_change(conversation *c, const struct view_change *ch)
{
	return selected_tell_stored(c, ch, &(struct selected_silent){0});
}

status selected_tell(conversation *c, bool expunge)
{
	struct selected *sel = imap_of(c)->selected;
	struct view_change ch;
	status s = view_refresh(sel->view, !expunge, &c->command, &ch);

	/* A hint that cannot be had now comes with the next command. */
	return s == ST_OK ? selected_tell_change(c, &ch) : ST_OK;
}

status selected_tell_highest(conversation *c)
{
	struct imap *i = imap_of(c);
	struct selected *sel = i->selected;
	bool first = i->condstore && !i->modseq_told;

	i->modseq_told = i->condstore;
	if (!sel)
		return ST_OK;
	bool lower = (i->qresync && holds_back(sel)) || (i->condstore && sel->held_n > 0);
	if (!first && !lower && !sel->lowered)
		return ST_OK;
	sel->lowered = lower;
	return conversation_say(c, "* OK [HIGHESTMODSEQ %" PRId64 "] %s", sel->safe,
		lower ? "Something is not told yet" : "The last change");
}

/* ---- what is gone since (RFC 7162 3.2.5.1, 3.2.6) */

/* Adds the part of first..last that the client knows. */
static void vanished_add(const imap_set *known, uint32_t first, uint32_t last, text *out)
{
	size_t i = 0;

	do {
		uint32_t low = first, high = last;

		if (known) {
			if (i == known->count)
				return;
			low = known->range[i].low > low ? known->range[i].low : low;
			high = known->range[i].high < high ? known->range[i].high : high;
		}
		if (low < high)
			text_format(out, "%s%u:%u", out->size ? "," : "", low, high);
		else if (low == high)
			text_format(out, "%s%u", out->size ? "," : "", low);
	} while (known && ++i < known->count);
}

/* All UIDs that are not in the view. */
static void absent_add(const imap_set *known, const view *v, text *out)
{
	uint32_t next = 1;

	for (int n = 0; n < v->n; n++) {
		if (v->uids[n] > next)
			vanished_add(known, next, v->uids[n] - 1, out);
		next = v->uids[n] + 1;
	}
	if (v->uidnext > next)
		vanished_add(known, next, v->uidnext - 1, out);
}

status selected_tell_vanished(conversation *c, int64_t since, const imap_set *known)
{
	view *v = imap_of(c)->selected->view;
	struct view_range *ranges;
	bool complete;
	int n;
	text gone = TEXT_INIT;

	TRY(view_vanished(v, since, &c->command, &ranges, &n, &complete));
	for (int k = 0; complete && k < n; k++)
		vanished_add(known, ranges[k].first, ranges[k].last, &gone);
	if (!complete)
		absent_add(known, v, &gone);
	status s = gone.size ? conversation_say(c, "* VANISHED (EARLIER) %s", gone.at) : ST_OK;
	text_free(&gone);
	return s;
}

/* ---- sets */

/* Of a resolved set of message numbers: ST_INVALID with p->trouble when one is not there. */
static status numbers_check(args *p, const imap_set *set, int n)
{
	if (set->count == 0 ||
		(set->range[0].low > 0 && set->range[set->count - 1].high <= (uint32_t)n))
		return ST_OK;
	/* "1:*" of an empty folder is nothing; clients ask for it before they look. */
	if (n == 0 && set->range[set->count - 1].low == 0)
		return ST_OK;
	p->trouble = n ? "There is no message of that number" : "The folder is empty";
	return ST_INVALID;
}

static int uids_by_number(const view *v, const imap_set *set, uint32_t *to)
{
	int at = 0;

	for (size_t r = 0; v->n > 0 && r < set->count; r++)
		for (uint32_t number = set->range[r].low; number <= set->range[r].high; number++)
			to[at++] = v->uids[number - 1];
	return at;
}

static int uids_by_uid(const view *v, const imap_set *set, uint32_t *to)
{
	int at = 0;

	for (size_t r = 0; r < set->count; r++)
		for (int i = view_place(v->uids, v->n, set->range[r].low);
			i < v->n && v->uids[i] <= set->range[r].high; i++)
			to[at++] = v->uids[i];
	return at;
}

/* What SEARCH saved, as far as it is still there (RFC 5182 2.1). */
static int uids_saved(const struct selected *sel, uint32_t *to)
{
	int at = 0;

	for (size_t i = 0; i < sel->saved_n; i++)
		if (view_number(sel->view, sel->saved[i]) > 0)
			to[at++] = sel->saved[i];
	return at;
}

void selected_saved_set(conversation *c, imap_set *set)
{
	const struct selected *sel = imap_of(c)->selected;
	imap_range *range = arena_new_array(&c->command, sel->saved_n, sizeof *range);

	for (size_t i = 0; i < sel->saved_n; i++)
		range[i] = (imap_range){sel->saved[i], sel->saved[i]};
	*set = (imap_set){.range = range, .count = sel->saved_n};
	imap_set_resolve(set, IMAP_LAST);
}

status selected_uids(conversation *c, args *p, imap_set *set, bool by_uid, uint32_t **uids, int *n)
{
	const struct selected *sel = imap_of(c)->selected;
	const view *v = sel->view;

	*uids = arena_new_array(&c->command, (size_t)v->n + sel->saved_n, sizeof **uids);
	if (set->saved) {
		*n = uids_saved(sel, *uids);
		return ST_OK;
	}
	imap_set_resolve(set, by_uid ? (v->n ? v->uids[v->n - 1] : 0) : (uint32_t)v->n);
	if (!by_uid)
		TRY(numbers_check(p, set, v->n));
	*n = by_uid ? uids_by_uid(v, set, *uids) : uids_by_number(v, set, *uids);
	return ST_OK;
}

void selected_limit(conversation *c, uint32_t **uids, int *n)
{
	int64_t most = imap_messages_most(c);

	if (most == 0 || *n <= most)
		return;
	*uids += *n - most;
	*n = (int)most;
	imap_of(c)->limited_at = (*uids)[0];
}
