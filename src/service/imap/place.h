/* What a name of the client means: a folder of his own, or one of others that is shared with him
   ("Other Users/anna/Work", provider/acl.h). Of those he may not look up (right l) he hears what he
   hears of folders that are not there (RFC 4314 6), whatever else he was given. */
#ifndef PENNYPOST_SERVICE_IMAP_PLACE_H
#define PENNYPOST_SERVICE_IMAP_PLACE_H

#include "provider/acl.h"
#include "provider/view.h"
#include "service/imap/session.h"

struct place {
	folder f; /* of others: as it was found. One's own: mailbox and name alone, the name as it
		     was written, until place_look fills it */
	slice shown; /* as the reader calls it */
	slice owner; /* name of its mailbox */
	unsigned rights;
	bool shared; /* somebody else's */
};

/* One's own costs nothing: whether it is there the store tells later. ST_ABSENT: it is somebody
   else's, and not for this reader; ST_DENIED: he lacks some of `need`. */
status place_find(conversation *c, slice written, unsigned need, struct place *out);
/* The same, and also one's own is looked at: ST_ABSENT when it is not there. */
status place_look(conversation *c, slice written, unsigned need, struct place *out);
/* Somebody else's, whatever the rights are: for what depends on the folder above it. ST_ABSENT: it
   is not there. */
status place_above(conversation *c, slice written, struct place *out);
/* Of a row of acl_tree; waits for nobody. */
void place_of(const conversation *c, const struct folder_row *row, struct place *out);
/* "* MYRIGHTS name lrs" (rights.c) */
status rights_tell(conversation *c, slice shown, unsigned rights);
/* ST_ABSENT also when the name is another folder's now. */
status place_open(const struct place *p, unsigned flags, view **v);

#endif
