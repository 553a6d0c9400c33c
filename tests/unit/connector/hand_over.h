/* One hand-over of the outbound client to a scripted host: what the tests of the client share. */
#ifndef PENNYPOST_UNIT_CONNECTOR_HAND_OVER_H
#define PENNYPOST_UNIT_CONNECTOR_HAND_OVER_H

#include "connector/smtp/client.h"
#include "fake_host.h"
#include "provider/memory/memory.h"
#include "task/task.h"

#include <criterion/criterion.h>

#define HELLO_TEXT "Subject: hello\r\n\r\n.dotted\r\nplain\r\n"
#define HELLO_STUFFED "Subject: hello\r\n\r\n..dotted\r\nplain\r\n.\r\n"

extern arena a;
extern struct fake_host host;
extern struct client_target target;   /* there.test, patience for ever */
extern struct client_recipient to[8]; /* anna@there.test, ben@.., cleo@.., ... */
extern struct client_message message; /* from me@us.test to one of them, HELLO_TEXT */
extern struct client_result why;      /* of the opening */
extern slice source_text;
extern status source_gives; /* after the text; ST_OK */
extern client *talk;
extern char certificate_folder[]; /* of the certificate */
extern tls_server *served;
extern tls_client *trusting; /* trusts that certificate */

void hand_over_begin(void);
void hand_over_end(void);
void text_is(const char *words);
void recipients_are(int n);
/* Makes a certificate for a name, valid from `from` to `until` hours from now; the host serves it,
   the client trusts it. */
void certificate_for(const char *name, int from, int until);
/* Opens a talk with the scripted host; does not end it. */
status meet(const char *const *script);
/* The whole: open, send, close. What the opening gave when it failed. */
status deliver(const char *const *script);

void expect_result(const struct client_result *r, enum client_outcome outcome,
	enum client_cause cause, enum client_phase phase, int code, const char *enhanced);
void expect_delivered(int i);
#define expect_script_done()                                                                       \
	cr_expect_null(host.stopped, "stopped at \"%s\", heard \"%s\"", host.stopped, host.line)

#define SCRIPT(...) ((const char *const[]){__VA_ARGS__, NULL})
#define TAKES_ONE                                                                                  \
	"< MAIL FROM:<me@us.test>*", "> 250 ok", "< RCPT TO:<anna@there.test>", "> 250 ok",        \
		"< DATA", "> 354 go on", "text", "> 250 stored", "< QUIT", "> 221 bye", "wait"

#endif
