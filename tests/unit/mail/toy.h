/* Cryptography for tests of this floor: hashes that can be read, signatures that are the digest. A
   key record with "p=dG95" ("toy") fits all of them, "p=c2hvcnQ=" ("short") is a key too short. */
#ifndef PENNYPOST_TESTS_UNIT_MAIL_TOY_H
#define PENNYPOST_TESTS_UNIT_MAIL_TOY_H

#include "base/memory.h"
#include "base/text.h"
#include "mail/dkim.h"

struct signature_hash {
	text bytes;
};

static text *toy_seen; /* what was hashed is added here, a '|' behind each */

static signature_hash *toy_open(void)
{
	return memory_new(sizeof(signature_hash));
}

static void toy_add(signature_hash *h, slice bytes)
{
	text_add(&h->bytes, bytes);
}

static signature_hash *toy_copy(const signature_hash *h)
{
	signature_hash *copy = toy_open();

	text_add(&copy->bytes, text_slice(&h->bytes));
	return copy;
}

static void toy_close(signature_hash **h, uint8_t digest[SIGNATURE_DIGEST])
{
	uint64_t lane[4] = {1, 2, 3, 4};

	for (size_t i = 0; i < (*h)->bytes.size; i++)
		for (int n = 0; n < 4; n++)
			lane[n] = (lane[n] ^ (uint8_t)(*h)->bytes.at[i]) *
				  (0x100000001b3u + 2u * (unsigned)n);
	if (digest) {
		memcpy(digest, lane, SIGNATURE_DIGEST);
		if (toy_seen) {
			text_add(toy_seen, text_slice(&(*h)->bytes));
			text_add_char(toy_seen, '|');
		}
	}
	text_free(&(*h)->bytes);
	memory_free(*h);
	*h = NULL;
}

static status toy_verify(enum signature_algorithm algorithm, slice public_key,
	const uint8_t digest[SIGNATURE_DIGEST], slice signature, unsigned *bits)
{
	(void)algorithm;
	*bits = slice_same(public_key, S("toy"))     ? 2048
		: slice_same(public_key, S("short")) ? 512
						     : 0;
	if (*bits != 2048)
		return *bits > 0 ? ST_LIMITED : ST_INVALID;
	return slice_same(signature, slice_of(digest, SIGNATURE_DIGEST)) ? ST_OK : ST_DENIED;
}

static status toy_sign(enum signature_algorithm algorithm, const signature_key *key,
	const uint8_t digest[SIGNATURE_DIGEST], arena *a, slice *signature)
{
	(void)algorithm, (void)key;
	*signature = arena_copy(a, slice_of(digest, SIGNATURE_DIGEST));
	return ST_OK;
}

static const signature_crypto toy = {
	.hash_open = toy_open,
	.hash_copy = toy_copy,
	.hash_add = toy_add,
	.hash_close = toy_close,
	.verify = toy_verify,
	.sign = toy_sign,
};

/* A DNS of a few rows; the last one has no name and answers for all others. */
struct toy_record {
	slice name;
	lookup_kind kind;
	slice row[3];
	size_t asked;
};

static lookup_kind toy_ask(
	void *with, enum lookup_type type, slice name, arena *a, lookup_answer *out)
{
	struct toy_record *r = with;

	(void)type;
	while (r->name.size > 0 && !slice_same_nocase(r->name, name))
		r++;
	r->asked++;
	*out = (lookup_answer){.kind = r->kind};
	out->row = arena_new_array(a, 3, sizeof(slice));
	while (r->kind == LOOKUP_FOUND && out->count < 3 && r->row[out->count].size > 0) {
		out->row[out->count] = r->row[out->count];
		out->count++;
	}
	return out->kind;
}

#endif
