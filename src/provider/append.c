/* Appending: the statements of a delivery for bodies and messages, then one that gives the UIDs.
   Like a delivery, a transaction whose answer was lost is run again with the same ids, and the key
   of `message` lets only one of the two be stored. */
#include "provider/append.h"

#include "base/fault.h"
#include "base/id.h"
#include "mail/envelope.h"
#include "provider/folder_page_inside.h"
#include "provider/message_fact_cache.h"
#include "provider/message_head.h"
#include "provider/message_row.h"
#include "provider/news.h"
#include "provider/settle.h"
#include "provider/together.h"
#include "provider/view_cache.h"

#define TRIES_MOST 5 /* names of folders do not change so often while one waits */

struct appending {
	struct append *x;
	slice name;
	struct message_row *rows; /* of its messages */
	int64_t folder, first;
	usec stored_at; /* 0: not known */
	int failed;     /* statement, -1 none */
	int entries_at; /* number of the statement append_entries; those that look at rights follow
			   it */
	struct rows r;
	arena a; /* of one run */
};

static int64_t replaced_in(const struct append *x)
{
	return x->replaced_mailbox ? x->replaced_mailbox : x->mailbox;
}

/* The folder of the replaced one, when its room is that of the same mailbox (RFC 8508 3.4); else
   0. */
static int64_t makes_room(const struct append *x)
{
	return replaced_in(x) == x->mailbox ? x->replaced_folder : 0;
}

static void entries_add(db_tx *tx, struct appending *p)
{
	const struct append *x = p->x;
	size_t n = (size_t)x->n;
	int64_t *numbers = arena_new_array(&p->a, n * 5, sizeof *numbers);
	int64_t *id = numbers, *size = id + n, *flags = size + n, *received = flags + n,
		*zone = received + n;
	int64_t bytes = 0, unseen = 0, deleted = 0;

	for (int i = 0; i < x->n; i++) {
		const struct append_message *m = &x->messages[i];

		id[i] = m->id;
		size[i] = (int64_t)p->rows[i].body.size;
		flags[i] = m->flags;
		received[i] = m->received ? m->received : USEC_NEVER;
		zone[i] = m->zone;
		bytes += size[i];
		unseen += !(m->flags & FLAG_SEEN);
		deleted += (m->flags & FLAG_DELETED) != 0;
	}
	db_add(tx, SQL_APPEND_ENTRIES,
		(struct param[]){p_int(x->postoffice), p_int(x->mailbox), p_text(p->name),
			p_int(bytes), p_int(unseen), p_int(deleted), p_int_array(id, x->n),
			p_int_array(size, x->n), p_int_array(flags, x->n),
			p_time_array(received, x->n), p_int_array(zone, x->n), p_int(x->folder_id),
			p_int(makes_room(x)), p_int(x->replaced_uid), p_int(x->seen_in)},
		15, &p->r);
}

/* Of both mailboxes, in their order. */
static void lock_add(db_tx *tx, const struct append *x, arena *a)
{
	int64_t *mailboxes = arena_new_array(a, 2, sizeof *mailboxes);
	int64_t other = replaced_in(x);

	mailboxes[0] = other < x->mailbox ? other : x->mailbox;
	mailboxes[1] = other < x->mailbox ? x->mailbox : other;
	db_add(tx, SQL_DELIVER_LOCK,
		(struct param[]){
			p_int(x->postoffice), p_int_array(mailboxes, 1 + (other != x->mailbox))},
		2, NULL);
}

static void replaced_add(db_tx *tx, struct appending *p)
{
	const struct append *x = p->x;
	int64_t *uid = arena_new(&p->a, sizeof *uid);

	*uid = x->replaced_uid;
	db_add(tx, SQL_FOLDER_EXPUNGE,
		(struct param[]){p_int(x->postoffice), p_int(replaced_in(x)),
			p_int(x->replaced_folder), p_int_array(uid, 1), p_int_array(uid, 1),
			p_int(0)},
		6, NULL);
}

/* Behind the entries, which lock the mailbox of the folder as every change of its rights does; that
   of the replaced one was locked before. */
static void rights_add(db_tx *tx, const struct append *x, int64_t folder, unsigned rights)
{
	if (rights)
		db_add(tx, SQL_ACL_FIND,
			(struct param[]){p_int(x->postoffice), p_int(x->reader), p_text(S("")),
				p_text(S("")), p_int(folder), p_int(rights)},
			6, NULL);
}

/* The messages stand: are they ours, from a run whose answer was lost? UIDs of one run follow one
   another. */
static status stored_before(struct appending *p)
{
	struct rows r;

	TRY(db_one(SQL_APPEND_FOUND,
		(struct param[]){
			p_int(p->x->postoffice), p_int(p->x->mailbox), p_int(p->x->messages[0].id)},
		3, &p->a, &r));
	p->folder = row_int(&r, 0, 0);
	p->x->uidvalidity = (uint32_t)row_int(&r, 0, 1);
	p->first = row_int(&r, 0, 2);
	p->x->modseq = row_int(&r, 0, 3);
	return ST_OK;
}

static status append_run_once(struct appending *p, bool again)
{
	struct append *x = p->x;
	db_tx *tx;
	status s;

	arena_clear(&p->a);
	p->stored_at = 0;
	tx = db_begin(DB_RUN, &p->a);
	p->entries_at = message_rows_add(tx, &p->a, x->postoffice, p->rows, x->n);
	if (x->replaced_folder) /* it reads and counts under the lock */
		lock_add(tx, x, &p->a);
	p->entries_at += x->replaced_folder != 0;
	entries_add(tx, p);
	rights_add(tx, x, x->folder_id, x->rights);
	rights_add(tx, x, x->replaced_folder, x->replaced_rights);
	if (x->replaced_folder)
		replaced_add(tx, p);
	s = db_commit(&tx, &p->failed);
	if (s == ST_OK && FAULT("append_committed"))
		return ST_UNSURE;
	if (s == ST_EXISTS && again)
		return stored_before(p);
	TRY(s);
	p->folder = row_int(&p->r, 0, 1);
	x->uidvalidity = (uint32_t)row_int(&p->r, 0, 2);
	p->first = row_int(&p->r, 0, 3);
	x->modseq = row_int(&p->r, 0, 4);
	p->stored_at = row_time(&p->r, 0, 5);
	return ST_OK;
}

static status append_alone(void *arg)
{
	return append_run_once(arg, false);
}

/* As nearly all do: a message that is not big, to a folder of the reader's own. */
static bool may_join(const struct appending *p)
{
	return p->x->n == 1 && !p->x->replaced_folder && !p->x->rights &&
	       p->rows->body.segments == 1;
}

static status append_once(void *arg, bool again)
{
	struct appending *p = arg;
	struct append *x = p->x;

	if (again || !may_join(p))
		return append_run_once(p, again);
	struct together t = {.kind = TOGETHER_APPEND,
		.postoffice = x->postoffice,
		.mailbox = x->mailbox,
		.append = x,
		.row = p->rows,
		.name = p->name,
		.a = &p->a};
	TRY(together_run(&t, append_alone, p));
	if (!t.done)
		return ST_OK;
	p->folder = t.folder;
	p->first = t.uid;
	p->stored_at = t.stored_at;
	x->uidvalidity = t.uidvalidity;
	x->modseq = t.modseq;
	return ST_OK;
}

/* ST_OK: nothing that stays; the folder came, or was given its name, while the statement waited for
   the mailbox's row, or room was made since. */
static status reason_find(struct appending *p)
{
	struct rows r;
	int64_t bytes = 0;

	for (int i = 0; i < p->x->n; i++)
		bytes += (int64_t)p->rows[i].body.size;
	TRY(db_one(SQL_APPEND_REASON,
		(struct param[]){p_int(p->x->postoffice), p_int(p->x->mailbox), p_text(p->name),
			p_int(bytes), p_int(p->x->folder_id), p_int(makes_room(p->x)),
			p_int(p->x->replaced_uid)},
		7, &p->a, &r));
	return row_int(&r, 0, 0) ? ST_OK : ST_FULL;
}

/* As long as its entries are refused for a reason that is over. */
static status append_settle(struct appending *p)
{
	for (int tries = 0; tries < TRIES_MOST; tries++) {
		status s = settle(append_once, p);

		if (s != ST_INVALID || p->failed != p->entries_at)
			return s == ST_INVALID && p->failed > p->entries_at ? ST_DENIED : s;
		TRY(reason_find(p));
	}
	return ST_BUSY;
}

static struct message_row *rows_of(const struct append *x, arena *a)
{
	struct message_row *rows = arena_new_array(a, (size_t)x->n, sizeof *rows);

	for (int i = 0; i < x->n; i++) {
		const struct append_message *m = &x->messages[i];

		rows[i].id = m->id;
		rows[i].header_size = m->header_size;
		blob_packed(m->body, &rows[i].body);
		header_facts_read(m->header, a, &rows[i].header);
	}
	return rows;
}

/* Headers are at hand: they are kept, and envelopes made of them, so that whoever asks next, the maker
   of pages above all, need not read the bodies again. Made before anything is stored, for behind COMMIT
   an answer waits (R6). */
struct known {
	struct message_fact *facts;
	int n;
};

static bool is_whole(const struct append_message *m)
{
	return m->header.size == m->header_size && m->header_size > 0;
}

static void facts_make(const struct append *x, arena *a, struct known *out)
{
	out->facts = arena_new_array(a, (size_t)x->n, sizeof *out->facts);
	for (int i = 0; i < x->n; i++) {
		const struct append_message *m = &x->messages[i];

		if (!is_whole(m))
			continue;
		out->facts[out->n++] = (struct message_fact){.message = m->id,
			.blob = blob_writer_id(m->body),
			.size = (uint32_t)blob_writer_size(m->body),
			.header_size = m->header_size,
			.version = MESSAGE_FACT_VERSION,
			.envelope = envelope_pack(m->header, a)};
		task_breathe(); /* what it tells, storing tells too */
	}
}

static void facts_enter(const struct append *x, const struct known *k)
{
	for (int i = 0; i < x->n; i++)
		if (is_whole(&x->messages[i]))
			message_head_enter(x->postoffice, x->messages[i].id, x->messages[i].header);
	message_facts_enter(x->postoffice, k->facts, k->n);
}

static void unsure_tell(const struct append *x, slice name)
{
	settle_hint(x->postoffice, x->mailbox, x->folder_id, name);
	if (x->replaced_folder)
		settle_hint(x->postoffice, replaced_in(x), x->replaced_folder, S(""));
}

/* ---- the folder as it is now, for its readers in this process */

static struct view_entry entry_of(const struct appending *p, int i)
{
	const struct append_message *m = &p->x->messages[i];

	return (struct view_entry){.modseq = p->x->modseq,
		.flags = m->flags,
		.message = m->id,
		.received = m->received ? m->received : p->stored_at,
		.uid = m->uid,
		.size = (uint32_t)blob_writer_size(m->body),
		.saved = (uint32_t)(p->stored_at / USEC_S),
		.zone = (int16_t)m->zone};
}

/* Each change of a mailbox counts its MODSEQ on by one: where these messages came right behind what is
   known of their folder, nothing else did. For who has it open: nobody else may ever look, and the
   whole image is made anew. */
static void image_grow(const struct appending *p, arena *a)
{
	const struct append *x = p->x;
	bool open = p->stored_at && x->seen_in == p->folder;
	struct view_image *known = open ? view_cache_folder(p->folder) : NULL;

	if (known && known->modseq + 1 == x->modseq && known->uidvalidity == x->uidvalidity) {
		struct view_image facts = {.postoffice = x->postoffice,
			.mailbox = x->mailbox,
			.folder = p->folder,
			.uidvalidity = x->uidvalidity,
			.uidnext = (uint32_t)(p->first + x->n),
			.modseq = x->modseq};
		struct view_entry *fresh = arena_new_array(a, (size_t)x->n, sizeof *fresh);
		for (int i = 0; i < x->n; i++)
			fresh[i] = entry_of(p, i);
		struct view_image *grown =
			image_with(&facts, known->name, known, NULL, 0, fresh, x->n);
		view_cache_put(grown);
		image_let(&grown);
	}
	image_let(&known);
}

static status append_in(struct append *x, arena *a)
{
	struct appending p = {.x = x};
	struct known k = {0};
	status s;

	if (folder_name(x->folder, a, &p.name) != ST_OK)
		return ST_ABSENT;
	for (int i = 0; i < x->n; i++)
		x->messages[i].id = id_new();
	p.rows = rows_of(x, a);
	facts_make(x, a, &k);
	s = append_settle(&p);
	arena_release(&p.a);
	if (s == ST_UNSURE)
		unsure_tell(x, p.name);
	TRY(s);
	for (int i = 0; i < x->n; i++)
		x->messages[i].uid = (uint32_t)(p.first + i);
	if (!x->replaced_folder)
		image_grow(&p, a);
	news_tell(x->postoffice, x->mailbox, p.folder);
	facts_enter(x, &k);
	folder_page_grown(x->postoffice, x->mailbox, p.folder, x->n);
	if (x->replaced_folder)
		news_tell(x->postoffice, replaced_in(x), x->replaced_folder);
	return ST_OK;
}

status append_run(struct append *x)
{
	arena a = ARENA_INIT;
	status s = FAULT("append_begin") ? ST_BUSY : append_in(x, &a);

	arena_release(&a);
	return s;
}
