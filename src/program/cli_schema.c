/* pennypost schema: the database before anything can be asked of it. */
#include "program/cli_answer.h"
#include "program/cli_run.h"

#include "base/random.h"
#include "provider/auth_secret.h"
#include "provider/migrate.h"
#include "provider/provider.h"
#include "provider/secret_print.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

enum { PASSWORD_LENGTH = 24 };

/* The words of migrate.h's `why` with the remedy of its kind. */
static status refused(struct cli *c, status kind, slice why)
{
	why = cli_one_line(why, &c->a);
	switch (kind) {
	case ST_OK:
		return ST_OK;
	case ST_BUSY:
		cli_fail(c, kind,
			"check the connection string and whether PostgreSQL runs, then run it again",
			"the database cannot be reached: %.*s", SLICE_ARGS(why));
		c->code = EX_UNAVAILABLE;
		return kind;
	case ST_INVALID:
		return cli_fail(c, kind, "correct the connection string", "%.*s", SLICE_ARGS(why));
	case ST_DENIED:
		return cli_fail(c, kind, "give the URI of a superuser of the server", "%.*s",
			SLICE_ARGS(why));
	default:
		return cli_fail(c, kind,
			"what came before it is done; mend the cause and run it again", "%.*s",
			SLICE_ARGS(why));
	}
}

static status owner_uri(struct cli *c, slice *uri)
{
	*uri = c->boot.pguri_owner;
	if (uri->size > 0)
		return ST_OK;
	cli_fail(c, ST_INVALID, "add the line pguri_owner = CONNECTION STRING",
		"the bootstrap file does not tell how to connect as the schema's owner");
	c->code = EX_CONFIG;
	return ST_INVALID;
}

static status migrate(struct cli *c, slice uri, int *from, int *to)
{
	slice why = S("");
	status kind = migrate_run(uri, &c->a, from, to, &why);

	if (kind == ST_INVALID && *from > migrate_known()) {
		cli_fail(c, kind, "install the newer program",
			"the schema has version %d, this program knows %d", *from, migrate_known());
		c->code = EX_CONFIG;
		return kind;
	}
	return refused(c, kind, why);
}

/* ---- init */

struct plan {
	struct migrate_roles roles;
	slice owner, run, system; /* their connection strings */
	slice file;               /* empty: shown instead */
	int fd;
};

/* A database with tables may serve nodes that know the present passwords; and roles belong to the
   whole server, so another database of it may. */
static status refuse_present(struct cli *c, const struct plan *p)
{
	slice uri, why = S("");
	int version = 0;
	if (cli_has(c, "--renew-passwords"))
		return ST_OK;
	TRY(refused(c,
		migrate_role_uri(
			p->roles.superuser_uri, p->roles.database, S(""), S(""), &c->a, &uri, &why),
		why));
	if (migrate_version(uri, &c->a, &version, &why) == ST_OK && version > 0)
		return cli_fail(c, ST_EXISTS,
			"`pennypost schema migrate` brings it up to date; --renew-passwords gives its roles new passwords",
			"the database %.*s has its tables already", SLICE_ARGS(p->roles.database));
	slice names;
	TRY(refused(c,
		migrate_beside(p->roles.superuser_uri, p->roles.database, &c->a, &names, &why),
		why));
	if (names.size > 0)
		return cli_fail(c, ST_EXISTS,
			"give this one a server of its own, or run it with --renew-passwords and write the new passwords into the bootstrap files of the others too",
			"roles belong to the whole server, and their passwords are in use by its database %.*s",
			SLICE_ARGS(names));
	return ST_OK;
}

static status plan(struct cli *c, struct plan *p)
{
	slice why = S("");
	*p = (struct plan){.fd = -1, .file = cli_text(c, "--write-config")};
	p->roles = (struct migrate_roles){.superuser_uri = cli_text(c, "--superuser-uri"),
		.database = cli_has(c, "--database") ? cli_text(c, "--database") : S("pennypost"),
		.owner_password = random_password(PASSWORD_LENGTH, &c->a),
		.run_password = random_password(PASSWORD_LENGTH, &c->a),
		.system_password = random_password(PASSWORD_LENGTH, &c->a)};
	const struct {
		slice role, password, *uri;
	} rows[] = {{S("pennypost_owner"), p->roles.owner_password, &p->owner},
		{S("pennypost_run"), p->roles.run_password, &p->run},
		{S("pennypost_system"), p->roles.system_password, &p->system}};
	for (int i = 0; i < 3; i++)
		TRY(refused(c,
			migrate_role_uri(p->roles.superuser_uri, p->roles.database, rows[i].role,
				rows[i].password, &c->a, rows[i].uri, &why),
			why));
	return ST_OK;
}

/* Before anything is changed: a file that cannot be written must not cost the passwords. */
static status open_file(struct cli *c, struct plan *p)
{
	if (p->file.size == 0)
		return ST_OK;
	p->fd = open(p->file.at, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (p->fd >= 0)
		return ST_OK;
	if (errno == EEXIST)
		return cli_fail(c, ST_EXISTS, "name another one, or move that one away",
			"the file %.*s exists already", SLICE_ARGS(p->file));
	return cli_fail(c, ST_DENIED, "make its folder, or name another file",
		"%.*s cannot be written: %s", SLICE_ARGS(p->file), strerror(errno));
}

static slice conf_lines(struct cli *c, const struct plan *p)
{
	const struct {
		const char *key;
		slice value;
	} rows[] = {{"pguri", p->run}, {"pguri_system", p->system}, {"pguri_owner", p->owner},
		{"user", cli_text(c, "--user")}, {"certificates", cli_text(c, "--certificates")},
		{"state", cli_text(c, "--state")}};
	text t = TEXT_INIT;
	text_add_z(&t, "# Pennypost: where the database is; see pennypost.conf(5).\n");
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		if (rows[i].value.size > 0)
			text_format(&t, "%s = %.*s\n", rows[i].key, SLICE_ARGS(rows[i].value));
	slice lines = arena_copy(&c->a, text_slice(&t));
	text_free(&t);
	return lines;
}

static status write_file(struct cli *c, const struct plan *p, slice lines)
{
	if (p->fd < 0)
		return ST_OK;
	if (write(p->fd, lines.at, lines.size) == (ssize_t)lines.size && fsync(p->fd) == 0)
		return ST_OK;
	return cli_fail(c, ST_BROKEN, "make room and run it again with --renew-passwords",
		"%.*s cannot be written: %s", SLICE_ARGS(p->file), strerror(errno));
}

static status make(struct cli *c, struct plan *p, slice lines, int *version)
{
	slice why = S("");
	int from;
	status kind = refused(c, migrate_roles(&p->roles, &c->a, &why), why);
	if (kind != ST_OK && p->fd >= 0)
		unlink(p->file.at);
	TRY(kind);
	TRY(write_file(c, p, lines));
	return migrate(c, p->owner, &from, version);
}

/* Whose the secret file is to be is looked for before anything is made. */
static status check_user(struct cli *c, slice user, const char *remedy)
{
	if (geteuid() != 0 || user.size == 0 || getpwnam(arena_z(&c->a, user)))
		return ST_OK;
	return cli_fail(c, ST_INVALID, remedy, "there is no user \"%.*s\" on this machine",
		SLICE_ARGS(user));
}

/* The key lies beside the bootstrap file, where every process looks for it. */
static status make_secret(struct cli *c, const struct bootstrap *b)
{
	status kind = auth_secret_file_make(b);
	if (kind != ST_OK)
		return cli_fail(c, kind,
			"mend what the line below tells, and run `pennypost schema secret`",
			"the secret file %.*s cannot be made", SLICE_ARGS(b->secret_file));
	return ST_OK;
}

/* Where the database can be asked: `look` is one of secret_print.h. */
static bool is_other_secret(const struct bootstrap *b, status (*look)(void))
{
	const struct provider_conf conf = {.boot = b,
		.connections = 1,
		.system_connections = 1,
		.application = "pennypost command line"};

	if (provider_open(&conf) != ST_OK)
		return false;
	status kind = look();
	provider_close();
	return kind == ST_DENIED;
}

static const char *remark_on_other(bool other)
{
	return other ? ". Beware: it is another one than this database is used with; put a copy of that one in its place, and keep this one, too, until mail is signed again"
		     : "";
}

static status make_first_secret(struct cli *c, const struct plan *p, slice *secret, bool *other)
{
	struct bootstrap b;
	if (p->file.size == 0)
		return ST_OK;
	TRY(bootstrap_read(p->file.at, &c->a, &b));
	*secret = b.secret_file;
	TRY(make_secret(c, &b));
	*other = is_other_secret(&b, secret_print_keep);
	return ST_OK;
}

status cli_schema_secret(struct cli *c)
{
	status kind = check_user(c, c->boot.user,
		"make it (systemd-sysusers does), or correct `user` in the bootstrap file");
	if (kind != ST_OK)
		c->code = EX_CONFIG;
	TRY(kind);
	TRY(make_secret(c, &c->boot));
	TRY(cli_check_secret(c));
	bool other = is_other_secret(&c->boot, secret_print_check);
	return cli_did(c,
		json_pack("{s:o,s:b}", "secret_file", json_slice(c->boot.secret_file), "other",
			other),
		"The secret file %.*s is there; keep a copy of it apart from the dumps%s",
		SLICE_ARGS(c->boot.secret_file), remark_on_other(other));
}

status cli_schema_init(struct cli *c)
{
	struct plan p;
	int version = 0;
	slice secret = S("");
	bool other = false;
	if (cli_has(c, "--write-config"))
		TRY(check_user(c, cli_text(c, "--user"),
			"make it first (systemd-sysusers does), or name another by --user"));
	TRY(plan(c, &p));
	TRY(refuse_present(c, &p));
	TRY(open_file(c, &p));
	slice lines = conf_lines(c, &p);
	status kind = make(c, &p, lines, &version);
	if (p.fd >= 0)
		close(p.fd);
	TRY(kind);
	TRY(make_first_secret(c, &p, &secret, &other));
	json_t *facts = json_pack(
		"{s:o,s:i}", "database", json_slice(p.roles.database), "version", version);
	if (p.file.size == 0) {
		json_object_set_new(facts, "bootstrap", json_slice(lines));
		return c->json ? cli_did(c, facts, "%s", "")
			       : (json_decref(facts), cli_says(c, lines));
	}
	json_object_set_new(facts, "config", json_slice(p.file));
	json_object_set_new(facts, "secret_file", json_slice(secret));
	json_object_set_new(facts, "other", json_boolean(other));
	return cli_did(c, facts,
		"The database %.*s has version %d; the bootstrap file is %.*s, the secret file %.*s%s",
		SLICE_ARGS(p.roles.database), version, SLICE_ARGS(p.file), SLICE_ARGS(secret),
		remark_on_other(other));
}

/* ---- migrate and status */

/* Those go on as if nothing had changed; what they leave out somebody should expect. */
static slice remark_on_older(struct cli *c, slice uri, json_t *older)
{
	slice *names, why = S("");
	int n = 0;

	if (migrate_older(uri, &c->a, &names, &n, &why) != ST_OK || n == 0)
		return S("");
	for (int i = 0; i < n; i++)
		json_array_append_new(older, json_slice(names[i]));
	return arena_format(&c->a,
		". Beware: %d %s of an older program still %s, %.*s for one: restart the nodes; until then they leave out what is new in the tables",
		n, n == 1 ? "process" : "processes", n == 1 ? "runs" : "run", SLICE_ARGS(names[0]));
}

status cli_schema_migrate(struct cli *c)
{
	slice uri;
	int from = 0, to = 0;
	TRY(owner_uri(c, &uri));
	TRY(migrate(c, uri, &from, &to));
	json_t *older = json_array();
	slice beware = remark_on_older(c, uri, older);
	json_t *facts = json_pack("{s:i,s:i,s:o}", "from", from, "to", to, "older", older);
	if (from == to)
		return cli_did(
			c, facts, "The schema has version %d already%.*s", to, SLICE_ARGS(beware));
	return cli_did(c, facts, "The schema went from version %d to %d%.*s", from, to,
		SLICE_ARGS(beware));
}

status cli_schema_status(struct cli *c)
{
	slice why = S("");
	int version;
	slice uri = c->boot.pguri_owner.size ? c->boot.pguri_owner : c->boot.pguri;
	TRY(refused(c, migrate_version(uri, &c->a, &version, &why), why));
	int known = migrate_known();
	c->negative = version != known;
	json_t *facts = json_pack(
		"{s:i,s:i,s:b}", "version", version, "known", known, "current", version == known);
	if (version == known)
		return cli_did(
			c, facts, "The schema has version %d, as this program wants it", version);
	return cli_did(c, facts,
		version < known
			? "The schema has version %d, this program wants %d: run `pennypost schema migrate`"
			: "The schema has version %d, this program knows %d: install the newer program",
		version, known);
}
