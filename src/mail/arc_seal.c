/* Sealing (RFC 8617 5.1): what this house found, a signature over the message as it goes out, and a
   seal over the chain with both. */
#include "mail/arc_inside.h"

#include "base/encode.h"
#include "base/utf8.h"

struct arc_seal {
	slice header;
	signature_body *body;
	arena *a;
	dkim_signer signer;
	slice names;
	size_t which;
	arc_chain chain;
};

/* Names of DKIM's list, and the signatures that are there: once the message was changed on its way,
   the chain alone tells that they once were (RFC 8617 4.1.2). */
static status names_to_sign(slice header, arena *a, slice *names)
{
	slice common;
	size_t signatures = header_count(header, S("DKIM-Signature"));

	TRY(signature_names(header, a, &common));
	text out = TEXT_INIT;
	text_add(&out, common);
	for (size_t i = 0; i < signatures && i < DKIM_SIGNATURES_MOST; i++)
		text_add(&out, S(": DKIM-Signature"));
	*names = arena_copy(a, text_slice(&out));
	text_free(&out);
	return ST_OK;
}

status arc_seal_begin(
	slice header, const dkim_signer *signer, signature_body *body, arena *a, arc_seal **out)
{
	arc_seal *s = arena_new(a, sizeof *s);

	*s = (arc_seal){.header = header, .body = body, .a = a, .signer = *signer};
	s->signer.identity = S("");
	if (!signature_signer_fits(&s->signer, a))
		return ST_INVALID;
	TRY(names_to_sign(header, a, &s->names));
	TRY(signature_body_want(body, CANON_RELAXED, SIGNATURE_ALL, &s->which));
	arc_chain_read(header, &s->chain);
	*out = s;
	return ST_OK;
}

/* "i=2; a=rsa-sha256; d=example.org; s=one; t=1; " */
static void begin_tags(const arc_seal *s, unsigned instance, text *out)
{
	slice algorithm = signature_algorithm_name(s->signer.algorithm);

	text_format(out, "i=%u; a=%.*s; d=%.*s; s=%.*s; ", instance, SLICE_ARGS(algorithm),
		SLICE_ARGS(s->signer.domain), SLICE_ARGS(s->signer.selector));
	if (s->signer.at > 0)
		text_format(out, "t=%lld; ", (long long)(s->signer.at / USEC_S));
}

static status write_results(const arc_seal *s, unsigned instance, slice results, slice *field)
{
	header_builder b = {.utf8 = !utf8_is_ascii(results)};

	header_build_raw(&b, S("ARC-Authentication-Results"),
		arena_format(s->a, "i=%u; %.*s", instance, SLICE_ARGS(results)));
	return header_build_end(&b, s->a, field);
}

static status write_message(const arc_seal *s, unsigned instance, slice *field)
{
	text tags = TEXT_INIT, out = TEXT_INIT;
	slice hash = base64_encode(
		slice_of(signature_body_digest(s->body, s->which), SIGNATURE_DIGEST), s->a);

	begin_tags(s, instance, &tags);
	text_format(&tags, "c=relaxed/relaxed; h=%.*s; bh=%.*s; b=", SLICE_ARGS(s->names),
		SLICE_ARGS(hash));
	status kind = signature_write(&(signature_task){.crypto = signature_body_crypto(s->body),
					      .signer = &s->signer,
					      .canon = CANON_RELAXED,
					      .name = S("ARC-Message-Signature"),
					      .tags = text_slice(&tags),
					      .header = s->header,
					      .names = s->names},
		s->a, &out);
	if (kind == ST_OK)
		*field = arena_copy(s->a, text_slice(&out));
	text_free(&tags);
	text_free(&out);
	return kind;
}

/* All sets that were there, unless the chain failed: then the new set stands for itself (5.1.2). */
static signature_hash *hash_chain(const arc_seal *s, bool whole)
{
	const signature_crypto *crypto = signature_body_crypto(s->body);
	signature_hash *hash = crypto->hash_open();
	text seal = TEXT_INIT;

	for (unsigned i = 0; whole && i < s->chain.highest; i++) {
		const struct arc_fields *set = &s->chain.set[i];
		arc_hash_set(crypto, hash, set->results.raw, set->message.raw);
		text_clear(&seal);
		signature_canon_field(CANON_RELAXED, set->seal.raw, &seal);
		crypto->hash_add(hash, text_slice(&seal));
	}
	text_free(&seal);
	return hash;
}

static status write_seal(const arc_seal *s, unsigned instance, const char *cv, slice results,
	slice message, text *out)
{
	const signature_crypto *crypto = signature_body_crypto(s->body);
	signature_hash *hash = hash_chain(s, strcmp(cv, "fail") != 0);
	text tags = TEXT_INIT;

	arc_hash_set(crypto, hash, results, message);
	begin_tags(s, instance, &tags);
	text_format(&tags, "cv=%s; b=", cv);
	status kind = signature_write(&(signature_task){.crypto = crypto,
					      .signer = &s->signer,
					      .canon = CANON_RELAXED,
					      .name = S("ARC-Seal"),
					      .tags = text_slice(&tags),
					      .before = hash},
		s->a, out);
	crypto->hash_close(&hash, NULL);
	text_free(&tags);
	return kind;
}

status arc_seal_end(arc_seal *s, const arc_report *chain, slice results, slice *fields)
{
	unsigned instance = s->chain.highest + 1;
	bool fine = s->chain.highest == 0 ? !s->chain.wrong
					  : chain->result == DKIM_PASS && !s->chain.wrong;
	const char *cv = !fine ? "fail" : s->chain.highest == 0 ? "none" : "pass";
	slice seen, message;
	text out = TEXT_INIT;

	if (arc_chain_closed(&s->chain))
		return ST_DENIED;
	if (instance > ARC_SETS_MOST)
		return ST_LIMITED;
	if (chain->result == DKIM_TEMPERROR)
		return ST_BUSY;
	TRY(write_results(s, instance, results, &seen));
	TRY(write_message(s, instance, &message));
	status kind = write_seal(s, instance, cv, seen, message, &out);
	if (kind == ST_OK) {
		text_add(&out, message);
		text_add(&out, seen);
		*fields = arena_copy(s->a, text_slice(&out));
	}
	text_free(&out);
	return kind;
}
