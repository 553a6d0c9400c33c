/* The address map. A worker asks for the same recipients again and again, so answers that lead
   somewhere are kept for a second, and which domains are other systems'; refusals are not, for a
   mailbox made a moment ago is to be found. A delivery checks again in its transaction. */
#include "provider/address_map.h"

#include "base/map.h"
#include "mail/address.h"
#include "provider/address_target.h"
#include "provider/change.h"
#include "provider/mailbox_fresh.h"
#include "provider/provider.h"
#include "provider/setting.h"

#include <pthread.h>

#define PAGE 1000
#define KEPT_FOR (1 * USEC_S)
#define KEPT_MOST 10000

/* ---- what was found lately: thrown away as a whole, so no answer gets older than KEPT_FOR */

static struct {
	pthread_mutex_t lock; /* never held across a wait */
	map *routes;
	arena memory;
	usec born;
	uint64_t revision;
} kept = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void kept_clear(usec now, uint64_t revision)
{
	map_close(&kept.routes);
	arena_clear(&kept.memory);
	kept.born = now;
	kept.revision = revision;
}

static const struct route elsewhere; /* kept under "@domain": another system's */

/* ST_ABSENT: nothing is known. ST_FOREIGN. */
static status kept_find(slice key, slice domain, uint64_t revision, arena *a, struct route *out)
{
	slice whole_domain = slice_from(key, key.size - domain.size - 1);
	usec now = clock_now();
	const struct route *found = NULL;
	bool foreign = false;

	pthread_mutex_lock(&kept.lock);
	if (kept.revision != revision || now - kept.born > KEPT_FOR)
		kept_clear(now, revision);
	else if (kept.routes && !(found = map_get(kept.routes, key)))
		foreign = map_get(kept.routes, whole_domain) != NULL;
	if (found) {
		*out = *found;
		out->postoffice_name = arena_copy(a, found->postoffice_name);
		out->mailbox_name = arena_copy(a, found->mailbox_name);
	}
	pthread_mutex_unlock(&kept.lock);
	return found ? ST_OK : foreign ? ST_FOREIGN : ST_ABSENT;
}

/* `revision` and `asked` as they were before the question was put: an answer overtaken by a change, or
   older than the others, is not kept. */
static void kept_add(slice key, uint64_t revision, usec asked, const struct route *r)
{
	pthread_mutex_lock(&kept.lock);
	if (kept.revision == revision && asked >= kept.born &&
		(!kept.routes || map_size(kept.routes) < KEPT_MOST)) {
		struct route *copy = (struct route *)&elsewhere;

		if (r != &elsewhere) {
			copy = arena_new(&kept.memory, sizeof *copy);
			*copy = *r;
			copy->postoffice_name = arena_copy(&kept.memory, r->postoffice_name);
			copy->mailbox_name = arena_copy(&kept.memory, r->mailbox_name);
		}
		if (!kept.routes)
			kept.routes = map_open();
		map_put(kept.routes, key, copy);
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

/* The address of the domain has no mailbox of its own: postmaster and abuse go to their targets, and
   to the administrator when those are not set or led nowhere; all else to the catch-all. */
static status fall_back(const struct rows *found, slice local, arena *a, struct route *out)
{
	bool abuse = slice_same(local, S("abuse"));
	slice target = row_slice(found, 0, abuse ? 3 : out->postmaster ? 4 : 5);
	struct rows r;
	status s = target.size > 0 ? address_target(out->postoffice, target, a, &r) : ST_ABSENT;

	if (s == ST_ABSENT && out->postmaster)
		s = address_target(out->postoffice, S("postmaster"), a, &r);
	TRY(s);
	out->caught = !out->postmaster;
	return mailbox_take(&r, 0, out);
}

static status route_ask(slice key, slice local, slice domain, arena *a, struct route *out)
{
	struct rows r;
	status s =
		db_one(SQL_ADDRESS_ROUTE, (struct param[]){p_text(key), p_text(domain)}, 2, a, &r);

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
	return row_null(&r, 0, 6) ? fall_back(&r, local, a, out) : mailbox_take(&r, 6, out);
}

static bool route_has_room(const struct route *r, uint64_t size)
{
	int64_t room = r->quota - r->used;

	if (r->quota == 0)
		return true;
	if (r->postmaster)
		room += setting_number(S_mailbox_postmaster_room, NULL);
	return room > 0 && size <= (uint64_t)room;
}

status address_resolve(slice local, slice domain, uint64_t size, arena *a, struct route *out)
{
	uint64_t revision = provider_routing_revision();
	slice key = key_of(local, domain, a);
	status kind = kept_find(key, domain, revision, a, out);

	if (kind == ST_ABSENT) {
		size_t at = key.size - domain.size - 1;
		usec asked = clock_now();
		struct route found;

		kind = route_ask(key, slice_until(key, at), domain, a, &found);
		if (kind == ST_FOREIGN)
			kept_add(slice_from(key, at), revision, asked, &elsewhere);
		TRY(kind);
		kept_add(key, revision, asked, &found);
		*out = found;
	}
	TRY(kind);
	return route_has_room(out, size) ? ST_OK : ST_FULL;
}

status address_domain_is_ours(slice domain)
{
	arena a = ARENA_INIT;
	status s = db_one(SQL_ADDRESS_DOMAIN_OURS, (struct param[]){p_text(domain)}, 1, &a, NULL);

	arena_release(&a);
	return s == ST_ABSENT ? ST_FOREIGN : s;
}

status address_owned(int64_t postoffice, int64_t owner, slice local, slice domain)
{
	arena a = ARENA_INIT;
	struct route r;
	slice key = key_of(local, domain, &a);
	status s = route_ask(key, slice_until(key, key.size - domain.size - 1), domain, &a, &r);
	bool owned = s == ST_OK && r.postoffice == postoffice && r.mailbox == owner && !r.caught;

	arena_release(&a);
	if (owned)
		return ST_OK;
	return s == ST_OK || s == ST_ABSENT || s == ST_FOREIGN || s == ST_DENIED ? ST_DENIED : s;
}

/* ---- the addresses themselves */

status address_make(int64_t postoffice, slice written, int64_t owner, const struct audit_by *by,
	arena *a, slice *why)
{
	mail_address m;
	struct rows r;
	db_tx *tx;
	status s;

	if (mail_address_parse(written, a, &m) != ST_OK || m.literal) {
		*why = S("this is no address");
		return ST_INVALID;
	}
	slice key = mail_address_key(&m, a);
	TRY(mailbox_by_id(postoffice, owner, a, &(mailbox *){NULL}));
	tx = db_begin(DB_RUN, a);
	db_add(tx, SQL_ADDRESS_INSERT,
		(struct param[]){p_int(postoffice), p_text_array(&key, 1), p_text(m.domain),
			p_int_array(&owner, 1)},
		4, &r);
	s = db_flush(tx);
	if (s == ST_OK && r.changed > 0) {
		change_audit(tx, postoffice, by, "address.make", key, S(""));
		change_rise(tx, REVISION_ROUTING);
		TRY(db_commit(&tx, NULL));
		change_tell(REVISION_ROUTING);
		return ST_OK;
	}
	db_rollback(&tx);
	if (s == ST_ABSENT) { /* the mailbox stood a moment ago, so it is the domain */
		*why = S("the address is in no domain of the post office");
		return ST_INVALID;
	}
	if (s == ST_OK)
		*why = S("this address exists");
	return s == ST_OK ? ST_EXISTS : s;
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
			change_audit(tx, postoffice, by, "address.remove", key, S(""));
			change_rise(tx, REVISION_ROUTING);
			s = db_commit(&tx, NULL);
		} else {
			db_rollback(&tx);
			s = s == ST_OK ? ST_ABSENT : s;
		}
		if (s == ST_OK)
			change_tell(REVISION_ROUTING);
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
			.mailbox_name = row_slice(&r, i, 2),
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
