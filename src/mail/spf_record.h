/* The inside of spf: a record read into its terms, and macros. See spf.h. */
#ifndef PENNYPOST_MAIL_SPF_RECORD_H
#define PENNYPOST_MAIL_SPF_RECORD_H

#include "base/text.h"
#include "mail/spf.h"

enum spf_kind {
	SPF_ALL,
	SPF_INCLUDE,
	SPF_A,
	SPF_MX,
	SPF_PTR,
	SPF_IP4,
	SPF_IP6,
	SPF_EXISTS,
	SPF_MECHANISMS,
};

typedef struct spf_term {
	enum spf_kind kind;
	enum spf_result result; /* what its qualifier says */
	slice text;             /* the whole term */
	slice spec;             /* domain-spec; empty: none */
	uint8_t ip[16];         /* IP4, IP6 */
	uint8_t bits4, bits6;
} spf_term;

typedef struct spf_record {
	spf_term *term; /* the mechanisms, in their order */
	size_t count;
	slice redirect, explanation; /* domain-specs; empty: none */
} spf_record;

/* "v=spf1" alone or with a blank behind it, any case. */
bool spf_record_is(slice txt);
/* ST_INVALID: anything in it is against the grammar (RFC 7208 12). */
status spf_record_parse(slice txt, arena *a, spf_record *out);

/* What macros may ask for: letter in lower case. False: nothing is to be had for it. */
typedef bool spf_macro_value(void *with, char letter, arena *a, slice *value);

/* Whether `s` is a macro-string (with blanks: an explain-string, which may use c, r and t). */
bool spf_macro_valid(slice s, bool explanation);
/* Expands what was found valid. */
void spf_macro_expand(slice s, spf_macro_value *value, void *with, arena *a, text *to);

#endif
