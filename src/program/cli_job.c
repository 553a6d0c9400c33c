/* pennypost job: how far mail for everybody is, and how it is stopped. */
#include "program/cli_find.h"
#include "program/cli_run.h"

#include "base/id.h"
#include "provider/job.h"
#include "task/task.h"

#define LOOK_EVERY (200 * USEC_MS)

static const char *state_of(const struct job_row *j)
{
	if (j->ended)
		return j->cancelled ? "cancelled" : "done";
	return j->started ? "running" : "waiting";
}

static slice mailbox_of(struct cli *c, const struct job_row *j, slice name)
{
	return arena_format(&c->a, "%.*s@%.*s", SLICE_ARGS(name.size ? name : S("?")),
		SLICE_ARGS(j->postoffice_name));
}

/* Mailboxes in a minute, as it has gone so far. */
static int64_t per_minute(const struct job_row *j)
{
	return j->took > 0 ? (int64_t)((double)job_done(j) * 60e6 / (double)j->took) : 0;
}

/* Seconds, if it goes on like that. */
static json_t *left_of(const struct job_row *j)
{
	int64_t behind = job_done(j);

	if (j->ended || behind == 0)
		return json_null();
	return json_integer(
		(json_int_t)((double)j->took * (double)(j->total - behind) / (double)behind / 1e6));
}

static json_t *facts_of(struct cli *c, const struct job_row *j)
{
	json_t *f = json_pack("{s:o,s:o,s:s,s:o,s:o,s:I}", "id", json_id(j->id), "postoffice",
		json_slice(j->postoffice_name), "state", state_of(j), "subject",
		json_slice(j->subject), "who", json_slice(j->who), "size", (json_int_t)j->size);
	const struct {
		const char *key;
		int64_t n;
	} counts[] = {{"total", j->total}, {"done", job_done(j)}, {"delivered", j->delivered},
		{"missed", job_done(j) - j->delivered}, {"full", j->full},
		{"disabled", j->disabled}, {"failed", j->failed}, {"gone", job_gone(j)},
		{"per_minute", per_minute(j)}};

	json_object_set_new(f, "for",
		json_slice(j->mailbox ? mailbox_of(c, j, j->mailbox_name) : S("everybody")));
	for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
		json_object_set_new(f, counts[i].key, json_integer((json_int_t)counts[i].n));
	json_object_set_new(f, "left", left_of(j));
	json_object_set_new(f, "made", json_time(j->made));
	json_object_set_new(f, "started", json_time(j->started));
	json_object_set_new(f, "ended", json_time(j->ended));
	return f;
}

status cli_job_list(struct cli *c)
{
	static const struct cli_column columns[] = {{"id", "ID"}, {"postoffice", "POST OFFICE"},
		{"for", "FOR"}, {"state", "STATE"}, {"done", "DONE", SHOW_NUMBER},
		{"total", "OF", SHOW_NUMBER}, {"missed", "MISSED", SHOW_NUMBER},
		{"per_minute", "PER MIN", SHOW_NUMBER}, {"left", "SECONDS LEFT", SHOW_NUMBER},
		{"made", "SINCE"}, {"subject", "SUBJECT"}, {NULL}};
	int64_t postoffice_id;
	struct job_row *rows;
	unsigned most;
	int n;

	TRY(cli_find_scope(c, &postoffice_id, NULL));
	TRY(cli_most(c, 100, &most));
	TRY(job_list(postoffice_id, most, &c->a, &rows, &n));
	json_t *list = json_array();
	for (int i = 0; i < n; i++)
		json_array_append_new(list, facts_of(c, &rows[i]));
	return cli_rows(c, list, columns, "There are no jobs");
}

static status absent(struct cli *c, const char *what)
{
	return cli_fail(c, ST_ABSENT, "`pennypost job list` shows those there are", "%s \"%.*s\"",
		what, SLICE_ARGS(cli_text(c, "ID")));
}

static status find(struct cli *c, struct job_row *out)
{
	int64_t postoffice_id, id;

	TRY(cli_find_scope(c, &postoffice_id, NULL));
	if (!id_parse(cli_text(c, "ID"), &id))
		return cli_fail(c, ST_INVALID,
			"give the 13 characters that `pennypost job list` shows",
			"\"%.*s\" is no id", SLICE_ARGS(cli_text(c, "ID")));
	status kind = job_find(postoffice_id, id, &c->a, out);
	return kind == ST_ABSENT ? absent(c, "there is no job") : kind;
}

static status missed_of(struct cli *c, const struct job_row *j, json_t *list)
{
	struct job_mailbox *rows;
	unsigned most;
	int n;

	TRY(cli_most(c, 100, &most));
	TRY(job_missed(j->postoffice, j->id, most, &c->a, &rows, &n));
	for (int i = 0; i < n; i++)
		json_array_append_new(list, json_pack("{s:o,s:s}", "mailbox",
						    json_slice(mailbox_of(c, j, rows[i].name)),
						    "why", job_outcome_name(rows[i].outcome)));
	return ST_OK;
}

status cli_job_show(struct cli *c)
{
	static const struct cli_column columns[] = {{"id", "id"}, {"postoffice", "post office"},
		{"for", "for"}, {"state", "state"}, {"subject", "subject"},
		{"size", "size", SHOW_SIZE}, {"who", "made by"}, {"total", "mailboxes"},
		{"done", "done"}, {"delivered", "delivered"}, {"full", "full"},
		{"disabled", "disabled"}, {"failed", "failed"}, {"gone", "gone meanwhile"},
		{"per_minute", "per minute"}, {"left", "seconds left"}, {"made", "made"},
		{"started", "started"}, {"ended", "ended"}, {NULL}};
	static const struct cli_column below[] = {{"mailbox", "MAILBOX"}, {"why", "WHY"}, {NULL}};
	struct job_row j = {0};
	json_t *missed;

	TRY(find(c, &j));
	while (cli_has(c, "--wait") && !j.ended) {
		TRY(task_sleep(LOOK_EVERY));
		TRY(find(c, &j));
	}
	missed = json_array();
	status kind = missed_of(c, &j, missed);
	if (kind == ST_OK) {
		json_t *facts = facts_of(c, &j);

		json_object_set(facts, "mailboxes", missed);
		cli_facts(c, facts, columns);
		cli_below(c, "Mailboxes that did not get it", missed, below);
	}
	json_decref(missed);
	return kind;
}

status cli_job_cancel(struct cli *c)
{
	struct job_row j = {0};

	TRY(find(c, &j));
	status kind = job_cancel(j.postoffice, j.id, &c->by);
	if (kind == ST_ABSENT)
		return absent(c, "it has ended already: job");
	TRY(kind);
	TRY(find(c, &j));
	return cli_did(c, facts_of(c, &j),
		"The job is cancelled; %lld of %lld mailboxes have its message",
		(long long)j.delivered, (long long)j.total);
}
