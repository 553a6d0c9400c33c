/* Keywords in the row of their mailbox. */
#include "provider/keyword_words.h"

#include "provider/settle.h"

status keyword_list(int64_t postoffice, int64_t mailbox, arena *a, struct keywords *out)
{
	struct rows r;

	TRY(db_one(
		SQL_KEYWORD_LIST, (struct param[]){p_int(postoffice), p_int(mailbox)}, 2, a, &r));
	keyword_words(row_slice(&r, 0, 0), out);
	return ST_OK;
}

struct naming {
	int64_t postoffice, mailbox;
	const slice *names;
	int n;
	arena *a;
	struct rows r;
};

/* Names that stand already are left out, so twice is as once. */
static status name_once(void *arg, bool again)
{
	struct naming *g = arg;
	db_tx *tx = settle_begin(g->postoffice, &g->mailbox, g->a);

	(void)again;
	db_add(tx, SQL_KEYWORD_ADD,
		(struct param[]){p_int(g->postoffice), p_int(g->mailbox),
			p_text_array(g->names, g->n), p_int(KEYWORDS_MOST)},
		4, &g->r);
	return db_commit(&tx, NULL);
}

status keyword_add(int64_t postoffice, int64_t mailbox, const slice *names, int n, arena *a,
	struct keywords *out)
{
	slice *fresh = arena_new_array(a, (size_t)n + 1, sizeof *fresh);
	struct naming g = {.postoffice = postoffice, .mailbox = mailbox, .names = fresh, .a = a};

	TRY(keyword_list(postoffice, mailbox, a, out));
	TRY(keyword_fresh(out, names, n, fresh, &g.n));
	if (g.n == 0)
		return ST_OK;
	TRY(settle(name_once, &g));
	if (g.r.count == 0)
		return ST_LIMITED;
	keyword_words(row_slice(&g.r, 0, 0), out);
	return ST_OK;
}
