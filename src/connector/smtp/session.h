/* What the files of this connector share: one SMTP conversation's state and its steps. */
#ifndef PENNYPOST_CONNECTOR_SMTP_SESSION_H
#define PENNYPOST_CONNECTOR_SMTP_SESSION_H

#include "connector/smtp/milter.h"
#include "connector/smtp/policy.h"
#include "connector/smtp/smtp.h"
#include "mail/address.h"
#include "mail/dot.h"
#include "mail/header.h"
#include "mail/parameter.h"
#include "provider/address_map.h"
#include "provider/auth.h"
#include "provider/deliver.h"
#include "provider/session.h"
#include "provider/setting.h"

struct resolution;

enum smtp_state {
	AT_START = 1,  /* connected, no HELO yet */
	AT_READY = 2,  /* greeted, no message begun */
	AT_SENDER = 4, /* MAIL given */
	AT_RCPT = 8,   /* at least one recipient accepted */
	AT_CHUNK = 16, /* between two BDAT of one message */
};
#define AT_ANY (AT_START | AT_READY | AT_SENDER | AT_RCPT | AT_CHUNK)

/* An address a mailbox passes its mail on to, which gets none of this message. */
struct missed {
	mail_address address;
	const char *why;
};

struct recipient {
	mail_address address;
	rcpt_parameters dsn; /* kept for reports */
	struct route route;  /* of a remote one only the post office that carries it */
	bool remote;         /* at another system */
	int fresh;           /* new targets of who logged on, with whom it leads to (T19) */
	/* members.c: */
	const struct resolution *leads_to; /* no mailbox: these are recipients in its place */
	bool member;                       /* in the place of a group */
	const mail_address *named;         /* that group; NULL: himself */
	int64_t named_in;                  /* its post office */
	enum queue_told told;              /* nothing is delivered: the sender is told this word */
	bool dropped;                      /* its owner keeps no copy: others got it in its place */
	bool expands; /* should he keep none: the sender asked to hear that several have it */
	const struct missed *missed; /* whom this mailbox passes its mail on to in vain */
	int misses;
	/* Of a copy that a mailbox here passes on (passing.h): */
	slice sender;       /* in the place of the message's; empty = that one */
	slice via, via_key; /* the address that was written to, and its key; empty = it is none */
	int64_t by;         /* the mailbox; 0: a group, or an address that leads elsewhere */
	const mail_address *passer; /* for whom `sender` was made */
	struct route full; /* the mailbox that had no room, when this is the postmaster in its place
			      (H1) */
	const char *refusal; /* of one that cannot be taken, in the place of the usual words */
};

/* A message on its way in; lives from DATA or the first BDAT to the answer. */
struct incoming {
	dot_scan scan;
	text fresh;  /* scanned, not yet passed on */
	text header; /* gathered until the header section is complete; kept while it is judged */
	size_t header_size; /* of what goes on of it */
	header_survey seen;
	bool in_body; /* the header has been passed on */
	struct policy_text judged;
	struct policy_verdict verdict;
	struct route *routes; /* of all parts */
	bool is_apart;        /* some of it goes to folders for junk */
	slice *caught; /* names of fields that tell recipients who fell to a catch-all: only the
			  house writes them */
	int caught_n;
	slice missing;        /* fields that the client left out */
	struct seal *seals;   /* of what post offices pass on */
	milter_header *shown; /* kept apart, for milters; NULL: none looks */
	bool edited;          /* header or body, by a milter */
	bool readdressed;     /* recipients changed, or how they get it */
	bool quarantined;     /* by a milter */
	bool dropped;         /* discarded by one: taken and not stored */
	slice came;           /* the header section as it came, where it is asked for later */
	slice hop;            /* the Received field of this house */
	struct reply *replies;
	const char *refusal; /* why it cannot be accepted: what still comes is read and dropped */
	struct delivery delivery;
	struct queue_envelope envelope;
	struct digest *content;
	bool picks;    /* pickup_program is to see the text */
	int pickup;    /* the text, for it; -1: there is none */
	uint64_t most; /* octets accepted */
	usec began;
};

struct smtp {
	enum smtp_state state;
	bool esmtp;
	slice helo; /* in helo_room: greeting again and again costs no memory */
	char helo_room[MAIL_DOMAIN_MOST + 1];
	bool authenticated;
	struct identity who;     /* in the talk arena */
	slice mechanism;         /* he logged on by, there too */
	session *session;        /* of who is logged on */
	struct milters *milters; /* NULL: none */
	arena mail;              /* of the present message */
	mail_address sender;
	mail_parameters parameters;
	struct recipient *recipients;
	int n, room;
	int remotes;   /* of them at other systems */
	int members;   /* of them that the client did not name: a group's but for the first */
	uint64_t most; /* octets, by those that he named; 0: he named none yet */
	bool counted;  /* they count for the sender's hour (T19) */
	bool paused;   /* of whom other systems refused too much, it was found last */
	int surplus;   /* recipients refused as too many */
	struct incoming *incoming;
	int64_t id; /* of the message begun, when log files or milters want it this early; else 0 */
	unsigned messages;      /* begun in this conversation */
	unsigned idle_commands; /* since the last message */
	unsigned greetings;
	bool told;         /* a rule or a milter has put the refusal of this command into the log */
	bool data_refused; /* body lines may follow: nothing unknown is forgiven */
	struct policy policy;
	uint8_t unconfirmed[16]; /* key of the message whose 250 the client may not have read */
	bool has_unconfirmed;
};

static inline struct smtp *smtp_of(const conversation *c)
{
	return c->state;
}

/* Forgets the message begun; keeps greeting and logon. */
void smtp_reset(conversation *c);
bool smtp_submits(const conversation *c); /* the submission service */
slice smtp_local_domain(void);            /* never empty; valid for the process's life */
const net_address *smtp_client(const conversation *c);

/* ---- replies, one place for each kind of trouble */
/* A message of that size fits into his mailbox not even when it is empty. */
bool smtp_outgrows(uint64_t size, const struct route *route);
status smtp_say_recipient(
	conversation *c, status kind);        /* of an address that was only asked about */
const char *smtp_delivery_reply(status kind); /* for what deliver_run gives besides ST_OK */
/* Counts a refused message, with the recipients it has; log and trace tell why. */
void smtp_note_refused(conversation *c, const char *reply);
/* The part of it that the trace has: one row for each that the client named, whoever that leads to.
   `why` is a field, reply=.. or verdict=... */
void smtp_trace_refused(conversation *c, const char *why);
/* Counts, logs and traces it, and answers. */
status smtp_refuse(conversation *c, const char *reply);

/* Commands that do no work may not go on for ever (T20): answers with `reply`, or says goodbye. */
status smtp_idle(conversation *c, const char *reply);

/* ---- relay (relay.c) */
/* For a recipient that is none of ours: ST_OK when this client may have it relayed; r->route then
   names the post office that carries it. ST_FOREIGN: he may not. ST_LIMITED: too many in this hour.
   ST_TOO_BIG. */
status smtp_relay(conversation *c, struct recipient *r);
/* Whether who logged on may have these too at other systems in this hour, as mail_address_text()
   gives them. ST_LIMITED. *fresh: so many of them are new targets, of which he has a limit. */
status smtp_within_limits(conversation *c, const slice *to, int n, int *fresh);
/* What ST_LIMITED of these means, as a reply. */
const char *smtp_limit_reply(conversation *c);
/* The same of a mailbox that passes mail on, besides `copies` of this message. */
status smtp_mailbox_within_limits(int64_t postoffice, int64_t mailbox, int copies, slice to);
/* The post office of the sender, when the client is privileged; else 0. */
status smtp_trusted_office(conversation *c, int64_t *postoffice);
/* Whether who logged on may send as the envelope's sender, and as the From field's authors.
   ST_DENIED. */
status smtp_owns_sender(conversation *c);
status smtp_owns_authors(conversation *c, slice from);
bool smtp_in_networks(enum setting_id id, const net_address *who);
/* The client is in relay_networks, and not in relay_networks_denied. */
bool smtp_is_privileged(const conversation *c);

/* ---- asking who an address is (ask.c) */
status smtp_vrfy(conversation *c, slice rest);
status smtp_expn(conversation *c, slice rest);

/* ---- recipients (transaction.c) */
/* The biggest message a recipient may have. */
uint64_t smtp_most_for(const struct recipient *r);
/* Who the address is, or where it leads; kinds as of smtp_say_recipient, or r->refusal. */
status smtp_lead(conversation *c, struct recipient *r);
/* Takes him into the message, or those he leads to. Kinds of passing_on(). */
status smtp_take_recipient(conversation *c, const struct recipient *r);
/* Takes one recipient into the message. */
void smtp_add_recipient(struct smtp *s, const struct recipient *r);

/* ---- recipients that lead to others (members.c) */
/* Where r->address leads in `domain`. Fills r->route, and r->leads_to when that is no mailbox;
   r->refusal when he may not send there. Kinds of address_resolve(). */
status members_lead(conversation *c, struct recipient *r, slice domain);
/* Takes those r->leads_to into the message, all or none. ST_BUSY. */
status members_add(conversation *c, const struct recipient *r);
/* Whether the message's sender may write to whom that leads to. `c` NULL: nobody in particular
   asks. */
bool members_may_post(conversation *c, const struct resolution *found);
/* A full mailbox: its owner hears of it, and its postmaster takes the mail in its place where that
   is wanted (H1, H2): r->route is his then, or r->leads_to tells who answers for him. ST_FULL:
   nobody takes it; ST_BUSY. */
status members_overflow(conversation *c, struct recipient *r);
/* After a delivery that found no room: looks which of those that the client did not name have none
   for `size` octets, or are gone. True when that changed something and the rest can be
   delivered. */
bool members_look_again(conversation *c, uint64_t size);
/* The same of the text that came, before it is delivered: of those that the client did not name,
   who may have none of `size` is told of, or his share stays with who passes it on. Who was named
   decides about the message. */
bool members_fit(conversation *c, uint64_t size);
/* The same of what the house itself writes: r->told says why somebody gets nothing of it, and nobody
   hears of that. */
bool members_leave_out(struct recipient *all, int n, uint64_t size, arena *a);
/* Whether that is why somebody who was found gets nothing, and the word for it. */
bool members_cannot_have(status kind);
enum queue_told members_told(status kind);
/* The message has another sender: paths made for the old one are made anew, and what he would have
   been told of goes to the postmaster where this one cannot be told. ST_BUSY. */
status members_new_sender(conversation *c);

/* ---- command families */
status smtp_mail(conversation *c, slice rest);
status smtp_rcpt(conversation *c, slice rest);
status smtp_data(conversation *c, slice rest);
status smtp_bdat(conversation *c, slice rest);
status smtp_auth(conversation *c, slice rest);

/* ---- incoming messages (incoming.c) */
void incoming_close(struct incoming **in);

#endif
