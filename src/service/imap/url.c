/* Reading URLs of messages, and what is behind them. A URL names nobody but the reader: with a
   server or a user in it, it is none. */
#include "service/imap/url.h"

#include "base/utf8.h"
#include "service/imap/packed.h"
#include "service/imap/place.h"
#include "service/imap/selected.h"

#define URL_MOST 8192

struct url {
	bool here; /* of the selected folder */
	slice folder;
	uint64_t uidvalidity, uid; /* uidvalidity 0: any */
	struct section section;
};

/* ---- reading */

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* "%41" at its beginning; -1 for a stump of one. */
static int escaped(slice s)
{
	int high = s.size > 2 ? digit(s.at[1]) : -1, low = high >= 0 ? digit(s.at[2]) : -1;

	return low >= 0 ? high * 16 + low : -1;
}

/* False for what is not UTF-8 without NUL. */
static bool decode(slice coded, arena *a, slice *out)
{
	char *to = arena_new(a, coded.size + 1);
	size_t n = 0;

	while (coded.size > 0) {
		bool is_escaped = coded.at[0] == '%';
		int c = is_escaped ? escaped(coded) : (unsigned char)coded.at[0];

		if (c <= 0)
			return false;
		to[n++] = (char)c;
		coded = slice_from(coded, is_escaped ? 3 : 1);
	}
	*out = slice_of(to, n);
	return utf8_valid(*out);
}

static bool word_take(slice *rest, slice word)
{
	if (!slice_starts_nocase(*rest, word))
		return false;
	*rest = slice_from(*rest, word.size);
	return true;
}

static bool number_take(slice *rest, uint64_t *out)
{
	size_t n = 0;

	while (n < rest->size && rest->at[n] >= '0' && rest->at[n] <= '9')
		n++;
	if (!slice_number(slice_until(*rest, n), out))
		return false;
	*rest = slice_from(*rest, n);
	return true;
}

/* "/Drafts;UIDVALIDITY=3" up to "/;UID=20" or ";UID=20"; the latter alone is of the selected
   folder. */
static bool folder_take(conversation *c, slice *rest, struct url *u)
{
	size_t end;

	if (word_take(rest, S("/;UID=")) || word_take(rest, S(";UID="))) {
		u->here = imap_of(c)->selected;
		return u->here;
	}
	if (!word_take(rest, S("/")))
		return false;
	end = slice_find(*rest, ';');
	if (end > 0 && rest->at[end - 1] == '/' && end < rest->size)
		end--;
	if (end == 0 || !decode(slice_until(*rest, end), &c->command, &u->folder))
		return false;
	*rest = slice_from(*rest, end);
	if (word_take(rest, S(";UIDVALIDITY=")) &&
		(!number_take(rest, &u->uidvalidity) || u->uidvalidity == 0))
		return false;
	return word_take(rest, S("/;UID="));
}

/* Sections are written as in FETCH. Strings that come as literals would be read from the client:
   there are none. */
static bool section_take(conversation *c, slice *rest, struct url *u)
{
	size_t end = slice_search_nocase(*rest, S("/;"));
	args p = {.c = c, .most = URL_MOST};
	slice inside;

	if (!decode(slice_until(*rest, end), &c->command, &inside) ||
		slice_find(inside, '{') < inside.size)
		return false;
	p.rest = arena_format(&c->command, "[%.*s]", SLICE_ARGS(inside));
	*rest = slice_from(*rest, end);
	return arg_section(&p, S("BODY"), &u->section) == ST_OK && p.rest.size == 0;
}

static bool partial_take(slice *rest, struct section *s)
{
	s->partial = true;
	s->most = UINT64_MAX;
	return number_take(rest, &s->from) &&
	       (!word_take(rest, S(".")) || (number_take(rest, &s->most) && s->most > 0));
}

static bool url_read(conversation *c, slice rest, struct url *u)
{
	if (rest.size > URL_MOST || !folder_take(c, &rest, u) || !number_take(&rest, &u->uid))
		return false;
	if (word_take(&rest, S("/;SECTION=")) && !section_take(c, &rest, u))
		return false;
	if (word_take(&rest, S("/;PARTIAL=")) && !partial_take(&rest, &u->section))
		return false;
	return rest.size == 0 && u->uid > 0 && u->uid < IMAP_LAST;
}

/* ---- what is behind it */

static status octets_each(conversation *c, const struct url *u, const view *v,
	status (*each)(slice octets, void *arg), void *arg)
{
	const struct view_entry *e = view_find(v, (uint32_t)u->uid);
	structure parts = {0};
	struct message_fact *fact;

	if (!e || (u->uidvalidity && u->uidvalidity != v->uidvalidity))
		return ST_ABSENT;
	TRY(packed_facts(v->postoffice, &e->message, &(int){1},
		u->section.depth ? PACKED_STRUCTURE : 0, &c->command, &fact));
	if (fact->blob == 0 || (u->section.depth && structure_unpack(fact->structure, &c->command,
							    &parts) != ST_OK))
		return ST_ABSENT;
	struct source from = {.postoffice = v->postoffice, .fact = fact, .parts = &parts};
	return section_each(&from, &u->section, each, arg);
}

status imap_url_each(conversation *c, slice url, status (*each)(slice octets, void *arg), void *arg)
{
	const struct imap *i = imap_of(c);
	struct url u = {0};
	struct place at;
	view *v;

	if (!url_read(c, url, &u))
		return ST_ABSENT;
	if (u.here)
		return octets_each(c, &u, i->selected->view, each, arg);
	status found = place_find(c, u.folder, ACL_READ, &at);
	TRY(found == ST_DENIED ? ST_ABSENT : found);
	TRY(place_open(&at, VIEW_READ_ONLY, &v));
	status s = octets_each(c, &u, v, each, arg);
	view_close(&v);
	return s;
}
