#include "tests/unit/provider/given.h"

#include "base/log.h"
#include "base/random.h"
#include "provider/audit.h"
#include "provider/migrate.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static const struct audit_by by = {{"test", 4}, {"", 0}};
const struct audit_by *const given_by = &by;
static arena kept;

static slice from_environment(const char *name)
{
	const char *value = getenv(name);
	cr_assert(value, "%s is not set: run this test by tests/with-pg.sh", name);
	return slice_z(value);
}

const struct bootstrap *given_bootstrap(void)
{
	static struct bootstrap b;
	b = (struct bootstrap){.file = S("test"),
		.node = S("test"),
		.certificates = S(""),
		.user = S(""),
		.state = S(""),
		.secret_file = S("secret"),
		.pguri = from_environment("PENNYPOST_TEST_PGURI"),
		.pguri_system = from_environment("PENNYPOST_TEST_PGURI_SYSTEM"),
		.pguri_owner = from_environment("PENNYPOST_TEST_PGURI_OWNER")};
	return &b;
}

void given_schema(void)
{
	int from, to;
	slice why = S("");
	status kind;
	int tries = 0; /* the lock is had for two seconds only, and another test may be making it */
	do
		kind = migrate_run(given_bootstrap()->pguri_owner, &kept, &from, &to, &why);
	while (kind == ST_BUSY && ++tries < 60);
	cr_assert(kind == ST_OK, "%s: %.*s", status_name(kind), SLICE_ARGS(why));
}

void given_providers(void)
{
	given_schema();
	struct provider_conf c = {.boot = given_bootstrap(),
		.connections = 4,
		.system_connections = 2,
		.application = "test"};
	cr_assert(provider_open(&c) == ST_OK);
}

void given_setting(enum setting_id id, const char *value)
{
	arena a = ARENA_INIT;
	slice v = slice_z(value ? value : ""), why = {0};

	cr_assert_eq(setting_set(id, NULL, value ? &v : NULL, given_by, &a, &why), ST_OK, "%.*s",
		SLICE_ARGS(why));
	arena_release(&a);
}

db_link *given_link(void)
{
	db_link *l = NULL;
	slice why = S(""), uri;
	cr_assert(db_uri_as(from_environment("PENNYPOST_TEST_SUPERURI"), S(""), S(""), &kept, &uri,
			  &why) == ST_OK);
	uri = arena_format(&kept, "%.*s dbname='pennypost'", SLICE_ARGS(uri));
	cr_assert(db_link_open(uri, "test", &kept, &l, &why) == ST_OK, "%.*s", SLICE_ARGS(why));
	return l;
}

db_link *given_super(void)
{
	static db_link *super;
	if (super == NULL)
		super = given_link();
	return super;
}

void given_script(db_link *l, const char *sql)
{
	slice why = S("");
	cr_assert(db_link_script(l, sql, &kept, &why) == ST_OK, "%s: %.*s", sql, SLICE_ARGS(why));
}

static struct rows super_rows(const char *sql)
{
	struct rows r;
	status kind = db_link_run(given_super(), sql, NULL, 0, &kept, &r);
	cr_assert(kind == ST_OK, "%s: %s", status_name(kind), sql);
	return r;
}

int64_t given_sql(const char *sql)
{
	struct rows r = super_rows(sql);
	return r.count && r.columns && !row_null(&r, 0, 0) ? row_int(&r, 0, 0) : r.changed;
}

slice given_text(const char *sql)
{
	struct rows r = super_rows(sql);
	cr_assert(r.count == 1 && r.columns == 1, "%s", sql);
	return row_slice(&r, 0, 0);
}

bool given_somebody_waits(void)
{
	for (int i = 0; i < 6000; i++) {
		if (given_sql("select count(*) from pg_locks l where not l.granted and "
			      "pg_backend_pid() = any (pg_blocking_pids(l.pid))") > 0)
			return true;
		nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
	}
	return false;
}

void given_silence(void)
{
	log_open(&(struct log_target){.fd = open("/dev/null", O_WRONLY | O_CLOEXEC),
		.least = LOG_ERROR_LEVEL,
		.role = "test"});
}

static int64_t any_id(void)
{
	return (int64_t)random_below(INT64_MAX) + 1;
}

struct given_tenant given_tenant(void)
{
	char sql[600];
	/* Not id_new(): tests without providers have no number of their own. */
	struct given_tenant t = {any_id(), any_id(), any_id()};
	snprintf(sql, sizeof sql,
		"insert into postoffice (postoffice, name) values (%lld, 'po%lld')",
		(long long)t.postoffice, (long long)t.postoffice);
	given_sql(sql);
	snprintf(sql, sizeof sql,
		"insert into mailbox (postoffice, mailbox, name, folded, inbox) values (%lld, %lld, 'anna', 'anna', %lld)",
		(long long)t.postoffice, (long long)t.mailbox, (long long)t.inbox);
	given_sql(sql);
	snprintf(sql, sizeof sql,
		"insert into folder (postoffice, folder, mailbox, name, uidvalidity) values (%lld, %lld, %lld, 'INBOX', 1)",
		(long long)t.postoffice, (long long)t.inbox, (long long)t.mailbox);
	given_sql(sql);
	return t;
}
