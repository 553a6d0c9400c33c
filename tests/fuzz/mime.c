/* The MIME walk (trust.md T30): cut anywhere it finds the same parts; they form a tree and lie
   within the message. The first byte says how the rest is cut. */
#include "mail/mime.h"

#include "base/utf8.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(int ok)
{
	if (!ok)
		abort();
}

static void is_a_tree(const mime_table *t)
{
	uint32_t children = 0;

	must(t->count >= 1 && t->count <= MIME_PARTS_MOST && t->part[0].parent == MIME_NO_PARENT);
	must(t->part[0].header_size + t->part[0].body_size == t->size);
	for (size_t i = 0; i < t->count; i++) {
		const mime_part *p = &t->part[i];
		children += p->children;
		must(p->header_at + p->header_size == p->body_at);
		must(p->body_at + p->body_size <= t->size && p->lines <= p->body_size);
		must(p->type.size > 0 && p->subtype.size > 0 && utf8_valid(p->name));
		must(p->depth <= MIME_DEPTH_MOST && !(p->opaque && p->children > 0));
		if (i == 0)
			continue;
		const mime_part *parent = &t->part[p->parent];
		must(p->parent < i && p->depth == parent->depth + 1);
		must(p->header_at >= parent->body_at);
		must(p->body_at + p->body_size <= parent->body_at + parent->body_size);
	}
	must(children == t->count - 1);
}

static void same(const mime_table *x, const mime_table *y)
{
	must(x->count == y->count && x->size == y->size && x->truncated == y->truncated);
	for (size_t i = 0; i < x->count; i++) {
		const mime_part *p = &x->part[i], *q = &y->part[i];
		must(p->parent == q->parent && p->children == q->children &&
			p->opaque == q->opaque);
		must(p->broken == q->broken && p->truncated == q->truncated &&
			p->lines == q->lines);
		must(p->header_at == q->header_at && p->header_size == q->header_size);
		must(p->body_size == q->body_size && slice_same(p->type, q->type));
		must(slice_same(p->subtype, q->subtype) && slice_same(p->name, q->name));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	slice input = slice_from(slice_of(data, size), 1);
	size_t step = size > 0 ? 1 + data[0] % 40 : 1;
	arena a = ARENA_INIT;
	mime_table whole, cut;
	mime_walk *w = mime_walk_open(&a);

	mime_parse(input, &a, &whole);
	is_a_tree(&whole);
	for (size_t at = 0; at < input.size; at += step)
		mime_walk_feed(w, slice_until(slice_from(input, at), step));
	mime_walk_finish(w, &cut);
	mime_walk_close(&w);
	same(&whole, &cut);
	arena_release(&a);
	return 0;
}
