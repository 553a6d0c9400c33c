/* Statements are asked of a post office that nobody has: they read and change nothing, but their
   plans, and what PostgreSQL keeps of the tables, stay with the connection. */
#include "provider/warm.h"

#include "provider/db.h"
#include "provider/folder.h"
#include "task/task.h"

static status warm_one(void *unused)
{
	const struct param none = p_int(0), no_uids = p_int_array(NULL, 0);
	arena a = ARENA_INIT;
	db_tx *tx = db_begin(DB_RUN, &a);

	(void)unused;
	db_add(tx, SQL_VIEW_LOAD,
		(struct param[]){none, none, p_null(P_TEXT), none, none, none, none}, 7, NULL);
	db_add(tx, SQL_VIEW_LOOKS, (struct param[]){none, no_uids, no_uids}, 3, NULL);
	db_add(tx, SQL_MESSAGE_FACTS, (struct param[]){none, no_uids, none}, 3, NULL);
	db_add(tx, SQL_FOLDER_PAGE_READ, (struct param[]){none, none, no_uids, none, none}, 5,
		NULL);
	db_add(tx, SQL_BLOB_SMALL, (struct param[]){none, no_uids, none}, 3, NULL);
	db_add(tx, SQL_BLOB_SMALL_OF, (struct param[]){none, no_uids, none}, 3, NULL);
	db_add(tx, SQL_DELIVER_LOCK, (struct param[]){none, no_uids}, 2, NULL);
	db_add(tx, SQL_VIEW_RECENT, (struct param[]){none, none, none, none}, 4, NULL);
	db_add(tx, SQL_VIEW_STORE,
		(struct param[]){none, none, none, no_uids, no_uids, none, none, none}, 8, NULL);
	db_add(tx, SQL_VIEW_STORE_ALONE,
		(struct param[]){
			none, none, none, none, no_uids, none, none, none, none, p_text(S("{}"))},
		10, NULL);
	db_add(tx, SQL_FOLDER_EXPUNGE_ALONE,
		(struct param[]){
			none, none, none, none, no_uids, none, none, none, p_text(S("{}"))},
		9, NULL);
	db_add(tx, SQL_FOLDER_EXPUNGE,
		(struct param[]){none, none, none, no_uids, no_uids, p_int(FLAG_DELETED)}, 6, NULL);
	status s = db_commit(&tx, NULL);
	arena_release(&a);
	return s;
}

void warm_start(void)
{
	for (int i = 0; i < WARM_CONNECTIONS; i++)
		(void)task_start("warm", warm_one, NULL);
}
