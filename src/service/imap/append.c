/* APPEND (RFC 9051 6.3.12) of one message or several (MULTIAPPEND, RFC 3502), as text or binary
   (RFC 3516), or put together from parts of stored ones (CATENATE, RFC 4469), and REPLACE: a
   message flows from the stream into the store, never whole in memory, and stands there only when
   all of them came. */
#include "provider/append.h"
#include "provider/provider.h"

#include "service/imap/flags.h"
#include "service/imap/names.h"
#include "service/imap/place.h"
#include "service/imap/selected.h"
#include "service/imap/url.h"

#include <inttypes.h>

#define MESSAGES_MOST 100 /* in one command */
#define URL_SHOWN 1000
#define PARTS_MOST 1000                 /* of messages put together in one command */
#define HEADER_MOST ((size_t)64 * 1024) /* octets of a header that are kept to be looked at */

struct appending {
	struct append x;
	struct append_message message[MESSAGES_MOST];
	text header[MESSAGES_MOST];
	struct flag_words flags[MESSAGES_MOST];
	status stored; /* of the bodies; the client is heard to the end whatever it is */
	int parts;
	bool given_up;   /* a message of no octets came */
	unsigned rights; /* to the folder */
	slice bad_url;   /* CATENATE: nothing is behind it */
};

/* ---- one message */

struct incoming {
	struct append_message *m;
	text *header;
	text fresh;         /* the piece as it will stand */
	uint64_t size;      /* stored so far */
	uint64_t line_size; /* octets of the present line of the header, without CR */
	char last;          /* the octet before this piece */
	uint64_t most;      /* octets it may have */
	bool binary, header_ends, nul;
};

/* Lines end with CRLF in the store: in text a bare LF becomes one. */
static void piece_clean(struct incoming *in, slice piece)
{
	text_clear(&in->fresh);
	in->nul = in->nul || (!in->binary && slice_find(piece, '\0') < piece.size);
	for (size_t lf; !in->binary && (lf = slice_find(piece, '\n')) < piece.size;) {
		char before = lf > 0 ? piece.at[lf - 1] : in->last;

		text_add(&in->fresh, slice_until(piece, lf));
		text_add(&in->fresh, before == '\r' ? S("\n") : S("\r\n"));
		in->last = '\n';
		piece = slice_from(piece, lf + 1);
	}
	text_add(&in->fresh, piece);
	if (piece.size > 0)
		in->last = piece.at[piece.size - 1];
}

/* Looks for the empty line, and keeps what stands before it. */
static void header_scan(struct incoming *in, slice piece)
{
	size_t at = 0;

	for (; at < piece.size && !in->header_ends; at++) {
		if (piece.at[at] != '\n') {
			in->line_size += piece.at[at] != '\r';
			continue;
		}
		in->header_ends = in->line_size == 0;
		in->line_size = 0;
	}
	text_add(in->header,
		slice_until(piece,
			at < HEADER_MOST - in->header->size ? at : HEADER_MOST - in->header->size));
	if (in->header_ends)
		in->m->header_size = (uint32_t)(in->size + at);
}

static status piece_store(struct incoming *in, slice piece)
{
	piece_clean(in, piece);
	piece = text_slice(&in->fresh);
	if (!in->header_ends)
		header_scan(in, piece);
	in->size += piece.size;
	return blob_write(in->m->body, piece);
}

/* Reads the octets of a literal that was announced. *stored is the store's trouble, which ends
   nothing: the client says all it has announced. */
static status literal_store(conversation *c, const literal *l, struct incoming *in, status *stored)
{
	slice piece;
	status s = ST_OK;

	in->binary = l->binary;
	for (uint64_t left = l->size; s == ST_OK && left > 0; left -= piece.size) {
		s = stream_some(c->stream, left < 65536 ? (size_t)left : 65536, &piece);
		if (s == ST_OK && *stored == ST_OK)
			*stored = piece_store(in, piece);
		if (s == ST_OK)
			s = task_breathe();
		stream_hurry(c->stream);
	}
	return s;
}

/* All of it has come. */
static void message_finish(struct incoming *in, status *stored)
{
	text_free(&in->fresh);
	if (*stored == ST_OK)
		*stored = in->nul ? ST_INVALID : blob_writer_finish(in->m->body);
	if (!in->header_ends)
		in->m->header_size = (uint32_t)in->size;
	in->m->header = text_slice(in->header);
}

/* ---- CATENATE: "(TEXT {n}.. URL "/Drafts/;UID=3")" */

static status url_piece(slice octets, void *arg)
{
	struct incoming *in = arg;

	TRY(task_breathe());
	return in->size + octets.size > in->most ? ST_TOO_BIG : piece_store(in, octets);
}

static status url_take(conversation *c, args *p, struct appending *a, struct incoming *in)
{
	slice url;

	TRY(arg_astring(p, &url));
	if (a->stored != ST_OK)
		return ST_OK;
	in->binary = false;
	a->stored = imap_url_each(c, url, url_piece, in);
	if (a->stored == ST_ABSENT)
		a->bad_url = url;
	return a->stored == ST_CLOSED || a->stored == ST_TIMED_OUT || a->stored == ST_CANCELLED
		       ? a->stored
		       : ST_OK;
}

static status text_take(conversation *c, args *p, struct appending *a, struct incoming *in)
{
	literal l;

	TRY(arg_literal(p, in->most - (in->size < in->most ? in->size : in->most), &l));
	TRY(literal_store(c, &l, in, &a->stored));
	return args_continue(p);
}

static status parts_take(conversation *c, args *p, struct appending *a, struct incoming *in)
{
	TRY(arg_space(p));
	TRY(arg_expect(p, '('));
	do {
		bool is_url = arg_word(p, S("URL")) == ST_OK;

		if (++a->parts > PARTS_MOST) {
			p->trouble = "Too many parts";
			return ST_INVALID;
		}
		if (!is_url)
			TRY(arg_word(p, S("TEXT")));
		TRY(arg_space(p));
		TRY(is_url ? url_take(c, p, a, in) : text_take(c, p, a, in));
	} while (arg_take(p, ' '));
	return arg_expect(p, ')');
}

/* ---- the command */

/* Every message: [SP "(" flags ")"] [SP date-time] SP literal; the words before the literal. */
static status arg_message(args *p, struct append_message *m, struct flag_words *flags)
{
	date received;

	TRY(arg_space(p));
	if (arg_is(p, '(')) {
		TRY(arg_flag_list(p, flags));
		TRY(arg_space(p));
	}
	if (arg_is(p, '"')) {
		TRY(arg_date_time(p, &received));
		m->received = received.at;
		m->zone = received.offset;
		TRY(arg_space(p));
	}
	return ST_OK;
}

static void message_begin(struct appending *a)
{
	if (a->stored == ST_OK)
		a->stored = blob_writer_open(a->x.postoffice, &a->message[a->x.n].body);
	a->x.n++;
}

static status message_take(conversation *c, args *p, struct appending *a)
{
	struct append_message *m = &a->message[a->x.n];
	struct incoming in = {.m = m, .header = &a->header[a->x.n], .most = p->skip_most};
	literal l;

	TRY(arg_message(p, m, &a->flags[a->x.n]));
	if (arg_word(p, S("CATENATE")) == ST_OK) {
		message_begin(a);
		status s = parts_take(c, p, a, &in);
		message_finish(&in, &a->stored);
		return s;
	}
	/* "UTF8 (~{n} ..)" of RFC 6855; clients of RFC 9755 send the literal alone. */
	bool wrapped = imap_of(c)->utf8 && arg_word(p, S("UTF8")) == ST_OK;
	if (wrapped) {
		TRY(arg_space(p));
		TRY(arg_expect(p, '('));
	}
	TRY(arg_literal(p, p->skip_most, &l));
	a->given_up = a->given_up || l.size == 0;
	message_begin(a);
	status s = literal_store(c, &l, &in, &a->stored);
	message_finish(&in, &a->stored);
	TRY(s);
	TRY(args_continue(p));
	return wrapped ? arg_expect(p, ')') : ST_OK;
}

static status messages_take(conversation *c, args *p, struct appending *a)
{
	do {
		if (a->x.n == MESSAGES_MOST) {
			p->trouble = "Too many messages in one command";
			return ST_INVALID;
		}
		TRY(message_take(c, p, a));
	} while (arg_is(p, ' ') && !a->x.replaced_uid);
	return arg_end(p);
}

/* Messages come at the client's pace, and rights may have been taken meanwhile. Those that are
   there now are looked at once more when the messages are stored. */
static status rights_renew(const conversation *c, struct appending *a)
{
	const struct imap *i = imap_of(c);
	struct acl_place now;
	arena scratch = ARENA_INIT;

	if (!a->x.rights)
		return ST_OK;
	status s = acl_again(i->who.postoffice, i->who.mailbox, a->x.folder_id, &scratch, &now);
	arena_release(&scratch);
	TRY(s);
	a->rights = now.rights;
	return !(now.rights & ACL_LOOKUP) ? ST_ABSENT : now.rights & ACL_INSERT ? ST_OK : ST_DENIED;
}

/* As far as rights go; the message comes in any case (RFC 4314 4). */
static status flags_give(conversation *c, args *p, struct appending *a)
{
	for (int k = 0; k < a->x.n; k++) {
		TRY(flags_bits(c, p, &a->flags[k], a->x.mailbox, a->rights & ACL_WRITE,
			&a->message[k].flags));
		a->message[k].flags &= rights_flags(a->rights);
		if (a->x.rights)
			a->x.rights |= flags_rights(a->message[k].flags);
	}
	return ST_OK;
}

static status say_appended(conversation *c, const struct append *x)
{
	uint32_t *uids = arena_new_array(&c->command, (size_t)x->n, sizeof *uids);
	text list = TEXT_INIT;

	for (int k = 0; k < x->n; k++)
		uids[k] = x->messages[k].uid;
	imap_numbers_text(uids, (size_t)x->n, &list);
	status s;
	if (!x->replaced_uid) {
		s = imap_ok(c, "[APPENDUID %u %s] Stored", x->uidvalidity, list.at);
	} else { /* before the old one goes (RFC 8508 3.3) */
		s = conversation_say(c, "* OK [APPENDUID %u %s] Stored", x->uidvalidity, list.at);
		if (s ==
			ST_OK) /* the MODSEQ of the folder is told as EXPUNGE does (RFC 8508 4.5) */
			s = imap_ok_highest(c, "Replaced");
	}
	text_free(&list);
	return s;
}

/* With the URL in it, as far as a response code may hold it. */
static status say_bad_url(conversation *c, slice url)
{
	text shown = TEXT_INIT;

	for (size_t k = 0; k < url.size && k < URL_SHOWN; k++)
		text_add_char(&shown,
			url.at[k] > 0x20 && url.at[k] < 0x7f && url.at[k] != ']' ? url.at[k] : '?');
	status s =
		imap_no(c, "[BADURL %s] There is nothing behind it", shown.size ? shown.at : "?");
	text_free(&shown);
	return s;
}

static status append(conversation *c, args *p, struct appending *a)
{
	TRY(messages_take(c, p, a));
	if (imap_messages_most(c) > 0 && a->x.n > imap_messages_most(c))
		return imap_no(c, "[MESSAGELIMIT %" PRId64 "] So many can be stored at a time",
			imap_messages_most(c));
	if (a->given_up) /* so a client takes back what it began (RFC 3502 6.3.11) */
		return imap_no(c,
			"[CANNOT] A message of no octets ends the command, and nothing is stored; send it again without that one");
	if (a->bad_url.at)
		return say_bad_url(c, a->bad_url);
	if (a->stored == ST_INVALID)
		return imap_no(c, "[CANNOT] Messages hold no NUL; use a binary literal");
	if (a->stored == ST_OK)
		a->stored = rights_renew(c, a);
	if (a->stored == ST_OK) {
		a->stored = flags_give(c, p, a);
		if (a->stored == ST_LIMITED)
			return flags_too_many(c);
	}
	if (a->stored == ST_INVALID)
		return ST_INVALID;
	if (a->stored == ST_OK)
		a->stored = append_run(&a->x);
	if (a->stored == ST_OK) {
		metric_add(M_messages_accepted, c->service, a->x.n);
		metric_add(M_messages_expunged, c->service, a->x.replaced_uid != 0);
	}
	if (a->stored == ST_ABSENT)
		return imap_no(c, "[TRYCREATE] There is no such folder; CREATE it first");
	if (a->stored == ST_BUSY && provider_full()) /* the house's disk, not his quota: no code of
							RFC 5530 says it nearer */
		return imap_no(
			c, "[UNAVAILABLE] There is no room to store it now; try again later");
	return a->stored == ST_OK ? say_appended(c, &a->x) : imap_trouble(c, a->stored);
}

/* "{123456+}" at the end of the line: it comes without being asked for (LITERAL+) and is heard in
   any case. */
static bool comes_soon(const args *p)
{
	return slice_ends_nocase(p->rest, S("+}")) &&
	       p->rest.size - slice_find_last(p->rest, '{') <= sizeof "{123456+}" - 1;
}

/* Better said before the message comes; of one that comes soon the store tells, which saves a round
   trip. */
static status folder_check(conversation *c, const args *p, slice name, struct place *at)
{
	TRY(place_find(c, name, ACL_INSERT, at));
	return at->shared || comes_soon(p) ? ST_OK : place_look(c, name, ACL_INSERT, at);
}

/* What comes into one's own selected folder is told before the answer. */
static int64_t seen_in(const struct imap *i)
{
	const struct selected *sel = i->selected;

	return sel && !sel->shared && !sel->view->read_only ? sel->view->folder : 0;
}

/* From the folder's name on. */
static status append_by(conversation *c, args *p, struct appending *a)
{
	const struct imap *i = imap_of(c);
	struct place at;
	slice name;

	a->x.postoffice = i->who.postoffice;
	a->x.reader = i->who.mailbox;
	a->x.messages = a->message;
	a->x.seen_in = seen_in(i);
	TRY(arg_space(p));
	TRY(arg_mailbox(p, &name));
	p->skip_most = (uint64_t)imap_append_most(c);
	status s = folder_check(c, p, name, &at);
	a->x.mailbox = at.f.mailbox;
	a->x.folder = at.f.name;
	a->x.folder_id = at.shared ? at.f.id : 0;
	a->x.rights = at.shared ? ACL_LOOKUP | ACL_INSERT : 0;
	a->rights = at.rights;
	if (s != ST_OK) {
		TRY(args_skip(p));
		return s == ST_ABSENT
			       ? imap_no(c, "[TRYCREATE] There is no such folder; CREATE it first")
			       : imap_trouble(c, s);
	}
	s = append(c, p, a);
	for (int k = 0; k < a->x.n; k++) {
		blob_writer_close(&a->message[k].body);
		text_free(&a->header[k]);
	}
	return s;
}

static status imap_append(conversation *c, args *p)
{
	return append_by(c, p, arena_new(&c->command, sizeof(struct appending)));
}

/* ---- REPLACE (RFC 8508): one message for another, which may be of another folder */

static status replace(conversation *c, args *p, bool by_uid)
{
	const view *v = imap_of(c)->selected->view;
	struct appending *a = arena_new(&c->command, sizeof *a);
	imap_set set;
	uint32_t *uids;
	int n;

	TRY(arg_space(p));
	TRY(arg_set(p, &set));
	if (set.count != 1 || set.range->low != set.range->high) {
		p->trouble = "One message can be replaced at a time";
		return ST_INVALID;
	}
	TRY(selected_uids(c, p, &set, by_uid, &uids, &n));
	if (n > 0 && !v->read_only && !selected_may(c, ACL_DELETE | ACL_EXPUNGE)) {
		p->skip_most = (uint64_t)imap_append_most(c);
		TRY(args_skip(p));
		return imap_no(c, "[NOPERM] You may not expunge here");
	}
	if (n == 0 || v->read_only || !view_find(v, uids[0])) {
		p->skip_most = (uint64_t)imap_append_most(c);
		TRY(args_skip(p));
		return n && v->read_only  ? imap_no(c, "[READ-ONLY] The folder is open for reading")
		       : n > 0 && !by_uid ? imap_no(c, "[EXPUNGEISSUED] The message is gone")
					  : imap_no(c, "[NONEXISTENT] There is no such message");
	}
	a->x.replaced_folder = v->folder;
	a->x.replaced_mailbox = v->mailbox;
	a->x.replaced_uid = uids[0];
	a->x.replaced_rights = imap_of(c)->selected->shared ? ACL_DELETE | ACL_EXPUNGE : 0;
	return append_by(c, p, a);
}

static status imap_replace(conversation *c, args *p)
{
	return replace(c, p, false);
}

static status imap_uid_replace(conversation *c, args *p)
{
	return replace(c, p, true);
}

const struct imap_row imap_append_rows[] = {
	{"APPEND", imap_append, AT_LOGGED_ON, 0,
		"APPEND folder [(flags)] [\"date\"] {octets} | CATENATE (TEXT {octets} | URL url ..) [...]: store messages"},
	{"REPLACE", imap_replace, AT_SELECTED, IMAP_BY_NUMBER,
		"REPLACE number folder [(flags)] [\"date\"] {octets}: store it in place of another"},
	{"UID REPLACE", imap_uid_replace, AT_SELECTED, 0,
		"UID REPLACE uid folder [(flags)] [\"date\"] {octets}"},
	{0},
};
