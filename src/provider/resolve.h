/* Who gets a message: the one place that turns a recipient of an envelope into deliveries.

       address -- address_lead() --+--> mailbox
                                   +--> group ----> its members, each again
                                   +--> an address at another system

   What a mailbox's owner wants of mail (redirections) is the connector's matter.

   An ordinary address costs what address_resolve() costs and gives no list: `n` is 0 and `route` is
   the mailbox. All else is worked off level by level, one statement for all groups of a level;
   every mailbox, group and outside address is met once, so that what contains itself ends and
   nobody gets two copies. More than group_recipients_most of them are refused as a whole.

   A member, or an address led to, that is another post office's gets what a message from anybody
   would get there: its own map, groups and rules decide, under its own row-level security, and a
   group of its that not everybody may write to is told of as refused. What cannot be delivered to
   one member (full, gone, disabled) stands in the list with its reason, and keeps it from no other;
   when nobody is left, the recipient is refused with the first reason. Report requests go along as
   RFC 3461 5.2.7 wants it: all of it to a single successor; of several none is asked for SUCCESS,
   which a report of kind `expanded` answers. */
#ifndef PENNYPOST_PROVIDER_RESOLVE_H
#define PENNYPOST_PROVIDER_RESOLVE_H

#include "mail/parameter.h"
#include "provider/address_map.h"
#include "provider/group.h"

struct destination {        /* one delivery */
	bool remote;        /* a row of the queue; else an entry in a mailbox */
	struct route route; /* of a remote one only the post office that carries it */
	slice address,
		domain;  /* remote: whom RCPT is to name there, and its domain, canonical; here: the
			    address  that led to it, which may be another post office's */
	status kind;     /* ST_OK, or why nothing is delivered: ST_ABSENT, ST_DENIED, ST_FULL */
	unsigned notify; /* set of parameter_notify; 0 = not given */
	slice orcpt;     /* "rfc822;team@demo.test"; empty = none */
};

struct resolution {
	struct route route; /* the recipient itself */
	struct destination *to;
	int n;                      /* 0: `route` alone */
	enum group_posting posting; /* of the group the recipient is; GROUP_OPEN when it is none */
	bool outside;               /* somebody at another system is among them */
	bool expanded; /* SUCCESS was asked for and led to several: a report of it is due */
};

/* `dsn` as the client gave it, NULL = nothing. `size` as in address_resolve(). Kinds as there, and
   ST_LIMITED: more recipients than group_recipients_most. Whether the sender may post, and send to
   others through it, is for the caller to ask: group_may_post(). */
status resolve(slice local, slice domain, uint64_t size, const rcpt_parameters *dsn, arena *a,
	struct resolution *out);

struct poster { /* who sends, for group_may_post() */
	int64_t postoffice,
		mailbox; /* of who logged on; mailbox 0 and a post office: a host it trusts */
	slice address;   /* the envelope's sender */
	bool known;      /* it is his (logon, or his domain says so by SPF) */
};
bool group_may_post(const struct resolution *g, const struct poster *p);

#endif
