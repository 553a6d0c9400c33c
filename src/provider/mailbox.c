/* Mailboxes: making, finding, changing, removing. Every change writes its audit row and raises the
   revisions it touches in its own transaction. */
#include "provider/mailbox.h"

#include "base/id.h"
#include "base/utf8.h"
#include "mail/address.h"
#include "provider/acl.h"
#include "provider/auth.h"
#include "provider/change.h"
#include "provider/folder_first.h"
#include "provider/mailbox_duty.h"
#include "provider/mailbox_fresh.h"
#include "provider/setting.h"
#include "provider/settle.h"

#include <inttypes.h>

#define NAME_MOST 64   /* characters */
#define MANY_BATCH 250 /* mailboxes in one transaction */

/* ---- names */

static bool name_has(uint32_t point)
{
	return point > ' ' && point != 0x7f && !(point >= 0x80 && point < 0xa1) && point != '@' &&
	       point != '/' && point != '"' && point != '\'';
}

static bool name_valid(slice name)
{
	int count = 0;

	while (name.size > 0) {
		uint32_t point;
		size_t taken = utf8_take(name, &point);

		if (taken == 0 || !name_has(point) || ++count > NAME_MOST)
			return false;
		name = slice_from(name, taken);
	}
	return count > 0;
}

slice mailbox_address_local(slice name, arena *a)
{
	mail_address m;

	if (mail_address_of(name, S("mailbox.test"), a, &m) != ST_OK)
		return S("");
	slice local = mail_local_key(m.local, a);
	if (slice_same(local, S("postmaster")) || slice_same(local, S("abuse")))
		return S("");
	return local;
}

/* Checks and folds the name and gives the ids. ST_INVALID (*why). */
static status fresh_name(
	slice name, bool addresses, arena *a, struct mailbox_fresh *out, slice *why)
{
	if (!name_valid(name)) {
		*why = S(
			"a mailbox name has 1 to 64 characters and none of: blank, control, @ / ' \"");
		return ST_INVALID;
	}
	TRY(acl_name_check(name, why));
	*out = (struct mailbox_fresh){
		.id = id_new(),
		.inbox = id_new(),
		.name = name,
		.folded = mail_local_key(name, a),
		.local = addresses ? mailbox_address_local(name, a) : S(""),
	};
	return ST_OK;
}

status mailbox_fresh_make(int64_t postoffice, slice name, slice password, bool addresses, arena *a,
	struct mailbox_fresh *out, slice *why)
{
	status s;

	TRY(fresh_name(name, addresses, a, out, why));
	TRY(auth_password_check(postoffice, name, password, a, why));
	s = auth_hash_new(postoffice, password, a, &out->secrets);
	if (s != ST_TOO_BIG)
		return s;
	*why = S("the password is too long");
	return ST_INVALID;
}

/* ---- making */

/* The folders of new mailboxes beside INBOX, as columns; ids for each mailbox. */
struct first_rows {
	int n;
	slice *name;
	int64_t *special, *id;
};

static void first_take(int64_t postoffice, int mailboxes, arena *a, struct first_rows *out)
{
	struct folder_first *rows;

	out->n = folder_first(postoffice, a, &rows);
	out->name = arena_new_array(a, (size_t)out->n, sizeof *out->name);
	out->special = arena_new_array(a, (size_t)out->n, sizeof *out->special);
	out->id = arena_new_array(a, (size_t)out->n * (size_t)mailboxes, sizeof *out->id);
	for (int i = 0; i < out->n; i++) {
		out->name[i] = rows[i].name;
		out->special[i] = rows[i].special;
	}
	for (int i = 0; i < out->n * mailboxes; i++)
		out->id[i] = id_new();
}

void mailbox_fresh_add(db_tx *tx, int64_t postoffice, const struct mailbox_fresh *rows, int n,
	enum mailbox_kind kind, int64_t quota, arena *a, struct rows *made)
{
	int64_t *id = arena_new_array(a, (size_t)n, sizeof *id);
	int64_t *inbox = arena_new_array(a, (size_t)n, sizeof *inbox);
	struct first_rows first;
	slice *columns = arena_new_array(a, (size_t)n * 6, sizeof *columns);
	slice *name = columns, *folded = name + n, *local = folded + n, *hash = local + n,
	      *scram = hash + n, *recoverable = scram + n;

	for (int i = 0; i < n; i++) {
		const struct mailbox_fresh *m = &rows[i];

		id[i] = m->id;
		inbox[i] = m->inbox;
		name[i] = m->name;
		folded[i] = m->folded;
		local[i] = m->local;
		hash[i] = m->secrets.hash;
		scram[i] = m->secrets.scram;
		recoverable[i] = m->secrets.recoverable;
	}
	first_take(postoffice, n, a, &first);
	db_add(tx, SQL_MAILBOX_INSERT,
		(struct param[]){p_int(postoffice), p_int_array(id, n), p_text_array(name, n),
			p_text_array(folded, n), p_text_array(local, n), p_int_array(inbox, n),
			p_text_array(hash, n), p_text_array(scram, n),
			p_bytes_array(recoverable, n), p_int(kind), p_int(quota),
			p_text_array(first.name, first.n), p_int_array(first.special, first.n),
			p_int_array(first.id, first.n * n)},
		14, made);
}

static int64_t quota_of_new(int64_t postoffice, int64_t asked)
{
	struct setting_at at = {.postoffice = postoffice};

	return asked >= 0 ? asked : setting_number(S_mailbox_quota, &at);
}

status mailbox_make(int64_t postoffice, const struct mailbox_new *n, const struct audit_by *by,
	arena *a, mailbox **out, slice *why)
{
	struct mailbox_fresh fresh;
	struct rows made;
	db_tx *tx;

	if (n->quota > MAILBOX_QUOTA_MOST) {
		*why = S("the quota is more than 1 PB");
		return ST_INVALID;
	}
	TRY(mailbox_fresh_make(postoffice, n->name, n->password, !n->no_addresses, a, &fresh, why));
	tx = db_begin(DB_RUN, a);
	mailbox_fresh_add(
		tx, postoffice, &fresh, 1, n->kind, quota_of_new(postoffice, n->quota), a, &made);
	status s = db_flush(tx);
	if (s == ST_OK && row_int(&made, 0, 0) == 0) {
		*why = S("a mailbox of this name exists");
		s = ST_EXISTS;
	}
	if (s != ST_OK) {
		db_rollback(&tx);
		return s;
	}
	change_audit(tx, postoffice, by, "mailbox.make", fresh.name, S(""));
	change_rise(tx, REVISION_ROUTING);
	TRY(db_commit(&tx, NULL));
	change_tell(REVISION_ROUTING);
	return mailbox_by_id(postoffice, fresh.id, a, out);
}

static status batch_make(int64_t postoffice, slice prefix, unsigned first, unsigned last,
	slice password, const struct auth_secrets *same, const struct audit_by *by, arena *a,
	unsigned *made)
{
	int n = (int)(last - first + 1);
	struct mailbox_fresh *fresh = arena_new_array(a, (size_t)n, sizeof *fresh);
	struct rows r;
	slice why;
	db_tx *tx;

	for (int i = 0; i < n; i++) {
		slice name = arena_format(a, "%.*s%04u", SLICE_ARGS(prefix), first + (unsigned)i);

		TRY(fresh_name(name, true, a, &fresh[i], &why));
		if (same)
			fresh[i].secrets = *same;
		else
			TRY(auth_hash_new(postoffice, password, a, &fresh[i].secrets));
	}
	tx = db_begin(DB_RUN, a);
	mailbox_fresh_add(
		tx, postoffice, fresh, n, MAILBOX_USER, quota_of_new(postoffice, -1), a, &r);
	change_audit(tx, postoffice, by, "mailbox.make-many",
		arena_format(a, "%.*s%04u..%04u", SLICE_ARGS(prefix), first, last), S(""));
	change_rise(tx, REVISION_ROUTING);
	TRY(db_commit(&tx, NULL));
	*made += (unsigned)row_int(&r, 0, 0);
	return ST_OK;
}

status mailbox_make_many(int64_t postoffice, slice prefix, unsigned first, unsigned last,
	slice password, bool same_hash, const struct audit_by *by, unsigned *made)
{
	struct auth_secrets same;
	arena kept = ARENA_INIT, a = ARENA_INIT;
	status s = ST_OK;

	*made = 0;
	if (same_hash)
		s = auth_hash_new(postoffice, password, &kept, &same);
	for (unsigned from = first; s == ST_OK && from <= last; from += MANY_BATCH) {
		unsigned to = last - from < MANY_BATCH ? last : from + MANY_BATCH - 1;

		s = batch_make(postoffice, prefix, from, to, password, same_hash ? &same : NULL, by,
			&a, made);
		arena_clear(&a);
	}
	change_tell(REVISION_ROUTING);
	arena_release(&kept);
	arena_release(&a);
	return s;
}

/* ---- finding */

static void mailbox_read(const struct rows *r, int row, mailbox *m)
{
	*m = (mailbox){
		.id = row_int(r, row, 0),
		.postoffice = row_int(r, row, 1),
		.name = row_slice(r, row, 2),
		.postoffice_name = row_slice(r, row, 3),
		.kind = (enum mailbox_kind)row_int(r, row, 4),
		.state = (enum mailbox_state)row_int(r, row, 5),
		.quota = row_int(r, row, 6),
		.used = row_int(r, row, 7),
		.messages = row_int(r, row, 8),
		.modseq = row_int(r, row, 9),
		.inbox = row_int(r, row, 10),
		.made = row_time(r, row, 11),
		.last_logon = row_time(r, row, 12),
	};
}

static status mailbox_one(enum statement_id id, const struct param *p, arena *a, mailbox **out)
{
	struct rows r;

	TRY(db_one(id, p, 2, a, &r));
	*out = arena_new(a, sizeof **out);
	mailbox_read(&r, 0, *out);
	return ST_OK;
}

status mailbox_find(int64_t postoffice, slice name, arena *a, mailbox **out)
{
	if (!name_valid(name))
		return ST_ABSENT;
	return mailbox_one(SQL_MAILBOX_FIND,
		(struct param[]){p_int(postoffice), p_text(mail_local_key(name, a))}, a, out);
}

status mailbox_by_id(int64_t postoffice, int64_t id, arena *a, mailbox **out)
{
	return mailbox_one(
		SQL_MAILBOX_BY_ID, (struct param[]){p_int(postoffice), p_int(id)}, a, out);
}

status mailbox_shown(int64_t postoffice, int64_t id, arena *a, slice *out)
{
	mailbox *m;
	status s = mailbox_by_id(postoffice, id, a, &m);

	if (s == ST_ABSENT)
		*out = arena_format(a, "%" PRId64, id);
	else if (s == ST_OK)
		*out = m->name;
	return s == ST_ABSENT ? ST_OK : s;
}

status mailbox_list(
	int64_t postoffice, slice after, unsigned most, arena *a, mailbox **rows, int *n)
{
	struct param p[] = {p_int(postoffice), p_text(mail_local_key(after, a)), p_int(most)};
	struct rows r;

	TRY(db_run(SQL_MAILBOX_LIST, p, 3, a, &r));
	*rows = arena_new_array(a, (size_t)r.count, sizeof **rows);
	for (int i = 0; i < r.count; i++)
		mailbox_read(&r, i, &(*rows)[i]);
	*n = r.count;
	return ST_OK;
}

bool mailbox_has_room(const mailbox *m, uint64_t size)
{
	return m->quota == 0 || (m->used < m->quota && size <= (uint64_t)(m->quota - m->used));
}

/* ---- changing */

static slice value_shown(const char *const *words, int64_t value, arena *a)
{
	return words ? slice_z(words[value]) : arena_format(a, "%lld", (long long)value);
}

/* A statement that changes one mailbox and gives its name and what it was; audited, in `words`
   where it has some, with the revisions it raises. */
struct turn {
	enum statement_id change;
	int64_t postoffice, id, value;
	const char *action;
	const char *const *words;
	unsigned raises;
	const struct audit_by *by;
};

static slice detail_of(const struct turn *t, int64_t was, arena *a)
{
	return change_detail(a,
		(struct change_fact[]){
			{strchr(t->action, '.') + 1, value_shown(t->words, t->value, a)},
			{"was", value_shown(t->words, was, a)}},
		2);
}

/* Of a run that may not be the first: it finds what it would write, so there is nothing to audit. */
static status stored_before(db_tx **tx, const struct turn *t)
{
	db_rollback(tx);
	for (int r = 0; r < REVISIONS; r++)
		if (t->raises & RAISES(r))
			change_tell((enum revision)r);
	return ST_OK;
}

static status change_once(void *arg, bool again)
{
	const struct turn *t = arg;
	arena a = ARENA_INIT;
	db_tx *tx = db_begin(DB_RUN, &a);
	struct rows r;

	db_add(tx, t->change, (struct param[]){p_int(t->postoffice), p_int(t->id), p_int(t->value)},
		3, &r);
	status s = db_flush(tx);
	if (s == ST_OK && r.count == 0)
		s = ST_ABSENT;
	if (s != ST_OK)
		db_rollback(&tx);
	else if (again && row_int(&r, 0, 1) == t->value)
		s = stored_before(&tx, t);
	else
		s = change_commit_raising(&tx, t->postoffice, t->by, t->action, row_slice(&r, 0, 0),
			detail_of(t, row_int(&r, 0, 1), &a), t->raises);
	arena_release(&a);
	return s;
}

static const char *const state_words[] = {
	[MAILBOX_ENABLED] = "enabled", [MAILBOX_DISABLED] = "disabled"};
static const char *const kind_words[] = {
	[MAILBOX_USER] = "user", [MAILBOX_ADMIN] = "admin", [MAILBOX_SYSADMIN] = "sysadmin"};

status mailbox_set_state(
	int64_t postoffice, int64_t id, enum mailbox_state s, const struct audit_by *by)
{
	if (s == MAILBOX_DISABLED)
		TRY(mailbox_spared(postoffice, id, LOSS_DISABLED));
	struct turn t = {SQL_MAILBOX_SET_STATE, postoffice, id, s, "mailbox.state", state_words,
		RAISES(REVISION_ROUTING) | RAISES(REVISION_AUTH), by};
	return settle(change_once, &t);
}

status mailbox_set_kind(
	int64_t postoffice, int64_t id, enum mailbox_kind k, const struct audit_by *by)
{
	if (k == MAILBOX_USER)
		TRY(mailbox_spared(postoffice, id, LOSS_OF_RIGHT));
	struct turn t = {SQL_MAILBOX_SET_KIND, postoffice, id, k, "mailbox.kind", kind_words,
		RAISES(REVISION_AUTH), by};
	return settle(change_once, &t);
}

static status set_quota(
	int64_t postoffice, int64_t id, int64_t quota, unsigned raises, const struct audit_by *by)
{
	struct turn t = {
		SQL_MAILBOX_SET_QUOTA, postoffice, id, quota, "mailbox.quota", NULL, raises, by};

	if (quota < 0 || quota > MAILBOX_QUOTA_MOST)
		return ST_INVALID;
	return settle(change_once, &t);
}

status mailbox_set_quota(int64_t postoffice, int64_t id, int64_t quota, const struct audit_by *by)
{
	return set_quota(postoffice, id, quota, RAISES(REVISION_ROUTING), by);
}

status mailbox_let_quota(int64_t postoffice, int64_t id, int64_t quota, const struct audit_by *by)
{
	return set_quota(postoffice, id, quota, 0, by);
}

status mailbox_set_password(int64_t postoffice, int64_t id, slice password,
	const struct audit_by *by, arena *a, slice *why)
{
	struct auth_secrets secrets;
	mailbox *m;
	db_tx *tx;
	status s;

	TRY(mailbox_by_id(postoffice, id, a, &m));
	TRY(auth_password_check(postoffice, m->name, password, a, why));
	s = auth_hash_new(postoffice, password, a, &secrets);
	if (s == ST_TOO_BIG) {
		*why = S("the password is too long");
		return ST_INVALID;
	}
	TRY(s);
	tx = db_begin(DB_RUN, a);
	db_add(tx, SQL_MAILBOX_SET_PASSWORD,
		(struct param[]){p_int(postoffice), p_int(id), p_text(secrets.hash),
			p_text(secrets.scram), p_bytes(secrets.recoverable)},
		5, NULL);
	return change_commit_raising(
		&tx, postoffice, by, "mailbox.password", m->name, S(""), RAISES(REVISION_AUTH));
}

/* ---- removing */

status mailbox_remove(int64_t postoffice, int64_t id, const struct audit_by *by)
{
	TRY(mailbox_spared(postoffice, id, LOSS_REMOVED));
	struct param p[] = {p_int(postoffice), p_int(id)};
	arena a = ARENA_INIT;
	db_tx *tx = db_begin(DB_RUN, &a);
	struct rows r;
	status s;

	db_add(tx, SQL_DELIVER_LOCK, (struct param[]){p_int(postoffice), p_int_array(&id, 1)}, 2,
		NULL);
	db_add(tx, SQL_MAILBOX_EMPTY, p, 2, NULL);
	db_add(tx, SQL_MAILBOX_REMOVE, p, 2, &r);
	s = db_flush(tx);
	if (s == ST_OK && r.count == 0)
		s = ST_ABSENT;
	if (s == ST_OK)
		s = change_commit_raising(&tx, postoffice, by, "mailbox.remove",
			row_slice(&r, 0, 0), S(""),
			RAISES(REVISION_ROUTING) | RAISES(REVISION_AUTH));
	else
		db_rollback(&tx);
	arena_release(&a);
	return s;
}
