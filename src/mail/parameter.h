/* Parameters of the SMTP commands MAIL and RCPT: splitting (RFC 5321 4.1.2), their values
   (RFC 1870 SIZE, 6152 and 3030 BODY, 6531 SMTPUTF8, 8689 REQUIRETLS, 4954 AUTH, 3461 DSN) and
   xtext (3461 4). Which of them are on offer is the connector's matter. */
#ifndef PENNYPOST_MAIL_PARAMETER_H
#define PENNYPOST_MAIL_PARAMETER_H

#include "base/arena.h"
#include "base/status.h"

enum parameter_body { BODY_7BIT, BODY_8BITMIME, BODY_BINARYMIME };
enum parameter_ret { RET_NONE, RET_FULL, RET_HDRS };
enum parameter_notify {
	NOTIFY_NEVER = 1,
	NOTIFY_SUCCESS = 2,
	NOTIFY_FAILURE = 4,
	NOTIFY_DELAY = 8,
	NOTIFY_NOBODY =
		16, /* never on the wire, where it is NEVER: who is named as the sender may have
			       sent nothing, so what fails is an operator's matter. Always with
			       NOTIFY_FAILURE: a program that does not know it then says a word that
			       hosts take, and drops nothing */
};

/* What stood behind MAIL FROM:<..>. Zeroed means nothing. */
typedef struct mail_parameters {
	bool has_size, has_body, has_auth, has_envid;
	bool smtputf8;
	bool require_tls;
	uint64_t size;
	enum parameter_body body;
	enum parameter_ret ret;
	slice auth;  /* decoded; "<>" or an address that was not looked at further */
	slice envid; /* decoded; at most 100 characters as sent */
} mail_parameters;

/* What stood behind RCPT TO:<..>. */
typedef struct rcpt_parameters {
	unsigned notify; /* set of parameter_notify, 0 when not given */
	bool has_orcpt;
	slice orcpt_type; /* "rfc822", "utf-8", ... as sent */
	slice orcpt;      /* decoded address */
} rcpt_parameters;

/* Parse the whole tail of the command. ST_INVALID: malformed, doubled, or a value out of its range
   (reply 501); ST_FOREIGN: well-formed, but no parameter of this command (reply 555). *out is then
   half-filled. Slices lie in the arena or in the line. */
status mail_parameters_parse(slice rest, arena *a, mail_parameters *out);
status rcpt_parameters_parse(slice rest, arena *a, rcpt_parameters *out);

/* xtext: '+' with two upper-case hex digits for '+', '=' and everything outside 33..126. Decoding
   is strict, ST_INVALID otherwise; a decoded CR, LF or NUL is refused as well, since these values
   end up in header fields. Bytes from 0x80 on are decoded as they are. */
slice xtext_encode(slice raw, arena *a);
status xtext_decode(slice coded, arena *a, slice *raw);

#endif
