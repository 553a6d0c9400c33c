#include "tests/unit/provider/reader.h"

#include "provider/mailbox.h"

#include <criterion/criterion.h>
#include <stdio.h>

struct reader me;

view *opened(slice folder)
{
	view *v = NULL;

	cr_assert_eq(view_open(me.postoffice, me.mailbox, folder, 0, &v), ST_OK);
	return v;
}

status append_text(struct append *x, slice raw)
{
	struct append_message *m = x->messages;

	cr_assert_eq(blob_writer_open(x->postoffice, &m->body), ST_OK);
	cr_assert_eq(blob_write(m->body, raw), ST_OK);
	cr_assert_eq(blob_writer_finish(m->body), ST_OK);
	status s = append_run(x);
	blob_writer_close(&m->body);
	return s;
}

uint32_t appended(slice folder, slice raw, int64_t flags)
{
	struct append_message m = {
		.header = raw, .header_size = (uint32_t)raw.size, .flags = flags};
	struct append x = {.postoffice = me.postoffice,
		.mailbox = me.mailbox,
		.folder = folder,
		.messages = &m,
		.n = 1};

	status s = append_text(&x, raw);
	cr_assert_eq(s, ST_OK, "append: %s", status_name(s));
	return m.uid;
}

void filled(slice folder, int n)
{
	char raw[80];

	for (int i = 0; i < n; i++) {
		snprintf(raw, sizeof raw, "Subject: %d\r\n\r\n%.*s\r\n", i, i % 20,
			"....................");
		appended(folder, slice_z(raw), 0);
	}
}

int64_t made(slice name)
{
	folder *f = NULL;

	status s = folder_make(me.postoffice, me.mailbox, name, 0, &me.a, &f);
	cr_assert_eq(s, ST_OK, "folder_make: %s", status_name(s));
	return f->id;
}

void assert_counted(void)
{
	struct folder_row *rows;
	mailbox *m;
	int64_t used = 0;
	int n;

	cr_assert_eq(folder_tree(me.postoffice, me.mailbox, &me.a, &rows, &n), ST_OK);
	for (int i = 0; i < n; i++) {
		const folder *f = &rows[i].f;
		int64_t unseen = 0, deleted = 0, bytes = 0;
		view *v;

		if (!f->id)
			continue;
		v = opened(f->name);
		cr_assert_eq(v->n, f->messages, "messages of %.*s", SLICE_ARGS(f->name));
		for (int k = 0; k < v->count; k++) {
			unseen += !(v->entries[k].flags & FLAG_SEEN);
			deleted += (v->entries[k].flags & FLAG_DELETED) != 0;
			bytes += v->entries[k].size;
			cr_assert(v->entries[k].modseq <= f->modseq);
			cr_assert(v->entries[k].uid < f->uidnext);
			cr_assert(k == 0 || v->entries[k - 1].uid < v->entries[k].uid);
		}
		cr_assert_eq(unseen, f->unseen, "unseen of %.*s", SLICE_ARGS(f->name));
		cr_assert_eq(deleted, f->deleted, "deleted of %.*s", SLICE_ARGS(f->name));
		cr_assert_eq(bytes, f->bytes, "bytes of %.*s", SLICE_ARGS(f->name));
		cr_assert_eq(v->modseq, f->modseq);
		used += bytes;
		view_close(&v);
	}
	cr_assert_eq(mailbox_by_id(me.postoffice, me.mailbox, &me.a, &m), ST_OK);
	cr_assert_eq(m->used, used, "the quota does not equal the sum");
}
