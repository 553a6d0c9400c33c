/* Answers of mailboxes in memory, and who was told. */
#include "provider/answer.h"

#include "provider/memory/store.h"
#include "provider/redirection_check.h"

static bool same_right(const struct answer_right *x, const struct answer_right *y)
{
	return x->postoffice == y->postoffice && x->mailbox == y->mailbox && x->kind == y->kind &&
	       slice_same(x->sender, y->sender);
}

struct m_answered *store_answered(struct store *s, const struct answer_right *r)
{
	EACH(struct m_answered, &s->answered, told)
		if (told->until > clock_wall() && same_right(&told->right, r))
			return told;
	return NULL;
}

void store_answered_add(struct store *s, const struct answer_right *r)
{
	struct m_answered *told = arena_new(&s->a, sizeof *told);

	*told = (struct m_answered){.right = *r, .until = clock_wall() + r->period};
	told->right.sender = arena_copy(&s->a, r->sender);
	list_append(&s->answered, &told->link);
}

static void copy(const answer *w, arena *a, answer *out)
{
	*out = *w;
	out->subject = arena_copy(a, w->subject);
	out->text = arena_copy(a, w->text);
	out->reply_to = arena_copy(a, w->reply_to);
}

static void forget_told(struct store *s, int64_t postoffice, int64_t mailbox)
{
	EACH(struct m_answered, &s->answered, told)
		if (told->right.postoffice == postoffice && told->right.mailbox == mailbox &&
			told->right.kind == ANSWER_OWNER)
			list_remove(&told->link);
}

status answer_set(int64_t postoffice, int64_t mailbox, const answer *w, const struct audit_by *by,
	arena *a, slice *why)
{
	answer set;

	(void)by;
	TRY(answer_check(postoffice, mailbox, w, a, &set, why));
	struct store *s = store_take();
	struct m_mailbox *m = store_mailbox(s, postoffice, mailbox);
	if (m) {
		m->answer = arena_new(&s->a, sizeof *m->answer);
		copy(&set, &s->a, m->answer);
		forget_told(s, postoffice, mailbox);
		s->routing_revision++;
	}
	store_give();
	return m ? ST_OK : ST_ABSENT;
}

status answer_of(int64_t postoffice, int64_t mailbox, arena *a, answer *out)
{
	struct store *s = store_take();
	struct m_mailbox *m = store_mailbox(s, postoffice, mailbox);
	status kind = store_refuses(s) ? ST_BUSY : m && m->answer ? ST_OK : ST_ABSENT;

	if (kind == ST_OK)
		copy(m->answer, a, out);
	store_give();
	return kind;
}

status answer_remove(int64_t postoffice, int64_t mailbox, const struct audit_by *by)
{
	struct store *s = store_take();
	struct m_mailbox *m = store_mailbox(s, postoffice, mailbox);
	status kind = m && m->answer ? ST_OK : ST_ABSENT;

	(void)by;
	if (kind == ST_OK) {
		m->answer = NULL;
		forget_told(s, postoffice, mailbox);
		s->routing_revision++;
	}
	store_give();
	return kind;
}

static bool owns(struct store *s, const struct m_mailbox *m, slice key)
{
	struct m_address *address = store_address(s, key);

	return address && address->mailbox == m;
}

static status due(
	struct store *s, const struct m_mailbox *m, slice sender, const slice *named, int n)
{
	bool is_named = false;

	if (!m || !m->answer || m->answer->starts > clock_wall() || m->answer->ends <= clock_wall())
		return ST_ABSENT;
	for (int i = 0; i < n; i++)
		is_named |= owns(s, m, named[i]);
	if (!is_named)
		return ST_FOREIGN;
	if (owns(s, m, sender))
		return ST_DENIED;
	const struct answer_right right = {m->postoffice->id, m->id, ANSWER_OWNER, sender, 0};
	return store_answered(s, &right) ? ST_EXISTS : ST_OK;
}

status answer_due(int64_t postoffice, int64_t mailbox, slice sender, const slice *named, int n,
	arena *a, answer *out)
{
	struct store *s = store_take();
	struct m_mailbox *m = store_mailbox(s, postoffice, mailbox);
	status kind = store_refuses(s) ? ST_BUSY : due(s, m, sender, named, n);

	if (kind == ST_OK)
		copy(m->answer, a, out);
	store_give();
	return kind;
}

status answer_may(const struct answer_right *r)
{
	struct store *s = store_take();
	status kind = store_refuses(s) ? ST_BUSY : store_answered(s, r) ? ST_EXISTS : ST_OK;

	store_give();
	return kind;
}
