/* Entering and leaving folders: SELECT, EXAMINE, CLOSE, UNSELECT (RFC 9051 6.3.2, 6.4), with
   CONDSTORE and QRESYNC (RFC 7162); waiting for news: IDLE (6.3.13). */
#include "base/memory.h"
#include "provider/news.h"
#include "service/imap/names.h"
#include "service/imap/notify.h"
#include "service/imap/place.h"
#include "service/imap/selected.h"

#include <inttypes.h>

/* ---- what a folder is like */

static int first_unseen(const view *v)
{
	for (int n = 0; n < v->count; n++)
		if (!(v->entries[n].flags & FLAG_SEEN))
			return n + 1;
	return 0;
}

static status tell_folder(conversation *c, const view *v, slice written)
{
	const struct imap *i = imap_of(c);
	int unseen = first_unseen(v);
	text name = TEXT_INIT;

	selected_flags_look(i->selected);
	TRY(selected_tell_names(c));
	TRY(selected_tell_permanent(c));
	TRY(conversation_say(c, "* %d EXISTS", v->n));
	if (!i->rev2) {
		TRY(conversation_say(c, "* %d RECENT", selected_recent(i->selected)));
		if (unseen && !i->uidonly)
			TRY(conversation_say(c, "* OK [UNSEEN %d] The first not seen", unseen));
	}
	TRY(conversation_say(c, "* OK [UIDVALIDITY %u] UIDs are valid", v->uidvalidity));
	TRY(conversation_say(c, "* OK [UIDNEXT %u] The next UID", v->uidnext));
	TRY(conversation_say(c, "* OK [HIGHESTMODSEQ %" PRId64 "] The last change", v->modseq));
	imap_of(c)->modseq_told = i->condstore;
	TRY(conversation_say(c, "* OK [MAILBOXID (F%" PRId64 ")] Its lasting name", v->folder));
	if (!i->rev2)
		return ST_OK;
	imap_name_text(c, i->selected->shown, &name);
	imap_oldname_text(c, i->selected->shown, written, &name);
	status s = conversation_say(c, "* LIST () \"/\" %s", name.at);
	text_free(&name);
	return s;
}

/* ---- QRESYNC (RFC 7162 3.2.5): what became of the folder since the client looked last */

struct resync {
	bool asked;
	uint32_t uidvalidity;
	uint64_t modseq;
	bool some; /* only these are known to the client */
	imap_set known;
};

/* What the client knows by number: neither `*` nor `$` means anything before the folder is open (RFC
   7162 7). */
static status arg_known(args *p, imap_set *out)
{
	bool open = false;

	TRY(arg_set(p, out));
	for (size_t i = 0; i < out->count; i++)
		open = open || out->range[i].low == IMAP_LAST || out->range[i].high == IMAP_LAST;
	if (!open && !out->saved)
		return ST_OK;
	p->trouble = "QRESYNC wants numbers that are known";
	return ST_INVALID;
}

static status arg_resync(args *p, struct resync *r)
{
	imap_set numbers, uids;

	r->asked = true;
	TRY(arg_space(p));
	TRY(arg_expect(p, '('));
	TRY(arg_nz_number(p, &r->uidvalidity));
	TRY(arg_space(p));
	TRY(arg_modseq(p, &r->modseq));
	if (arg_take(p, ' ') && !arg_is(p, '(')) {
		TRY(arg_known(p, &r->known));
		r->some = true;
		if (!arg_take(p, ' '))
			return arg_expect(p, ')');
	}
	/* Pairs of numbers and UIDs would only shorten what is told; telling more is allowed. */
	if (imap_of(p->c)->uidonly && arg_is(p, '(')) {
		p->trouble = "[UIDREQUIRED] There are no message numbers after ENABLE UIDONLY";
		return ST_INVALID;
	}
	if (arg_take(p, '(')) {
		TRY(arg_known(p, &numbers));
		TRY(arg_space(p));
		TRY(arg_known(p, &uids));
		TRY(arg_expect(p, ')'));
	}
	return arg_expect(p, ')');
}

static status tell_resync(conversation *c, view *v, struct resync *r)
{
	status s;

	if (r->uidvalidity != v->uidvalidity)
		return ST_OK;
	imap_set_resolve(&r->known, v->uidnext - 1);
	s = selected_tell_vanished(c, (int64_t)r->modseq, r->some ? &r->known : NULL);
	for (int k = 0; s == ST_OK && k < v->count; k++)
		if (v->entries[k].modseq > (int64_t)r->modseq &&
			(!r->some || imap_set_has(&r->known, v->entries[k].uid)))
			s = selected_tell_flags(c, v->entries[k].uid);
	return s;
}

/* ---- SELECT and EXAMINE */

static status arg_select_options(args *p, struct resync *r)
{
	struct imap *i = imap_of(p->c);
	slice word;

	TRY(arg_expect(p, '('));
	do {
		TRY(arg_atom(p, &word));
		if (slice_same_nocase(word, S("CONDSTORE"))) {
			i->condstore = true;
		} else if (slice_same_nocase(word, S("QRESYNC"))) {
			if (!i->qresync) {
				p->trouble = "ENABLE QRESYNC first";
				return ST_INVALID;
			}
			TRY(arg_resync(p, r));
		} else {
			p->trouble = "SELECT knows the options CONDSTORE and QRESYNC";
			return ST_INVALID;
		}
	} while (arg_take(p, ' '));
	return arg_expect(p, ')');
}

/* What is new in a folder of others stays so for its owner; who only reads is told what is new, and
   it stays so (RFC 3501 2.3.2, 6.3.2). */
static status open_place(conversation *c, slice name, bool read_only, struct place *p, view **v)
{
	TRY(place_find(c, name, ACL_READ, p));
	return place_open(p, (read_only ? VIEW_READ_ONLY : 0) | (p->shared ? 0 : VIEW_RECENT), v);
}

static struct selected *selected_new(conversation *c, view *v, const struct place *p)
{
	struct selected *sel = memory_new(sizeof *sel);

	*sel = (struct selected){.view = v,
		.shown = v->name,
		.rights = p->rights,
		.shared = p->shared,
		.recent = imap_of(c)->rev2 ? UINT32_MAX : v->recent,
		.safe = v->modseq,
		.renewed_at = clock_now()};
	if (p->shared)
		sel->shown = slice_of(memcpy(memory_new(p->shown.size), p->shown.at, p->shown.size),
			p->shown.size);
	return sel;
}

static status enter(conversation *c, slice name, bool read_only, struct resync *r)
{
	struct imap *i = imap_of(c);
	bool had = i->selected;
	struct place p;
	view *v;

	selected_close(c);
	if (had)
		TRY(conversation_say(c, "* OK [CLOSED] The folder before is closed"));
	status s = open_place(c, name, read_only, &p, &v);
	if (s != ST_OK)
		return imap_trouble(c, s);
	i->selected = selected_new(c, v, &p);
	i->state = AT_SELECTED;
	s = tell_folder(c, v, name);
	if (s == ST_OK && r->asked)
		s = tell_resync(c, v, r);
	if (s == ST_BUSY || s == ST_BROKEN) {
		selected_close(c);
		return imap_trouble(c, s);
	}
	TRY(s);
	return imap_ok(c, selected_writable(i->selected) ? "[READ-WRITE] Open"
							 : "[READ-ONLY] Open for reading");
}

static status enter_by(conversation *c, args *p, bool read_only)
{
	struct resync r = {0};
	slice name;

	TRY(arg_space(p));
	TRY(arg_mailbox(p, &name));
	if (arg_take(p, ' '))
		TRY(arg_select_options(p, &r));
	TRY(arg_end(p));
	return enter(c, name, read_only, &r);
}

static status imap_select(conversation *c, args *p)
{
	return enter_by(c, p, false);
}

static status imap_examine(conversation *c, args *p)
{
	return enter_by(c, p, true);
}

/* ---- leaving */

static status imap_close(conversation *c, args *p)
{
	struct view_change ch = {0};

	TRY(arg_end(p));
	status s = selected_renew(c);
	/* Who may not expunge leaves without doing so (RFC 4314 4). */
	if (s == ST_OK && !imap_of(c)->selected->view->read_only && selected_may(c, ACL_EXPUNGE))
		s = view_expunge(imap_of(c)->selected->view, NULL, 0, &c->command, &ch);
	if (s != ST_OK && s != ST_ABSENT)
		return imap_trouble(c, s);
	metric_add(M_messages_expunged, c->service, s == ST_OK ? ch.expunged : 0);
	selected_close(c);
	return imap_ok(c, "Closed");
}

static status imap_unselect(conversation *c, args *p)
{
	TRY(arg_end(p));
	selected_close(c);
	return imap_ok(c, "Closed");
}

/* ---- IDLE */

/* After a long silence the folder's entries are given back, four bytes a message stay (view_rest).
   Without them nothing true can be said of messages, so they are brought again before the next
   command. */
static status idle_wake(conversation *c)
{
	const struct selected *sel = imap_of(c)->selected;
	struct view_change ch;

	if (!sel || sel->view->entries)
		return ST_OK;
	if (sel->unknown)
		return ST_BUSY;
	TRY(view_refresh(sel->view, false, &c->command, &ch));
	return selected_tell_change(c, &ch);
}

/* Whether somebody may look is looked at again each time; what cannot be had now comes later. */
static status idle_renew(conversation *c)
{
	status s = selected_renew(c);

	return s == ST_BUSY || s == ST_BROKEN ? ST_OK : s;
}

static status idle_tell(conversation *c)
{
	TRY(idle_renew(c));
	return imap_of(c)->selected->unknown ? ST_OK : selected_tell(c, true);
}

/* Until the client says something, tells what changes. */
static status idle_watch(conversation *c, notice *news)
{
	struct imap *i = imap_of(c);
	usec keepalive = setting_number(S_imap_idle_keepalive, NULL), until;
	bool noticed = true;

	until = clock_now() + setting_number(S_imap_idle_patience, NULL);
	for (;;) {
		imap_pace(c);
		if (noticed && i->notify) {
			TRY(notify_tell(c, true));
			if (!i->notify) /* there was too much to tell: its notice is gone with it */
				news = NULL;
		} else if (noticed && i->selected) {
			TRY(idle_tell(c));
		}
		arena_release(&c->command);
		usec span = until - clock_now();
		status s = stream_wait_input_or(
			c->stream, news, span < keepalive ? span : keepalive, &noticed);

		if (s == ST_OK && !noticed)
			return ST_OK;
		if (s != ST_OK && (s != ST_TIMED_OUT || clock_now() >= until))
			return s;
		if (s != ST_TIMED_OUT)
			continue;
		imap_pace(c);
		TRY(idle_renew(c)); /* who leaves a group, or is removed, is no news of a folder */
		if (i->selected && !i->notify)
			view_rest(i->selected->view);
		TRY(conversation_say(
			c, "* OK Still here")); /* keeps the way open through address translators */
	}
}

static status idle(conversation *c, args *p)
{
	struct imap *i = imap_of(c);
	notice *wanted = notify_raised(c), *raised = wanted ? NULL : notice_open();
	const view *v = i->selected ? i->selected->view : NULL;
	news *n = v && !wanted ? news_open(v->postoffice, v->mailbox, v->folder, raised) : NULL;

	conversation_idle(c, true);
	metric_add(M_conversations_idling, c->service, 1);
	status s = idle_watch(c, wanted ? wanted : raised);
	metric_add(M_conversations_idling, c->service, -1);
	conversation_idle(c, false);
	news_close(&n);
	notice_close(&raised);
	if (c->told)
		return ST_CANCELLED;
	TRY(s);
	imap_pace(c);
	TRY(args_continue(p));
	TRY(arg_word(p, S("DONE")));
	return arg_end(p);
}

static status imap_idle(conversation *c, args *p)
{
	struct imap *i = imap_of(c);
	text tag = TEXT_INIT; /* the command arena is given back while waiting */

	TRY(arg_end(p));
	text_add(&tag, i->tag);
	status s = conversation_say(c, "+ idling");
	if (s == ST_OK)
		s = idle(c, p);
	i->tag = arena_copy(&c->command, text_slice(&tag));
	text_free(&tag);
	if (s == ST_INVALID)
		p->trouble = "IDLE ends with DONE";
	if (s != ST_OK && s != ST_ABSENT)
		return s;
	if (s == ST_OK)
		s = idle_renew(c);
	if (s == ST_OK)
		s = idle_wake(c);
	if (s == ST_OK)
		return imap_ok(c, "Idle no more");
	if (s != ST_ABSENT && s != ST_BUSY && s != ST_TIMED_OUT)
		return s;
	selected_close(c);
	c->closing = true;
	TRY(s == ST_ABSENT
			? selected_lost(c)
			: conversation_say(c,
				  "* BYE [UNAVAILABLE] The folder cannot be read now; come again"));
	return imap_no(c, "[UNAVAILABLE] Idle no more");
}

const struct imap_row imap_select_rows[] = {
	{"SELECT", imap_select, AT_LOGGED_ON, IMAP_QUIET | IMAP_LEAVES,
		"SELECT folder [(CONDSTORE | QRESYNC (..))]: open a folder"},
	{"EXAMINE", imap_examine, AT_LOGGED_ON, IMAP_QUIET | IMAP_LEAVES,
		"EXAMINE folder [(options)]: open it for reading"},
	{"CLOSE", imap_close, AT_SELECTED, IMAP_QUIET | IMAP_LEAVES,
		"CLOSE: expunge and leave the folder"},
	{"UNSELECT", imap_unselect, AT_SELECTED, IMAP_QUIET | IMAP_LEAVES,
		"UNSELECT: leave the folder as it is"},
	{"IDLE", imap_idle, AT_LOGGED_ON, 0, "IDLE: tells what changes, until DONE"},
	{0},
};
