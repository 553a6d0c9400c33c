/* The folder a conversation has selected: its view, and what the client has been told of it. */
#ifndef PENNYPOST_SERVICE_IMAP_SELECTED_H
#define PENNYPOST_SERVICE_IMAP_SELECTED_H

#include "provider/view.h"
#include "service/imap/session.h"

struct selected {
	view *view;
	slice shown;     /* its name as the reader calls it; of a shared folder own memory */
	unsigned rights; /* ACL_ bits */
	bool shared;     /* somebody else's */
	bool unknown;    /* what the rights are now could not be had: nothing is told of it */
	usec renewed_at; /* when they were looked at last */
	uint32_t recent; /* UIDs from here on are told as \Recent; none in IMAP4rev2, which has
			    abolished it */
	int64_t told;    /* flags the client has read of in FLAGS */
	int64_t used;    /* of a shared folder: flags that messages had since it was selected */
	uint32_t *saved; /* result of SEARCH RETURN (SAVE): UIDs, rising (RFC 5182); own memory */
	size_t saved_n;
	struct contexts *contexts; /* searches that are kept up to date (context.h) */
	uint32_t *held; /* UIDs, rising, whose flags the view has and the client was not told; own
			   memory */
	int held_n;
	int64_t safe; /* MODSEQ up to which the client was told everything */
	bool lowered; /* it was told that it is lower than what it has seen since */
};

/* Of a folder of others: what the reader may do with it now, and tells him when that is more or
   less than it was; one's own costs nothing. ST_ABSENT: it is gone, or not for him any more;
   nothing is selected then. Anything else but ST_OK: that cannot be known now. */
status selected_renew(conversation *c);
/* The same in the middle of what takes long, or waits for its client: looks again when a second has
   passed since. */
status selected_renew_late(conversation *c);
/* As selected_renew_late, and waits for db_silence_most while the database cannot say it. */
status selected_renew_amid(conversation *c);
/* The same within a literal, where nothing can be told and nobody expects the folder to be gone:
   ST_ABSENT, and all stays as it is until the literal has been given up. */
status selected_stays(conversation *c);
#define SELECTED_LOST "The folder was removed, or may be read no more"
/* After ST_ABSENT of one of these: BYE, and the conversation ends with this command. */
status selected_lost(conversation *c);
/* He may do all of this in it, by his rights; whether it is open for reading alone is another
   matter. */
bool selected_may(const conversation *c, unsigned rights);
/* Flags that rights let be changed, and the rights that flags want. */
int64_t rights_flags(unsigned rights);
unsigned flags_rights(int64_t flags);
/* Messages that are \Recent here. */
int selected_recent(const struct selected *s);
/* The folder may be written to in any way. */
bool selected_writable(const struct selected *s);
/* "* OK [PERMANENTFLAGS (..)]" */
status selected_tell_permanent(conversation *c);
/* Leaves the folder without a word. Nothing when none is selected. */
void selected_close(conversation *c);
/* Looks what changed and tells it: EXPUNGE or VANISHED (only when `expunge`), EXISTS, FETCH of
   changed flags. */
status selected_tell(conversation *c, bool expunge);

/* The same of a change that a call of view.h has told. */
status selected_tell_change(conversation *c, const struct view_change *ch);
/* The same of a STORE with SILENT: the client takes these messages to have these flags now. Those
   that have, by this STORE, are told by their MODSEQ alone; those that another one changed too have
   others. */
struct selected_silent {
	const uint32_t *uids; /* [n], rising */
	const int64_t *flags;
	int n;
};
status selected_tell_stored(
	conversation *c, const struct view_change *ch, const struct selected_silent *silent);
/* The same, without what the command changed itself. */
status selected_tell_others(conversation *c, const struct view_change *ch);
/* The same to a client that wants no flags now (NOTIFY without FlagChange): they come with whatever
   of these is called next. Searches that are kept up to date are told at once. */
status selected_tell_unflagged(conversation *c, const struct view_change *ch);
/* "* OK [HIGHESTMODSEQ n]", where the client would not know it or take it for a higher one: with the
   first command that wants MODSEQ while a folder is selected (RFC 7162 3.1), and for QRESYNC while
   something is held back (3.2), which else a reader who comes again would never hear of. */
status selected_tell_highest(conversation *c);
/* "* VANISHED (EARLIER) set": what is gone since a MODSEQ, of the UIDs `known` (resolved; NULL: of
   all). A store's trouble is passed up, nothing has been told then. */
status selected_tell_vanished(conversation *c, int64_t since, const imap_set *known);
/* "* n FETCH (UID u FLAGS (..))", with MODSEQ where the client wants it; nothing when it is
   gone. */
status selected_tell_flags(conversation *c, uint32_t uid);
/* "* n FETCH (UID u MODSEQ (..))"; nothing when it is gone. */
status selected_tell_modseq(conversation *c, uint32_t uid);
/* "* 3 FETCH ", or "* 4711 UIDFETCH " once UIDONLY is ENABLEd (RFC 9586). */
void selected_fetch_text(conversation *c, uint32_t uid, text *out);
/* Flags whose names the reader may know: of the keywords of a mailbox of others only those that
   messages of the folder had since he selected it. */
int64_t selected_flags_known(const struct selected *s);
/* Finds those of all its messages, once; what comes later is seen when it is told. */
void selected_flags_look(struct selected *s);
/* "* FLAGS (..)": the names of all of these. */
status selected_tell_names(conversation *c);
/* "(\\Seen $Forwarded)" */
void selected_flags_text(const struct selected *s, const struct view_entry *e, text *out);

/* Finds the UIDs a set of a command means, rising, in the command arena. By number: ST_INVALID with
   p->trouble when a number is not there. */
status selected_uids(conversation *c, args *p, imap_set *set, bool by_uid, uint32_t **uids, int *n);
/* Leaves the newest of them, as many as one command may touch; the answer tells where it ended. */
void selected_limit(conversation *c, uint32_t **uids, int *n);
/* What `$` stands for, as a resolved set of UIDs. */
void selected_saved_set(conversation *c, imap_set *set);

#endif
