/* What supervisors and balancers ask: is the process alive, may it be given work, and its
   figures. */
#include "base/memory.h"
#include "base/metric.h"
#include "provider/provider.h"
#include "provider/setting.h"
#include "service/web/route.h"
#include "task/task.h"

#include <jansson.h>
#include <microhttpd.h>
#include <stdlib.h>

#define READY_WITHIN (3 * USEC_S)

static void put_json(struct web_answer *out, unsigned code, json_t *value)
{
	char *words = value ? json_dumps(value, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
	if (!words)
		memory_short(0); /* for want of nothing else */
	out->code = code;
	out->type = "application/json";
	text_add_z(&out->body, words);
	text_add_char(&out->body, '\n');
	free(words);
	json_decref(value);
}

void web_say_error(struct web_answer *out, unsigned code, const char *error, const char *remedy)
{
	put_json(out, code, json_pack("{s:s, s:s}", "error", error, "remedy", remedy));
}

/* The process answers: nothing is asked of anybody else. */
static void healthz(const struct web_request *q, struct web_answer *out)
{
	(void)q;
	put_json(out, MHD_HTTP_OK, json_pack("{s:s}", "status", "ok"));
}

/* Work is welcome: the database answers now, is durable, and tenants are kept apart. */
static void readyz(const struct web_request *q, struct web_answer *out)
{
	(void)q;
	const char *why = "";
	usec before = task_deadline(clock_now() + READY_WITHIN);
	bool durable = provider_healthy(&why);
	status database = provider_ping();
	status isolation = database == ST_OK ? provider_isolation_probe() : ST_BUSY;
	task_deadline(before);
	bool ready = durable && database == ST_OK && isolation == ST_OK;
	put_json(out, ready ? MHD_HTTP_OK : MHD_HTTP_SERVICE_UNAVAILABLE,
		json_pack("{s:s, s:s, s:s, s:s}", "status", ready ? "ready" : "not ready",
			"database", status_name(database), "isolation", status_name(isolation),
			"durable", durable ? "yes" : why));
}

static bool may_read_metrics(const net_address *peer)
{
	slice all = setting_text(S_metrics_networks, NULL), one;
	net_network network;
	while (slice_take(&all, ' ', &one))
		if (net_network_parse(one, &network) == ST_OK && net_network_has(&network, peer))
			return true;
	return false;
}

static void metrics(const struct web_request *q, struct web_answer *out)
{
	if (!may_read_metrics(&q->peer)) {
		web_say_error(out, MHD_HTTP_FORBIDDEN, "metrics are not open to your network",
			"add the network to the setting metrics_networks");
		return;
	}
	out->code = MHD_HTTP_OK;
	out->type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
	metric_print(&out->body, setting_on(S_metrics_by_postoffice, NULL));
	text_add_z(&out->body, "# EOF\n");
}

const struct route_row web_routes[] = {
	{"/healthz", healthz, "The process is alive"},
	{"/readyz", readyz, "Work is welcome: database, durability, isolation"},
	{"/metrics", metrics, "Figures in OpenMetrics text"},
};
const int web_route_count = sizeof web_routes / sizeof *web_routes;
