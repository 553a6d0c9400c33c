/* pennypost mail: messages of the operator's into mailboxes of this house: some at once, or all of
   a post office by a job. */
#include "program/cli_find.h"
#include "program/cli_run.h"

#include "base/id.h"
#include "base/log.h"
#include "base/random.h"
#include "base/utf8.h"
#include "mail/address.h"
#include "mail/compose.h"
#include "provider/address_map.h"
#include "provider/deliver.h"
#include "provider/job.h"
#include "provider/setting.h"
#include "provider/trace.h"

#include <errno.h>
#include <string.h>

static status read_file(struct cli *c, slice path, compose_file *out)
{
	FILE *f = fopen(path.at, "rbe");
	if (!f)
		return cli_fail(c, ST_INVALID, "name a file that can be read",
			"%.*s cannot be attached: %s", SLICE_ARGS(path), strerror(errno));
	size_t slash = slice_find_last(path, '/');
	out->name = slash < path.size ? slice_from(path, slash + 1) : path;
	status kind = cli_read_all(f, &c->a, &out->content);
	fclose(f);
	if (kind != ST_OK)
		return cli_fail(c, ST_INVALID, "attach a file of at most 256 MB",
			"%.*s cannot be attached", SLICE_ARGS(path));
	return ST_OK;
}

static size_t how_many(const struct cli *c, const char *name)
{
	slice value;
	int n = 0;
	while (cli_each(c, name, n, &value))
		n++;
	return (size_t)n;
}

/* What all mail of the command line has; recipients and further fields stand in `m`. */
static status compose_from(struct cli *c, compose *m, slice *raw)
{
	slice value, from = cli_text(c, "--from");
	compose_file *file;

	m->file_count = how_many(c, "--attach");
	m->file = file = arena_new_array(&c->a, m->file_count, sizeof *file);
	for (int i = 0; cli_each(c, "--attach", i, &value); i++)
		TRY(read_file(c, value, &file[i]));
	m->text = cli_text(c, "--body");
	if (slice_same(m->text, S("-")) && cli_read_all(c->in, &c->a, &m->text) != ST_OK)
		return cli_fail(c, ST_INVALID, "write at most 256 MB of text to it",
			"the text cannot be read");
	if (slice_trim(m->text).size == 0)
		return cli_fail(c, ST_INVALID, "write a text, or give it to standard input",
			"the message has no text");
	slice domain = slice_from(from, slice_find_last(from, '@') + 1);
	m->message_id = header_message_id(id_new(), random_below(UINT64_MAX), domain, &c->a);
	m->from = (header_mailbox){.name = cli_text(c, "--from-name"), .address = from};
	m->subject = cli_text(c, "--subject");
	m->at = (date){.at = clock_wall()};
	if (compose_message(m, &c->a, raw) == ST_OK)
		return ST_OK;
	return cli_fail(c, ST_INVALID,
		"write subject, names and text in UTF-8, the first two without control characters",
		"no message can be made of this");
}

/* Every recipient's mailbox once, and an address of it that was named, or the first refusal. */
static status resolve(struct cli *c, size_t size, struct route *to, slice *named, int *n)
{
	slice written;
	*n = 0;
	for (int i = 0; cli_each(c, "--to", i, &written); i++) {
		mail_address m;
		struct route r;
		TRY(mail_address_parse(written, &c->a, &m));
		status kind = address_resolve(m.local, m.domain, size, &c->a, &r);
		if (kind == ST_ABSENT || kind == ST_FOREIGN || kind == ST_DENIED || kind == ST_FULL)
			return cli_fail(c, kind,
				"`pennypost address resolve` tells more; nothing was sent",
				"%.*s does not take this message: %s", SLICE_ARGS(written),
				kind == ST_ABSENT    ? "there is no such recipient"
				: kind == ST_FOREIGN ? "it is at another system"
				: kind == ST_DENIED  ? "it is disabled"
						     : "the mailbox is full");
		TRY(kind);
		bool known = false;
		for (int k = 0; k < *n; k++)
			known = known ||
				(to[k].postoffice == r.postoffice && to[k].mailbox == r.mailbox);
		if (known)
			continue;
		named[*n] = written;
		to[(*n)++] = r;
	}
	return ST_OK;
}

static void note_accepted(
	struct cli *c, int64_t postoffice_id, int64_t id, size_t size, slice message_id)
{
	trace_note(postoffice_id, id, TRACE_ACCEPTED,
		"service=cli from=%s size=%zu user=%s message_id=%s",
		log_quote(cli_text(c, "--from")), size, log_quote(c->by.who),
		log_quote(message_id));
}

/* The same steps as of a message that came by SMTP. */
static void note(struct cli *c, int64_t id, size_t size, slice message_id, const struct route *to,
	const slice *named, int n)
{
	for (int i = 0; i < n; i++) {
		bool first = true;
		for (int k = 0; k < i; k++)
			first = first && to[k].postoffice != to[i].postoffice;
		if (first)
			note_accepted(c, to[i].postoffice, id, size, message_id);
	}
	for (int i = 0; i < n; i++)
		trace_note(to[i].postoffice, id, TRACE_DELIVERED, "recipient=%s mailbox=%s%s",
			log_quote(named[i]), log_quote(to[i].mailbox_name),
			to[i].caught ? " catch_all=yes" : "");
}

status cli_mail_send(struct cli *c)
{
	slice raw = S(""), value;
	int n;
	int64_t id;
	size_t recipients = how_many(c, "--to");
	struct route *to = arena_new_array(&c->a, recipients, sizeof *to);
	slice *named = arena_new_array(&c->a, recipients, sizeof *named);
	header_mailbox *shown = arena_new_array(&c->a, recipients, sizeof *shown);
	compose m = {.to = shown, .to_count = recipients};
	for (int i = 0; cli_each(c, "--to", i, &value); i++)
		shown[i].address = value;
	TRY(compose_from(c, &m, &raw));
	TRY(resolve(c, raw.size, to, named, &n));
	TRY(deliver_text(to, n, raw, &id));
	note(c, id, raw.size, m.message_id, to, named, n);
	char written[ID_TEXT_SIZE + 1];
	id_text(id, written);
	json_t *names = json_array();
	for (int i = 0; i < n; i++)
		json_array_append_new(names,
			json_slice(arena_format(&c->a, "%.*s@%.*s", SLICE_ARGS(to[i].mailbox_name),
				SLICE_ARGS(to[i].postoffice_name))));
	return cli_did(c,
		json_pack("{s:s,s:I,s:o}", "id", written, "size", (json_int_t)raw.size, "mailboxes",
			names),
		"The message %s lies in %d mailbox%s", written, n, n == 1 ? "" : "es");
}

/* ---- by a job */

static const compose_field automatic[] = {{S("Auto-Submitted"), S("auto-generated")},
	{S("Precedence"), S("bulk")}, {S("To"), S("undisclosed-recipients:;")}};

/* The message with the address that the envelope would have had (RFC 5321 4.4). */
static status compose_job(struct cli *c, compose *m, slice return_path, slice *raw)
{
	TRY(compose_from(c, m, raw));
	*raw = arena_format(
		&c->a, "Return-Path: <%.*s>\r\n%.*s", SLICE_ARGS(return_path), SLICE_ARGS(*raw));
	return ST_OK;
}

static status begin_job(struct cli *c, struct job_new *n, slice message_id)
{
	int64_t total;

	n->id = id_new();
	TRY(job_make(n, &c->by, &total));
	note_accepted(c, n->postoffice, n->id, n->raw.size, message_id);
	char written[ID_TEXT_SIZE + 1];
	id_text(n->id, written);
	return cli_did(c,
		json_pack("{s:s,s:I,s:I}", "job", written, "size", (json_int_t)n->raw.size,
			"mailboxes", (json_int_t)total),
		"The job %s has %lld mailbox%s before it; `pennypost job show %s` tells how far it is",
		written, (long long)total, total == 1 ? "" : "es", written);
}

status cli_mail_postoffice(struct cli *c)
{
	postoffice *p;

	TRY(cli_find_postoffice(c, cli_text(c, "POSTOFFICE"), &p));
	if (p->state != POSTOFFICE_ENABLED)
		return cli_fail(c, ST_DENIED, "`pennypost postoffice enable` lets it work again",
			"the post office %.*s is disabled", SLICE_ARGS(p->name));
	slice to = cli_has(c, "--to") ? cli_text(c, "--to")
				      : setting_text(S_mail_everybody_to,
						&(struct setting_at){.postoffice = p->id});
	const header_mailbox shown = {.address = to};
	compose m = {.to = &shown,
		.to_count = to.size > 0,
		.field = automatic,
		.field_count = to.size > 0 ? 2 : 3};
	struct job_new n = {.postoffice = p->id};
	TRY(compose_job(c, &m, S(""), &n.raw));
	return begin_job(c, &n, m.message_id);
}

/* The first of its addresses; none when it has none, or one that needs SMTPUTF8. */
static status shown_address(struct cli *c, const mailbox *b, header_mailbox *shown, size_t *n)
{
	address *rows;
	int found;

	TRY(address_list(b->postoffice, b->id, S(""), 1, &c->a, &rows, &found));
	*n = found > 0 && utf8_is_ascii(rows[0].key);
	if (*n > 0)
		shown->address = rows[0].key;
	return ST_OK;
}

status cli_mail_owner(struct cli *c)
{
	mailbox *b;
	header_mailbox shown = {0};
	compose m = {.to = &shown};

	TRY(cli_find_mailbox(c, cli_text(c, "MAILBOX"), &b));
	if (b->state != MAILBOX_ENABLED)
		return cli_fail(c, ST_DENIED, "`pennypost mailbox enable` lets it work again",
			"the mailbox %.*s is disabled", SLICE_ARGS(cli_text(c, "MAILBOX")));
	TRY(shown_address(c, b, &shown, &m.to_count));
	if (m.to_count == 0) {
		m.field = automatic + 2;
		m.field_count = 1;
	}
	struct job_new n = {.postoffice = b->postoffice, .mailbox = b->id};
	TRY(compose_job(c, &m, cli_text(c, "--from"), &n.raw));
	if (!mailbox_has_room(b, n.raw.size))
		return cli_fail(c, ST_FULL, "`pennypost mailbox quota` gives it more room",
			"the mailbox %.*s is full", SLICE_ARGS(cli_text(c, "MAILBOX")));
	return begin_job(c, &n, m.message_id);
}
