/* Routes are few: all of them stand in memory, read again when the revision of routing rose. */
#include "provider/route.h"

#include "base/log.h"
#include "base/text.h"
#include "mail/address.h"
#include "provider/auth_secret.h"
#include "provider/change.h"
#include "provider/provider.h"
#include "provider/setting.h"

#include <pthread.h>

#define PATTERN_MOST 255
#define PORT 25
#define PORT_TLS_FIRST 465 /* RFC 8314 7.3 */

/* ---- reading what an operator writes */

static status no(slice *why, const char *sentence)
{
	*why = slice_z(sentence);
	return ST_INVALID;
}

/* A mask is a domain whose first label is "*", or "*" alone. */
static status pattern_parse(slice written, arena *a, slice *out, slice *why)
{
	slice shown, domain;
	bool mask = slice_starts(written, S("*."));

	written = slice_trim(written);
	if (slice_same(written, S("*"))) {
		*out = S("*");
		return ST_OK;
	}
	if (!mask && written.size && written.at[0] == '[') {
		bool literal;
		return mail_host_parse(written, a, out, &literal) == ST_OK && literal
			       ? ST_OK
			       : no(why, "the pattern is no address literal");
	}
	if (written.size > PATTERN_MOST ||
		mail_domain_parse(mask ? slice_from(written, 2) : written, a, &domain, &shown) !=
			ST_OK)
		return no(why, "a pattern is a domain, a mask like *.example.org, or *");
	*out = mask ? arena_format(a, "*.%.*s", SLICE_ARGS(domain)) : domain;
	return ST_OK;
}

static status host_parse(slice written, arena *a, slice *out)
{
	slice host = written;
	bool literal;

	if (written.size > 2 && written.at[0] == '[' && slice_find(written, ':') < written.size &&
		!slice_starts_nocase(written, S("[ipv6:")))
		host = arena_format(a, "[IPv6:%.*s", SLICE_ARGS(slice_from(written, 1)));
	return mail_host_parse(host, a, out, &literal);
}

static uint16_t usual_port(const struct mail_route *r)
{
	return r->tls_first ? PORT_TLS_FIRST : PORT;
}

/* "host", "host:port", "[literal]:port". */
static status one_host(slice written, uint64_t port, arena *a, struct route_host *out, slice *why)
{
	slice host = written;
	size_t end = written.size && written.at[0] == '[' ? slice_find(written, ']') + 1
							  : slice_find(written, ':');

	if (end < written.size) {
		host = slice_until(written, end);
		if (written.at[end] != ':' || !slice_number(slice_from(written, end + 1), &port) ||
			port == 0 || port > UINT16_MAX)
			return no(why, "behind the host stands : and a port from 1 to 65535");
	}
	if (host_parse(host, a, &out->host) != ST_OK)
		return no(why, "the host is no name and no address in brackets");
	out->port = (uint16_t)port;
	return ST_OK;
}

static slice hosts_text(const struct mail_route *r, arena *a)
{
	text t = TEXT_INIT;

	text_add_z(&t, r->tls_first ? "smtps:" : "smtp:");
	for (int i = 0; i < r->n; i++) {
		text_format(&t, "%s%.*s", i ? "," : "", SLICE_ARGS(r->hosts[i].host));
		if (r->hosts[i].port != usual_port(r))
			text_format(&t, ":%u", (unsigned)r->hosts[i].port);
	}
	slice written = arena_copy(a, text_slice(&t));
	text_free(&t);
	return written;
}

/* "smtp:" or "smtps:" at its beginning, which goes. */
static bool take_transport(slice *written, struct mail_route *r)
{
	r->tls_first = slice_starts_nocase(*written, S("smtps:"));
	if (!r->tls_first && !slice_starts_nocase(*written, S("smtp:")))
		return false;
	*written = slice_from(*written, slice_find(*written, ':') + 1);
	return true;
}

/* Hosts with commas between them behind the transport. */
static status target_parse(slice written, arena *a, struct mail_route *r, slice *why)
{
	slice one;

	written = slice_trim(written);
	if (slice_same_nocase(written, S("mx"))) {
		r->target = S("mx");
		return ST_OK;
	}
	if (!take_transport(&written, r))
		return no(why,
			"a target is mx, smtp:HOST, smtp:HOST:PORT, or smtps: where TLS comes first; an address stands in brackets");
	slice rest = written;
	r->hosts = arena_new_array(a, ROUTE_TARGETS_MOST, sizeof *r->hosts);
	do {
		if (r->n == ROUTE_TARGETS_MOST)
			return no(why, "a route has at most 10 hosts");
		if (!slice_take(&rest, ',', &one))
			one = S("");
		TRY(one_host(slice_trim(one), usual_port(r), a, &r->hosts[r->n], why));
		r->n++;
	} while (rest.at);
	r->target = hosts_text(r, a);
	return ST_OK;
}

status route_parse(slice pattern, slice target, arena *a, struct mail_route *out, slice *why)
{
	*out = (struct mail_route){.apart = -1};
	TRY(pattern_parse(pattern, a, &out->pattern, why));
	return target_parse(target, a, out, why);
}

/* ---- changing */

/* What is said beside the hosts: the same rules as for the settings it stands for. */
static status options_check(
	const struct mail_route *written, arena *a, struct mail_route *r, slice *why)
{
	slice all = S("off may must verify dane"), one;

	r->at_once = written->at_once;
	r->apart = written->apart;
	r->lifetime = written->lifetime;
	r->tries = written->tries;
	r->tls = written->tls;
	r->retry = S("");
	if (r->at_once > 1000 || r->apart > 3600 * USEC_S || r->lifetime < 0 ||
		r->lifetime > 90 * 86400 * USEC_S || r->tries > 10000)
		return no(why,
			"at most 1000 at once, an hour apart, 10000 attempts, and 90 days in all");
	if (written->retry.size)
		TRY(setting_check(S_queue_retry, written->retry, a, &r->retry, why));
	if (r->tls_first && slice_same(r->tls, S("off")))
		return no(why, "smtps is TLS from the beginning, which cannot be off");
	while (r->tls.size && slice_take(&all, ' ', &one))
		if (slice_same(one, r->tls))
			return ST_OK;
	return r->tls.size ? no(why, "TLS is off, may, must, verify or dane") : ST_OK;
}

status route_put(const struct mail_route *written, const struct audit_by *by, arena *a, slice *why)
{
	slice user = written->user, password = written->password, secret = {0};
	struct mail_route r;

	TRY(route_parse(written->pattern, written->target, a, &r, why));
	TRY(options_check(written, a, &r, why));
	if (user.size && r.n == 0)
		return no(why, "a name to log on with needs a host, not mx");
	if ((user.size == 0) != (password.size == 0))
		return no(why, "a logon needs a name and a password");
	if (password.size) {
		status kept = auth_secret_keep(0, password, a, &secret);
		if (kept == ST_ABSENT)
			return no(why,
				"there is no secret file to encrypt the password with; `pennypost schema secret` makes it");
		TRY(kept);
	}
	db_tx *tx = db_begin(DB_SYSTEM, a);
	db_add(tx, SQL_ROUTE_SET,
		(struct param[]){p_text(r.pattern), p_text(r.target), p_text(user), p_bytes(secret),
			p_text(r.tls), p_int(r.at_once), p_int(r.apart), p_text(r.retry),
			p_int(r.lifetime), p_int(r.tries)},
		10, NULL);
	change_audit(tx, 0, by, "route.set", r.pattern,
		change_detail(a, (struct change_fact[]){{"target", r.target}, {"tls", r.tls}}, 2));
	change_rise(tx, REVISION_ROUTING);
	TRY(db_commit(&tx, NULL));
	change_tell(REVISION_ROUTING);
	return ST_OK;
}

status route_remove(slice pattern, const struct audit_by *by)
{
	arena a = ARENA_INIT;
	slice normal, why;
	status kind = ST_ABSENT;

	if (pattern_parse(pattern, &a, &normal, &why) == ST_OK) {
		struct rows r;
		db_tx *tx = db_begin(DB_SYSTEM, &a);

		db_add(tx, SQL_ROUTE_REMOVE, (struct param[]){p_text(normal)}, 1, &r);
		kind = db_flush(tx);
		if (kind == ST_OK && r.changed > 0) {
			change_audit(tx, 0, by, "route.remove", normal, S(""));
			change_rise(tx, REVISION_ROUTING);
			kind = db_commit(&tx, NULL);
		} else {
			db_rollback(&tx);
			kind = kind == ST_OK ? ST_ABSENT : kind;
		}
		if (kind == ST_OK)
			change_tell(REVISION_ROUTING);
	}
	arena_release(&a);
	return kind;
}

/* ---- reading */

static status load(arena *a, bool passwords, struct mail_route **out, int *n)
{
	struct rows r;

	TRY(db_run(SQL_ROUTE_LIST, NULL, 0, a, &r));
	*n = 0;
	*out = arena_new_array(a, (size_t)r.count, sizeof **out);
	for (int i = 0; i < r.count; i++) {
		struct mail_route *row = &(*out)[*n];
		slice why, secret = row_slice(&r, i, 3);

		if (route_parse(row_slice(&r, i, 0), row_slice(&r, i, 1), a, row, &why) != ST_OK)
			continue;
		row->user = row_slice(&r, i, 2);
		row->made = row_time(&r, i, 4);
		row->tls = row_slice(&r, i, 5);
		row->at_once = (unsigned)row_int(&r, i, 6);
		row->apart = row_int(&r, i, 7);
		row->retry = row_slice(&r, i, 8);
		row->lifetime = row_int(&r, i, 9);
		row->tries = (unsigned)row_int(&r, i, 10);
		/* Without it the host refuses the logon and says so, which tells more than
		   nothing. */
		if (passwords && secret.size)
			auth_secret_recover(0, secret, a, &row->password);
		++*n;
	}
	return ST_OK;
}

status route_list(arena *a, struct mail_route **rows, int *n)
{
	return load(a, false, rows, n);
}

static struct {
	pthread_mutex_t lock; /* never held across a wait */
	arena memory;
	struct mail_route *rows;
	int n;
	bool loaded;
	uint64_t revision;
} kept = {.lock = PTHREAD_MUTEX_INITIALIZER};

static bool fits(slice pattern, slice domain)
{
	if (pattern.at[0] != '*')
		return slice_same(pattern, domain);
	slice tail = slice_from(pattern, 1);
	return domain.size >= tail.size &&
	       slice_same(slice_from(domain, domain.size - tail.size), tail);
}

/* With the lock held: an exact one, else the longest mask. */
static const struct mail_route *best(slice domain)
{
	const struct mail_route *found = NULL;

	for (int i = 0; i < kept.n; i++) {
		const struct mail_route *r = &kept.rows[i];

		if (!fits(r->pattern, domain))
			continue;
		if (r->pattern.at[0] != '*')
			return r;
		if (!found || r->pattern.size > found->pattern.size)
			found = r;
	}
	return found;
}

static struct route_host *hosts_copy(const struct mail_route *r, arena *a)
{
	struct route_host *hosts = arena_new_array(a, (size_t)r->n, sizeof *hosts);

	for (int i = 0; i < r->n; i++)
		hosts[i] = (struct route_host){arena_copy(a, r->hosts[i].host), r->hosts[i].port};
	return hosts;
}

static bool kept_find(slice domain, arena *a, struct mail_route *out, status *kind)
{
	pthread_mutex_lock(&kept.lock);
	bool fresh = kept.loaded && kept.revision == provider_routing_revision();
	const struct mail_route *r = fresh ? best(domain) : NULL;
	*kind = r ? ST_OK : ST_ABSENT;
	if (r)
		*out = (struct mail_route){.pattern = arena_copy(a, r->pattern),
			.target = arena_copy(a, r->target),
			.hosts = hosts_copy(r, a),
			.n = r->n,
			.tls_first = r->tls_first,
			.user = arena_copy(a, r->user),
			.password = arena_copy(a, r->password),
			.tls = arena_copy(a, r->tls),
			.at_once = r->at_once,
			.apart = r->apart,
			.retry = arena_copy(a, r->retry),
			.lifetime = r->lifetime,
			.tries = r->tries,
			.made = r->made};
	pthread_mutex_unlock(&kept.lock);
	return fresh;
}

status route_find(slice domain, arena *a, struct mail_route *out)
{
	status kind;

	while (!kept_find(domain, a, out, &kind)) {
		uint64_t revision = provider_routing_revision();
		arena fresh = ARENA_INIT;
		struct mail_route *rows;
		int n;

		kind = load(&fresh, true, &rows, &n);
		if (kind != ST_OK) {
			arena_release(&fresh);
			return kind;
		}
		pthread_mutex_lock(&kept.lock);
		arena_release(&kept.memory);
		kept.memory = fresh;
		kept.rows = rows;
		kept.n = n;
		kept.loaded = true;
		kept.revision = revision;
		pthread_mutex_unlock(&kept.lock);
	}
	return kind;
}
