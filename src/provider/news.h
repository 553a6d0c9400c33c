/* News: something changed in a folder or mailbox. A hint and never more: who hears it looks
   (view_refresh, folder_tree), and what is missed here is found by looking.

       commit ---> news_tell ---> registrations of this process, at once
                       |
                       +--> gathered (setting news_gap) --> one NOTIFY, outside every data transaction
                                                              |
       registrations of other processes and nodes <-----------+
                       ^
                       +--- a poll of all that is watched (setting news_poll), should a hint get lost

   One thread and one connection per process do this, from the first registration or news on. */
#ifndef PENNYPOST_PROVIDER_NEWS_H
#define PENNYPOST_PROVIDER_NEWS_H

#include "base/status.h"
#include "task/task.h"

typedef struct news news;

/* From now on `raised` is raised when the folder may have changed; with folder 0 when anything in
   the mailbox may have: messages in any folder, or the folders themselves. Register before looking
   for the first time, so that nothing falls between. The notice is the caller's and must outlive
   the registration; several may share one. Never waits, never fails. */
news *news_open(int64_t postoffice, int64_t mailbox, int64_t folder, notice *raised);
/* Afterwards the notice is not touched any more. NULL is nothing. */
void news_close(news **n);

/* After a commit that changed a folder (0: the mailbox's folders themselves); providers do it.
   Never waits. */
void news_tell(int64_t postoffice, int64_t mailbox, int64_t folder);

#endif
