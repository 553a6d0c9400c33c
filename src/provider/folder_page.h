/* Pages: the envelopes of a big folder, those of 256 UIDs in a row packed into one value of the
   store, so that a reader who wants all of them neither looks every message up nor packs it. They
   are made behind the back of deliveries, by a fiber of the worker that saw the folder grow, as is
   the packed state of its entries (view_pack.h); so the first who opens a folder after many
   deliveries finds both. Part trees are in them once a reader of many has packed them: one value
   for 256 messages instead of a row for each.

   Facts never change and pages name messages, so nothing old is ever shown. */
#ifndef PENNYPOST_PROVIDER_FOLDER_PAGE_H
#define PENNYPOST_PROVIDER_FOLDER_PAGE_H

#include "provider/message_fact.h"
#include "provider/view.h"

/* For a reader about to ask for the envelopes of these messages, or with `whole` for their part trees
   too, and, likely, for those behind them: where many are not known in this process, it learns them
   from pages. One round trip at most, for 2,048 messages. A hint. */
void folder_page_bring(const view *v, const uint32_t *uids, int n, bool whole);
/* Whether what a reader of many has packed of that message, envelope and part tree, is for a page,
   once it is kept in this process (message_facts_learn) and folder_page_keep() is called: it need not
   be kept in the store by itself. Where another message of the page is not known whole by then there
   is no page, and the next reader packs it again. */
bool folder_page_takes(const view *v, uint32_t uid, const struct message_fact *f);
/* Has pages made of what is known whole in this process, soon and in the background; never waits. A
   page of which something is not known is not made. */
void folder_page_keep(const view *v);

#endif
