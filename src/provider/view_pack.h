/* All entries of a folder as one value for the table folder_snap: differences to the entry before,
   seven bits a byte, about 18 bytes an entry. */
#ifndef PENNYPOST_PROVIDER_VIEW_PACK_H
#define PENNYPOST_PROVIDER_VIEW_PACK_H

#include "base/text.h"
#include "provider/view_image.h"

void view_pack(const struct view_entry *entries, int n, text *to);
/* How many entries it says to have, -1 when it is none of ours; then *entries has room for so many.
   False when it is broken. */
int view_packed(slice state);
bool view_unpack(slice state, struct view_entry *entries, int n);

#endif
