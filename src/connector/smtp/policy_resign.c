/* Signatures of texts that are here already: of what the house writes itself, and of mail whose
   octets had to change on its way out. That is signed anew only where the signatures it has prove
   that it was signed here, by keys that this system holds; so nobody gets a signature for what he
   wrote under another's name, whoever passes it on. */
#include "connector/smtp/policy_inside.h"
#include "net/signature.h"
#include "provider/dkim_key.h"

/* ---- the body of a text */

struct hashing {
	signature_body *hashes;
	uint64_t left; /* octets of the header */
};

static status hash_piece(slice piece, void *to)
{
	struct hashing *h = to;
	uint64_t skipped = h->left < piece.size ? h->left : piece.size;

	h->left -= skipped;
	signature_body_add(h->hashes, slice_from(piece, (size_t)skipped));
	return task_breathe();
}

static status hash_body(const struct policy_stored *t, signature_body *hashes)
{
	struct hashing h = {hashes, t->body_at};

	TRY(t->read(t->from, hash_piece, &h));
	signature_body_end(hashes);
	return ST_OK;
}

/* ---- whether we signed it */

struct own_keys {
	const dkim_key *rows;
	int n;
};

/* Key records as this system would publish them; it need not ask the DNS for its own. */
static lookup_kind own_record(
	void *with, enum lookup_type type, slice name, arena *a, lookup_answer *out)
{
	const struct own_keys *k = with;
	slice published;

	(void)type;
	out->kind = LOOKUP_ABSENT;
	for (int i = 0; i < k->n && out->kind == LOOKUP_ABSENT; i++) {
		const dkim_key *row = &k->rows[i];
		if (dkim_record_name(row->selector, row->domain, a, &published) != ST_OK ||
			!slice_same_nocase(published, name))
			continue;
		*out = (lookup_answer){
			.kind = LOOKUP_FOUND, .count = 1, .row = arena_new(a, sizeof *out->row)};
		out->row[0] = dkim_record_text(row->algorithm, row->public_key, false, a);
	}
	return out->kind;
}

static bool all_hold(const dkim_report *r, slice domain)
{
	bool hold = r->count > 0 && r->ignored == 0;

	for (size_t i = 0; i < r->count; i++)
		hold = hold && r->verdict[i].result == DKIM_PASS &&
		       slice_same(r->verdict[i].domain, domain);
	return hold;
}

status policy_signed_here(int64_t postoffice, const struct policy_stored *t, arena *a)
{
	struct own_keys keys = {0};
	dkim_report report = {0};
	dkim_key *rows;
	slice domain;

	if (dmarc_author(t->header, a, &domain) != ST_OK)
		return ST_DENIED;
	TRY(dkim_key_list(postoffice, domain, a, &rows, &keys.n));
	if (keys.n == 0)
		return ST_DENIED;
	keys.rows = rows;
	signature_body *hashes = signature_body_open(&signature_openssl);
	dkim_check *check = dkim_check_begin(t->header, hashes, a);
	status kind = hash_body(t, hashes);
	if (kind == ST_OK)
		dkim_check_end(
			check, &(lookup){.with = &keys, .ask = own_record}, clock_wall(), &report);
	signature_body_close(&hashes);
	return kind != ST_OK || all_hold(&report, domain) ? kind : ST_DENIED;
}

/* ---- signing it */

static status sign_with(const struct policy_stored *t, const dkim_signer *signer, size_t signers,
	arena *a, slice *fields)
{
	signature_body *hashes = signature_body_open(&signature_openssl);
	dkim_sign *sign;
	status kind = ST_ABSENT;

	if (dkim_sign_begin(t->header, signer, signers, hashes, a, &sign) == ST_OK) {
		kind = hash_body(t, hashes);
		if (kind == ST_OK && dkim_sign_end(sign, fields) != ST_OK)
			kind = ST_ABSENT;
	}
	signature_body_close(&hashes);
	return kind;
}

status policy_sign_stored(
	int64_t postoffice, const struct policy_stored *t, arena *a, slice *fields)
{
	struct setting_at at = {.postoffice = postoffice};
	dkim_signer signer[DKIM_SIGNERS_MOST];
	struct sign_keys *keys = NULL;

	if (dmarc_author(t->header, a, &at.domain) != ST_OK ||
		!setting_on(S_sign_outgoing_mail, &at))
		return ST_ABSENT;
	TRY(policy_keys_of(postoffice, at.domain, a, &keys));
	size_t signers = policy_signers(keys, at.domain, signer);
	status kind = signers > 0 ? sign_with(t, signer, signers, a, fields) : ST_ABSENT;
	policy_keys_drop(&keys);
	return kind;
}

static status read_slice(void *from, status (*take)(slice piece, void *to), void *to)
{
	return take(*(slice *)from, to);
}

slice policy_sign_own(int64_t postoffice, slice raw, arena *a)
{
	struct policy_stored t = {
		slice_until(raw, header_size(raw)), header_size(raw), read_slice, &raw};
	slice fields = {0};

	return policy_sign_stored(postoffice, &t, a, &fields) == ST_OK ? fields : (slice){0};
}
