/* METADATA (RFC 5464): annotations of folders, of a mailbox and of the server, as GETMETADATA and
   LIST (RFC 9590) ask for them. */
#ifndef PENNYPOST_SERVICE_IMAP_METADATA_H
#define PENNYPOST_SERVICE_IMAP_METADATA_H

#include "provider/annotation.h"
#include "service/imap/place.h"

#define METADATA_ENTRIES_MOST 100 /* of one command */
#define METADATA_NAME_MOST 255    /* octets */

struct metadata {
	slice entry[METADATA_ENTRIES_MOST]; /* asked for, in lower case */
	int n;
	enum annotation_depth depth;
	bool sized; /* values of more octets than size_most are not told */
	uint64_t size_most;
	uint64_t longest;        /* of those that were not told */
	struct annotation *rows; /* what metadata_read found */
	int rows_n;
};

/* "/private/comment" or "(/private/comment /shared/comment)" */
status arg_entries(args *p, struct metadata *m);
/* Asks for what the reader himself has of them beside these folders; 0 is his mailbox. */
status metadata_read(conversation *c, struct metadata *m, const int64_t *folders, int n);
/* "* METADATA name (entry value ..)" of one of them; nothing when there is nothing to tell. Of a
   folder of others what its owner has under /shared is asked for besides. */
status metadata_tell(conversation *c, struct metadata *m, const struct place *at);

#endif
