#include "provider/node.h"

#include "base/id.h"
#include "base/log.h"
#include "base/random.h"
#include "provider/db.h"
#include "provider/migrate.h"
#include "provider/watch.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#define LEASE (60 * USEC_S)
#define TRIES 20 /* others may take the same number in the same moment */

/* Written before the watch starts and by it alone afterwards. */
static struct {
	char name[256], role[64];
	int64_t number, token;
	_Atomic usec
		until; /* monotonic, by this process's clock from before the statement was sent */
} self;

slice node_name(void)
{
	return slice_z(self.name);
}

slice node_process(void)
{
	return slice_z(self.role);
}

void node_number(int64_t *number, int64_t *token)
{
	*number = self.number;
	*token = self.token;
}

bool node_is_valid(void)
{
	return clock_now() < atomic_load(&self.until);
}

void node_role(const char *role)
{
	snprintf(self.role, sizeof self.role, "%s", role);
}

status node_lease(slice name)
{
	arena a = ARENA_INIT;
	struct rows r;
	status kind = ST_BUSY;
	snprintf(self.name, sizeof self.name, "%.*s", SLICE_ARGS(name));
	self.token = (int64_t)random_below(INT64_MAX) + 1;
	struct param p[] = {p_text(node_name()), p_text(slice_z(self.role)), p_int(self.token),
		p_int(LEASE), p_int(migrate_known())};
	for (int i = 0; i < TRIES; i++) {
		usec asked = clock_now();
		kind = db_one(SQL_NODE_TAKE, p, 5, &a, &r);
		if (kind == ST_OK) {
			self.number = row_int(&r, 0, 0);
			atomic_store(&self.until, asked + LEASE);
			id_node((unsigned)self.number);
		}
		if (kind != ST_ABSENT)
			break;
	}
	arena_release(&a);
	return kind == ST_ABSENT ? log_trouble(ST_BUSY, EV_NODE_NUMBERS, NULL) : kind;
}

status node_renew(void)
{
	struct param p[] = {p_int(self.number), p_int(self.token), p_int(LEASE)};
	usec asked = clock_now();
	status kind = db_one(SQL_NODE_RENEW, p, 3, NULL, NULL);
	if (kind == ST_OK)
		atomic_store(&self.until, asked + LEASE);
	if (kind != ST_ABSENT)
		return kind;
	arena a = ARENA_INIT;
	log_event(EV_NODE_LOST, "number=%d", (int)self.number);
	status leased = node_lease(arena_copy(&a, node_name()));
	arena_release(&a);
	return leased == ST_OK ? ST_ABSENT : leased;
}

void node_release(void)
{
	if (self.token == 0)
		return;
	struct param p[] = {p_int(self.number), p_int(self.token)};
	if (node_is_valid())
		db_run(SQL_NODE_GIVE_BACK, p, 2, NULL, NULL);
	self.token = 0;
	atomic_store(&self.until, 0);
}

status node_list(arena *a, struct node_row **rows, int *n)
{
	struct rows r;
	TRY(db_run(SQL_NODE_ALL, NULL, 0, a, &r));
	*n = r.count;
	*rows = arena_new_array(a, (size_t)r.count, sizeof **rows);
	for (int i = 0; i < r.count; i++)
		(*rows)[i] = (struct node_row){.number = (int)row_int(&r, i, 0),
			.name = row_slice(&r, i, 1),
			.role = row_slice(&r, i, 2),
			.seen = row_time(&r, i, 3),
			.schema = row_int(&r, i, 4)};
	return ST_OK;
}
