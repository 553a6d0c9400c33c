/* Each step stands alone and may be cut off anywhere; the next run goes on where facts say so. */
#include "provider/housekeep.h"

#include "base/id.h"
#include "provider/db.h"
#include "provider/lease.h"
#include "provider/ledger.h"
#include "provider/setting.h"
#include "task/task.h"

#define LEASE (10 * 60 * USEC_S)
#define HOUR (3600 * USEC_S)
#define DAY (24 * HOUR)
#define BATCH 1000
#define FOLDERS_AT_ONCE 100 /* mail for them waits meanwhile */
#define DAYS_AHEAD 7
#define MONTHS_AHEAD 1

static status changed(enum statement_id id, const struct param *p, int n, int64_t *count)
{
	arena a = ARENA_INIT;
	struct rows r = {0};
	status kind = db_run(id, p, n, &a, &r);
	if (kind == ST_OK)
		*count += r.changed;
	arena_release(&a);
	return kind;
}

/* ---- partitions */

/* One number from one row; *none when it is NULL. A lock not had in time is no failure: there is a
   default partition, and the next run comes. */
static status number(enum statement_id id, const struct param *p, int n, int64_t *value, bool *none)
{
	arena a = ARENA_INIT;
	struct rows r = {0};
	*value = 0;
	*none = true;
	status kind = db_one(id, p, n, &a, &r);
	if (kind == ST_OK) {
		*none = row_null(&r, 0, 0);
		*value = row_int(&r, 0, 0);
	}
	arena_release(&a);
	return kind == ST_BUSY ? ST_OK : kind;
}

static status make_ahead(const char *table, int day, int month, struct housekeep_result *r)
{
	bool none;
	int64_t made;
	struct param p[] = {p_text(slice_z(table)), p_int(day), p_int(month)};
	TRY(number(SQL_PARTITION_AHEAD, p, 3, &made, &none));
	r->partitions_made += made;
	return ST_OK;
}

static status make_strays(struct housekeep_result *r)
{
	arena a = ARENA_INIT;
	struct rows strays;
	status kind = db_run(SQL_PARTITION_STRAYS, NULL, 0, &a, &strays);
	for (int i = 0; kind == ST_OK && i < strays.count; i++) {
		bool none;
		int64_t made;
		struct param p[] = {
			p_text(row_slice(&strays, i, 0)), p_int(row_int(&strays, i, 1))};
		kind = number(SQL_PARTITION_FOR_STRAY, p, 2, &made, &none);
		r->partitions_made += made;
	}
	arena_release(&a);
	return kind;
}

static status make_partitions(struct housekeep_result *r)
{
	for (int day = 0; day <= DAYS_AHEAD; day++) {
		TRY(make_ahead("trace", day, 0, r));
		TRY(make_ahead("expunged", day, 0, r));
	}
	for (int month = 0; month <= MONTHS_AHEAD; month++) {
		TRY(make_ahead("change", 0, month, r));
		TRY(make_ahead("audit", 0, month, r));
	}
	return make_strays(r);
}

static status drop_partitions(const char *table, usec before, struct housekeep_result *r)
{
	for (;;) {
		bool none;
		int64_t day;
		struct param p[] = {p_text(slice_z(table)), p_time(before)};
		TRY(number(SQL_PARTITION_END, p, 2, &day, &none));
		if (none)
			return ST_OK;
		r->partitions_dropped++;
	}
}

/* ---- what retention releases */

struct ends {
	usec expunged, trace, audit, change;
};

static status retention_ends(struct ends *e)
{
	arena a = ARENA_INIT;
	struct rows r;
	int64_t spans[] = {setting_number(S_expunged_retention, NULL),
		setting_number(S_trace_retention, NULL), setting_number(S_audit_retention, NULL),
		setting_number(S_change_retention, NULL)};
	/* A transaction that began before midnight may still bring a row. */
	if (spans[0] < HOUR)
		spans[0] = HOUR;
	struct param p = p_int_array(spans, 4);
	status kind = db_run(SQL_RETENTION_ENDS, &p, 1, &a, &r);
	if (kind == ST_OK && r.count == 4)
		*e = (struct ends){row_time(&r, 0, 0), row_time(&r, 1, 0), row_time(&r, 2, 0),
			row_time(&r, 3, 0)};
	arena_release(&a);
	return kind;
}

/* By a statement that goes through what is older than $1 in the order of post offices, at most $4
   at a time, behind $2 and $3, and gives one row: how many it saw, the last of them, and counts
   that are added to sums. */
static status walk(
	enum statement_id id, usec before, int at_once, lease *held, int64_t *const sums[], int n)
{
	int64_t postoffice = -1, last = -1;

	for (;;) {
		arena a = ARENA_INIT;
		struct rows r = {0};
		status kind = db_run(id,
			(struct param[]){
				p_time(before), p_int(postoffice), p_int(last), p_int(at_once)},
			4, &a, &r);
		int64_t seen = kind == ST_OK && r.count ? row_int(&r, 0, 0) : 0;

		if (seen) {
			postoffice = row_int(&r, 0, 1);
			last = row_int(&r, 0, 2);
		}
		for (int i = 0; seen && i < n; i++)
			*sums[i] += row_int(&r, 0, 3 + i);
		arena_release(&a);
		TRY(kind);
		if (seen < at_once)
			return ST_OK;
		TRY(lease_take(held));
		TRY(task_breathe());
	}
}

/* Whether there was a big removal, which is rows now. */
static status unpack_one(bool *there)
{
	arena a = ARENA_INIT;
	struct rows r = {0};
	status kind = db_one(SQL_EXPUNGED_UNPACK_ANY, NULL, 0, &a, &r);

	*there = kind == ST_OK && row_int(&r, 0, 0) > 0;
	arena_release(&a);
	return kind;
}

/* Big removals become rows, which know how to wait for the end of their day. One at a time, since
   each may be large. *left: ST_BUSY when some are still packed. */
static status unpack(lease *held, status *left)
{
	for (;;) {
		bool there;

		*left = unpack_one(&there);
		if (*left == ST_BUSY)
			return ST_OK;
		TRY(*left);
		if (!there)
			return ST_OK;
		TRY(lease_take(held));
		TRY(task_breathe());
	}
}

/* Messages and bodies that no pack names either, and then the partitions that named them: not while
   somebody may still make rows of old packs, which would go with their partition unseen. */
static status release_expunged(usec before, bool packed, lease *held, struct housekeep_result *r)
{
	int64_t *const sums[] = {&r->messages, &r->blobs, &r->segments};

	TRY(walk(SQL_EXPUNGED_RELEASE, before, BATCH, held, sums, 3));
	return packed ? ST_OK : drop_partitions("expunged", before, r);
}

static status release_changes(usec before, lease *held, struct housekeep_result *r)
{
	TRY(walk(SQL_CHANGE_FLOOR, before, FOLDERS_AT_ONCE, held, NULL, 0));
	return drop_partitions("change", before, r);
}

/* The id from which pieces have not been looked through; a day more than that, for clocks that
   disagree. The first time, and after however long a pause, it is where it ended. */
static status unswept(int64_t *from)
{
	arena a = ARENA_INIT;
	struct rows r = {0};
	status kind = db_one(SQL_SEGMENTS_SWEPT, NULL, 0, &a, &r);
	*from = kind == ST_OK ? id_at(row_time(&r, 0, 0) - DAY) : 0;
	arena_release(&a);
	return kind == ST_ABSENT ? ST_OK : kind;
}

/* Pieces stored ahead of deliveries that never came. No delivery takes a day. */
static status sweep_segments(struct housekeep_result *r)
{
	usec until = clock_wall() - DAY;
	int64_t from, noted = 0;
	TRY(unswept(&from));
	struct param ids[] = {p_int(from), p_int(id_at(until))};
	TRY(changed(SQL_SEGMENTS_ORPHANED, ids, 2, &r->segments));
	struct param mark = p_time(until);
	return changed(SQL_SEGMENTS_SWEPT_NOTE, &mark, 1, &noted);
}

/* One by one, and last: what became of each mailbox goes along, which takes a while for a big post
   office. */
static status sweep_jobs(struct housekeep_result *r)
{
	struct param span = p_int(setting_number(S_job_retention, NULL));
	int64_t before;

	do {
		before = r->keys;
		TRY(changed(SQL_JOB_SWEEP, &span, 1, &r->keys));
	} while (r->keys > before);
	return ST_OK;
}

static status sweep(struct housekeep_result *r)
{
	int64_t locks = 0, outcomes = 0;
	struct param day = p_int(DAY);
	struct param window = p_int(setting_number(S_smtp_repeat_window, NULL) + HOUR);
	TRY(sweep_segments(r));
	TRY(changed(SQL_REPEAT_SWEEP, &window, 1, &r->keys));
	struct param failures = p_int(setting_number(S_auth_failure_span, NULL) + DAY);
	TRY(changed(SQL_THROTTLE_SWEEP, &failures, 1, &r->keys));
	usec spans[] = {
		setting_number(S_greylist_window, NULL), setting_number(S_greylist_memory, NULL)};
	struct param memory = p_int(spans[0] > spans[1] ? spans[0] : spans[1]);
	TRY(changed(SQL_GREYLIST_SWEEP, &memory, 1, &r->keys));
	TRY(changed(SQL_SESSION_SWEEP, NULL, 0, &r->keys));
	TRY(changed(SQL_QUEUE_SENT_SWEEP, NULL, 0, &r->keys));
	TRY(changed(SQL_ANSWERED_SWEEP, NULL, 0, &r->keys));
	struct param rewritten = p_int(setting_number(S_srs_validity, NULL) + 2 * DAY);
	TRY(changed(SQL_SRS_SWEEP, &rewritten, 1, &r->keys));
	struct param traces = p_int(setting_number(S_trace_retention, NULL));
	TRY(changed(SQL_TLS_RESULT_SWEEP, &traces, 1, &r->keys));
	TRY(changed(SQL_TLS_DAY_SWEEP, &traces, 1, &r->keys));
	TRY(changed(SQL_BAN_SWEEP, &day, 1, &r->keys));
	struct param policies = p_int(30 * DAY);
	TRY(changed(SQL_STS_POLICY_SWEEP, &policies, 1, &r->keys));
	TRY(changed(SQL_QRUNNER_SWEEP, NULL, 0, &locks));
	struct param hour = p_int(HOUR);
	TRY(changed(SQL_OUTCOME_SWEEP, &hour, 1, &outcomes));
	TRY(changed(SQL_MAILDROP_SWEEP, &day, 1, &locks));
	return sweep_jobs(r);
}

static status keep_house(lease *held, struct housekeep_result *r)
{
	struct ends ends = {0};
	status left;
	TRY(make_partitions(r));
	TRY(unpack(held, &left));
	TRY(retention_ends(&ends));
	TRY(release_expunged(ends.expunged, left != ST_OK, held, r));
	struct param names = p_time(ends.expunged);
	TRY(changed(SQL_FOLDER_REMOVED_SWEEP, &names, 1, &r->keys));
	TRY(release_changes(ends.change, held, r));
	TRY(drop_partitions("trace", ends.trace, r));
	TRY(drop_partitions("audit", ends.audit, r));
	TRY(sweep(r));
	if (setting_number(S_ledger_check_every, NULL) == 0) /* else its turns do */
		TRY(ledger_gather());
	return left;
}

status housekeep_ordered(const struct audit_by *by, struct housekeep_result *r)
{
	const struct audit_note note = {.by = by, .action = "housekeep.run", .object = S("server")};
	lease held = {.name = S("housekeeper"), .span = LEASE};

	*r = (struct housekeep_result){0};
	TRY(lease_take(&held));
	status kind = by ? audit_order(0, &note) : ST_OK;
	if (kind == ST_OK)
		kind = keep_house(&held, r);
	lease_give_back(&held);
	return kind;
}

status housekeep_run(struct housekeep_result *r)
{
	return housekeep_ordered(NULL, r);
}
