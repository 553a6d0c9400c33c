/* Which hosts are this system itself: mail that is sent there comes back (T16). */
#ifndef PENNYPOST_CONNECTOR_SMTP_HOME_H
#define PENNYPOST_CONNECTOR_SMTP_HOME_H

#include "net/address.h"

/* An address and a port that the SMTP service of this machine has by smtp_listen; where that names
   every address, those of its interfaces and those that it has outside of a NAT
   (smtp_literal_addresses, whole addresses alone). A port of ours counts alone, for beside it on
   this machine another system may listen. */
bool home_is(const net_address *at);
/* The same of a host as a route names it: "[192.0.2.1]", or a name, of which local_domain and
   localhost are ours. Asks nobody. */
bool home_is_host(slice host, uint16_t port);

#endif
