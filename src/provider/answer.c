/* See answer.h. */
#include "provider/answer.h"

#include "provider/change.h"
#include "provider/redirection_check.h"

status answer_set(int64_t postoffice, int64_t mailbox, const answer *w, const struct audit_by *by,
	arena *a, slice *why)
{
	answer set;

	TRY(answer_check(postoffice, mailbox, w, a, &set, why));
	const struct change_fact facts[] = {{"subject", set.subject}, {"reply_to", set.reply_to}};
	struct param p[] = {p_int(postoffice), p_int(mailbox), p_text(set.subject),
		p_text(set.text), p_text(set.reply_to), p_time(set.starts), p_time(set.ends)};

	return change_named(
		postoffice, SQL_ANSWER_SET, p, 7, by, "answer.set", change_detail(a, facts, 2), a);
}

static void answer_take_up(const struct rows *r, answer *out)
{
	*out = (answer){.subject = row_slice(r, 0, 0),
		.text = row_slice(r, 0, 1),
		.reply_to = row_slice(r, 0, 2),
		.starts = row_time(r, 0, 3),
		.ends = row_time(r, 0, 4)};
}

status answer_of(int64_t postoffice, int64_t mailbox, arena *a, answer *out)
{
	struct rows r;

	TRY(db_one(SQL_ANSWER_OF, (struct param[]){p_int(postoffice), p_int(mailbox)}, 2, a, &r));
	answer_take_up(&r, out);
	return ST_OK;
}

status answer_remove(int64_t postoffice, int64_t mailbox, const struct audit_by *by)
{
	arena a = ARENA_INIT;
	status kind = change_named(postoffice, SQL_ANSWER_REMOVE,
		(struct param[]){p_int(postoffice), p_int(mailbox)}, 2, by, "answer.remove", S(""),
		&a);

	arena_release(&a);
	return kind;
}

status answer_due(int64_t postoffice, int64_t mailbox, slice sender, const slice *named, int n,
	arena *a, answer *out)
{
	struct rows r;

	TRY(db_one(SQL_ANSWER_DUE,
		(struct param[]){
			p_int(postoffice), p_int(mailbox), p_text(sender), p_text_array(named, n)},
		4, a, &r));
	if (!row_bool(&r, 0, 5))
		return ST_FOREIGN;
	if (row_bool(&r, 0, 6))
		return ST_DENIED;
	if (row_bool(&r, 0, 7))
		return ST_EXISTS;
	answer_take_up(&r, out);
	return ST_OK;
}

status answer_may(const struct answer_right *w)
{
	arena a = ARENA_INIT;
	status kind = db_one(SQL_ANSWER_MAY,
		(struct param[]){
			p_int(w->postoffice), p_int(w->mailbox), p_int(w->kind), p_text(w->sender)},
		4, &a, NULL);

	arena_release(&a);
	return kind == ST_OK ? ST_EXISTS : kind == ST_ABSENT ? ST_OK : kind;
}
