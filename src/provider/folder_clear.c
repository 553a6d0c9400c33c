/* Removing what is old: folder by folder, mailbox by mailbox, in short transactions. */
#include "provider/folder.h"

#include "provider/db.h"
#include "provider/folder_expunge.h"
#include "provider/mailbox.h"
#include "provider/postoffice.h"

#define REMOVE_BATCH 1000
#define PAGE 500

static status folder_clear(const folder *f, usec before, int64_t *removed)
{
	arena a = ARENA_INIT;
	int64_t last = 0;
	status s;
	int count;

	do {
		struct param p[] = {p_int(f->postoffice), p_int(f->id), p_int(last), p_time(before),
			p_int(REMOVE_BATCH)};
		struct rows r;

		s = db_run(SQL_FOLDER_OLD_ENTRIES, p, 5, &a, &r);
		count = s == ST_OK ? r.count : 0;
		if (count > 0) {
			int64_t *uids = arena_new_array(&a, (size_t)count, sizeof *uids);
			int64_t gone = 0;

			for (int i = 0; i < count; i++)
				uids[i] = row_int(&r, i, 0);
			last = uids[count - 1];
			s = folder_expunge_wide(
				f->postoffice, f->mailbox, f->id, uids, count, &a, &gone);
			*removed += gone;
		}
		arena_clear(&a);
	} while (s == ST_OK && count == REMOVE_BATCH);
	arena_release(&a);
	return s;
}

static status mailbox_clear(int64_t office, int64_t owner, usec before, int64_t *removed)
{
	arena a = ARENA_INIT;
	folder *folders;
	int n = 0;
	status s = folder_list(office, owner, &a, &folders, &n);

	for (int i = 0; i < n && s == ST_OK; i++)
		s = folder_clear(&folders[i], before, removed);
	arena_release(&a);
	return s;
}

static status postoffice_clear(int64_t office, usec before, int64_t *removed)
{
	arena here = ARENA_INIT, next = ARENA_INIT;
	slice after = S("");
	status s;
	int n = 0;

	do {
		mailbox *boxes;

		s = mailbox_list(office, after, PAGE, &here, &boxes, &n);
		for (int i = 0; i < n && s == ST_OK; i++)
			s = mailbox_clear(office, boxes[i].id, before, removed);
		if (s == ST_OK && n > 0) {
			arena_clear(&next);
			after = arena_copy(&next, boxes[n - 1].name);
		}
		arena_clear(&here);
	} while (s == ST_OK && n == PAGE);
	arena_release(&here);
	arena_release(&next);
	return s;
}

static status house_clear(usec before, int64_t *removed)
{
	arena here = ARENA_INIT, next = ARENA_INIT;
	slice after = S("");
	status s;
	int n = 0;

	do {
		postoffice *rows;

		s = postoffice_list(after, PAGE, &here, &rows, &n);
		for (int i = 0; i < n && s == ST_OK; i++)
			s = postoffice_clear(rows[i].id, before, removed);
		if (s == ST_OK && n > 0) {
			arena_clear(&next);
			after = arena_copy(&next, rows[n - 1].name);
		}
		arena_clear(&here);
	} while (s == ST_OK && n == PAGE);
	arena_release(&here);
	arena_release(&next);
	return s;
}

status folder_remove_before(int64_t office, int64_t owner, usec before, int64_t *removed)
{
	int64_t count = 0;
	status s;

	if (office == 0)
		s = house_clear(before, &count);
	else if (owner == 0)
		s = postoffice_clear(office, before, &count);
	else
		s = mailbox_clear(office, owner, before, &count);
	if (removed)
		*removed = count;
	return s;
}
