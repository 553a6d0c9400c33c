/* pennypost ban: addresses that are turned away for a while. */
#include "program/cli_find.h"
#include "program/cli_run.h"

#include "net/ban.h"
#include "provider/ban_list.h"

status cli_ban_list(struct cli *c)
{
	static const struct cli_column columns[] = {{"address", "ADDRESS"}, {"until", "UNTIL"}, {"made", "SINCE"},
		{"who", "BY"}, {"why", "WHY"}, {NULL}};
	struct ban_row *rows;
	unsigned most;
	int n;

	TRY(cli_most(c, 1000, &most));
	TRY(ban_list(most, &c->a, &rows, &n));
	json_t *list = json_array();
	for (int i = 0; i < n; i++)
		json_array_append_new(list,
			json_pack("{s:o,s:o,s:o,s:o,s:o}", "address", json_slice(rows[i].address), "until",
				json_time(rows[i].until), "made", json_time(rows[i].made), "who", json_slice(rows[i].who),
				"why", json_slice(rows[i].why)));
	return cli_rows(c, list, columns, "Nobody is turned away");
}

/* As it is kept. */
static status address_of(struct cli *c, slice *out)
{
	slice written = cli_text(c, "ADDRESS");
	net_address at;

	if (net_address_parse(written, &at) != ST_OK)
		return cli_fail(c, ST_INVALID, "write it as 192.0.2.1 or 2001:db8::1; the setting smtp_access_denied takes networks",
			"\"%.*s\" is no address", SLICE_ARGS(written));
	at = ban_address(&at);
	*out = net_address_text(&at, &c->a);
	return ST_OK;
}

status cli_ban_add(struct cli *c)
{
	slice address = S(""), why = cli_text(c, "--why");

	TRY(address_of(c, &address));
	TRY(ban_list_add(address, cli_number(c, "--for", 86400 * USEC_S), why, &c->by));
	return cli_did(c, json_pack("{s:o}", "banned", json_slice(address)), "%.*s is turned away", SLICE_ARGS(address));
}

status cli_ban_lift(struct cli *c)
{
	slice address = S("");
	int64_t lifted = 0;

	if (cli_has(c, "ADDRESS") == cli_has(c, "--all"))
		return cli_misused(c, "for example: pennypost ban lift 192.0.2.1", "name an address, or --all for all of them");
	if (cli_has(c, "ADDRESS"))
		TRY(address_of(c, &address));
	TRY(ban_list_lift(address, &c->by, &lifted));
	c->negative = lifted == 0;
	return cli_did(c, json_pack("{s:I}", "lifted", (json_int_t)lifted), "%lld bans are lifted", (long long)lifted);
}
