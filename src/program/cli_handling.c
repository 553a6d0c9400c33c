/* pennypost mailbox forward, mailbox autoreply, srs: what becomes of a mailbox's mail beside its
   delivery. */
#include "program/cli_find.h"
#include "program/cli_run.h"
#include "provider/answer.h"
#include "provider/redirection.h"
#include "provider/srs_key.h"

static slice full_name(struct cli *c, const mailbox *m)
{
	return arena_format(
		&c->a, "%.*s@%.*s", SLICE_ARGS(m->name), SLICE_ARGS(m->postoffice_name));
}

/* ---- forward */

static json_t *redirection_facts(struct cli *c, const mailbox *m, const redirection *r)
{
	json_t *targets = json_array();

	for (int i = 0; i < r->n; i++)
		json_array_append_new(targets, json_slice(r->targets[i]));
	return json_pack("{s:o,s:b,s:b,s:o}", "mailbox", json_slice(full_name(c, m)), "forwards",
		r->n > 0, "keeps_copy", r->n == 0 || r->keep, "to", targets);
}

static status forward_show(struct cli *c, const mailbox *m)
{
	static const struct cli_column columns[] = {{"mailbox", "mailbox"},
		{"forwards", "forwards"}, {"keeps_copy", "keeps a copy"}, {"to", "to"}, {NULL}};
	redirection r = {0};
	status kind = redirection_of(m->postoffice, m->id, &c->a, &r);

	if (kind != ST_OK && kind != ST_ABSENT)
		return kind;
	return cli_facts(c, redirection_facts(c, m, &r), columns);
}

static status forward_off(struct cli *c, const mailbox *m)
{
	status kind = redirection_remove(m->postoffice, m->id, &c->by);

	if (kind != ST_OK && kind != ST_ABSENT)
		return kind;
	return cli_did(c, redirection_facts(c, m, &(redirection){0}),
		"Mail of %.*s stays in the mailbox", SLICE_ARGS(full_name(c, m)));
}

/* Addresses of its own post office that take no mail, as words behind a sentence and in `facts`. */
static status forward_warning(
	struct cli *c, const mailbox *m, const redirection *r, json_t *facts, slice *words)
{
	json_t *all = json_array();

	*words = S("");
	json_object_set_new(facts, "takes_no_mail", all);
	for (int i = 0; i < r->n; i++) {
		bool dead;

		TRY(cli_takes_no_mail(c, r->targets[i], m->postoffice, &dead));
		if (!dead)
			continue;
		json_array_append_new(all, json_slice(r->targets[i]));
		*words = arena_format(&c->a, "%.*s%s%.*s", SLICE_ARGS(*words),
			words->size ? ", " : ". Beware: no mail is taken for ",
			SLICE_ARGS(r->targets[i]));
	}
	return ST_OK;
}

status cli_mailbox_forward(struct cli *c)
{
	mailbox *m;
	slice value, why = S("");
	int n = 0;

	TRY(cli_find_mailbox(c, cli_text(c, "MAILBOX"), &m));
	while (cli_each(c, "ADDRESS", n, &value))
		n++;
	if (cli_has(c, "--off") && (n > 0 || cli_has(c, "--keep-copy")))
		return cli_misused(c, "give --off alone, or the addresses",
			"--off and addresses exclude each other");
	if (cli_has(c, "--off"))
		return forward_off(c, m);
	if (n == 0 && cli_has(c, "--keep-copy"))
		return cli_misused(
			c, "give the addresses too", "--keep-copy says nothing without addresses");
	if (n == 0)
		return forward_show(c, m);
	slice *written = arena_new_array(&c->a, (size_t)n, sizeof *written);
	for (int i = 0; i < n; i++) {
		cli_each(c, "ADDRESS", i, &written[i]);
		TRY(cli_is_address(c, written[i]));
	}
	bool keep = cli_has(c, "--keep-copy");
	status kind = redirection_set(m->postoffice, m->id, written, n, keep, &c->by, &c->a, &why);
	if (kind == ST_INVALID || kind == ST_LIMITED)
		return cli_fail(c, kind, "give addresses of others, or --off",
			"mail cannot be forwarded so: %.*s", SLICE_ARGS(why));
	TRY(kind);
	redirection set;
	TRY(redirection_of(m->postoffice, m->id, &c->a, &set));
	json_t *facts = redirection_facts(c, m, &set);
	slice warning;
	TRY(forward_warning(c, m, &set, facts, &warning));
	return cli_did(c, facts, "Mail of %.*s goes on to %d address%s%s%.*s",
		SLICE_ARGS(full_name(c, m)), set.n, set.n == 1 ? "" : "es",
		keep ? ", and a copy stays" : "", SLICE_ARGS(warning));
}

/* ---- autoreply */

static json_t *answer_facts(struct cli *c, const mailbox *m, const answer *w)
{
	bool on = w->text.size > 0;

	return json_pack("{s:o,s:b,s:o,s:o,s:o,s:o,s:o}", "mailbox", json_slice(full_name(c, m)),
		"answers", on, "subject", json_slice(w->subject), "text", json_slice(w->text),
		"reply_to", w->reply_to.size ? json_slice(w->reply_to) : json_null(), "from",
		json_time(w->starts), "until",
		on && w->ends != USEC_NEVER ? json_time(w->ends) : json_null());
}

static status autoreply_show(struct cli *c, const mailbox *m)
{
	static const struct cli_column columns[] = {{"mailbox", "mailbox"}, {"answers", "answers"},
		{"subject", "subject"}, {"reply_to", "reply to"}, {"from", "from"},
		{"until", "until"}, {"text", "text"}, {NULL}};
	answer w = {0};
	status kind = answer_of(m->postoffice, m->id, &c->a, &w);

	if (kind != ST_OK && kind != ST_ABSENT)
		return kind;
	return cli_facts(c, answer_facts(c, m, &w), columns);
}

static status autoreply_off(struct cli *c, const mailbox *m)
{
	status kind = answer_remove(m->postoffice, m->id, &c->by);

	if (kind != ST_OK && kind != ST_ABSENT)
		return kind;
	return cli_did(c, answer_facts(c, m, &(answer){0}), "%.*s answers no more by itself",
		SLICE_ARGS(full_name(c, m)));
}

static bool changes_something(const struct cli *c)
{
	static const char *const options[] = {"--subject", "--reply-to", "--from", "--until", NULL};

	for (int i = 0; options[i]; i++)
		if (cli_has(c, options[i]))
			return true;
	return false;
}

status cli_mailbox_autoreply(struct cli *c)
{
	mailbox *m;
	slice text = cli_text(c, "--text"), why = S("");

	TRY(cli_find_mailbox(c, cli_text(c, "MAILBOX"), &m));
	if (cli_has(c, "--off") && (cli_has(c, "--text") || changes_something(c)))
		return cli_misused(c, "give --off alone, or the answer",
			"--off and an answer exclude each other");
	if (cli_has(c, "--off"))
		return autoreply_off(c, m);
	if (!cli_has(c, "--text") && changes_something(c))
		return cli_misused(c, "give --text too", "an answer has a text");
	if (!cli_has(c, "--text"))
		return autoreply_show(c, m);
	if (slice_same(text, S("-")) && cli_read_all(c->in, &c->a, &text) != ST_OK)
		return cli_fail(c, ST_INVALID, "write at most 64 KB of text to it",
			"the text cannot be read");
	const answer w = {.subject = cli_text(c, "--subject"),
		.text = text,
		.reply_to = cli_text(c, "--reply-to"),
		.starts = cli_number(c, "--from", 0),
		.ends = cli_number(c, "--until", USEC_NEVER)};
	status kind = answer_set(m->postoffice, m->id, &w, &c->by, &c->a, &why);
	if (kind == ST_INVALID || kind == ST_DENIED)
		return cli_fail(c, kind,
			"`pennypost help mailbox autoreply` tells what an answer is made of",
			"%.*s cannot answer so: %.*s", SLICE_ARGS(full_name(c, m)),
			SLICE_ARGS(why));
	TRY(kind);
	return cli_did(c, answer_facts(c, m, &w), "%.*s answers by itself%s",
		SLICE_ARGS(full_name(c, m)),
		w.ends <= clock_wall()             ? "; but the time it may is over"
		: w.starts || w.ends != USEC_NEVER ? ", in its time"
						   : "");
}

/* ---- secrets of rewritten senders */

status cli_srs_list(struct cli *c)
{
	static const struct cli_column columns[] = {
		{"id", "SECRET"}, {"made", "MADE"}, {"replaced", "REPLACED"}, {NULL}};
	json_t *rows = json_array();
	srs_key *keys;
	int n;

	status kind = srs_key_list(&c->a, &keys, &n);
	for (int i = 0; kind == ST_OK && i < n; i++)
		json_array_append_new(rows,
			json_pack("{s:o,s:o,s:o}", "id", json_id(keys[i].id), "made",
				json_time(keys[i].made), "replaced", json_time(keys[i].replaced)));
	if (kind == ST_OK)
		return cli_rows(
			c, rows, columns, "There is no secret; make one by `pennypost srs rotate`");
	json_decref(rows);
	return kind;
}

status cli_srs_rotate(struct cli *c)
{
	srs_key *keys;
	int n;

	TRY(srs_key_rotate(&c->by));
	TRY(srs_key_list(&c->a, &keys, &n));
	return cli_did(c,
		json_pack(
			"{s:o,s:i}", "id", n ? json_id(keys[0].id) : json_null(), "recognised", n),
		"A new secret signs; %d are recognised", n);
}
