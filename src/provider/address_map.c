/* The address map. A worker asks for the same recipients again and again, so answers that lead
   somewhere are kept for a second, and which domains are other systems'; refusals are not, for a
   mailbox made a moment ago is to be found. Mailboxes found by their very address, with plenty of
   room, are kept longer: nothing but a change that raises the revision of routing makes such an
   answer wrong, or a quota that a tenant makes a small one, which raises none: all of them would have to be
   asked for anew. A delivery checks again in its transaction. */
#include "provider/address_map.h"

#include "base/map.h"
#include "mail/address.h"
#include "provider/address_target.h"
#include "provider/change.h"
#include "provider/internal.h"
#include "provider/mailbox_fresh.h"
#include "provider/postoffice.h"
#include "provider/provider.h"
#include "provider/setting.h"
#include "provider/watch.h"

#include <pthread.h>

#define PAGE 1000
#define KEPT_FOR (1 * USEC_S)
#define KEPT_LONG (10 * USEC_S)                 /* those that only a new revision makes wrong */
#define AMPLE_ROOM ((int64_t)256 * 1024 * 1024) /* more than one mailbox gets meanwhile */
#define KEPT_MOST 10000

/* ---- what was found lately: all of one revision. A key's new answer stands beside its old one
   until KEPT_MOST were put in, or the revision is another; then all are thrown away. */

struct kept_route {
	struct route route; /* nothing in it under "@domain": another system's */
	usec asked;         /* before the question was put */
	bool lasting;
};

static struct {
	pthread_mutex_t lock; /* never held across a wait */
	map *routes;
	arena memory;
	int added;
	uint64_t revision;
} kept = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* With the lock held. */
static void kept_clear(uint64_t revision)
{
	map_close(&kept.routes);
	arena_clear(&kept.memory);
	kept.added = 0;
	kept.revision = revision;
}

/* With the lock held. */
static const struct kept_route *kept_look(slice key, usec now)
{
	const struct kept_route *found = kept.routes ? map_get(kept.routes, key) : NULL;

	if (!found || now - found->asked <= KEPT_FOR)
		return found;
	return found->lasting && now - found->asked <= KEPT_LONG && provider_routing_watched()
		       ? found
		       : NULL;
}

/* ST_ABSENT: nothing is known. ST_FOREIGN. */
static status kept_find(slice key, slice domain, uint64_t revision, arena *a, struct route *out)
{
	slice whole_domain = slice_from(key, key.size - domain.size - 1);
	usec now = clock_now();
	const struct kept_route *found;
	status s = ST_ABSENT;

	pthread_mutex_lock(&kept.lock);
	if (kept.revision != revision)
		kept_clear(revision);
	if ((found = kept_look(key, now))) {
		s = ST_OK;
		*out = found->route;
		out->postoffice_name = arena_copy(a, out->postoffice_name);
		out->mailbox_name = arena_copy(a, out->mailbox_name);
		out->remote = arena_copy(a, out->remote);
	} else if (kept_look(whole_domain, now)) {
		s = ST_FOREIGN;
	}
	pthread_mutex_unlock(&kept.lock);
	return s;
}

/* `revision` and `asked` as they were before the question was put: an answer overtaken by a change
   is not kept. */
static void kept_add(slice key, uint64_t revision, const struct kept_route *k)
{
	pthread_mutex_lock(&kept.lock);
	if (kept.revision == revision && kept.added >= KEPT_MOST)
		kept_clear(revision);
	if (kept.revision == revision) {
		struct kept_route *copy = arena_new(&kept.memory, sizeof *copy);

		*copy = *k;
		copy->route.postoffice_name = arena_copy(&kept.memory, k->route.postoffice_name);
		copy->route.mailbox_name = arena_copy(&kept.memory, k->route.mailbox_name);
		copy->route.remote = arena_copy(&kept.memory, k->route.remote);
		if (!kept.routes)
			kept.routes = map_open();
		map_put(kept.routes, key, copy);
		kept.added++;
	}
	pthread_mutex_unlock(&kept.lock);
}

/* ---- asking */

static slice key_of(slice local, slice domain, arena *a)
{
	slice folded = mail_local_key(local, a);

	return arena_format(a, "%.*s@%.*s", SLICE_ARGS(folded), SLICE_ARGS(domain));
}

status address_target(int64_t postoffice, slice target, arena *a, struct rows *out)
{
	slice folded = S(""), key = S("");
	mail_address m;

	if (slice_find(target, '@') == target.size)
		folded = mail_local_key(target, a);
	else if (mail_address_parse(target, a, &m) == ST_OK)
		key = mail_address_key(&m, a);
	else
		return ST_ABSENT;
	return db_one(SQL_ADDRESS_TARGET,
		(struct param[]){p_int(postoffice), p_text(folded), p_text(key)}, 3, a, out);
}

/* Seven columns from `first` on: mailbox id, name, state, INBOX id, quota, used, handling. */
static status mailbox_take(const struct rows *r, int first, struct route *out)
{
	out->mailbox = row_int(r, 0, first);
	out->mailbox_name = row_slice(r, 0, first + 1);
	out->inbox = row_int(r, 0, first + 3);
	out->quota = row_int(r, 0, first + 4);
	out->used = row_int(r, 0, first + 5);
	out->handling = (unsigned)row_int(r, 0, first + 6);
	return row_int(r, 0, first + 2) == MAILBOX_ENABLED ? ST_OK : ST_DENIED;
}

/* A mailbox in seven columns from `first` on, or a group. */
static status lead_take(const struct rows *r, int first, int group, struct route *out)
{
	out->group = row_int(r, 0, group);
	return out->group != 0 ? ST_OK : mailbox_take(r, first, out);
}

/* Where a target of the post office leads for the recipient local@domain. */
static status target_lead(slice target, slice local, slice domain, arena *a, struct route *out)
{
	struct internal to;
	struct rows r;
	slice why;
	status s = internal_parse(target, a, &to, &why);

	if (s == ST_OK && to.smtp.size > 0) {
		out->remote = internal_smtp(to.smtp, local, domain, a);
		return ST_OK;
	}
	if (s == ST_INVALID || (s == ST_OK && !slice_same(to.postoffice, out->postoffice_name)))
		return ST_ABSENT;
	TRY(address_target(out->postoffice, s == ST_OK ? to.name : target, a, &r));
	return lead_take(&r, 0, 7, out);
}

enum {
	ABUSE = 3,
	POSTMASTER,
	CATCH_ALL,
	MAILBOX,
	GROUP = 13,
	OWN_DOMAIN,
	HAS_MASKS
}; /* of address_route */

/* Nothing of the map fits: postmaster and abuse go to their targets, and to the administrator when
   those are not set or led nowhere; all else to the catch-all. */
static status fall_back(
	const struct rows *found, slice local, slice domain, arena *a, struct route *out)
{
	bool abuse = slice_same(local, S("abuse"));
	slice target = row_slice(found, 0,
		abuse             ? ABUSE
		: out->postmaster ? POSTMASTER
				  : CATCH_ALL);
	status s = target.size > 0 ? target_lead(target, local, domain, a, out) : ST_ABSENT;

	if (s == ST_ABSENT && out->postmaster)
		s = target_lead(S("postmaster"), local, domain, a, out);
	out->caught = !out->postmaster;
	return s;
}

/* What stands before the first separator; empty when there is none, or nothing before it. */
static slice without_detail(slice local, int64_t postoffice, slice domain)
{
	struct setting_at at = {.postoffice = postoffice, .domain = domain};
	slice separators = setting_text(S_address_separators, &at);
	size_t first = local.size;

	for (size_t i = 0; i < separators.size; i++) {
		size_t found = slice_find(local, separators.at[i]);

		first = found < first ? found : first;
	}
	return first < local.size ? slice_until(local, first) : S("");
}

/* Nobody has the address exactly. */
static status missed(
	const struct rows *found, slice local, slice domain, arena *a, struct route *out)
{
	enum { ELSEWHERE, WITHOUT_DETAIL, MASK };
	slice own = row_slice(found, 0, OWN_DOMAIN),
	      base = without_detail(local, out->postoffice, own);
	struct rows r;
	status s = ST_ABSENT;

	if (base.size > 0 || row_bool(found, 0, HAS_MASKS))
		s = db_one(SQL_ADDRESS_MISSED,
			(struct param[]){
				p_int(out->postoffice), p_text(local), p_text(own), p_text(base)},
			4, a, &r);
	if (s == ST_ABSENT || (s == ST_OK && out->postmaster && row_int(&r, 0, 0) == MASK))
		return fall_back(found, local, domain, a, out);
	TRY(s);
	if (row_int(&r, 0, 0) == WITHOUT_DETAIL)
		return lead_take(&r, 3, 2, out);
	return target_lead(row_slice(&r, 0, 1), local, domain, a, out);
}

/* `local` folded. *exact: somebody has this very address, so that nothing else decided. */
static status route_ask(slice local, slice domain, arena *a, struct route *out, bool *exact)
{
	struct rows r;
	status s = db_one(
		SQL_ADDRESS_ROUTE, (struct param[]){p_text(local), p_text(domain)}, 2, a, &r);

	*out = (struct route){0};
	*exact = false;
	if (s == ST_ABSENT)
		return ST_FOREIGN;
	TRY(s);
	*out = (struct route){
		.postoffice = row_int(&r, 0, 0),
		.postoffice_name = row_slice(&r, 0, 1),
		.postmaster = slice_same(local, S("postmaster")) || slice_same(local, S("abuse")),
	};
	if (!row_bool(&r, 0, 2))
		return ST_DENIED;
	if (row_null(&r, 0, MAILBOX) && row_null(&r, 0, GROUP))
		return missed(&r, local, domain, a, out);
	*exact = true;
	return lead_take(&r, MAILBOX, GROUP, out);
}

status address_room(const struct route *r, uint64_t size)
{
	int64_t room = r->quota - r->used;

	if (r->quota == 0)
		return ST_OK;
	if (r->postmaster)
		room += setting_number(S_mailbox_postmaster_room, NULL);
	return room > 0 && size <= (uint64_t)room ? ST_OK : ST_FULL;
}

static status rooms_in(const struct route *const *r, int n, uint64_t size, arena *a, status *kinds)
{
	int64_t *mailbox = arena_new_array(a, (size_t)n, sizeof *mailbox);
	struct rows found;

	for (int i = 0; i < n; i++) {
		mailbox[i] = r[i]->mailbox;
		kinds[i] = ST_ABSENT;
	}
	TRY(db_run(SQL_ADDRESS_ROOMS,
		(struct param[]){p_int(r[0]->postoffice), p_int_array(mailbox, n)}, 2, a, &found));
	for (int row = 0; row < found.count; row++) {
		int64_t i = row_int(&found, row, 0) - 1;
		struct route now = *r[i];

		now.quota = row_int(&found, row, 2);
		now.used = row_int(&found, row, 3);
		kinds[i] = row_int(&found, row, 1) == MAILBOX_ENABLED ? address_room(&now, size)
								      : ST_DENIED;
	}
	return ST_OK;
}

status address_rooms(const struct route *const *r, int n, uint64_t size, arena *a, status *kinds)
{
	for (int i = 0, end; i < n; i = end) {
		for (end = i + 1; end < n && r[end]->postoffice == r[i]->postoffice;)
			end++;
		TRY(rooms_in(r + i, end - i, size, a, kinds + i));
	}
	return ST_OK;
}

/* What comes into the mailbox while an answer is kept does not fill it. */
static bool has_ample_room(const struct route *r)
{
	return r->quota == 0 || r->quota - r->used >= AMPLE_ROOM;
}

static slice local_of(slice key, slice domain)
{
	return slice_until(key, key.size - domain.size - 1);
}

status address_lead(slice local, slice domain, uint64_t size, arena *a, struct route *out)
{
	uint64_t revision = provider_routing_revision();
	slice key = key_of(local, domain, a);
	*out = (struct route){0};
	status kind = kept_find(key, domain, revision, a, out);

	if (kind == ST_ABSENT) {
		size_t at = key.size - domain.size - 1;
		struct kept_route k = {.asked = clock_now()};

		kind = route_ask(slice_until(key, at), domain, a, out, &k.lasting);
		if (kind == ST_FOREIGN)
			kept_add(slice_from(key, at), revision, &k);
		TRY(kind);
		k.route = *out;
		k.lasting &= has_ample_room(out);
		kept_add(key, revision, &k);
	}
	TRY(kind);
	return address_room(out, size);
}

status address_domain_is_ours(slice domain)
{
	arena a = ARENA_INIT;
	status s = db_one(SQL_ADDRESS_DOMAIN_OURS, (struct param[]){p_text(domain)}, 1, &a, NULL);

	arena_release(&a);
	return s == ST_ABSENT ? ST_FOREIGN : s;
}

status address_domains_ours(const slice *domains, int n, arena *a, bool *ours)
{
	struct rows r;

	TRY(db_run(SQL_ADDRESS_DOMAINS_OURS, (struct param[]){p_text_array(domains, n)}, 1, a, &r));
	for (int i = 0; i < n; i++)
		ours[i] = false;
	for (int i = 0; i < r.count; i++)
		ours[row_int(&r, i, 0) - 1] = true;
	return ST_OK;
}

status address_owned(int64_t postoffice, int64_t owner, slice local, slice domain)
{
	arena a = ARENA_INIT;
	struct route r;
	slice key = key_of(local, domain, &a);
	status s = route_ask(local_of(key, domain), domain, &a, &r, &(bool){false});
	bool owned = s == ST_OK && r.postoffice == postoffice && r.mailbox == owner && !r.caught;

	arena_release(&a);
	if (owned)
		return ST_OK;
	return s == ST_OK || s == ST_ABSENT || s == ST_FOREIGN || s == ST_DENIED ? ST_DENIED : s;
}

/* ---- the addresses themselves */

/* The domain is one of the post office and has addresses of its own. */
static status domain_check(int64_t postoffice, slice domain, arena *a, slice *why)
{
	enum { POSTOFFICE = 1, STANDS_FOR = 6 };
	struct rows r;
	status s = db_one(SQL_DOMAIN_FIND, (struct param[]){p_text(domain)}, 1, a, &r);

	if (s == ST_ABSENT || (s == ST_OK && row_int(&r, 0, POSTOFFICE) != postoffice)) {
		*why = S("the address is in no domain of the post office");
		return ST_INVALID;
	}
	TRY(s);
	if (row_slice(&r, 0, STANDS_FOR).size == 0)
		return ST_OK;
	*why = arena_format(a, "its domain stands for %.*s, whose addresses it has",
		SLICE_ARGS(row_slice(&r, 0, STANDS_FOR)));
	return ST_INVALID;
}

static status written_parse(slice written, arena *a, mail_address *m, slice *why)
{
	if (mail_address_parse(written, a, m) == ST_OK && !m->literal)
		return ST_OK;
	*why = S("this is no address");
	return ST_INVALID;
}

/* Addresses are names to log on with, too. */
#define OF_AN_ADDRESS (RAISES(REVISION_ROUTING) | RAISES(REVISION_AUTH))

/* Runs the one statement of a new address. */
static status address_insert(int64_t postoffice, enum statement_id id, const struct param *p,
	slice key, const struct audit_by *by, arena *a, slice *why)
{
	struct rows r;
	db_tx *tx = db_begin(DB_RUN, a);
	status s;

	db_add(tx, id, p, 4, &r);
	s = db_flush(tx);
	if (s == ST_OK && r.changed > 0)
		return change_commit_raising(
			&tx, postoffice, by, "address.make", key, S(""), OF_AN_ADDRESS);
	db_rollback(&tx);
	if (s == ST_OK)
		*why = S("this address exists");
	return s == ST_OK ? ST_EXISTS : s;
}

status address_make(int64_t postoffice, slice written, int64_t owner, const struct audit_by *by,
	arena *a, slice *why)
{
	mail_address m;

	TRY(written_parse(written, a, &m, why));
	slice key = mail_address_key(&m, a);
	TRY(mailbox_by_id(postoffice, owner, a, &(mailbox *){NULL}));
	TRY(domain_check(postoffice, m.domain, a, why));
	return address_insert(postoffice, SQL_ADDRESS_INSERT,
		(struct param[]){p_int(postoffice), p_text_array(&key, 1), p_text(m.domain),
			p_int_array(&owner, 1)},
		key, by, a, why);
}

status address_make_group(int64_t postoffice, slice written, int64_t group,
	const struct audit_by *by, arena *a, slice *why)
{
	mail_address m;

	TRY(written_parse(written, a, &m, why));
	slice key = mail_address_key(&m, a);
	TRY(domain_check(postoffice, m.domain, a, why));
	return address_insert(postoffice, SQL_ADDRESS_INSERT_GROUP,
		(struct param[]){p_int(postoffice), p_text(key), p_text(m.domain), p_int(group)},
		key, by, a, why);
}

status address_remove(int64_t postoffice, slice written, const struct audit_by *by)
{
	arena a = ARENA_INIT;
	mail_address m;
	status s = ST_ABSENT;

	if (mail_address_parse(written, &a, &m) == ST_OK) {
		slice key = mail_address_key(&m, &a);
		db_tx *tx = db_begin(DB_RUN, &a);
		struct rows r;

		db_add(tx, SQL_ADDRESS_REMOVE, (struct param[]){p_int(postoffice), p_text(key)}, 2,
			&r);
		s = db_flush(tx);
		if (s == ST_OK && r.changed > 0) {
			s = change_commit_raising(
				&tx, postoffice, by, "address.remove", key, S(""), OF_AN_ADDRESS);
		} else {
			db_rollback(&tx);
			s = s == ST_OK ? ST_ABSENT : s;
		}
	}
	arena_release(&a);
	return s;
}

status address_list(int64_t postoffice, int64_t owner, slice after, unsigned most, arena *a,
	address **rows, int *n)
{
	struct param p[] = {p_int(postoffice), p_int(owner), p_text(after), p_int(most)};
	struct rows r;

	TRY(db_run(SQL_ADDRESS_LIST, p, 4, a, &r));
	*rows = arena_new_array(a, (size_t)r.count, sizeof **rows);
	for (int i = 0; i < r.count; i++)
		(*rows)[i] = (address){
			.key = row_slice(&r, i, 0),
			.postoffice = postoffice,
			.mailbox = row_int(&r, i, 1),
			.group = row_int(&r, i, 3),
			.mailbox_name = row_slice(&r, i, row_int(&r, i, 1) ? 2 : 4),
		};
	*n = r.count;
	return ST_OK;
}

status address_add_mailboxes(db_tx *tx, int64_t postoffice, slice domain, arena *a)
{
	slice after = S("");
	int n;

	do {
		slice *keys;
		int64_t *ids;
		mailbox *boxes;
		int count = 0;

		TRY(mailbox_list(postoffice, after, PAGE, a, &boxes, &n));
		keys = arena_new_array(a, (size_t)n, sizeof *keys);
		ids = arena_new_array(a, (size_t)n, sizeof *ids);
		for (int i = 0; i < n; i++) {
			slice local = mailbox_address_local(boxes[i].name, a);

			if (local.size == 0)
				continue;
			keys[count] =
				arena_format(a, "%.*s@%.*s", SLICE_ARGS(local), SLICE_ARGS(domain));
			ids[count++] = boxes[i].id;
		}
		db_add(tx, SQL_ADDRESS_INSERT,
			(struct param[]){p_int(postoffice), p_text_array(keys, count),
				p_text(domain), p_int_array(ids, count)},
			4, NULL);
		if (n > 0)
			after = boxes[n - 1].name;
	} while (n == PAGE);
	return ST_OK;
}

/* ---- masks */

/* A target of the post office, as it is stored. */
static status mask_target(int64_t postoffice, slice written, arena *a, slice *out, slice *why)
{
	struct internal to;
	struct postoffice *own;
	struct rows r;
	status s = internal_parse(written, a, &to, why);

	if (s == ST_FOREIGN) {
		*why = S(
			"a target is [SF:POSTOFFICE/NAME], [SMTP:ADDRESS], [SMTP:*] or [SMTP:*@DOMAIN]");
		return ST_INVALID;
	}
	TRY(s);
	*out = internal_text(&to, a);
	if (to.smtp.size > 0)
		return ST_OK;
	TRY(postoffice_by_id(postoffice, a, &own));
	s = slice_same(to.postoffice, own->name) ? address_target(postoffice, to.name, a, &r)
						 : ST_ABSENT;
	if (s != ST_ABSENT)
		return s;
	*why = S("the target is no mailbox and no group of the post office");
	return ST_INVALID;
}

static status mask_parse(
	slice written, arena *a, mail_address *m, slice *mask, slice *pattern, slice *why)
{
	TRY(written_parse(written, a, m, why));
	return internal_mask(m->local, a, mask, pattern, why);
}

/* A single address that leads elsewhere must be nobody's, or it would never be asked. */
static status mask_is_free(
	int64_t postoffice, const mail_address *m, slice mask, arena *a, slice *why)
{
	struct rows r;
	status s = internal_is_mask(mask)
			   ? ST_ABSENT
			   : address_target(postoffice, mail_address_text(m, a), a, &r);

	if (s != ST_OK)
		return s == ST_ABSENT ? ST_OK : s;
	*why = S("this address exists");
	return ST_EXISTS;
}

status address_mask_set(int64_t postoffice, slice written, slice target, int64_t place,
	const struct audit_by *by, arena *a, slice *why)
{
	struct setting_at at = {.postoffice = postoffice};
	mail_address m;
	slice mask, pattern, kept_target;
	status s;

	TRY(mask_parse(written, a, &m, &mask, &pattern, why));
	TRY(domain_check(postoffice, m.domain, a, why));
	TRY(mask_target(postoffice, target, a, &kept_target, why));
	TRY(mask_is_free(postoffice, &m, mask, a, why));
	db_tx *tx = db_begin(DB_RUN, a);
	db_add(tx, SQL_ADDRESS_MASK_SET,
		(struct param[]){p_int(postoffice), p_text(m.domain), p_text(mask), p_text(pattern),
			p_int(place), p_text(kept_target),
			p_int(setting_number(S_address_masks_most, &at))},
		7, NULL);
	s = db_flush(tx);
	if (s == ST_OK)
		return change_commit(&tx, postoffice, by, "mask.set",
			arena_format(a, "%.*s@%.*s", SLICE_ARGS(mask), SLICE_ARGS(m.domain)),
			change_detail(a, (struct change_fact[]){{"target", kept_target}}, 1));
	db_rollback(&tx);
	if (s != ST_INVALID)
		return s;
	*why = S("the domain has as many masks as address_masks_most allows");
	return ST_LIMITED;
}

status address_mask_remove(int64_t postoffice, slice written, const struct audit_by *by)
{
	arena a = ARENA_INIT;
	mail_address m;
	slice mask, pattern, why;
	status s = ST_ABSENT;

	if (mask_parse(written, &a, &m, &mask, &pattern, &why) == ST_OK) {
		db_tx *tx = db_begin(DB_RUN, &a);
		struct rows r;

		db_add(tx, SQL_ADDRESS_MASK_REMOVE,
			(struct param[]){p_int(postoffice), p_text(m.domain), p_text(mask)}, 3, &r);
		s = db_flush(tx);
		if (s == ST_OK && r.changed > 0) {
			s = change_commit(&tx, postoffice, by, "mask.remove",
				arena_format(
					&a, "%.*s@%.*s", SLICE_ARGS(mask), SLICE_ARGS(m.domain)),
				S(""));
		} else {
			db_rollback(&tx);
			s = s == ST_OK ? ST_ABSENT : s;
		}
	}
	arena_release(&a);
	return s;
}

status address_mask_list(int64_t postoffice, slice domain, arena *a, address_mask **rows, int *n)
{
	struct rows r;

	TRY(db_run(SQL_ADDRESS_MASK_LIST, (struct param[]){p_int(postoffice), p_text(domain)}, 2, a,
		&r));
	*rows = arena_new_array(a, (size_t)r.count, sizeof **rows);
	for (int i = 0; i < r.count; i++)
		(*rows)[i] = (address_mask){
			.mask = arena_format(a, "%.*s@%.*s", SLICE_ARGS(row_slice(&r, i, 1)),
				SLICE_ARGS(row_slice(&r, i, 0))),
			.place = row_int(&r, i, 2),
			.target = row_slice(&r, i, 3),
		};
	*n = r.count;
	return ST_OK;
}
