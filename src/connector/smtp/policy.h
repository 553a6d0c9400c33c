/* Receiving rules: what a client, a sender or a recipient is refused for, and what is told about a
   message when it is taken. Each rule is a setting of its own; who logged on or comes from one of
   relay_networks meets none of them but the access lists.

       connect    policy_door       access lists, bans, early talkers
       MAIL       policy_sender     the sender's domain
       RCPT       policy_recipient  name of the client's address, blocked hosts, DNS blacklists, SPF,
                                    greylisting
       header     policy_header     what will be needed of the text is made ready
       text       policy_text       hashes
       end        policy_judge      SPF, DKIM, DMARC, ARC; or the signature of what was submitted
                  policy_seal       the ARC set of what is passed on

   Rules that ask the DNS share one budget per message (dns_budget, R16). What is not known when it
   is used up, or not to be had, refuses nothing. A refusal is a reply, a log event and a trace row,
   and all three name the reason. */
#ifndef PENNYPOST_CONNECTOR_SMTP_POLICY_H
#define PENNYPOST_CONNECTOR_SMTP_POLICY_H

#include "mail/arc.h"
#include "mail/dmarc.h"
#include "mail/spf.h"
#include "net/conversation.h"
#include "net/dns.h"
#include "net/host.h"

struct incoming;
struct recipient;
struct sign_keys;

/* What the rules know of one conversation, and of its present message. */
struct policy {
	arena facts; /* of the conversation */
	usec waited; /* for the DNS, for the present message */
	bool named;  /* `host` is known, as far as it can be */
	host_name host;
	bool weighed;    /* the lists were asked */
	bool allowed;    /* by a list of good clients */
	unsigned weight; /* of the blacklists that have the client */
	slice lists;     /* their zones, "a.example b.example" */
	bool spf_known;  /* of the present message; the report lives in its arena */
	spf_query spf_query;
	spf_report spf;
};

/* What a message needs from its text. */
struct policy_text {
	signature_body *hashes; /* NULL: nothing */
	/* Verification. */
	bool verifies;
	slice author; /* the domain of From, canonical; empty = there is none */
	dkim_check *dkim;
	arc_check *arc;
	/* Signing. */
	struct sign_keys *keys;
	dkim_sign *sign;
};

/* Whether the rules meet this client at all. */
bool policy_applies(const conversation *c);

/* What the DNS calls the client, asked once in a conversation within its budget. */
const host_name *policy_host(conversation *c);

/* Whether the envelope's sender is who he says he is: he logged on, comes from a privileged
   network, or his domain lets the client send for it (SPF). */
bool policy_knows_sender(conversation *c);
/* Whether the domain of a stranger's sender says that he is not from there (SPF fail). May wait for
   the DNS. */
bool policy_disowns_sender(conversation *c);

/* Each gives NULL, or the reply that refuses; logged already. */
const char *policy_door(conversation *c);
const char *policy_sender(conversation *c);
const char *policy_recipient(conversation *c, const struct recipient *r);

/* A conversation is closed for too many errors (C21). */
void policy_too_many(conversation *c);

/* ---- a message */

/* The header section as the client sent it, which must stay until policy_text_close; `whole` = all
   of it. `added` are fields that the house puts before it and that a signature covers. */
void policy_header(conversation *c, struct policy_text *t, slice header, bool whole, slice added);
/* The next piece of the body. */
void policy_body(struct policy_text *t, slice piece);
/* The text is complete: fields to be put before the header, or the reply that refuses. Local
   recipients whose domain wants it so are told by policy_is_junk() afterwards. */
struct policy_verdict {
	const char *refusal; /* NULL = none */
	slice fields;
	enum dmarc_policy wish; /* of the author's domain, as far as it is to be obeyed */
	bool forbidden;         /* SPF fail, and nothing else vouches for it */
	slice told;             /* key=value, for the trace; empty = nothing was judged */
	slice results;          /* the value of Authentication-Results */
	arc_report chain;
};
void policy_judge(conversation *c, struct policy_text *t, struct policy_verdict *out);
bool policy_is_junk(const struct policy_verdict *v, const struct recipient *r);
void policy_text_close(struct policy_text *t);

/* ---- what is passed on (RFC 8617) */
/* Whether the recipient's copy leaves with a seal of the domain that passes it on, when the message
   can be judged. */
bool policy_seals(conversation *c, const struct recipient *r);
/* The set of ARC fields for a judged text with that header, to be put before all else; empty: none
   can be made. `read` hands the body out. */
slice policy_seal(conversation *c, const struct recipient *r, const struct policy_verdict *v,
	slice header, status (*read)(void *from, status (*take)(slice piece, void *to), void *to),
	void *from);

/* Whether a field claims to be what this house found about a message (RFC 8601 5). */
bool policy_is_forged(slice name, slice value, arena *a);

/* ---- ends */
void policy_message_over(conversation *c);
void policy_conversation_over(conversation *c);

#endif
