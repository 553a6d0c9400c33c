/* Domains of a post office. */
#include "provider/domain.h"

#include "mail/address.h"
#include "provider/address_target.h"
#include "provider/change.h"
#include "provider/internal.h"

/* A domain is part of names to log on with. */
#define OF_A_DOMAIN (RAISES(REVISION_ROUTING) | RAISES(REVISION_AUTH))

status domain_make(int64_t postoffice, slice name, bool with_mailboxes, const struct audit_by *by,
	arena *a, slice *why)
{
	slice folded, shown;
	db_tx *tx;
	status s;

	if (mail_domain_parse(name, a, &folded, &shown) != ST_OK) {
		*why = S("this is no domain name");
		return ST_INVALID;
	}
	tx = db_begin(DB_RUN, a);
	db_add(tx, SQL_DOMAIN_INSERT, (struct param[]){p_int(postoffice), p_text(folded)}, 2, NULL);
	if (with_mailboxes)
		TRY(address_add_mailboxes(tx, postoffice, folded, a));
	s = change_commit_raising(&tx, postoffice, by, "domain.make", folded, S(""), OF_A_DOMAIN);
	if (s == ST_EXISTS)
		*why = S("this domain exists, here or in another post office");
	return s;
}

status domain_fill(int64_t postoffice, slice name, const struct audit_by *by, arena *a, slice *why)
{
	domain *d;

	TRY(domain_find(name, a, &d));
	if (d->postoffice != postoffice)
		return ST_ABSENT;
	if (d->stands_for.size > 0) {
		*why = arena_format(
			a, "it stands for %.*s, whose addresses it has", SLICE_ARGS(d->stands_for));
		return ST_INVALID;
	}
	db_tx *tx = db_begin(DB_RUN, a);
	status s = address_add_mailboxes(tx, postoffice, d->name, a);
	if (s == ST_OK)
		return change_commit_raising(&tx, postoffice, by, "domain.fill", d->name, S(""),
			RAISES(REVISION_ROUTING) | RAISES(REVISION_AUTH));
	db_rollback(&tx);
	return s;
}

static status alias_insert(
	int64_t postoffice, slice name, slice real, const struct audit_by *by, arena *a, slice *why)
{
	struct rows r;
	db_tx *tx = db_begin(DB_RUN, a);
	status s;

	db_add(tx, SQL_DOMAIN_ALIAS_INSERT,
		(struct param[]){p_int(postoffice), p_text(name), p_text(real)}, 3, &r);
	s = db_flush(tx);
	if (s == ST_OK && r.changed > 0)
		return change_commit_raising(&tx, postoffice, by, "domain.alias", name,
			change_detail(a, (struct change_fact[]){{"stands_for", real}}, 1),
			OF_A_DOMAIN);
	db_rollback(&tx);
	if (s == ST_EXISTS)
		*why = S("this domain exists, here or in another post office");
	if (s != ST_OK)
		return s;
	*why = arena_format(a, "%.*s is no domain of the post office that has addresses of its own",
		SLICE_ARGS(real));
	return ST_INVALID;
}

status domain_alias(
	int64_t postoffice, slice name, slice real, const struct audit_by *by, arena *a, slice *why)
{
	slice folded, real_folded, shown;

	if (mail_domain_parse(name, a, &folded, &shown) != ST_OK ||
		mail_domain_parse(real, a, &real_folded, &shown) != ST_OK) {
		*why = S("this is no domain name");
		return ST_INVALID;
	}
	return alias_insert(postoffice, folded, real_folded, by, a, why);
}

static void domain_read(const struct rows *r, int row, domain *d)
{
	*d = (domain){
		.name = row_slice(r, row, 0),
		.postoffice = row_int(r, row, 1),
		.state = (enum domain_state)row_int(r, row, 2),
		.abuse = row_slice(r, row, 3),
		.postmaster = row_slice(r, row, 4),
		.catch_all = row_slice(r, row, 5),
		.stands_for = row_slice(r, row, 6),
	};
}

status domain_find(slice name, arena *a, domain **out)
{
	slice folded, shown;
	struct rows r;

	if (mail_domain_parse(name, a, &folded, &shown) != ST_OK)
		return ST_ABSENT;
	TRY(db_one(SQL_DOMAIN_FIND, (struct param[]){p_text(folded)}, 1, a, &r));
	*out = arena_new(a, sizeof **out);
	domain_read(&r, 0, *out);
	return ST_OK;
}

status domain_list(int64_t postoffice, arena *a, domain **rows, int *n)
{
	struct rows r;

	TRY(db_run(SQL_DOMAIN_LIST, (struct param[]){p_int(postoffice)}, 1, a, &r));
	*rows = arena_new_array(a, (size_t)r.count, sizeof **rows);
	for (int i = 0; i < r.count; i++)
		domain_read(&r, i, &(*rows)[i]);
	*n = r.count;
	return ST_OK;
}

status domain_unsure_postmasters(slice after, unsigned most, arena *a, slice **names, int *n)
{
	struct rows r;

	TRY(db_run(SQL_DOMAIN_UNSURE_POSTMASTERS, (struct param[]){p_text(after), p_int(most)}, 2,
		a, &r));
	*names = arena_new_array(a, (size_t)r.count, sizeof **names);
	for (int i = 0; i < r.count; i++)
		(*names)[i] = row_slice(&r, i, 0);
	*n = r.count;
	return ST_OK;
}

static status target_check(
	const domain *d, const char *what, slice target, bool elsewhere, arena *a, slice *why)
{
	struct internal to;
	struct rows r;
	status s = target.size > 0 ? address_target(d->postoffice, target, a, &r) : ST_OK;

	if (s == ST_OK && target.size > 0 && d->stands_for.size > 0) {
		*why = arena_format(
			a, "it stands for %.*s, whose targets it has", SLICE_ARGS(d->stands_for));
		return ST_INVALID;
	}
	if (s != ST_ABSENT)
		return s;
	if (elsewhere && internal_parse(target, a, &to, why) == ST_OK && to.smtp.size > 0)
		return ST_OK;
	*why = arena_format(
		a, "the %s target is neither a mailbox nor an address of the post office", what);
	return ST_INVALID;
}

static const char *const state_words[] = {
	[DOMAIN_ENABLED] = "enabled", [DOMAIN_DISABLED] = "disabled"};

/* What is another now, and what it was. */
static slice changed_facts(const domain *d, const struct rows *was, arena *a)
{
	const slice before[] = {slice_z(state_words[row_int(was, 0, 0)]), row_slice(was, 0, 1),
		row_slice(was, 0, 2), row_slice(was, 0, 3)},
		    now[] = {slice_z(state_words[d->state]), d->abuse, d->postmaster, d->catch_all};
	static const char *const names[][2] = {{"state", "state_was"}, {"abuse", "abuse_was"},
		{"postmaster", "postmaster_was"}, {"catch_all", "catch_all_was"}};
	struct change_fact facts[8];
	int n = 0;

	for (int i = 0; i < 4; i++)
		if (!slice_same(before[i], now[i])) {
			facts[n++] = (struct change_fact){names[i][0], now[i]};
			facts[n++] = (struct change_fact){names[i][1], before[i]};
		}
	return change_detail(a, facts, n);
}

status domain_change(const domain *d, const struct audit_by *by, arena *a, slice *why)
{
	slice folded, shown;
	struct rows r;
	db_tx *tx;
	status s;

	if (mail_domain_parse(d->name, a, &folded, &shown) != ST_OK)
		return ST_ABSENT;
	TRY(target_check(d, "abuse", d->abuse, false, a, why));
	TRY(target_check(d, "postmaster", d->postmaster, false, a, why));
	TRY(target_check(d, "catch-all", d->catch_all, true, a, why));
	tx = db_begin(DB_RUN, a);
	db_add(tx, SQL_DOMAIN_CHANGE,
		(struct param[]){p_int(d->postoffice), p_text(folded), p_int(d->state),
			p_text(d->abuse), p_text(d->postmaster), p_text(d->catch_all)},
		6, &r);
	s = db_flush(tx);
	if (s == ST_OK && r.changed > 0)
		return change_commit_raising(&tx, d->postoffice, by, "domain.change", folded,
			changed_facts(d, &r, a), OF_A_DOMAIN);
	db_rollback(&tx);
	return s == ST_OK ? ST_ABSENT : s;
}

status domain_remove(int64_t postoffice, slice name, const struct audit_by *by)
{
	arena a = ARENA_INIT;
	slice folded, shown;
	status s = ST_ABSENT;

	if (mail_domain_parse(name, &a, &folded, &shown) == ST_OK) {
		db_tx *tx = db_begin(DB_RUN, &a);
		struct rows r;

		db_add(tx, SQL_DOMAIN_REMOVE, (struct param[]){p_int(postoffice), p_text(folded)},
			2, &r);
		s = db_flush(tx);
		if (s == ST_OK && r.changed > 0) {
			s = change_commit_raising(
				&tx, postoffice, by, "domain.remove", folded, S(""), OF_A_DOMAIN);
		} else {
			db_rollback(&tx);
			s = s == ST_OK ? ST_ABSENT : s;
		}
	}
	arena_release(&a);
	return s;
}
