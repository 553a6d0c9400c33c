/* pennypost tls-report: what other domains are told of TLS with their hosts (RFC 8460). */
#include "program/cli_find.h"
#include "program/cli_run.h"

#include "connector/smtp/smtp.h"
#include "connector/smtp/tls_reporter.h"
#include "mail/date.h"
#include "provider/tls_day.h"

static json_t *day_facts(struct cli *c, const struct tls_day *d)
{
	return json_pack("{s:o,s:o,s:I,s:I,s:o,s:o,s:o,s:o}", "day",
		json_slice(slice_until(date_stamp(d->day, &c->a), 10)), "domain",
		json_slice(d->domain), "successes", (json_int_t)d->successes, "failures",
		(json_int_t)d->failures, "state", json_slice(d->state), "told", json_slice(d->told),
		"trouble", json_slice(d->trouble), "tried", json_time(d->tried));
}

status cli_tls_report_list(struct cli *c)
{
	static const struct cli_column columns[] = {{"day", "DAY"}, {"domain", "DOMAIN"},
		{"successes", "GOOD", SHOW_NUMBER}, {"failures", "NOT", SHOW_NUMBER},
		{"state", "REPORT"}, {"told", "TOLD"}, {"trouble", "LAST FAILURE"}, {"tried", "AT"},
		{NULL}};
	struct tls_day *rows;
	unsigned most;
	int n;

	TRY(cli_most(c, 1000, &most));
	TRY(tls_day_list(cli_text(c, "--domain"), most, &c->a, &rows, &n));
	json_t *list = json_array();
	for (int i = 0; i < n; i++)
		json_array_append_new(list, day_facts(c, &rows[i]));
	return cli_rows(c, list, columns, "No session with another system was counted yet");
}

status cli_tls_report_show(struct cli *c)
{
	slice domain = cli_text(c, "DOMAIN"), json;
	status kind = tls_reporter_show(cli_number(c, "DAY", 0), domain, &c->a, &json);

	if (kind == ST_ABSENT)
		return cli_fail(c, kind, "`pennypost tls-report list` shows the days there are",
			"no session with %.*s was counted on that day", SLICE_ARGS(domain));
	TRY(kind);
	return c->json ? cli_did(c, json_loadb(json.at, json.size, 0, NULL), "%.*s",
				 SLICE_ARGS(json))
		       : cli_says(c, json);
}

status cli_tls_report_send(struct cli *c)
{
	struct tls_reporter_done done;
	status kind = tls_reporter_once(true, &done);

	smtp_close();
	if (kind == ST_LIMITED)
		return cli_fail(c, ST_BUSY, "try again in a moment",
			"an outbound worker is sending reports");
	TRY(kind);
	c->negative = done.failed > 0;
	return cli_did(c,
		json_pack("{s:i,s:i,s:i}", "sent", done.sent, "unwanted", done.unwanted, "failed",
			done.failed),
		"%d reports are on their way, %d nobody wanted, %d could not be sent", done.sent,
		done.unwanted, done.failed);
}
