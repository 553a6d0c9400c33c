/* See redirection.h. A change raises the revision of routing, since routes tell whether there is
   one. */
#include "provider/redirection.h"

#include "provider/change.h"
#include "provider/redirection_check.h"

status redirection_set(int64_t postoffice, int64_t mailbox, const slice *written, int n, bool keep,
	const struct audit_by *by, arena *a, slice *why)
{
	redirection r = {.keep = keep};

	TRY(redirection_check(postoffice, mailbox, written, n, a, &r, why));
	const struct change_fact facts[] = {
		{"keep", keep ? S("yes") : S("no")}, {"targets", redirection_list(&r, a)}};
	struct param p[] = {
		p_int(postoffice), p_int(mailbox), p_bool(keep), p_text_array(r.targets, r.n)};

	return change_named(postoffice, SQL_REDIRECTION_SET, p, 4, by, "redirection.set",
		change_detail(a, facts, 2), a);
}

status redirection_of(int64_t postoffice, int64_t mailbox, arena *a, redirection *out)
{
	struct rows r;
	slice all, one;
	int room = 1;

	TRY(db_one(
		SQL_REDIRECTION_OF, (struct param[]){p_int(postoffice), p_int(mailbox)}, 2, a, &r));
	all = row_slice(&r, 0, 1);
	for (size_t i = 0; i < all.size; i++)
		room += all.at[i] == '\n';
	*out = (redirection){.keep = row_bool(&r, 0, 0),
		.targets = arena_new_array(a, (size_t)room, sizeof *out->targets)};
	while (slice_take(&all, '\n', &one))
		if (one.size)
			out->targets[out->n++] = one;
	return ST_OK;
}

status redirection_remove(int64_t postoffice, int64_t mailbox, const struct audit_by *by)
{
	arena a = ARENA_INIT;
	status kind = change_named(postoffice, SQL_REDIRECTION_REMOVE,
		(struct param[]){p_int(postoffice), p_int(mailbox)}, 2, by, "redirection.remove",
		S(""), &a);

	arena_release(&a);
	return kind;
}
