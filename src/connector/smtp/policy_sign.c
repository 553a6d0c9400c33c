/* Signing mail of our own users by the domain of its author (V19). Keys are kept open for a moment,
   or until something is changed, so that neither the database nor their decryption is asked for
   every message. */
#include "base/log.h"
#include "base/map.h"
#include "base/memory.h"
#include "connector/smtp/policy_inside.h"
#include "net/signature.h"
#include "provider/dkim_key.h"
#include "provider/provider.h"

#include <inttypes.h>

#define KEPT (10 * USEC_S)
#define DOMAINS_MOST 1000 /* whose keys are kept */

/* Of one domain; those of a domain without keys are none. */
struct sign_keys {
	int users; /* messages that are being signed, and the map */
	usec until;
	uint64_t routing; /* revision; another one may have other keys */
	int n;
	signature_key *key[DKIM_SIGNERS_MOST];
	enum signature_algorithm algorithm[DKIM_SIGNERS_MOST];
	slice selector[DKIM_SIGNERS_MOST];
	arena a;
};

static map *kept;

void policy_keys_drop(struct sign_keys **keys)
{
	struct sign_keys *k = *keys;

	*keys = NULL;
	if (!k || --k->users > 0)
		return;
	for (int i = 0; i < k->n; i++)
		signature_key_close(&k->key[i]);
	arena_release(&k->a);
	memory_free(k);
}

void policy_keys_forget(void)
{
	size_t cursor = 0;
	slice name;
	void *keys;

	while (kept && map_next(kept, &cursor, &name, &keys)) {
		struct sign_keys *k = keys;
		map_remove(kept, name);
		policy_keys_drop(&k);
	}
	map_close(&kept);
}

static void open_keys(struct sign_keys *k, dkim_key *rows, int n)
{
	for (int i = 0; i < n && k->n < DKIM_SIGNERS_MOST; i++) {
		if (signature_key_open(rows[i].private_key, &k->key[k->n]) == ST_OK) {
			k->algorithm[k->n] = rows[i].algorithm;
			k->selector[k->n++] = arena_copy(&k->a, rows[i].selector);
		}
	}
}

static status load(int64_t postoffice, slice domain, struct sign_keys **out)
{
	arena a = ARENA_INIT;
	uint64_t routing = provider_routing_revision();
	dkim_key *rows;
	int n;

	arena_secret(&a);
	status kind = dkim_key_signing(postoffice, domain, &a, &rows, &n);
	if (kind == ST_OK) {
		*out = memory_new(sizeof **out);
		(*out)->users = 1;
		(*out)->until = clock_now() + KEPT;
		(*out)->routing = routing;
		open_keys(*out, rows, n);
	}
	arena_release(&a);
	return kind;
}

static void keep(slice name, struct sign_keys *k)
{
	if (kept && map_size(kept) >= DOMAINS_MOST)
		policy_keys_forget();
	if (!kept)
		kept = map_open();
	struct sign_keys *before = map_put(kept, name, k);
	policy_keys_drop(&before);
}

status policy_keys_of(int64_t postoffice, slice domain, arena *a, struct sign_keys **out)
{
	slice name = arena_format(a, "%" PRId64 " %.*s", postoffice, SLICE_ARGS(domain));
	struct sign_keys *k = kept ? map_get(kept, name) : NULL;

	if (!k || k->until < clock_now() || k->routing != provider_routing_revision()) {
		TRY(load(postoffice, domain, &k));
		keep(name, k);
	}
	k->users++;
	*out = k;
	return ST_OK;
}

static void unsigned_log(conversation *c, slice author, const char *why)
{
	log_event(EV_POLICY_UNSIGNED, "conversation=%s domain=%s why=%s", c->name,
		log_quote(author), why);
}

/* A header may hold any byte. */
static slice joined(slice first, slice second, arena *a)
{
	char *at = arena_new(a, first.size + second.size + 1);

	if (first.size)
		memcpy(at, first.at, first.size);
	if (second.size)
		memcpy(at + first.size, second.at, second.size);
	return slice_of(at, first.size + second.size);
}

/* Whose keys may sign: of who logged on, or of the sender that a privileged network relays for. 0:
   nobody's. */
static int64_t office_of(const conversation *c)
{
	const struct smtp *s = smtp_of(c);

	if (s->authenticated)
		return s->who.postoffice;
	for (int i = 0; i < s->n && !policy_applies(c); i++)
		if (s->recipients[i].remote)
			return s->recipients[i].route.postoffice;
	return 0;
}

size_t policy_signers(
	const struct sign_keys *k, slice domain, dkim_signer signer[DKIM_SIGNERS_MOST])
{
	for (int i = 0; i < k->n; i++)
		signer[i] = (dkim_signer){.domain = domain,
			.selector = k->selector[i],
			.algorithm = k->algorithm[i],
			.key = k->key[i],
			.header = CANON_RELAXED,
			.body = CANON_RELAXED,
			.at = clock_wall()};
	return (size_t)k->n;
}

void policy_sign_begin(conversation *c, struct policy_text *t, slice header, slice added)
{
	struct smtp *s = smtp_of(c);
	struct setting_at at = {.postoffice = office_of(c)};
	dkim_signer signer[DKIM_SIGNERS_MOST];

	if (at.postoffice == 0 || dmarc_author(header, &s->mail, &at.domain) != ST_OK ||
		!setting_on(S_sign_outgoing_mail, &at))
		return;
	slice whole = joined(added, header, &s->mail), author = at.domain;
	status kind = policy_keys_of(at.postoffice, author, &s->mail, &t->keys);
	if (kind != ST_OK) {
		unsigned_log(c, author, status_name(kind));
		return;
	}
	size_t signers = policy_signers(t->keys, author, signer);
	if (signers == 0)
		return;
	t->hashes = signature_body_open(&signature_openssl);
	if (dkim_sign_begin(whole, signer, signers, t->hashes, &s->mail, &t->sign) != ST_OK) {
		unsigned_log(c, author, "header");
		t->sign = NULL;
	}
}

slice policy_sign_end(conversation *c, struct policy_text *t)
{
	slice fields = {0};

	signature_body_end(t->hashes);
	if (dkim_sign_end(t->sign, &fields) != ST_OK) {
		unsigned_log(c, S(""), "key");
		return (slice){0};
	}
	return fields;
}
