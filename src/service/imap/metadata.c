/* GETMETADATA and SETMETADATA (RFC 5464). What a folder has under /private each of its readers has
   for himself, what it has under /shared is for all of them; those of the server under /shared are
   settings of the operator. /private/specialuse is what its owner uses a folder for (RFC 6154
   4). */
#include "service/imap/metadata.h"

#include "mail/imap_string.h"
#include "service/imap/names.h"

#include <inttypes.h>

#define SPECIAL_USE S("/private/specialuse")

/* ---- reading */

/* Letters, digits and marks that neither a pattern nor another charset is made of. */
static bool name_holds(slice name)
{
	for (size_t k = 0; k < name.size; k++)
		if (name.at[k] < 0x20 || name.at[k] > 0x7e || name.at[k] == '*' ||
			name.at[k] == '%' ||
			(name.at[k] == '/' && k + 1 < name.size && name.at[k + 1] == '/'))
			return false;
	return name.size > 1 && name.size <= METADATA_NAME_MOST && name.at[0] == '/' &&
	       name.at[name.size - 1] != '/';
}

static bool stands_below(slice name, slice top)
{
	return slice_starts(name, top) && (name.size == top.size || name.at[top.size] == '/');
}

/* Case does not matter in names (3.2), so they are lower case from here on. */
static status arg_entry(args *p, slice *entry)
{
	slice written;
	char *to;

	TRY(arg_astring(p, &written));
	to = arena_z(&p->c->command, written);
	for (size_t k = 0; k < written.size; k++)
		if (to[k] >= 'A' && to[k] <= 'Z')
			to[k] = (char)(to[k] | 0x20);
	*entry = slice_of(to, written.size);
	if (name_holds(*entry) &&
		(stands_below(*entry, S("/private")) || stands_below(*entry, S("/shared"))))
		return ST_OK;
	p->trouble = "An entry is called /private/.. or /shared/..";
	return ST_INVALID;
}

static status room_check(args *p, int n)
{
	if (n < METADATA_ENTRIES_MOST)
		return ST_OK;
	p->trouble = "Too many entries";
	return ST_INVALID;
}

static status entries_read(args *p, struct metadata *m)
{
	do {
		TRY(room_check(p, m->n));
		TRY(arg_entry(p, &m->entry[m->n]));
		m->n++;
	} while (arg_take(p, ' '));
	return arg_expect(p, ')');
}

status arg_entries(args *p, struct metadata *m)
{
	if (arg_take(p, '('))
		return entries_read(p, m);
	TRY(arg_entry(p, &m->entry[0]));
	m->n = 1;
	return ST_OK;
}

static status depth_read(args *p, struct metadata *m)
{
	static const char *const words[] = {"0", "1", "infinity"};
	slice word;

	TRY(arg_atom(p, &word));
	for (int k = 0; k < 3; k++)
		if (slice_same_nocase(word, slice_z(words[k]))) {
			m->depth = (enum annotation_depth)k;
			return ST_OK;
		}
	p->trouble = "DEPTH is 0, 1 or infinity";
	return ST_INVALID;
}

/* Behind "(": "MAXSIZE 1024 DEPTH 1)" */
static status options_read(args *p, struct metadata *m)
{
	slice word;

	do {
		TRY(arg_atom(p, &word));
		TRY(arg_space(p));
		if (slice_same_nocase(word, S("MAXSIZE"))) {
			m->sized = true;
			TRY(arg_number(p, &m->size_most));
		} else if (slice_same_nocase(word, S("DEPTH"))) {
			TRY(depth_read(p, m));
		} else {
			p->trouble = "GETMETADATA knows MAXSIZE and DEPTH";
			return ST_INVALID;
		}
	} while (arg_take(p, ' '));
	TRY(arg_expect(p, ')'));
	return arg_space(p);
}

/* The grammar has the options before the folder, the examples of the RFC behind it: both are
   written by clients. */
static status arg_getmetadata(args *p, slice *name, struct metadata *m)
{
	TRY(arg_space(p));
	if (arg_take(p, '('))
		TRY(options_read(p, m));
	TRY(arg_mailbox(p, name));
	TRY(arg_space(p));
	if (arg_is(p, '(') && p->rest.size > 1 && !strchr("/\"{", p->rest.at[1])) {
		arg_take(p, '(');
		TRY(options_read(p, m));
	}
	TRY(arg_entries(p, m));
	return arg_end(p);
}

/* ---- telling */

static void value_text(slice value, text *out)
{
	if (value.at && slice_find(value, '\0') < value.size) {
		text_format(out, "~{%zu}\r\n", value.size);
		text_add(out, value);
	} else {
		imap_nstring_add(out, value);
	}
}

static void pair_text(struct metadata *m, slice entry, slice value, text *out)
{
	if (m->sized && value.at && value.size > m->size_most) {
		m->longest = value.size > m->longest ? value.size : m->longest;
		return;
	}
	text_add(out, out->size ? S(" ") : S("("));
	imap_entry_text(entry, out);
	text_add_char(out, ' ');
	value_text(value, out);
}

/* The first row of a folder; they are in order. */
static int first_of(const struct metadata *m, int64_t folder)
{
	int low = 0, high = m->rows_n;

	while (low < high) {
		int middle = low + (high - low) / 2;

		if (m->rows[middle].folder < folder)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static bool is_asked_for(const struct metadata *m, slice name)
{
	for (int k = 0; k < m->n; k++)
		if (slice_same(name, m->entry[k]) ||
			(m->depth != ANNOTATION_EXACT && stands_below(name, m->entry[k])))
			return true;
	return false;
}

/* One folder's rows, as they are told. */
struct own_rows {
	struct annotation *row;
	int n;
};

static bool is_found(const struct own_rows *r, slice entry)
{
	for (int k = 0; k < r->n; k++)
		if (slice_same(r->row[k].name, entry))
			return true;
	return false;
}

static status rows_tell(conversation *c, struct metadata *m, const struct own_rows *r, slice name)
{
	text list = TEXT_INIT, line = TEXT_INIT;
	status s = ST_OK;

	for (int k = 0; k < r->n; k++)
		pair_text(m, r->row[k].name, r->row[k].value, &list);
	/* What was asked for by its whole name and is not there has no value. */
	for (int k = 0; k < m->n && m->depth == ANNOTATION_EXACT; k++)
		if (!is_found(r, m->entry[k]))
			pair_text(m, m->entry[k], (slice){0}, &list);
	if (list.size > 0) {
		text_add(&line, S("* METADATA "));
		imap_name_text(c, name, &line);
		text_add_char(&line, ' ');
		text_add(&line, text_slice(&list));
		text_add(&line, S(")\r\n"));
		s = stream_write(c->stream, text_slice(&line));
	}
	text_free(&list);
	text_free(&line);
	return s;
}

/* What a mailbox has of the entries under this beside these folders. */
static status rows_read(conversation *c, const struct metadata *m, slice under, int64_t mailbox,
	const int64_t *folders, int n, struct annotation **rows, int *rows_n)
{
	slice *names = arena_new_array(&c->command, (size_t)m->n, sizeof *names);
	int names_n = 0;

	for (int k = 0; k < m->n; k++)
		if (stands_below(m->entry[k], under))
			names[names_n++] = m->entry[k];
	return annotation_list(imap_of(c)->who.postoffice, mailbox, folders, n, names, names_n,
		m->depth, &c->command, rows, rows_n);
}

status metadata_read(conversation *c, struct metadata *m, const int64_t *folders, int n)
{
	return rows_read(c, m, S(""), imap_of(c)->who.mailbox, folders, n, &m->rows, &m->rows_n);
}

status metadata_tell(conversation *c, struct metadata *m, const struct place *at)
{
	struct annotation *theirs;
	struct own_rows r = {0};
	int first = first_of(m, at->f.id), past = first, theirs_n = 0;

	while (past < m->rows_n && m->rows[past].folder == at->f.id)
		past++;
	if (at->shared)
		TRY(rows_read(c, m, S("/shared"), at->f.mailbox, &at->f.id, 1, &theirs, &theirs_n));
	r.row = arena_new_array(&c->command, (size_t)(past - first + theirs_n) + 1, sizeof *r.row);
	if (at->f.special && is_asked_for(m, SPECIAL_USE)) {
		text words = TEXT_INIT;

		folder_special_text(at->f.special, &words);
		r.row[r.n++] = (struct annotation){
			at->f.id, SPECIAL_USE, arena_copy(&c->command, text_slice(&words))};
		text_free(&words);
	}
	for (int k = first; k < past; k++)
		r.row[r.n++] = m->rows[k];
	for (int k = 0; k < theirs_n; k++)
		r.row[r.n++] = theirs[k];
	return rows_tell(c, m, &r, at->shown);
}

/* ---- the server's: what the operator has set, under /shared, and the mailbox's own, under
   /private */

static const struct server_entry {
	const char *name;
	enum setting_id setting;
} server_entries[] = {
	{"/shared/admin", S_imap_server_admin},
	{"/shared/comment", S_imap_server_comment},
};
#define SERVER_ENTRIES (sizeof server_entries / sizeof *server_entries)

static void server_read(conversation *c, struct metadata *m)
{
	struct setting_at at = imap_at(c);
	struct annotation *all =
		arena_new_array(&c->command, (size_t)m->rows_n + SERVER_ENTRIES, sizeof *all);
	int n = m->rows_n;

	if (n > 0)
		memcpy(all, m->rows, (size_t)n * sizeof *all);
	for (size_t k = 0; k < SERVER_ENTRIES; k++) {
		slice name = slice_z(server_entries[k].name);
		slice value = setting_text(server_entries[k].setting, &at);

		if (is_asked_for(m, name) && value.size > 0)
			all[n++] = (struct annotation){0, name, arena_copy(&c->command, value)};
	}
	m->rows = all;
	m->rows_n = n;
}

/* A folder, or "", the server, whose id is 0. */
static status home_find(conversation *c, slice name, unsigned need, struct place *at)
{
	return name.size == 0 ? place_find(c, name, 0, at) : place_look(c, name, need, at);
}

static status imap_getmetadata(conversation *c, args *p)
{
	struct metadata *m = arena_new(&c->command, sizeof *m);
	struct place at;
	slice name;

	TRY(arg_getmetadata(p, &name, m));
	status s = home_find(c, name, ACL_READ, &at);
	if (s == ST_OK)
		s = metadata_read(c, m, &at.f.id, 1);
	if (s != ST_OK)
		return imap_trouble(c, s);
	if (at.f.id == 0)
		server_read(c, m);
	s = metadata_tell(c, m, &at);
	if (s != ST_OK)
		return imap_trouble(c, s);
	if (m->longest > 0)
		return imap_ok(c, "[METADATA LONGENTRIES %" PRIu64 "] Some are longer", m->longest);
	return imap_ok(c, "That is all");
}

/* ---- SETMETADATA */

struct change {
	struct annotation row[METADATA_ENTRIES_MOST];
	int n;
	size_t longest;
	bool shared;      /* some are under it */
	bool whole;       /* some have no name below /private or /shared */
	bool uses;        /* the special use is among them, */
	unsigned special; /* which is this, */
	bool unknown;     /* or a word that is none */
};

/* "\\Drafts \\Sent"; nothing, or NIL: none. */
static void special_take(struct change *x, slice value)
{
	slice word;

	x->uses = true;
	x->special = 0;
	x->unknown = false;
	while (slice_take(&value, ' ', &word)) {
		unsigned bit = folder_special_bit(word);

		x->special |= bit;
		x->unknown = x->unknown || !bit;
	}
}

/* Each name once, with the value that came last. */
static void change_add(struct change *x, slice entry, slice value)
{
	int k = 0;

	if (slice_same(entry, SPECIAL_USE)) {
		special_take(x, value);
		return;
	}
	while (k < x->n && !slice_same(x->row[k].name, entry))
		k++;
	x->n += k == x->n;
	x->row[k] = (struct annotation){0, entry, value};
	x->longest = value.size > x->longest ? value.size : x->longest;
	x->shared = x->shared || stands_below(entry, S("/shared"));
	x->whole = x->whole || slice_find(slice_from(entry, 1), '/') == entry.size - 1;
}

static status arg_setmetadata(args *p, slice *name, struct change *x)
{
	slice entry, value;

	TRY(arg_space(p));
	TRY(arg_mailbox(p, name));
	TRY(arg_space(p));
	TRY(arg_expect(p, '('));
	do {
		TRY(room_check(p, x->n));
		TRY(arg_entry(p, &entry));
		TRY(arg_space(p));
		TRY(arg_nstring(p, &value));
		change_add(x, entry, value);
	} while (arg_take(p, ' '));
	TRY(arg_expect(p, ')'));
	TRY(arg_end(p));
	if (!x->whole)
		return ST_OK;
	p->trouble = "An entry has a name below /private or /shared";
	return ST_INVALID;
}

/* Whether rights and limits let it; else the answer was given. */
static bool change_fits(conversation *c, const struct change *x, slice name, status *said)
{
	struct setting_at mine = imap_at(c);
	int64_t size_most = setting_number(S_annotation_size_most, &mine);

	if (name.size == 0 && x->shared)
		*said = imap_no(c, "[NOPERM] What all see of the server is the operator's to set");
	else if (x->unknown || (name.size == 0 && x->uses))
		*said = imap_no(c, "[USEATTR] There is no such special use");
	else if (x->longest > (uint64_t)size_most)
		*said = imap_no(c, "[METADATA MAXSIZE %" PRId64 "] That is too long", size_most);
	else
		return true;
	return false;
}

static status imap_setmetadata(conversation *c, args *p)
{
	struct change *x = arena_new(&c->command, sizeof *x);
	struct place at;
	slice name;
	status s;

	TRY(arg_setmetadata(p, &name, x));
	if (!change_fits(c, x, name, &s))
		return s;
	s = home_find(c, name, x->shared ? ACL_READ | ACL_WRITE : ACL_READ, &at);
	if (s == ST_OK && at.shared && x->uses)
		return imap_no(c, "[USEATTR] What folders of others are used for is theirs to say");
	if (s != ST_OK)
		return imap_trouble(c, s);
	s = annotation_set(&(struct annotation_change){.postoffice = at.f.postoffice,
		.owner = at.f.mailbox,
		.reader = imap_of(c)->who.mailbox,
		.folder = at.f.id,
		.rows = x->row,
		.n = x->n,
		.uses = x->uses,
		.special = x->special});
	if (s == ST_DENIED)
		return imap_no(c, "[USEATTR] Another folder has that special use");
	if (s == ST_LIMITED)
		return imap_no(c, "[METADATA TOOMANY] The mailbox has no room for more");
	return s == ST_OK ? imap_ok(c, "Set") : imap_trouble(c, s);
}

const struct imap_row imap_metadata_rows[] = {
	{"GETMETADATA", imap_getmetadata, AT_LOGGED_ON, 0,
		"GETMETADATA [(MAXSIZE n DEPTH 0|1|infinity)] folder (entry ..): annotations; \"\" is the server"},
	{"SETMETADATA", imap_setmetadata, AT_LOGGED_ON, 0,
		"SETMETADATA folder (entry value|NIL ..): set or remove annotations"},
	{0},
};
