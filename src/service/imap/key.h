/* A SEARCH program as it was read: a tree of keys. It is read and resolved in program.c and asked
   of messages in ask.c; nobody else looks into it. */
#ifndef PENNYPOST_SERVICE_IMAP_KEY_H
#define PENNYPOST_SERVICE_IMAP_KEY_H

#include "service/imap/look.h"
#include "service/imap/program.h"

enum kind {
	KEY_ALL,
	KEY_AND,
	KEY_OR,
	KEY_NOT,
	KEY_FLAGS,
	KEY_NUMBERS,
	KEY_UIDS,
	KEY_UID,
	KEY_DAY,
	KEY_SENT,
	KEY_SAVED,
	KEY_AGE,
	KEY_SIZE,
	KEY_MODSEQ,
	KEY_MESSAGE,
	KEY_RECENT,
	KEY_HEADER,
	KEY_BODY,
	KEY_TEXT
};

/* How a day or a number is compared. */
enum compare { BEFORE, ON, SINCE };

struct key {
	enum kind kind;
	struct key *first, *next; /* keys inside; the next one beside it */
	int64_t bits, wanted;     /* KEY_FLAGS: flags & bits == wanted */
	enum compare compare;
	int64_t number; /* days since 1970, octets, MODSEQ, seconds, a message's id */
	imap_set set;
	bool open;   /* the set ends with `*` */
	slice field; /* KEY_HEADER; KEY_FLAGS: the keyword, if it is one */
	struct needle needle;
	struct fuzzy *fuzzy; /* something like the string is sought; else NULL */
};

struct program {
	struct key *top;
	int keys;
	bool modseq, fuzzy;
};

#endif
