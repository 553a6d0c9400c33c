/* A certificate for localhost, made anew for each run, with a server that shows it and a client
   that trusts it. */
#ifndef PENNYPOST_TESTS_DIALOG_CERTIFICATE_H
#define PENNYPOST_TESTS_DIALOG_CERTIFICATE_H

#include "net/tls.h"

void certificate_make(const tls_server **server, tls_client **client);

#endif
