/* The mark stands in table house_key; nobody comes from it to the secret. A database that was made
   by an older program has none yet: what it keeps encrypted tells then, so that a wrong file is
   never taken for the right one because it came first. */
#include "provider/secret_print.h"

#include "base/log.h"
#include "provider/auth_secret.h"
#include "provider/db.h"

#define MARK p_text(S("secret-file"))

/* ---- without a mark */

/* *found: ST_ABSENT nothing seen yet, ST_DENIED nothing opened yet, ST_OK one was opened. */
static void try_open(int64_t postoffice, slice sealed, arena *a, status *found)
{
	slice clear;

	if (sealed.size == 0 || *found == ST_OK)
		return;
	*found = auth_secret_recover(postoffice, sealed, a, &clear) == ST_OK ? ST_OK : ST_DENIED;
}

static status try_routes(arena *a, status *found)
{
	enum { PASSWORD = 3 };
	struct rows r;

	TRY(db_run(SQL_ROUTE_LIST, NULL, 0, a, &r));
	for (int i = 0; i < r.count; i++)
		try_open(0, row_slice(&r, i, PASSWORD), a, found);
	return ST_OK;
}

static status try_postoffice(int64_t postoffice, status *found)
{
	arena a = ARENA_INIT;
	struct rows r;

	arena_secret(&a);
	status kind = db_run(SQL_AUTH_SEALED, (struct param[]){p_int(postoffice)}, 1, &a, &r);
	for (int i = 0; kind == ST_OK && i < r.count; i++)
		try_open(postoffice, row_slice(&r, i, 0), &a, found);
	arena_release(&a);
	return kind;
}

/* One thing that opens is enough: others may be left of a secret file that was lost. ST_DENIED:
   none does; ST_ABSENT: nothing is encrypted. */
static status open_any(arena *a)
{
	status found = ST_ABSENT;
	struct rows r;

	TRY(try_routes(a, &found));
	TRY(db_run(SQL_POSTOFFICE_ALL, NULL, 0, a, &r));
	for (int i = 0; found != ST_OK && i < r.count; i++)
		TRY(try_postoffice(row_int(&r, i, 0), &found));
	return found;
}

/* ---- the mark */

static status compare(slice mine, arena *a)
{
	struct rows r;
	status kind = db_one(SQL_AUTH_HOUSE_KEY, (struct param[]){MARK}, 1, a, &r);

	if (kind == ST_ABSENT)
		return open_any(a);
	TRY(kind);
	return slice_same(mine, row_slice(&r, 0, 0)) ? ST_OK : ST_DENIED;
}

/* *mine: the mark of the file that is here, empty where there is none. */
static status check(arena *a, slice *mine)
{
	status kind = auth_secret_mark(a, mine);
	bool here = kind == ST_OK;

	if (kind == ST_ABSENT)
		*mine = S("");
	else
		TRY(kind);
	kind = compare(*mine, a);
	if (kind == ST_DENIED)
		return log_trouble(
			kind, here ? EV_AUTH_SECRET_OTHER : EV_AUTH_SECRET_MISSING, NULL);
	return kind == ST_ABSENT && here ? ST_OK : kind;
}

static status keep(arena *a)
{
	slice mine;

	TRY(check(a, &mine));
	TRY(db_run(SQL_AUTH_HOUSE_KEY_MAKE, (struct param[]){MARK, p_bytes(mine)}, 2, a, NULL));
	return check(a, &mine); /* another node may have been faster */
}

status secret_print_check(void)
{
	arena a = ARENA_INIT;
	slice mine;

	arena_secret(&a);
	status kind = check(&a, &mine);
	arena_release(&a);
	return kind;
}

status secret_print_keep(void)
{
	arena a = ARENA_INIT;

	arena_secret(&a);
	status kind = keep(&a);
	arena_release(&a);
	return kind;
}
