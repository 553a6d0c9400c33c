/* pennypost mail send: a message of the operator's into mailboxes of this house. */
#include "program/cli_find.h"
#include "program/cli_run.h"

#include "base/id.h"
#include "base/log.h"
#include "base/random.h"
#include "mail/address.h"
#include "mail/compose.h"
#include "provider/address_map.h"
#include "provider/deliver.h"
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

static status compose_from(struct cli *c, slice *raw, slice *message_id)
{
	slice value;
	size_t recipients = how_many(c, "--to"), files = how_many(c, "--attach");
	header_mailbox *to = arena_new_array(&c->a, recipients, sizeof *to);
	compose_file *file = arena_new_array(&c->a, files ? files : 1, sizeof *file);
	for (int i = 0; cli_each(c, "--to", i, &value); i++)
		to[i].address = value;
	for (int i = 0; cli_each(c, "--attach", i, &value); i++)
		TRY(read_file(c, value, &file[i]));
	slice from = cli_text(c, "--from"), body = cli_text(c, "--body");
	if (slice_same(body, S("-")) && cli_read_all(c->in, &c->a, &body) != ST_OK)
		return cli_fail(c, ST_INVALID, "write at most 256 MB of text to it",
			"the text cannot be read");
	slice domain = slice_from(from, slice_find_last(from, '@') + 1);
	*message_id = header_message_id(id_new(), random_below(UINT64_MAX), domain, &c->a);
	const compose message = {.from = {.name = cli_text(c, "--from-name"), .address = from},
		.to = to,
		.to_count = recipients,
		.subject = cli_text(c, "--subject"),
		.text = body,
		.file = file,
		.file_count = files,
		.at = {.at = clock_wall()},
		.message_id = *message_id};
	if (compose_message(&message, &c->a, raw) == ST_OK)
		return ST_OK;
	return cli_fail(c, ST_INVALID,
		"write subject, names and text in UTF-8, the first two without control characters",
		"no message can be made of this");
}

/* Every recipient's mailbox once, or the first refusal. */
static status resolve(struct cli *c, size_t size, struct route *to, int *n)
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
				"%.*s does not take this message (%s)", SLICE_ARGS(written),
				status_name(kind));
		TRY(kind);
		bool known = false;
		for (int k = 0; k < *n; k++)
			known = known ||
				(to[k].postoffice == r.postoffice && to[k].mailbox == r.mailbox);
		if (!known)
			to[(*n)++] = r;
	}
	return ST_OK;
}

/* The same steps as of a message that came by SMTP. */
static void note(
	struct cli *c, int64_t id, size_t size, slice message_id, const struct route *to, int n)
{
	for (int i = 0; i < n; i++) {
		bool first = true;
		for (int k = 0; k < i; k++)
			first = first && to[k].postoffice != to[i].postoffice;
		if (first)
			trace_note(to[i].postoffice, id, TRACE_ACCEPTED,
				"service=cli from=%s size=%zu user=%s message_id=%s",
				log_quote(cli_text(c, "--from")), size, log_quote(c->by.who),
				log_quote(message_id));
	}
	for (int i = 0; i < n; i++)
		trace_note(to[i].postoffice, id, TRACE_DELIVERED, "mailbox=%s%s",
			log_quote(to[i].mailbox_name), to[i].caught ? " catch_all=yes" : "");
}

status cli_mail_send(struct cli *c)
{
	slice raw, message_id;
	int n;
	int64_t id;
	struct route *to = arena_new_array(&c->a, how_many(c, "--to"), sizeof *to);
	TRY(compose_from(c, &raw, &message_id));
	TRY(resolve(c, raw.size, to, &n));
	TRY(deliver_text(to, n, raw, &id));
	note(c, id, raw.size, message_id, to, n);
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
