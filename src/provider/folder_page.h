/* Pages: the envelopes of a big folder, those of 256 UIDs in a row packed into one value of the
   store, so that a reader who wants all of them neither looks every message up nor packs it. They
   are made behind the back of deliveries, by a fiber of the worker that saw the folder grow, as is
   the packed state of its entries (view_pack.h); so the first who opens a folder after many
   deliveries finds both.

   Facts never change and pages name messages, so nothing old is ever shown. */
#ifndef PENNYPOST_PROVIDER_FOLDER_PAGE_H
#define PENNYPOST_PROVIDER_FOLDER_PAGE_H

#include "provider/view.h"

/* For a reader about to ask for the envelopes of these messages and, likely, of those behind them:
   where many are not known in this process, it learns them from pages. One round trip at most, for
   2,048 messages. A hint. */
void folder_page_bring(const view *v, const uint32_t *uids, int n);

#endif
