/* What the files of this service share: one IMAP conversation's state, its rows of commands and the
   ways to answer. */
#ifndef PENNYPOST_SERVICE_IMAP_SESSION_H
#define PENNYPOST_SERVICE_IMAP_SESSION_H

#include "provider/auth.h"
#include "provider/session.h"
#include "provider/setting.h"
#include "service/imap/args.h"
#include "service/imap/imap.h"

enum imap_state { AT_GREETING = 1, AT_AUTHENTICATED = 2, AT_SELECTED = 4 }; /* RFC 9051 3 */
#define AT_LOGGED_ON (AT_AUTHENTICATED | AT_SELECTED)
#define AT_ANY (AT_GREETING | AT_LOGGED_ON)

/* One row holds all that is known about a command. `run` reads its arguments to their end
   (arg_end), then acts, then answers by imap_ok and its kin. What it returns: ST_OK when it has
   answered; ST_INVALID or ST_TOO_BIG of the arguments, for which the loop says BAD or NO with the
   row's help; anything else ends the talk. */
struct imap_row {
	const char *name; /* upper case; "UID FETCH" for those behind UID */
	status (*run)(conversation *c, args *p);
	unsigned states;
	unsigned flags;
	const char *help;
};
#define IMAP_FREE 1u       /* does no work: many in a row count as bad (T20) */
#define IMAP_SECRET 2u     /* its arguments are wiped and never logged */
#define IMAP_NO_EXPUNGE 4u /* no EXPUNGE may be told before its answer (RFC 9051 7.5.1) */
#define IMAP_BY_NUMBER 16u /* speaks of message numbers: not once UIDONLY is ENABLEd (RFC 9586) */
#define IMAP_QUIET 8u      /* nothing of the folder is told before its answer */
#define IMAP_LEAVES                                                                                \
	32u /* the folder that is selected does not matter to it, or it looks to that itself */

struct imap {
	enum imap_state state;
	slice tag;                                    /* of the present command, in its arena */
	const struct imap_row *row;                   /* likewise */
	bool rev2, utf8, condstore, qresync, uidonly; /* ENABLEd (RFC 5161) */
	bool by_numbers;  /* the present command names messages by number behind UID, too */
	bool modseq_told; /* since CONDSTORE is on, of the folder that was selected then */
	struct identity who;
	session *session;          /* of who is logged on */
	struct selected *selected; /* AT_SELECTED (selected.h) */
	usec progress_at;          /* when the next word on the present command is due */
	bool progress_bare;        /* it has no end that could be told */
	uint32_t limited_at;   /* the lowest UID it touched, when there were too many; 0: there were
				  not */
	int64_t search_spent;  /* questions that the present command has asked of messages
				  (imap_search_most) */
	struct notify *notify; /* what is told unasked (notify.h); NULL: nothing */
};

static inline struct imap *imap_of(const conversation *c)
{
	return c->state;
}

/* ---- answers: each says the tagged line, after what must be told of the folder. Words are in
   `format`; a response code stands in it in brackets. Client bytes go through conversation_safe. */
status imap_ok(conversation *c, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The same of a command that removed something: to who wants MODSEQ with that of the folder (RFC 7162 3.1.9). */
status imap_ok_highest(conversation *c, const char *words);
status imap_no(conversation *c, const char *format, ...) __attribute__((format(printf, 2, 3)));
status imap_bad(conversation *c, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* NO with the code and sentence for a kind of trouble of the store; passes on what ends the
   talk. BYE for ST_UNSURE. */
status imap_trouble(conversation *c, status kind);
/* The capability list now, as one line without its end. */
void imap_capabilities(conversation *c, text *out);

/* From now on octets come and go at their own pace, but they do: for what is said or read now,
   whenever its command began. */
void imap_pace(conversation *c);
struct setting_at imap_at(const conversation *c); /* the mailbox logged on, or the server */
struct audit_by imap_audit_by(conversation *c);   /* whoever is logged on, from where he is */
bool imap_admits(const conversation *c);          /* its network, by the rules of the same */
int64_t imap_append_most(const conversation *c);  /* octets of a message that is stored */
int64_t imap_messages_most(
	const conversation *c); /* that one command may touch (RFC 9738); 0 = any number */
/* In a command that takes long: tells now and then how far it is (RFC 9585). */
status imap_progress(conversation *c, int64_t done, int64_t all);
bool imap_may_log_on(const conversation *c); /* TLS, or allowed in the clear */

/* ---- families: each file of commands has its rows, ended by one without a name, and stands in
   families.def. What is announced stands in capabilities.def. */
#define FAMILY(rows) extern const struct imap_row rows[];
#include "service/imap/families.def"
#undef FAMILY

slice imap_mechanisms(conversation *c); /* SASL, on offer now */

#endif
