#include "provider/tls_day.h"

#include "provider/db.h"
#include "provider/tls_result_row.h"

const char *tls_day_state_name(enum tls_day_state s)
{
	static const char *const names[] = {"open", "sent", "unwanted"};

	return names[s];
}

status tls_day_due(usec after, usec again, unsigned most, arena *a, struct tls_day **rows, int *n)
{
	struct rows r;

	TRY(db_run(SQL_TLS_DAY_DUE, (struct param[]){p_int(after), p_int(again), p_int(most)}, 3, a,
		&r));
	*n = r.count;
	*rows = arena_new_array(a, (size_t)r.count, sizeof **rows);
	for (int i = 0; i < r.count; i++)
		(*rows)[i] = (struct tls_day){.day = row_time(&r, i, 0),
			.domain = row_slice(&r, i, 1),
			.told = row_slice(&r, i, 2)};
	return ST_OK;
}

status tls_day_results(
	usec day, slice domain, unsigned most, arena *a, struct tls_result **rows, int *n)
{
	struct param p[] = {p_time(day), p_text(domain), p_int(most)};

	return tls_result_rows(SQL_TLS_RESULT_OF_DAY, p, 3, a, rows, n);
}

status tls_day_note(const struct tls_day *d, enum tls_day_state state, slice trouble)
{
	return db_run(SQL_TLS_DAY_NOTE,
		(struct param[]){p_time(d->day), p_text(d->domain),
			p_text(slice_z(tls_day_state_name(state))), p_text(d->told),
			p_text(trouble)},
		5, NULL, NULL);
}

status tls_day_list(slice domain, unsigned most, arena *a, struct tls_day **rows, int *n)
{
	struct rows r;

	TRY(db_run(SQL_TLS_DAY_LIST, (struct param[]){p_text(domain), p_int(most)}, 2, a, &r));
	*n = r.count;
	*rows = arena_new_array(a, (size_t)r.count, sizeof **rows);
	for (int i = 0; i < r.count; i++)
		(*rows)[i] = (struct tls_day){.day = row_time(&r, i, 0),
			.domain = row_slice(&r, i, 1),
			.successes = row_int(&r, i, 2),
			.failures = row_int(&r, i, 3),
			.state = row_slice(&r, i, 4),
			.told = row_slice(&r, i, 5),
			.trouble = row_slice(&r, i, 6),
			.tried = row_time(&r, i, 7)};
	return ST_OK;
}
