/* Delivery status notifications: RFC 3464 inside the multipart/report of RFC 6522, with RFC 3461's
   ORCPT and ENVID and RFC 6533's forms for addresses beyond ASCII. A pure builder: who is told
   what, and whether at all, is the connectors' matter. */
#ifndef PENNYPOST_MAIL_DSN_H
#define PENNYPOST_MAIL_DSN_H

#include "base/arena.h"
#include "base/status.h"
#include "mail/date.h"
#include "mail/notice.h"

enum dsn_action { DSN_FAILED, DSN_DELAYED, DSN_DELIVERED, DSN_RELAYED, DSN_EXPANDED };

struct dsn_recipient {
	slice address; /* "local@domain" */
	slice orcpt;   /* "rfc822;anna@example.org", decoded, as the sender gave it; empty = none */
	slice status;  /* "5.1.1" */
	slice host;    /* that spoke last; empty = none did */
	int code;      /* of its reply; 0 = it gave none */
	slice text;    /* what it said, or what we say */
	usec tried;    /* last attempt; 0 = none */
	usec until;    /* DSN_DELAYED: tried until then */
};

struct dsn {
	enum dsn_action action; /* of all recipients */
	enum language language; /* of the sentences for people */
	slice reporter;         /* our name */
	slice from;             /* address of the From field */
	slice to;               /* the sender who is told */
	slice envid;            /* decoded; empty = none */
	usec arrived, at;       /* the message; this report */
	slice message_id;       /* of the report: "<...>" */
	const struct dsn_recipient *to_whom;
	int n;
	slice original; /* the message's header section, or all of it */
	bool full;      /* all of it */
};

/* The whole report with CRLF line ends. What others said stands in it shortened and made printable;
   nothing of it can end a field or a part (T54). ST_INVALID when an address cannot stand in a
   header. */
status dsn_compose(const struct dsn *d, arena *a, slice *message);

#endif
