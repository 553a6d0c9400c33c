/* What both stores of rights share (acl_rule.c). */
#ifndef PENNYPOST_PROVIDER_ACL_ROW_H
#define PENNYPOST_PROVIDER_ACL_ROW_H

#include "provider/acl.h"
#include "provider/auth_name.h"

/* Takes the sign of what is written, and knows who needs no looking for. */
bool acl_is_anyone(slice *written, struct acl_entry *out);
/* As a logon takes it apart; all is empty of what is no such name. */
void acl_name_apart(slice written, arena *a, struct auth_name *out);
/* The tree of acl_tree, of rows whose names are those the reader knows. */
void acl_grow(int64_t postoffice, int64_t reader, struct folder_row *given, int n, arena *a,
	struct folder_row **rows, int *count);

#endif
