/* The check of the ledger. A turn is bounded: it goes on behind the post office where the last one
   ended, and one that reads more rows than its share (a queue of a million) makes the next turns
   rest until that is made up for. */
#include "provider/ledger.h"

#include "base/log.h"
#include "base/metric.h"
#include "provider/db.h"
#include "provider/lease.h"
#include "task/task.h"

#include <inttypes.h>

#define FROM_THE_START (-1)
#define OFFICES 100      /* looked at by one statement */
#define BOXES 100        /* and mailboxes, */
#define ENTRIES 20000    /* as long as they have no more entries together */
#define TURN_ROWS 500000 /* read in one turn: about half a second of PostgreSQL's time */
#define APART_MOST 16    /* rows of a post office that stay ungathered */
#define BREACHES 1000    /* that are known by name */
#define SETTLING (60 * USEC_S)

/* What the one process that is at it knows of its last turn. */
static struct {
	lease held;
	int64_t office;              /* to go on behind */
	int64_t box_office, box;     /* the same for mailboxes, */
	int64_t wrong_office, wrong; /* and for those that are known to be wrong */
	int64_t debt;                /* rows read beyond the turns' share */
	int64_t told;                /* what the gauge says */
} my = {.held = {.name = S("ledger")},
	.office = FROM_THE_START,
	.box_office = FROM_THE_START,
	.wrong_office = FROM_THE_START};

const char *ledger_what_name(enum ledger_what w)
{
	static const char *const names[LEDGER_WHATS] = {
		"queue", "mail", "octets", "messages", "folders"};

	return w < LEDGER_WHATS ? names[w] : "other";
}

static status run(enum statement_id id, const struct param *p, int n, arena *a, struct rows *out)
{
	db_tx *tx = db_begin(DB_SYSTEM, a);

	db_add(tx, SQL_QUEUE_BY_INDEX, NULL, 0, NULL);
	db_add(tx, id, p, n, out);
	return db_commit(&tx, NULL);
}

/* ---- figures */

static void row_read(const struct rows *r, int i, struct ledger_row *out)
{
	enum {
		POSTOFFICE,
		NAME,
		APART,
		FIGURES,
		HOT = FIGURES + LEDGER_FIGURES,
		COLD,
		PARKED,
		MAILBOXES,
		DELIVERED
	};

	*out = (struct ledger_row){.postoffice = row_int(r, i, POSTOFFICE),
		.name = row_slice(r, i, NAME),
		.apart = row_int(r, i, APART),
		.waiting = row_int(r, i, HOT) + row_int(r, i, COLD),
		.parked = row_int(r, i, PARKED),
		.mailboxes = row_int(r, i, MAILBOXES)};
	for (int f = 0; f < LEDGER_FIGURES; f++)
		out->figure[f] = row_int(r, i, FIGURES + f);
	out->delivered = out->figure[LEDGER_CARRIED] + row_int(r, i, DELIVERED);
}

status ledger_list(
	int64_t after, unsigned most, bool parked, arena *a, struct ledger_row **rows, int *n)
{
	struct rows r;

	TRY(run(SQL_LEDGER_LOOK, (struct param[]){p_int(after), p_int(most), p_bool(parked)}, 3, a,
		&r));
	*n = r.count;
	*rows = arena_new_array(a, (size_t)r.count, sizeof **rows);
	for (int i = 0; i < r.count; i++)
		row_read(&r, i, &(*rows)[i]);
	return ST_OK;
}

status ledger_breaches(
	int64_t postoffice, unsigned most, arena *a, struct ledger_breach **rows, int *n)
{
	struct rows r;

	TRY(db_run(
		SQL_LEDGER_BREACHES, (struct param[]){p_int(postoffice), p_int(most)}, 2, a, &r));
	*n = r.count;
	*rows = arena_new_array(a, (size_t)r.count, sizeof **rows);
	for (int i = 0; i < r.count; i++)
		(*rows)[i] = (struct ledger_breach){.postoffice = row_int(&r, i, 0),
			.name = row_slice(&r, i, 1),
			.what = (enum ledger_what)row_int(&r, i, 2),
			.mailbox = row_int(&r, i, 3),
			.mailbox_name = row_slice(&r, i, 4),
			.counted = row_int(&r, i, 5),
			.found = row_int(&r, i, 6),
			.since = row_time(&r, i, 7)};
	return ST_OK;
}

/* ---- what is wrong */

struct check {
	arena a; /* of the whole check */
	struct ledger_breach *known;
	int n;
	struct ledger_look *seen;
	int64_t rows; /* read */
};

static bool is_known(const struct check *c, const struct ledger_breach *b)
{
	for (int i = 0; i < c->n; i++)
		if (c->known[i].postoffice == b->postoffice && c->known[i].mailbox == b->mailbox &&
			c->known[i].what == b->what)
			return true;
	return false;
}

/* Whether it changed a row: what two processes find is told once. */
static status write(enum statement_id id, const struct ledger_breach *b, int params, bool *changed)
{
	arena a = ARENA_INIT;
	struct rows r = {0};
	struct param p[] = {p_int(b->postoffice), p_int(b->what), p_int(b->mailbox),
		p_int(b->counted), p_int(b->found)};
	status kind = db_run(id, p, params, &a, &r);

	*changed = kind == ST_OK && r.changed > 0;
	arena_release(&a);
	return kind;
}

static status judge(const struct check *c, struct ledger_breach b)
{
	bool wrong = b.counted != b.found, changed;

	if (!wrong && !is_known(c, &b))
		return ST_OK;
	TRY(write(wrong ? SQL_LEDGER_BREACH_NOTE : SQL_LEDGER_BREACH_OVER, &b, wrong ? 5 : 3,
		&changed));
	if (changed)
		log_event(wrong ? EV_LEDGER_BREACH : EV_LEDGER_SOUND,
			"postoffice=%" PRId64 " mailbox=%" PRId64 " what=%s counted=%" PRId64
			" found=%" PRId64,
			b.postoffice, b.mailbox, ledger_what_name(b.what), b.counted, b.found);
	return ST_OK;
}

/* ---- post offices */

static status office_judge(const struct check *c, const struct ledger_row *r)
{
	const int64_t *f = r->figure;
	int64_t left = f[LEDGER_SENT] + f[LEDGER_RETURNED] + f[LEDGER_TOLD] + f[LEDGER_DROPPED] +
		       f[LEDGER_DELETED];

	TRY(judge(c, (struct ledger_breach){.postoffice = r->postoffice,
			     .what = LEDGER_QUEUE,
			     .counted = f[LEDGER_PUT] + f[LEDGER_SETTLED_QUEUE] - left,
			     .found = r->waiting}));
	return judge(c, (struct ledger_breach){.postoffice = r->postoffice,
				.what = LEDGER_MAIL,
				.counted = f[LEDGER_ADDRESSED] + f[LEDGER_SETTLED_MAIL],
				.found = r->delivered});
}

status ledger_gather(void)
{
	arena a = ARENA_INIT;
	struct rows many;
	status kind = db_run(SQL_LEDGER_APART, (struct param[]){p_int(APART_MOST)}, 1, &a, &many);

	for (int i = 0; i < many.count && kind == ST_OK; i++) {
		int64_t office = row_int(&many, i, 0);

		kind = db_run(
			SQL_LEDGER_GATHER, (struct param[]){p_int_array(&office, 1)}, 1, &a, NULL);
	}
	arena_release(&a);
	return kind;
}

/* What many processes counted apart comes together. */
static status gather(const struct ledger_row *rows, int n, arena *a)
{
	int64_t *many = arena_new_array(a, (size_t)n, sizeof *many);
	int count = 0;

	for (int i = 0; i < n; i++)
		if (rows[i].apart > APART_MOST)
			many[count++] = rows[i].postoffice;
	return count ? db_run(SQL_LEDGER_GATHER, (struct param[]){p_int_array(many, count)}, 1, a,
			       NULL)
		     : ST_OK;
}

/* Those behind *after, which then is the last of them, or FROM_THE_START behind the last of all. */
static status offices_check(struct check *c, int64_t *after, unsigned most)
{
	arena a = ARENA_INIT;
	struct ledger_row *rows = NULL;
	int n = 0;
	status kind = ledger_list(*after, most, false, &a, &rows, &n);

	for (int i = 0; i < n && kind == ST_OK; i++) {
		c->rows += 1 + rows[i].apart + rows[i].waiting + rows[i].mailboxes;
		kind = office_judge(c, &rows[i]);
	}
	if (kind == ST_OK)
		kind = gather(rows, n, &a);
	if (kind == ST_OK) {
		c->seen->postoffices += n;
		*after = n == (int)most ? rows[n - 1].postoffice : FROM_THE_START;
	}
	arena_release(&a);
	return kind;
}

/* ---- mailboxes */

static status box_judge(struct check *c, const struct rows *r, int i)
{
	enum { POSTOFFICE, MAILBOX, TURN, STATE, USED, OCTETS, SAID, MESSAGES, FOLDERS, ALIKE };
	struct ledger_breach b = {
		.postoffice = row_int(r, i, POSTOFFICE), .mailbox = row_int(r, i, MAILBOX)};
	static const struct {
		enum ledger_what what;
		int counted, found;
	} pairs[] = {{LEDGER_OCTETS, USED, OCTETS}, {LEDGER_MESSAGES, SAID, MESSAGES},
		{LEDGER_FOLDERS, FOLDERS, ALIKE}};

	c->seen->mailboxes++;
	c->rows += row_int(r, i, MESSAGES);
	for (size_t k = 0; k < sizeof pairs / sizeof *pairs && row_int(r, i, STATE) == 0; k++) {
		b.what = pairs[k].what;
		b.counted = row_int(r, i, pairs[k].counted);
		b.found = row_int(r, i, pairs[k].found);
		TRY(judge(c, b));
	}
	return ST_OK;
}

/* Mailboxes that are known to be wrong, behind the one where the last turn ended, or from the start
   when there are none: post offices, and behind `room` of them their mailboxes. */
static int wrong_next(const struct check *c, int64_t *wrong, int room)
{
	int n = 0;

	for (int i = 0; i < c->n; i++) {
		int64_t office = c->known[i].postoffice, box = c->known[i].mailbox;

		if (box == 0 || office < my.wrong_office ||
			(office == my.wrong_office && box <= my.wrong) ||
			(n > 0 && wrong[n - 1] == office && wrong[room + n - 1] == box))
			continue;
		wrong[n] = office;
		wrong[room + n++] = box;
	}
	if (n > 0 || my.wrong_office == FROM_THE_START)
		return n;
	my.wrong_office = FROM_THE_START;
	return wrong_next(c, wrong, room);
}

/* The next turn goes on behind the last of those that were read, or from the start when that was the
   last of all. */
static void wrong_seen(const struct rows *r, int64_t last_office, int64_t last)
{
	my.wrong_office = FROM_THE_START;
	for (int i = 0; i < r->count; i++)
		if (!row_bool(r, i, 2)) {
			my.wrong_office = row_int(r, i, 0);
			my.wrong = row_int(r, i, 1);
		}
	if (my.wrong_office == last_office && my.wrong == last)
		my.wrong_office = FROM_THE_START;
}

/* Those behind *office and *box, which go on as offices_check has it; and `n` that are known to be
   wrong. */
static status boxes_check(
	struct check *c, int64_t *office, int64_t *box, const int64_t *wrong, int n, int room)
{
	arena a = ARENA_INIT;
	struct rows r = {0};
	int64_t last_office = FROM_THE_START, last = 0;
	status kind = run(SQL_LEDGER_MAILBOXES,
		(struct param[]){p_int(*office), p_int(*box), p_int(BOXES), p_int(ENTRIES),
			p_int_array(wrong, n), p_int_array(wrong + room, n)},
		6, &a, &r);

	for (int i = 0; i < r.count && kind == ST_OK; i++) {
		if (row_bool(&r, i, 2)) {
			last_office = row_int(&r, i, 0);
			last = row_int(&r, i, 1);
		}
		kind = box_judge(c, &r, i);
	}
	if (kind == ST_OK) {
		*office = last_office;
		*box = last;
	}
	if (kind == ST_OK && n > 0)
		wrong_seen(&r, wrong[n - 1], wrong[room + n - 1]);
	arena_release(&a);
	return kind;
}

static status boxes_turn(struct check *c)
{
	int room = c->n + 1;
	int64_t *wrong = arena_new_array(&c->a, (size_t)room * 2, sizeof *wrong);
	int n = wrong_next(c, wrong, room);

	return boxes_check(c, &my.box_office, &my.box, wrong, n, room);
}

/* ---- a turn, and a whole check */

static status check_begin(struct check *c, struct ledger_look *seen)
{
	*seen = (struct ledger_look){0};
	*c = (struct check){.seen = seen};
	TRY(db_run(SQL_LEDGER_BREACH_SWEEP, NULL, 0, NULL, NULL));
	return ledger_breaches(-1, BREACHES, &c->a, &c->known, &c->n);
}

/* Post offices known to be wrong: until they are well they are looked at in every turn. */
static status known_check(struct check *c)
{
	for (int i = 0; i < c->n; i++) {
		int64_t after = c->known[i].postoffice - 1;

		if (c->known[i].mailbox == 0 &&
			(i == 0 || c->known[i - 1].postoffice != c->known[i].postoffice))
			TRY(offices_check(c, &after, 1));
	}
	return ST_OK;
}

static status turn(struct check *c)
{
	TRY(known_check(c));
	/* Mailboxes that cannot be read now keep nobody from looking at post offices. */
	status boxes = boxes_turn(c);
	c->rows += my.debt;
	if (c->rows < TURN_ROWS)
		do
			TRY(offices_check(c, &my.office, OFFICES));
		while (my.office != FROM_THE_START && c->rows < TURN_ROWS);
	my.debt = c->rows > TURN_ROWS ? c->rows - TURN_ROWS : 0;
	return boxes;
}

static status gauge_tell(void)
{
	arena a = ARENA_INIT;
	struct ledger_breach *rows;
	int n;
	status kind = ledger_breaches(-1, BREACHES, &a, &rows, &n);

	if (kind == ST_OK) {
		metric_add(M_ledger_breaches, SERVICE_NONE, n - my.told);
		my.told = n;
	}
	arena_release(&a);
	return kind;
}

status ledger_turn(usec every, struct ledger_look *seen)
{
	struct check c = {.a = ARENA_INIT};

	*seen = (struct ledger_look){0};
	my.held.span = every;
	status kind = lease_take(&my.held);
	if (kind == ST_OK) {
		kind = check_begin(&c, seen);
		if (kind == ST_OK)
			kind = turn(&c);
		arena_release(&c.a);
	}
	status told = kind == ST_CANCELLED ? kind : gauge_tell();
	return kind == ST_OK ? told : kind;
}

void ledger_stop(void)
{
	if (my.held.token)
		lease_give_back(&my.held);
}

static status offices_all(struct check *c)
{
	int64_t after = FROM_THE_START;

	do {
		TRY(offices_check(c, &after, OFFICES));
		TRY(task_breathe());
	} while (after != FROM_THE_START);
	return ST_OK;
}

static status boxes_all(struct check *c, int64_t only)
{
	int64_t office = only == -1 ? FROM_THE_START : only, box = 0;

	do {
		TRY(boxes_check(
			c, &office, &box, &office, 0, 0)); /* the wrong ones are among them */
		TRY(task_breathe());
	} while (office != FROM_THE_START && (only == -1 || office == only));
	return ST_OK;
}

status ledger_check(int64_t postoffice, bool boxes, struct ledger_look *seen)
{
	struct check c = {.a = ARENA_INIT};
	int64_t after = postoffice - 1;
	status kind = check_begin(&c, seen);

	if (kind == ST_OK)
		kind = postoffice == -1 ? offices_all(&c) : offices_check(&c, &after, 1);
	if (kind == ST_OK && boxes)
		kind = boxes_all(&c, postoffice);
	arena_release(&c.a);
	return kind;
}

/* ---- settling */

static status recount(int64_t postoffice, int64_t box)
{
	arena a = ARENA_INIT;
	db_tx *tx = db_begin(DB_RUN, &a);

	db_add(tx, SQL_DELIVER_LOCK, (struct param[]){p_int(postoffice), p_int_array(&box, 1)}, 2,
		NULL);
	db_add(tx, SQL_LEDGER_RECOUNT, (struct param[]){p_int(postoffice), p_int(box)}, 2, NULL);
	status kind = db_commit(&tx, NULL);
	arena_release(&a);
	return kind;
}

/* A breach of a mailbox, which counted anew for the row before it when that is one of it too. */
static status mend(const struct ledger_breach *b, bool counted)
{
	bool changed;

	if (!counted)
		TRY(recount(b->postoffice, b->mailbox));
	TRY(write(SQL_LEDGER_BREACH_OVER, b, 3, &changed));
	if (changed)
		log_event(EV_LEDGER_SOUND, "postoffice=%" PRId64 " mailbox=%" PRId64 " what=%s",
			b->postoffice, b->mailbox, ledger_what_name(b->what));
	return ST_OK;
}

/* *left: how many breaches of mailboxes there were. */
static status some_mend(int64_t postoffice, int *left)
{
	arena a = ARENA_INIT;
	struct ledger_breach *rows;
	int n = 0;
	int64_t last = 0;
	status kind = ledger_breaches(postoffice, BREACHES, &a, &rows, &n);

	*left = 0;
	for (int i = 0; i < n && kind == ST_OK; i++)
		if (rows[i].mailbox) {
			kind = mend(&rows[i], rows[i].mailbox == last);
			last = rows[i].mailbox;
			++*left;
		}
	arena_release(&a);
	return kind;
}

static status settle_all(int64_t postoffice)
{
	int left;

	TRY(db_run(SQL_LEDGER_SETTLE, (struct param[]){p_int(postoffice)}, 1, NULL, NULL));
	do {
		TRY(some_mend(postoffice, &left));
		TRY(task_breathe());
	} while (left > 0);
	return ST_OK;
}

/* One at a time: two that settle the same difference would make a new one. */
status ledger_settle(int64_t postoffice, const struct audit_by *by)
{
	const struct audit_note note = {.by = by, .action = "ledger.settle", .object = S("ledger")};
	lease held = {.name = S("ledger settle"), .span = SETTLING};

	TRY(lease_take(&held));
	status kind = audit_order(postoffice, &note);
	if (kind == ST_OK)
		kind = settle_all(postoffice);
	lease_give_back(&held);
	return kind;
}
