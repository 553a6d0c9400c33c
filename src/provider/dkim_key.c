/* Keys that sign. Changes raise the revision of routing: who keeps keys in memory hears of it with
   the domains. */
#include "provider/dkim_key.h"

#include "mail/dkim.h"
#include "provider/auth_secret.h"
#include "provider/change.h"

status dkim_key_add(const dkim_key *k, const struct audit_by *by, arena *a, slice *why)
{
	slice name, secret;

	if (dkim_record_name(k->selector, k->domain, a, &name) != ST_OK) {
		*why = S("a selector has letters, digits, - and dots");
		return ST_INVALID;
	}
	status kind = auth_secret_keep(k->postoffice, k->private_key, a, &secret);
	if (kind == ST_ABSENT) {
		*why = S("there is no secret file to encrypt the key with");
		return ST_INVALID;
	}
	TRY(kind);
	db_tx *tx = db_begin(DB_RUN, a);
	db_add(tx, SQL_DKIM_KEY_ADD,
		(struct param[]){p_int(k->postoffice), p_text(k->domain),
			p_text(arena_lower(a, k->selector)), p_int(k->algorithm),
			p_bytes(k->public_key), p_bytes(secret)},
		6, NULL);
	return change_commit(&tx, k->postoffice, by, "dkim_key.add", arena_lower(a, name), S(""));
}

static void key_read(const struct rows *r, int row, int64_t postoffice, dkim_key *k)
{
	*k = (dkim_key){
		.postoffice = postoffice,
		.domain = row_slice(r, row, 0),
		.selector = row_slice(r, row, 1),
		.algorithm = (enum signature_algorithm)row_int(r, row, 2),
		.state = (enum dkim_key_state)row_int(r, row, 3),
		.public_key = row_slice(r, row, 4),
		.made = row_time(r, row, 5),
		.changed = row_time(r, row, 6),
	};
}

status dkim_key_list(int64_t postoffice, slice domain, arena *a, dkim_key **rows, int *n)
{
	struct rows r;

	TRY(db_run(
		SQL_DKIM_KEY_LIST, (struct param[]){p_int(postoffice), p_text(domain)}, 2, a, &r));
	*rows = arena_new_array(a, (size_t)r.count, sizeof **rows);
	for (int i = 0; i < r.count; i++)
		key_read(&r, i, postoffice, &(*rows)[i]);
	*n = r.count;
	return ST_OK;
}

static status signing_read(
	const struct rows *r, int64_t postoffice, arena *a, dkim_key **rows, int *n)
{
	*rows = arena_new_array(a, (size_t)r->count, sizeof **rows);
	for (int i = 0; i < r->count; i++) {
		dkim_key *k = &(*rows)[i];
		key_read(r, i, postoffice, k);
		TRY(auth_secret_recover(postoffice, row_slice(r, i, 7), a, &k->private_key));
	}
	*n = r->count;
	return ST_OK;
}

status dkim_key_signing(int64_t postoffice, slice domain, arena *a, dkim_key **rows, int *n)
{
	struct rows r;

	TRY(db_run(SQL_DKIM_KEY_SIGNING, (struct param[]){p_int(postoffice), p_text(domain)}, 2, a,
		&r));
	return signing_read(&r, postoffice, a, rows, n);
}

status dkim_key_rotate(int64_t postoffice, slice domain, const struct audit_by *by)
{
	arena a = ARENA_INIT;
	struct param p[] = {p_int(postoffice), p_text(domain)};
	struct rows started, signing;
	dkim_key *rows;
	int n;

	arena_secret(&a);
	db_tx *tx = db_begin(DB_RUN, &a);
	db_add(tx, SQL_DKIM_KEY_RETIRE, p, 2, NULL);
	db_add(tx, SQL_DKIM_KEY_START, p, 2, &started);
	db_add(tx, SQL_DKIM_KEY_SIGNING, p, 2, &signing);
	status kind = db_flush(tx);
	if (kind == ST_OK && started.changed == 0)
		kind = ST_ABSENT;
	/* Mail would go unsigned. */
	else if (kind == ST_OK && signing_read(&signing, postoffice, &a, &rows, &n) != ST_OK)
		kind = ST_INVALID;
	if (kind == ST_OK)
		kind = change_commit(&tx, postoffice, by, "dkim_key.rotate", domain, S(""));
	else
		db_rollback(&tx);
	arena_release(&a);
	return kind;
}

status dkim_key_remove(int64_t postoffice, slice domain, slice selector, const struct audit_by *by)
{
	arena a = ARENA_INIT;
	slice name = arena_format(&a, "%.*s._domainkey.%.*s", SLICE_ARGS(arena_lower(&a, selector)),
		SLICE_ARGS(domain));
	struct rows r;
	db_tx *tx = db_begin(DB_RUN, &a);

	db_add(tx, SQL_DKIM_KEY_REMOVE,
		(struct param[]){
			p_int(postoffice), p_text(domain), p_text(arena_lower(&a, selector))},
		3, &r);
	status kind = db_flush(tx);
	if (kind == ST_OK && r.changed > 0) {
		kind = change_commit(&tx, postoffice, by, "dkim_key.remove", name, S(""));
	} else {
		db_rollback(&tx);
		kind = kind == ST_OK ? ST_ABSENT : kind;
	}
	arena_release(&a);
	return kind;
}
