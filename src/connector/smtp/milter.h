/* Milters: filters in other processes that are shown what a client says and sends, and that may
   refuse it or change it. Which, where, for which endpoints, and what happens when one cannot be
   asked, are settings of the service (smtp_milters, submission_milters); without any, nothing here
   costs anything.

       connect  milter_connect            MAIL  milter_mail        DATA      milter_data
       EHLO     milter_helo               RCPT  milter_rcpt        the text  milter_text

   Each milter of the list is asked in turn; the first that refuses ends the round. The text is
   shown when it is complete and judged, to one after the other, so that each sees what those before
   it made of it. A milter that hangs, breaks off or answers nonsense costs its patience, this
   conversation alone, and what its default action says. */
#ifndef PENNYPOST_CONNECTOR_SMTP_MILTER_H
#define PENNYPOST_CONNECTOR_SMTP_MILTER_H

#include "mail/milter_header.h"
#include "net/conversation.h"

struct incoming;
struct milters;
struct recipient;

/* ---- what the client says. Each gives NULL, or the reply that refuses (logged and traced already;
   lines apart by CRLF); one of 421 closes the conversation. */
const char *milter_connect(conversation *c); /* as it can stand in place of the greeting */
const char *milter_helo(conversation *c);
/* `parameters` as they stood behind the path. */
const char *milter_mail(conversation *c, slice parameters);
const char *milter_rcpt(conversation *c, const struct recipient *r, slice parameters);
/* The recipient was refused already: some want to know. */
void milter_rcpt_refused(conversation *c, const struct recipient *r, slice parameters);
const char *milter_data(conversation *c);
const char *milter_unknown(conversation *c, slice command);

/* ---- the text */

/* Whether a milter waits for the text of the present message: then its header is kept for
   milter_text. */
bool milter_waits(const conversation *c);
/* The name that macros tell of the message begun; 0: no milter knows one. */
int64_t milter_message(const conversation *c);
/* The text is complete: its body has been written, its header is in->shown. What milters want done
   to text, envelope and recipients is done when this returns NULL; in->dropped, in->quarantined
   tell the rest. */
const char *milter_text(conversation *c, struct incoming *in);

/* ---- ends */
void milter_message_over(conversation *c);
void milter_conversation_over(conversation *c);
void milter_forget(void); /* what a worker's conversations share */

#endif
