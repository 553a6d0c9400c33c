/* A row of the statements that give whole folders: for folder.c and folder_tree.c. */
#ifndef PENNYPOST_PROVIDER_FOLDER_ROW_H
#define PENNYPOST_PROVIDER_FOLDER_ROW_H

#include "provider/db.h"
#include "provider/folder.h"

void folder_read(const struct rows *r, int row, folder *f);

#endif
