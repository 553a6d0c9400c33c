/* pennypost session: who is logged on, on all nodes. */
#include "program/cli_find.h"
#include "program/cli_run.h"

#include "base/id.h"
#include "base/metric.h"
#include "provider/session.h"

status cli_session_list(struct cli *c)
{
	static const struct cli_column columns[] = {{"id", "ID"}, {"mailbox", "MAILBOX"},
		{"service", "SERVICE"}, {"address", "ADDRESS"}, {"since", "SINCE"},
		{"node", "NODE"}, {"process", "PROCESS"}, {NULL}};
	int64_t office, box;
	struct session_row *rows;
	unsigned most;
	int n;

	TRY(cli_find_scope(c, &office, &box));
	TRY(cli_most(c, 1000, &most));
	TRY(session_list(office, box, most, &c->a, &rows, &n));
	json_t *list = json_array();
	for (int i = 0; i < n; i++) {
		slice who = arena_format(&c->a, "%.*s@%.*s", SLICE_ARGS(rows[i].mailbox),
			SLICE_ARGS(rows[i].postoffice));

		json_array_append_new(
			list, json_pack("{s:o,s:o,s:s,s:o,s:o,s:o,s:o}", "id", json_id(rows[i].id),
				      "mailbox", json_slice(who), "service",
				      service_name(rows[i].service), "address",
				      json_slice(rows[i].address), "since",
				      json_time(rows[i].since), "node", json_slice(rows[i].node),
				      "process", json_slice(rows[i].process)));
	}
	return cli_rows(c, list, columns, "Nobody is logged on");
}

status cli_session_end(struct cli *c)
{
	int64_t id = 0, office, box, asked = 0;
	slice whose = S("*");
	mailbox *m;

	if (cli_has(c, "ID") + cli_has(c, "--mailbox") + cli_has(c, "--postoffice") != 1)
		return cli_misused(c, "`pennypost session list` shows them",
			"name one session, --mailbox or --postoffice");
	if (cli_has(c, "ID") && !id_parse(cli_text(c, "ID"), &id))
		return cli_fail(c, ST_INVALID, "`pennypost session list` shows them",
			"%.*s is no session", SLICE_ARGS(cli_text(c, "ID")));
	TRY(cli_find_scope(c, &office, &box));
	if (box != 0) {
		TRY(mailbox_by_id(office, box, &c->a, &m));
		whose = m->name;
	}
	TRY(session_end(id, office, box, whose, &c->by, &asked));
	c->negative = asked == 0;
	return cli_did(c, json_pack("{s:I}", "ended", (json_int_t)asked), "%lld %s being ended",
		(long long)asked, asked == 1 ? "session is" : "sessions are");
}
