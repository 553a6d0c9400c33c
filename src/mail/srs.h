/* The Sender Rewriting Scheme: mail that is passed on goes out under a return path of our own, so
   that SPF holds at the next host, and what comes back to it finds its way to the sender.

       anna@a.example                              SRS0=hash=day=a.example=anna@here
       SRS0=hash=day=a.example=anna@b.example      SRS1=hash=b.example==hash=day=a.example=anna@here

   The hash is a MAC that only this house can make, over all that stands behind it, with the domain;
   the day is its own, modulo 1024. Both survive hosts that fold case. Later forwarders keep to two
   hops: a mail goes back to the first of them, who knows its own hash. Pure: the MAC and its
   secrets are the caller's. */
#ifndef PENNYPOST_MAIL_SRS_H
#define PENNYPOST_MAIL_SRS_H

#include "base/clock.h"
#include "mail/address.h"

struct srs {
	/* A keyed hash of `text` (HMAC-SHA-256) by one of the secrets: 0 signs, the others were
	   replaced lately and are still recognised. */
	void (*mac)(void *arg, int secret, slice text, uint8_t to[32]);
	void *arg;
	int secrets;
	usec now;      /* wall */
	usec validity; /* of what is signed now; below 1000 days */
};

/* Whether the local part, without quotes or with them, has the form of such an address. */
bool srs_is(slice local);

/* The return path for mail of `sender` that is passed on by an address of `domain` (canonical).
   ST_TOO_BIG: it would be longer than a path may be. ST_INVALID: the null path. */
status srs_forward(
	const struct srs *s, const mail_address *sender, slice domain, arena *a, mail_address *out);

/* Who is meant by the local part of an address of ours in `domain` (canonical).
   ST_INVALID    not of this form
   ST_DENIED     not made here, not for this domain, or changed since
   ST_TIMED_OUT  made here, too long ago */
status srs_reverse(const struct srs *s, slice local, slice domain, arena *a, mail_address *out);

#endif
