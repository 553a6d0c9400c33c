/* Mail for other systems: the runner of the queue. Leases shards, claims what is due, sends it
   through a transport with limits per destination and turns between post offices, writes what
   became of it, and tells senders (RFC 3461, 3464). One per outbound worker. */
#ifndef PENNYPOST_CONNECTOR_SMTP_OUTBOUND_H
#define PENNYPOST_CONNECTOR_SMTP_OUTBOUND_H

#include "connector/smtp/client.h"
#include "provider/queue.h"

struct outbound_word { /* beside a recipient's result; in the arena of the call */
	slice host;    /* that spoke last; empty = nobody did */
	slice fields;  /* key=value for the trace; may be empty */
};

/* How a message gets to another system. Tests have one that is no network. */
struct outbound_transport {
	/* The key of a domain's limits: the host of its route, or the domain. */
	slice (*destination)(void *arg, slice domain, arena *a);
	/* Hands the message to the domain's hosts, one after another as RFC 5321 5.1 has it. Fills
	   every recipient's result and word. */
	void (*send)(void *arg, slice domain, struct client_message *m, arena *a,
		struct outbound_word *words);
	void (*tend)(void *arg); /* about every second */
	void *arg;
	/* Changes the limits a domain's destination has of its own. May be NULL. */
	void (*limits)(void *arg, slice domain, unsigned *at_once, usec *apart);
};
/* Routes, DNS and the SMTP client: one in a process, valid until it is closed. ST_INVALID: the
   setting dns_servers. ST_BUSY. */
status outbound_wire_open(const struct outbound_transport **out);
void outbound_wire_close(void);

struct outbound_conf {
	unsigned seat; /* of the doorbell: index of the worker */
	const struct outbound_transport *transport;
};
/* A task body: runs until cancelled, then finishes what is being sent for at most stop_patience,
   and gives its shards back. *arg is a struct outbound_conf, lent. */
status outbound_run(void *arg);
/* Stop asking for more; what is being sent is finished. For the worker's graceful end. */
void outbound_leave(void);
bool outbound_over(void); /* outbound_run has returned, or never ran */

#endif
