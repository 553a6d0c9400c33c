/* pennypost logon: failed logons, and whom they shut out. */
#include "program/cli_find.h"
#include "program/cli_run.h"

#include "provider/auth_failure.h"

static const char *const of_words[] = {[AUTH_OF_ADDRESS] = "address",
	[AUTH_OF_ACCOUNT] = "account",
	[AUTH_OF_PAIR] = "account there",
	[AUTH_OF_ALL] = "all"};

static const char *state_word(const struct auth_failure *f)
{
	if (!f->acts)
		return "counted";
	return f->of == AUTH_OF_ALL ? "strangers wait" : "shut out";
}

static json_t *or_none(slice s)
{
	return s.size ? json_slice(s) : json_null();
}

status cli_logon_list(struct cli *c)
{
	static const struct cli_column columns[] = {{"of", "OF"}, {"address", "ADDRESS"},
		{"account", "ACCOUNT"}, {"failures", "FAILURES", SHOW_NUMBER}, {"since", "SINCE"},
		{"last", "LAST"}, {"until", "UNTIL"}, {"state", "STATE"}, {NULL}};
	struct auth_failure *rows;
	unsigned most;
	int n;

	TRY(cli_most(c, 1000, &most));
	TRY(auth_failure_list(cli_has(c, "--shut-out"), most, &c->a, &rows, &n));
	json_t *list = json_array();
	for (int i = 0; i < n; i++)
		json_array_append_new(list,
			json_pack("{s:s,s:o,s:o,s:I,s:o,s:o,s:o,s:s}", "of", of_words[rows[i].of],
				"address", or_none(rows[i].address), "account",
				or_none(rows[i].account), "failures", (json_int_t)rows[i].failures,
				"since", json_time(rows[i].since), "last", json_time(rows[i].last),
				"until", json_time(rows[i].until), "state", state_word(&rows[i])));
	return cli_rows(c, list, columns,
		cli_has(c, "--shut-out") ? "Nobody is shut out" : "No logon failed lately");
}

status cli_logon_lift(struct cli *c)
{
	int64_t lifted = 0;

	if (cli_has(c, "WHO") == cli_has(c, "--all"))
		return cli_misused(c, "for example: pennypost logon lift 192.0.2.1",
			"name an address or an account, or --all for all of them");
	TRY(auth_failure_lift(cli_text(c, "WHO"), &c->by, &c->a, &lifted));
	c->negative = lifted == 0;
	return cli_did(c, json_pack("{s:I}", "lifted", (json_int_t)lifted),
		"%lld %s of failed logons %s forgotten", (long long)lifted,
		lifted == 1 ? "count" : "counts", lifted == 1 ? "is" : "are");
}
