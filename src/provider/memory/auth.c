/* Logons in memory: passwords are compared, nothing is hashed but SCRAM keys, failures are counted
   in the store and judged like everywhere; only their answers come at once. */
#include "provider/auth.h"

#include "base/encode.h"
#include "base/secret.h"
#include "provider/auth_apop.h"
#include "provider/auth_name.h"
#include "provider/auth_throttle.h"
#include "provider/memory/store.h"
#include "provider/saslprep.h"
#include "task/task.h"

#include <inttypes.h>

#define SCRAM_ITERATIONS 4096

/* Everything known about one attempt. */
struct attempt {
	struct m_mailbox *mailbox; /* NULL: nobody of that name may log on */
	slice keys[5];             /* address, account, pair, all, known */
	struct auth_counts counts;
};

static struct m_mailbox *by_name(struct store *s, const struct auth_name *n, arena *a)
{
	struct m_postoffice *po = store_postoffice_named(s, n->realm);
	struct m_mailbox *m = po ? store_mailbox_named(po, n->mailbox) : NULL;

	if (!m && n->domain.size > 0) {
		struct m_domain *d = store_domain(s, n->domain);
		slice own = d ? store_own_domain(d)->name : n->domain;
		struct m_address *x = store_address(
			s, arena_format(a, "%.*s@%.*s", SLICE_ARGS(n->mailbox), SLICE_ARGS(own)));
		m = x && x->mailbox ? x->mailbox
		    : d             ? store_mailbox_named(d->postoffice, n->mailbox)
				    : NULL;
		if (d && d->state != DOMAIN_ENABLED)
			m = NULL;
	}
	if (m && (m->state != MAILBOX_ENABLED || m->postoffice->state != POSTOFFICE_ENABLED))
		m = NULL;
	return m;
}

static struct m_failures *find_failures(struct store *s, slice key)
{
	EACH(struct m_failures, &s->failures, f)
		if (slice_same(f->key, key))
			return f;
	return NULL;
}

static int64_t count_of(struct store *s, slice key)
{
	struct m_failures *f = find_failures(s, key);
	return f && f->until > clock_now() ? f->count : 0;
}

static struct m_failures *make_failures(struct store *s, slice key)
{
	struct m_failures *f = find_failures(s, key);
	if (!f) {
		f = arena_new(&s->a, sizeof *f);
		f->key = arena_copy(&s->a, key);
		list_append(&s->failures, &f->link);
	}
	return f;
}

static void raise_failures(struct store *s, slice key, usec span)
{
	struct m_failures *f = make_failures(s, key);
	f->count = f->until > clock_now() ? f->count + 1 : 1;
	f->until = clock_now() + span;
}

static void weigh(
	struct store *s, slice written, const struct auth_from *from, arena *a, struct attempt *t)
{
	struct auth_name n = {.key = written};

	*t = (struct attempt){0};
	if (auth_name_parse(written, a, &n) == ST_OK)
		t->mailbox = by_name(s, &n, a);
	char *raw = arena_new(a, AUTH_KEY);
	auth_throttle_key(AUTH_KEY_ADDRESS, from->address, (uint8_t *)raw);
	slice address = slice_of(raw, AUTH_KEY);
	raw = arena_new(a, AUTH_KEY);
	auth_throttle_key(AUTH_KEY_NAME,
		t->mailbox ? slice_of(&t->mailbox->id, sizeof t->mailbox->id) : n.key,
		(uint8_t *)raw);
	slice account = slice_of(raw, AUTH_KEY);
	slice pair = auth_throttle_pair((const uint8_t *)address.at, account, a);
	char *known = arena_new(a, pair.size);
	memcpy(known, pair.at, pair.size);
	known[0] = 'k';
	t->keys[0] = address;
	t->keys[1] = account;
	t->keys[2] = pair;
	t->keys[3] = auth_throttle_all();
	t->keys[4] = slice_of(known, pair.size);
	t->counts = (struct auth_counts){.address = count_of(s, address),
		.account = count_of(s, account),
		.pair = count_of(s, t->keys[2]),
		.all = count_of(s, t->keys[3]),
		.known = find_failures(s, t->keys[4]) != NULL};
}

/* What the outcome leaves behind; gives the kind to answer with. */
static status settle(struct store *s, const struct attempt *t, bool right, enum service service)
{
	usec span = setting_number(S_auth_failure_span, NULL);

	if (right) {
		t->mailbox->last_logon = clock_wall();
		make_failures(s, t->keys[4]);
		make_failures(s, t->keys[2])->count = 0;
		metric_add(M_logons, service, 1);
		return ST_OK;
	}
	for (int i = 0; i < 4; i++)
		raise_failures(s, t->keys[i], span);
	metric_add(M_logons_failed, service, 1);
	return ST_DENIED;
}

status auth_against(slice name, const struct auth_from *from, arena *a, struct auth_counts *counts,
	slice *account)
{
	struct attempt t;

	weigh(store_take(), name, from, a, &t);
	store_give();
	*counts = t.counts;
	*account = t.keys[1];
	return ST_OK;
}

static void identify(const struct m_mailbox *m, arena *a, struct identity *out)
{
	*out = (struct identity){.postoffice = m->postoffice->id,
		.mailbox = m->id,
		.inbox = m->inbox->f.id,
		.postoffice_name = arena_copy(a, m->postoffice->name),
		.mailbox_name = arena_copy(a, m->name),
		.kind = m->kind};
}

/* Who it is and whether the attempt is heard at all. */
static status begin(
	struct store *s, slice name, const struct auth_from *from, arena *a, struct attempt *t)
{
	if (store_refuses(s))
		return ST_BUSY;
	weigh(s, name, from, a, t);
	return auth_throttle_judge(&t->counts);
}

/* The same from the beginning, after the attempt has waited as long as it has to. The store is the
   caller's then. */
static status hear(
	struct store **s, slice name, const struct auth_from *from, arena *a, struct attempt *t)
{
	*s = store_take();
	status kind = begin(*s, name, from, a, t);
	usec hold = kind == ST_OK ? auth_throttle_hold(&t->counts) : 0;

	if (hold == 0)
		return kind;
	store_give();
	kind = task_sleep(hold);
	*s = store_take();
	return kind == ST_OK ? begin(*s, name, from, a, t) : kind;
}

static bool same_password(slice kept, slice given, arena *a)
{
	slice x = kept, y = given;
	saslprep(kept, a, &x);
	saslprep(given, a, &y);
	return secret_same(x, y);
}

bool auth_mechanism_taken(slice mechanism, int64_t postoffice)
{
	const struct setting_at at = {.postoffice = postoffice};
	return setting_lists(S_auth_mechanisms, &at, mechanism);
}

status auth_password(
	slice name, slice password, const struct auth_from *from, arena *a, struct identity *out)
{
	return auth_password_by(S(""), name, password, from, a, out);
}

status auth_password_by(slice mechanism, slice name, slice password, const struct auth_from *from,
	arena *a, struct identity *out)
{
	struct attempt t;
	struct store *s;
	status kind = hear(&s, name, from, a, &t);

	if (kind == ST_OK)
		kind = settle(s, &t,
			t.mailbox && same_password(t.mailbox->password, password, a) &&
				(mechanism.size == 0
						? auth_password_taken(t.mailbox->postoffice->id)
						: auth_mechanism_taken(
							  mechanism, t.mailbox->postoffice->id)),
			from->service);
	if (kind == ST_OK)
		identify(t.mailbox, a, out);
	store_give();
	return kind;
}

status auth_scram_find(slice name, const struct auth_from *from, arena *a, struct auth_scram *out)
{
	struct attempt t;
	struct store *s;
	status kind = hear(&s, name, from, a, &t);

	*out = (struct auth_scram){0};
	if (kind == ST_OK && t.mailbox) {
		struct m_mailbox *m = t.mailbox;
		if (!m->has_scram) {
			slice prepared = m->password;
			saslprep(m->password, a, &prepared);
			slice salt = s->scram_salt.size
					     ? arena_copy(&s->a, s->scram_salt)
					     : arena_format(&s->a, "%016" PRIx64, (uint64_t)m->id);
			scram_verifier_make(prepared, salt, SCRAM_ITERATIONS, &m->scram);
			m->has_scram = true;
		}
		out->real = true;
		out->salt = arena_copy(a, m->scram.salt);
		out->iterations = m->scram.iterations;
		memcpy(out->stored_key, m->scram.stored_key, SCRAM_KEY);
		memcpy(out->server_key, m->scram.server_key, SCRAM_KEY);
		identify(m, a, &out->identity);
	} else if (kind == ST_OK) {
		out->salt = arena_copy(a, slice_until(hex_encode(t.keys[1], a), 16));
		out->iterations = SCRAM_ITERATIONS;
	}
	store_give();
	return kind;
}

status auth_scram_done(
	const struct auth_scram *v, slice name, const struct auth_from *from, bool proven)
{
	arena a = ARENA_INIT;
	struct attempt t;
	struct store *s = store_take();
	status kind = begin(s, name, from, &a, &t);

	if (kind == ST_OK)
		kind = settle(s, &t, proven && v->real && t.mailbox, from->service);
	store_give();
	arena_release(&a);
	return kind;
}

status auth_apop(slice name, slice banner, slice digest, const struct auth_from *from, arena *a,
	struct identity *out)
{
	struct attempt t;
	struct store *s;
	status kind = hear(&s, name, from, a, &t);

	if (kind == ST_OK) {
		const struct setting_at at = {
			.postoffice = t.mailbox ? t.mailbox->postoffice->id : 0};
		bool kept = t.mailbox && setting_on(S_auth_recoverable, &at);
		slice wanted = auth_apop_digest(banner, kept ? t.mailbox->password : S(""), a);
		kind = settle(s, &t, kept && secret_same(wanted, digest), from->service);
	}
	if (kind == ST_OK)
		identify(t.mailbox, a, out);
	store_give();
	return kind;
}

void auth_open(void)
{
}

void auth_close(void)
{
}
