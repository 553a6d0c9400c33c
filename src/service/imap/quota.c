/* QUOTA (RFC 9208): a mailbox is one quota root, "", for all of its folders. What it may hold is set by the
   operator, so there is no SETQUOTA. */
#include "provider/folder.h"
#include "provider/mailbox.h"
#include "service/imap/names.h"

#include <inttypes.h>

#define UNIT 1024 /* octets (RFC 9208 5.1) */

static int64_t units_up(int64_t octets)
{
	return octets / UNIT + (octets % UNIT > 0);
}

static status say_quota(conversation *c)
{
	const struct imap *i = imap_of(c);
	mailbox *m;
	status s = mailbox_by_id(i->who.postoffice, i->who.mailbox, &c->command, &m);

	if (s != ST_OK)
		return imap_trouble(c, s);
	s = m->quota ? conversation_say(c, "* QUOTA \"\" (STORAGE %" PRId64 " %" PRId64 ")",
			       units_up(m->used), m->quota / UNIT)
		     : conversation_say(c, "* QUOTA \"\" ()");
	return s == ST_OK ? imap_ok(c, "That is all") : s;
}

static status imap_getquota(conversation *c, args *p)
{
	slice root;

	TRY(arg_space(p));
	TRY(arg_astring(p, &root));
	TRY(arg_end(p));
	if (root.size > 0)
		return imap_no(c, "[NONEXISTENT] There is no such quota root");
	return say_quota(c);
}

static status imap_getquotaroot(conversation *c, args *p)
{
	const struct imap *i = imap_of(c);
	text line = TEXT_INIT;
	slice name;
	folder *f;

	TRY(arg_space(p));
	TRY(arg_mailbox(p, &name));
	TRY(arg_end(p));
	status s = folder_find(i->who.postoffice, i->who.mailbox, name, &c->command, &f);
	if (s != ST_OK)
		return imap_trouble(c, s);
	imap_name_text(c, f->name, &line);
	s = stream_write(c->stream, S("* QUOTAROOT "));
	if (s == ST_OK)
		s = stream_write(c->stream, text_slice(&line));
	text_free(&line);
	TRY(s);
	TRY(stream_write(c->stream, S(" \"\"\r\n")));
	return say_quota(c);
}

const struct imap_row imap_quota_rows[] = {
	{"GETQUOTA", imap_getquota, AT_LOGGED_ON, 0,
		"GETQUOTA \"\": what the mailbox holds and may hold"},
	{"GETQUOTAROOT", imap_getquotaroot, AT_LOGGED_ON, 0,
		"GETQUOTAROOT folder: the quota it counts for"},
	{0},
};
