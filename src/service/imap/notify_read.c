/* What NOTIFY asks for, as it is written (RFC 5465 4 to 6): groups of folders and the events wanted
   of each. */
#include "service/imap/notify_read.h"

#include "service/imap/fetch.h"

static const struct event_word {
	const char *word;
	unsigned bit;
} events[] = {
	{"MessageNew", WANTS_NEW},
	{"MessageExpunge", WANTS_GONE},
	{"FlagChange", WANTS_FLAGS},
	{"MailboxName", WANTS_NAME},
	{"SubscriptionChange", WANTS_SUBSCRIPTION},
	{"MailboxMetadataChange", WANTS_METADATA},
	{"ServerMetadataChange", WANTS_SERVER_METADATA},
};
#define EVENTS (sizeof events / sizeof *events)

static status trouble(struct notify_asked *x, const char *what)
{
	x->p->trouble = what;
	return ST_INVALID;
}

/* "(UID BODY.PEEK[HEADER.FIELDS (FROM)])" behind MessageNew: kept as it is written, and read again
   each time. */
static status arg_wanted(struct notify_asked *x, const struct notify_group *g)
{
	if (!notify_is_of_selected(g))
		return trouble(x, "What is new is fetched in the selected folder alone");
	return arg_fetch_items(x->p, &x->fetch);
}

static status arg_event(struct notify_asked *x, struct notify_group *g)
{
	unsigned bit = 0;
	slice word;

	TRY(arg_atom(x->p, &word));
	for (size_t k = 0; k < EVENTS; k++)
		if (slice_same_nocase(word, slice_z(events[k].word)))
			bit = events[k].bit;
	x->unknown = x->unknown || !bit;
	g->events |= bit;
	if (bit == WANTS_NEW && slice_starts(x->p->rest, S(" ("))) {
		arg_take(x->p, ' ');
		return arg_wanted(x, g);
	}
	return ST_OK;
}

/* "(MessageNew MessageExpunge)" or "NONE" */
static status arg_events(struct notify_asked *x, struct notify_group *g)
{
	unsigned both;

	if (!arg_take(x->p, '('))
		return arg_word(x->p, S("NONE"));
	do
		TRY(arg_event(x, g));
	while (arg_take(x->p, ' '));
	TRY(arg_expect(x->p, ')'));
	both = g->events & (WANTS_NEW | WANTS_GONE);
	if ((both != 0 && both != (WANTS_NEW | WANTS_GONE)) || ((g->events & WANTS_FLAGS) && !both))
		return trouble(
			x, "MessageNew and MessageExpunge go together, and FlagChange with them");
	if (notify_is_of_selected(g) && (g->events & ~(unsigned)WANTS_MESSAGES))
		return trouble(x, "Of the selected folder there are events of messages alone");
	return ST_OK;
}

static status arg_folders(struct notify_asked *x, struct notify_group *g)
{
	TRY(arg_filter(x->p, &g->folders));
	for (int n = 0; n < x->n && notify_is_of_selected(g); n++)
		if (notify_is_of_selected(&x->group[n]))
			return trouble(x, "The selected folder is named once");
	return ST_OK;
}

static status arg_group(struct notify_asked *x)
{
	struct notify_group *g = &x->group[x->n];

	if (x->n == GROUPS_MOST)
		return trouble(x, "Too many groups");
	*g = (struct notify_group){0};
	TRY(arg_expect(x->p, '('));
	TRY(arg_folders(x, g));
	TRY(arg_space(x->p));
	TRY(arg_events(x, g));
	x->n++;
	return arg_expect(x->p, ')');
}

status notify_read(struct notify_asked *x)
{
	TRY(arg_space(x->p));
	if (arg_word(x->p, S("NONE")) == ST_OK)
		return arg_end(x->p);
	TRY(arg_word(x->p, S("SET")));
	TRY(arg_space(x->p));
	x->status = arg_word(x->p, S("STATUS")) == ST_OK;
	if (x->status)
		TRY(arg_space(x->p));
	do
		TRY(arg_group(x));
	while (arg_take(x->p, ' '));
	return arg_end(x->p);
}

void notify_known(text *out)
{
	for (size_t k = 0; k < EVENTS; k++)
		text_format(out, "%s%s", k ? " " : "", events[k].word);
}
