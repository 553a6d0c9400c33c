/* QUOTA (RFC 9208): a mailbox is one quota root for all of its folders: "", and of others "Other
   Users/anna". What it may hold is set by the operator, so there is no SETQUOTA. */
#include "provider/mailbox.h"
#include "service/imap/names.h"
#include "service/imap/place.h"

#include <inttypes.h>

#define UNIT 1024 /* octets (RFC 9208 5.1) */

static int64_t units_up(int64_t octets)
{
	return octets / UNIT + (octets % UNIT > 0);
}

static slice root_of(conversation *c, const struct place *at)
{
	return at->shared ? arena_format(&c->command, ACL_NAMESPACE "/%.*s", SLICE_ARGS(at->owner))
			  : S("");
}

static status say_quota(conversation *c, const struct place *at)
{
	text line = TEXT_INIT;
	mailbox *m;
	status s = mailbox_by_id(at->f.postoffice, at->f.mailbox, &c->command, &m);

	if (s != ST_OK)
		return imap_trouble(c, s);
	text_add(&line, S("* QUOTA "));
	imap_name_text(c, root_of(c, at), &line);
	if (m->quota)
		text_format(&line, " (STORAGE %" PRId64 " %" PRId64 ")\r\n", units_up(m->used),
			m->quota / UNIT);
	else
		text_add(&line, S(" ()\r\n"));
	s = stream_write(c->stream, text_slice(&line));
	text_free(&line);
	return s == ST_OK ? imap_ok(c, "That is all") : s;
}

/* Whoever may read a folder of it may know. ST_ABSENT: there is no such root for this reader. */
static status root_find(conversation *c, slice root, struct place *at)
{
	const struct imap *i = imap_of(c);
	struct folder_row *rows;
	int n;

	if (root.size == 0)
		return place_find(c, S("INBOX"), 0, at);
	TRY(acl_tree(i->who.postoffice, i->who.mailbox, &c->command, &rows, &n));
	for (int k = 0; k < n; k++) {
		place_of(c, &rows[k], at);
		if (at->f.id && at->shared && (at->rights & ACL_READ) &&
			slice_same(root_of(c, at), root))
			return ST_OK;
	}
	return ST_ABSENT;
}

static status imap_getquota(conversation *c, args *p)
{
	struct place at;
	slice root;

	TRY(arg_space(p));
	TRY(arg_mailbox(p, &root));
	TRY(arg_end(p));
	status s = root_find(c, root, &at);
	if (s == ST_ABSENT)
		return imap_no(c, "[NONEXISTENT] There is no such quota root");
	return s == ST_OK ? say_quota(c, &at) : imap_trouble(c, s);
}

static status imap_getquotaroot(conversation *c, args *p)
{
	text line = TEXT_INIT;
	struct place at;
	slice name;

	TRY(arg_space(p));
	TRY(arg_mailbox(p, &name));
	TRY(arg_end(p));
	status s = place_look(c, name, ACL_READ, &at);
	if (s != ST_OK)
		return imap_trouble(c, s);
	text_add(&line, S("* QUOTAROOT "));
	imap_name_text(c, at.shown, &line);
	text_add_char(&line, ' ');
	imap_name_text(c, root_of(c, &at), &line);
	text_add(&line, S("\r\n"));
	s = stream_write(c->stream, text_slice(&line));
	text_free(&line);
	TRY(s);
	return say_quota(c, &at);
}

const struct imap_row imap_quota_rows[] = {
	{"GETQUOTA", imap_getquota, AT_LOGGED_ON, 0,
		"GETQUOTA root: what the mailbox holds and may hold"},
	{"GETQUOTAROOT", imap_getquotaroot, AT_LOGGED_ON, 0,
		"GETQUOTAROOT folder: the quota it counts for"},
	{0},
};
