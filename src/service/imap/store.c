/* Changing messages of the selected folder: STORE, EXPUNGE, COPY, MOVE (RFC 9051 6.4), and their
   UID forms (6.4.9), with UNCHANGEDSINCE (RFC 7162 3.1.3) and UIDPLUS (RFC 4315). A number may
   stand for a message that is gone; a UID of one is nothing (6.4.9). */
#include "service/imap/flags.h"
#include "service/imap/names.h"
#include "service/imap/place.h"
#include "service/imap/selected.h"

#include <inttypes.h>

/* ---- STORE */

struct store {
	imap_set set;
	bool by_uid, silent;
	char sign; /* '+', '-', or 0: replace */
	uint64_t unchanged_since;
	bool conditional;
	struct flag_words flags;
};

static status arg_store(args *p, struct store *s)
{
	slice item;

	TRY(arg_space(p));
	TRY(arg_set(p, &s->set));
	TRY(arg_space(p));
	if (arg_take(p, '(')) {
		TRY(arg_word(p, S("UNCHANGEDSINCE")));
		TRY(arg_space(p));
		TRY(arg_number(p, &s->unchanged_since));
		TRY(arg_expect(p, ')'));
		TRY(arg_space(p));
		s->conditional = true;
	}
	if (arg_is(p, '-') || arg_is(p, '+')) {
		s->sign = p->rest.at[0];
		arg_take(p, s->sign);
	}
	TRY(arg_atom(p, &item));
	s->silent = slice_same_nocase(item, S("FLAGS.SILENT"));
	if (!s->silent && !slice_same_nocase(item, S("FLAGS")))
		return ST_INVALID;
	TRY(arg_space(p));
	TRY(arg_flag_list(p, &s->flags));
	return arg_end(p);
}

/* Some of these numbers stand for messages that are gone. */
static bool some_are_gone(const view *v, const uint32_t *uids, int n)
{
	for (int k = 0; k < n; k++)
		if (!view_find(v, uids[k]))
			return true;
	return false;
}

/* Numbers or UIDs of the messages another one changed first. */
static void failed_text(
	const view *v, const struct store *s, const struct view_stored *done, arena *a, text *out)
{
	uint32_t *names = arena_new_array(a, (size_t)done->failed_n, sizeof *names);

	for (int n = 0; n < done->failed_n; n++)
		names[n] = s->by_uid ? done->failed[n] : (uint32_t)view_number(v, done->failed[n]);
	imap_numbers_text(names, (size_t)done->failed_n, out);
}

/* What was stored stays so, whatever became of the others: NO when some are gone, but to a silent
   STORE (RFC 2180 4.2, RFC 7162 3.1.3). `lacks`: some are. */
static status say_stored(
	conversation *c, const struct store *s, const struct view_stored *done, bool lacks)
{
	text list = TEXT_INIT;
	status said;

	if (done->failed_n > 0)
		failed_text(imap_of(c)->selected->view, s, done, &c->command, &list);
	if (done->failed_n > 0 && lacks && !s->silent)
		said = imap_no(c,
			"[MODIFIED %s] Some were changed by others first, and some are gone",
			list.at);
	else if (done->failed_n > 0)
		said = imap_ok(c, "[MODIFIED %s] Some were changed by others first", list.at);
	else if (lacks && !s->silent)
		said = imap_no(
			c, "[EXPUNGEISSUED] Some of the messages are gone; NOOP tells which");
	else
		said = imap_ok(
			c, lacks ? "[EXPUNGEISSUED] Some of the messages are gone; NOOP tells which"
				 : "Stored");
	text_free(&list);
	return said;
}

/* What the client will take the flags for, without being told. */
static void silent_take(conversation *c, const struct view_flags *change, const uint32_t *uids,
	int n, struct selected_silent *out)
{
	const view *v = imap_of(c)->selected->view;
	int64_t *flags = arena_new_array(&c->command, (size_t)n, sizeof *flags);

	for (int k = 0; k < n; k++) {
		const struct view_entry *e = view_find(v, uids[k]);

		flags[k] = e ? (e->flags & ~change->remove) | change->add : -1;
	}
	*out = (struct selected_silent){.uids = uids, .flags = flags, .n = n};
}

/* Of messages whose flags were as wanted already: the flags, to a STORE without SILENT; their
   MODSEQ, to one with UNCHANGEDSINCE, which is told of all it was done to (RFC 7162 3.1.3). */
static status tell_same(conversation *c, const struct store *s, const uint32_t *uids, int n,
	const struct view_stored *done)
{
	const uint32_t *told = done->change.changed, *failed = done->failed;
	int told_n = done->change.changed_n, failed_n = done->failed_n;

	if (s->silent && !s->conditional)
		return ST_OK;
	for (int k = 0; k < n; k++) {
		for (; told_n > 0 && *told < uids[k]; told++)
			told_n--;
		for (; failed_n > 0 && *failed < uids[k]; failed++)
			failed_n--;
		if ((told_n > 0 && *told == uids[k]) || (failed_n > 0 && *failed == uids[k]))
			continue;
		TRY(s->silent ? selected_tell_modseq(c, uids[k]) : selected_tell_flags(c, uids[k]));
	}
	return ST_OK;
}

/* As far as rights let it (RFC 4314 4): some of what was asked for is done; then the client is told
   what the flags are, for it does not know. False: nothing of it may be done. */
static bool change_allowed(const struct selected *sel, struct store *s, struct view_flags *change)
{
	int64_t allowed = rights_flags(sel->rights),
		named = change->add ? change->add : change->remove;

	if (!named) /* nothing, or keywords that have no bit */
		return s->flags.n == 0 || (sel->rights & ACL_WRITE);
	if (!(named & allowed))
		return false;
	s->silent = s->silent && !(~allowed & (change->add | change->remove));
	change->add &= allowed;
	change->remove &= allowed;
	return true;
}

static status store(conversation *c, args *p, bool by_uid)
{
	struct imap *i = imap_of(c);
	struct store s = {.by_uid = by_uid};
	struct view_flags change = {.unchanged_since = -1};
	struct selected_silent silent = {0};
	struct view_stored done;
	uint32_t *uids;
	int n;
	int64_t bits;

	TRY(arg_store(p, &s));
	TRY(selected_uids(c, p, &s.set, by_uid, &uids, &n));
	selected_limit(c, &uids, &n);
	if (i->selected->view->read_only)
		return imap_no(c, "[READ-ONLY] The folder is open for reading");
	status kind = flags_bits(c, p, &s.flags, i->selected->view->mailbox,
		s.sign != '-' && selected_may(c, ACL_WRITE), &bits);
	if (kind == ST_LIMITED)
		return flags_too_many(c);
	if (kind != ST_OK)
		return kind == ST_INVALID ? kind : imap_trouble(c, kind);
	change.add = s.sign == '-' ? 0 : bits;
	change.remove = s.sign == '-' ? bits : s.sign == '+' ? 0 : VIEW_ALL_FLAGS;
	if (!change_allowed(i->selected, &s, &change))
		return imap_no(c, "[NOPERM] These flags are not yours to change");
	if (s.conditional) {
		i->condstore = true;
		change.unchanged_since = (int64_t)s.unchanged_since;
	}
	if (s.silent)
		silent_take(c, &change, uids, n, &silent);
	kind = view_store(i->selected->view, uids, n, &change, !by_uid, &c->command, &done);
	if (kind != ST_OK)
		return imap_trouble(c, kind);
	TRY(selected_tell_stored(c, &done.change, &silent));
	if (!done.hidden) /* else the view has neither flags nor MODSEQ of now */
		TRY(tell_same(c, &s, uids, n, &done));
	bool lacks = done.removed || some_are_gone(i->selected->view, uids, n);
	return say_stored(c, &s, &done, !by_uid && lacks);
}

static status imap_store(conversation *c, args *p)
{
	return store(c, p, false);
}

static status imap_uid_store(conversation *c, args *p)
{
	return store(c, p, true);
}

/* ---- EXPUNGE */

static status expunge(conversation *c, const uint32_t *uids, int n)
{
	struct imap *i = imap_of(c);
	view *v = i->selected->view;
	struct view_change ch;

	if (v->read_only)
		return imap_no(c, "[READ-ONLY] The folder is open for reading");
	if (!selected_may(c, ACL_EXPUNGE))
		return imap_no(c, "[NOPERM] You may not expunge here");
	status s = view_expunge(v, uids, n, &c->command, &ch);
	if (s != ST_OK)
		return imap_trouble(c, s);
	metric_add(M_messages_expunged, c->service, ch.expunged);
	TRY(selected_tell_change(c, &ch));
	return imap_ok_highest(c, "Expunged");
}

static status imap_expunge(conversation *c, args *p)
{
	TRY(arg_end(p));
	return expunge(c, NULL, 0);
}

static status imap_uid_expunge(conversation *c, args *p)
{
	imap_set set;
	uint32_t *uids;
	int n;

	TRY(arg_space(p));
	TRY(arg_set(p, &set));
	TRY(arg_end(p));
	TRY(selected_uids(c, p, &set, true, &uids, &n));
	selected_limit(c, &uids, &n);
	return n ? expunge(c, uids, n) : imap_ok(c, "Nothing to expunge");
}

/* ---- COPY and MOVE */

struct copy {
	bool by_uid, move;
	imap_set set;
	slice name;
};

static status arg_copy(args *p, struct copy *x)
{
	TRY(arg_space(p));
	TRY(arg_set(p, &x->set));
	TRY(arg_space(p));
	TRY(arg_mailbox(p, &x->name));
	return arg_end(p);
}

static void copyuid_text(const struct view_copied *done, text *out)
{
	text_format(out, "COPYUID %u ", done->uidvalidity);
	imap_numbers_text(done->from, (size_t)done->n, out);
	text_add_char(out, ' ');
	imap_numbers_text(done->to, (size_t)done->n, out);
}

static status say_nothing_copied(
	conversation *c, const struct copy *x, const struct view_copied *done, bool lacks)
{
	TRY(selected_tell_change(c, &done->change));
	if (!lacks)
		return imap_ok(c, "There was nothing to %s", x->move ? "move" : "copy");
	return imap_no(c,
		x->move ? "[EXPUNGEISSUED] The messages are gone"
			: "[EXPUNGEISSUED] Some of the messages are gone, so nothing was copied; NOOP tells which");
}

/* As an EXPUNGE it tells the MODSEQ of the folder (RFC 6851 4.4). */
static status say_moved(conversation *c, bool lacks)
{
	const struct imap *i = imap_of(c);

	if (!lacks)
		return imap_ok_highest(c, "Moved");
	if (i->condstore)
		TRY(conversation_say(
			c, "* OK [HIGHESTMODSEQ %" PRId64 "] Moved", i->selected->safe));
	return imap_no(c, "[EXPUNGEISSUED] Some of the messages were gone; the others are moved");
}

/* By number a copy is made of all or of none (RFC 9051 6.4.7), and a move says when it could not
   have all (RFC 6851 3.3). */
static status say_copied(
	conversation *c, const struct copy *x, int asked, const struct view_copied *done)
{
	bool lacks = !x->by_uid && done->n < asked;
	text code = TEXT_INIT;
	status s;

	if (done->n == 0)
		return say_nothing_copied(c, x, done, lacks);
	copyuid_text(done, &code);
	/* Of a move the UIDs are told before the messages go (RFC 6851 4.3). */
	s = x->move ? conversation_say(c, "* OK [%s] Moved", code.at) : ST_OK;
	if (s == ST_OK)
		s = selected_tell_change(c, &done->change);
	if (s == ST_OK && x->move)
		s = say_moved(c, lacks);
	else if (s == ST_OK)
		s = imap_ok(c, "[%s] Copied", code.at);
	text_free(&code);
	return s;
}

/* Where both folders are the reader's own the store finds the other one itself. */
static status carry(conversation *c, const struct copy *x, const uint32_t *uids, int n,
	struct place *to, struct view_copied *out)
{
	const struct selected *sel = imap_of(c)->selected;
	view *v = sel->view;

	if (!to->shared && !sel->shared)
		return x->move ? view_move(v, uids, n, x->name, &c->command, out)
			       : view_copy(v, uids, n, x->name, !x->by_uid, &c->command, out);
	TRY(place_look(c, x->name, ACL_INSERT, to));
	struct view_target target = {.mailbox = to->f.mailbox,
		.name = to->f.name,
		.folder = to->f.id,
		.flags = rights_flags(to->rights)};
	return x->move ? view_move_to(v, uids, n, &target, &c->command, out)
		       : view_copy_to(v, uids, n, &target, !x->by_uid, &c->command, out);
}

static status copy(conversation *c, args *p, bool by_uid, bool move)
{
	struct copy x = {.by_uid = by_uid, .move = move};
	view *v = imap_of(c)->selected->view;
	struct place to;
	struct view_copied done;
	uint32_t *uids;
	int n;

	TRY(arg_copy(p, &x));
	TRY(selected_uids(c, p, &x.set, by_uid, &uids, &n));
	if (!move && imap_messages_most(c) > 0 && n > imap_messages_most(c)) /* all or none */
		return imap_no(c, "[MESSAGELIMIT %" PRId64 "] So many can be copied at a time",
			imap_messages_most(c));
	selected_limit(c, &uids, &n);
	if (move && !v->read_only && !selected_may(c, ACL_DELETE | ACL_EXPUNGE))
		return imap_no(c, "[NOPERM] You may not expunge here");
	status s = place_find(c, x.name, ACL_INSERT, &to);
	if (s == ST_DENIED)
		return imap_no(c, "[NOPERM] You may not put messages there");
	if (s == ST_OK)
		s = carry(c, &x, uids, n, &to, &done);
	switch (s) {
	case ST_OK:
		metric_add(M_messages_copied, c->service, done.n);
		return say_copied(c, &x, n, &done);
	case ST_ABSENT:
		return imap_no(c, "[TRYCREATE] There is no such folder; CREATE it first");
	case ST_DENIED:
		return imap_no(c, "[READ-ONLY] The folder is open for reading");
	default:
		return imap_trouble(c, s);
	}
}

static status imap_copy(conversation *c, args *p)
{
	return copy(c, p, false, false);
}

static status imap_uid_copy(conversation *c, args *p)
{
	return copy(c, p, true, false);
}

static status imap_move(conversation *c, args *p)
{
	return copy(c, p, false, true);
}

static status imap_uid_move(conversation *c, args *p)
{
	return copy(c, p, true, true);
}

/* Each of them has looked at the folder itself, in the same round trip. */
const struct imap_row imap_store_rows[] = {
	{"STORE", imap_store, AT_SELECTED, IMAP_QUIET | IMAP_BY_NUMBER,
		"STORE set [(UNCHANGEDSINCE n)] [+-]FLAGS[.SILENT] (flags)"},
	{"UID STORE", imap_uid_store, AT_SELECTED, IMAP_QUIET,
		"UID STORE set [(..)] [+-]FLAGS[.SILENT] (flags)"},
	{"EXPUNGE", imap_expunge, AT_SELECTED, IMAP_QUIET, "EXPUNGE: removes what is \\Deleted"},
	{"UID EXPUNGE", imap_uid_expunge, AT_SELECTED, IMAP_QUIET,
		"UID EXPUNGE set: removes what of it is \\Deleted"},
	{"COPY", imap_copy, AT_SELECTED, IMAP_QUIET | IMAP_BY_NUMBER, "COPY set folder"},
	{"UID COPY", imap_uid_copy, AT_SELECTED, IMAP_QUIET, "UID COPY set folder"},
	{"MOVE", imap_move, AT_SELECTED, IMAP_QUIET | IMAP_BY_NUMBER, "MOVE set folder"},
	{"UID MOVE", imap_uid_move, AT_SELECTED, IMAP_QUIET, "UID MOVE set folder"},
	{0},
};
