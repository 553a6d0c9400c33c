/* Greylisting: a client that mails a recipient for the first time is asked to come again, which
   real mail systems do. What is remembered is a digest of who, from whom, to whom. */
#ifndef PENNYPOST_PROVIDER_GREYLIST_H
#define PENNYPOST_PROVIDER_GREYLIST_H

#include "base/clock.h"
#include "base/slice.h"
#include "base/status.h"

/* Notes that it came, and tells how long it has to stay away still; 0 = it passes. Times are
   settings (greylist_delay, greylist_window, greylist_memory). ST_BUSY: nobody knows now. */
status greylist_meet(int64_t postoffice, slice key, usec *wait);

#endif
