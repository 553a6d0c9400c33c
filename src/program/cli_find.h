/* What names on the command line stand for, with errors that say what to do; and the facts that
   several commands show. */
#ifndef PENNYPOST_PROGRAM_CLI_FIND_H
#define PENNYPOST_PROGRAM_CLI_FIND_H

#include "program/cli_answer.h"
#include "provider/domain.h"
#include "provider/mailbox.h"
#include "provider/postoffice.h"

status cli_find_postoffice(struct cli *c, slice name, postoffice **out);
/* NAME@POSTOFFICE, or any address of the mailbox. */
status cli_find_mailbox(struct cli *c, slice written, mailbox **out);
status cli_find_domain(struct cli *c, slice name, domain **out);
/* Refuses anna@demo, the name of a mailbox or group, where an address is meant: mail for a domain
   "demo" would come back. */
status cli_is_address(struct cli *c, slice written);
/* Whether mail for an address in a domain of ours would be refused; of `postoffice` alone where that
   is not 0. */
status cli_takes_no_mail(struct cli *c, slice address, int64_t postoffice, bool *out);
/* What --mailbox, else --postoffice, names: both 0 when neither is given. `box` is NULL where there
   is no --mailbox. */
status cli_find_scope(struct cli *c, int64_t *office, int64_t *box);
/* The post office's name by id; "-" when it is gone. */
slice cli_postoffice_name(struct cli *c, int64_t id);

/* Every post office in turn, in pages; or only the one called `name` when that is not empty. */
status cli_each_postoffice(struct cli *c, slice name,
	status (*each)(struct cli *c, const postoffice *p, void *arg), void *arg);
/* Every mailbox of a post office, in pages. */
status cli_each_mailbox(struct cli *c, int64_t postoffice,
	status (*each)(struct cli *c, const mailbox *m, void *arg), void *arg);

/* The audit row of an order whose provider's call cannot know its words: the detail tells the
   arguments and options as they were given, but MAILBOX, secrets and --yes. */
struct audit_note cli_note(struct cli *c, const char *action, slice object);
/* Written at once: before the first of many transactions. */
status cli_audit(struct cli *c, int64_t postoffice, const char *action, slice object);

/* What --most says. */
status cli_most(struct cli *c, unsigned by_default, unsigned *most);

/* The password given by `option`, or a random one; *made tells which. */
slice cli_password(struct cli *c, const char *option, int64_t postoffice, bool *made);

/* What to change where something new with a name and a password was refused for `why`. */
const char *cli_new_remedy(slice why);

/* Refuses with exit code 64 unless --yes was given. `what` = "removes anna@demo and all its
   mail". */
status cli_sure(struct cli *c, const char *what);

#endif
