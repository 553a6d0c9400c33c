/* Logon names, taken apart (A6, E8). Which mailbox they lead to is asked of the store. */
#ifndef PENNYPOST_PROVIDER_AUTH_NAME_H
#define PENNYPOST_PROVIDER_AUTH_NAME_H

#include "base/arena.h"
#include "base/status.h"

#define AUTH_NAME_MOST 320 /* octets */

struct auth_name {
	slice mailbox; /* folded: name of a mailbox or local part of an address */
	slice realm;   /* folded: name of a post office or domain; auth_default_postoffice
			  for bare names; empty when there is none */
	slice domain;  /* the realm as a domain in canonical form; empty when it is none */
	slice key;     /* one text for all spellings of the same name: for throttle and cache */
};

/* ST_INVALID: empty, too long, no UTF-8, control characters; the logon then takes the road of an
   unknown name. */
status auth_name_parse(slice written, arena *a, struct auth_name *out);

#endif
