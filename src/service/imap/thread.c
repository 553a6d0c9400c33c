/* THREAD and UID THREAD (RFC 5256): ORDEREDSUBJECT, REFERENCES, and REFS, which is REFERENCES
   without its joining of threads by subject and with the thread last written to last.

   Messages and the ids they name are nodes of a forest:

       node:   [ message 1 | message 2 | .. message n | ids that no message has ]
       parent: what the message itself names last; else what others named before its id

   Nothing here calls itself, whatever the depth of a thread, and the memory of one command is
   bounded by the messages and IDS_MOST, whatever they refer to (trust.md T26). */
#include "base/map.h"
#include "mail/charset.h"
#include "mail/collate.h"
#include "service/imap/order.h"
#include "service/imap/packed.h"
#include "service/imap/program.h"

#define IDS_MOST 200000 /* that no message has; further ones are passed over */
#define ID_SIZE_MOST                                                                               \
	998 /* octets; longer ones fit on no line (RFC 5322 2.1.1) and are nobody's                \
\ */
#define NONE (-1)
#define NODES_AT_ONCE 1024 /* before others have a turn */

enum algorithm { ORDEREDSUBJECT, REFERENCES, REFS };

struct node {
	int parent;            /* NONE: a root */
	int guess;             /* what others named before it */
	int set;               /* whose tree it is in, on the way to its root */
	int first, last, next; /* children in order, and the next of its parent */
	uint32_t name;         /* number or UID; 0: no message */
	usec sent, received;
	slice subject; /* its collation key */
	bool reply;
	bool there; /* to be told: a message, or what holds several together */
};

struct forest {
	enum algorithm by;
	struct node *node;
	int n, messages, room;
	map *ids; /* message-id to node + 1 */
	int *roots;
	int roots_n;
	bool by_uid;
	const view *v;
	arena a;
};

/* Called once for each node of a walk over all of them. */
static status node_pass(int which)
{
	return which % NODES_AT_ONCE == NODES_AT_ONCE - 1 ? task_breathe() : ST_OK;
}

/* ---- gathering */

static int node_new(struct forest *f)
{
	if (f->n == f->room) {
		struct node *wider;

		f->room = f->room * 2;
		wider = arena_new_array(&f->a, (size_t)f->room, sizeof *wider);
		memcpy(wider, f->node, (size_t)f->n * sizeof *wider);
		f->node = wider;
	}
	f->node[f->n] = (struct node){.parent = NONE,
		.guess = NONE,
		.set = f->n,
		.first = NONE,
		.last = NONE,
		.next = NONE};
	return f->n++;
}

/* The node of an id; NONE when there is none and no room for more. */
static int node_of(struct forest *f, slice id)
{
	intptr_t known = (intptr_t)map_get(f->ids, id);

	if (known)
		return (int)known - 1;
	if (f->n - f->messages >= IDS_MOST || id.size > ID_SIZE_MOST)
		return NONE;
	int node = node_new(f);

	map_put(f->ids, id, (void *)((intptr_t)node + 1));
	return node;
}

/* Two passes, so that all ids of messages are known before others are named. */
static status ids_take(int which, const struct view_entry *e, const envelope *facts, void *arg)
{
	struct forest *f = arg;
	struct node *m = &f->node[which];

	m->name = f->by_uid ? e->uid : (uint32_t)view_number(f->v, e->uid);
	m->received = e->received;
	m->sent = facts->dated ? facts->sent.at : e->received;
	m->there = m->name > 0;
	if (f->by != REFS) {
		m->subject = collate_key(facts->subject, &f->a);
		m->reply = facts->reply;
	}
	/* The second message of the same id is found under none (RFC 5256 3). */
	if (f->by != ORDEREDSUBJECT && facts->message_id.size &&
		facts->message_id.size <= ID_SIZE_MOST && !map_get(f->ids, facts->message_id))
		map_put(f->ids, facts->message_id, (void *)((intptr_t)which + 1));
	return ST_OK;
}

static status references_take(
	int which, const struct view_entry *e, const envelope *facts, void *arg)
{
	struct forest *f = arg;
	int before = NONE;

	(void)e;
	for (size_t i = 0; i < facts->references_count; i++) {
		int named = node_of(f, facts->references[i]);

		if (named == NONE || named == which)
			continue;
		if (before != NONE && f->node[named].guess == NONE)
			f->node[named].guess = before;
		before = named;
	}
	f->node[which].parent = before;
	return ST_OK;
}

/* ---- the forest of REFERENCES, steps 1 to 3 */

static int set_of(struct node *node, int x)
{
	while (node[x].set != x) {
		node[x].set = node[node[x].set].set; /* halves the way for those who come later */
		x = node[x].set;
	}
	return x;
}

/* Of a root; false when it is in the child's own tree. */
static bool link_below(struct node *node, int child, int parent)
{
	if (set_of(node, parent) == child)
		return false;
	node[child].set = parent;
	node[child].parent = parent;
	return true;
}

static status parents_link(struct forest *f)
{
	for (int x = 0; x < f->n; x++) { /* what a message says of itself goes first */
		int wanted = f->node[x].parent;

		f->node[x].parent = NONE;
		if (wanted != NONE)
			(void)link_below(f->node, x, wanted);
		TRY(node_pass(x));
	}
	for (int x = 0; x < f->n; x++) {
		if (f->node[x].parent == NONE && f->node[x].guess != NONE)
			(void)link_below(f->node, x, f->node[x].guess);
		TRY(node_pass(x));
	}
	return ST_OK;
}

/* What a node stands for once ids without messages are left out: itself, the message above, or the
   outermost id. The way there becomes short for all on it. */
static int stands_for(struct node *node, int x)
{
	int end = x;

	while (!node[end].there && node[end].parent != NONE)
		end = node[end].parent;
	while (x != end) {
		int up = node[x].parent;

		node[x].parent = end;
		x = up;
	}
	return end;
}

/* Afterwards parents are messages, or ids that hold several children together. */
static status forest_prune(struct forest *f)
{
	int *children = arena_new_array(&f->a, (size_t)f->n, sizeof *children);

	for (int x = 0; x < f->n; x++) {
		if (f->node[x].there && f->node[x].parent != NONE) {
			f->node[x].parent = stands_for(f->node, f->node[x].parent);
			children[f->node[x].parent]++;
		}
		TRY(node_pass(x));
	}
	for (int x = f->messages; x < f->n; x++)
		f->node[x].there = children[x] > 1;
	for (int x = 0; x < f->messages; x++)
		if (f->node[x].parent != NONE && !f->node[f->node[x].parent].there)
			f->node[x].parent = NONE;
	return task_breathe();
}

/* ---- order: steps 4 and 6 */

static int by_sent(int a, int b, const void *arg)
{
	const struct node *node = arg;

	if (node[a].sent != node[b].sent)
		return node[a].sent < node[b].sent ? -1 : 1;
	return node[a].name < node[b].name ? -1 : node[a].name > node[b].name;
}

static int by_received(int a, int b, const void *arg)
{
	const struct node *node = arg;

	if (node[a].received != node[b].received)
		return node[a].received < node[b].received ? -1 : 1;
	return by_sent(a, b, arg);
}

static void child_add(struct node *node, int parent, int child)
{
	if (node[parent].first == NONE)
		node[parent].first = child;
	else
		node[node[parent].last].next = child;
	node[parent].last = child;
}

/* A thread was last written to when its newest message came. */
static status newest_rise(struct forest *f)
{
	struct node *node = f->node;
	int *left = arena_new_array(&f->a, (size_t)f->n, sizeof *left);

	for (int x = 0; x < f->n; x++)
		if (node[x].there && node[x].parent != NONE)
			left[node[x].parent]++;
	for (int x = 0; x < f->n; x++) {
		for (int at = x; node[at].there && left[at] == 0;) {
			int up = node[at].parent;

			left[at] = NONE; /* done */
			if (up == NONE)
				break;
			if (node[at].received > node[up].received)
				node[up].received = node[at].received;
			left[up]--;
			at = up;
		}
		TRY(node_pass(x));
	}
	return ST_OK;
}

/* Messages in the order in which they were sent, below their parents; an id has the date of its
   first child, which was set before. */
static status forest_order(struct forest *f)
{
	int *all = arena_new_array(&f->a, (size_t)f->n, sizeof *all), n = 0;
	struct node *node = f->node;

	for (int x = 0; x < f->n; x++) {
		node[x].first = node[x].last = node[x].next = NONE;
		if (x < f->messages && node[x].there)
			all[n++] = x;
		TRY(node_pass(x));
	}
	TRY(order_places(all, n, by_sent, node, &f->a));
	f->roots_n = 0;
	for (int k = 0; k < n; k++) {
		int up = node[all[k]].parent;

		TRY(node_pass(k));
		if (up == NONE) {
			f->roots[f->roots_n++] = all[k];
			continue;
		}
		if (up >= f->messages && node[up].first == NONE) {
			node[up].sent = node[all[k]].sent;
			f->roots[f->roots_n++] = up;
		}
		child_add(node, up, all[k]);
	}
	if (f->by != REFS) /* ids stand among them by the date of their first child */
		return ST_OK;
	TRY(newest_rise(f));
	return order_places(f->roots, f->roots_n, by_received, node, &f->a);
}

/* ---- joining by subject: step 5 */

/* Whose subject a thread has. */
static int speaker(const struct forest *f, int root)
{
	return root < f->messages ? root : f->node[root].first;
}

static void children_move(struct forest *f, int from, int to)
{
	int next;

	for (int x = f->node[from].first; x != NONE; x = next) {
		next = f->node[x].next;
		f->node[x].parent = to;
		f->node[x].next = NONE;
		child_add(f->node, to, x);
	}
	f->node[from].first = f->node[from].last = NONE;
	f->node[from].there = false;
}

/* Two threads of one subject become one; gives its root. One that is held together by an id stands,
   if there is any. */
static int threads_join(struct forest *f, int stands, int comes)
{
	if (comes >= f->messages) {
		children_move(f, comes, stands);
		return stands;
	}
	if (stands < f->messages && (f->node[stands].reply || !f->node[comes].reply)) {
		int both = node_new(f);

		f->node[both].there = true;
		f->node[stands].parent = both;
		child_add(f->node, both, stands);
		stands = both;
	}
	f->node[comes].parent = stands;
	child_add(f->node, stands, comes);
	return stands;
}

static bool speaks_better(const struct forest *f, int root, int known)
{
	if (known >= f->messages)
		return false;
	return root >= f->messages || (f->node[known].reply && !f->node[root].reply);
}

static void subject_stands(struct forest *f, map *subjects, int root)
{
	map_put(subjects, f->node[speaker(f, root)].subject, (void *)((intptr_t)root + 1));
}

static status forest_join(struct forest *f)
{
	map *subjects = map_open();
	status s = ST_OK;

	for (int k = 0; s == ST_OK && k < f->roots_n; k++) {
		slice subject = f->node[speaker(f, f->roots[k])].subject;
		intptr_t known = subject.size ? (intptr_t)map_get(subjects, subject) : 0;

		if (subject.size && (!known || speaks_better(f, f->roots[k], (int)known - 1)))
			subject_stands(f, subjects, f->roots[k]);
		s = node_pass(k);
	}
	for (int k = 0; s == ST_OK && k < f->roots_n; k++) {
		slice subject = f->node[speaker(f, f->roots[k])].subject;
		intptr_t known = subject.size ? (intptr_t)map_get(subjects, subject) : 0;

		if (known && (int)known - 1 != f->roots[k] && f->node[f->roots[k]].parent == NONE)
			map_put(subjects, subject,
				(void *)((intptr_t)threads_join(f, (int)known - 1, f->roots[k]) +
					 1));
		s = node_pass(k);
	}
	map_close(&subjects);
	return s;
}

/* ---- ORDEREDSUBJECT: threads are groups of one subject, all below the first that was sent */

static int by_subject(int a, int b, const void *arg)
{
	const struct node *node = arg;
	int order = slice_order(node[a].subject, node[b].subject);

	return order ? order : by_sent(a, b, arg);
}

static status subjects_group(struct forest *f)
{
	int *all = arena_new_array(&f->a, (size_t)f->n, sizeof *all);

	for (int x = 0; x < f->n; x++)
		all[x] = x;
	TRY(order_places(all, f->n, by_subject, f->node, &f->a));
	for (int k = 1, first = 0; k < f->n; k++)
		if (slice_same(f->node[all[k]].subject, f->node[all[first]].subject))
			f->node[all[k]].parent = all[first];
		else
			first = k;
	return ST_OK;
}

/* ---- telling */

static bool is_alone(const struct node *node, int x)
{
	return node[x].parent != NONE && node[node[x].parent].first == x && node[x].next == NONE;
}

/* "(3 6 (4 23)(44 7 96))": a lone child stands beside its parent, several stand in brackets. */
static void thread_text(const struct node *node, int root, text *out)
{
	for (int x = root;;) {
		if (x == root || !is_alone(node, x))
			text_add_char(out, '(');
		if (node[x].name)
			text_format(out, "%u", node[x].name);
		if (node[x].first != NONE) {
			if (node[x].name)
				text_add_char(out, ' ');
			x = node[x].first;
			continue;
		}
		for (;; x = node[x].parent) { /* up, until something stands beside it */
			if (x == root || !is_alone(node, x))
				text_add_char(out, ')');
			if (x == root)
				return;
			if (node[x].next != NONE)
				break;
		}
		x = node[x].next;
	}
}

static status say_threads(conversation *c, const struct forest *f)
{
	text out = TEXT_INIT;
	status s = stream_write(c->stream, S("* THREAD"));

	for (int k = 0; s == ST_OK && k < f->roots_n; k++) {
		text_clear(&out);
		if (k == 0)
			text_add_char(&out, ' ');
		thread_text(f->node, f->roots[k], &out);
		s = stream_write(c->stream, text_slice(&out));
		if (s == ST_OK)
			s = task_breathe();
	}
	text_free(&out);
	TRY(s);
	return stream_write(c->stream, S("\r\n"));
}

/* ---- the command */

static status forest_grow(struct forest *f, const uint32_t *uids, int n)
{
	TRY(packed_each(f->v, uids, n, true, ids_take, f));
	if (f->by == ORDEREDSUBJECT) {
		TRY(subjects_group(f));
	} else {
		TRY(packed_each(f->v, uids, n, true, references_take, f));
		TRY(parents_link(f));
		TRY(forest_prune(f));
	}
	f->roots = arena_new_array(&f->a, (size_t)n, sizeof *f->roots);
	TRY(forest_order(f));
	if (f->by != REFERENCES)
		return ST_OK;
	TRY(forest_join(f));
	return forest_order(f);
}

static status thread_run(conversation *c, struct forest *f, const uint32_t *uids, int n)
{
	f->v = imap_of(c)->selected->view;
	f->room = n + 16;
	f->node = arena_new_array(&f->a, (size_t)f->room, sizeof *f->node);
	f->messages = n;
	f->ids = map_open();
	while (f->n < n)
		(void)node_new(f);
	status s = forest_grow(f, uids, n);
	map_close(&f->ids);
	return s;
}

static status arg_thread(args *p, enum algorithm *by, slice *charset, program **what)
{
	static const char *const words[] = {"ORDEREDSUBJECT", "REFERENCES", "REFS"};
	slice word;
	size_t k = 0;

	TRY(arg_space(p));
	TRY(arg_atom(p, &word));
	while (k < 3 && !slice_same_nocase(word, slice_z(words[k])))
		k++;
	if (k == 3) {
		p->trouble = "THREAD goes by ORDEREDSUBJECT, REFERENCES or REFS";
		return ST_INVALID;
	}
	*by = (enum algorithm)k;
	TRY(arg_space(p));
	TRY(arg_astring(p, charset));
	TRY(arg_space(p));
	if (!charset_known(*charset))
		return ST_FOREIGN;
	return arg_program(p, *charset, what);
}

static status thread(conversation *c, args *p, bool by_uid)
{
	struct forest f = {.by_uid = by_uid};
	slice charset;
	program *what;
	uint32_t *uids;
	uint8_t *scores;
	int n;
	status s = arg_thread(p, &f.by, &charset, &what);

	if (s == ST_FOREIGN) {
		TRY(args_skip(p));
		return imap_no(c, "[BADCHARSET (UTF-8 US-ASCII)] That charset is not known here");
	}
	TRY(s);
	usec began = clock_now();
	s = program_run(c, what, &uids, &scores, &n);
	if (s == ST_OK)
		s = thread_run(c, &f, uids, n);
	metric_time(M_search_seconds, c->service, clock_now() - began);
	status said = s == ST_OK ? say_threads(c, &f) : ST_OK;
	arena_release(&f.a);
	TRY(said);
	return s == ST_OK ? imap_ok(c, "That is all") : program_trouble(c, s);
}

static status imap_thread(conversation *c, args *p)
{
	return thread(c, p, false);
}

static status imap_uid_thread(conversation *c, args *p)
{
	return thread(c, p, true);
}

const struct imap_row imap_thread_rows[] = {
	{"THREAD", imap_thread, AT_SELECTED, IMAP_NO_EXPUNGE | IMAP_BY_NUMBER,
		"THREAD algorithm charset keys"},
	{"UID THREAD", imap_uid_thread, AT_SELECTED, 0, "UID THREAD algorithm charset keys"},
	{0},
};
