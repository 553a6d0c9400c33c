/* pennypost mailbox: accounts. */
#include "program/cli_find.h"
#include "program/cli_run.h"
#include "provider/address_map.h"
#include "provider/auth.h"
#include "provider/domain.h"
#include "provider/folder.h"
#include "provider/group.h"
#include "provider/mailbox_duty.h"
#include "provider/queue.h"
#include "provider/session.h"
#include "provider/setting.h"

static const char *const kind_words[] = {
	[MAILBOX_USER] = "user", [MAILBOX_ADMIN] = "admin", [MAILBOX_SYSADMIN] = "sysadmin"};

static const char *state_word(enum mailbox_state s)
{
	return s == MAILBOX_ENABLED ? "enabled" : "disabled";
}

static json_t *full_name(struct cli *c, const mailbox *m)
{
	return json_slice(arena_format(
		&c->a, "%.*s@%.*s", SLICE_ARGS(m->name), SLICE_ARGS(m->postoffice_name)));
}

static json_t *facts_of(struct cli *c, const mailbox *m)
{
	return json_pack("{s:o,s:s,s:s,s:I,s:I,s:I,s:o,s:o}", "mailbox", full_name(c, m), "kind",
		kind_words[m->kind], "state", state_word(m->state), "messages",
		(json_int_t)m->messages, "used", (json_int_t)m->used, "quota", (json_int_t)m->quota,
		"made", json_time(m->made), "last_logon", json_time(m->last_logon));
}

status cli_mailbox_add(struct cli *c)
{
	slice written = cli_text(c, "MAILBOX"), name, realm, why = S("");
	postoffice *p;
	mailbox *m;
	bool made;
	cli_split(written, &name, &realm);
	TRY(cli_find_postoffice(c, realm, &p));
	const struct mailbox_new wanted = {.name = name,
		.password = cli_password(c, "--password", p->id, &made),
		.kind = (enum mailbox_kind)cli_number(c, "--kind", MAILBOX_USER),
		.quota = cli_number(c, "--quota", -1),
		.no_addresses = cli_has(c, "--no-addresses")};
	status kind = mailbox_make(p->id, &wanted, &c->by, &c->a, &m, &why);
	if (kind == ST_EXISTS)
		return cli_fail(c, kind,
			"choose another name, or set its password by `pennypost mailbox password`",
			"the mailbox %.*s exists already", SLICE_ARGS(written));
	if (kind == ST_INVALID)
		return cli_fail(c, kind, cli_new_remedy(why), "the mailbox cannot be made: %.*s",
			SLICE_ARGS(why));
	TRY(kind);
	json_t *facts = facts_of(c, m);
	if (!made)
		return cli_did(c, facts, "The mailbox %.*s is made", SLICE_ARGS(written));
	json_object_set_new(facts, "password", json_slice(wanted.password));
	return cli_did(c, facts, "The mailbox %.*s is made; its password is %.*s (shown only now)",
		SLICE_ARGS(written), SLICE_ARGS(wanted.password));
}

status cli_mailbox_add_many(struct cli *c)
{
	int64_t first = cli_number(c, "FIRST", 0), last = cli_number(c, "LAST", 0);
	enum { NUMBER_MOST = 99999999 };
	slice prefix = cli_text(c, "PREFIX");
	postoffice *p;
	unsigned made = 0;
	if (first > last || last > NUMBER_MOST)
		return cli_fail(c, ST_INVALID, "give FIRST, then LAST, up to 99999999",
			"the numbers %lld to %lld are no range", (long long)first, (long long)last);
	TRY(cli_find_postoffice(c, cli_text(c, "--postoffice"), &p));
	status kind = mailbox_make_many(p->id, prefix, (unsigned)first, (unsigned)last,
		cli_text(c, "--password"), cli_has(c, "--same-hash"), &c->by, &made);
	if (kind == ST_INVALID)
		return cli_fail(c, kind, "change the prefix or --password",
			"the mailboxes cannot be made: the names or the password break a rule");
	TRY(kind);
	return cli_did(c,
		json_pack("{s:i,s:I}", "made", (int)made, "present",
			(json_int_t)(last - first + 1 - made)),
		"%u mailboxes are made, %lld were there", made,
		(long long)(last - first + 1 - made));
}

static status add_row(struct cli *c, const mailbox *m, void *arg)
{
	return json_array_append_new(arg, facts_of(c, m)) == 0 ? ST_OK : ST_BROKEN;
}

static status add_rows(struct cli *c, const postoffice *p, void *arg)
{
	return cli_each_mailbox(c, p->id, add_row, arg);
}

status cli_mailbox_list(struct cli *c)
{
	static const struct cli_column columns[] = {{"mailbox", "MAILBOX"}, {"kind", "KIND"},
		{"state", "STATE"}, {"messages", "MESSAGES", SHOW_NUMBER},
		{"used", "USED", SHOW_SIZE}, {"quota", "QUOTA", SHOW_SIZE},
		{"last_logon", "LAST LOGON"}, {NULL}};
	json_t *rows = json_array();
	status kind = cli_each_postoffice(c, cli_text(c, "--postoffice"), add_rows, rows);
	if (kind == ST_OK)
		return cli_rows(c, rows, columns,
			"There is no mailbox; make one by `pennypost mailbox add`");
	json_decref(rows);
	return kind;
}

/* ---- one mailbox in full */

static status folders_of(struct cli *c, const mailbox *m, json_t *rows)
{
	folder *f;
	int n;
	TRY(folder_list(m->postoffice, m->id, &c->a, &f, &n));
	for (int i = 0; i < n; i++)
		json_array_append_new(
			rows, json_pack("{s:o,s:I,s:I,s:I,s:I,s:I}", "name", json_slice(f[i].name),
				      "messages", (json_int_t)f[i].messages, "unseen",
				      (json_int_t)f[i].unseen, "bytes", (json_int_t)f[i].bytes,
				      "uidvalidity", (json_int_t)f[i].uidvalidity, "uidnext",
				      (json_int_t)f[i].uidnext));
	return ST_OK;
}

static status addresses_of(struct cli *c, const mailbox *m, json_t *rows)
{
	enum { PAGE = 500 };
	slice after = S("");
	for (int n = PAGE; n == PAGE;) {
		address *found;
		TRY(address_list(m->postoffice, m->id, after, PAGE, &c->a, &found, &n));
		for (int i = 0; i < n; i++)
			json_array_append_new(rows, json_slice(found[i].key));
		if (n > 0)
			after = found[n - 1].key;
	}
	return ST_OK;
}

static bool listed(const json_t *rows, slice address)
{
	for (size_t i = 0; i < json_array_size(rows); i++)
		if (slice_same(slice_z(json_string_value(json_array_get(rows, i))), address))
			return true;
	return false;
}

/* What leads to it without being its own: postmaster@ and abuse@ of domains of its post office. */
static status duties_of(struct cli *c, const mailbox *m, const json_t *own, json_t *rows)
{
	static const slice words[] = {S("postmaster"), S("abuse")};
	domain *d;
	int n;

	TRY(domain_list(m->postoffice, &c->a, &d, &n));
	for (int i = 0; i < 2 * n; i++) {
		slice word = words[i % 2], name = d[i / 2].name;
		slice key = arena_format(&c->a, "%.*s@%.*s", SLICE_ARGS(word), SLICE_ARGS(name));
		struct route r = {0};
		status kind = address_resolve(word, name, 0, &c->a, &r);

		if (kind == ST_BUSY)
			return kind;
		if (r.mailbox == m->id && !listed(own, key))
			json_array_append_new(rows, json_slice(key));
	}
	return ST_OK;
}

/* What other systems said to its mail in the last hour, where that is counted. */
static status refused_of(const mailbox *m, json_t *facts)
{
	struct queue_refused q;
	status kind = queue_refused(m->postoffice, m->id, &q);
	if (kind == ST_ABSENT)
		return ST_OK;
	TRY(kind);
	json_object_set_new(facts, "ended", json_integer(q.ended));
	json_object_set_new(facts, "refused", json_integer(q.refused));
	if (q.paused)
		json_object_set_new(facts, "paused_until", json_time(q.paused));
	return ST_OK;
}

status cli_mailbox_show(struct cli *c)
{
	static const struct cli_column columns[] = {{"mailbox", "mailbox"}, {"kind", "kind"},
		{"state", "state"}, {"messages", "messages"}, {"used", "used", SHOW_SIZE},
		{"quota", "quota", SHOW_SIZE}, {"addresses", "addresses"},
		{"answers_for", "answers for"}, {"made", "made"}, {"last_logon", "last logon"},
		{"ended", "ended elsewhere", SHOW_NUMBER},
		{"refused", "refused there", SHOW_NUMBER}, {"paused_until", "paused until"},
		{NULL}};
	static const struct cli_column folder_columns[] = {{"name", "FOLDER"},
		{"messages", "MESSAGES", SHOW_NUMBER}, {"unseen", "UNSEEN", SHOW_NUMBER},
		{"bytes", "SIZE", SHOW_SIZE}, {NULL}};
	mailbox *m;
	TRY(cli_find_mailbox(c, cli_text(c, "MAILBOX"), &m));
	json_t *facts = facts_of(c, m), *addresses = json_array(), *folders = json_array(),
	       *duties = json_array();
	json_object_set_new(facts, "addresses", addresses);
	json_object_set_new(facts, "answers_for", duties);
	json_object_set_new(facts, "folders", folders);
	status kind = addresses_of(c, m, addresses);
	if (kind == ST_OK)
		kind = duties_of(c, m, addresses, duties);
	if (kind == ST_OK)
		kind = folders_of(c, m, folders);
	if (kind == ST_OK)
		kind = refused_of(m, facts);
	if (kind == ST_OK) {
		json_incref(folders);
		cli_facts(c, facts, columns);
		cli_below(c, "Folders", folders, folder_columns);
		json_decref(folders);
		return ST_OK;
	}
	json_decref(facts);
	return kind;
}

/* ---- changes */

status cli_mailbox_password(struct cli *c)
{
	mailbox *m;
	bool made;
	slice why = S("");
	TRY(cli_find_mailbox(c, cli_text(c, "MAILBOX"), &m));
	slice password = cli_password(c, "--password", m->postoffice, &made);
	status kind = mailbox_set_password(m->postoffice, m->id, password, &c->by, &c->a, &why);
	if (kind == ST_INVALID)
		return cli_fail(c, kind,
			"choose another one, or leave --password out for a random one",
			"this password cannot be used: %.*s", SLICE_ARGS(why));
	TRY(kind);
	json_t *facts = json_pack("{s:o}", "mailbox", full_name(c, m));
	slice written = cli_text(c, "MAILBOX");
	if (!made)
		return cli_did(c, facts, "The password of %.*s is changed", SLICE_ARGS(written));
	json_object_set_new(facts, "password", json_slice(password));
	return cli_did(c, facts, "The password of %.*s is now %.*s (shown only now)",
		SLICE_ARGS(written), SLICE_ARGS(password));
}

/* Answers with the mailbox as it is now. */
static status changed(struct cli *c, const mailbox *m, const char *what)
{
	mailbox *now;
	slice written = cli_text(c, "MAILBOX");
	TRY(mailbox_by_id(m->postoffice, m->id, &c->a, &now));
	return cli_did(c, facts_of(c, now), "The mailbox %.*s %s", SLICE_ARGS(written), what);
}

/* In words what the store would refuse. */
static status may_lose(struct cli *c, const mailbox *m, enum mailbox_loss loss)
{
	slice why, name = cli_text(c, "MAILBOX");
	status kind = mailbox_spare(m->postoffice, m->id, loss, &c->a, &why);

	if (kind != ST_DENIED)
		return kind;
	slice remedy = arena_format(&c->a,
		"give its duty to another mailbox first: `pennypost mailbox kind NAME@%.*s admin` makes an administrator, `pennypost domain set DOMAIN --postmaster NAME --abuse NAME` leads these addresses there",
		SLICE_ARGS(m->postoffice_name));
	return cli_fail(c, kind, remedy.at, "the post office needs %.*s: %.*s", SLICE_ARGS(name),
		SLICE_ARGS(why));
}

/* Who is logged on to it goes, each after the command that runs. What is said of that. */
static status logged_off(struct cli *c, const mailbox *m, slice *told)
{
	int64_t asked = 0;

	TRY(session_end(0, m->postoffice, m->id, m->name, &c->by, &asked));
	*told = asked == 0 ? S("")
			   : arena_format(&c->a, "; %lld %s being ended", (long long)asked,
				     asked == 1 ? "session is" : "sessions are");
	return ST_OK;
}

static status set_state(struct cli *c, enum mailbox_state s)
{
	slice told = S("");
	mailbox *m;
	TRY(cli_find_mailbox(c, cli_text(c, "MAILBOX"), &m));
	if (s == MAILBOX_DISABLED)
		TRY(may_lose(c, m, LOSS_DISABLED));
	TRY(mailbox_set_state(m->postoffice, m->id, s, &c->by));
	if (s == MAILBOX_ENABLED)
		return changed(c, m, "is enabled");
	TRY(logged_off(c, m, &told));
	return changed(c, m, arena_format(&c->a, "is disabled%.*s", SLICE_ARGS(told)).at);
}

status cli_mailbox_enable(struct cli *c)
{
	return set_state(c, MAILBOX_ENABLED);
}

status cli_mailbox_disable(struct cli *c)
{
	return set_state(c, MAILBOX_DISABLED);
}

status cli_mailbox_release(struct cli *c)
{
	mailbox *m;
	slice written = cli_text(c, "MAILBOX");
	TRY(cli_find_mailbox(c, written, &m));
	status kind = queue_refused_release(m->postoffice, m->id, &c->by);
	if (kind == ST_ABSENT)
		return cli_fail(c, kind, "`pennypost mailbox show` says what is counted of it",
			"the mailbox %.*s is not paused", SLICE_ARGS(written));
	TRY(kind);
	return changed(c, m, "may write to other systems again");
}

status cli_mailbox_kind(struct cli *c)
{
	mailbox *m;
	enum mailbox_kind k = (enum mailbox_kind)cli_number(c, "KIND", MAILBOX_USER);
	TRY(cli_find_mailbox(c, cli_text(c, "MAILBOX"), &m));
	if (k == MAILBOX_USER)
		TRY(may_lose(c, m, LOSS_OF_RIGHT));
	TRY(mailbox_set_kind(m->postoffice, m->id, k, &c->by));
	return changed(c, m, arena_format(&c->a, "is of the kind %s", kind_words[k]).at);
}

status cli_mailbox_quota(struct cli *c)
{
	mailbox *m;
	int64_t quota = cli_number(c, "SIZE", 0);
	TRY(cli_find_mailbox(c, cli_text(c, "MAILBOX"), &m));
	slice size = setting_written(SK_SIZE, quota, &c->a);
	status kind = mailbox_set_quota(m->postoffice, m->id, quota, &c->by);
	if (kind == ST_INVALID)
		return cli_fail(c, kind, "give 1 PB at most, or 0 for no limit",
			"%.*s is more than a mailbox may have", SLICE_ARGS(size));
	TRY(kind);
	slice what = quota == 0 ? S("has no size limit")
				: arena_format(&c->a, "has room for %.*s%s", SLICE_ARGS(size),
					  slice_ends_nocase(size, S("B")) ? "" : " octets");
	return changed(c, m, what.at);
}

/* Members are addresses, and stay: who is given one of these later is a member (group.h). */
static slice memberships_told(
	struct cli *c, const mailbox *m, const struct group_membership *of, int n, json_t *all)
{
	slice told = S("");

	for (int i = 0; i < n; i++) {
		slice group = arena_format(&c->a, "%.*s@%.*s", SLICE_ARGS(of[i].group),
			SLICE_ARGS(m->postoffice_name));

		json_array_append_new(all, json_pack("{s:o,s:o}", "group", json_slice(group),
						   "address", json_slice(of[i].address)));
		told = arena_format(&c->a, "%.*s%s `pennypost group members %.*s --remove %.*s`",
			SLICE_ARGS(told),
			i ? ","
			  : ". Its addresses are still members of groups, and so is who gets one of them; take them out by",
			SLICE_ARGS(group), SLICE_ARGS(of[i].address));
	}
	return told;
}

status cli_mailbox_remove(struct cli *c)
{
	mailbox *m;
	struct group_membership *of;
	int n;
	slice written = cli_text(c, "MAILBOX");
	TRY(cli_sure(c, "removes the mailbox with its addresses and mail for good"));
	TRY(cli_find_mailbox(c, written, &m));
	TRY(may_lose(c, m, LOSS_REMOVED));
	TRY(group_memberships(m->postoffice, m->id, &c->a, &of, &n));
	TRY(mailbox_remove(m->postoffice, m->id, &c->by));
	json_t *all = json_array();
	slice told = memberships_told(c, m, of, n, all), ended;
	TRY(logged_off(c, m, &ended));
	return cli_did(c, json_pack("{s:o,s:o}", "removed", full_name(c, m), "still_members", all),
		"The mailbox %.*s is removed%.*s%.*s", SLICE_ARGS(written), SLICE_ARGS(ended),
		SLICE_ARGS(told));
}

/* Who is shut out, and what lifts it. */
static status shut_out(struct cli *c, slice name, const struct auth_from *from)
{
	const struct auth_limits most = auth_throttle_limits();
	struct auth_counts n;
	slice account;

	TRY(auth_against(name, from, &c->a, &n, &account));
	const char *of = !n.known && n.address >= most.single ? from->address.at : NULL;
	const char *named =
		!of || n.account >= most.single || n.known ? arena_z(&c->a, name) : NULL;
	slice lift = !of || !named
			     ? arena_format(&c->a, "`pennypost logon lift %s`", of ? of : named)
			     : arena_format(&c->a,
				       "`pennypost logon lift %s` and `pennypost logon lift %s`",
				       of, named);
	const char *remedy = arena_format(&c->a,
		"%.*s lets it in again; `pennypost logon list` tells until when it is so otherwise",
		SLICE_ARGS(lift))
				     .at;
	if (of && named)
		return cli_fail(c, ST_LIMITED, remedy,
			"the address %s, where this test logs on from, and the account %s are shut out: %lld and %lld logons failed",
			of, named, (long long)n.address, (long long)n.account);
	if (of)
		return cli_fail(c, ST_LIMITED, remedy,
			"the address %s, where this test logs on from, is shut out, whatever the account: %lld logons failed from there",
			of, (long long)n.address);
	return cli_fail(c, ST_LIMITED, remedy, "the account %s is shut out%s: %lld logons failed",
		named, n.known ? " here" : ", wherever it logs on from for the first time",
		(long long)(n.known ? n.pair : n.account));
}

status cli_mailbox_logon_test(struct cli *c)
{
	const struct auth_from from = {
		.service = SERVICE_NONE, .address = S("127.0.0.1"), .secure = true};
	struct identity who;
	slice name = cli_text(c, "NAME");
	status kind = auth_password(name, cli_text(c, "--password"), &from, &c->a, &who);
	if (kind == ST_LIMITED)
		return shut_out(c, name, &from);
	if (kind == ST_DENIED) {
		c->negative = true;
		return cli_did(c, json_pack("{s:b}", "logon", 0),
			"%.*s does not log on: name or password are wrong, or it is disabled",
			SLICE_ARGS(name));
	}
	TRY(kind);
	slice full = arena_format(
		&c->a, "%.*s@%.*s", SLICE_ARGS(who.mailbox_name), SLICE_ARGS(who.postoffice_name));
	return cli_did(c,
		json_pack("{s:b,s:o,s:s}", "logon", 1, "mailbox", json_slice(full), "kind",
			kind_words[who.kind]),
		"%.*s logs on as the mailbox %.*s", SLICE_ARGS(name), SLICE_ARGS(full));
}
