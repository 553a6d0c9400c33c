/* The tree of folders: LIST with its options (RFC 9051 6.3.9, RFC 5258, 5819, 6154), LSUB, STATUS,
   CREATE, DELETE, RENAME, SUBSCRIBE, UNSUBSCRIBE, NAMESPACE. */
#include "service/imap/metadata.h"
#include "service/imap/names.h"
#include "service/imap/place.h"
#include "service/imap/selected.h"

#include <inttypes.h>

#define PATTERNS_MOST 20

/* ---- patterns: `*` is anything, `%` anything but "/" */

#define NAME_MOST 4096 /* octets; the setting's greatest is less */

/* One character of the pattern further: at[i] is whether the pattern so far fits the first i
   octets. */
static bool step(char c, slice name, bool *at)
{
	bool any = false;

	for (size_t i = 1; c == '*' && i <= name.size; i++)
		at[i] = at[i] || at[i - 1];
	for (size_t i = 1; c == '%' && i <= name.size; i++)
		at[i] = at[i] || (at[i - 1] && name.at[i - 1] != '/');
	if (c == '*' || c == '%')
		return true;
	for (size_t i = name.size; i > 0; i--)
		any |= at[i] = at[i - 1] && name.at[i - 1] == c;
	at[0] = false;
	return any;
}

/* Costs no more than the product of both lengths, whatever stars there are (trust.md T25): stars
   side by side are one, and there are at most as many other characters as the name has. */
static bool matches(slice pattern, slice name)
{
	bool at[NAME_MOST + 1] = {true};
	char last = 0;

	if (name.size > NAME_MOST)
		return false;
	for (size_t p = 0; p < pattern.size; p++) {
		char c = pattern.at[p];

		if (last == '*' && (c == '*' || c == '%'))
			continue;
		if ((c != '%' || last != '%') && !step(c, name, at))
			return false;
		last = c;
	}
	return at[name.size];
}

/* ---- STATUS items */

enum {
	ITEM_MESSAGES = 1,
	ITEM_RECENT = 2,
	ITEM_UIDNEXT = 4,
	ITEM_UIDVALIDITY = 8,
	ITEM_UNSEEN = 16,
	ITEM_DELETED = 32,
	ITEM_SIZE = 64,
	ITEM_HIGHESTMODSEQ = 128,
	ITEM_MAILBOXID = 256,
	ITEM_DELETED_STORAGE = 512,
	ITEM_APPENDLIMIT = 1024
};

static const struct status_item {
	const char *name;
	unsigned bit;
} status_items[] = {
	{"MESSAGES", ITEM_MESSAGES},
	{"RECENT", ITEM_RECENT},
	{"UIDNEXT", ITEM_UIDNEXT},
	{"UIDVALIDITY", ITEM_UIDVALIDITY},
	{"UNSEEN", ITEM_UNSEEN},
	{"DELETED", ITEM_DELETED},
	{"SIZE", ITEM_SIZE},
	{"HIGHESTMODSEQ", ITEM_HIGHESTMODSEQ},
	{"MAILBOXID", ITEM_MAILBOXID},
	{"DELETED-STORAGE", ITEM_DELETED_STORAGE},
	{"APPENDLIMIT", ITEM_APPENDLIMIT},
};

static status arg_status_items(args *p, unsigned *items)
{
	slice word;

	*items = 0;
	TRY(arg_expect(p, '('));
	do {
		unsigned bit = 0;

		TRY(arg_atom(p, &word));
		if (imap_of(p->c)->rev2 && slice_same_nocase(word, S("RECENT"))) {
			p->trouble =
				"IMAP4rev2 knows no STATUS RECENT; UNSEEN and UIDNEXT tell what is new";
			return ST_INVALID;
		}
		for (size_t k = 0; k < sizeof status_items / sizeof *status_items; k++)
			if (slice_same_nocase(word, slice_z(status_items[k].name)))
				bit = status_items[k].bit;
		if (!bit) {
			p->trouble = "There is no such STATUS item";
			return ST_INVALID;
		}
		*items |= bit;
	} while (arg_take(p, ' '));
	if (*items & ITEM_HIGHESTMODSEQ)
		imap_of(p->c)->condstore = true;
	return arg_expect(p, ')');
}

static int64_t status_value(const folder *f, unsigned bit)
{
	switch (bit) {
	case ITEM_MESSAGES:
		return f->messages;
	case ITEM_RECENT:
		return f->uidnext > f->recent ? f->uidnext - f->recent : 0;
	case ITEM_UIDNEXT:
		return f->uidnext;
	case ITEM_UIDVALIDITY:
		return f->uidvalidity;
	case ITEM_UNSEEN:
		return f->unseen;
	case ITEM_DELETED:
		return f->deleted;
	case ITEM_SIZE:
		return f->bytes;
	default:
		return f->modseq;
	}
}

/* Octets that EXPUNGE would give back (RFC 9208 4.1.4): asked seldom, so they are not counted all
   the time. */
static status deleted_storage(const struct place *at, int64_t *octets)
{
	view *v;

	*octets = 0;
	if (at->f.deleted == 0)
		return ST_OK;
	TRY(place_open(at, VIEW_READ_ONLY, &v));
	for (int k = 0; k < v->count; k++)
		*octets += v->entries[k].flags & FLAG_DELETED ? v->entries[k].size : 0;
	view_close(&v);
	return ST_OK;
}

static status tell_status(conversation *c, const struct place *at, unsigned items, int64_t deleted)
{
	const folder *f = &at->f;
	text line = TEXT_INIT;
	const char *gap = "";

	text_add(&line, S("* STATUS "));
	imap_name_text(c, at->shown, &line);
	text_add(&line, S(" ("));
	for (size_t k = 0; k < sizeof status_items / sizeof *status_items; k++) {
		if (!(items & status_items[k].bit))
			continue;
		if (status_items[k].bit == ITEM_MAILBOXID)
			text_format(&line, "%sMAILBOXID (F%" PRId64 ")", gap, f->id);
		else
			text_format(&line, "%s%s %" PRId64, gap, status_items[k].name,
				status_items[k].bit == ITEM_DELETED_STORAGE ? deleted
				: status_items[k].bit == ITEM_APPENDLIMIT
					? imap_append_most(c)
					: status_value(f, status_items[k].bit));
		gap = " ";
	}
	text_add(&line, S(")\r\n"));
	status s = stream_write(c->stream, text_slice(&line));
	text_free(&line);
	return s;
}

static status imap_status(conversation *c, args *p)
{
	struct place at;
	slice name;
	unsigned items;
	int64_t deleted = 0;

	TRY(arg_space(p));
	TRY(arg_mailbox(p, &name));
	TRY(arg_space(p));
	TRY(arg_status_items(p, &items));
	TRY(arg_end(p));
	status s = place_look(c, name, ACL_READ, &at);
	if (s == ST_OK && (items & ITEM_DELETED_STORAGE))
		s = deleted_storage(&at, &deleted);
	if (s != ST_OK)
		return imap_trouble(c, s);
	TRY(tell_status(c, &at, items, deleted));
	return imap_ok(c, "That is all");
}

/* ---- LIST */

struct list {
	const char *word; /* LIST or LSUB */
	slice pattern[PATTERNS_MOST];
	int n;
	bool subscribed, recursive, special; /* only these are wanted */
	bool tell_subscribed, tell_rights;
	unsigned items;            /* STATUS of each */
	struct metadata *metadata; /* of each; NULL: not asked for */
};

/* A first level of INBOX is one in any case (RFC 9051 5.1). */
static slice pattern_of(conversation *c, slice reference, slice pattern)
{
	slice whole =
		arena_format(&c->command, "%.*s%.*s", SLICE_ARGS(reference), SLICE_ARGS(pattern));

	if (slice_starts_nocase(whole, S("INBOX")) &&
		(whole.size == 5 || strchr("/%*", whole.at[5])))
		whole = arena_format(&c->command, "INBOX%.*s", SLICE_ARGS(slice_from(whole, 5)));
	return whole;
}

static status arg_selection(args *p, struct list *l)
{
	slice word;

	TRY(arg_expect(p, '('));
	if (arg_take(p, ')'))
		return arg_space(p);
	do {
		TRY(arg_atom(p, &word));
		if (slice_same_nocase(word, S("SUBSCRIBED")))
			l->subscribed = l->tell_subscribed = true;
		else if (slice_same_nocase(word, S("RECURSIVEMATCH")))
			l->recursive = true;
		else if (slice_same_nocase(word, S("SPECIAL-USE")))
			l->special = true;
		else if (!slice_same_nocase(word, S("REMOTE"))) {
			p->trouble =
				"LIST selects by SUBSCRIBED, RECURSIVEMATCH, SPECIAL-USE and REMOTE";
			return ST_INVALID;
		}
	} while (arg_take(p, ' '));
	TRY(arg_expect(p, ')'));
	if (l->recursive && !l->subscribed) {
		p->trouble = "RECURSIVEMATCH wants something to match, SUBSCRIBED";
		return ST_INVALID;
	}
	return arg_space(p);
}

static status arg_patterns(args *p, struct list *l)
{
	slice reference, pattern;
	bool several;

	TRY(arg_mailbox(p, &reference));
	TRY(arg_space(p));
	several = arg_take(p, '(');
	do {
		if (l->n == PATTERNS_MOST) {
			p->trouble = "Too many patterns";
			return ST_INVALID;
		}
		TRY(arg_mailbox_pattern(p, &pattern));
		l->pattern[l->n++] = pattern.size == 0 && !several
					     ? pattern
					     : pattern_of(p->c, reference, pattern);
	} while (several && arg_take(p, ' '));
	return several ? arg_expect(p, ')') : ST_OK;
}

static status arg_returns(args *p, struct list *l)
{
	slice word;

	TRY(arg_word(p, S("RETURN")));
	TRY(arg_space(p));
	TRY(arg_expect(p, '('));
	if (arg_take(p, ')'))
		return ST_OK;
	do {
		TRY(arg_atom(p, &word));
		if (slice_same_nocase(word, S("SUBSCRIBED"))) {
			l->tell_subscribed = true;
		} else if (slice_same_nocase(word, S("STATUS"))) {
			TRY(arg_space(p));
			TRY(arg_status_items(p, &l->items));
		} else if (slice_same_nocase(word, S("MYRIGHTS"))) {
			l->tell_rights = true;
		} else if (slice_same_nocase(word, S("METADATA")) && !l->metadata) {
			l->metadata = arena_new(&p->c->command, sizeof *l->metadata);
			TRY(arg_space(p));
			TRY(arg_entries(p, l->metadata));
		} else if (!slice_same_nocase(word, S("CHILDREN")) &&
			   !slice_same_nocase(word, S("SPECIAL-USE"))) {
			p->trouble =
				"LIST returns SUBSCRIBED, CHILDREN, SPECIAL-USE, MYRIGHTS, STATUS (..) and METADATA (..)";
			return ST_INVALID;
		}
	} while (arg_take(p, ' '));
	return arg_expect(p, ')');
}

static bool is_wanted(const struct list *l, slice name)
{
	for (int k = 0; k < l->n; k++)
		if (matches(l->pattern[k], name))
			return true;
	return false;
}

/* Something below row `at` is subscribed to; `unmatched`: and matches no pattern itself. */
static bool subscribed_below(
	const struct list *l, const struct folder_row *rows, int n, int at, bool unmatched)
{
	slice name = rows[at].f.name;

	for (int k = at + 1; k < n; k++) {
		if (!slice_starts(rows[k].f.name, name) || rows[k].f.name.at[name.size] != '/')
			return false;
		if (rows[k].subscribed && !(unmatched && is_wanted(l, rows[k].f.name)))
			return true;
	}
	return false;
}

struct looked { /* what is known of a row besides */
	struct place at;
	bool opens;
	int64_t deleted; /* octets, when they are asked for */
};

/* What cannot be opened, for want of the right to read or because it was removed meanwhile, has no
   STATUS, and LIST says so (RFC 5819 2). */
static status row_look(
	conversation *c, const struct list *l, const struct folder_row *row, struct looked *out)
{
	place_of(c, row, &out->at);
	out->opens = row->f.id && (out->at.rights & ACL_READ);
	out->deleted = 0;
	if (!out->opens || !(l->items & ITEM_DELETED_STORAGE))
		return ST_OK;
	status s = deleted_storage(&out->at, &out->deleted);
	out->opens = s != ST_ABSENT;
	return s == ST_ABSENT ? ST_OK : s;
}

static status tell_row(conversation *c, const struct list *l, const struct folder_row *row,
	const struct looked *x, bool below)
{
	text line = TEXT_INIT;
	bool lsub = l->word[1] == 'S', is_name = !row->f.id || (lsub && !row->subscribed);

	text_format(
		&line, "* %s (%s", l->word, row->children ? "\\HasChildren" : "\\HasNoChildren");
	if (is_name && !lsub)
		text_add(&line, S(" \\NonExistent"));
	if (is_name || !x->opens)
		text_add(&line, S(" \\Noselect"));
	if (l->tell_subscribed && row->subscribed && !lsub)
		text_add(&line, S(" \\Subscribed"));
	if (row->f.special) {
		text_add_char(&line, ' ');
		folder_special_text(row->f.special, &line);
	}
	text_add(&line, S(") \"/\" "));
	imap_name_text(c, row->f.name, &line);
	if (below)
		text_add(&line, S(" (\"CHILDINFO\" (\"SUBSCRIBED\"))"));
	text_add(&line, S("\r\n"));
	status s = stream_write(c->stream, text_slice(&line));
	text_free(&line);
	return s;
}

/* What was asked for besides, of a folder that is there. */
static status tell_more(conversation *c, const struct list *l, const struct looked *x)
{
	if (l->tell_rights)
		TRY(rights_tell(c, x->at.shown, x->at.rights));
	if (l->metadata && x->opens)
		TRY(metadata_tell(c, l->metadata, &x->at));
	return l->items && x->opens ? tell_status(c, &x->at, l->items, x->deleted) : ST_OK;
}

static status list_row(
	conversation *c, const struct list *l, const struct folder_row *rows, int n, int at)
{
	const struct folder_row *row = &rows[at];
	bool lsub = l->word[1] == 'S', below;
	struct looked x;

	if (!is_wanted(l, row->f.name) || (l->special && !row->f.special))
		return ST_OK;
	/* What only stands for others below is left out where these are told (RFC 9051 6.3.9.6). */
	below = (l->recursive || lsub) &&
		subscribed_below(l, rows, n, at, lsub || !row->subscribed);
	if (l->subscribed ? !row->subscribed && !below : !row->f.id && !row->children)
		return ST_OK;
	TRY(row_look(c, l, row, &x));
	TRY(tell_row(c, l, row, &x, below && l->recursive));
	return row->f.id ? tell_more(c, l, &x) : ST_OK;
}

/* What is the reader's own of all folders that are wanted, in one round trip. */
static status list_metadata(
	conversation *c, const struct list *l, const struct folder_row *rows, int n)
{
	int64_t *folders = arena_new_array(&c->command, (size_t)n, sizeof *folders);
	int wanted = 0;

	for (int k = 0; k < n; k++)
		if (rows[k].f.id && is_wanted(l, rows[k].f.name))
			folders[wanted++] = rows[k].f.id;
	return metadata_read(c, l->metadata, folders, wanted);
}

static status list_run(conversation *c, const struct list *l)
{
	const struct imap *i = imap_of(c);
	struct folder_row *rows;
	int n;

	if (l->n == 1 && l->pattern[0].size == 0) { /* only the delimiter is asked for */
		TRY(conversation_say(c, "* %s (\\Noselect) \"/\" \"\"", l->word));
		return imap_ok(c, "That is all");
	}
	status s = acl_tree(i->who.postoffice, i->who.mailbox, &c->command, &rows, &n);
	if (s == ST_OK && l->metadata)
		s = list_metadata(c, l, rows, n);
	if (s != ST_OK)
		return imap_trouble(c, s);
	for (int k = 0; k < n; k++) {
		s = list_row(c, l, rows, n, k);
		if (s != ST_OK)
			return imap_trouble(c, s);
		TRY(task_breathe());
	}
	return imap_ok(c, "That is all");
}

static status imap_list(conversation *c, args *p)
{
	struct list l = {.word = "LIST"};

	TRY(arg_space(p));
	if (arg_is(p, '('))
		TRY(arg_selection(p, &l));
	TRY(arg_patterns(p, &l));
	if (arg_take(p, ' '))
		TRY(arg_returns(p, &l));
	TRY(arg_end(p));
	return list_run(c, &l);
}

static status imap_lsub(conversation *c, args *p)
{
	struct list l = {.word = "LSUB", .subscribed = true};

	TRY(arg_space(p));
	TRY(arg_patterns(p, &l));
	TRY(arg_end(p));
	return list_run(c, &l);
}

/* ---- changing the tree */

/* "(USE (\Sent))" of RFC 6154 3. `unknown`: one of them is none of ours. */
static status arg_use(args *p, unsigned *special, bool *unknown)
{
	slice word;

	TRY(arg_expect(p, '('));
	TRY(arg_word(p, S("USE")));
	TRY(arg_space(p));
	TRY(arg_expect(p, '('));
	if (arg_take(p, ')'))
		return arg_expect(p, ')');
	do {
		TRY(arg_flag(p, &word));
		*special |= folder_special_bit(word);
		*unknown = *unknown || !folder_special_bit(word);
	} while (arg_take(p, ' '));
	TRY(arg_expect(p, ')'));
	return arg_expect(p, ')');
}

/* Where a folder of this name would be made or moved to: one's own mailbox, or somebody else's
   where the nearest folder above gives the right to (RFC 4314 4). Whether there is one of that name
   already is told only to those who may know. */
static status room_find(conversation *c, slice name, struct place *out)
{
	struct place above;
	slice up = name;
	status s = place_find(c, name, 0, out);

	if (!folder_name_is_others(name))
		return s;
	if (s == ST_OK)
		return ST_EXISTS;
	for (size_t end; s == ST_ABSENT && (end = slice_find_last(up, '/')) < up.size;) {
		up = slice_until(up, end);
		s = place_above(c, up, &above);
	}
	if (s != ST_OK)
		return s == ST_ABSENT ? ST_DENIED : s;
	if (~above.rights & (ACL_LOOKUP | ACL_CREATE))
		return ST_DENIED;
	*out = above;
	return acl_name_split(name, &(slice){0}, &out->f.name) ? ST_OK : ST_ABSENT;
}

/* What a folder of one's own is called now, where it was written in another form. */
static status tell_form(conversation *c, const struct place *at, slice written)
{
	text line = TEXT_INIT;
	slice name;

	if (!imap_of(c)->rev2 || at->shared || folder_name(written, &c->command, &name) != ST_OK ||
		slice_same(name, written))
		return ST_OK;
	text_add(&line, S("* LIST () \"/\" "));
	imap_name_text(c, name, &line);
	imap_oldname_text(c, name, written, &line);
	text_add(&line, S("\r\n"));
	status s = stream_write(c->stream, text_slice(&line));
	text_free(&line);
	return s;
}

/* What can be said of a name without its folder, `fresh`: one that is to be. False: one may be called
   so. */
static bool name_refused(conversation *c, slice name, bool fresh, status *said)
{
	slice canonical;
	status s = fresh ? folder_name_new(name, &c->command, &canonical)
			 : folder_name(name, &c->command, &canonical);

	if (s == ST_INVALID)
		*said = imap_no(c,
			"[CANNOT] No folder is called so: each level has a name other than \".\" and \"..\", without *, %% and control characters; choose another one");
	if (s == ST_LIMITED)
		*said = imap_no(c,
			"[LIMIT] Names of folders are limited to %" PRId64 " octets and %" PRId64
			" levels here; choose a shorter one",
			setting_number(S_folder_name_most, NULL),
			setting_number(S_folder_depth_most, NULL));
	return s != ST_OK;
}

static int64_t folders_most(int64_t postoffice, int64_t mailbox)
{
	return setting_number(S_mailbox_folders_most,
		&(struct setting_at){.postoffice = postoffice, .mailbox = mailbox});
}

static status imap_create(conversation *c, args *p)
{
	struct place at;
	unsigned special = 0;
	bool unknown = false;
	slice name;
	folder *f;

	TRY(arg_space(p));
	TRY(arg_mailbox(p, &name));
	if (arg_take(p, ' '))
		TRY(arg_use(p, &special, &unknown));
	TRY(arg_end(p));
	if (unknown)
		return imap_no(c, "[USEATTR] A folder has no such special use here");
	/* "a/" says that there will be folders below, which every folder may have (RFC 9051
	   6.3.4). */
	if (name.size > 1 && name.at[name.size - 1] == '/')
		name.size--;
	status s = room_find(c, name, &at);
	if (s == ST_OK && at.shared && special)
		return imap_no(c, "[USEATTR] What folders of others are used for is theirs to say");
	if (s != ST_OK)
		return imap_trouble(c, s);
	if (name_refused(c, at.f.name, true, &s))
		return s;
	s = folder_make(at.f.postoffice, at.f.mailbox, at.f.name, special, &c->command, &f);
	if (at.shared && s == ST_EXISTS)
		return imap_trouble(c, ST_DENIED);
	if (s == ST_DENIED)
		return imap_no(c, "[USEATTR] Another folder has that special use");
	if (s == ST_LIMITED)
		return imap_no(c,
			"[LIMIT] Folders of a mailbox are limited to %" PRId64
			" here; DELETE some, or ask the operator for more",
			folders_most(at.f.postoffice, at.f.mailbox));
	if (s != ST_OK)
		return imap_trouble(c, s);
	TRY(tell_form(c, &at, name));
	return imap_ok(c, "[MAILBOXID (F%" PRId64 ")] Made", f->id);
}

static status arg_one_name(args *p, slice *name)
{
	TRY(arg_space(p));
	TRY(arg_mailbox(p, name));
	return arg_end(p);
}

static status imap_delete(conversation *c, args *p)
{
	struct place at;
	slice name;

	TRY(arg_one_name(p, &name));
	status s = place_find(c, name, ACL_REMOVE, &at);
	if (s == ST_DENIED)
		return imap_trouble(c, s);
	if (s == ST_OK)
		s = at.shared ? folder_remove_this(&at.f)
			      : folder_remove(at.f.postoffice, at.f.mailbox, at.f.name);
	if (s == ST_DENIED)
		return imap_no(c,
			"[CANNOT] INBOX stays, and so does a name that only stands for what is below it; DELETE what that is");
	return s == ST_OK ? imap_ok(c, "Removed") : imap_trouble(c, s);
}

static status imap_rename(conversation *c, args *p)
{
	struct place from, to;
	slice before, after;

	TRY(arg_space(p));
	TRY(arg_mailbox(p, &before));
	TRY(arg_one_name(p, &after));
	status s = place_find(c, before, ACL_REMOVE, &from);
	if (s == ST_OK)
		s = room_find(c, after, &to);
	if (s != ST_OK)
		return imap_trouble(c, s);
	if (from.f.mailbox != to.f.mailbox)
		return imap_no(c,
			"[CANNOT] A folder stays in its mailbox; make another one and move what is in it");
	if (from.shared && slice_same(from.f.name, S("INBOX")))
		return imap_trouble(c, ST_DENIED);
	if (name_refused(c, to.f.name, true, &s))
		return s;
	s = from.shared ? folder_rename_this(&from.f, to.f.name)
			: folder_rename(from.f.postoffice, from.f.mailbox, from.f.name, to.f.name);
	if (from.shared && s == ST_EXISTS && place_find(c, after, 0, &to) == ST_ABSENT)
		s = ST_DENIED;
	if (s == ST_INVALID)
		return imap_no(c,
			"[CANNOT] No other folder is called INBOX, and none stands below itself; choose another name");
	if (s == ST_LIMITED)
		return imap_no(c,
			"[LIMIT] Names of folders, those below this one too, are limited to %" PRId64
			" octets and %" PRId64 " levels here, and folders of a mailbox to %" PRId64
			"; choose a shorter name, below one that is there",
			setting_number(S_folder_name_most, NULL),
			setting_number(S_folder_depth_most, NULL),
			folders_most(to.f.postoffice, to.f.mailbox));
	if (s != ST_OK)
		return imap_trouble(c, s);
	TRY(tell_form(c, &to, after));
	return imap_ok(c, "Renamed");
}

static status subscribe(conversation *c, args *p, bool on)
{
	const struct imap *i = imap_of(c);
	struct place at;
	slice name;

	TRY(arg_one_name(p, &name));
	status s = place_find(c, name, 0, &at); /* as it is written where it is told of */
	if (s != ST_OK && s != ST_ABSENT)
		return imap_trouble(c, s);
	if (s == ST_OK)
		name = at.shown;
	if (name_refused(c, name, on, &s))
		return s;
	s = folder_subscribe(i->who.postoffice, i->who.mailbox, name, on);
	if (s == ST_LIMITED)
		return imap_no(c,
			"[LIMIT] Subscriptions of a mailbox are limited to %" PRId64
			" here; UNSUBSCRIBE some, or ask the operator for more",
			2 * folders_most(i->who.postoffice, i->who.mailbox));
	return s == ST_OK ? imap_ok(c, on ? "Subscribed" : "Subscribed no more")
			  : imap_trouble(c, s);
}

static status imap_subscribe(conversation *c, args *p)
{
	return subscribe(c, p, true);
}

static status imap_unsubscribe(conversation *c, args *p)
{
	return subscribe(c, p, false);
}

/* RFC 9051 6.3.10: one's own folders, and those of others. */
static status imap_namespace(conversation *c, args *p)
{
	TRY(arg_end(p));
	TRY(conversation_say(c, "* NAMESPACE ((\"\" \"/\")) ((\"" ACL_NAMESPACE "/\" \"/\")) NIL"));
	return imap_ok(c, "That is all");
}

const struct imap_row imap_folder_rows[] = {
	{"LIST", imap_list, AT_LOGGED_ON, 0,
		"LIST [(selection)] reference pattern [RETURN (items)]: folders"},
	{"LSUB", imap_lsub, AT_LOGGED_ON, 0, "LSUB reference pattern: folders subscribed to"},
	{"STATUS", imap_status, AT_LOGGED_ON, 0, "STATUS folder (items): counts"},
	{"CREATE", imap_create, AT_LOGGED_ON, 0, "CREATE folder [(USE (\\Sent ..))]"},
	{"DELETE", imap_delete, AT_LOGGED_ON, 0, "DELETE folder"},
	{"RENAME", imap_rename, AT_LOGGED_ON, 0, "RENAME folder name"},
	{"SUBSCRIBE", imap_subscribe, AT_LOGGED_ON, 0, "SUBSCRIBE folder"},
	{"UNSUBSCRIBE", imap_unsubscribe, AT_LOGGED_ON, 0, "UNSUBSCRIBE folder"},
	{"NAMESPACE", imap_namespace, AT_LOGGED_ON, IMAP_FREE, "NAMESPACE: where folders are"},
	{0},
};
