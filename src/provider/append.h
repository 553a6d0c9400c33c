/* Append: messages a reader puts into a folder (APPEND, MULTIAPPEND, REPLACE, drafts, sent mail):
   all or none, in one durable transaction of one round trip. An unknown outcome of COMMIT is
   settled by the messages' ids as in delivery: nothing is doubled, nothing lost. */
#ifndef PENNYPOST_PROVIDER_APPEND_H
#define PENNYPOST_PROVIDER_APPEND_H

#include "provider/blob.h"
#include "provider/folder.h"

struct append_message {
	blob_writer *body;    /* finished; still the caller's to close */
	slice header;         /* its header section, or as much of it as was kept: subject, sender
				 and dates for lists are read here */
	uint32_t header_size; /* octets of the header section with the empty line */
	int64_t flags;        /* FLAG_ bits and keywords (keyword_add) */
	usec received;        /* INTERNALDATE; 0 = now */
	int zone;             /* its zone, minutes east of UTC */
	int64_t id;           /* out: the message's id */
	uint32_t uid;         /* out: APPENDUID */
};

struct append {
	int64_t postoffice, mailbox;
	slice folder;      /* name */
	int64_t folder_id; /* it must be this one; 0 = any of that name */
	int64_t reader;    /* mailbox of who appends, when one of the folders is somebody else's */
	unsigned rights;   /* ACL_ bits he must have to the folder when it is stored; 0 = it is his
			      own */
	struct append_message *messages; /* at most 1,000 */
	int n;
	int64_t replaced_folder;  /* REPLACE: this entry is expunged in the same transaction; 0 =
				     none */
	int64_t replaced_mailbox; /* whose it is; 0 = the same mailbox's */
	unsigned replaced_rights; /* likewise to the folder it leaves */
	uint32_t replaced_uid;
	int64_t seen_in; /* folder whose \Recent ones the reader takes, as he is told of them at once;
			    0 = none */
	uint32_t uidvalidity; /* out */
	int64_t modseq;       /* out: theirs */
};

/* ST_ABSENT   no such folder (TRYCREATE), or the mailbox is gone or disabled
   ST_FULL     no room
   ST_DENIED   rights are missing
   ST_BUSY     not stored
   ST_UNSURE   nobody could find out (settle.h) */
status append_run(struct append *x);

#endif
