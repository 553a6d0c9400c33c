/* Writing signatures: which fields are signed, and the field that says so. */
#include "mail/signature_inside.h"

#include "base/encode.h"
#include "mail/address.h"

/* --- What is signed
   ---------------------------------------------------------------------------- */

#define TIMES_MOST                                                                                 \
	20       /* of one name; who sends more loses nothing but the cover of the upper ones */
#define CHUNK 46 /* letters; behind the name that passes it a line may be folded */

/* RFC 6376 5.4.1, and what decides how a body is read. Names with `sealed` are signed once more
   than they are there, so that none can be added; lists may add the others. */
static const struct {
	slice name;
	bool sealed;
} signed_names[] = {
	{S("From"), true},
	{S("Sender"), false},
	{S("Reply-To"), true},
	{S("To"), true},
	{S("Cc"), true},
	{S("Subject"), true},
	{S("Date"), true},
	{S("Message-ID"), true},
	{S("In-Reply-To"), true},
	{S("References"), true},
	{S("MIME-Version"), true},
	{S("Content-Type"), true},
	{S("Content-Transfer-Encoding"), true},
	{S("Content-Disposition"), false},
	{S("Content-ID"), false},
	{S("Content-Description"), false},
	{S("Resent-Date"), false},
	{S("Resent-From"), false},
	{S("Resent-Sender"), false},
	{S("Resent-To"), false},
	{S("Resent-Cc"), false},
	{S("Resent-Message-ID"), false},
	{S("List-Id"), false},
	{S("List-Help"), false},
	{S("List-Unsubscribe"), false},
	{S("List-Unsubscribe-Post"), false},
	{S("List-Subscribe"), false},
	{S("List-Post"), false},
	{S("List-Owner"), false},
	{S("List-Archive"), false},
	{S("Autocrypt"), false},
};
#define SIGNED_NAMES (sizeof signed_names / sizeof *signed_names)

static void count_names(slice header, size_t *count)
{
	header_walk w = header_walk_of(header);
	header_field f;

	while (header_next(&w, &f))
		for (size_t i = 0; i < SIGNED_NAMES && !f.broken; i++)
			count[i] += slice_same_nocase(f.name, signed_names[i].name);
}

status signature_names(slice header, arena *a, slice *names)
{
	size_t count[SIGNED_NAMES] = {0}, column = 0;
	text out = TEXT_INIT;

	/* A field put before a header that begins with a blank would swallow its first line. */
	if (header.size > 0 && (header.at[0] == ' ' || header.at[0] == '\t'))
		return ST_INVALID;
	count_names(header, count);
	if (count[0] != 1)
		return ST_INVALID;
	for (size_t i = 0; i < SIGNED_NAMES; i++) {
		size_t times = count[i] + signed_names[i].sealed;
		for (size_t n = 0; n < times && n < TIMES_MOST; n++) {
			if (out.size > 0)
				text_add_char(&out, ':');
			if (out.size - column > CHUNK) {
				text_add_char(&out, ' ');
				column = out.size;
			}
			text_add(&out, signed_names[i].name);
		}
	}
	*names = arena_copy(a, text_slice(&out));
	text_free(&out);
	return ST_OK;
}

bool signature_signer_fits(const dkim_signer *signer, arena *a)
{
	slice name;

	for (size_t i = 0; i < signer->identity.size; i++)
		if (signer->identity.at[i] <= ' ' || signer->identity.at[i] > '~')
			return false;
	return dkim_record_name(signer->selector, signer->domain, a, &name) == ST_OK;
}

/* --- The field
   --------------------------------------------------------------------------------- */

#define LINE 72 /* of base64 */

static status build(const signature_task *t, slice coded, arena *a, slice *field)
{
	header_builder b = {0};
	text value = TEXT_INIT;

	text_add(&value, t->tags);
	for (slice rest = coded; rest.size > 0; rest = slice_from(rest, LINE)) {
		text_add_char(&value, ' ');
		text_add(&value, slice_until(rest, LINE));
	}
	header_build_raw(&b, t->name, text_slice(&value));
	text_free(&value);
	return header_build_end(&b, a, field);
}

static status digest_of(const signature_task *t, slice own, uint8_t digest[SIGNATURE_DIGEST])
{
	text last = TEXT_INIT;

	if (!t->before)
		return signature_header_digest(
			t->crypto, t->header, own, t->names, t->canon, digest);
	signature_hash *hash = t->crypto->hash_copy(t->before);
	signature_canon_own(t->canon, own, &last);
	t->crypto->hash_add(hash, text_slice(&last));
	t->crypto->hash_close(&hash, digest);
	text_free(&last);
	return ST_OK;
}

/* "b=" stays a word of its own, so that the lines before it are folded the same with and without
   the signature behind it: simple canonicalisation sees every fold. */
status signature_write(const signature_task *t, arena *a, text *out)
{
	uint8_t digest[SIGNATURE_DIGEST];
	slice field, raw;

	TRY(build(t, S(""), a, &field));
	TRY(digest_of(t, field, digest));
	TRY(t->crypto->sign(t->signer->algorithm, t->signer->key, digest, a, &raw));
	TRY(build(t, base64_encode(raw, a), a, &field));
	text_add(out, field);
	return ST_OK;
}
