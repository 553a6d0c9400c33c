/* Messages with UTF-8 in their headers (RFC 6532) for readers that know ASCII headers only: a
   surrogate as RFC 6858 describes it. Addresses beyond ASCII become an invalid one whose name tells
   the real one, domains A-labels, the subject encoded words; parameters and all other fields that
   cannot be shown are left out. Bodies stay as they are; the headers of MIME parts and of messages
   within are treated too. A header that is not valid UTF-8 throughout is none of this kind and
   stays as it is. Headers had octets beyond ASCII long before that, and those messages are to come
   out as they went in: `travelled_only` leaves all alone that did not come as internationalized
   mail, which the newest Received field tells ("with UTF8SMTP..", RFC 6531 3.7.3 and 4.3). */
#ifndef PENNYPOST_MAIL_DOWNGRADE_H
#define PENNYPOST_MAIL_DOWNGRADE_H

#include "base/text.h"

#define DOWNGRADE_DEPTH 8 /* multiparts within each other; headers deeper down stay as they are */
#define DOWNGRADE_BOUNDARY 70    /* RFC 2046 5.1.1 */
#define DOWNGRADE_MOST (1 << 20) /* octets of a header; from a bigger one on all stays as it is */

/* A message on its way, in pieces cut anywhere. A zeroed one is ready to start. */
typedef struct downgrade {
	enum { DOWNGRADE_HEAD, DOWNGRADE_BODY, DOWNGRADE_REST } state;
	text held;    /* the header so far, or the start of a line */
	size_t line;  /* where its last line begins, in a header */
	bool in_line; /* of a body: its start has gone by */
	bool travelled_only;
	int depth, headers;
	struct {
		char at[DOWNGRADE_BOUNDARY];
		size_t size;
	} boundary[DOWNGRADE_DEPTH];
} downgrade;

/* Appends what can be told of it so far. Linear. */
void downgrade_write(downgrade *d, slice piece, text *out);
/* The message is complete; nothing is held any more. Also for one that is given up. */
void downgrade_end(downgrade *d, text *out);

/* A header block with its empty line, if it has one: the surrogate, appended to `out`. */
void downgrade_header(slice block, text *out);

#endif
