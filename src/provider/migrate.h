/* Migrations: sql/schema/NNNN-name.sql, embedded in the program, applied in their order as the
   schema's owner, each in a transaction of its own that also notes its number. And, once per
   installation, the database with its three roles. For `pennypost schema`. */
#ifndef PENNYPOST_PROVIDER_MIGRATE_H
#define PENNYPOST_PROVIDER_MIGRATE_H

#include "base/arena.h"
#include "base/status.h"

int migrate_known(void); /* the version this program stands for */

/* The schema's version, 0 when there is none. ST_BUSY (*why). */
status migrate_version(slice owner_uri, arena *a, int *version, slice *why);
/* Brings it to migrate_known(). *from, *to: before and after, also when a later one failed. ST_BUSY
   (unreachable, or a lock not had within 2 s: run again), ST_INVALID the schema is newer than this
   program, ST_BROKEN a migration was refused; *why then names it. Two at once do no harm. */
status migrate_run(slice owner_uri, arena *a, int *from, int *to, slice *why);

/* The processes that run and stand for a version before this program's: "node role", by name.
   ST_BUSY (*why). */
status migrate_older(slice owner_uri, arena *a, slice **names, int *n, slice *why);

struct migrate_roles {
	slice superuser_uri; /* to any database of the server */
	slice database;      /* made if absent, owned by pennypost_owner */
	slice owner_password, run_password, system_password; /* empty: left as they are */
};
/* Makes pennypost_owner, pennypost_run and pennypost_system with their limits, and the database.
   What stands already is left, but for the passwords given. ST_BUSY, ST_BROKEN, ST_DENIED
   refused to who is no superuser (*why). */
status migrate_roles(const struct migrate_roles *r, arena *a, slice *why);
/* The server's other databases that use these roles, by name; empty: none. ST_BUSY (*why). */
status migrate_beside(slice superuser_uri, slice database, arena *a, slice *names, slice *why);
/* The connection string of one of those roles for that database, made of the superuser's.
   ST_INVALID (*why). */
status migrate_role_uri(slice superuser_uri, slice database, slice role, slice password, arena *a,
	slice *out, slice *why);

#endif
