/* Audit: who changed what. One row per change, written in the transaction of the change itself. */
#ifndef PENNYPOST_PROVIDER_AUDIT_H
#define PENNYPOST_PROVIDER_AUDIT_H

#include "base/arena.h"
#include "base/clock.h"
#include "base/status.h"

struct audit_by {   /* the actor, lent */
	slice who;  /* "root (command line)", "postmaster@demo" */
	slice from; /* address or empty */
};

struct audit_note { /* a row to be written with a deed, all lent */
	const struct audit_by *by;
	const char *action;
	slice object, detail;
};

struct audit_row {
	usec at;
	int64_t postoffice;                      /* 0 = server */
	slice postoffice_name;                   /* also of one that is no more; empty = server */
	slice who, from, action, object, detail; /* detail: JSON text */
};
/* A row of its own, before the first of many transactions that are one order (arguments as
   change_audit's, in change.h). */
status audit_order(int64_t postoffice, const struct audit_note *note);
/* Newest first, at most `most`; postoffice 0 = all (system role). */
status audit_list(int64_t postoffice, unsigned most, arena *a, struct audit_row **rows, int *n);
/* The same of post offices of that name which were removed; none where there was none. */
status audit_list_removed(slice name, unsigned most, arena *a, struct audit_row **rows, int *n);

#endif
