/* Judging a chain (RFC 8617 5.2): its form, the newest message signature, then all seals from the
   newest down. The hash of what a seal covers grows from set to set and is copied for each, so that
   fifty seals cost no more than their fields once. */
#include "mail/arc_inside.h"

struct arc_check {
	signature_body *body;
	arena *a;
	arc_chain chain;
	arc_report report;
	bool judged;
	signature_said message;
	size_t which; /* hash of the body */
	uint8_t message_digest[SIGNATURE_DIGEST];
	signature_said *seal; /* by set */
	uint8_t (*seal_digest)[SIGNATURE_DIGEST];
};

/* --- Form
   -------------------------------------------------------------------------------------- */

static bool read_instance(slice list, unsigned *out)
{
	tag_list tags;
	slice value;
	uint64_t number;

	if (tag_list_parse(list, &tags) != ST_OK || !tag_find(&tags, S("i"), &value) ||
		value.size > 2 || !slice_number(value, &number) || number == 0 ||
		number > ARC_SETS_MOST)
		return false;
	*out = (unsigned)number;
	return true;
}

static void add_field(arc_chain *c, size_t member, slice list, const header_field *f)
{
	unsigned instance;

	if (!read_instance(list, &instance)) {
		c->wrong = "a field of the chain is malformed";
		return;
	}
	header_field *place = (header_field *)(void *)((char *)&c->set[instance - 1] + member);
	if (place->raw.size > 0)
		c->wrong = "a field of the chain is there twice";
	else
		*place = *f;
	if (instance > c->highest)
		c->highest = instance;
}

void arc_chain_read(slice header, arc_chain *out)
{
	header_walk w = header_walk_of(header);
	header_field f;
	size_t fields = 0;

	*out = (arc_chain){0};
	while (header_next(&w, &f)) {
		if (f.broken || !slice_starts_nocase(f.name, S("ARC-")))
			continue;
		if (slice_same_nocase(f.name, S("ARC-Authentication-Results")))
			add_field(out, offsetof(struct arc_fields, results),
				slice_until(f.value, slice_find(f.value, ';')), &f);
		else if (slice_same_nocase(f.name, S("ARC-Message-Signature")))
			add_field(out, offsetof(struct arc_fields, message), f.value, &f);
		else if (slice_same_nocase(f.name, S("ARC-Seal")))
			add_field(out, offsetof(struct arc_fields, seal), f.value, &f);
		else
			continue;
		if (++fields > 3 * ARC_SETS_MOST) {
			out->wrong = "the chain is too long";
			return;
		}
	}
	for (unsigned i = 0; i < out->highest && !out->wrong; i++) {
		const struct arc_fields *set = &out->set[i];
		if (set->results.raw.size == 0 || set->message.raw.size == 0 ||
			set->seal.raw.size == 0)
			out->wrong = "a field of the chain is missing";
	}
}

static bool seal_says(const header_field *seal, slice wanted)
{
	tag_list tags;
	slice cv;

	return tag_list_parse(seal->value, &tags) == ST_OK && tag_find(&tags, S("cv"), &cv) &&
	       slice_same_nocase(cv, wanted);
}

bool arc_chain_closed(const arc_chain *c)
{
	return c->highest > 0 && seal_says(&c->set[c->highest - 1].seal, S("fail"));
}

/* --- Reading
   ----------------------------------------------------------------------------------- */

static void judge(arc_check *c, enum dkim_result result, const char *reason, unsigned instance)
{
	c->judged = true;
	c->report.result = result;
	c->report.reason = reason;
	c->report.failed = instance;
}

void arc_hash_set(
	const signature_crypto *crypto, signature_hash *hash, slice results, slice message)
{
	text fields = TEXT_INIT;

	signature_canon_field(CANON_RELAXED, results, &fields);
	signature_canon_field(CANON_RELAXED, message, &fields);
	crypto->hash_add(hash, text_slice(&fields));
	text_free(&fields);
}

static const char *read_seal(arc_check *c, unsigned i)
{
	const header_field *seal = &c->chain.set[i].seal;
	tag_list tags;
	slice value;

	if (tag_list_parse(seal->value, &tags) != ST_OK)
		return "the seal is malformed";
	if (tag_find(&tags, S("h"), &value))
		return "the seal has an h= tag";
	if (!seal_says(seal, i == 0 ? S("none") : S("pass")))
		return "cv= is not what it must be";
	return signature_read_seal(&tags, c->a, &c->seal[i]);
}

/* What was seen at that hop: all behind "i=N;". */
static slice results_of(const header_field *f, arena *a)
{
	return header_unfold(slice_from(f->value, slice_find(f->value, ';') + 1), a);
}

static void read_seals(arc_check *c)
{
	const signature_crypto *crypto = signature_body_crypto(c->body);
	unsigned sets = c->chain.highest;
	arc_set *set = arena_new_array(c->a, sets, sizeof *set);
	signature_hash *running = crypto->hash_open();
	text seal = TEXT_INIT;

	c->seal = arena_new_array(c->a, sets, sizeof *c->seal);
	c->seal_digest = arena_new_array(c->a, sets, SIGNATURE_DIGEST);
	for (unsigned i = 0; i < sets && !c->judged; i++) {
		const struct arc_fields *fields = &c->chain.set[i];
		const char *wrong = read_seal(c, i);
		if (wrong) {
			judge(c, DKIM_FAIL, wrong, i + 1);
			break;
		}
		set[i] = (arc_set){.domain = c->seal[i].domain,
			.selector = c->seal[i].selector,
			.results = results_of(&fields->results, c->a)};
		arc_hash_set(crypto, running, fields->results.raw, fields->message.raw);
		signature_hash *hash = crypto->hash_copy(running);
		text_clear(&seal);
		signature_canon_own(CANON_RELAXED, fields->seal.raw, &seal);
		crypto->hash_add(hash, text_slice(&seal));
		crypto->hash_close(&hash, c->seal_digest[i]);
		text_clear(&seal);
		signature_canon_field(CANON_RELAXED, fields->seal.raw, &seal);
		crypto->hash_add(running, text_slice(&seal));
	}
	crypto->hash_close(&running, NULL);
	text_free(&seal);
	if (!c->judged)
		c->report.set = set;
}

static const char *read_message(arc_check *c, slice header)
{
	const header_field *f = &c->chain.set[c->chain.highest - 1].message;
	tag_list tags;
	slice canon;

	if (tag_list_parse(f->value, &tags) != ST_OK)
		return "the message signature is malformed";
	const char *wrong = signature_read(&tags, c->a, &c->message);
	if (wrong)
		return wrong;
	/* The default of the drafts, which sealers without c= follow and the public test suite asks
	   for; RFC 8617 refers to DKIM, whose default is simple. */
	if (!tag_find(&tags, S("c"), &canon))
		c->message.header = c->message.body = CANON_RELAXED;
	if (tag_holds(c->message.names, S("ARC-Seal")))
		return "h= names ARC-Seal";
	if (signature_header_digest(signature_body_crypto(c->body), header, f->raw,
		    c->message.names, c->message.header, c->message_digest) != ST_OK)
		return "h= cannot be read";
	if (signature_body_want(c->body, c->message.body, c->message.limit, &c->which) != ST_OK)
		return "too many hashes of the body";
	return NULL;
}

arc_check *arc_check_begin(slice header, signature_body *body, arena *a)
{
	arc_check *c = arena_new(a, sizeof *c);

	c->body = body;
	c->a = a;
	arc_chain_read(header, &c->chain);
	c->report.sets = c->chain.highest;
	c->report.closed = arc_chain_closed(&c->chain);
	if (c->chain.wrong) {
		judge(c, DKIM_FAIL, c->chain.wrong, 0);
	} else if (c->chain.highest == 0) {
		judge(c, DKIM_NONE, "there is no chain", 0);
	} else if (c->report.closed) {
		judge(c, DKIM_FAIL, "the chain failed before", c->chain.highest);
	} else {
		read_seals(c);
		const char *wrong = c->judged ? NULL : read_message(c, header);
		if (wrong)
			judge(c, DKIM_FAIL, wrong, c->chain.highest);
	}
	return c;
}

size_t arc_check_count(const arc_check *c)
{
	return c->judged ? 0 : c->chain.highest + 1;
}

slice arc_check_key_name(const arc_check *c, size_t n)
{
	if (n >= arc_check_count(c))
		return S("");
	return n == 0 ? c->message.key_name : c->seal[c->chain.highest - n].key_name;
}

/* --- Judging
   ----------------------------------------------------------------------------------- */

static void judge_one(arc_check *c, const signature_said *said, const uint8_t *digest,
	const lookup *dns, unsigned instance)
{
	signature_judgement j =
		signature_judge(said, digest, signature_body_crypto(c->body), dns, c->a);

	if (j.result != DKIM_PASS)
		judge(c, j.result == DKIM_TEMPERROR ? DKIM_TEMPERROR : DKIM_FAIL, j.reason,
			instance);
}

static void judge_message(arc_check *c, const lookup *dns, usec now)
{
	const char *stale = signature_stale(&c->message, c->body, c->which, now);

	if (!stale && c->message.limit != SIGNATURE_ALL &&
		c->message.limit < signature_body_size(c->body, c->which))
		stale = "l= leaves a part of the body unsigned";
	if (stale)
		judge(c, DKIM_FAIL, stale, c->chain.highest);
	else
		judge_one(c, &c->message, c->message_digest, dns, c->chain.highest);
}

void arc_check_end(arc_check *c, const lookup *dns, usec now, arc_report *out)
{
	if (!c->judged)
		judge_message(c, dns, now);
	for (unsigned i = c->chain.highest; i > 0 && !c->judged; i--)
		judge_one(c, &c->seal[i - 1], c->seal_digest[i - 1], dns, i);
	if (!c->judged)
		judge(c, DKIM_PASS, "good chain", 0);
	*out = c->report;
}

/* --- Whole messages
   ---------------------------------------------------------------------------- */

void arc_check_message(slice message, const signature_crypto *crypto, const lookup *dns, usec now,
	arena *a, arc_report *out)
{
	signature_body *b = signature_body_open(crypto);
	slice header, body;

	signature_message_split(message, a, &header, &body);
	arc_check *c = arc_check_begin(header, b, a);
	signature_body_add(b, body);
	signature_body_end(b);
	arc_check_end(c, dns, now, out);
	signature_body_close(&b);
}

status arc_check_file(FILE *in, const signature_crypto *crypto, const lookup *dns, usec now,
	arena *a, arc_report *out)
{
	slice header;

	TRY(signature_file_header(in, a, &header));
	signature_body *b = signature_body_open(crypto);
	arc_check *c = arc_check_begin(header, b, a);
	status kind = signature_file_body(in, b);
	if (kind == ST_OK)
		arc_check_end(c, dns, now, out);
	signature_body_close(&b);
	return kind;
}
