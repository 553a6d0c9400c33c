/* A DNS server for tests: scripted zones on loopback, UDP and TCP on one port, with servers' bad
   manners by name. The script has one line per record or manner; # begins a comment:

       mail.test            A 192.0.2.1
       mail.test        30  MX 10 mx.mail.test         (a TTL may stand before the type; else 300)
       mail.test            TXT "v=spf1 " "-all"       (without quotes: the rest of the line)
       _25._tcp.mx.test     TLSA 3 1 1 0a0b0c
       www.mail.test        CNAME mail.test
       slow.test            ! delay 500                (milliseconds before each answer)
       dead.test            ! silent                   (never answers)
       ill.test             ! servfail                 (also: refused, garbage, other)
       hurt.test            ! servfail 2               (the first two times only)
       half.test            ! servfail-aaaa            (where AAAA is asked for)
       big.test             ! truncate                 (over UDP always cut)
       forged.test          ! bogus                    (SERVFAIL unless checking is disabled)
       signed.test          ! secure                   (says AD to those who ask for it)

   A manner holds for its name only; "*" for all names. Names that are not there get NXDOMAIN with
   an SOA whose minimum is 60, those with others below them or without the type "no data". */
#ifndef PENNYPOST_TESTS_DNS_ZONE_H
#define PENNYPOST_TESTS_DNS_ZONE_H

#include <stddef.h>

typedef struct zone zone;

/* Listens on 127.0.0.1 (port 0: any) and serves from a thread of its own. A fault in the script or
   a taken port ends the program with a sentence on standard error. */
zone *zone_serve(const char *script, unsigned port);
unsigned zone_port(const zone *z);
/* Questions that came for this name (NULL: for any) so far. */
unsigned zone_asked(zone *z, const char *name);
void zone_stop(zone **z);

#endif
