/* What the house tells people by itself, in the languages it speaks. Reports on delivery have their
   own sentences (dsn.h); whom a notice goes to, and how often, is the connectors' matter. */
#ifndef PENNYPOST_MAIL_NOTICE_H
#define PENNYPOST_MAIL_NOTICE_H

#include "base/arena.h"

/* Those that reports and notices know; what queue_report_language may be. */
enum language { LANGUAGE_EN, LANGUAGE_DE, LANGUAGE_ES, LANGUAGE_FR, LANGUAGES };
/* Of a tag such as "de", in any case; any other is English. */
enum language language_of(slice tag);
const char *language_tag(enum language l);

enum notice_kind {
	NOTICE_FULL,     /* to a sender: the mailbox he wrote to is full, the postmaster has his
	    message */
	NOTICE_FULL_OWN, /* to its owner: mail from somebody did not fit */
};

typedef struct notice {
	slice subject, text; /* UTF-8, lines end with LF */
} notice;

/* `about`: the address of the mailbox, or of who wrote to it; empty: a mail system did. */
notice notice_write(enum notice_kind kind, enum language in, slice about, arena *a);

#endif
