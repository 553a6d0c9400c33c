/* What the files of this service share: one POP3 conversation's state and its steps. */
#ifndef PENNYPOST_SERVICE_POP3_SESSION_H
#define PENNYPOST_SERVICE_POP3_SESSION_H

#include "base/list.h"
#include "provider/auth.h"
#include "provider/blob.h"
#include "provider/session.h"
#include "provider/setting.h"
#include "service/pop3/pop3.h"

enum pop3_state { AT_AUTHORIZATION = 1, AT_TRANSACTION = 2 }; /* RFC 1939 3 */
#define AT_ANY (AT_AUTHORIZATION | AT_TRANSACTION)

struct drop_item { /* a message of the maildrop; its number is its place + 1 */
	int64_t message, size;
	int64_t blob; /* 0: not told yet */
	uint32_t uid;
	bool deleted;
};

struct maildrop {
	struct drop_item *items;
	int n;
	uint32_t uidvalidity;
	int kept; /* not marked as deleted */
	int64_t kept_size;
	int64_t postoffice, mailbox, inbox;
	int64_t token;  /* of the lock */
	int64_t logons; /* revision of logons as of the opening; 0: not known */
	bool locked;
	struct blob_along first; /* of items[0], own; until it was sent once */
	link_t keeping;          /* among the locks this process renews */
};

struct pop3 {
	enum pop3_state state;
	char stamp[80]; /* of the greeting, for APOP; empty: none */
	slice user;     /* after USER, in the talk arena */
	bool utf8;
	struct identity who;
	struct maildrop drop;
	uint64_t asked;   /* LIST and UIDL of single messages */
	session *session; /* AT_TRANSACTION */
};

static inline struct pop3 *pop3_of(const conversation *c)
{
	return c->state;
}

/* "-ERR ..." for a refused argument or command; counts as bad. */
status pop3_refuse(conversation *c, const char *why);
bool pop3_may_log_on(const conversation *c);      /* TLS, or allowed in the clear */
bool pop3_apop_forced(void);                      /* no logon that shows the password */
slice pop3_mechanisms(conversation *c);           /* SASL, on offer now */
struct setting_at pop3_at(const conversation *c); /* the mailbox logged on, or the server */
bool pop3_admits(const conversation *c);          /* its network, by the rules of the same */

/* ---- logons (logon.c) */
status pop3_user(conversation *c, slice rest);
status pop3_pass(conversation *c, slice rest);
status pop3_apop(conversation *c, slice rest);
status pop3_auth(conversation *c, slice rest);

/* ---- the maildrop (maildrop.c) */
/* Locks and lists the INBOX of the identity. ST_LIMITED: somebody else reads it; ST_EXISTS: the
   logon before is less than `delay` ago. `logons`: as of maildrop_take_remembered, or 0. */
status maildrop_open(struct maildrop *d, const struct identity *who, usec delay, int64_t logons);
/* Removes what is marked and gives the lock back. ST_ABSENT: it was lost, nothing was removed. */
status maildrop_update(struct maildrop *d);
/* Gives the lock back; nothing is removed. */
void maildrop_close(struct maildrop *d);
void maildrop_mark(struct maildrop *d, struct drop_item *item);
void maildrop_unmark_all(struct maildrop *d);
void maildrop_forget_first(struct maildrop *d);

/* ---- messages (message.c) */
status pop3_stat(conversation *c, slice rest);
status pop3_list(conversation *c, slice rest);
status pop3_uidl(conversation *c, slice rest);
status pop3_retr(conversation *c, slice rest);
status pop3_top(conversation *c, slice rest);
status pop3_dele(conversation *c, slice rest);
status pop3_rset(conversation *c, slice rest);

#endif
