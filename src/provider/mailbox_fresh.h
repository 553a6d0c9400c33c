/* A mailbox on its way into the store: for mailbox.c and postoffice.c, which makes the first one of
   a post office in its own transaction. */
#ifndef PENNYPOST_PROVIDER_MAILBOX_FRESH_H
#define PENNYPOST_PROVIDER_MAILBOX_FRESH_H

#include "provider/auth_secret.h"
#include "provider/db.h"
#include "provider/mailbox.h"

struct mailbox_fresh {
	int64_t id, inbox;
	slice name, folded;
	slice local; /* canonical local part of its addresses; empty = none are made */
	struct auth_secrets secrets;
};

/* Local part of the addresses that a mailbox gets by itself. Empty for names no address can have
   and for postmaster and abuse: those lead to the targets of the domain, and an address would stand
   before them. */
slice mailbox_address_local(slice name, arena *a);

/* Checks and folds the name, gives the ids, checks and hashes the password: waits for its turn to
   hash. ST_INVALID (*why). */
status mailbox_fresh_make(int64_t postoffice, slice name, slice password, bool addresses, arena *a,
	struct mailbox_fresh *out, slice *why);
/* Adds the statement that makes them with INBOX, the folders of mailbox_folders, credential
   and addresses; made = how many were
   new. */
void mailbox_fresh_add(db_tx *tx, int64_t postoffice, const struct mailbox_fresh *rows, int n,
	enum mailbox_kind kind, int64_t quota, arena *a, struct rows *made);

#endif
