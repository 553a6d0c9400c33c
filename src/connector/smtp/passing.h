/* Mail that is passed on (redirections), and what comes back of it. It leaves under a return path
   of our own (mail/srs.h) in a domain of the post office that passes it on; reports come home to
   that address and go on to the sender. */
#ifndef PENNYPOST_CONNECTOR_SMTP_PASSING_H
#define PENNYPOST_CONNECTOR_SMTP_PASSING_H

#include "connector/smtp/session.h"
#include "mail/srs.h"

struct poster;

/* The return path for mail of `sender` that `via` (an address of the post office) passes on; empty
   = the sender's own does: he is nobody, or a domain of the same post office. */
status passing_sender(int64_t postoffice, const mail_address *sender, const mail_address *via,
	arena *a, slice *out);

/* The same for a recipient at another system, whose post office carries it: r->sender and
   r->passer, and r->via where there is a sender, so that his mail is known to be passed on. */
status passing_leaves(
	struct recipient *r, const mail_address *via, const mail_address *sender, arena *a);

/* Who is meant by an address that was made so. ST_FOREIGN: it was not, or its domain is not ours;
   ST_DENIED: forged; ST_TIMED_OUT: its time is over; ST_BUSY. *postoffice carries mail for it. */
status passing_home(const mail_address *m, arena *a, mail_address *home, int64_t *postoffice);

/* A recipient that is such an address, at RCPT: becomes who is meant. ST_FOREIGN: it is none.
   r->refusal is set when it is forged or too old. */
status passing_recipient(conversation *c, struct recipient *r);

/* Takes a recipient among the message's, with those its owner wants in its place or beside it
   (A30-A32), and what they lead on to, PASSING_DEPTH deep and group_recipients_most wide. Nobody
   gets two copies. A mailbox keeps what one of its addresses cannot have at the moment. ST_LIMITED:
   it passed on enough for one hour, and keeps no copy (T14); ST_BUSY. */
#define PASSING_DEPTH 5
status passing_on(conversation *c, const struct recipient *r);
/* Who gets what the house itself writes to an address: the same ones, but that a mailbox keeps what
   it passed on too much for. `asker`: who sent in the name of that address what is answered; a
   group is told where he may write to it himself, or came from a privileged network (mailbox 0).
   NULL, nobody knows: only one that everybody may write to (T14). Who cannot have `size` octets is
   among them too, and r->told says why. Kinds as resolve(), and ST_DENIED; ST_OK: one at least gets
   it. */
status passing_own(const mail_address *to, const struct poster *asker, uint64_t size, arena *a,
	struct recipient **all, int *n);
/* The same look at who has room for it, when its size is another one. True: something changed. */
bool passing_leave_out(struct recipient *all, int n, uint64_t size, arena *a);
/* Whether one of them at least gets it. */
bool passing_reaches(const struct recipient *all, int n);
/* The parts of a delivery to those who get it, one for each post office, in whose order all come;
   `notify` is for those at other systems. Whether one of these has an address that is not ASCII. */
bool passing_parts(struct recipient *all, int n, unsigned notify, arena *a, struct delivery *d);
/* The row that tells where a message went, or why not, and one for each to whom a mailbox passes its
   mail on in vain; `to` is who it was for, where that is not himself, `told` are further fields. */
void passing_trace(const struct recipient *r, int64_t message, slice to, slice told, arena *a);
/* Whether a full mailbox needs no room, for it keeps no copy. */
bool passing_frees(const struct recipient *r);
/* What was passed on by one of the recipients before stays with it this time (T16). A refusal:
   nobody is left. */
const char *passing_stop_loops(struct smtp *s, slice header);

#endif
