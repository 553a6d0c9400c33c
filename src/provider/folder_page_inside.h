/* For the providers that put messages into folders. */
#ifndef PENNYPOST_PROVIDER_FOLDER_PAGE_INSIDE_H
#define PENNYPOST_PROVIDER_FOLDER_PAGE_INSIDE_H

#include "base/status.h"

#include <stdint.h>

/* After a commit: so many messages came into the folder. Never waits; costs a look into a table. */
void folder_page_grown(int64_t postoffice, int64_t mailbox, int64_t folder, int n);
/* Makes what is missing, at once: of a folder of 1,000 messages and more, full pages and, when it
   grew much, the packed state; with `whole`, pages with part trees where all of them are known in
   this process. */
status folder_page_make(int64_t postoffice, int64_t mailbox, int64_t folder, bool whole);

#endif
