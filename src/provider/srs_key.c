/* See srs_key.h. The secrets are kept for a moment: a redirected message must not cost a question
   more each time. A rotation raises the revision of routing, which ends that moment everywhere. */
#include "provider/srs_key.h"

#include "base/id.h"
#include "base/random.h"
#include "provider/change.h"
#include "provider/provider.h"
#include "provider/setting.h"
#include "provider/srs_scheme.h"

#include <pthread.h>

#define SECRET 32
#define SECRETS_MOST 8 /* recognised at once */
#define KEPT_FOR (60 * USEC_S)
#define CLOCKS_DIFFER (24 * 3600 * USEC_S) /* a day more, as a rewritten sender's day is coarse */

static struct {
	pthread_mutex_t lock; /* never held across a wait */
	char secret[SECRETS_MOST][SECRET];
	int n; /* 0 = not known */
	usec until;
	uint64_t revision;
} kept = {.lock = PTHREAD_MUTEX_INITIALIZER};

static bool kept_scheme(uint64_t revision, arena *a, struct srs *out)
{
	slice secrets[SECRETS_MOST];

	pthread_mutex_lock(&kept.lock);
	bool known = kept.n > 0 && kept.revision == revision && clock_now() < kept.until;
	for (int i = 0; known && i < kept.n; i++)
		secrets[i] = slice_of(kept.secret[i], SECRET);
	if (known)
		srs_scheme(secrets, kept.n, a, out);
	pthread_mutex_unlock(&kept.lock);
	return known;
}

static void keep(uint64_t revision, const struct rows *r)
{
	pthread_mutex_lock(&kept.lock);
	kept.n = 0;
	kept.revision = revision;
	kept.until = clock_now() + KEPT_FOR;
	for (int i = 0; i < r->count && kept.n < SECRETS_MOST; i++) {
		slice secret = row_slice(r, i, 1);

		if (secret.size >= SECRET)
			memcpy(kept.secret[kept.n++], secret.at, SECRET);
	}
	pthread_mutex_unlock(&kept.lock);
}

static status ask(arena *a, struct rows *r)
{
	struct param span = p_int(setting_number(S_srs_validity, NULL) + CLOCKS_DIFFER);

	return db_run(SQL_SRS_SECRETS, &span, 1, a, r);
}

status srs_key_scheme(arena *a, struct srs *out)
{
	uint64_t revision = provider_routing_revision();
	arena asked = ARENA_INIT;
	struct rows r;

	if (kept_scheme(revision, a, out))
		return ST_OK;
	arena_secret(&asked);
	status kind = ask(&asked, &r);
	if (kind == ST_OK)
		keep(revision, &r);
	arena_release(&asked);
	TRY(kind);
	return kept_scheme(revision, a, out) ? ST_OK : ST_BUSY;
}

status srs_key_list(arena *a, srs_key **rows, int *n)
{
	struct rows r;

	TRY(ask(a, &r));
	*rows = arena_new_array(a, (size_t)r.count, sizeof **rows);
	for (int i = 0; i < r.count; i++)
		(*rows)[i] = (srs_key){.id = row_int(&r, i, 0),
			.made = row_time(&r, i, 2),
			.replaced = row_time(&r, i, 3)};
	*n = r.count;
	return ST_OK;
}

status srs_key_rotate(const struct audit_by *by)
{
	arena a = ARENA_INIT;
	char secret[SECRET], name[ID_TEXT_SIZE + 1];
	int64_t id = id_new();
	db_tx *tx = db_begin(DB_SYSTEM, &a);

	random_bytes(secret, sizeof secret);
	id_text(id, name);
	db_add(tx, SQL_SRS_ROTATE,
		(struct param[]){p_int(id), p_bytes(slice_of(secret, sizeof secret))}, 2, NULL);
	change_audit(tx, 0, by, "srs.rotate", slice_z(name), S(""));
	change_rise(tx, REVISION_ROUTING);
	status kind = db_commit(&tx, NULL);
	if (kind == ST_OK)
		change_tell(REVISION_ROUTING);
	arena_release(&a);
	return kind;
}
