/* The mark stands in table house_key; nobody comes from it to the secret. */
#include "provider/secret_print.h"

#include "base/log.h"
#include "provider/auth_secret.h"
#include "provider/db.h"

static status kept_mark(slice mine, arena *a, slice *kept)
{
	const struct param p[] = {p_text(S("secret-file")), p_bytes(mine)};
	struct rows r;
	status kind = db_one(SQL_AUTH_HOUSE_KEY, p, 1, a, &r);

	if (kind == ST_ABSENT) {
		TRY(db_run(SQL_AUTH_HOUSE_KEY_MAKE, p, 2, a, NULL));
		kind = db_one(SQL_AUTH_HOUSE_KEY, p, 1, a, &r);
	}
	TRY(kind);
	*kept = row_slice(&r, 0, 0);
	return ST_OK;
}

static status compare(arena *a)
{
	slice mine, kept;
	status kind = auth_secret_mark(a, &mine);

	if (kind == ST_ABSENT)
		return ST_OK;
	TRY(kind);
	TRY(kept_mark(mine, a, &kept));
	return slice_same(mine, kept) ? ST_OK : log_trouble(ST_DENIED, EV_AUTH_SECRET_OTHER, NULL);
}

status secret_print_check(void)
{
	arena a = ARENA_INIT;
	status kind = compare(&a);

	arena_release(&a);
	return kind;
}
