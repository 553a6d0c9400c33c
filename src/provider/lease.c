#include "provider/lease.h"

#include "base/random.h"
#include "provider/db.h"

status lease_take(lease *l)
{
	arena a = ARENA_INIT;
	struct rows r = {0};

	if (l->token == 0)
		l->token = (int64_t)random_below(INT64_MAX) + 1;
	struct param p[] = {p_text(l->name), p_int(l->token), p_int(l->span)};
	status kind = db_run(SQL_LEASE_TAKE, p, 3, &a, &r);
	arena_release(&a);
	return kind == ST_OK && r.changed == 0 ? ST_LIMITED : kind;
}

void lease_give_back(const lease *l)
{
	db_run(SQL_LEASE_GIVE_BACK, (struct param[]){p_text(l->name), p_int(l->token)}, 2, NULL,
		NULL);
}
