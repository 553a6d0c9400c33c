/* Domains that sign: ours by the keys that the house keeps, others by keys that only the script
   has. */
#include "play.h"

#include "mail/arc.h"
#include "net/dns.h"
#include "net/signature.h"
#include "provider/dkim_key.h"
#include "provider/domain.h"
#include "resolver.h"

static struct seal {
	slice selector, domain;
	enum signature_algorithm algorithm;
	signature_key *key;
} seals[8];
static int seal_count;

void seal_reset(void)
{
	for (; seal_count > 0; seal_count--)
		if (seals[seal_count - 1].algorithm != SIGNATURE_RSA_SHA256)
			signature_key_close(&seals[seal_count - 1].key);
}

/* Keys of RSA take long to make: one of each size serves all plays. */
static status rsa_key(unsigned bits, signature_key **out)
{
	static struct made {
		unsigned bits;
		signature_key *key;
	} made[4];
	struct made *m = made;

	while (m < made + 4 && m->bits && m->bits != bits)
		m++;
	if (m == made + 4)
		return ST_LIMITED;
	if (!m->key)
		TRY(signature_key_make(SIGNATURE_RSA_SHA256, bits, &m->key));
	m->bits = bits;
	*out = m->key;
	return ST_OK;
}

static void take_home(struct play *p, const struct seal *s, int64_t postoffice)
{
	const struct audit_by tester = {.who = S("dialog")};
	slice why;
	dkim_key k = {.postoffice = postoffice,
		.domain = s->domain,
		.selector = s->selector,
		.algorithm = s->algorithm,
		.public_key = signature_key_public(s->key, &p->a),
		.private_key = signature_key_text(s->key, &p->a)};

	if (dkim_key_add(&k, &tester, &p->a, &why) != ST_OK ||
		dkim_key_rotate(postoffice, s->domain, &tester) != ST_OK)
		play_fails(p, "the key cannot be kept");
}

void seal_given(struct play *p, slice selector, slice domain, unsigned rsa_bits)
{
	enum signature_algorithm algorithm =
		rsa_bits ? SIGNATURE_RSA_SHA256 : SIGNATURE_ED25519_SHA256;
	struct seal *s = &seals[seal_count];
	struct domain *ours;
	slice name;

	*s = (struct seal){arena_copy(&p->a, selector), arena_copy(&p->a, domain), algorithm, NULL};
	if (seal_count == (int)(sizeof seals / sizeof *seals) - 1 ||
		(rsa_bits ? rsa_key(rsa_bits, &s->key)
			  : signature_key_make(algorithm, 0, &s->key)) != ST_OK ||
		dkim_record_name(selector, domain, &p->a, &name) != ST_OK) {
		play_fails(p, "key SELECTOR of DOMAIN [BITS]");
		return;
	}
	seal_count++;
	resolver_add(name, S("TXT"),
		dkim_record_text(algorithm, signature_key_public(s->key, &p->a), false, &p->a));
	if (domain_find(domain, &p->a, &ours) == ST_OK)
		take_home(p, s, ours->postoffice);
}

static bool signer_find(slice domain, dkim_signer *out)
{
	for (int i = 0; i < seal_count; i++)
		if (slice_same(seals[i].domain, domain)) {
			*out = (dkim_signer){.domain = domain,
				.selector = seals[i].selector,
				.algorithm = seals[i].algorithm,
				.key = seals[i].key,
				.header = CANON_RELAXED,
				.body = CANON_RELAXED,
				.at = clock_wall()};
			return true;
		}
	return false;
}

/* The signature of a message, or with `chain` the first set of a chain. */
static status fields_make(struct play *p, slice domain, slice message, bool chain, slice *fields)
{
	const arc_report none = {.result = DKIM_NONE};
	dkim_signer signer;
	dkim_sign *sign;
	arc_seal *seal;
	slice header, body;

	if (!signer_find(domain, &signer))
		return ST_ABSENT;
	signature_body *hashes = signature_body_open(&signature_openssl);
	signature_message_split(message, &p->a, &header, &body);
	status s = chain ? arc_seal_begin(header, &signer, hashes, &p->a, &seal)
			 : dkim_sign_begin(header, &signer, 1, hashes, &p->a, &sign);
	signature_body_add(hashes, body);
	signature_body_end(hashes);
	if (s == ST_OK && chain)
		s = arc_seal_end(seal, &none,
			arena_format(&p->a, "%.*s; spf=pass", SLICE_ARGS(domain)), fields);
	else if (s == ST_OK)
		dkim_sign_end(sign, fields);
	signature_body_close(&hashes);
	return s;
}

slice seal_sign(struct play *p, slice domain, slice message, bool chain)
{
	slice fields;

	if (fields_make(p, domain, message, chain, &fields) == ST_OK)
		return arena_format(&p->a, "%.*s%.*s", SLICE_ARGS(fields), SLICE_ARGS(message));
	play_fails(p, "%.*s cannot sign that", SLICE_ARGS(domain));
	return message;
}

bool seal_chain_holds(struct play *p, slice domain, slice message)
{
	dns *d = NULL;
	arc_report found;

	dns_open(&DNS_CONF_INIT, &d);
	lookup by = dns_lookup(d);
	arc_check_message(message, &signature_openssl, &by, clock_wall(), &p->a, &found);
	return found.result == DKIM_PASS && slice_same(found.set[found.sets - 1].domain, domain);
}

bool seal_holds(struct play *p, slice domain, slice message)
{
	dns *d = NULL;
	dkim_report found;

	dns_open(&DNS_CONF_INIT, &d);
	lookup by = dns_lookup(d);
	dkim_check_message(message, &signature_openssl, &by, clock_wall(), &p->a, &found);
	for (size_t i = 0; i < found.count; i++)
		if (found.verdict[i].result == DKIM_PASS &&
			slice_same(found.verdict[i].domain, domain))
			return true;
	return false;
}
