/* Names of folders, one's own and those of others. */
#include "service/imap/place.h"

static void own(const conversation *c, slice written, struct place *out)
{
	const struct imap *i = imap_of(c);

	*out = (struct place){
		.f = {.postoffice = i->who.postoffice, .mailbox = i->who.mailbox, .name = written},
		.shown = written,
		.owner = i->who.mailbox_name,
		.rights = ACL_ALL};
}

/* What is new to its owner is not told of to others. */
static void shared(const folder *f, slice owner, unsigned rights, slice shown, struct place *out)
{
	*out = (struct place){
		.f = *f, .shown = shown, .owner = owner, .rights = rights, .shared = true};
	out->f.recent = f->uidnext;
	out->f.special = 0;
}

status place_above(conversation *c, slice written, struct place *out)
{
	const struct imap *i = imap_of(c);
	struct acl_place found;
	slice owner, name;

	if (!acl_name_split(written, &owner, &name))
		return ST_ABSENT;
	TRY(acl_find(i->who.postoffice, i->who.mailbox, owner, name, &c->command, &found));
	shared(&found.f, found.owner, found.rights,
		acl_name(found.owner, found.f.name, &c->command), out);
	return ST_OK;
}

status place_find(conversation *c, slice written, unsigned need, struct place *out)
{
	own(c, written, out);
	if (!folder_name_is_others(written))
		return ST_OK;
	TRY(place_above(c, written, out));
	if (!(out->rights & ACL_LOOKUP))
		return ST_ABSENT;
	return need & ~out->rights ? ST_DENIED : ST_OK;
}

status place_look(conversation *c, slice written, unsigned need, struct place *out)
{
	folder *f;

	TRY(place_find(c, written, need, out));
	if (out->shared)
		return ST_OK;
	TRY(folder_find(out->f.postoffice, out->f.mailbox, written, &c->command, &f));
	out->f = *f;
	out->shown = f->name;
	return ST_OK;
}

void place_of(const conversation *c, const struct folder_row *row, struct place *out)
{
	slice owner, name;

	own(c, row->f.name, out);
	out->f = row->f;
	if (row->f.mailbox == imap_of(c)->who.mailbox ||
		!acl_name_split(row->f.name, &owner, &name))
		return;
	shared(&row->f, owner, row->rights, row->f.name, out);
	out->f.name = name;
}

status place_open(const struct place *p, unsigned flags, view **v)
{
	TRY(view_open(p->f.postoffice, p->f.mailbox, p->f.name, flags, v));
	if (p->f.id == 0 || (*v)->folder == p->f.id)
		return ST_OK;
	view_close(v);
	return ST_ABSENT;
}
