/* TLS with OpenSSL: server contexts with one certificate per host name (SNI), client contexts.

   A certificate folder holds pairs NAME.crt (chain, PEM) and NAME.key; `default.crt` answers
   clients without SNI or with an unknown name (when missing, the first in name order does). NAME is
   a host name or `_.example.org` for the wildcard. tls_server_reload() reads the folder
   again: all or nothing, the old set keeps serving when the new one is broken.
   TLS 1.2 and 1.3 only, ECDHE with AEAD for 1.2, no renegotiation, no compression, session tickets
   with keys rotated every 12 h (24 h valid) and shared by all workers of the node (the master makes
   the first keys before it forks), SSL_MODE_RELEASE_BUFFERS, early data off. */
#ifndef PENNYPOST_NET_TLS_H
#define PENNYPOST_NET_TLS_H

#include "base/arena.h"
#include "base/clock.h"
#include "base/status.h"

typedef struct tls_server tls_server;
typedef struct tls_client tls_client;
struct ssl_ctx_st;

/* ST_ABSENT: no pair in the folder; ST_INVALID: a pair is broken. The reason is logged with file
   name and remedy. A certificate that is out of date, or does not count yet, is served all the
   same. */
status tls_server_open(const char *folder, tls_server **out);
status tls_server_reload(tls_server *s);
/* Whether the folder changed since it was read, well or in vain (names and modification times);
   cheap. */
bool tls_server_changed(const tls_server *s);
/* Warns of certificates, those of chains too, that run out within `ahead`, have run out or do not
   count yet: at the first call after they were read, and once a day from then on. Does nothing
   else, so it may be called each second. */
void tls_server_look(tls_server *s, usec ahead);
/* When the first of them runs out (wall). */
usec tls_server_until(const tls_server *s);
void tls_server_close(tls_server **s);
/* Ticket keys for all workers: call once in the master before fork. */
void tls_share_tickets(void);

enum tls_verify {
	TLS_VERIFY_NONE, /* opportunistic: any certificate, and older ciphers than elsewhere */
	TLS_VERIFY_NAME, /* chain and host name */
	TLS_VERIFY_DANE  /* one of the TLSA records (RFC 7672) */
};
/* A TLSA record (RFC 6698 2.1). Mail knows usage 2 (DANE-TA) and 3 (DANE-EE) only. */
struct tls_tlsa {
	uint8_t usage, selector, matching;
	slice data;
};
/* What a client wants of a handshake; lent for the call. */
struct tls_wanted {
	const char *host; /* for SNI and looked for in the certificate; a name or an address */
	enum tls_verify verify;
	const slice *names; /* further names that do */
	int name_count;
	const struct tls_tlsa *tlsa; /* for TLS_VERIFY_DANE */
	int tlsa_count;
	/* Sessions are kept and offered again under this name and everything else wanted here;
	   empty = neither. It names the host and port. */
	slice session;
};
/* Whether a client can check at least one of the records (usage 2 or 3, known selector and
   matching, data of the right size and form). */
bool tls_tlsa_usable(const struct tls_tlsa *records, int n);
/* Why a handshake of ours failed, for reports (RFC 8460 4.3). */
enum tls_trouble {
	TLS_TROUBLE_NONE,
	TLS_TROUBLE_HANDSHAKE, /* lost, refused, no common version or cipher, not TLS at all */
	TLS_TROUBLE_NAME,      /* the certificate is for somebody else */
	TLS_TROUBLE_EXPIRED,   /* or not valid yet */
	TLS_TROUBLE_UNTRUSTED, /* no chain to an authority */
	TLS_TROUBLE_TLSA       /* no TLSA record fits */
};
/* ca_file NULL = the system's authorities. Keeps the sessions of its streams, one per
   tls_wanted.session and at most 4,096 (the oldest go), for a shorter handshake next time. From any
   thread; its streams may outlive it. */
status tls_client_open(const char *ca_file, tls_client **out);
void tls_client_close(tls_client **c);
/* The system's authorities, opened once per process; NULL: they cannot be had (logged). From any
   thread. */
const tls_client *tls_client_system(void);

#endif
