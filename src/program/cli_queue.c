/* pennypost queue and route: mail on its way to other systems, bad mail, and where it goes. */
#include "program/cli_find.h"
#include "program/cli_run.h"

#include "base/id.h"
#include "connector/smtp/home.h"
#include "mail/address.h"
#include "provider/queue.h"
#include "provider/route.h"
#include "provider/tls_result.h"

#define LIST_MOST 1000

/* ---- which entries */

static const char *const states[] = {"ready", "held", "parked", "tell"};

/* A word that is empty, as a script's variable may be, must not stand for everything. */
static status not_empty(struct cli *c, const char *name)
{
	if (!cli_has(c, name) || cli_text(c, name).size > 0)
		return ST_OK;
	return cli_misused(
		c, "leave it out for any; the null sender is called '<>'", "%s is empty", name);
}

static status filter_id(struct cli *c, struct queue_filter *f)
{
	TRY(not_empty(c, "ID"));
	*f = QUEUE_FILTER_ANY;
	slice id = cli_text(c, "ID");
	if (id.size && !id_parse(id, &f->id))
		return cli_fail(c, ST_INVALID,
			"give the 13 characters that `pennypost queue list` shows",
			"\"%.*s\" is no id", SLICE_ARGS(id));
	return ST_OK;
}

/* The queue knows domains by their A-labels; what has a * is taken as it is. */
static slice domain_of(struct cli *c, slice written)
{
	slice domain, shown;

	return mail_domain_parse(written, &c->a, &domain, &shown) == ST_OK ? domain : written;
}

static status filter_of(struct cli *c, struct queue_filter *f)
{
	TRY(not_empty(c, "--sender"));
	TRY(not_empty(c, "--recipient"));
	TRY(not_empty(c, "--domain"));
	TRY(filter_id(c, f));
	f->sender = cli_text(c, "--sender");
	f->recipient = cli_text(c, "--recipient");
	f->domain = domain_of(c, cli_text(c, "--domain"));
	f->older = cli_number(c, "--age", 0);
	if (cli_has(c, "--postoffice")) {
		postoffice *p;
		TRY(cli_find_postoffice(c, cli_text(c, "--postoffice"), &p));
		f->postoffice = p->id;
	}
	for (int i = 0; cli_has(c, "--state") && i < 4; i++)
		if (slice_same(cli_text(c, "--state"), slice_z(states[i])))
			f->state = i;
	return ST_OK;
}

static bool chooses(struct cli *c)
{
	static const char *const names[] = {"ID", "--sender", "--recipient", "--domain",
		"--postoffice", "--age", "--state", "--all"};
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (cli_has(c, names[i]))
			return true;
	return false;
}

/* ---- list and show */

static json_t *moment(usec at)
{
	return at == USEC_NEVER ? json_null() : json_time(at);
}

/* The list's word for where it stands. */
static json_t *standing_of(struct cli *c, const queue_entry *e, const struct queue_holder *by)
{
	return by->name.size == 0 ? json_string(states[e->state])
	       : by->since        ? json_slice(arena_format(
					    &c->a, "taken %.*s", SLICE_ARGS(cli_time(by->since, &c->a))))
				  : json_string("taken");
}

/* Its route's word counts before what was promised (report.c). */
static usec end_of(struct cli *c, const queue_entry *e)
{
	struct mail_route r;

	return !e->returned && route_find(e->domain, &c->a, &r) == ST_OK && r.lifetime > 0
		       ? e->made + r.lifetime
		       : e->expires;
}

static json_t *facts_of(struct cli *c, const queue_entry *e, const struct queue_holder *by)
{
	json_t *f = json_pack("{s:o,s:o,s:s,s:o,s:o,s:o,s:o,s:i,s:i,s:I,s:o,s:o,s:o,s:o,s:o,s:o}",
		"id", json_id(e->id), "message", json_id(e->message), "state", states[e->state],
		"postoffice", json_slice(cli_postoffice_name(c, e->postoffice)), "sender",
		json_slice(e->sender.size ? e->sender : S("<>")), "recipient",
		json_slice(e->address), "domain", json_slice(e->domain), "priority", e->priority,
		"attempts", e->attempts, "size", (json_int_t)e->size, "made", json_time(e->made),
		"next", moment(e->next), "expires", moment(end_of(c, e)), "code",
		e->code ? json_integer(e->code) : json_null(), "host", json_slice(e->host), "reply",
		json_slice(e->text));
	json_object_set_new(f, "said",
		json_slice(e->code ? arena_format(&c->a, "%d %.*s", e->code, SLICE_ARGS(e->text))
				   : e->text));
	json_object_set_new(f, "taken_by", by->name.size ? json_slice(by->name) : json_null());
	json_object_set_new(f, "taken_since", json_time(by->since));
	json_object_set_new(f, "standing", standing_of(c, e, by));
	return f;
}

static status show_rows(struct cli *c, const queue_entry *rows, int n)
{
	static const struct cli_column columns[] = {{"id", "ID"}, {"standing", "STATE"},
		{"made", "QUEUED"}, {"next", "NEXT"}, {"attempts", "TRIES", SHOW_NUMBER},
		{"size", "SIZE", SHOW_SIZE}, {"sender", "SENDER"}, {"recipient", "RECIPIENT"},
		{"said", "LAST REPLY"}, {NULL}};
	struct queue_holder *taken;
	TRY(queue_taken(rows, n, &c->a, &taken));
	json_t *list = json_array();
	for (int i = 0; i < n; i++)
		json_array_append_new(list, facts_of(c, &rows[i], &taken[i]));
	return cli_rows(c, list, columns, "Nothing like that is in the queue");
}

status cli_queue_list(struct cli *c)
{
	struct queue_filter f;
	queue_entry *rows;
	unsigned most;
	int n;
	TRY(cli_most(c, 200, &most));
	TRY(filter_of(c, &f));
	TRY(queue_list(&f, 0, most, &c->a, &rows, &n));
	return show_rows(c, rows, n);
}

/* Beside "nobody" a "failure" is for programs that do not know it. */
static json_t *notify_words(unsigned notify)
{
	static const struct {
		unsigned bit;
		const char *word;
	} rows[] = {{NOTIFY_NEVER, "never"}, {NOTIFY_SUCCESS, "success"},
		{NOTIFY_FAILURE, "failure"}, {NOTIFY_DELAY, "delay"}, {NOTIFY_NOBODY, "nobody"}};
	json_t *words = json_array();
	if (notify & NOTIFY_NOBODY)
		notify &= ~(unsigned)NOTIFY_FAILURE;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		if (notify & rows[i].bit)
			json_array_append_new(words, json_string(rows[i].word));
	return words;
}

static void add_more(const queue_entry *e, json_t *f)
{
	json_object_set_new(f, "shard", json_integer(e->shard));
	json_object_set_new(f, "notify", notify_words(e->notify));
	json_object_set_new(f, "orcpt", json_slice(e->orcpt));
	json_object_set_new(f, "envid", json_slice(e->envid));
	json_object_set_new(f, "notices", json_integer(e->notices));
	json_object_set_new(f, "kills", json_integer(e->kills));
}

status cli_queue_show(struct cli *c)
{
	static const struct cli_column columns[] = {{"id", "entry"}, {"message", "message"},
		{"state", "state"}, {"taken_by", "taken by"}, {"taken_since", "taken since"},
		{"postoffice", "post office"}, {"sender", "sender"}, {"recipient", "recipient"},
		{"domain", "domain"}, {"size", "size", SHOW_SIZE}, {"made", "queued"},
		{"next", "next attempt"}, {"expires", "returned after"}, {"attempts", "attempts"},
		{"host", "last host"}, {"said", "last reply"}, {"notices", "delay notices"},
		{"kills", "ended its worker"}, {"priority", "priority"}, {"envid", "ENVID"},
		{"orcpt", "ORCPT"}, {"shard", "shard"}, {NULL}};
	struct queue_filter f;
	queue_entry *rows;
	int n;
	TRY(filter_id(c, &f));
	TRY(queue_list(&f, 0, LIST_MOST, &c->a, &rows, &n));
	if (n == 0)
		return cli_fail(c, ST_ABSENT, "`pennypost trace` may tell what became of it",
			"nothing in the queue is called %.*s", SLICE_ARGS(cli_text(c, "ID")));
	if (n > 1 && rows[0].id != f.id)
		return show_rows(c, rows, n); /* a message to several */
	struct queue_holder *taken;
	TRY(queue_taken(rows, 1, &c->a, &taken));
	json_t *facts = facts_of(c, &rows[0], &taken[0]);
	add_more(&rows[0], facts);
	return cli_facts(c, facts, columns);
}

status cli_queue_status(struct cli *c)
{
	static const struct cli_column columns[] = {{"ready", "to be sent"},
		{"deferred", "to be sent again"}, {"held", "held"}, {"parked", "parked (bad mail)"},
		{"oldest", "oldest"}, {NULL}};
	struct queue_counts n = {0};
	TRY(queue_counts(&n));
	return cli_facts(c,
		json_pack("{s:I,s:I,s:I,s:I,s:o}", "ready", (json_int_t)n.ready, "deferred",
			(json_int_t)n.deferred, "held", (json_int_t)n.held, "parked",
			(json_int_t)n.parked, "oldest", json_time(n.oldest)),
		columns);
}

/* ---- orders */

static status order(struct cli *c, enum queue_order o, const char *one, const char *many)
{
	struct queue_filter f;
	int64_t changed = 0;
	if (!chooses(c))
		return cli_misused(c, "for example --domain example.org, or --all for everything",
			"say which entries are meant");
	TRY(filter_of(c, &f));
	status kind = queue_order(&f, o, &c->by, &changed);
	if (kind != ST_OK && changed > 0)
		return cli_fail(c, kind, "give the same order again, which does the rest",
			"%lld %s, then the order broke off", (long long)changed,
			changed == 1 ? one : many);
	TRY(kind);
	c->negative = changed == 0;
	return cli_did(c, json_pack("{s:I}", "changed", (json_int_t)changed), "%lld %s",
		(long long)changed, changed == 1 ? one : many);
}

status cli_queue_retry(struct cli *c)
{
	return order(c, QUEUE_RETRY, "entry is due now", "entries are due now");
}

status cli_queue_hold(struct cli *c)
{
	return order(c, QUEUE_HOLD, "entry is held", "entries are held");
}

status cli_queue_release(struct cli *c)
{
	return order(c, QUEUE_RELEASE, "entry is released", "entries are released");
}

status cli_queue_return(struct cli *c)
{
	return order(c, QUEUE_RETURN, "entry is going back to its sender",
		"entries are going back to their senders");
}

status cli_queue_delete(struct cli *c)
{
	TRY(cli_sure(c, "removes mail that nobody has got yet, and tells nobody"));
	return order(c, QUEUE_DELETE, "entry is removed", "entries are removed");
}

status cli_queue_tls(struct cli *c)
{
	static const struct cli_column columns[] = {{"day", "DAY"}, {"domain", "DOMAIN"},
		{"policy", "POLICY"}, {"host", "HOST"}, {"result", "RESULT"},
		{"sessions", "SESSIONS"}, {NULL}};
	struct tls_result *rows;
	unsigned most;
	int n;

	TRY(cli_most(c, 1000, &most));
	TRY(tls_result_list(cli_text(c, "--domain"), most, &c->a, &rows, &n));
	json_t *list = json_array();
	for (int i = 0; i < n; i++)
		json_array_append_new(list,
			json_pack("{s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:I}", "day",
				json_time(rows[i].day), "domain", json_slice(rows[i].domain),
				"policy", json_slice(rows[i].policy), "host",
				json_slice(rows[i].host), "result", json_slice(rows[i].result),
				"sender", json_slice(rows[i].sender), "receiver",
				json_slice(rows[i].receiver), "sessions",
				(json_int_t)rows[i].sessions));
	return cli_rows(c, list, columns, "No session with another system was counted yet");
}

/* ---- routes */

static json_t *route_facts(const struct mail_route *r)
{
	return json_pack("{s:o,s:o,s:o,s:o,s:o,s:i,s:I,s:o,s:I,s:i}", "pattern",
		json_slice(r->pattern), "target", json_slice(r->target), "user",
		json_slice(r->user), "made", json_time(r->made), "tls", json_slice(r->tls),
		"at_once", (int)r->at_once, "rate_delay_us", (json_int_t)r->apart, "retry",
		json_slice(r->retry), "lifetime_us", (json_int_t)r->lifetime, "tries",
		(int)r->tries);
}

status cli_route_list(struct cli *c)
{
	static const struct cli_column columns[] = {{"pattern", "DOMAINS"}, {"target", "GO TO"},
		{"user", "LOGON AS"}, {"tls", "TLS"}, {"made", "SINCE"}, {NULL}};
	struct mail_route *rows;
	int n;
	TRY(route_list(&c->a, &rows, &n));
	json_t *list = json_array();
	for (int i = 0; i < n; i++)
		json_array_append_new(list, route_facts(&rows[i]));
	return cli_rows(c, list, columns, "No route is set: mail goes to its domain's exchangers");
}

/* What an operator should know of where a target leads: to this system itself (A18), as far as can
   be told from here, or to a port whose hosts wait for TLS before they say a word. */
static slice remarks_on(struct cli *c, const struct mail_route *r, json_t *facts)
{
	for (int i = 0; i < r->n; i++) {
		slice host = r->hosts[i].host;
		if (!home_is_host(host, r->hosts[i].port))
			continue;
		json_object_set_new(facts, "leads_back", json_slice(host));
		json_object_set_new(facts, "waits_before", json_integer(i));
		return arena_format(&c->a,
			i == 0 ? ". Beware: %.*s is this system itself, and what would come back to it is returned to its sender"
			       : ". The route ends at %.*s, which is this system itself: mail waits here for the hosts before it",
			SLICE_ARGS(host));
	}
	for (int i = 0; i < r->n && !r->tls_first; i++)
		if (r->hosts[i].port == 465)
			return S(
				". Beware: port 465 is where hosts speak TLS from the beginning, to whom smtps: leads");
	return S("");
}

status cli_route_set(struct cli *c)
{
	slice why = S(""), pattern = cli_text(c, "PATTERN"), target = cli_text(c, "TARGET");
	struct mail_route r = {.pattern = pattern,
		.target = target,
		.user = cli_text(c, "--user"),
		.password = cli_text(c, "--password"),
		.tls = cli_text(c, "--tls"),
		.at_once = (unsigned)cli_number(c, "--at-once", 0),
		.apart = cli_number(c, "--rate-delay", -1),
		.retry = cli_text(c, "--retry"),
		.lifetime = cli_number(c, "--lifetime", 0),
		.tries = (unsigned)cli_number(c, "--tries", 0)};
	status kind = route_put(&r, &c->by, &c->a, &why);
	if (kind == ST_INVALID)
		return cli_fail(c, kind,
			"for example: pennypost route set example.org 'smtp:[192.0.2.1]:25'",
			"the route cannot be set: %.*s", SLICE_ARGS(why));
	TRY(kind);
	json_t *facts = json_pack(
		"{s:o,s:o}", "pattern", json_slice(pattern), "target", json_slice(target));
	slice remarks = route_parse(pattern, target, &c->a, &r, &why) == ST_OK
				? remarks_on(c, &r, facts)
				: S("");
	return cli_did(c, facts, "Mail for %.*s goes to %.*s%.*s", SLICE_ARGS(pattern),
		SLICE_ARGS(target), SLICE_ARGS(remarks));
}

status cli_route_remove(struct cli *c)
{
	slice pattern = cli_text(c, "PATTERN");
	status kind = route_remove(pattern, &c->by);
	if (kind == ST_ABSENT)
		return cli_fail(c, kind, "`pennypost route list` shows those there are",
			"there is no route for %.*s", SLICE_ARGS(pattern));
	TRY(kind);
	return cli_did(c, json_pack("{s:o}", "removed", json_slice(pattern)),
		"The route for %.*s is removed", SLICE_ARGS(pattern));
}
