/* Undelete: what was expunged comes back, a batch at a time under the mailbox's lock. */
#include "provider/folder.h"

#include "provider/folder_admin.h"
#include "provider/news.h"
#include "provider/setting.h"
#include "provider/settle.h"

#define BATCH 1000
#define HOUR (3600 * USEC_S)
/* The housekeeper counts from midnight and takes whole days; what it may be about to take stays
   lost. */
#define MARGIN (10 * 60 * USEC_S)

struct bringing {
	int64_t postoffice, mailbox;
	const struct folder_lost *which;
	usec span;
	int64_t most, count;
	arena a;
};

/* A run that was stored unheard took its rows from `expunged`: the next finds others. */
static status bring_once(void *arg, bool again)
{
	struct bringing *b = arg;
	const struct folder_lost *w = b->which;
	struct rows r;
	db_tx *tx = settle_begin(b->postoffice, &b->mailbox, &b->a);
	int failed;
	status s;

	(void)again;
	db_add(tx, SQL_FOLDER_UNDELETE,
		(struct param[]){p_int(b->postoffice), p_int(b->mailbox), p_int(b->span),
			p_int(w->folder), p_time(w->since), p_int(w->message), p_int(b->most),
			p_int(w->into)},
		8, &r);
	s = db_commit(&tx, &failed);
	if (s == ST_INVALID && failed > 0)
		return ST_FULL;
	TRY(s);
	b->count = row_int(&r, 0, 0);
	return ST_OK;
}

/* What big removals left packed becomes rows first, so that all of it is looked through. A pack
   that is made meanwhile is of another removal. */
static status unpack(int64_t postoffice, int64_t mailbox)
{
	arena a = ARENA_INIT;
	struct rows r;
	status s;

	do {
		arena_clear(&a);
		s = db_one(SQL_EXPUNGED_UNPACK, (struct param[]){p_int(postoffice), p_int(mailbox)},
			2, &a, &r);
	} while (s == ST_OK && row_int(&r, 0, 0) > 0);
	arena_release(&a);
	return s;
}

usec folder_lost_span(void)
{
	usec span = setting_number(S_expunged_retention, NULL);

	return (span < HOUR ? HOUR : span) - MARGIN;
}

status folder_undelete(
	int64_t postoffice, int64_t mailbox, const struct folder_lost *which, int64_t *restored)
{
	struct bringing b = {.postoffice = postoffice,
		.mailbox = mailbox,
		.which = which,
		.span = folder_lost_span(),
		.most = BATCH};
	status s;

	*restored = 0;
	TRY(unpack(postoffice, mailbox));
	for (;;) {
		b.count = 0;
		s = settle(bring_once, &b);
		arena_clear(&b.a);
		*restored += b.count;
		if (s == ST_FULL && b.most > 1)
			b.most /= 2; /* a part may have room */
		else if (s != ST_OK || b.count < b.most)
			break;
	}
	arena_release(&b.a);
	if (*restored > 0 || s == ST_UNSURE)
		news_tell(postoffice, mailbox, which->folder);
	return s;
}

status folder_removed_list(
	int64_t postoffice, int64_t mailbox, arena *a, struct folder_removed **rows, int *n)
{
	struct rows r;
	struct param p[] = {p_int(postoffice), p_int(mailbox), p_int(folder_lost_span())};

	TRY(db_run(SQL_FOLDER_REMOVED_LIST, p, 3, a, &r));
	*rows = arena_new_array(a, (size_t)r.count, sizeof **rows);
	for (int i = 0; i < r.count; i++)
		(*rows)[i] = (struct folder_removed){.id = row_int(&r, i, 0),
			.name = row_slice(&r, i, 1),
			.at = row_time(&r, i, 2),
			.messages = row_int(&r, i, 3)};
	*n = r.count;
	return ST_OK;
}
