/* The envelope. Layout when packed:

       version | text | dated sent+offset | reply subject | from to cc | from_shown to_shown |
       message-id | count references..

   A header may name a field several times; of address fields all count together, of others the
   first. */
#include "mail/envelope.h"

#include "mail/address.h"
#include "mail/header.h"
#include "mail/imap_string.h"
#include "mail/pack.h"
#include "mail/word.h"

#define VERSION 1
#define NO_MAILBOX S("MISSING_MAILBOX")
#define NO_DOMAIN S("MISSING_DOMAIN")

/* --- Fields
   ------------------------------------------------------------------------------------ */

enum field {
	DATE,
	SUBJECT,
	FROM,
	SENDER,
	REPLY_TO,
	TO,
	CC,
	BCC,
	IN_REPLY_TO,
	MESSAGE_ID,
	REFERENCES,
	FIELDS
};

static const slice field_names[FIELDS] = {
	[DATE] = S("Date"),
	[SUBJECT] = S("Subject"),
	[FROM] = S("From"),
	[SENDER] = S("Sender"),
	[REPLY_TO] = S("Reply-To"),
	[TO] = S("To"),
	[CC] = S("Cc"),
	[BCC] = S("Bcc"),
	[IN_REPLY_TO] = S("In-Reply-To"),
	[MESSAGE_ID] = S("Message-ID"),
	[REFERENCES] = S("References"),
};

struct fields {
	slice value[FIELDS];    /* unfolded; of texts */
	mail_list list[FIELDS]; /* of address fields */
	size_t room[FIELDS];
	bool there[FIELDS];
	size_t addresses; /* of all lists (trust.md T27) */
};

static bool is_list(enum field f)
{
	return f >= FROM && f <= BCC;
}

/* Grows by doubling: a header may have thousands of such fields. */
static void list_join(struct fields *f, enum field which, const mail_list *more, arena *a)
{
	mail_list *to = &f->list[which];

	if (to->count + more->count > f->room[which]) {
		mail_list_entry *all;

		f->room[which] = 2 * (to->count + more->count);
		all = arena_new_array(a, f->room[which], sizeof *all);
		if (to->count > 0)
			memcpy(all, to->entry, to->count * sizeof *all);
		to->entry = all;
	}
	memcpy(to->entry + to->count, more->entry, more->count * sizeof *more->entry);
	to->count += more->count;
}

/* Addresses of a field that is too long to be told whole (trust.md T28), up to a comma if there is one. */
static slice list_cut(slice value)
{
	slice kept = slice_until(value, HEADER_VALUE_MOST);

	return kept.size == value.size ? value : slice_until(kept, slice_find_last(kept, ','));
}

static void field_take(struct fields *f, enum field which, slice value, arena *a)
{
	mail_list more;

	if (!is_list(which)) {
		if (!f->there[which]) /* there, if empty: not NIL */
			f->value[which] = arena_copy(a, header_unfold(value, a));
		f->there[which] = true;
		return;
	}
	f->there[which] = true;
	if (f->addresses >= MAIL_LIST_MOST)
		return;
	mail_list_parse(list_cut(value), MAIL_LIST_MOST - f->addresses, a, &more);
	f->addresses += more.count;
	if (more.count > 0)
		list_join(f, which, &more, a);
}

static void fields_read(slice header, struct fields *f, arena *a)
{
	header_walk walk = header_walk_of(header);
	header_field field;

	while (header_next(&walk, &field))
		for (enum field i = 0; i < FIELDS; i++)
			if (slice_same_nocase(field.name, field_names[i])) {
				field_take(f, i, field.value, a);
				break;
			}
}

/* --- The text
   ---------------------------------------------------------------------------------- */

static void address_text(text *out, const mail_list_entry *e, arena *a)
{
	text_add_char(out, '(');
	switch (e->kind) {
	case MAIL_LIST_ADDRESS:
		imap_nstring_add(out, e->name.size ? header_unfold(e->name, a) : (slice){0});
		text_add_char(out, ' ');
		imap_nstring_add(out, e->route.size ? header_unfold(e->route, a) : (slice){0});
		text_add_char(out, ' ');
		/* NIL in these two would make a group of it. */
		imap_string_add(out, e->local.size ? e->local : NO_MAILBOX);
		text_add_char(out, ' ');
		imap_string_add(out, e->domain.size ? e->domain : NO_DOMAIN);
		break;
	case MAIL_LIST_GROUP:
		text_add(out, S("NIL NIL "));
		imap_string_add(out, header_unfold(e->name, a));
		text_add(out, S(" NIL"));
		break;
	case MAIL_LIST_GROUP_END:
		text_add(out, S("NIL NIL NIL NIL"));
		break;
	}
	text_add_char(out, ')');
}

static void list_text(text *out, const mail_list *l, arena *a)
{
	text_add_char(out, ' ');
	if (l->count == 0) {
		text_add(out, S("NIL"));
		return;
	}
	text_add_char(out, '(');
	for (size_t i = 0; i < l->count; i++)
		address_text(out, &l->entry[i], a);
	text_add_char(out, ')');
}

static void envelope_text(text *out, const struct fields *f, arena *a)
{
	const mail_list *from = &f->list[FROM];

	text_add_char(out, '(');
	imap_nstring_add(out, f->value[DATE]);
	text_add_char(out, ' ');
	imap_nstring_add(out, f->value[SUBJECT]);
	list_text(out, from, a);
	/* Absent or empty, they are the author's (RFC 9051 7.5.2). */
	list_text(out, f->list[SENDER].count ? &f->list[SENDER] : from, a);
	list_text(out, f->list[REPLY_TO].count ? &f->list[REPLY_TO] : from, a);
	list_text(out, &f->list[TO], a);
	list_text(out, &f->list[CC], a);
	list_text(out, &f->list[BCC], a);
	text_add_char(out, ' ');
	imap_nstring_add(out, f->value[IN_REPLY_TO]);
	text_add_char(out, ' ');
	imap_nstring_add(out, f->value[MESSAGE_ID]);
	text_add_char(out, ')');
}

/* --- Base subject
   ------------------------------------------------------------------------------ */

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static slice skip_blanks(slice s)
{
	while (s.size > 0 && is_blank(s.at[0]))
		s = slice_from(s, 1);
	return s;
}

/* Behind a "[...]" and the blanks that follow; false when there is none. */
static bool skip_blob(slice *s)
{
	size_t i = 1;

	if (s->size == 0 || s->at[0] != '[')
		return false;
	while (i < s->size && s->at[i] != '[' && s->at[i] != ']')
		i++;
	if (i == s->size || s->at[i] != ']')
		return false;
	*s = skip_blanks(slice_from(*s, i + 1));
	return true;
}

/* Behind "re:", "fw:", "fwd:", a blob allowed before the colon. */
static bool skip_refwd(slice *s)
{
	slice rest;

	if (slice_starts_nocase(*s, S("fwd")))
		rest = slice_from(*s, 3);
	else if (slice_starts_nocase(*s, S("re")) || slice_starts_nocase(*s, S("fw")))
		rest = slice_from(*s, 2);
	else
		return false;
	rest = skip_blanks(rest);
	skip_blob(&rest);
	if (rest.size == 0 || rest.at[0] != ':')
		return false;
	*s = slice_from(rest, 1);
	return true;
}

static bool skip_leader(slice *s, bool *reply)
{
	slice rest = *s;

	if (rest.size > 0 && is_blank(rest.at[0])) {
		*s = skip_blanks(rest);
		return true;
	}
	while (skip_blob(&rest))
		;
	if (!skip_refwd(&rest))
		return false;
	*s = rest;
	*reply = true;
	return true;
}

/* Without the "[...]" in front, but for one that is all there is. */
static slice without_blobs(slice s)
{
	for (slice rest = s; skip_blob(&rest) && rest.size > 0;)
		s = rest;
	return s;
}

static slice without_trailer(slice s, bool *reply)
{
	for (;;) {
		while (s.size > 0 && is_blank(s.at[s.size - 1]))
			s.size--;
		if (!slice_ends_nocase(s, S("(fwd)")))
			return s;
		s.size -= 5;
		*reply = true;
	}
}

slice subject_base(slice decoded, arena *a, bool *reply)
{
	char *to = arena_z(a, decoded);
	size_t n = 0;
	slice s;

	*reply = false;
	for (size_t i = 0; i < decoded.size; i++) /* runs of blanks become one */
		if (!is_blank(to[i]))
			to[n++] = to[i];
		else if (n == 0 || to[n - 1] != ' ')
			to[n++] = ' ';
	s = slice_of(to, n);
	for (;;) {
		s = without_trailer(s, reply);
		while (skip_leader(&s, reply))
			;
		s = without_blobs(s); /* which no "re:" follows: that would be a leader */
		if (!slice_starts_nocase(s, S("[fwd:")) || s.at[s.size - 1] != ']')
			return s;
		s = slice_until(slice_from(s, 5), s.size - 6);
		*reply = true;
	}
}

/* --- Keys
   -------------------------------------------------------------------------------------- */

/* The first "<...>" of a value, without brackets and blanks; *rest is behind it. */
static bool next_id(slice *rest, slice *id, arena *a)
{
	while (rest->size > 0) {
		slice inside = slice_from(*rest, slice_find(*rest, '<') + 1);
		size_t end = slice_find(inside, '>');
		char *to;
		size_t n = 0;

		if (end == inside.size)
			return false;
		*rest = slice_from(inside, end + 1);
		to = arena_z(a, slice_until(inside, end));
		for (size_t i = 0; i < end; i++)
			if (!is_blank(to[i]) && to[i] != '"')
				to[n++] = to[i];
		*id = slice_of(to, n);
		if (n > 0)
			return true;
	}
	return false;
}

/* The newest that fit, oldest first: a ring while the value is walked once. */
static void references_pack(text *out, const struct fields *f, arena *a)
{
	slice ring[ENVELOPE_REFERENCES_MOST], rest = f->value[REFERENCES], id;
	size_t n = 0, kept;

	while (next_id(&rest, &id, a))
		ring[n++ % ENVELOPE_REFERENCES_MOST] = id;
	rest = f->value[IN_REPLY_TO];
	if (n == 0 && next_id(&rest, &id, a))
		ring[n++] = id;
	kept = n < ENVELOPE_REFERENCES_MOST ? n : ENVELOPE_REFERENCES_MOST;
	pack_number(out, kept);
	for (size_t i = n - kept; i < n; i++)
		pack_string(out, ring[i % ENVELOPE_REFERENCES_MOST]);
}

static const mail_list_entry *first_address(const mail_list *l)
{
	for (size_t i = 0; i < l->count; i++)
		if (l->entry[i].kind == MAIL_LIST_ADDRESS)
			return &l->entry[i];
	return NULL;
}

static slice first_local(const mail_list *l)
{
	const mail_list_entry *e = first_address(l);

	return e ? e->local : S("");
}

/* RFC 5957 3: of the very first entry, which may be a group. */
static slice first_shown(const mail_list *l, arena *a)
{
	const mail_list_entry *e = l->entry;

	if (l->count == 0)
		return S("");
	if (e->name.size > 0)
		return word_decode(e->name, a);
	if (e->domain.size == 0)
		return e->local;
	return arena_format(a, "%.*s@%.*s", SLICE_ARGS(e->local), SLICE_ARGS(e->domain));
}

static void keys_pack(text *out, const struct fields *f, arena *a)
{
	bool reply;
	slice subject = subject_base(word_decode(f->value[SUBJECT], a), a, &reply), id = S(""),
	      rest = f->value[MESSAGE_ID];
	date sent = {0};
	bool dated = f->value[DATE].at && date_parse(f->value[DATE], &sent) == ST_OK;

	pack_number(out, dated);
	if (dated) {
		pack_number(out, (uint64_t)sent.at << 1 ^ (sent.at < 0 ? UINT64_MAX : 0));
		pack_number(out, (uint64_t)sent.offset + 1440);
	}
	pack_number(out, reply);
	pack_string(out, mail_local_key(subject, a));
	pack_string(out, first_local(&f->list[FROM]));
	pack_string(out, first_local(&f->list[TO]));
	pack_string(out, first_local(&f->list[CC]));
	pack_string(out, first_shown(&f->list[FROM], a));
	pack_string(out, first_shown(&f->list[TO], a));
	next_id(&rest, &id, a);
	pack_string(out, id);
	references_pack(out, f, a);
}

/* --- Outside
   ----------------------------------------------------------------------------------- */

slice envelope_pack(slice header, arena *a)
{
	arena scratch = ARENA_INIT;
	struct fields f = {0};
	text shown = TEXT_INIT, out = TEXT_INIT;
	slice packed;

	fields_read(header, &f, &scratch);
	envelope_text(&shown, &f, &scratch);
	pack_number(&out, VERSION);
	pack_string(&out, text_slice(&shown));
	keys_pack(&out, &f, &scratch);
	packed = arena_copy(a, text_slice(&out));
	text_free(&shown);
	text_free(&out);
	arena_release(&scratch);
	return packed;
}

status envelope_unpack_text(slice packed, slice *shown)
{
	unpack u = {.rest = packed};
	bool same = unpack_number(&u) == VERSION;
	slice s = unpack_string(&u);

	if (!same || u.broken)
		return ST_INVALID;
	*shown = s;
	return ST_OK;
}

status envelope_unpack(slice packed, arena *a, envelope *out)
{
	unpack u = {.rest = packed};
	envelope e = {0};
	uint64_t count;

	if (unpack_number(&u) != VERSION)
		return ST_INVALID;
	e.text = unpack_string(&u);
	e.dated = unpack_number(&u) == 1;
	if (e.dated) {
		uint64_t at = unpack_number(&u), offset = unpack_number(&u);

		e.sent.at = (usec)(at >> 1) ^ -(usec)(at & 1);
		e.sent.offset = (int)(offset % 2880) - 1440;
	}
	e.reply = unpack_number(&u) == 1;
	e.subject = unpack_string(&u);
	e.from = unpack_string(&u);
	e.to = unpack_string(&u);
	e.cc = unpack_string(&u);
	e.from_shown = unpack_string(&u);
	e.to_shown = unpack_string(&u);
	e.message_id = unpack_string(&u);
	count = unpack_number(&u);
	if (u.broken || count > ENVELOPE_REFERENCES_MOST)
		return ST_INVALID;
	e.references = arena_new_array(a, count, sizeof *e.references);
	while (e.references_count < count)
		e.references[e.references_count++] = unpack_string(&u);
	if (u.broken || u.rest.size > 0)
		return ST_INVALID;
	*out = e;
	return ST_OK;
}
