/* Programs of the operator at three moments of a message's way (A35, G3, G4; net/errand.h has how a
   program is run and what its exit codes mean). Which one, if any, is a setting of the moment:

       HOOK_PICKUP    pickup_program    a text has come and nothing is promised yet: the client is told
       HOOK_DISPATCH  dispatch_program  before each attempt at another system: the sender is told
       HOOK_DELIVERY  delivery_program  the message is in a mailbox here, where it stays

   The last one is a row of the queue, made by the delivery's own transaction, so that no crash
   forgets it. */
#ifndef PENNYPOST_CONNECTOR_SMTP_HOOK_H
#define PENNYPOST_CONNECTOR_SMTP_HOOK_H

#include "base/metric.h"
#include "net/errand.h"
#include "provider/queue.h"
#include "provider/setting.h"

enum hook { HOOK_PICKUP, HOOK_DISPATCH, HOOK_DELIVERY };

struct hook_call {
	enum hook hook;
	slice program; /* as hook_program gave it; lent over the wait, so a copy */
	int64_t postoffice, message;
	slice sender, recipient;
	unsigned attempt; /* from 1 */
};

/* The program of this moment; empty = none. */
slice hook_program(enum hook h, const struct setting_at *at);
/* Whether there is one for texts that come by this service. */
bool hook_picks_up(enum service s);
/* What errand_text_add wants to know. */
uint64_t hook_texts_most(void);
/* Runs it and tells the trace. Takes over `text` (errand_text). Kinds as errand_run. */
status hook_run(const struct hook_call *c, int text, arena *a, struct errand_result *out);
/* For the present attempt at a row of the queue, whose stored text it is shown. Where nothing was
   run this is no attempt yet: ST_BUSY, the text is not to be had now; ST_LIMITED, others are in its
   place at the moment; ST_FULL, there is no room for it, which the log tells once. ST_CANCELLED: it
   was cut off. */
status hook_run_entry(
	enum hook h, const queue_entry *e, slice program, arena *a, struct errand_result *out);

#endif
