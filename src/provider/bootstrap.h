/* The bootstrap file: the little a process must know before it can ask the database. Lines of
   `key = value`, `#` starts a comment line. Everything else is a setting in PostgreSQL.
     pguri            of the run-time role (row-level security applies to it)
     pguri_system     of the system role (routing, housekeeping); default: pguri with its user name
                      replaced by pennypost_system
     pguri_owner      of the schema's owner; only `pennypost schema` uses it
     pguri_news       of the system role, direct, for LISTEN (news_bell.h); default: pguri_system
     prepare          yes, or no: behind a pooler that keeps no prepared statements; default yes
     node             name of this node (default: host name)
     certificates     folder of NAME.crt / NAME.key pairs (net/tls.h); default /etc/pennypost/certificates
     user             the user to become after ports are open (only when started as root)
     state            folder for the pid file of this node; default /run/pennypost
     logs             folder for log files of services; default /var/log/pennypost
     program_user     the user that programs of the operator run as; without one they are not run
     programs         folder of those programs; default /etc/pennypost/programs
     services         what this node runs, instead of the setting `services`
     secret_file      32 random bytes that encrypt recoverable secrets (auth_recoverable); every node
                      needs the same file. Default: `secret` beside the bootstrap file; made by
                      `pennypost schema init` */
#ifndef PENNYPOST_PROVIDER_BOOTSTRAP_H
#define PENNYPOST_PROVIDER_BOOTSTRAP_H

#include "base/arena.h"
#include "base/status.h"

struct bootstrap {
	slice file; /* where it was read from */
	slice pguri, pguri_system, pguri_owner,
		pguri_news; /* the last may be empty: as pguri_system */
	slice prepare;      /* "yes" or "no"; in a struct made by hand also empty: yes */
	slice node, certificates, user, state, secret_file, services, logs, program_user, programs;
};

/* Reads the file; `path` NULL = $PENNYPOST_CONF or /etc/pennypost/pennypost.conf. Terminated slices
   in the arena. ST_ABSENT no such file, ST_INVALID a line is wrong (logged with line number and
   remedy); *out has the file's path then. */
status bootstrap_read(const char *path, arena *a, struct bootstrap *out);

#endif
