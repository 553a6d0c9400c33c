/* What may be set, for both stores. */
#ifndef PENNYPOST_PROVIDER_REDIRECTION_CHECK_H
#define PENNYPOST_PROVIDER_REDIRECTION_CHECK_H

#include "provider/answer.h"
#include "provider/redirection.h"

/* The addresses in canonical form, each once, into out->targets. Kinds as redirection_set(). */
status redirection_check(int64_t postoffice, int64_t mailbox, const slice *written, int n, arena *a,
	redirection *out, slice *why);
slice redirection_list(const redirection *r, arena *a); /* "anna@a.test, ben@b.test" */

/* The same of an answer: canonical, with CRLF-free fields and text that is UTF-8. Kinds as
   answer_set(). */
status answer_check(
	int64_t postoffice, int64_t mailbox, const answer *w, arena *a, answer *out, slice *why);

#endif
