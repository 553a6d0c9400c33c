#include "connector/smtp/web_host.h"

#include "connector/smtp/client_route.h"
#include "task/task.h"

#define ADDRESSES_MOST 4 /* of a host, tried one after another */

static status walk(dns *d, const struct web_host_ask *w, arena *a, struct https_answer *got)
{
	struct route_dns ask = route_dns_of(d);
	struct route_hosts hosts = {0};
	status kind = ask.hosts(ask.arg, w->q->host, a, &hosts);

	if (kind == ST_OK && hosts.n == 0)
		kind = ST_ABSENT;
	for (int i = 0; i < hosts.n && i < ADDRESSES_MOST; i++) {
		w->q->at = hosts.at[i];
		w->q->at.port = w->port;
		kind = ST_FOREIGN;
		if (net_address_is_private(&w->q->at) &&
			!net_networks_have(w->private_networks, &w->q->at))
			continue;
		kind = w->how(w->q, a, got);
		if (kind != ST_CLOSED)
			break;
	}
	return kind;
}

status web_host_ask(dns *d, const struct web_host_ask *w, arena *a, struct https_answer *got)
{
	usec before = task_deadline_now(), until = clock_now() + w->patience;

	task_deadline(until < before ? until : before);
	status kind = walk(d, w, a, got);
	task_deadline(before);
	return kind;
}
