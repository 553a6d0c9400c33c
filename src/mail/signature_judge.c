/* Judging one signature: what can be told without its key, and with it. DKIM and ARC do the
   same. */
#include "mail/signature_inside.h"

#define SKEW 86400 /* seconds that a signer's clock may be ahead */

const char *signature_stale(
	const signature_said *said, const signature_body *body, size_t which, usec now)
{
	if (said->expires_at > 0 && said->expires_at < now / USEC_S)
		return "the signature has expired";
	if (said->signed_at > now / USEC_S + SKEW)
		return "the signature is from the future";
	if (said->limit != SIGNATURE_ALL && said->limit > signature_body_size(body, which))
		return "l= is longer than the body";
	if (memcmp(signature_body_digest(body, which), said->body_hash.at, SIGNATURE_DIGEST) != 0)
		return "body hash did not verify";
	return NULL;
}

/* --- Fetching
   ---------------------------------------------------------------------------------- */

#define RECORDS_MOST 8 /* of one name; one is what should be there */

static signature_judgement lost(enum dkim_result result, const char *reason)
{
	return (signature_judgement){.result = result, .reason = reason};
}

/* The first row that is a key record; wildcards put other texts beside it. */
static status pick_record(const lookup_answer *answer, arena *a, dkim_record *out)
{
	status kind = ST_ABSENT;

	for (size_t i = 0; i < answer->count && i < RECORDS_MOST && kind != ST_OK; i++)
		kind = dkim_record_parse(answer->row[i], a, out);
	return kind;
}

/* Why a record is of no use for the signature, or NULL. */
static const char *unfit(const signature_said *said, const dkim_record *record)
{
	return record->public_key.size == 0           ? "the key was revoked"
	       : record->algorithm != said->algorithm ? "the key is for another algorithm"
	       : !record->sha256                      ? "the key is not for SHA-256"
	       : !record->email                       ? "the key is not for mail"
						      : NULL;
}

static signature_judgement try_key(const signature_said *said, const dkim_record *record,
	const uint8_t digest[SIGNATURE_DIGEST], const signature_crypto *crypto)
{
	signature_judgement j = {.testing = record->testing, .strict = record->strict};

	switch (crypto->verify(
		said->algorithm, record->public_key, digest, said->signature, &j.bits)) {
	case ST_OK:
		j.result = DKIM_PASS;
		j.reason = "good signature";
		break;
	case ST_LIMITED:
		j.result = DKIM_PERMERROR;
		j.reason = j.bits < SIGNATURE_RSA_LEAST ? "the key is too short"
							: "the key is too long";
		break;
	case ST_INVALID:
		j.result = DKIM_PERMERROR;
		j.reason = "the key cannot be read";
		break;
	default:
		j.result = DKIM_FAIL;
		j.reason = "signature did not verify";
	}
	return j;
}

signature_judgement signature_judge(const signature_said *said,
	const uint8_t digest[SIGNATURE_DIGEST], const signature_crypto *crypto, const lookup *dns,
	arena *a)
{
	lookup_answer answer;
	dkim_record record;

	switch (lookup_ask(dns, LOOKUP_TXT, said->key_name, a, &answer)) {
	case LOOKUP_TEMPORARY:
		return lost(DKIM_TEMPERROR, "the key could not be fetched");
	case LOOKUP_ABSENT:
		return lost(DKIM_PERMERROR, "there is no key");
	case LOOKUP_PERMANENT:
		return lost(DKIM_PERMERROR, "the answer for the key is of no use");
	case LOOKUP_FOUND:
		break;
	}
	switch (pick_record(&answer, a, &record)) {
	case ST_OK:
		break;
	case ST_FOREIGN:
		return lost(DKIM_PERMERROR, "the key is for another algorithm");
	default:
		return lost(DKIM_PERMERROR, "the key record is malformed");
	}
	const char *reason = unfit(said, &record);
	signature_judgement j =
		reason ? lost(DKIM_PERMERROR, reason) : try_key(said, &record, digest, crypto);
	j.testing = record.testing;
	return j;
}
