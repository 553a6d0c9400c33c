/* Privileges: given up once and for good (T61). */
#ifndef PENNYPOST_PROGRAM_PRIVILEGE_H
#define PENNYPOST_PROGRAM_PRIVILEGE_H

#include "base/status.h"

/* Becomes `user` when started as root, checks that there is no way back, and forbids new
   privileges. An ordinary user stays who he is. ST_INVALID: `user` is missing, unknown or root
   (logged with the remedy); ST_DENIED: the system refused. */
status privilege_drop(const char *user);

/* For the master and all it will fork, after privilege_drop and after all files are open: a
   system-call filter: no programs, no writing to the file system. ST_DENIED when the kernel refused
   the filter. */
status privilege_confine(void);

/* Filters of helpers and of their keepers, which hand them on, for nobody can loosen one. ST_DENIED
   as above. */
status privilege_confine_scribe(void); /* programs and the network are refused, files are not */
/* Programs of the operator have it too: refused is only what looks into other processes or takes
   from them. */
status privilege_confine_runner(void);

/* For workers: dies with `parent`, no core of secrets for others. ST_CLOSED when the parent is gone
   already; ST_DENIED when the kernel refused. */
status privilege_seal(int parent);

#endif
