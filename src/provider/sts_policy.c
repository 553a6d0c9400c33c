#include "provider/sts_policy.h"

#include "provider/change.h"
#include "provider/db.h"

static struct sts_policy row_policy(const struct rows *r, int i)
{
	return (struct sts_policy){.domain = row_slice(r, i, 0),
		.id = row_slice(r, i, 1),
		.text = row_slice(r, i, 2),
		.fetched = row_time(r, i, 3),
		.expires = row_time(r, i, 4),
		.expired = row_bool(r, i, 5),
		.age = row_int(r, i, 6),
		.tried_id = row_slice(r, i, 7),
		.trouble = row_slice(r, i, 8),
		.tried = row_time(r, i, 9),
		.tried_ago = row_int(r, i, 10)};
}

status sts_policy_find(slice domain, arena *a, struct sts_policy *out)
{
	struct rows r;

	TRY(db_one(SQL_STS_POLICY_FIND, (struct param[]){p_text(domain)}, 1, a, &r));
	*out = row_policy(&r, 0);
	return ST_OK;
}

status sts_policy_keep(slice domain, slice id, slice text, uint64_t max_age)
{
	return db_run(SQL_STS_POLICY_KEEP,
		(struct param[]){p_text(domain), p_text(id), p_text(text), p_int((int64_t)max_age)},
		4, NULL, NULL);
}

status sts_policy_missed(slice domain, slice id, slice trouble)
{
	return db_run(SQL_STS_POLICY_MISSED,
		(struct param[]){p_text(domain), p_text(id), p_text(trouble)}, 3, NULL, NULL);
}

status sts_policy_list(slice domain, unsigned most, arena *a, struct sts_policy **rows, int *n)
{
	struct rows r;

	TRY(db_run(SQL_STS_POLICY_LIST, (struct param[]){p_text(domain), p_int(most)}, 2, a, &r));
	*n = r.count;
	*rows = arena_new_array(a, (size_t)r.count, sizeof **rows);
	for (int i = 0; i < r.count; i++)
		(*rows)[i] = row_policy(&r, i);
	return ST_OK;
}

status sts_policy_forget(slice domain, const struct audit_by *by, int64_t *forgotten)
{
	arena a = ARENA_INIT;
	struct rows r = {0};
	db_tx *tx = db_begin(DB_SYSTEM, &a);

	db_add(tx, SQL_STS_POLICY_FORGET, (struct param[]){p_text(domain)}, 1, &r);
	change_audit(tx, 0, by, "mta-sts.forget", domain.size ? domain : S("*"), S(""));
	status kind = db_commit(&tx, NULL);
	*forgotten = kind == ST_OK ? r.changed : 0;
	arena_release(&a);
	return kind;
}
