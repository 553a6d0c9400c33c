/* A mixed load as imaptest makes it (https://imapwiki.org/ImapTest): each client logs on to a
   mailbox chosen by chance, walks down the table of commands below, each of which comes with the
   share that imaptest gives it, and logs out; then it begins again. Other than there it waits for
   each answer before it says more, a tenth of all talks also search, sort and say NOOP, and a
   mailbox keeps its messages: as many are removed as come.

   Each client throws dice of its own, so that all servers are asked the same as far as their
   mailboxes are the same. A mailbox has several readers at once: that a message is gone which
   another one removed is no failure, and counted by itself. */
#include "tests/load/mixed.h"

#include "base/text.h"
#include "tests/load/load.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static struct {
	unsigned seed, keep;
} wanted = {.seed = 1, .keep = 30};

/* One client and what it knows of its folder. */
struct reader {
	stream *s;
	uint64_t dice;
	unsigned messages;
	bool gone; /* the last answer said that a message is */
};

void mixed_seed(unsigned seed)
{
	wanted.seed = seed;
}

void mixed_keep(unsigned messages)
{
	wanted.keep = messages;
}

/* ---- chance: SplitMix64, the same on every machine */

static uint64_t throw_dice(struct reader *r)
{
	uint64_t z = r->dice += 0x9e3779b97f4a7c15;
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

static unsigned below(struct reader *r, unsigned limit)
{
	return (unsigned)(throw_dice(r) % limit);
}

static bool happens(struct reader *r, unsigned of_a_hundred)
{
	return below(r, 100) < of_a_hundred;
}

static const char *one_of(struct reader *r, const char *const *words, unsigned count)
{
	return words[below(r, count)];
}

#define ONE_OF(r, words) one_of(r, words, sizeof(words) / sizeof *(words))

/* ---- what is said; ST_ABSENT when there is nothing to say it of */

static status say_login(struct reader *r)
{
	TRY(load_expect(r->s, '*'));
	return load_say_login(r->s, below(r, load_mailboxes()));
}

static status say_list(struct reader *r)
{
	return stream_write(r->s, S("a LIST \"\" *\r\n"));
}

static status say_status(struct reader *r)
{
	return stream_write(r->s, S("a STATUS INBOX (MESSAGES UNSEEN RECENT)\r\n"));
}

static status say_select(struct reader *r)
{
	return stream_write(r->s, S("a SELECT INBOX\r\n"));
}

static void add_fields(text *to, struct reader *r)
{
	static const char *const fields[] = {"From", "To", "Cc", "Subject", "References",
		"In-Reply-To", "Message-ID", "Delivered-To"};
	text_add_z(to, "BODY.PEEK[HEADER.FIELDS (");
	for (unsigned left = below(r, 4) + 1; left > 0; left--)
		text_format(to, "%s%s", ONE_OF(r, fields), left > 1 ? " " : ")]");
}

/* What a client shows as a list. */
static status say_fetch(struct reader *r)
{
	static const char *const items[] = {
		"UID", "FLAGS", "ENVELOPE", "INTERNALDATE", "BODY", "BODYSTRUCTURE"};
	text line = TEXT_INIT;
	unsigned from = r->messages > 100 ? below(r, r->messages) + 1 : 1;
	unsigned to = r->messages > from + 100 ? from + 100 : r->messages;

	text_format(&line, "a FETCH %u:%u (", from, to);
	for (unsigned left = below(r, 4) + 1; left > 0; left--) {
		if (happens(r, 75))
			text_add_z(&line, ONE_OF(r, items));
		else
			add_fields(&line, r);
		text_add_z(&line, left > 1 ? " " : ")\r\n");
	}
	status kind = stream_write(r->s, text_slice(&line));
	text_free(&line);
	return kind;
}

static status say_body(struct reader *r)
{
	return stream_format(r->s, "a FETCH %u (BODY.PEEK[])\r\n", below(r, r->messages) + 1);
}

static status say_search(struct reader *r)
{
	static const char *const keys[] = {"UNSEEN", "SUBJECT quarterly", "BODY promise"};
	return stream_format(r->s, "a SEARCH %s\r\n", ONE_OF(r, keys));
}

static status say_sort(struct reader *r)
{
	return stream_write(r->s, S("a SORT (SUBJECT) US-ASCII ALL\r\n"));
}

static status say_copy(struct reader *r)
{
	unsigned from = below(r, r->messages) + 1;
	unsigned more = below(r, r->messages - from + 1);
	return stream_format(r->s, "a COPY %u:%u copies\r\n", from, from + (more < 5 ? more : 5));
}

/* STORE of that many messages, some of which may be the same. */
static status store(struct reader *r, unsigned count, const char *how, const char *flags)
{
	text line = TEXT_INIT;

	if (count == 0)
		return ST_ABSENT;
	text_add_z(&line, "a STORE ");
	for (; count > 0; count--)
		text_format(&line, "%u%s", below(r, r->messages) + 1, count > 1 ? "," : " ");
	text_format(&line, "%sFLAGS.SILENT (%s)\r\n", how, flags);
	status kind = stream_write(r->s, text_slice(&line));
	text_free(&line);
	return kind;
}

static const char *const some_flags[] = {"\\Seen", "\\Answered", "\\Flagged", "\\Draft",
	"\\Seen \\Answered", "\\Seen \\Flagged", "$Label1", "\\Seen $Label2"};

static status say_store(struct reader *r)
{
	static const char *const hows[] = {"+", "-", ""};
	unsigned most = r->messages < 10 ? r->messages : r->messages / 5;
	unsigned count = below(r, most < 50 ? most : 50);
	const char *how = ONE_OF(r, hows);
	return store(r, count, how, ONE_OF(r, some_flags));
}

/* In the mean as many as APPEND brings, once the folder holds what it shall. */
static status say_delete(struct reader *r)
{
	unsigned surplus = r->messages > wanted.keep ? r->messages - wanted.keep + 1 : 0;
	return store(r, below(r, surplus + 2), "+", "\\Deleted");
}

static status say_expunge(struct reader *r)
{
	return stream_write(r->s, S("a EXPUNGE\r\n"));
}

static status say_append(struct reader *r)
{
	text head = TEXT_INIT, line = TEXT_INIT;

	load_head(&head, throw_dice(r));
	text_add_z(&line, "a APPEND INBOX ");
	if (happens(r, 50))
		text_format(&line, "(%s) ", ONE_OF(r, some_flags));
	if (happens(r, 50))
		text_add_z(&line, "\"21-Nov-2025 02:43:00 +0000\" ");
	text_format(&line, "{%zu+}\r\n", head.size + load_body().size);
	text_add(&line, text_slice(&head));
	status kind = stream_write(r->s, text_slice(&line));
	text_free(&line);
	text_free(&head);
	TRY(kind);
	TRY(stream_write(r->s, load_body()));
	return stream_write(r->s, S("\r\n"));
}

static status say_noop(struct reader *r)
{
	return stream_write(r->s, S("a NOOP\r\n"));
}

static status say_logout(struct reader *r)
{
	return stream_write(r->s, S("a LOGOUT\r\n"));
}

/* In the order in which they come. */
static struct kind {
	const char *name;
	unsigned share, again; /* of a hundred: it comes at all; it comes once more */
	bool of_messages;      /* left out when there are none */
	status (*say)(struct reader *r);
	uint64_t done, gone;
	usec took;
} kinds[] = {
	{.name = "LOGIN", 100, 0, false, say_login},
	{.name = "LIST", 50, 0, false, say_list},
	{.name = "STATUS", 50, 0, false, say_status},
	{.name = "SELECT", 100, 0, false, say_select},
	{.name = "FETCH", 100, 0, true, say_fetch},
	{.name = "BODY", 100, 30, true, say_body},
	{.name = "SEARCH", 10, 0, true, say_search},
	{.name = "SORT", 10, 0, true, say_sort},
	{.name = "COPY", 33, 5, true, say_copy},
	{.name = "STORE", 50, 0, true, say_store},
	{.name = "DELETE", 100, 0, true, say_delete},
	{.name = "EXPUNGE", 100, 0, true, say_expunge},
	{.name = "APPEND", 100, 5, false, say_append},
	{.name = "NOOP", 10, 0, false, say_noop},
	{.name = "LOGOUT", 100, 0, false, say_logout},
};
#define KINDS (sizeof kinds / sizeof *kinds)

/* ---- what is answered */

/* "* 31 EXISTS", "* 7 EXPUNGE": the client's number of messages follows. */
static void hear_count(struct reader *r, slice line)
{
	unsigned number = 0;
	size_t at = 2;

	if (!slice_starts(line, S("* ")))
		return;
	for (; at < line.size && line.at[at] >= '0' && line.at[at] <= '9'; at++)
		number = number * 10 + (unsigned)(line.at[at] - '0');
	slice rest = slice_of(line.at + at, line.size - at);
	if (slice_same(rest, S(" EXISTS")))
		r->messages = number;
	else if (slice_same(rest, S(" EXPUNGE")) && r->messages > 0)
		r->messages--;
}

/* How many octets follow a line that ends with {n}. */
static size_t literal_after(slice line)
{
	size_t size = 0, scale = 1, at = line.size;

	if (at == 0 || line.at[--at] != '}')
		return 0;
	for (; at > 0 && line.at[at - 1] >= '0' && line.at[at - 1] <= '9'; at--, scale *= 10)
		size += scale * (size_t)(line.at[at - 1] - '0');
	return at > 0 && line.at[at - 1] == '{' ? size : 0;
}

static status skip(stream *s, size_t octets)
{
	while (octets > 0) {
		slice some;
		TRY(stream_some(s, octets, &some));
		octets -= some.size;
	}
	return ST_OK;
}

static bool contains(slice line, slice word)
{
	return memmem(line.at, line.size, word.at, word.size) != NULL;
}

/* Reads to the tagged line; what stands in literals is never taken for one. */
static status hear(struct reader *r)
{
	slice line;
	enum line_end end;

	for (;;) {
		TRY(stream_line(r->s, 256 * 1024, &line, &end));
		if (slice_starts(line, S("a ")))
			break;
		hear_count(r, line);
		for (size_t octets; (octets = literal_after(line)) > 0;) {
			TRY(skip(r->s, octets));
			TRY(stream_line(r->s, 256 * 1024, &line, &end));
		}
	}
	/* RFC 5530 has a code for it, which Dovecot says in words alone. */
	r->gone = slice_starts(line, S("a NO")) &&
		  (contains(line, S("EXPUNGEISSUED")) || contains(line, S("no longer exist")));
	if (r->gone || slice_starts(line, S("a OK")))
		return ST_OK;
	load_trouble(line);
	return ST_DENIED;
}

/* ---- one client */

static status do_one(struct reader *r, struct kind *k)
{
	usec began = clock_now();
	status kind = k->say(r);

	if (kind == ST_ABSENT)
		return ST_OK;
	TRY(kind);
	load_begin();
	TRY(hear(r));
	if (r->gone) {
		k->gone++;
		return ST_OK;
	}
	k->done++;
	k->took += clock_now() - began;
	load_count(ST_OK, began);
	return ST_OK;
}

static status do_kind(struct reader *r, struct kind *k)
{
	if (!happens(r, k->share))
		return ST_OK;
	do {
		if (r->messages > 0 || !k->of_messages)
			TRY(do_one(r, k));
	} while (k->again > 0 && load_goes_on() && happens(r, k->again));
	return ST_OK;
}

status mixed_session(stream *s, const struct load_turn *t)
{
	struct reader r = {.s = s,
		.dice = (uint64_t)wanted.seed << 48 | (uint64_t)t->client << 32 | t->number};

	for (size_t i = 0; i < KINDS; i++)
		if (i == 0 || i == KINDS - 1 || load_goes_on())
			TRY(do_kind(&r, &kinds[i]));
	return ST_OK;
}

void mixed_report(void)
{
	for (size_t i = 0; i < KINDS; i++)
		printf("%s done=%" PRIu64 " gone=%" PRIu64 " mean_ms=%.3f\n", kinds[i].name,
			kinds[i].done, kinds[i].gone,
			kinds[i].done ? (double)kinds[i].took / 1000.0 / (double)kinds[i].done : 0);
}
