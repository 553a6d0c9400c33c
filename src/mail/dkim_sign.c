/* Signing by DKIM. One walk over the header and one over the body serve all signers. */
#include "mail/signature_inside.h"

#include "base/encode.h"

struct dkim_sign {
	slice header;
	signature_body *body;
	arena *a;
	slice names;
	size_t count;
	dkim_signer signer[DKIM_SIGNERS_MOST];
	size_t which[DKIM_SIGNERS_MOST];
};

status dkim_sign_begin(slice header, const dkim_signer *signer, size_t count, signature_body *body,
	arena *a, dkim_sign **out)
{
	dkim_sign *s = arena_new(a, sizeof *s);

	if (count > DKIM_SIGNERS_MOST)
		return ST_INVALID;
	*s = (dkim_sign){.header = header, .body = body, .a = a, .count = count};
	TRY(signature_names(header, a, &s->names));
	for (size_t i = 0; i < count; i++) {
		if (!signature_signer_fits(&signer[i], a))
			return ST_INVALID;
		s->signer[i] = signer[i];
		TRY(signature_body_want(body, signer[i].body, SIGNATURE_ALL, &s->which[i]));
	}
	*out = s;
	return ST_OK;
}

static const char *canon_name(enum signature_canon canon)
{
	return canon == CANON_RELAXED ? "relaxed" : "simple";
}

/* RFC 6376 2.11: what separates tags is written as "=3B". */
static void add_identity(slice identity, text *out)
{
	text_add(out, S(" i="));
	for (size_t i = 0; i < identity.size; i++) {
		if (identity.at[i] == ';' || identity.at[i] == '=')
			text_add(out, identity.at[i] == ';' ? S("=3B") : S("=3D"));
		else
			text_add_char(out, identity.at[i]);
	}
	text_add_char(out, ';');
}

static void write_tags(const dkim_sign *s, size_t n, text *out)
{
	const dkim_signer *signer = &s->signer[n];
	slice algorithm = signature_algorithm_name(signer->algorithm);
	slice hash = base64_encode(
		slice_of(signature_body_digest(s->body, s->which[n]), SIGNATURE_DIGEST), s->a);

	text_format(out, "v=1; a=%.*s; c=%s/%s; d=%.*s; s=%.*s;", SLICE_ARGS(algorithm),
		canon_name(signer->header), canon_name(signer->body), SLICE_ARGS(signer->domain),
		SLICE_ARGS(signer->selector));
	if (signer->identity.size > 0)
		add_identity(signer->identity, out);
	if (signer->at > 0)
		text_format(out, " t=%lld;", (long long)(signer->at / USEC_S));
	if (signer->expires_at > 0)
		text_format(out, " x=%lld;", (long long)(signer->expires_at / USEC_S));
	text_format(out, " h=%.*s; bh=%.*s; b=", SLICE_ARGS(s->names), SLICE_ARGS(hash));
}

status dkim_sign_end(dkim_sign *s, slice *fields)
{
	text out = TEXT_INIT, tags = TEXT_INIT;
	status kind = ST_OK;

	for (size_t i = 0; i < s->count && kind == ST_OK; i++) {
		text_clear(&tags);
		write_tags(s, i, &tags);
		kind = signature_write(&(signature_task){.crypto = signature_body_crypto(s->body),
					       .signer = &s->signer[i],
					       .canon = s->signer[i].header,
					       .name = S("DKIM-Signature"),
					       .tags = text_slice(&tags),
					       .header = s->header,
					       .names = s->names},
			s->a, &out);
	}
	if (kind == ST_OK)
		*fields = arena_copy(s->a, text_slice(&out));
	text_free(&tags);
	text_free(&out);
	return kind;
}
