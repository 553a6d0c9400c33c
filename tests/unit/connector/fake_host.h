/* A host on loopback that follows a script, for tests of the outbound client. It runs on a thread
   of its own with streams of the house, so that it can speak TLS. A script is a list of rows, NULL
   at the end:

     "> 250 words"   says a line               ">> words"    says them without a line end
     "< MAIL*"       hears a line; * = any rest "text"        hears a text up to its dot
     "chunk"         hears BDAT n LAST and n octets
     "tls"           TLS handshake             "next"        hangs up and takes the next connection
     "wait"          hears until the other side ends         "drip 250 words" a line, byte by byte
     "flood"         says 250-.. lines for ever "garbage"     says bytes without a line end for ever
     "trickle"       the same, a byte in 5 ms   "some"        hears any octets, a TLS hello for one
     "late"          moves the clock, which is virtual then, on and on until the other side ends

   A row that finds something else than it wants ends the script. */
#ifndef PENNYPOST_UNIT_CONNECTOR_FAKE_HOST_H
#define PENNYPOST_UNIT_CONNECTOR_FAKE_HOST_H

#include "net/stream.h"

#define HOST_GREETS "> 220 there.test ESMTP", "< EHLO us.test"
#define HOST_KNOWS(words) HOST_GREETS, "> 250-there.test greets you", words

struct fake_host {
	net_address at;
	const char *script[80]; /* the rows, which are lent */
	const tls_server *tls;
	_Atomic(const char *) doing; /* the row it is at */
	/* What it has seen; to be read after fake_host_end. */
	const char *stopped; /* the row that did not go well, NULL = all did */
	char line[1100];     /* the last line heard */
	text texts;          /* all texts and chunks, as framed on the wire */
	int whole;           /* how many came whole */
	int connections;
	int listener;
	unsigned long thread;
};

/* A socket on a port of loopback that is held and refuses connections, until the caller closes it
   or listens. Another process may listen there meanwhile, if it asks for the port by
   SO_REUSEADDR. */
int fake_host_reserve(net_address *at);
/* A listening socket on loopback. */
int fake_host_listen(net_address *at);
/* Listens and follows the script, whose list of rows is copied. What *h held before is given
   back. */
void fake_host_start(struct fake_host *h, const char *const *script, const tls_server *tls);
/* Waits until the script is over (a host that still waits for a connection is told to stop). */
void fake_host_end(struct fake_host *h);

/* FOLDER/NAME.crt and .key: self-signed, P-256, for a host name; valid from `from` to `to` hours
   from now. */
void fake_certificate(const char *folder, const char *host, int from, int to);
/* The same, signed by an authority of its own, which stands behind it in the file; the record "2 0
   1" of that authority. */
struct tls_tlsa fake_authority(const char *folder, const char *host, unsigned char sum[32]);
/* The record "usage selector 1" of FOLDER/default.crt; data (32 bytes) is written to `sum`. */
struct tls_tlsa fake_tlsa(
	const char *folder, uint8_t usage, uint8_t selector, unsigned char sum[32]);

#endif
