/* What mailboxes say by themselves to who writes to them (RFC 3834): their owners' answers, and
   notices that a mailbox is full (H2). Made when the message is complete, and stored in its
   transaction: they are there when it is, and only then. They go out with the null return path. */
#ifndef PENNYPOST_CONNECTOR_SMTP_REPLY_H
#define PENNYPOST_CONNECTOR_SMTP_REPLY_H

#include "connector/smtp/session.h"

/* Whether somebody among the recipients may have something to say: their message's header section
   is wanted (in->came). */
bool reply_wanted(const struct smtp *s);
/* Hangs the answers that are due to in->delivery. A trouble makes none: the message counts. */
void reply_make(conversation *c, struct incoming *in);
/* The same for mailboxes that were found to be full since. */
void reply_full(conversation *c, struct incoming *in);
/* They were stored with their message, or left out: traced. */
void reply_told(struct incoming *in);
void reply_close(struct incoming *in);

/* A mailbox is told that mail did not fit, where its owner wants it so. */
void reply_full_notice(const struct route *full, const mail_address *sender, arena *a);

#endif
