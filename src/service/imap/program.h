/* The program of a SEARCH (RFC 9051 6.4.4, RFC 5032 WITHIN, RFC 7162 MODSEQ, RFC 8474 EMAILID, RFC 8514 SAVEDATE): a tree of
   keys, read once and asked of every message. What it costs is bounded: its depth, its keys, and how much of a
   message is looked into (trust.md T24). */
#ifndef PENNYPOST_SERVICE_IMAP_PROGRAM_H
#define PENNYPOST_SERVICE_IMAP_PROGRAM_H

#include "service/imap/selected.h"

#define PROGRAM_DEPTH_MOST 32
#define PROGRAM_KEYS_MOST 1000

typedef struct program program;

/* Reads the keys to the end of the line. `charset` of their strings, empty for UTF-8. ST_INVALID also for a message
   number that is not there. *out lives in the command arena. */
status arg_program(args *p, slice charset, program **out);

/* Whether it asks for MODSEQ: answers then tell the highest one (RFC 7162 3.1.5). */
bool program_asks_modseq(const program *g);

/* The UIDs of the view for which it holds, rising, in the command arena. Looks into messages in batches, only where
   the rest does not decide. ST_BUSY and the like of the store. */
status program_run(conversation *c, const program *g, uint32_t **uids, int *n);

#endif
