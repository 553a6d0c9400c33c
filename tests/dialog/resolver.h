/* The DNS of dialogs: the calls of net/dns.h answered from what a script gave, chosen at link time.
   A silent name never answers, so that its askers wait for their deadlines, which cost nothing on
   the virtual clock. */
#ifndef PENNYPOST_TESTS_DIALOG_RESOLVER_H
#define PENNYPOST_TESTS_DIALOG_RESOLVER_H

#include "base/clock.h"
#include "base/slice.h"

#include <stdbool.h>

void resolver_reset(void);
/* "A", "AAAA", "MX" ("10 mx.example.org"), "NS", "PTR", "TXT"; or the manners "silent", "fails".
   False: it makes no sense. */
bool resolver_add(slice name, slice type, slice value);
/* What there is of the name comes so long after it is asked for first. */
void resolver_late(slice name, usec span);

#endif
