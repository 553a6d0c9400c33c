/* pennypost ban: addresses that are turned away for a while. */
#include "program/cli_find.h"
#include "program/cli_run.h"

#include "net/ban.h"
#include "provider/ban_list.h"
#include "provider/setting.h"

status cli_ban_list(struct cli *c)
{
	static const struct cli_column columns[] = {{"address", "ADDRESS"}, {"until", "UNTIL"},
		{"made", "SINCE"}, {"who", "BY"}, {"why", "WHY"}, {NULL}};
	struct ban_row *rows;
	unsigned most;
	int n;

	TRY(cli_most(c, 1000, &most));
	TRY(ban_list(most, &c->a, &rows, &n));
	json_t *list = json_array();
	for (int i = 0; i < n; i++)
		json_array_append_new(list,
			json_pack("{s:o,s:o,s:o,s:o,s:o}", "address", json_slice(rows[i].address),
				"until", json_time(rows[i].until), "made", json_time(rows[i].made),
				"who", json_slice(rows[i].who), "why", json_slice(rows[i].why)));
	return cli_rows(c, list, columns, "Nobody is turned away");
}

/* As it is kept. */
static status address_of(struct cli *c, net_address *at, slice *out)
{
	slice written = cli_text(c, "ADDRESS");

	if (net_address_parse(written, at) != ST_OK)
		return cli_fail(c, ST_INVALID,
			"write it as 192.0.2.1 or 2001:db8::1; the setting smtp_access_denied takes networks",
			"\"%.*s\" is no address", SLICE_ARGS(written));
	*at = ban_address(at);
	*out = net_address_text(at, &c->a);
	return ST_OK;
}

status cli_ban_add(struct cli *c)
{
	slice address = S(""), why = cli_text(c, "--why");
	net_address at;

	TRY(address_of(c, &at, &address));
	TRY(ban_list_add(address, cli_number(c, "--for", 86400 * USEC_S), why, &c->by));
	bool exempt = net_networks_have(setting_text(S_smtp_ban_exempt, NULL), &at);
	return cli_did(c, json_pack("{s:o,s:b}", "banned", json_slice(address), "exempt", exempt),
		"%.*s is turned away%s", SLICE_ARGS(address),
		exempt ? " once smtp_ban_exempt does not hold it any more; now it does" : "");
}

status cli_ban_lift(struct cli *c)
{
	slice address = S("");
	int64_t lifted = 0;
	net_address at;

	if (cli_has(c, "ADDRESS") == cli_has(c, "--all"))
		return cli_misused(c, "for example: pennypost ban lift 192.0.2.1",
			"name an address, or --all for all of them");
	if (cli_has(c, "ADDRESS"))
		TRY(address_of(c, &at, &address));
	TRY(ban_list_lift(address, &c->by, &lifted));
	c->negative = lifted == 0;
	return cli_did(c, json_pack("{s:I}", "lifted", (json_int_t)lifted), "%lld %s lifted",
		(long long)lifted, lifted == 1 ? "ban is" : "bans are");
}
