/* One statement a recipient; see the header. */
#include "provider/greylist.h"

#include "provider/db.h"
#include "provider/setting.h"

status greylist_meet(int64_t postoffice, slice key, usec *wait)
{
	arena a = ARENA_INIT;
	struct rows r;
	struct param p[] = {p_int(postoffice), p_bytes(key),
		p_int(setting_number(S_greylist_delay, NULL)),
		p_int(setting_number(S_greylist_window, NULL)),
		p_int(setting_number(S_greylist_memory, NULL))};
	status kind = db_one(SQL_GREYLIST_MEET, p, 5, &a, &r);

	if (kind == ST_OK)
		*wait = row_int(&r, 0, 0);
	arena_release(&a);
	return kind;
}
