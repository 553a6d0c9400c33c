/* Listening sockets and the accept loops on them; caps per address, network and process.

   The master opens one socket per (endpoint, worker) with SO_REUSEPORT before privileges are
   dropped, and keeps it: connections queued on a crashed worker's socket wait for its successor. */
#ifndef PENNYPOST_NET_LISTENER_H
#define PENNYPOST_NET_LISTENER_H

#include "net/conversation.h"

struct listener_spec {
	enum service service;
	net_address at;
	bool tls;                       /* implicit TLS */
	status (*run)(conversation *c); /* the service's whole talk */
	int fd;                         /* open socket of this worker */
};

/* Opens a bound, listening, non-blocking, close-on-exec socket. ST_EXISTS: the port is taken;
   ST_DENIED: no right to bind; ST_INVALID: no such address here. Logged with the remedy.
   A shared port lets in every process of the same user, so a second master would go unnoticed: the
   master first opens (and closes) it unshared. Family 0 listens for IPv6 and IPv4. */
status listener_socket(const net_address *at, bool shared, int *fd);

struct listener_limits { /* read at each accept, so settings act at once; a cap of 0 is none */
	unsigned (*most)(enum service s);        /* conversations per service in this worker */
	unsigned (*per_address)(enum service s); /* per IPv4 address or IPv6 /64, whole node */
	unsigned (*per_network)(enum service s); /* per IPv4 /24 or IPv6 /48, whole node */
	/* Answers a refused client in its protocol ("421 ..."); one write, no waiting. */
	slice (*refusal)(enum service s);
	usec (*handshake)(
		enum service s); /* patience for the TLS handshake, and for a PROXY header */
	/* Balancers, whose connections begin with a PROXY header (v2) that names the client; the
	   client is counted then, not they. NULL: there are none. */
	bool (*proxied)(const net_address *peer);
	unsigned (*most_of_all)(
		void); /* conversations of all services in this worker; NULL: no cap */
};
/* One table of open conversations per address for all workers of the node, in shared memory; the
   master calls this before it forks. Without it the counts are the process's own. A dead worker's
   counts are cleared with its slot (0 .. PEER_SLOTS-1). */
#define PEER_SLOTS 256
void peer_share(void);
void peer_slot(unsigned slot);
void peer_slot_clear(unsigned slot);

/* Starts one accept task per spec. tls may be NULL (specs with tls are an error then: ST_INVALID).
   Every accepted client becomes a task that runs spec->run and closes. */
status listener_start(const struct listener_spec *specs, int n, const tls_server *tls,
	const struct listener_limits *limits);
/* No new conversations; idle ones are told (dialogue.stopping), the others when their present
   command is done. The sockets stay open: who connects now waits for the successor. Graceful stop:
   R19. On the loop's thread. */
void listener_stop(void);
bool listener_stopping(void);
unsigned listener_open_count(void); /* of all services: conversation_count */

/* Counts and logs a refused client, and tells it so as far as that needs no waiting; words may be
   empty. The descriptor stays open. From any thread. */
void listener_refuse(
	enum service s, int fd, const net_address *peer, slice words, const char *reason);

/* One conversation on two descriptors (--stdio, tests), on the calling thread or task. */
status conversation_run(enum service service, int in, int out, const tls_server *tls,
	status (*run)(conversation *c));
/* The same as on a port that speaks TLS from the first byte, which has to be there within
   `handshake`. */
status conversation_run_tls(enum service service, int in, int out, const tls_server *tls,
	usec handshake, status (*run)(conversation *c));

#endif
