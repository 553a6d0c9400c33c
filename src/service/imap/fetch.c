/* FETCH and UID FETCH (RFC 9051 6.4.5), with CHANGEDSINCE and VANISHED (RFC 7162), PARTIAL (RFC
   9394), OBJECTID (RFC 8474), SAVEDATE (RFC 8514) and PREVIEW (RFC 8970). Messages go out in
   batches: what is known of a batch comes in one round trip, small bodies in another; envelopes and
   structures that nobody has packed yet are packed and kept. */
#include "service/imap/fetch.h"

#include "base/memory.h"
#include "mail/envelope.h"
#include "mail/imap_string.h"
#include "mail/preview.h"
#include "provider/acl.h"
#include "provider/blob.h"
#include "provider/folder_page.h"
#include "provider/message_head.h"
#include "provider/trace.h"
#include "service/imap/packed.h"
#include "service/imap/section.h"
#include "service/imap/selected.h"

#include <inttypes.h>

#define BATCH 256
#define AHEAD_MOST 2
#define MANY 1024          /* messages: what is packed of so many is kept in pages */
#define PAGED_AT_ONCE 4096 /* of them are kept in memory until pages are made of them */
#define BATCH_BODIES 64    /* when octets of bodies are asked for, */
#define BATCH_BODIES_LEAST                                                                         \
	16 /* or half of few, so that one batch comes while another one goes out, */
#define BODY_SMALL ((size_t)32 * 1024)       /* and so big a body comes with those of its batch */
#define HEADS_MOST ((size_t)4 * 1024 * 1024) /* octets of header sections that come with a batch */
#define BODY_LOOKED_MOST ((size_t)64 * 1024) /* of a bigger one, for its preview */
#define SECTIONS_MOST 100                    /* of one command (T24) */

enum {
	F_UID = 1,
	F_FLAGS = 2,
	F_DATE = 4,
	F_SIZE = 8,
	F_ENVELOPE = 16,
	F_BODY = 32,
	F_BODYSTRUCTURE = 64,
	F_MODSEQ = 128,
	F_EMAILID = 256,
	F_THREADID = 512,
	F_SAVEDATE = 1024,
	F_PREVIEW = 2048,
	F_REV1 = 4096 /* structures, as those have them who enabled nothing newer */
};

struct fetch {
	bool by_uid, vanished, conditional;
	bool asked; /* by a command; else it is NOTIFY's */
	imap_set set;
	unsigned items;
	struct section *sections;
	int sections_n;
	uint64_t changed_since;
	bool partial; /* only a window of what is found */
	struct imap_window window;
};

/* ---- reading */

static const struct item {
	const char *word;
	unsigned bits;
} items[] = {
	{"UID", F_UID},
	{"FLAGS", F_FLAGS},
	{"INTERNALDATE", F_DATE},
	{"RFC822.SIZE", F_SIZE},
	{"ENVELOPE", F_ENVELOPE},
	{"BODYSTRUCTURE", F_BODYSTRUCTURE},
	{"MODSEQ", F_MODSEQ},
	{"EMAILID", F_EMAILID},
	{"THREADID", F_THREADID},
	{"SAVEDATE", F_SAVEDATE},
	{"PREVIEW", F_PREVIEW},
};
static const struct item macros[] = {
	{"ALL", F_FLAGS | F_DATE | F_SIZE | F_ENVELOPE},
	{"FAST", F_FLAGS | F_DATE | F_SIZE},
	{"FULL", F_FLAGS | F_DATE | F_SIZE | F_ENVELOPE | F_BODY},
};
/* Words before a "[", and those of IMAP4rev1 that stand for a section. */
static const struct section_word {
	const char *word;
	const char *label;
	struct section s;
	bool brackets;
} section_words[] = {
	{"BODY", "BODY", {0}, true},
	{"BODY.PEEK", "BODY", {.peek = true}, true},
	{"BINARY", "BINARY", {.binary = true}, true},
	{"BINARY.PEEK", "BINARY", {.binary = true, .peek = true}, true},
	{"BINARY.SIZE", "BINARY.SIZE", {.binary = true, .only_size = true, .peek = true}, true},
	{"RFC822", "RFC822", {0}, false},
	{"RFC822.HEADER", "RFC822.HEADER", {.kind = SECTION_HEADER, .peek = true}, false},
	{"RFC822.TEXT", "RFC822.TEXT", {.kind = SECTION_TEXT}, false},
};
#define ROWS(a) (sizeof(a) / sizeof *(a))

static unsigned bits_of(const struct item *rows, size_t n, slice word)
{
	for (size_t i = 0; i < n; i++)
		if (slice_same_nocase(word, slice_z(rows[i].word)))
			return rows[i].bits;
	return 0;
}

/* Letters, digits and dots: "BODY.PEEK" before its bracket. */
static slice item_word(args *p)
{
	size_t n = 0;

	while (n < p->rest.size &&
		(p->rest.at[n] == '.' || (p->rest.at[n] >= '0' && p->rest.at[n] <= '9') ||
			((p->rest.at[n] | 0x20) >= 'a' && (p->rest.at[n] | 0x20) <= 'z')))
		n++;
	slice word = slice_until(p->rest, n);
	p->rest = slice_from(p->rest, n);
	return word;
}

static status section_read(args *p, struct fetch *f, const struct section_word *row)
{
	struct section *s;

	if (f->sections_n == SECTIONS_MOST) {
		p->trouble = "Too many sections";
		return ST_INVALID;
	}
	if (!f->sections)
		f->sections = arena_new_array(&p->c->command, SECTIONS_MOST, sizeof *f->sections);
	s = &f->sections[f->sections_n++];
	*s = row->s;
	s->label = slice_z(row->label);
	return row->brackets ? arg_section(p, slice_z(row->label), s) : ST_OK;
}

static status item_read(args *p, struct fetch *f)
{
	slice word = item_word(p);
	unsigned bits = bits_of(items, ROWS(items), word);

	if (slice_same_nocase(word, S("BODY")) && !arg_is(p, '['))
		bits = F_BODY;
	f->items |= bits;
	/* A preview is always made at once: to be lazy has no use here. */
	if ((bits & F_PREVIEW) && slice_starts_nocase(p->rest, S(" (LAZY)")))
		p->rest = slice_from(p->rest, 7);
	if (bits & F_MODSEQ)
		imap_of(p->c)->condstore = true;
	for (size_t i = 0; !bits && i < ROWS(section_words); i++)
		if (slice_same_nocase(word, slice_z(section_words[i].word)))
			return section_read(p, f, &section_words[i]);
	return bits ? ST_OK : ST_INVALID;
}

static status items_read(args *p, struct fetch *f)
{
	args before = *p;

	f->items |= bits_of(macros, ROWS(macros), item_word(p));
	if (f->items & F_FLAGS)
		return ST_OK;
	*p = before;
	if (!arg_take(p, '('))
		return item_read(p, f);
	do
		TRY(item_read(p, f));
	while (arg_take(p, ' '));
	return arg_expect(p, ')');
}

/* "(CHANGEDSINCE n [VANISHED])", "(PARTIAL -1:-10)" */
static status modifiers_read(args *p, struct fetch *f)
{
	struct imap *i = imap_of(p->c);
	slice word;

	TRY(arg_expect(p, '('));
	do {
		TRY(arg_atom(p, &word));
		if (slice_same_nocase(word, S("CHANGEDSINCE"))) {
			TRY(arg_space(p));
			/* RFC 7162 7 has it from 1 on; Thunderbird begins with 0 in a folder it has no MODSEQ of. */
			TRY(arg_number(p, &f->changed_since));
			f->conditional = i->condstore = true;
			f->items |= F_MODSEQ;
		} else if (slice_same_nocase(word, S("VANISHED")) && f->by_uid &&
			   (i->qresync || i->uidonly)) {
			f->vanished = true;
		} else if (slice_same_nocase(word, S("PARTIAL")) && f->by_uid && !f->partial) {
			TRY(arg_space(p));
			TRY(arg_window(p, &f->window));
			f->partial = true;
		} else {
			p->trouble =
				"FETCH knows CHANGEDSINCE; UID FETCH also PARTIAL and, after ENABLE QRESYNC, VANISHED";
			return ST_INVALID;
		}
	} while (arg_take(p, ' '));
	if (f->vanished && !f->conditional) {
		p->trouble = "VANISHED goes with CHANGEDSINCE";
		return ST_INVALID;
	}
	return arg_expect(p, ')');
}

static status arg_fetch(args *p, struct fetch *f)
{
	TRY(arg_space(p));
	TRY(arg_set(p, &f->set));
	TRY(arg_space(p));
	TRY(items_read(p, f));
	if (arg_take(p, ' '))
		TRY(modifiers_read(p, f));
	return arg_end(p);
}

/* ---- what must be known of messages */

static bool wants_parts(const struct fetch *f)
{
	for (int i = 0; i < f->sections_n; i++)
		if (f->sections[i].depth > 0)
			return true;
	return f->items & (F_BODY | F_BODYSTRUCTURE);
}

static bool wants_octets(const struct fetch *f)
{
	return f->sections_n > 0 || (f->items & F_PREVIEW);
}

static bool wants_facts(const struct fetch *f)
{
	return wants_octets(f) || (f->items & (F_ENVELOPE | F_BODY | F_BODYSTRUCTURE));
}

/* What must be packed of them. */
static unsigned wants_packed(const struct fetch *f)
{
	return (f->items & F_ENVELOPE ? PACKED_ENVELOPE : 0) |
	       (wants_parts(f) ? PACKED_STRUCTURE : 0);
}

/* ---- telling one message */

static void date_text(text *out, usec at, int zone, const char *name)
{
	arena a = ARENA_INIT;
	slice shown = date_internal_format((date){at, zone}, &a);

	text_format(out, " %s \"%.*s\"", name, SLICE_ARGS(shown));
	arena_release(&a);
}

static void structure_text(unsigned wanted, slice told, text *out)
{
	if (wanted & F_REV1)
		structure_add_rev1(out, told);
	else
		text_add(out, told);
}

static void items_text(unsigned wanted, const struct selected *sel, const struct view_entry *e,
	const struct message_fact *fact, text *out)
{
	slice body, extended;

	if (wanted & F_UID) {
		text_add(out, S(" UID "));
		text_add_number(out, e->uid);
	}
	if (wanted & F_FLAGS) {
		text_add(out, S(" FLAGS "));
		selected_flags_text(sel, e, out);
	}
	if (wanted & F_MODSEQ) {
		text_add(out, S(" MODSEQ ("));
		text_add_number(out, e->modseq);
		text_add_char(out, ')');
	}
	if (wanted & F_DATE)
		date_text(out, e->received, e->zone, "INTERNALDATE");
	if (wanted & F_SIZE) {
		text_add(out, S(" RFC822.SIZE "));
		text_add_number(out, e->size);
	}
	if (wanted & F_EMAILID)
		text_format(out, " EMAILID (M%" PRId64 ")", e->message);
	if (wanted & F_THREADID)
		text_add(out, S(" THREADID NIL"));
	if (wanted & F_SAVEDATE)
		date_text(out, (usec)e->saved * USEC_S, 0, "SAVEDATE");
	if (!fact) /* what follows is not wanted then: wants_facts() */
		return;
	if ((wanted & F_ENVELOPE) && envelope_unpack_text(fact->envelope, &body) == ST_OK) {
		text_add(out, S(" ENVELOPE "));
		text_add(out, body);
	}
	if (!(wanted & (F_BODY | F_BODYSTRUCTURE)) ||
		structure_unpack_texts(fact->structure, &body, &extended) != ST_OK)
		return;
	if (wanted & F_BODY) {
		text_add(out, S(" BODY "));
		structure_text(wanted, body, out);
	}
	if (wanted & F_BODYSTRUCTURE) {
		text_add(out, S(" BODYSTRUCTURE "));
		structure_text(wanted, extended, out);
	}
}

/* `raw` is the message when it is here already; else its beginning is asked for. */
static status preview_text(const view *v, const struct message_fact *fact, slice raw, text *out)
{
	size_t most = fact->size < BODY_LOOKED_MOST ? fact->size : BODY_LOOKED_MOST;
	arena a = ARENA_INIT;
	status s = raw.at ? ST_OK : blob_head(v->postoffice, fact->blob, most, &a, &raw);

	if (s == ST_OK) {
		text_add(out, S(" PREVIEW "));
		imap_string_add(out, preview_make(raw, &a));
	}
	arena_release(&a);
	return s;
}

struct telling {      /* what one command has come to */
	bool gone;    /* a body was not there */
	bool held;    /* a number still stands for a message that is gone */
	bool unknown; /* a part's encoding is not known */
	bool inside;  /* a line is begun: trouble can only end the talk */
};

static status sections_tell(conversation *c, const struct fetch *f, const struct message_fact *fact,
	arena *a, slice raw, struct telling *t)
{
	structure parts = {0};
	struct source from = {.postoffice = imap_of(c)->who.postoffice,
		.fact = fact,
		.raw = raw,
		.parts = &parts};

	if (wants_parts(f) && (!fact || structure_unpack(fact->structure, a, &parts) != ST_OK))
		return ST_ABSENT;
	for (int i = 0; i < f->sections_n; i++) {
		if (i > 0 && selected_stays(c) != ST_OK)
			return ST_BROKEN; /* as within one */
		status s = section_send(c, &from, &f->sections[i]);

		if (s == ST_ABSENT) {
			t->gone = true;
			s = stream_format(c->stream, " %.*s NIL", SLICE_ARGS(f->sections[i].label));
		} else if (s == ST_INVALID) {
			t->unknown = true;
			s = ST_OK;
		}
		TRY(s);
	}
	return ST_OK;
}

/* A text goes out, from its first octet: not only a header, and not the next piece of what is
   fetched in pieces. */
static bool hands_body(const struct fetch *f)
{
	for (int i = 0; i < f->sections_n; i++) {
		const struct section *s = &f->sections[i];
		bool is_text = s->kind == SECTION_ALL || s->kind == SECTION_TEXT;

		if (is_text && !s->only_size && !(s->partial && s->from > 0))
			return true;
	}
	return false;
}

static void count_read(const conversation *c)
{
	metric_add(M_messages_read, SERVICE_IMAP, 1);
	metric_postoffice(imap_of(c)->who.postoffice, MPO_READ, 1);
}

/* The trace tells of the first reading: programs that keep a copy fetch everything without a
   reader. */
static void trace_read(const conversation *c, int64_t message)
{
	trace_note(imap_of(c)->who.postoffice, message, TRACE_READ, "service=imap conversation=%s",
		c->name);
}

static status message_tell(conversation *c, const struct fetch *f, uint32_t uid,
	const struct message_fact *fact, slice raw, int64_t seen, struct telling *t, text *line)
{
	const struct imap *i = imap_of(c);
	const struct selected *sel = i->selected;
	const struct view_entry *e = view_find(sel->view, uid);
	unsigned wanted = f->items | (f->by_uid && !i->uidonly ? F_UID : 0) |
			  (i->rev2 || i->utf8 ? 0 : F_REV1);
	arena a = ARENA_INIT;
	status s;

	if (!e) {
		t->held = !f->by_uid;
		return ST_OK;
	}
	if (fact && fact->blob == 0) {
		t->gone = true;
		return ST_OK;
	}
	if (seen && e->modseq == seen) /* this command made it \Seen: the flags are news */
		wanted |= F_FLAGS | (i->condstore ? F_MODSEQ : 0);
	/* What is told first has no blank before it, and before a section there is always
	   something. */
	text_clear(line);
	selected_fetch_text(c, uid, line);
	size_t open = line->size;
	items_text(wanted, sel, e, fact, line);
	if (fact && (wanted & F_PREVIEW)) {
		s = preview_text(sel->view, fact, raw, line);
		if (s == ST_ABSENT)
			t->gone = true;
		if (s != ST_OK)
			return s == ST_ABSENT ? ST_OK : s;
	}
	if (line->size == open)
		items_text(F_UID, sel, e, fact, line);
	line->at[open] = '(';
	if (f->sections_n == 0)
		text_add(line, S(")\r\n"));
	TRY(stream_write(c->stream, text_slice(line)));
	if (f->sections_n == 0)
		return ST_OK;
	t->inside = true;
	s = sections_tell(c, f, fact, &a, raw, t);
	arena_release(&a);
	TRY(s);
	t->inside = false;
	if (seen && e->modseq == seen)
		trace_read(c, e->message);
	if (hands_body(f))
		count_read(c);
	return stream_write(c->stream, S(")\r\n"));
}

/* ---- batches */

/* Messages that are told of together. Nothing in here is the view's: while one batch is told of,
   which may make the view another, the next one is brought. */
struct batch {
	const struct fetch *f;
	int64_t postoffice;
	const uint32_t *uids;
	int n;
	int got; /* so many are here; the others would be too many octets at a time */
	int64_t messages[BATCH];
	int64_t blobs[BATCH];
	arena a;
	struct message_fact *facts; /* NULL: none are wanted */
	struct packed_fresh fresh;  /* of them, what is to be kept */
	slice heads[BATCH];         /* of those that could be had at once */
	size_t heads_size;
	blob_small *bodies; /* likewise, as they are packed */
	text room;          /* for the one that is told of */
};

/* Of the message itself, not of its parts. */
static bool wants_heads_alone(const struct fetch *f)
{
	if (f->items & F_PREVIEW)
		return false;
	for (int i = 0; i < f->sections_n; i++) {
		const struct section *s = &f->sections[i];

		if (s->depth > 0 || s->binary || s->kind == SECTION_ALL || s->kind == SECTION_TEXT)
			return false;
	}
	return true;
}

/* One that is not given whole is read by its sections. */
static status head_take(int which, slice head, void *arg)
{
	struct batch *b = arg;

	if (head.size >= MESSAGE_HEAD_MOST || b->heads_size >= HEADS_MOST)
		return ST_OK;
	b->heads[which] = arena_copy(&b->a, head);
	b->heads_size += head.size;
	return ST_OK;
}

static struct batch *batch_open(conversation *c, const struct fetch *f, const uint32_t *uids, int n)
{
	const view *v = imap_of(c)->selected->view;
	struct batch *b = memory_new(sizeof *b);

	b->f = f;
	b->postoffice = v->postoffice;
	b->uids = uids;
	b->n = b->got = n;
	for (int k = 0; k < n; k++) {
		const struct view_entry *e = view_find(v, uids[k]);

		b->messages[k] = e ? e->message : 0;
	}
	if (wants_packed(f))
		folder_page_bring(v, uids, n, wants_parts(f));
	return b;
}

static void batch_close(struct batch **b)
{
	if (!*b)
		return;
	blob_small_close(&(*b)->bodies);
	text_free(&(*b)->room);
	arena_release(&(*b)->a);
	memory_free(*b);
	*b = NULL;
}

/* Bodies that are small come all at once. */
static status bodies_bring(struct batch *b)
{
	for (int k = 0; k < b->got; k++)
		b->blobs[k] = b->facts[k].blob;
	return blob_small_fetch(b->postoffice, b->blobs, b->got, BODY_SMALL, &b->bodies);
}

/* What must be had of the messages to tell of them. */
static status batch_bring(void *arg)
{
	struct batch *b = arg;

	if (wants_facts(b->f))
		TRY(packed_facts_fresh(b->postoffice, b->messages, &b->got, wants_packed(b->f),
			&b->a, &b->facts, &b->fresh));
	if (!wants_octets(b->f) || b->got == 1)
		return ST_OK;
	return wants_heads_alone(b->f)
		       ? message_heads(b->postoffice, b->messages, b->got, head_take, b)
		       : bodies_bring(b);
}

/* The octets of a message that are here already; else a NULL pointer. */
static status batch_raw(struct batch *b, int k, slice *raw)
{
	*raw = b->heads[k];
	if (!b->bodies)
		return ST_OK;
	status s = blob_small_one(b->bodies, k, &b->room, raw);
	return s == ST_ABSENT ? ST_OK : s;
}

static status batch_tell(conversation *c, struct batch *b, int64_t seen, struct telling *t)
{
	text line = TEXT_INIT;
	status s = ST_OK;

	for (int k = 0; s == ST_OK && k < b->got; k++) {
		slice raw = {0};

		s = b->f->asked ? selected_renew_amid(c) : ST_OK;
		if (s == ST_OK)
			s = batch_raw(b, k, &raw);
		if (s == ST_OK)
			s = message_tell(c, b->f, b->uids[k], b->facts ? &b->facts[k] : NULL, raw,
				seen, t, &line);
		if (s == ST_OK)
			s = task_breathe();
	}
	text_free(&line);
	return s;
}

static bool marks_seen(const struct fetch *f)
{
	for (int i = 0; i < f->sections_n; i++)
		if (!f->sections[i].peek)
			return true;
	return false;
}

/* Bodies that are read become \Seen, in one change for all. *own: its MODSEQ, or 0. */
static status seen_mark(
	conversation *c, const struct fetch *f, const uint32_t *uids, int n, int64_t *own)
{
	view *v = imap_of(c)->selected->view;
	struct view_flags change = {.add = FLAG_SEEN, .unchanged_since = -1};
	struct view_stored done;
	uint32_t *unseen = arena_new_array(&c->command, (size_t)n, sizeof *unseen);
	int unseen_n = 0;

	*own = 0;
	if (!marks_seen(f) || v->read_only || !selected_may(c, ACL_SEEN))
		return ST_OK;
	for (int k = 0; k < n; k++) {
		const struct view_entry *e = view_find(v, uids[k]);

		if (e && !(e->flags & FLAG_SEEN))
			unseen[unseen_n++] = uids[k];
	}
	if (unseen_n == 0)
		return ST_OK;
	TRY(view_store(v, unseen, unseen_n, &change, true, &c->command, &done));
	*own = done.change.own;
	return selected_tell_others(c, &done.change);
}

/* Leaves out what has not changed since; a number whose message is gone stays, for that is told. */
static int changed_only(const view *v, const struct fetch *f, uint32_t *uids, int n)
{
	int kept = 0;

	for (int k = 0; k < n && f->conditional; k++) {
		const struct view_entry *e = view_find(v, uids[k]);

		if (e ? e->modseq > (int64_t)f->changed_since : !f->by_uid)
			uids[kept++] = uids[k];
	}
	return f->conditional ? kept : n;
}

static int batch_size(const struct fetch *f, int n)
{
	int half = (n + 1) / 2;

	if (!wants_octets(f) || wants_heads_alone(f))
		return BATCH;
	return half < BATCH_BODIES_LEAST ? BATCH_BODIES_LEAST
	       : half < BATCH_BODIES     ? half
					 : BATCH_BODIES;
}

static status batch_keep(void *arg)
{
	const struct batch *b = arg;

	packed_keep(b->postoffice, &b->fresh);
	return ST_OK;
}

/* One batch is told of while others are on their way. */
struct ahead {
	conversation *c;
	const struct fetch *f;
	const uint32_t *uids;
	int n, at, size; /* from `at` on no batch has them */
	int most;        /* on their way at a time */
	struct batch *next[AHEAD_MOST], *told, *kept;
	beside *bringing[AHEAD_MOST]; /* what is needed of `next` */
	int next_n;
	beside *keeping; /* what was packed of `kept` */
	int paged;       /* so much was packed for pages */
};

static void next_fill(struct ahead *x)
{
	for (; x->next_n < x->most && x->at < x->n; x->next_n++) {
		int left = x->n - x->at, size = left < x->size ? left : x->size;
		struct batch *b = batch_open(x->c, x->f, x->uids + x->at, size);

		x->at += size;
		x->next[x->next_n] = b;
		x->bringing[x->next_n] = x->n > x->size && wants_facts(x->f)
						 ? beside_start("fetch messages", batch_bring, b)
						 : NULL;
	}
}

/* What could not come with the batch that is told of now is the next one, before all others. */
static void rest_put(struct ahead *x)
{
	const struct batch *b = x->told;

	if (b->got == b->n)
		return;
	memmove(x->next + 1, x->next, (size_t)x->next_n * sizeof(struct batch *));
	memmove(x->bringing + 1, x->bringing, (size_t)x->next_n * sizeof(beside *));
	x->next_n++;
	x->next[0] = batch_open(x->c, x->f, b->uids + b->got, b->n - b->got);
	x->bringing[0] = beside_start("fetch messages", batch_bring, x->next[0]);
}

static status next_take(struct ahead *x)
{
	status s = x->bringing[0] ? beside_end(&x->bringing[0]) : batch_bring(x->next[0]);

	x->told = x->next[0];
	x->next_n--;
	memmove(x->next, x->next + 1, (size_t)x->next_n * sizeof(struct batch *));
	memmove(x->bringing, x->bringing + 1, (size_t)x->next_n * sizeof(beside *));
	if (s == ST_OK)
		rest_put(x);
	return s;
}

/* Of a reader of many most of what was packed is kept in pages, the rest message by message. */
static void fresh_divide(struct ahead *x)
{
	const view *v = imap_of(x->c)->selected->view;
	struct packed_fresh *fresh = &x->told->fresh;
	int left = 0, at = 0;

	for (int k = 0; k < fresh->n; k++) {
		const struct message_fact *fact = &fresh->facts[k];

		while (x->told->messages[at] != fact->message)
			at++;
		if (!folder_page_takes(v, x->told->uids[at], fact)) {
			fresh->facts[left++] = *fact;
			continue;
		}
		message_facts_learn(v->postoffice, fact, 1);
		x->paged++;
	}
	fresh->n = left;
}

static void pages_keep(struct ahead *x, int least)
{
	if (x->paged < least)
		return;
	x->paged = 0;
	folder_page_keep(imap_of(x->c)->selected->view);
}

/* The batch that was told of makes room. */
static status told_leave(struct ahead *x)
{
	if (x->n >= MANY && wants_parts(x->f)) {
		fresh_divide(x);
		pages_keep(x, x->next_n > 0 ? PAGED_AT_ONCE : 1);
	}
	if (x->told->fresh.n > 0) {
		if (x->keeping)
			TRY(beside_end(&x->keeping));
		batch_close(&x->kept);
		x->kept = x->told;
		x->told = NULL;
		x->keeping = beside_start("keep facts", batch_keep, x->kept);
	}
	batch_close(&x->told);
	return ST_OK;
}

static status ahead_end(struct ahead *x, status s)
{
	for (int i = 0; i < x->next_n; i++) {
		beside_drop(&x->bringing[i]);
		batch_close(&x->next[i]);
	}
	if (s == ST_OK && x->keeping)
		s = beside_end(&x->keeping);
	beside_drop(&x->keeping);
	batch_close(&x->told);
	batch_close(&x->kept);
	if (imap_of(x->c)->selected) /* what was packed for pages before it broke off */
		pages_keep(x, 1);
	return s;
}

/* While one batch goes out, the database brings the next one, and keeps what was packed of the one
   before; what must be packed first has one more on its way, so that the database brings one while
   another is packed. */
static status batches_tell(conversation *c, const struct fetch *f, const uint32_t *uids, int n,
	int64_t seen, struct telling *t)
{
	struct ahead x = {.c = c,
		.f = f,
		.uids = uids,
		.n = n,
		.size = batch_size(f, n),
		.most = wants_parts(f) ? AHEAD_MOST : 1};
	status s = ST_OK;

	next_fill(&x);
	while (s == ST_OK && x.next_n > 0) {
		s = next_take(&x);
		if (s != ST_OK)
			break;
		next_fill(&x);
		/* Whoever takes what is sent has time; whoever does not, has not. */
		stream_pace(c->stream, setting_number(S_imap_literal_patience, NULL), 1024);
		s = batch_tell(c, x.told, seen, t);
		if (s == ST_OK)
			s = told_leave(&x);
	}
	return ahead_end(&x, s);
}

static status fetch_run(
	conversation *c, const struct fetch *f, const uint32_t *uids, int n, struct telling *t)
{
	int64_t seen;

	TRY(seen_mark(c, f, uids, n, &seen));
	return n > 0 ? batches_tell(c, f, uids, n, seen, t) : ST_OK;
}

/* Of what has vanished `*` is the last UID that was given, as in SELECT: the newest messages may be
   among it. */
static imap_set set_known(conversation *c, const struct fetch *f)
{
	imap_set known = f->set;

	if (!f->vanished || known.count == 0)
		return known;
	known.range = arena_new_array(&c->command, known.count, sizeof *known.range);
	memcpy(known.range, f->set.range, known.count * sizeof *known.range);
	imap_set_resolve(&known, imap_of(c)->selected->view->uidnext - 1);
	return known;
}

static status fetch(conversation *c, args *p, bool by_uid)
{
	struct fetch f = {.by_uid = by_uid, .asked = true};
	view *v = imap_of(c)->selected->view;
	struct telling t = {0};
	imap_set known;
	uint32_t *uids;
	int n, first = 0;

	TRY(arg_fetch(p, &f));
	known = set_known(c, &f);
	TRY(selected_uids(c, p, &f.set, by_uid, &uids, &n));
	if (f.vanished) {
		status told = selected_tell_vanished(c, (int64_t)f.changed_since, &known);

		if (told != ST_OK)
			return imap_trouble(c, told);
	}
	if (f.partial) /* a window of all that is named, changed or not (RFC 9394 3.4) */
		n = imap_window_of(&f.window, n, &first);
	uids += first;
	n = changed_only(v, &f, uids, n);
	selected_limit(c, &uids, &n);
	status s = fetch_run(c, &f, uids, n, &t);
	if (t.inside)
		return s == ST_BUSY ? ST_BROKEN : s;
	if (!imap_of(c)->selected)
		TRY(selected_lost(c));
	if (s != ST_OK)
		return imap_trouble(c, s);
	if (t.unknown)
		return imap_no(c, "[UNKNOWN-CTE] A part has an encoding that is not known here");
	if (t.gone)
		return imap_no(c, "[EXPUNGEISSUED] Some of the messages are gone");
	return imap_ok(c, t.held ? "[EXPUNGEISSUED] Some of the messages are gone; NOOP tells which"
				 : "That is all");
}

status arg_fetch_items(args *p, slice *written)
{
	const char *at = p->rest.at;
	size_t taken = p->taken;

	TRY(items_read(p, &(struct fetch){0}));
	if (p->taken != taken) {
		p->trouble = "What is fetched of new messages is written without literals";
		return ST_INVALID;
	}
	*written = slice_of(at, (size_t)(p->rest.at - at));
	return ST_OK;
}

status fetch_items_tell(conversation *c, slice written, const uint32_t *uids, int n)
{
	args p = {.c = c, .rest = written, .most = written.size};
	struct fetch f = {.by_uid = true};
	struct telling t = {0};

	TRY(items_read(&p, &f));
	for (int k = 0; k < f.sections_n; k++)
		f.sections[k].peek = true;
	status s = fetch_run(c, &f, uids, n, &t);
	if (s == ST_CLOSED || s == ST_TIMED_OUT || s == ST_CANCELLED)
		return s;
	/* Amid a literal no word can be said any more. What else could not be had can be asked for. */
	return t.inside ? ST_CLOSED : ST_OK;
}

static status imap_fetch(conversation *c, args *p)
{
	return fetch(c, p, false);
}

static status imap_uid_fetch(conversation *c, args *p)
{
	return fetch(c, p, true);
}

const struct imap_row imap_fetch_rows[] = {
	{"FETCH", imap_fetch, AT_SELECTED, IMAP_NO_EXPUNGE | IMAP_BY_NUMBER,
		"FETCH set items [(CHANGEDSINCE n)]: tells of messages"},
	{"UID FETCH", imap_uid_fetch, AT_SELECTED, 0,
		"UID FETCH set items [(CHANGEDSINCE n [VANISHED] PARTIAL n:m)]"},
	{0},
};
