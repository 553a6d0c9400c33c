/* SMTP out: one talk with one host as its client, from the connection to QUIT, with as many
   messages as the caller likes (RFC 5321, 2920, 3207, 3461, 1870, 6152, 6531, 3030, 4954, 8689).
   Which host, which policy and what becomes of a message afterwards is the caller's: the queue and
   its agent. Where to go stands in client_route.h.

   A host may do what it likes: answer nonsense, a byte a second, for ever or never, break off
   anywhere, or speak in the clear behind STARTTLS. It costs its own talk and the time below, no
   more (T5), and its words reach the caller short and printable. Nothing is ever said after a
   policy was missed: with demanded TLS no sender, recipient or text leaves in the clear (T59).

   All calls wait by task and may be used from fibers and plain threads. One task at a time uses a
   client; the tasks of one thread share a pool. ST_CANCELLED travels as everywhere; results are
   filled all the same. */
#ifndef PENNYPOST_CONNECTOR_SMTP_CLIENT_H
#define PENNYPOST_CONNECTOR_SMTP_CLIENT_H

#include "base/arena.h"
#include "base/clock.h"
#include "base/list.h"
#include "base/status.h"
#include "mail/parameter.h"
#include "net/address.h"
#include "net/tls.h"

#define CLIENT_TEXT_MOST 1000       /* octets of a reply's text kept */
#define CLIENT_RECIPIENTS_MOST 1000 /* of one client_send */

typedef struct client client;

/* ---- what became of it */

enum client_outcome {
	CLIENT_DELIVERED, /* 2xx to the end of the text: it is the host's message now */
	CLIENT_DEFERRED,  /* not now: 4xx, or no answer */
	CLIENT_FAILED,    /* never this way: 5xx, or the host cannot carry the message */
	CLIENT_UNSURE /* the text was sent whole and its answer never came: it may have arrived */
};
enum client_cause {
	CLIENT_BY_REPLY, /* the host's word about this recipient or this message */
	CLIENT_BY_HOST, /* not reached, refused the talk as a whole, broke off: try the next host */
	CLIENT_BY_POLICY,  /* the TLS asked for is not to be had here: try the next host */
	CLIENT_BY_MESSAGE, /* the host lacks what it needs: SIZE, SMTPUTF8, REQUIRETLS, 8BITMIME */
	CLIENT_BY_LOGON,   /* the host does not take our name and password */
	CLIENT_BY_US,      /* the body could not be read, or this task was cancelled */
	CLIENT_STALE       /* a kept connection was gone before it took anything: open a new one */
};
enum client_phase {
	CLIENT_CONNECTING,
	CLIENT_GREETING,
	CLIENT_HELLO,
	CLIENT_STARTTLS, /* the command and the handshake */
	CLIENT_LOGON,
	CLIENT_MAIL,
	CLIENT_RCPT,
	CLIENT_DATA, /* the command */
	CLIENT_TEXT, /* while the text was sent */
	CLIENT_END   /* the answer to the end of the text */
};
const char *client_outcome_name(enum client_outcome o); /* "delivered", "deferred", ... */
const char *client_phase_name(enum client_phase p);     /* "connect", "greeting", ... */

/* Slices lie in the arena given to the call. `enhanced` is never empty: where the host gave none,
   or one that does not fit its code, it is made from the code and the phase (RFC 3463); with code 0
   `text` is a sentence of ours. */
struct client_result {
	enum client_outcome outcome;
	enum client_cause cause;
	enum client_phase phase;
	int code;          /* 200..599 as replied; 0 = no reply */
	slice enhanced;    /* "5.1.1" */
	slice text;        /* one line, printable, without codes, at most CLIENT_TEXT_MOST */
	slice tls;         /* trouble with TLS as RFC 8460 4.3 calls it, or empty */
	net_address local; /* client_open: our end of the connection; family 0 = there was none */
};

/* ---- opening */

enum client_tls {
	CLIENT_TLS_OFF, /* never */
	CLIENT_TLS_MAY, /* when it is to be had; a failed handshake is followed by a talk without */
	CLIENT_TLS_MUST, /* encrypted, whoever it is */
	CLIENT_TLS_NAME, /* chain to an authority, certificate for the host or one of `names` */
	CLIENT_TLS_DANE  /* RFC 7672 by `tlsa`; when none of them is usable: as CLIENT_TLS_MUST */
};

struct client_policy {
	enum client_tls tls;
	/* DANE: the TLSA records of _port._tcp.host, proved by DNSSEC. */
	const struct tls_tlsa *tlsa;
	int tlsa_count;
	/* Further names the certificate may carry: the next-hop domain for DANE. */
	const slice *names;
	int name_count;
	/* MTA-STS: the host's name must match one of these ("mail.example.org", "*.example.org")
	   before it is even connected to; 0 = not asked. Comes with CLIENT_TLS_NAME in enforce
	   mode. */
	const slice *mx;
	int mx_count;
};

struct client_logon {
	slice name, secret;
	bool in_clear; /* PLAIN and LOGIN also without TLS */
};

/* How long each step may take (RFC 5321 4.5.3.2 as defaults; settings outbound_*_patience). A reply
   must be complete within its step's time, however many bytes arrive. */
struct client_patience {
	usec connect;
	usec greeting;
	usec hello;    /* EHLO, HELO, RSET, each step of a logon */
	usec starttls; /* the command, and again the handshake */
	usec mail, rcpt, data;
	usec text; /* longest silence while the text is sent */
	usec end;  /* the answer to the end of the text */
	usec quit;
	usec transaction; /* one client_send in all */
};
/* As the settings say now. */
void client_patience_set(struct client_patience *p);

struct client_target {
	slice host;              /* its name, for TLS and reports; of a literal its "[192.0.2.1]" */
	net_address at;          /* address and port */
	const net_address *from; /* local address (outbound IP); NULL = any */
	slice hello;             /* the name we give ourselves; empty = local_domain */
	struct client_policy policy;
	const struct client_logon *logon; /* NULL = none */
	bool implicit_tls;                /* TLS from the first byte (submissions) */
	struct client_patience patience;
	const tls_client *authorities; /* NULL: the system's, opened once per process */
};

/* Connects and talks until the host is ready for messages: greeting, EHLO (HELO where that is
   unknown), STARTTLS, EHLO again, AUTH. With CLIENT_TLS_MAY a failed handshake is followed by a
   second connection without TLS. ST_OK: *out is ready. Otherwise *out is NULL and *why tells the
   outcome for everything that was meant to go there (deferred or failed); the kind is ST_CANCELLED
   when the task was, else ST_CLOSED, ST_TIMED_OUT, ST_DENIED (policy or logon) or ST_INVALID
   (nonsense was said). *t is lent for the call. */
status client_open(
	const struct client_target *t, arena *a, client **out, struct client_result *why);

/* Says QUIT when the talk is in order (waits for its answer at most patience.quit, at once when the
   task is cancelled) and closes. NULL is nothing. */
void client_close(client **c);

/* ---- sending */

struct client_recipient {
	slice address; /* for RCPT TO:<..>; as mail_address_text() gives it */
	/* NOTIFY, ORCPT; NULL = none. Said only to a host that knows DSN. */
	const rcpt_parameters *dsn;
	struct client_result result; /* filled by client_send */
	bool dsn_passed; /* the host knows DSN and has taken the request over: no report of
			    success ("relayed") is due from us (RFC 3461 5.2.2) */
};

/* Hands the text out in pieces of any size: calls take for each, in order, and stops with its kind
   when that is not ST_OK (blob_each has this form). Called again for another transaction of the
   same message. */
typedef status client_source(void *arg, status (*take)(slice piece, void *to), void *to);

struct client_message {
	int64_t postoffice; /* whose it is: for those who choose the target */
	int64_t id;         /* the message's, for log files */
	slice sender;       /* for MAIL FROM:<..>; empty = the null path */
	uint64_t size;      /* octets of the text */
	bool eight_bit;     /* bytes from 0x80 on in it */
	bool binary; /* NUL, bare CR or LF, or lines over 998: goes by BINARYMIME or not at all */
	bool utf8;   /* needs SMTPUTF8 (addresses or header fields) */
	bool require_tls; /* REQUIRETLS, RFC 8689 */
	bool tls_waived;  /* "TLS-Required: No" (RFC 8689 4): for those who choose the target */
	bool urged;       /* an operator wants it tried now: for them, too */
	enum parameter_ret ret;
	slice envid; /* decoded; empty = none */
	struct client_recipient *to;
	int n; /* 1..CLIENT_RECIPIENTS_MOST */
	client_source *source;
	void *arg;
	/* Makes the same text in 7 bits ready, which `plain_source` gives (with `arg`) from then
	   on; may be asked again. There is none: ST_FOREIGN (its header cannot be encoded),
	   ST_INVALID (its body), ST_DENIED (it is signed). NULL: nobody can. */
	status (*seven_bit)(void *arg);
	client_source *plain_source;
	bool unasked; /* set by those who choose the target: no host was asked, for trouble of ours
		       */
};

/* One message to all its recipients: MAIL, RCPT.., the text by BDAT or DATA; further transactions
   for those the host calls too many (452 after others were accepted). Every recipient's result is
   filled, whatever happens. ST_OK: the client is ready for the next message (RSET was said where
   one was begun in vain). Otherwise the talk is over and only client_close is left. The text goes
   through the one serialiser (mail/dot.h): a bare CR or LF in it ends the talk before the host
   could take it for the end of the text, and fails the message with 5.6.0 (T2). */
status client_send(client *c, struct client_message *m, arena *a);

/* ---- facts */

struct client_facts {
	slice host; /* as in the target */
	net_address at, local;
	slice greeted;          /* the name in its greeting or EHLO reply; printable */
	slice tls, cipher;      /* "TLSv1.3", "TLS_AES_256_GCM_SHA384"; empty = in the clear */
	enum client_tls proved; /* OFF: in the clear, MUST: encrypted, NAME or DANE: proved */
	slice doubt;  /* encrypted, the name not proved: why not, as RFC 8460 4.3 calls it; else
			 empty */
	bool resumed; /* of a TLS session of before */
	bool pipelining, chunking, eight_bit, utf8, dsn, require_tls, enhanced;
	uint64_t size_most; /* 0 = not told */
	unsigned messages;  /* sent on this connection, counted at the answer to the text */
};
const struct client_facts *client_facts(const client *c); /* valid until client_close */

/* What a log line or trace row tells of one hand-over: `host=.. address=.. tls=.. cipher=..
   proved=.. phase=.. outcome=.. code=.. enhanced=.. reply=".."`. `f` NULL: never connected. */
slice client_fields(const struct client_facts *f, const struct client_result *r, arena *a);

/* ---- keeping connections for the next message */

typedef struct client_pool client_pool;
client_pool *client_pool_open(void);
void client_pool_close(client_pool **p); /* without QUIT */
/* The connection last kept under this name that is still in order, or NULL. The name is the
   caller's and holds all that makes two talks the same (host or domain, outbound address, policy,
   logon). */
client *client_pool_take(client_pool *p, slice name);
/* Takes the client over; it stays open at most outbound_idle, and at most outbound_idle_most of
   all. One that has carried outbound_messages_most messages is closed at once. */
void client_pool_keep(client_pool *p, slice name, client **c);
/* Closes what has been idle for too long; the owner calls it about every second. In a task it does
   not wait: others say QUIT. */
void client_pool_sweep(client_pool *p);
unsigned client_pool_count(const client_pool *p);

#endif
