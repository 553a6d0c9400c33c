/* The master: opens ports, gives up privileges, starts workers and keeps them alive. */
#ifndef PENNYPOST_PROGRAM_MASTER_H
#define PENNYPOST_PROGRAM_MASTER_H

#include "provider/bootstrap.h"

#include <stdbool.h>

/* Everything up to the first worker: pid file, settings from the database, ports, shared tables,
   privileges, certificates. With `check_only` it stops there and gives 0 when a start would
   succeed. Otherwise serves until SIGTERM or SIGINT: SIGHUP makes workers read certificates again,
   SIGUSR2 restarts them one by one. Returns an exit code of sysexits.h; what was wrong is logged in
   one sentence with its remedy. */
int master_run(const struct bootstrap *boot, bool check_only, bool debug);

/* The exit code of a start that gave this kind, of sysexits.h. */
int master_exit_code(status kind);

#endif
