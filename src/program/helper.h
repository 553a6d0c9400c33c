/* Helpers: processes beside the workers that may do what workers may not, and speak to no client.
   The master's system-call filter would be theirs too, so they are started before it, and since it
   cannot start them again, each has a keeper that does: a process that does nothing else. A helper
   ends when the last other end of its descriptor is closed. */
#ifndef PENNYPOST_PROGRAM_HELPER_H
#define PENNYPOST_PROGRAM_HELPER_H

#include "base/status.h"
#include "provider/bootstrap.h"

#include <sys/types.h>

struct helper {
	const char *name;
	const char *user;        /* whom the keeper becomes; NULL: stays who it is */
	status (*confine)(void); /* the system-call filter of both (privilege.h) */
	int (*run)(int fd, const struct bootstrap *boot); /* gives its exit code */
};

/* Forks the keeper, which gives up its rights, closes every descriptor but the standard ones and
   `fd`, and the helper in it. After the helper's exit code 0 the keeper ends too, as it does when
   the helper ends after the master. The keeper's id; ST_BUSY. */
status helper_start(const struct helper *h, int fd, const struct bootstrap *boot, pid_t *keeper);

#endif
