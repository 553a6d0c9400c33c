/* Mail addresses. Three readers, one result: the strict path of SMTP (RFC 5321 4.1.2, RFC 6531), an
   address typed by an operator or held in JSON, and the tolerant address lists of message headers
   (RFC 5322 3.4 and 4.4). An address is parsed once, kept in its parts, and never parsed again
   after decoding. Which addresses exist and who may use them is the connectors' matter. */
#ifndef PENNYPOST_MAIL_ADDRESS_H
#define PENNYPOST_MAIL_ADDRESS_H

#include "base/arena.h"
#include "base/status.h"

#define MAIL_LOCAL_MOST 64   /* octets, RFC 5321 4.5.3.1.1, quotes included; but for mail/srs.h */
#define MAIL_DOMAIN_MOST 255 /* octets, 4.5.3.1.2; also of the form with non-ASCII letters */
#define MAIL_PATH_MOST 256   /* octets, 4.5.3.1.3, angle brackets included */

typedef struct mail_address {
	slice local; /* canonical: NFC, without quotes where RFC 5321 lets them go, else quoted with
			only '"' and '\' escaped; case as given */
	slice domain; /* lower-case ASCII, IDNs as A-labels; literals in brackets, in their shortest
			 form: "[192.0.2.1]", "[IPv6:2001:db8::1]" */
	slice shown;  /* the domain for people: IDNs as U-labels, else the same as `domain` */
	bool empty;   /* the null path "<>": all three slices are empty */
	bool literal; /* the domain is an address literal */
	bool utf8;    /* local part or domain were given with non-ASCII characters: SMTPUTF8 only */
	bool routed;  /* a source route "@a,@b:" stood before it and was dropped (RFC 5321 F.2) */
} mail_address;

/* Reads the path at the start of `s` ("<local@domain>", "<>", "<postmaster>", "<@a,@b:c@d>"), which
   must begin with '<', and gives what stands behind '>' in *rest (parameters or nothing).
   "<postmaster>" in any case gives local "postmaster" and an empty domain (RFC 5321 4.1.1.3); no
   other path lacks its domain. Names need no dot ("localhost"). Refused with ST_INVALID: white
   space outside quotes, control bytes, broken UTF-8, invisible characters (zero width, format,
   separators), a trailing dot, an all-digit last label, '_' and other characters no host name has.
   ST_TOO_BIG: well begun, but over one of the limits above. On failure *out and *rest are
   untouched. */
status mail_address_path(slice s, arena *a, mail_address *out, slice *rest);

/* Reads "local@domain" alone, strictly as above; blanks around it and one pair of angle brackets
   are dropped. No null path, no route, no missing domain. */
status mail_address_parse(slice s, arena *a, mail_address *out);

/* Makes an address of parts that are known apart: `local` without quotes or escapes, as
   mail_list_entry has it. Same checks, same kinds. */
status mail_address_of(slice local, slice domain, arena *a, mail_address *out);

/* A domain name alone (no literal): its canonical and its shown form. */
status mail_domain_parse(slice s, arena *a, slice *domain, slice *shown);

/* A domain name or an address literal, as EHLO has it (RFC 5321 4.1.1.1): its canonical form. */
status mail_host_parse(slice s, arena *a, slice *host, bool *literal);

/* "local@domain" in canonical form, "local" without a domain, "" for the null path. */
slice mail_address_text(const mail_address *m, arena *a);

/* The same with the local part case-folded (Unicode full case folding, NFC): under this key
   addresses are stored and found. */
slice mail_address_key(const mail_address *m, arena *a);

/* The key of a local part or a name alone. Broken UTF-8 is folded as ASCII. */
slice mail_local_key(slice local, arena *a);

/* --- Header address lists
   ---------------------------------------------------------------------- */

enum mail_list_kind {
	MAIL_LIST_ADDRESS,
	MAIL_LIST_GROUP,     /* a group begins; only `name` is set */
	MAIL_LIST_GROUP_END, /* nothing is set; every group has its end, even at the cap */
};

typedef struct mail_list_entry {
	enum mail_list_kind kind;
	slice name;   /* display name (or a comment in its stead), unfolded, without quotes; encoded
			 words are left for word_decode() */
	slice route;  /* obsolete route "@a,@b", or empty */
	slice local;  /* without quotes and escapes */
	slice domain; /* as written, without comments; empty when there was none */
} mail_list_entry;

typedef struct mail_list {
	mail_list_entry *entry;
	size_t count;
	bool truncated; /* there were more addresses than were asked for */
	bool broken; /* something between the commas was no address; it is in the list as it could
			be read, or left out when nothing was left of it */
} mail_list;

#define MAIL_LIST_MOST 4096 /* addresses kept of one message (trust.md T27) */

/* Reads the value of From, To, Cc and the like, folded or not, at most `most` entries (the end of
   an open group comes on top). Tolerates what RFC 5322 4.4 lists and what real mail does: missing
   domains, empty members, unclosed quotes, comments and groups. Never fails; the cost is linear in
   the value. */
void mail_list_parse(slice value, size_t most, arena *a, mail_list *out);

#endif
