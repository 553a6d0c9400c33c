/* What a worker gets ready before its first readers come. */
#ifndef PENNYPOST_PROVIDER_WARM_H
#define PENNYPOST_PROVIDER_WARM_H

#define WARM_CONNECTIONS 3 /* of a few readers, and of what is made in the background for them */

/* Opens them in the background and has the great statements of views and bodies planned on each, which
   takes 5 to 25 ms the first time and else the first reader waits for. In a worker's loop only. Trouble is
   nothing: readers then wait as before. */
void warm_start(void);

#endif
