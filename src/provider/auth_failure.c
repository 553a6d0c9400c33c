#include "provider/auth_failure.h"

#include "provider/change.h"
#include "provider/db.h"
#include "provider/setting.h"

#include <arpa/inet.h>
#include <endian.h>
#include <string.h>

/* Of a mailbox that is gone, and where it cannot be asked for, what `subject` says. */
static slice account_of(int64_t postoffice, int64_t id, slice subject, arena *a)
{
	mailbox *m;

	return id != 0 && mailbox_by_id(postoffice, id, a, &m) == ST_OK
		       ? arena_format(a, "%.*s@%.*s", SLICE_ARGS(m->name),
				 SLICE_ARGS(m->postoffice_name))
		       : subject;
}

static struct auth_failure read_row(const struct rows *r, int row, arena *a)
{
	slice subject = row_slice(r, row, 1);
	int64_t postoffice = row_int(r, row, 2), id = row_int(r, row, 3);
	struct auth_failure f = {.failures = row_int(r, row, 4),
		.since = row_time(r, row, 5),
		.last = row_time(r, row, 6),
		.until = row_time(r, row, 7),
		.acts = row_bool(r, row, 8)};

	switch (row_slice(r, row, 0).at[0]) {
	case 'a':
		f.of = AUTH_OF_ADDRESS;
		f.address = subject;
		break;
	case 'p':
		f.of = AUTH_OF_PAIR;
		f.address = subject;
		f.account = account_of(postoffice, id, S(""), a);
		break;
	case 'g':
		f.of = AUTH_OF_ALL;
		break;
	default:
		f.of = AUTH_OF_ACCOUNT;
		f.account = account_of(postoffice, id, subject, a);
	}
	return f;
}

status auth_failure_list(bool acting, unsigned most, arena *a, struct auth_failure **rows, int *n)
{
	const struct auth_limits limits = auth_throttle_limits();
	const struct param p[] = {p_int(most), p_int(setting_number(S_auth_failure_span, NULL)),
		p_int(limits.single), p_int(limits.pair), p_int(limits.all), p_bool(acting)};
	struct rows r;

	TRY(db_run(SQL_AUTH_FAILURE_LIST, p, 6, a, &r));
	*n = r.count;
	*rows = arena_new_array(a, (size_t)r.count, sizeof **rows);
	for (int i = 0; i < r.count; i++)
		(*rows)[i] = read_row(&r, i, a);
	return ST_OK;
}

/* As the list writes it, too. */
static bool is_address(slice s, arena *a)
{
	const char *z = arena_z(a, s);
	uint8_t ip[16];

	return inet_pton(AF_INET, z, ip) == 1 || inet_pton(AF_INET6, z, ip) == 1;
}

/* The key that its failures are counted under. */
static status key_of(slice who, arena *a, slice *key)
{
	const struct auth_from nowhere = {.service = SERVICE_NONE, .address = S("")};
	struct auth_counts counts;

	if (slice_ends_nocase(who, S("/64")))
		who = slice_until(who, who.size - 3);
	*key = S("");
	if (who.size == 0)
		return ST_OK;
	if (!is_address(who, a))
		return auth_against(who, &nowhere, a, &counts, key);
	uint8_t *made = arena_new(a, AUTH_KEY);
	auth_throttle_key(AUTH_KEY_ADDRESS, who, made);
	*key = slice_of(made, AUTH_KEY);
	return ST_OK;
}

/* Under which post office that is audited, and as whom; 0: no mailbox is meant. An account's key has
   its two ids (auth_find). */
static int64_t audited(slice who, slice key, slice *object, arena *a)
{
	uint64_t id[2];

	*object = who.size ? who : S("*");
	if (key.size != 1 + sizeof id || key.at[0] != 'm')
		return 0;
	memcpy(id, key.at + 1, sizeof id);
	*object = account_of((int64_t)be64toh(id[0]), (int64_t)be64toh(id[1]), who, a);
	return (int64_t)be64toh(id[0]);
}

status auth_failure_lift(slice who, const struct audit_by *by, arena *a, int64_t *lifted)
{
	slice key, object;
	struct rows r;

	TRY(key_of(who, a, &key));
	int64_t postoffice = audited(who, key, &object, a);
	db_tx *tx = db_begin(DB_SYSTEM, a);
	const struct param p[] = {p_bytes(key), p_int(setting_number(S_auth_failure_span, NULL))};
	change_audit(tx, postoffice, by, "logon.lift", object, S(""));
	db_add(tx, SQL_AUTH_FAILURE_LIFT, p, 2, &r);
	TRY(db_commit(&tx, NULL));
	*lifted = row_int(&r, 0, 0);
	return ST_OK;
}
