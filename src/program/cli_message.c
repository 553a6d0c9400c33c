/* pennypost message: the message list and viewer of the operator (A33), and removing by age
   (A12). */
#include "program/cli_find.h"
#include "program/cli_run.h"

#include "base/id.h"
#include "mail/charset.h"
#include "mail/header.h"
#include "mail/mime.h"
#include "mail/word.h"
#include "provider/blob.h"
#include "provider/folder_admin.h"
#include "provider/message.h"

/* ---- list */

static json_t *flag_words(int64_t flags)
{
	static const struct {
		int64_t bit;
		const char *word;
	} rows[] = {{FLAG_SEEN, "seen"}, {FLAG_ANSWERED, "answered"}, {FLAG_FLAGGED, "flagged"},
		{FLAG_DELETED, "deleted"}, {FLAG_DRAFT, "draft"}};
	json_t *words = json_array();
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		if (flags & rows[i].bit)
			json_array_append_new(words, json_string(rows[i].word));
	return words;
}

static json_t *facts_of(const message *m)
{
	return json_pack("{s:o,s:I,s:o,s:o,s:o,s:o}", "id", json_id(m->id), "size",
		(json_int_t)m->size, "from", json_slice(m->from), "subject", json_slice(m->subject),
		"message_id", json_slice(m->message_id), "sent", json_time(m->sent));
}

/* What `message undelete` can restore. */
static status show_removed(struct cli *c, json_t *list)
{
	static const struct cli_column columns[] = {{"id", "ID"}, {"removed", "REMOVED"},
		{"folder", "FOLDER"}, {"uid", "UID", SHOW_NUMBER}, {"size", "SIZE", SHOW_SIZE},
		{"from", "FROM"}, {"subject", "SUBJECT"}, {NULL}};

	return cli_rows(c, list, columns, "Nothing that was removed can be restored");
}

status cli_message_list(struct cli *c)
{
	static const struct cli_column columns[] = {{"id", "ID"}, {"received", "RECEIVED"},
		{"folder", "FOLDER"}, {"uid", "UID", SHOW_NUMBER}, {"size", "SIZE", SHOW_SIZE},
		{"flags", "FLAGS"}, {"from", "FROM"}, {"subject", "SUBJECT"}, {NULL}};
	mailbox *m;
	struct message_entry *rows;
	unsigned most;
	int n;
	TRY(cli_most(c, 200, &most));
	TRY(cli_find_mailbox(c, cli_text(c, "MAILBOX"), &m));
	bool removed = cli_has(c, "--removed");
	TRY((removed ? message_removed_list : message_list)(
		m->postoffice, m->id, most, &c->a, &rows, &n));
	json_t *list = json_array();
	for (int i = 0; i < n; i++) {
		json_t *facts = facts_of(&rows[i].m);
		json_object_set_new(facts, "folder", json_slice(rows[i].folder));
		json_object_set_new(facts, "uid", json_integer(rows[i].uid));
		json_object_set_new(facts, "flags", flag_words(rows[i].flags));
		json_object_set_new(facts, "received", json_time(rows[i].received));
		if (removed)
			json_object_set_new(facts, "removed", json_time(rows[i].removed));
		json_array_append_new(list, facts);
	}
	if (removed)
		return show_removed(c, list);
	return cli_rows(c, list, columns, "The mailbox is empty");
}

/* ---- show */

static status write_out(slice bytes, void *arg)
{
	return fwrite(bytes.at, 1, bytes.size, arg) == bytes.size ? ST_OK : ST_CLOSED;
}

static json_t *header_of(slice raw, arena *a)
{
	header_walk w = header_walk_of(raw);
	header_field f;
	json_t *rows = json_array();
	while (header_next(&w, &f))
		json_array_append_new(rows, json_pack("{s:o,s:o}", "name", json_slice(f.name),
						    "value", json_slice(word_decode(f.value, a))));
	return rows;
}

static json_t *parts_of(const mime_table *t, arena *a)
{
	json_t *rows = json_array();
	for (size_t i = 0; i < t->count; i++) {
		const mime_part *p = &t->part[i];
		slice type =
			arena_format(a, "%.*s/%.*s", SLICE_ARGS(p->type), SLICE_ARGS(p->subtype));
		json_array_append_new(rows,
			json_pack("{s:i,s:o,s:o,s:o,s:o,s:I,s:o,s:b}", "number", (int)i, "parent",
				p->parent == MIME_NO_PARENT ? json_null() : json_integer(p->parent),
				"type", json_slice(type), "charset", json_slice(p->charset),
				"encoding", json_slice(p->encoding), "size",
				(json_int_t)p->body_size, "name", json_slice(p->name), "broken",
				p->broken));
	}
	return rows;
}

/* The first plain text of the message as UTF-8; empty when there is none. */
static slice text_of(slice raw, const mime_table *t, arena *a)
{
	for (size_t i = 0; i < t->count; i++) {
		const mime_part *p = &t->part[i];
		if (p->children || !slice_same(p->type, S("text")) ||
			!slice_same(p->subtype, S("plain")))
			continue;
		transfer_decoder d = {.kind = p->transfer};
		text plain = TEXT_INIT;
		transfer_decode(&d, slice_of(raw.at + p->body_at, p->body_size), &plain);
		transfer_decode_end(&d, &plain);
		slice utf8 = arena_copy(a, text_slice(&plain));
		text_free(&plain);
		slice known = utf8;
		return charset_to_utf8(p->charset, utf8, a, &known) == ST_OK ? known : utf8;
	}
	return S("");
}

/* What a terminal may be shown: lines, and nothing that moves the cursor. */
static void print_lines(struct cli *c, slice lines)
{
	text t = TEXT_INIT;
	for (slice line; slice_take(&lines, '\n', &line);) {
		if (line.size > 0 && line.at[line.size - 1] == '\r')
			line.size--;
		cli_shown(line, &t);
		text_add_char(&t, '\n');
	}
	fwrite(t.at, 1, t.size, c->out);
	text_free(&t);
}

static void print_header(struct cli *c, const json_t *rows)
{
	size_t i;
	json_t *row;
	text t = TEXT_INIT;
	json_array_foreach(rows, i, row)
	{
		cli_shown(slice_z(json_string_value(json_object_get(row, "name"))), &t);
		text_add_z(&t, ": ");
		cli_shown(slice_z(json_string_value(json_object_get(row, "value"))), &t);
		text_add_char(&t, '\n');
	}
	fwrite(t.at, 1, t.size, c->out);
	text_free(&t);
}

static status show_whole(struct cli *c, const message *m)
{
	static const struct cli_column columns[] = {{"id", "id"}, {"postoffice", "post office"},
		{"size", "size", SHOW_SIZE}, {"sent", "sent"}, {NULL}};
	static const struct cli_column part_columns[] = {{"number", "PART", SHOW_NUMBER},
		{"type", "TYPE"}, {"charset", "CHARSET"}, {"encoding", "ENCODING"},
		{"size", "SIZE", SHOW_SIZE}, {"name", "NAME"}, {NULL}};
	slice raw;
	mime_table table;
	TRY(blob_head(m->postoffice, m->blob, (size_t)m->size, &c->a, &raw));
	mime_parse(raw, &c->a, &table);
	slice words = text_of(raw, &table, &c->a);
	json_t *facts = facts_of(m), *header = header_of(raw, &c->a),
	       *parts = parts_of(&table, &c->a);
	json_object_set_new(facts, "postoffice", json_slice(cli_postoffice_name(c, m->postoffice)));
	json_object_set(facts, "header", header);
	json_object_set(facts, "parts", parts);
	json_object_set_new(facts, "text", json_slice(words));
	cli_facts(c, facts, columns);
	if (!c->json) {
		fputs("\nHeader\n", c->out);
		print_header(c, header);
		cli_below(c, "Parts", parts, part_columns);
		if (words.size > 0) {
			fputs("\nText\n", c->out);
			print_lines(c, words);
		}
	}
	json_decref(header);
	json_decref(parts);
	return ST_OK;
}

status cli_message_show(struct cli *c)
{
	int64_t id;
	message *m;
	slice asked = cli_text(c, "ID");
	if (!id_parse(asked, &id))
		return cli_fail(c, ST_INVALID,
			"give the 13 characters that `pennypost message list` shows",
			"\"%.*s\" is no message id", SLICE_ARGS(asked));
	if (c->json && cli_has(c, "--raw"))
		return cli_misused(
			c, "leave one of them out", "--raw and --json do not go together");
	status kind = message_anywhere(id, &c->a, &m);
	if (kind == ST_ABSENT)
		return cli_fail(c, kind, "`pennypost trace` may tell what became of it",
			"there is no message %.*s", SLICE_ARGS(asked));
	TRY(kind);
	if (cli_has(c, "--raw"))
		return blob_each(m->postoffice, m->blob, write_out, c->out);
	return show_whole(c, m);
}

/* ---- delete */

static status which_moment(struct cli *c, usec *before)
{
	if (cli_has(c, "--older-than") + cli_has(c, "--before") + cli_has(c, "--all") != 1)
		return cli_misused(c, "for example --older-than 90d",
			"give one of --older-than, --before and --all");
	*before = cli_has(c, "--all")      ? USEC_NEVER
		  : cli_has(c, "--before") ? cli_number(c, "--before", 0)
					   : clock_wall() - cli_number(c, "--older-than", 0);
	return ST_OK;
}

static status which_mailboxes(struct cli *c, int64_t *post, int64_t *box)
{
	if (cli_has(c, "--mailbox") + cli_has(c, "--postoffice") + cli_has(c, "--everywhere") != 1)
		return cli_misused(c, "for example --mailbox anna@demo",
			"give one of --mailbox, --postoffice and --everywhere");
	return cli_find_scope(c, post, box);
}

status cli_message_delete(struct cli *c)
{
	usec before = 0;
	int64_t post = 0, box = 0, removed = 0;
	TRY(which_moment(c, &before));
	TRY(which_mailboxes(c, &post, &box));
	TRY(cli_sure(c, "removes messages"));
	/* Before: it is many transactions, and one that is cut off has removed something, too. */
	TRY(cli_audit(c, post, "message.delete",
		cli_has(c, "--mailbox") ? cli_text(c, "--mailbox")
		: post                  ? cli_text(c, "--postoffice")
					: S("*")));
	TRY(folder_remove_before(post, box, before, &removed));
	return cli_did(c, json_pack("{s:I}", "removed", (json_int_t)removed), "%lld %s removed",
		(long long)removed, removed == 1 ? "message is" : "messages are");
}
