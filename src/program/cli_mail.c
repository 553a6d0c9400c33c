/* pennypost mail: messages of the operator's into mailboxes of this house: some at once, or all of
   a post office by a job. */
#include "program/cli_find.h"
#include "program/cli_run.h"

#include "base/id.h"
#include "base/log.h"
#include "base/map.h"
#include "base/random.h"
#include "base/utf8.h"
#include "connector/smtp/own.h"
#include "connector/smtp/passing.h"
#include "mail/address.h"
#include "mail/compose.h"
#include "provider/address_map.h"
#include "provider/deliver.h"
#include "provider/job.h"
#include "provider/resolve.h"
#include "provider/setting.h"
#include "provider/trace.h"

#include <inttypes.h>

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

static void note_accepted(
	struct cli *c, int64_t postoffice_id, int64_t id, size_t size, slice message_id)
{
	trace_note(postoffice_id, id, TRACE_ACCEPTED,
		"service=cli from=%s size=%zu user=%s message_id=%s",
		log_quote(cli_text(c, "--from")), size, log_quote(c->by.who),
		log_quote(message_id));
}

/* ---- at once: where anybody's mail for these addresses goes */

static status refused(struct cli *c, slice written, status kind)
{
	static const char *const why[ST_KINDS] = {
		[ST_ABSENT] = "there is no such recipient",
		[ST_FOREIGN] = "it is at another system",
		[ST_DENIED] = "it is disabled",
		[ST_FULL] = "the mailbox is full",
		[ST_LIMITED] = "it leads to too many others, or in a circle",
	};

	if (!why[kind])
		return kind;
	return cli_fail(c, kind == ST_LIMITED ? ST_INVALID : kind,
		"`pennypost address resolve` tells more; nothing was sent",
		"%.*s does not take this message: %s", SLICE_ARGS(written), why[kind]);
}

/* By what a recipient is known again; empty: by nothing. */
static slice reach_key(const struct recipient *r, arena *a)
{
	if (r->remote)
		return arena_format(a, "r%.*s", SLICE_ARGS(mail_address_key(&r->address, a)));
	return r->route.mailbox != 0 ? arena_format(a, "m%" PRId64 " %" PRId64, r->route.postoffice,
					       r->route.mailbox)
				     : S("");
}

/* Those who are not reached yet. */
static void reach(struct cli *c, struct own_mail *m, map *met, const struct recipient *found, int n)
{
	struct recipient *all = arena_new_array(&c->a, (size_t)m->n + (size_t)n, sizeof *all);

	if (m->n > 0)
		memcpy(all, m->reached, (size_t)m->n * sizeof *all);
	m->reached = all;
	for (int i = 0; i < n; i++) {
		slice key = reach_key(&found[i], &c->a);
		if (key.size == 0 || !map_put(met, key, m))
			all[m->n++] = found[i];
	}
}

/* The operator may write to any group. */
static status reach_all(struct cli *c, struct own_mail *m, uint64_t size, map *met)
{
	static const struct poster anyone = {0};
	slice written;

	for (int i = 0; cli_each(c, "--to", i, &written); i++) {
		struct recipient *found;
		mail_address to;
		int n;

		TRY(mail_address_parse(written, &c->a, &to));
		status kind = passing_own(&to, &anyone, size, &c->a, &found, &n);
		if (kind != ST_OK)
			return refused(c, written, kind);
		reach(c, m, met, found, n);
	}
	return ST_OK;
}

/* Everybody the recipients lead to once, or the first refusal. */
static status place(struct cli *c, struct own_mail *m, slice raw)
{
	map *met = map_open();
	status kind = reach_all(c, m, own_mail_front(m, &c->a) + raw.size, met);

	map_close(&met);
	TRY(kind);
	own_mail_settle(m, raw, &c->a);
	return ST_OK;
}

/* The same steps as of a message that came by SMTP. */
static void note(struct cli *c, const struct own_mail *m, size_t size)
{
	for (int i = 0; i < m->d.n; i++)
		note_accepted(c, m->d.parts[i].postoffice, m->d.id, size, m->d.message_id);
	for (int i = 0; i < m->n; i++)
		passing_trace(&m->reached[i], m->d.id, S(""), S(""), &c->a);
}

struct whereabouts {
	json_t *mailboxes, *elsewhere, *without;
	int64_t postoffice; /* of the mailbox before: they come by post office */
	slice postoffice_name;
};

static void tell_where(struct cli *c, const struct recipient *r, struct whereabouts *w)
{
	slice address = mail_address_text(&r->address, &c->a);

	if (r->told || r->remote) {
		json_array_append_new(r->told ? w->without : w->elsewhere, json_slice(address));
		return;
	}
	if (r->dropped)
		return;
	if (w->postoffice != r->route.postoffice)
		w->postoffice_name = cli_postoffice_name(c, r->route.postoffice);
	w->postoffice = r->route.postoffice;
	json_array_append_new(w->mailboxes,
		json_slice(arena_format(&c->a, "%.*s@%.*s", SLICE_ARGS(r->route.mailbox_name),
			SLICE_ARGS(w->postoffice_name))));
}

static slice said_where(struct cli *c, const struct whereabouts *w)
{
	size_t in = json_array_size(w->mailboxes), far = json_array_size(w->elsewhere),
	       out = json_array_size(w->without);
	slice lies =
		in || !far ? arena_format(&c->a, " lies in %zu mailbox%s", in, in == 1 ? "" : "es")
			   : S("");
	slice waits = far ? arena_format(&c->a, "%s waits for %zu recipient%s at other systems",
				    lies.size ? " and" : "", far, far == 1 ? "" : "s")
			  : S("");
	slice none = out ? arena_format(&c->a, "; %zu cannot have it now", out) : S("");

	return arena_format(
		&c->a, "%.*s%.*s%.*s", SLICE_ARGS(lies), SLICE_ARGS(waits), SLICE_ARGS(none));
}

static status sent(struct cli *c, const struct own_mail *m, size_t size)
{
	struct whereabouts w = {
		.mailboxes = json_array(), .elsewhere = json_array(), .without = json_array()};
	char written[ID_TEXT_SIZE + 1];

	id_text(m->d.id, written);
	for (int i = 0; i < m->n; i++)
		tell_where(c, &m->reached[i], &w);
	slice said = said_where(c, &w);
	return cli_did(c,
		json_pack("{s:s,s:I,s:o,s:o,s:o}", "id", written, "size", (json_int_t)size,
			"mailboxes", w.mailboxes, "elsewhere", w.elsewhere, "without", w.without),
		"The message %s%.*s", written, SLICE_ARGS(said));
}

/* Whose the author's domain is: its keys sign, and reports come back to him. Of another system's
   author the return path is empty, for that system would not vouch for it. */
static void speak_for(struct cli *c, slice from, struct own_mail *m)
{
	mail_address author;
	domain *d;

	if (mail_address_parse(from, &c->a, &author) != ST_OK ||
		domain_find(author.domain, &c->a, &d) != ST_OK)
		return;
	m->postoffice = d->postoffice;
	m->sender = mail_address_text(&author, &c->a);
	m->sender_is_told = true;
}

status cli_mail_send(struct cli *c)
{
	slice raw = S(""), value;
	size_t recipients = how_many(c, "--to");
	header_mailbox *shown = arena_new_array(&c->a, recipients, sizeof *shown);
	compose text = {.to = shown, .to_count = recipients};
	struct own_mail m = {.d.id = id_new()};

	for (int i = 0; cli_each(c, "--to", i, &value); i++)
		shown[i].address = value;
	TRY(compose_from(c, &text, &raw));
	speak_for(c, cli_text(c, "--from"), &m);
	TRY(place(c, &m, raw));
	status kind = own_mail_fill(&m, raw, &c->a);
	if (kind == ST_OK)
		kind = deliver_run(&m.d);
	own_mail_close(&m);
	TRY(kind);
	note(c, &m, raw.size);
	return sent(c, &m, raw.size);
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
