/* QUOTA and QUOTASET (RFC 9208): a mailbox is one quota root for all of its folders: "", and of
   others "Other Users/anna". STORAGE is its one resource. Whoever administers the post office sees
   and sets those of all its mailboxes, as far as the operator lets him; others see their own and
   those that they may read a folder of. */
#include "provider/mailbox.h"
#include "service/imap/names.h"
#include "service/imap/place.h"

#include <inttypes.h>

#define UNIT 1024 /* octets (RFC 9208 5.1) */

static int64_t units_up(int64_t octets)
{
	return octets / UNIT + (octets % UNIT > 0);
}

static slice root_named(conversation *c, slice owner)
{
	return arena_format(&c->command, ACL_NAMESPACE "/%.*s", SLICE_ARGS(owner));
}

static slice root_of(conversation *c, const mailbox *m)
{
	return m->id == imap_of(c)->who.mailbox ? S("") : root_named(c, m->name);
}

static void quota_text(conversation *c, const mailbox *m, text *out)
{
	text_add(out, S("* QUOTA "));
	imap_name_text(c, root_of(c, m), out);
	if (m->quota)
		text_format(out, " (STORAGE %" PRId64 " %" PRId64 ")\r\n", units_up(m->used),
			m->quota / UNIT);
	else
		text_add(out, S(" ()\r\n"));
}

static status say(conversation *c, text *lines)
{
	status s = stream_write(c->stream, text_slice(lines));

	text_free(lines);
	return s;
}

/* ---- whose it is */

static status say_no_root(conversation *c, status kind)
{
	return kind == ST_ABSENT ? imap_no(c, "[NONEXISTENT] There is no such quota root")
				 : imap_trouble(c, kind);
}

/* The mailbox logged on, as it is now: what it may do can be other than it was at the logon. */
static status reader_find(conversation *c, mailbox **me)
{
	const struct imap *i = imap_of(c);

	return mailbox_by_id(i->who.postoffice, i->who.mailbox, &c->command, me);
}

/* Whoever may read a folder of it may know. */
static status root_shared(conversation *c, slice root, mailbox **m)
{
	const struct imap *i = imap_of(c);
	struct folder_row *rows;
	struct place at;
	int n;

	TRY(acl_tree(i->who.postoffice, i->who.mailbox, &c->command, &rows, &n));
	for (int k = 0; k < n; k++) {
		place_of(c, &rows[k], &at);
		if (at.f.id && at.shared && (at.rights & ACL_READ) &&
			slice_same(root_named(c, at.owner), root))
			return mailbox_by_id(at.f.postoffice, at.f.mailbox, &c->command, m);
	}
	return ST_ABSENT;
}

/* Of any mailbox of the post office. A root has one name: it is not found by another spelling. */
static status root_any(conversation *c, slice root, mailbox **m)
{
	slice owner, folder;

	if (!acl_name_split(root, &owner, &folder))
		return ST_ABSENT;
	TRY(mailbox_find(imap_of(c)->who.postoffice, owner, &c->command, m));
	return slice_same(root_of(c, *m), root) ? ST_OK : ST_ABSENT;
}

/* ST_ABSENT: there is no such root for this reader. */
static status root_find(conversation *c, slice root, mailbox *me, mailbox **m)
{
	if (root.size > 0)
		return mailbox_administers(me) ? root_any(c, root, m) : root_shared(c, root, m);
	*m = me;
	return ST_OK;
}

/* ---- asking */

static status imap_getquota(conversation *c, args *p)
{
	text line = TEXT_INIT;
	mailbox *me, *m;
	slice root;

	TRY(arg_space(p));
	TRY(arg_mailbox(p, &root));
	TRY(arg_end(p));
	status s = reader_find(c, &me);
	if (s == ST_OK)
		s = root_find(c, root, me, &m);
	if (s != ST_OK)
		return say_no_root(c, s);
	quota_text(c, m, &line);
	TRY(say(c, &line));
	return imap_ok(c, "That is all");
}

static status imap_getquotaroot(conversation *c, args *p)
{
	text lines = TEXT_INIT;
	struct place at;
	slice name;
	mailbox *m;

	TRY(arg_space(p));
	TRY(arg_mailbox(p, &name));
	TRY(arg_end(p));
	status s = place_look(c, name, ACL_READ, &at);
	if (s == ST_OK)
		s = mailbox_by_id(at.f.postoffice, at.f.mailbox, &c->command, &m);
	if (s != ST_OK)
		return imap_trouble(c, s);
	text_add(&lines, S("* QUOTAROOT "));
	imap_name_text(c, at.shown, &lines);
	text_add_char(&lines, ' ');
	imap_name_text(c, root_of(c, m), &lines);
	text_add(&lines, S("\r\n"));
	quota_text(c, m, &lines);
	TRY(say(c, &lines));
	return imap_ok(c, "That is all");
}

/* ---- setting */

struct limits {
	int64_t storage; /* units; -1: not named, so there is none from now on */
	slice unknown;   /* a resource that nothing is limited of */
};

static status limit_take(args *p, struct limits *out)
{
	slice resource;
	uint64_t n;

	TRY(arg_atom(p, &resource));
	TRY(arg_space(p));
	status s = arg_number(p, &n);
	if (s != ST_OK) {
		p->trouble = "A limit is a number from 0 to 9223372036854775807";
		return s;
	}
	if (!slice_same_nocase(resource, S("STORAGE"))) {
		out->unknown = resource;
		return ST_OK;
	}
	if (out->storage >= 0) {
		p->trouble = "STORAGE is named twice";
		return ST_INVALID;
	}
	out->storage = (int64_t)n;
	return ST_OK;
}

/* "(STORAGE 1000)", "()" */
static status arg_limits(args *p, struct limits *out)
{
	*out = (struct limits){.storage = -1};
	TRY(arg_expect(p, '('));
	for (bool more = false; !arg_take(p, ')'); more = true) {
		if (more)
			TRY(arg_space(p));
		TRY(limit_take(p, out));
	}
	return ST_OK;
}

/* What they come to in octets; else the answer was given. A mailbox without a limit has 0, so there
   is no limit of nothing. */
static bool limits_fit(conversation *c, const struct limits *l, int64_t *octets, status *said)
{
	struct setting_at at = imap_at(c);
	int64_t allowed = setting_number(S_mailbox_quota_most, &at);
	int64_t most = (allowed ? allowed : MAILBOX_QUOTA_MOST) / UNIT;
	bool fits = l->storage < 0 ? allowed == 0 : l->storage >= 1 && l->storage <= most;

	if (l->unknown.size > 0)
		*said = imap_no(c,
			"[CANNOT] %s is not limited here, STORAGE alone is; leave it out",
			conversation_safe(c, l->unknown));
	else if (!fits)
		*said = imap_no(c, "[LIMIT] STORAGE can be set from 1 to %" PRId64 " here; %s",
			most, allowed ? "ask the operator for more" : "() takes the limit away");
	else
		*octets = l->storage < 0 ? 0 : l->storage * UNIT;
	return l->unknown.size == 0 && fits;
}

/* What is told then is what was stored: nothing is read again that could fail and make a NO of
   it. */
static status quota_set(conversation *c, mailbox *m, int64_t octets)
{
	const struct audit_by by = imap_audit_by(c);
	text line = TEXT_INIT;
	status s =
		m->quota == octets ? ST_OK : mailbox_let_quota(m->postoffice, m->id, octets, &by);

	if (s != ST_OK)
		return say_no_root(c, s);
	m->quota = octets;
	quota_text(c, m, &line);
	TRY(say(c, &line));
	return imap_ok(c, octets && m->used > octets
				  ? "Set; until it holds less than that, it takes no mail"
				  : "Set");
}

static status imap_setquota(conversation *c, args *p)
{
	struct setting_at at = imap_at(c);
	struct limits limits;
	mailbox *me, *m;
	int64_t octets;
	slice root;
	status said;

	TRY(arg_space(p));
	TRY(arg_mailbox(p, &root));
	TRY(arg_space(p));
	TRY(arg_limits(p, &limits));
	TRY(arg_end(p));
	if (!setting_on(S_imap_setquota, &at))
		return imap_no(c, "[CANNOT] SETQUOTA is switched off here; ask the operator");
	status s = reader_find(c, &me);
	/* Whatever the root: who may not set it is not told whether there is one (T51). */
	if (s == ST_OK && !mailbox_administers(me))
		return imap_no(c,
			"[NOPERM] Only administrators of the post office set quotas; ask its postmaster");
	if (s == ST_OK)
		s = root_find(c, root, me, &m);
	if (s != ST_OK)
		return say_no_root(c, s);
	return limits_fit(c, &limits, &octets, &said) ? quota_set(c, m, octets) : said;
}

const struct imap_row imap_quota_rows[] = {
	{"GETQUOTA", imap_getquota, AT_LOGGED_ON, 0,
		"GETQUOTA root: what the mailbox holds and may hold"},
	{"GETQUOTAROOT", imap_getquotaroot, AT_LOGGED_ON, 0,
		"GETQUOTAROOT folder: the quota it counts for"},
	{"SETQUOTA", imap_setquota, AT_LOGGED_ON, 0,
		"SETQUOTA root ([STORAGE n]): what the mailbox may hold, in units of 1024 octets"},
	{0},
};
