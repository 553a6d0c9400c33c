/* pennypost status, audit, housekeep, version: how the house is and what happened in it. */
#include "program/cli_find.h"
#include "program/cli_run.h"

#include "provider/address_map.h"
#include "provider/auth_secret.h"
#include "provider/housekeep.h"
#include "provider/ledger.h"
#include "provider/migrate.h"
#include "provider/node.h"
#include "provider/provider.h"
#include "provider/queue.h"
#include "provider/resolve.h"
#include "provider/secret_print.h"

/* ---- status */

struct counts {
	int64_t postoffices, disabled, domains, mailboxes, bytes;
	int64_t unheard;     /* domains whose postmaster@ leads nowhere */
	slice first_unheard; /* one of them */
};

#define UNSURE_PAGE 1000

static status is_heard(struct cli *c, slice domain, bool *heard)
{
	struct resolution to;
	status kind = resolve(S("postmaster"), domain, 0, NULL, &c->a, &to);

	*heard = kind == ST_OK || kind == ST_FULL;
	return kind == ST_FULL || kind == ST_ABSENT || kind == ST_DENIED || kind == ST_LIMITED
		       ? ST_OK
		       : kind;
}

static status count_unheard(struct cli *c, struct counts *n)
{
	slice after = S(""), *names;

	for (int of = UNSURE_PAGE; of == UNSURE_PAGE;) {
		TRY(domain_unsure_postmasters(after, UNSURE_PAGE, &c->a, &names, &of));
		for (int i = 0; i < of; i++) {
			bool heard;

			TRY(is_heard(c, names[i], &heard));
			if (!heard && n->unheard++ == 0)
				n->first_unheard = names[i];
			after = names[i];
		}
	}
	return ST_OK;
}

static status count(struct cli *c, const postoffice *p, void *arg)
{
	struct counts *n = arg;
	(void)c;
	n->postoffices++;
	n->disabled += p->state == POSTOFFICE_DISABLED;
	n->domains += p->domains;
	n->mailboxes += p->mailboxes;
	n->bytes += p->bytes;
	return ST_OK;
}

/* One line of the report; everything that is not well is gathered in `trouble`. */
static void report(
	json_t *facts, const char *key, status kind, const char *well, const char *trouble)
{
	json_object_set_new(facts, key, json_string(kind == ST_OK ? well : trouble));
	if (kind != ST_OK)
		json_array_append_new(
			json_object_get(facts, "trouble"), json_sprintf("%s %s", key, trouble));
}

/* By connections of its own, so that it tells even where providers refuse to open. */
static void report_schema(struct cli *c, json_t *facts)
{
	slice why = S("");
	int version = 0, known = migrate_known();
	status kind = migrate_version(c->boot.pguri, &c->a, &version, &why);
	report(facts, "database", kind, "reachable",
		"cannot be reached: check pguri in the bootstrap file and whether PostgreSQL runs");
	if (kind != ST_OK) {
		json_object_set_new(facts, "reason", json_slice(cli_one_line(why, &c->a)));
		return;
	}
	json_object_set_new(facts, "schema_version", json_integer(version));
	json_object_set_new(facts, "schema_known", json_integer(known));
	report(facts, "schema", version == known ? ST_OK : ST_INVALID, "current",
		version < known ? "is older than this program: run `pennypost schema migrate`"
				: "is newer than this program: install the newer one");
}

static const char *setup_trouble(status kind)
{
	const char *why = NULL;

	switch (kind) {
	case ST_DENIED:
		return !provider_healthy(&why) && why
			       ? why
			       : "is not as it must be: run-time roles below row-level security, fsync, "
				 "full_page_writes and synchronous_commit on";
	case ST_BUSY:
		return "refuses connections of a role: check pguri and pguri_system in the bootstrap file";
	default:
		return "cannot be used: see the notes of any other command";
	}
}

static status report_ledger(struct cli *c, json_t *facts)
{
	struct ledger_breach *rows;
	int n;

	TRY(ledger_breaches(-1, 1, &c->a, &rows, &n));
	report(facts, "ledger", n ? ST_BROKEN : ST_OK, "what was counted is stored",
		"differs from what is stored: see `pennypost ledger check`, and doc/operations.md for what to look at");
	return ST_OK;
}

static void report_secret(json_t *facts)
{
	status kind = secret_print_check();

	if (kind == ST_ABSENT)
		report(facts, "secret", ST_OK, "none, and nothing is encrypted by one", "");
	if (kind == ST_OK || kind == ST_DENIED)
		report(facts, "secret", kind, "is the one this database is used with",
			auth_secret_has_key()
				? "is another one than this database is used with, so mail goes unsigned: put back a copy of that one, and keep this one, too, until mail is signed again"
				: "is missing here, though this database is used with one, so mail goes unsigned: put a copy of that one there");
}

/* RFC 5321 4.5.1: mail for postmaster@ is taken. */
static void report_postmasters(struct cli *c, json_t *facts, const struct counts *n)
{
	slice more = n->unheard > 1
			     ? arena_format(&c->a, " and %lld more", (long long)n->unheard - 1)
			     : S("");
	slice trouble = arena_format(&c->a,
		"leads nowhere in the domain %.*s%.*s: lead it to a mailbox by `pennypost domain set %.*s --postmaster NAME`",
		SLICE_ARGS(n->first_unheard), SLICE_ARGS(more), SLICE_ARGS(n->first_unheard));
	report(facts, "postmaster", n->unheard ? ST_ABSENT : ST_OK, "is answered in every domain",
		trouble.at);
}

static status report_inside(struct cli *c, json_t *facts)
{
	const char *why = "";
	struct counts n = {0};
	struct queue_counts queued = {0};
	struct node_row *nodes;
	int count_of_nodes;
	report(facts, "durability", provider_healthy(&why) ? ST_OK : ST_BROKEN,
		"commits are durable", why);
	status kind = provider_isolation_probe();
	report(facts, "isolation", kind, "tenants are apart",
		kind == ST_BROKEN
			? "one tenant can read another's rows: row-level security is broken; stop the servers"
			: "could not be probed: try again");
	report_secret(facts);
	TRY(report_ledger(c, facts));
	TRY(cli_each_postoffice(c, S(""), count, &n));
	TRY(count_unheard(c, &n));
	report_postmasters(c, facts, &n);
	json_object_set_new(facts, "postoffices", json_integer(n.postoffices));
	json_object_set_new(facts, "postoffices_disabled", json_integer(n.disabled));
	json_object_set_new(facts, "domains", json_integer(n.domains));
	json_object_set_new(facts, "mailboxes", json_integer(n.mailboxes));
	json_object_set_new(facts, "bytes", json_integer(n.bytes));
	TRY(queue_counts(&queued));
	json_object_set_new(
		facts, "queued", json_integer(queued.ready + queued.deferred + queued.held));
	json_object_set_new(facts, "parked", json_integer(queued.parked));
	TRY(node_list(&c->a, &nodes, &count_of_nodes));
	json_t *rows = json_object_get(facts, "nodes");
	for (int i = 0; i < count_of_nodes; i++)
		json_array_append_new(
			rows, json_pack("{s:i,s:o,s:o,s:o,s:I}", "number", nodes[i].number, "name",
				      json_slice(nodes[i].name), "role", json_slice(nodes[i].role),
				      "seen", json_time(nodes[i].seen), "schema",
				      (json_int_t)nodes[i].schema));
	return ST_OK;
}

static status inside(struct cli *c, json_t *facts)
{
	const struct provider_conf conf = {.boot = &c->boot,
		.connections = 2,
		.system_connections = 2,
		.application = "pennypost command line"};
	status kind = provider_open(&conf);
	report(facts, "setup", kind, "as it must be", setup_trouble(kind));
	if (kind != ST_OK)
		return ST_OK;
	kind = report_inside(c, facts);
	provider_close();
	return kind;
}

status cli_status(struct cli *c)
{
	static const struct cli_column columns[] = {{"healthy", "healthy"}, {"version", "program"},
		{"database", "database"}, {"reason", "reason"}, {"schema", "schema"},
		{"schema_version", "schema version"}, {"setup", "set-up"},
		{"durability", "durability"}, {"isolation", "isolation"}, {"secret", "secret file"},
		{"ledger", "ledger"}, {"postmaster", "postmaster@"},
		{"postoffices", "post offices"}, {"domains", "domains"}, {"mailboxes", "mailboxes"},
		{"bytes", "mail stored", SHOW_SIZE}, {"queued", "queued for others"},
		{"parked", "parked (bad mail)"}, {NULL}};
	static const struct cli_column node_columns[] = {{"number", "NUMBER", SHOW_NUMBER},
		{"name", "NODE"}, {"role", "PROCESS"}, {"seen", "SEEN"}, {NULL}};
	json_t *facts = json_pack("{s:b,s:s,s:[],s:[]}", "healthy", 0, "version", PACKAGE_VERSION,
		"trouble", "nodes");
	report_schema(c, facts);
	json_t *trouble = json_object_get(facts, "trouble"),
	       *nodes = json_incref(json_object_get(facts, "nodes"));
	status kind = json_array_size(trouble) == 0 ? inside(c, facts) : ST_OK;
	if (kind == ST_OK) {
		c->negative = json_array_size(trouble) > 0;
		json_object_set_new(facts, "healthy", json_boolean(!c->negative));
		cli_facts(c, facts, columns);
		cli_below(c, "Nodes", nodes, node_columns);
	} else {
		json_decref(facts);
	}
	json_decref(nodes);
	return kind;
}

/* ---- audit */

/* Of one post office, or of those that had its name and are no more. */
static status audit_rows(struct cli *c, unsigned most, struct audit_row **rows, int *n)
{
	slice name = cli_text(c, "--postoffice");
	postoffice *p;
	int64_t office;

	if (cli_has(c, "--postoffice") && postoffice_find(name, &c->a, &p) == ST_ABSENT) {
		TRY(audit_list_removed(arena_lower(&c->a, name), most, &c->a, rows, n));
		if (*n > 0)
			return ST_OK;
	}
	TRY(cli_find_scope(c, &office, NULL));
	return audit_list(office, most, &c->a, rows, n);
}

status cli_audit_list(struct cli *c)
{
	static const struct cli_column columns[] = {{"at", "TIME"}, {"who", "WHO"},
		{"from", "FROM"}, {"postoffice", "POST OFFICE"}, {"action", "ACTION"},
		{"object", "OBJECT"}, {"detail", "DETAIL"}, {NULL}};
	struct audit_row *rows;
	unsigned most;
	int n;
	TRY(cli_most(c, 100, &most));
	TRY(audit_rows(c, most, &rows, &n));
	json_t *list = json_array();
	for (int i = 0; i < n; i++) {
		json_t *detail = json_loadb(rows[i].detail.at, rows[i].detail.size, 0, NULL);
		json_array_append_new(list,
			json_pack("{s:o,s:o,s:o,s:o,s:o,s:o,s:o}", "at", json_time(rows[i].at),
				"who", json_slice(rows[i].who), "from", json_slice(rows[i].from),
				"postoffice",
				json_slice(rows[i].postoffice_name.size ? rows[i].postoffice_name
									: S("-")),
				"action", json_slice(rows[i].action), "object",
				json_slice(rows[i].object), "detail",
				detail ? detail : json_slice(rows[i].detail)));
	}
	return cli_rows(c, list, columns, "Nothing was changed yet");
}

/* ---- housekeep and version */

status cli_housekeep_run(struct cli *c)
{
	struct housekeep_result r = {0};
	status kind = housekeep_ordered(&c->by, &r);
	if (kind == ST_LIMITED)
		return cli_fail(c, kind, "try again in a few minutes",
			"the housekeeper of another process is at work");
	TRY(kind);
	return cli_did(c,
		json_pack("{s:I,s:I,s:I,s:I,s:I,s:I}", "messages", (json_int_t)r.messages, "blobs",
			(json_int_t)r.blobs, "segments", (json_int_t)r.segments, "partitions_made",
			(json_int_t)r.partitions_made, "partitions_dropped",
			(json_int_t)r.partitions_dropped, "keys", (json_int_t)r.keys),
		"Dropped: %lld messages, %lld bodies, %lld segments, %lld partitions, %lld keys; made: %lld partitions",
		(long long)r.messages, (long long)r.blobs, (long long)r.segments,
		(long long)r.partitions_dropped, (long long)r.keys, (long long)r.partitions_made);
}

status cli_version(struct cli *c)
{
	return cli_did(c,
		json_pack("{s:s,s:s,s:i}", "name", PACKAGE_NAME, "version", PACKAGE_VERSION,
			"schema", migrate_known()),
		"%s %s, schema %d", PACKAGE_NAME, PACKAGE_VERSION, migrate_known());
}
