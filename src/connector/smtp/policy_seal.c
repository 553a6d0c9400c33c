/* ARC seals (RFC 8617) of what is passed on. Who passes mail on breaks SPF and often DKIM; a seal
   tells the next system what was found out before that, and whoever trusts the domain may believe
   it. One key seals: RSA where there is one, since not everybody knows Ed25519 there. */
#include "connector/smtp/policy_inside.h"
#include "net/signature.h"

/* The domain of the address that passes it on. ST_ABSENT: it is not sealed. */
static status sealer(const struct recipient *r, arena *a, slice *domain)
{
	mail_address via;

	if (!r->remote || r->via.size == 0 || mail_address_parse(r->via, a, &via) != ST_OK ||
		via.literal)
		return ST_ABSENT;
	*domain = via.domain;
	return setting_on(S_seal_forwarded_mail,
		       &(struct setting_at){
			       .postoffice = r->route.postoffice, .domain = via.domain})
		       ? ST_OK
		       : ST_ABSENT;
}

/* Lends the keys until policy_keys_drop. ST_ABSENT: there is none. */
static status key_of(const struct recipient *r, arena *a, struct sign_keys **keys, dkim_signer *out)
{
	dkim_signer signer[DKIM_SIGNERS_MOST];
	slice domain;

	TRY(sealer(r, a, &domain));
	TRY(policy_keys_of(r->route.postoffice, domain, a, keys));
	size_t n = policy_signers(*keys, domain, signer), at = 0;
	while (at < n && signer[at].algorithm != SIGNATURE_RSA_SHA256)
		at++;
	if (n > 0)
		*out = signer[at < n ? at : 0];
	else
		policy_keys_drop(keys);
	return n > 0 ? ST_OK : ST_ABSENT;
}

bool policy_seals(conversation *c, const struct recipient *r)
{
	struct sign_keys *keys = NULL;
	dkim_signer signer;

	if (r->via.size == 0 || key_of(r, &smtp_of(c)->mail, &keys, &signer) != ST_OK)
		return false;
	policy_keys_drop(&keys);
	return true;
}

static status hash_piece(slice piece, void *to)
{
	signature_body_add(to, piece);
	return task_breathe();
}

slice policy_seal(conversation *c, const struct recipient *r, const struct policy_verdict *v,
	slice header, status (*read)(void *from, status (*take)(slice piece, void *to), void *to),
	void *from)
{
	arena *a = &smtp_of(c)->mail;
	struct sign_keys *keys = NULL;
	dkim_signer signer;
	arc_seal *seal;
	slice fields = {0};

	if (v->results.size == 0 || key_of(r, a, &keys, &signer) != ST_OK)
		return fields;
	signature_body *hashes = signature_body_open(&signature_openssl);
	if (arc_seal_begin(header, &signer, hashes, a, &seal) == ST_OK &&
		read(from, hash_piece, hashes) == ST_OK) {
		signature_body_end(hashes);
		if (arc_seal_end(seal, &v->chain, v->results, &fields) != ST_OK)
			fields = (slice){0};
	}
	signature_body_close(&hashes);
	policy_keys_drop(&keys);
	return fields;
}
