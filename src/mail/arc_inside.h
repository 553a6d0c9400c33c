/* What judging and sealing share: the sets of a header. */
#ifndef PENNYPOST_MAIL_ARC_INSIDE_H
#define PENNYPOST_MAIL_ARC_INSIDE_H

#include "mail/arc.h"
#include "mail/signature_inside.h"

struct arc_fields {
	header_field results, message, seal; /* an empty `raw`: not there */
};

typedef struct arc_chain {
	const char *wrong; /* why the form is broken, or NULL */
	unsigned highest;  /* instance; 0: no field of ARC at all, or none with an instance */
	struct arc_fields set[ARC_SETS_MOST]; /* set[0] is i=1 */
} arc_chain;

void arc_chain_read(slice header, arc_chain *out);
/* Whether the newest seal says that the chain failed before. */
bool arc_chain_closed(const arc_chain *c);
/* Puts a set without its seal into the hash that seals go over. */
void arc_hash_set(
	const signature_crypto *crypto, signature_hash *hash, slice results, slice message);

#endif
