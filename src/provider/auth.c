/* Logons over PostgreSQL. One attempt costs: one small question when it is remembered, or none
   beside the opening of the mailbox; one round trip and one hash else, and one more round trip when
   it failed or came from a place not seen today. Whatever the name, the work is the same (T40): an
   unknown one is given an empty hash, which costs as much.
   */
#include "provider/auth.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/metric.h"
#include "base/random.h"
#include "base/secret.h"
#include "provider/auth_apop.h"
#include "provider/auth_cache.h"
#include "provider/auth_name.h"
#include "provider/auth_secret.h"
#include "provider/auth_throttle.h"
#include "provider/brief.h"
#include "provider/change.h"
#include "provider/db.h"
#include "provider/scram.h"
#include "provider/setting.h"
#include "task/task.h"

#include <pthread.h>

#define FAKE_SALT 16
#define HOUSE_KEY 32

/* One attempt: who is meant, what is kept of him, what is known against it. */
struct attempt {
	slice name; /* one text for all its spellings */
	const struct auth_from *from;
	slice place; /* the address, /64 for IPv6, as a key */
	uint8_t address[AUTH_KEY];
	bool usable; /* somebody of that name may log on */
	struct identity who;
	slice hash, scram, recoverable;
	slice account; /* counting key */
	slice pair;
	struct auth_counts counts;
	bool place_fresh;    /* the place is noted as known, within a day */
	uint64_t generation; /* of remembered logons, before the facts were read */
	int64_t revision;    /* of logons, with the facts */
};

/* ---- opening */

static void seen(void)
{
	auth_cache_void();
}

void auth_open(void)
{
	change_watch(REVISION_AUTH, seen);
	change_watch(
		REVISION_SETTING, seen); /* what a bare name stands for, how names may be written */
}

void auth_close(void)
{
	auth_cache_clear();
}

/* ---- finding */

static slice key_slice(const uint8_t key[AUTH_KEY])
{
	return slice_of(key, AUTH_KEY);
}

static void read_found(const struct rows *r, struct attempt *t)
{
	t->usable = row_bool(r, 0, 6);
	if (t->usable) {
		t->who = (struct identity){.postoffice = row_int(r, 0, 0),
			.mailbox = row_int(r, 0, 1),
			.inbox = row_int(r, 0, 2),
			.postoffice_name = row_slice(r, 0, 3),
			.mailbox_name = row_slice(r, 0, 4),
			.kind = (enum mailbox_kind)row_int(r, 0, 5)};
		t->hash = row_slice(r, 0, 7);
		t->scram = row_slice(r, 0, 8);
		t->recoverable = row_slice(r, 0, 9);
	}
	t->account = row_slice(r, 0, 10);
	t->pair = row_slice(r, 0, 11);
	t->counts = (struct auth_counts){.address = row_int(r, 0, 12),
		.account = row_int(r, 0, 13),
		.pair = row_int(r, 0, 14),
		.all = row_int(r, 0, 18),
		.known = row_bool(r, 0, 15)};
	t->place_fresh = row_bool(r, 0, 16);
	t->revision = row_int(r, 0, 17);
}

static status find(slice written, const struct auth_from *from, arena *a, struct attempt *t)
{
	struct auth_name n = {.key = written};
	struct rows r;
	uint8_t *named = arena_new(a, AUTH_KEY);

	*t = (struct attempt){.from = from, .generation = auth_cache_generation()};
	/* What is no name takes the same road with an empty one, which nobody has. */
	if (auth_name_parse(written, a, &n) != ST_OK)
		n = (struct auth_name){.key = slice_until(written, AUTH_NAME_MOST)};
	t->name = n.key;
	auth_throttle_key(AUTH_KEY_ADDRESS, from->address, t->address);
	auth_throttle_key(AUTH_KEY_NAME, n.key, named);
	t->place = auth_throttle_place(from->address, a);
	const struct param p[] = {p_text(n.mailbox), p_text(n.realm), p_text(n.domain),
		p_bytes(key_slice(t->address)), p_bytes(key_slice(named)), p_text(t->place),
		p_int(setting_number(S_auth_failure_span, NULL)), p_bytes(auth_throttle_all())};
	TRY(db_one(SQL_AUTH_FIND, p, 8, a, &r));
	read_found(&r, t);
	return ST_OK;
}

status auth_against(slice name, const struct auth_from *from, arena *a, struct auth_counts *counts,
	slice *account)
{
	struct attempt t;

	TRY(find(name, from, a, &t));
	*counts = t.counts;
	*account = t.account;
	return ST_OK;
}

static status limited(const struct attempt *t)
{
	metric_add(M_logons_failed, t->from->service, 1);
	return log_trouble(ST_LIMITED, EV_AUTH_LIMITED, "service=%s from=%s name=%s",
		service_name(t->from->service), log_quote(t->from->address), log_quote(t->name));
}

/* Whether the attempt that was found is looked at, after it has waited for that as long as it has
   to; what was found is found anew then. */
static status hear(slice written, const struct auth_from *from, arena *a, struct attempt *t)
{
	if (auth_throttle_judge(&t->counts) != ST_OK)
		return limited(t);
	usec hold = auth_throttle_hold(&t->counts);
	if (hold == 0)
		return ST_OK;
	TRY(task_sleep(hold));
	TRY(find(written, from, a, t));
	return auth_throttle_judge(&t->counts) == ST_OK ? ST_OK : limited(t);
}

/* ---- outcomes */

/* The name as operators read it in lists; nothing of what is no name. */
static slice name_shown(slice written, arena *a)
{
	struct auth_name n;

	return auth_name_parse(written, a, &n) == ST_OK ? n.key : S("");
}

static status failed(const struct attempt *t, arena *a)
{
	const slice keys[] = {key_slice(t->address), t->account, t->pair, auth_throttle_all()};
	const slice subjects[] = {t->place, name_shown(t->name, a), t->place, S("")};
	const struct param p[] = {p_bytes_array(keys, 4),
		p_int(setting_number(S_auth_failure_span, NULL)), p_text_array(subjects, 4)};

	metric_add(M_logons_failed, t->from->service, 1);
	log_event(EV_AUTH_FAILED, "service=%s from=%s name=%s", service_name(t->from->service),
		log_quote(t->from->address), log_quote(t->name));
	if (auth_throttle_begins(&t->counts))
		log_event(EV_AUTH_GUESSED, NULL);
	/* Not counted is not heard: a database that cannot count lets nobody guess on. */
	TRY(db_run(SQL_AUTH_FAILED, p, 3, a, NULL));
	status kind = task_sleep(auth_throttle_delay(&t->counts));
	return kind == ST_CANCELLED ? kind : ST_DENIED;
}

/* Notes the place, without waiting for the disk; a logon does not fail for want of it. */
static void passed(const struct attempt *t, arena *a)
{
	const struct param p[] = {p_int(t->who.postoffice), p_int(t->who.mailbox), p_text(t->place),
		p_bytes(t->pair)};

	metric_add(M_logons, t->from->service, 1);
	if (t->place_fresh && t->counts.pair == 0)
		return;
	db_tx *tx = db_begin(DB_RUN, a);
	db_relax(tx);
	db_add(tx, SQL_AUTH_PASSED, p, 4, NULL);
	db_commit(&tx, NULL);
}

/* How long a client waited for us; what it took itself to answer is not in it. `who`: NULL where
   nobody was let in. */
static void note_time(const struct auth_from *from, usec took, const struct identity *who)
{
	metric_time(M_logon_seconds, from->service, took);
	if (who && setting_on(S_metrics_by_postoffice, NULL))
		metric_postoffice_time(who->postoffice, MPL_LOGON, took);
}

/* ---- passwords */

static void digest_of(slice hash, uint8_t to[AUTH_CACHE_KEY])
{
	scram_hmac(S("stored hash"), hash, to);
}

/* The verifier was made with fewer iterations than the setting asks for now. */
static bool scram_outdated(slice kept, arena *a)
{
	struct scram_verifier v;
	return scram_verifier_parse(kept, a, &v) != ST_OK ||
	       v.iterations < setting_number(S_auth_scram_iterations, NULL);
}

/* Parameters rose since the password was set: now that it is known, it is hashed anew. Not a matter
   the logon fails for. */
static void rehash(struct attempt *t, slice password, arena *a)
{
	struct auth_secrets fresh;

	if (!auth_hash_outdated(t->hash) && !scram_outdated(t->scram, a))
		return;
	if (auth_hash_new(t->who.postoffice, password, a, &fresh) != ST_OK)
		return;
	const struct param p[] = {p_int(t->who.postoffice), p_int(t->who.mailbox), p_text(t->hash),
		p_text(fresh.hash), p_text(fresh.scram), p_bytes(fresh.recoverable)};
	if (db_one(SQL_AUTH_REHASH, p, 6, a, NULL) == ST_OK)
		t->hash = fresh.hash;
}

static status check_hash(const struct attempt *t, slice password)
{
	status kind = auth_hash_check(t->usable ? t->hash : S(""), password);
	/* A hash nobody can compute lets nobody in, at the price of one that could be. */
	return kind == ST_BROKEN ? auth_hash_check(S(""), password) : kind;
}

bool auth_mechanism_taken(slice mechanism, int64_t postoffice)
{
	const struct setting_at at = {.postoffice = postoffice};
	return setting_lists(S_auth_mechanisms, &at, mechanism);
}

/* An empty mechanism is none: LOGIN of IMAP, USER and PASS. */
static bool is_taken(slice mechanism, const struct identity *who)
{
	return mechanism.size == 0 ? auth_password_taken(who->postoffice)
				   : auth_mechanism_taken(mechanism, who->postoffice);
}

static status revision_now(arena *a, int64_t *revision)
{
	struct rows r;

	TRY(brief_one(SQL_AUTH_REVISION, NULL, 0, BRIEF_SHORT, a, &r));
	*revision = row_int(&r, 0, 0);
	return ST_OK;
}

/* Whether nothing has changed since; the mailbox is open then, if there is an opener. */
static status is_true_still(
	const struct auth_memory *m, const struct auth_from *from, arena *a, bool *still)
{
	const struct auth_opener *o = from->opener;
	int64_t now = 0;

	*still = false;
	if (o)
		TRY(o->open(o->arg, &m->who, m->revision, &now));
	status kind = now ? ST_OK : revision_now(a, &now);
	*still = kind == ST_OK && now == m->revision;
	if (o && !*still)
		o->close(o->arg);
	return kind;
}

static status by_password(slice mechanism, slice name, slice password, const struct auth_from *from,
	arena *a, struct identity *out)
{
	struct attempt t;
	struct auth_memory known, fresh;
	uint8_t key[AUTH_CACHE_KEY];
	bool still = false;

	auth_cache_key(name, auth_throttle_place(from->address, a), password, key);
	enum auth_cached cached = auth_cache_find(key, a, &known);
	if (cached == AUTH_CACHED && is_taken(mechanism, &known.who))
		TRY(is_true_still(&known, from, a, &still));
	if (still) {
		*out = known.who;
		metric_add(M_logons_cached, from->service, 1);
		metric_add(M_logons, from->service, 1);
		return ST_OK;
	}
	TRY(find(name, from, a, &t));
	t.usable = t.usable && is_taken(mechanism, &t.who);
	digest_of(t.hash, fresh.hash);
	bool same = cached != AUTH_CACHED_NOT && t.usable &&
		    secret_same(slice_of(fresh.hash, sizeof fresh.hash),
			    slice_of(known.hash, sizeof known.hash));
	if (!same) {
		TRY(hear(name, from, a, &t));
		t.usable = t.usable && is_taken(mechanism, &t.who);
		status kind = check_hash(&t, password);
		if (kind == ST_DENIED)
			return failed(&t, a);
		TRY(kind);
		rehash(&t, password, a);
		digest_of(t.hash, fresh.hash);
	}
	passed(&t, a);
	fresh.who = t.who;
	fresh.revision = t.revision;
	fresh.generation = t.generation;
	auth_cache_put(key, &fresh);
	*out = t.who;
	return ST_OK;
}

status auth_password_by(slice mechanism, slice name, slice password, const struct auth_from *from,
	arena *a, struct identity *out)
{
	usec since = clock_now();
	status kind = by_password(mechanism, name, password, from, a, out);

	note_time(from, clock_now() - since, kind == ST_OK ? out : NULL);
	return kind;
}

status auth_password(
	slice name, slice password, const struct auth_from *from, arena *a, struct identity *out)
{
	return auth_password_by(S(""), name, password, from, a, out);
}

/* ---- SCRAM */

static uint8_t house_key[HOUSE_KEY];
static bool has_house_key;
static pthread_mutex_t house_lock = PTHREAD_MUTEX_INITIALIZER;

/* The key all nodes share for the salts of names nobody has; made by whoever asks first. */
static status get_house_key(arena *a, uint8_t to[HOUSE_KEY])
{
	static const slice name = {"scram-salt", 10};
	uint8_t fresh[HOUSE_KEY];
	struct rows r;

	pthread_mutex_lock(&house_lock);
	bool has = has_house_key;
	memcpy(to, house_key, HOUSE_KEY);
	pthread_mutex_unlock(&house_lock);
	if (has)
		return ST_OK;

	const struct param asked = p_text(name);
	status kind = db_one(SQL_AUTH_HOUSE_KEY, &asked, 1, a, &r);
	if (kind == ST_ABSENT) {
		random_bytes(fresh, sizeof fresh);
		const struct param p[] = {p_text(name), p_bytes(slice_of(fresh, sizeof fresh))};
		TRY(db_run(SQL_AUTH_HOUSE_KEY_MAKE, p, 2, a, NULL));
		kind = db_one(SQL_AUTH_HOUSE_KEY, &asked, 1, a, &r);
	}
	TRY(kind);
	slice kept = row_slice(&r, 0, 0);
	if (kept.size != HOUSE_KEY)
		return log_trouble(ST_BROKEN, EV_AUTH_HOUSE_KEY, NULL);
	memcpy(to, kept.at, HOUSE_KEY);
	pthread_mutex_lock(&house_lock);
	memcpy(house_key, to, HOUSE_KEY);
	has_house_key = true;
	pthread_mutex_unlock(&house_lock);
	return ST_OK;
}

static status fake_salt(slice name, arena *a, slice *salt)
{
	uint8_t key[HOUSE_KEY], made[SCRAM_KEY];

	TRY(get_house_key(a, key));
	scram_hmac(slice_of(key, sizeof key), name, made);
	*salt = arena_copy(a, slice_of(made, FAKE_SALT));
	return ST_OK;
}

static status scram_find(slice name, const struct auth_from *from, arena *a, struct auth_scram *out)
{
	struct attempt t;
	struct scram_verifier v;

	TRY(find(name, from, a, &t));
	TRY(hear(name, from, a, &t));
	out->counts = t.counts;
	out->account = t.account;
	out->revision = t.revision;
	out->place_fresh = t.place_fresh;
	/* Made for every name, so that it costs the same whether it is shown or not. */
	TRY(fake_salt(t.name, a, &out->salt));
	out->iterations = (unsigned)setting_number(S_auth_scram_iterations, NULL);
	if (!t.usable || scram_verifier_parse(t.scram, a, &v) != ST_OK)
		return ST_OK;
	out->real = true;
	out->salt = v.salt;
	out->iterations = v.iterations;
	memcpy(out->stored_key, v.stored_key, SCRAM_KEY);
	memcpy(out->server_key, v.server_key, SCRAM_KEY);
	out->identity = t.who;
	return ST_OK;
}

status auth_scram_find(slice name, const struct auth_from *from, arena *a, struct auth_scram *out)
{
	usec since = clock_now();

	*out = (struct auth_scram){0};
	status kind = scram_find(name, from, a, out);
	out->took = clock_now() - since;
	if (kind != ST_OK)
		note_time(from, out->took, NULL);
	return kind;
}

/* The client took its time and something changed meanwhile: is what it proved still true? */
static bool still_true(
	const struct auth_scram *s, slice name, const struct auth_from *from, arena *a)
{
	struct attempt t;
	struct scram_verifier v;

	return find(name, from, a, &t) == ST_OK && t.usable &&
	       t.who.mailbox == s->identity.mailbox &&
	       scram_verifier_parse(t.scram, a, &v) == ST_OK &&
	       secret_same(slice_of(v.stored_key, SCRAM_KEY), slice_of(s->stored_key, SCRAM_KEY));
}

static status scram_done(
	const struct auth_scram *s, slice name, const struct auth_from *from, bool proven, arena *a)
{
	struct attempt t = {.name = name,
		.from = from,
		.who = s->identity,
		.account = s->account,
		.counts = s->counts,
		.place_fresh = s->place_fresh};

	auth_throttle_key(AUTH_KEY_ADDRESS, from->address, t.address);
	t.place = auth_throttle_place(from->address, a);
	t.pair = auth_throttle_pair(t.address, t.account, a);
	if (proven && s->real) {
		int64_t now;
		TRY(revision_now(a, &now));
		proven = now == s->revision || still_true(s, name, from, a);
	}
	if (!proven || !s->real)
		return failed(&t, a);
	passed(&t, a);
	return ST_OK;
}

status auth_scram_done(
	const struct auth_scram *s, slice name, const struct auth_from *from, bool proven)
{
	arena a = ARENA_INIT;
	usec since = clock_now();
	status kind = scram_done(s, name, from, proven, &a);

	arena_release(&a);
	note_time(from, s->took + clock_now() - since, kind == ST_OK ? &s->identity : NULL);
	return kind;
}

/* ---- APOP */

static status by_digest(slice name, slice banner, slice digest, const struct auth_from *from,
	arena *a, struct identity *out)
{
	struct attempt t;
	slice secret = S("nobody");

	TRY(find(name, from, a, &t));
	TRY(hear(name, from, a, &t));
	bool kept = t.usable &&
		    auth_secret_recover(t.who.postoffice, t.recoverable, a, &secret) == ST_OK;
	slice wanted = auth_apop_digest(banner, secret, a);
	if (kept)
		secret_forget((char *)secret.at, secret.size);
	if (!kept || !secret_same(wanted, digest))
		return failed(&t, a);
	passed(&t, a);
	*out = t.who;
	return ST_OK;
}

status auth_apop(slice name, slice banner, slice digest, const struct auth_from *from, arena *a,
	struct identity *out)
{
	usec since = clock_now();
	status kind = by_digest(name, banner, digest, from, a, out);

	note_time(from, clock_now() - since, kind == ST_OK ? out : NULL);
	return kind;
}
