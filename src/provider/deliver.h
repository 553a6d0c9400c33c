/* Delivery: one message to local recipients and into the queue for the others, in one durable
   transaction (architecture.md 1.3).

   The caller fills struct delivery and calls deliver_run from its fiber or thread. Within a worker
   deliveries that arrive while a commit is under way share the next transaction (at most
   delivery_batch_most); a batch that fails is split and its parts are tried alone, so one bad
   message never fails another. ST_OK means: COMMIT returned, the message is durable and visible.
   An unknown outcome of COMMIT is settled by running the same transaction again on a new connection
   until it is known (R5): the key of the message lets only one of the two be stored. ST_BUSY is
   given when the message is certainly not stored, or on doubt: nobody in this process has heard of
   the database for db_silence_most (R4: a client hears 451 within 5 s), or it speaks and
   delivery_patience is over. Then the message may be stored, or come to be; its repetition is
   recognised by its repeat_key, and one without a key would be stored twice. Never ST_OK on doubt.
   Besides the kinds of deliver_run below it may give ST_TIMED_OUT and ST_CANCELLED of the caller's
   task, only before the message was taken up. */
#ifndef PENNYPOST_PROVIDER_DELIVER_H
#define PENNYPOST_PROVIDER_DELIVER_H

#include "provider/address_map.h"
#include "provider/answer.h"
#include "provider/blob.h"
#include "provider/queue.h"

struct delivery_part { /* one post office's share: one blob, one message row, n entries,
			  m rows of the queue */
	int64_t postoffice;
	blob_writer *body;    /* finished; still the caller's to close */
	uint32_t header_size; /* octets of its header section with the empty line */
	const struct route *recipients;
	int n; /* distinct mailboxes; doubled ones are merged by the caller */
	const struct queue_recipient *remote; /* at other systems */
	int m;                                /* n + m > 0 */
};

struct delivery {
	int64_t id; /* id_new(): the name the 250 tells and traces carry; every part's
		       message row has it (the post office makes it unique) */
	struct delivery_part *parts;
	int n;
	usec sent;           /* Date field, 0 = none */
	slice message_id;    /* content of Message-ID, may be empty */
	slice subject, from; /* decoded, shortened to 200 bytes: for lists and traces */
	slice repeat_key;    /* 16 bytes over peer, envelope and content; empty = no recognition
	   (R6) */
	const struct queue_envelope *envelope; /* when a part has remote recipients */
	/* Reports: the results that cause this message, all of one post office, written in the
	   same transaction. A late one (queue.h) leaves nothing stored: ST_FOREIGN. */
	const struct queue_result *ends;
	int end_count;
	/* Messages this one causes (answers of mailboxes, notices), each with its own id, parts and
	   envelope, and no key or ends; written in the same transaction. The message does not fail
	   for them: one that cannot be stored by now is left out, and says so. */
	struct delivery *also; /* the next of them; NULL = none */
	const struct answer_right
		*right; /* of one of them: used up with it (answer.h); NULL = needs none */
	bool left_out;
	usec committed; /* when the answer to COMMIT was read; from then on the client's answer is
			   awaited (R6) */
};

/* ST_OK       durable and visible
   ST_EXISTS   the same message was stored before by a conversation that broke before its answer was
               read (R6): answer 250 with d->id, which now holds the earlier id
   ST_FULL     a recipient has no room any more: nothing was stored
   ST_ABSENT   a recipient's mailbox vanished or was disabled meanwhile: nothing was stored; resolve
               again and answer what is true
   ST_FOREIGN  one of `ends` is late: nothing was stored */
status deliver_run(struct delivery *d);

/* Before deliver_run of a message with a repeat key, and before the last look at whether its client
   is still there: waits until the doubts of this node's processes were looked for once since the
   database is back, half a second at most, and not while it is known to be silent. A crash of the
   database took their keys along: a repetition that was stored sooner would be a second copy.
   ST_CANCELLED, ST_TIMED_OUT. */
status deliver_hold(void);

/* The client has read the answer (its next command or orderly end came): forgets the repeat key.
   Never waits. `broken`: the conversation ended without that sign; the key stays for
   smtp_repeat_window. */
void deliver_confirm(slice repeat_key, bool broken);

#endif
