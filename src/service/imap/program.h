/* The program of a SEARCH (RFC 9051 6.4.4, RFC 5032 WITHIN, RFC 7162 MODSEQ, RFC 8474 EMAILID, RFC
   8514 SAVEDATE, RFC 6203 FUZZY): a tree of keys, read once and asked of every message. What it
   costs is bounded: its depth, its keys, how much of a message is looked into, and the questions of
   one command (imap_search_most; trust.md T24). */
#ifndef PENNYPOST_SERVICE_IMAP_PROGRAM_H
#define PENNYPOST_SERVICE_IMAP_PROGRAM_H

#include "service/imap/selected.h"

#define PROGRAM_DEPTH_MOST 32
#define PROGRAM_KEYS_MOST 1000

typedef struct program program;

/* Reads the keys to the end of the line. `charset` of their strings, empty for UTF-8. *out lives in
   the command arena. */
status arg_program(args *p, slice charset, program **out);

/* The same, of no folder yet: program_resolve() says which. */
status arg_program_open(args *p, slice charset, program **out);
/* What `*`, `$` and message numbers mean in the selected folder. */
void program_resolve(conversation *c, program *g);
/* A copy that shares nothing, before or after it was resolved. */
program *program_copy(const program *g, arena *a);
/* Of a resolved one: from now on numbers mean the messages they mean now, and sets that end with
   `*` what is to come. */
void program_last(conversation *c, program *g, arena *a);
/* Whether it speaks of message numbers. */
bool program_has_numbers(const program *g);

/* Whether it asks for MODSEQ: answers then tell the highest one (RFC 7162 3.1.5). */
bool program_asks_modseq(const program *g);
/* Whether something of it is matched FUZZY: messages have a relevancy then. */
bool program_is_fuzzy(const program *g);

/* The UIDs of the view for which it holds, rising, in the command arena. Looks into messages in
   batches, only where the rest does not decide. `scores`: how well it holds for each, 1 to 100 (RFC
   6203 4). ST_LIMITED: it costs more than this command may still have; ST_BUSY and the like of the
   store. */
status program_run(conversation *c, const program *g, uint32_t **uids, uint8_t **scores, int *n);
/* The same of the newest ones that it may hold for, as many as one command may touch. */
status program_run_newest(
	conversation *c, const program *g, uint32_t **uids, uint8_t **scores, int *n);
/* The same, asked of these alone (rising), as if it were a command of its own. */
status program_run_of(
	conversation *c, const program *g, const uint32_t *of, int of_n, uint32_t **uids, int *n);
/* imap_trouble of what these gave. */
status program_trouble(conversation *c, status kind);

#endif
