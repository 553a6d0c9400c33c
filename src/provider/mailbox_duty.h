/* What a post office needs one of its mailboxes for: whoever answers for it, to its users and at
   postmaster@ and abuse@ of its domains (RFC 5321 4.5.1, RFC 2142). For both stores. */
#ifndef PENNYPOST_PROVIDER_MAILBOX_DUTY_H
#define PENNYPOST_PROVIDER_MAILBOX_DUTY_H

#include "provider/mailbox.h"

enum mailbox_loss { LOSS_REMOVED, LOSS_DISABLED, LOSS_OF_RIGHT };

/* Whether the post office can do without: ST_DENIED, it is its only administrator that works, or
   postmaster@ or abuse@ of a domain would lead nowhere (*why); ST_ABSENT. A look before the change,
   that holds no lock: what two make together is for `pennypost status` to tell. */
status mailbox_spare(int64_t postoffice, int64_t id, enum mailbox_loss loss, arena *a, slice *why);
/* The same without the words. */
status mailbox_spared(int64_t postoffice, int64_t id, enum mailbox_loss loss);

#endif
