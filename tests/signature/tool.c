/* Signs, seals and judges messages for the peers' script: messages on standard input, key records
   in a file of "name text" lines, verdicts and signed messages on standard output.
     key rsa|ed25519 FILE                       makes a key, prints its record
     sign RECORDS CANON DOMAIN SELECTOR KEY ... CANON is "rr", "rs", "sr" or "ss": header, body
     seal RECORDS DOMAIN SELECTOR KEY
     dkim RECORDS, arc RECORDS                  prints the verdict's word, and why */
#include "base/text.h"
#include "mail/arc.h"
#include "net/signature.h"

#include <stdlib.h>

static slice read_all(FILE *in, arena *a)
{
	text all = TEXT_INIT;
	char piece[65536];
	size_t size;

	while ((size = fread(piece, 1, sizeof piece, in)) > 0)
		text_add(&all, slice_of(piece, size));
	slice copy = arena_copy(a, text_slice(&all));
	text_free(&all);
	return copy;
}

static slice read_file(const char *name, arena *a)
{
	FILE *in = fopen(name, "r");

	if (!in) {
		perror(name);
		exit(66);
	}
	slice all = read_all(in, a);
	fclose(in);
	return all;
}

static lookup_kind ask(void *with, enum lookup_type type, slice name, arena *a, lookup_answer *out)
{
	slice rest = *(slice *)with, line;

	(void)type;
	*out = (lookup_answer){.kind = LOOKUP_ABSENT};
	while (out->count == 0 && slice_take(&rest, '\n', &line)) {
		size_t blank = slice_find(line, ' ');
		if (!slice_same_nocase(slice_until(line, blank), name))
			continue;
		out->kind = LOOKUP_FOUND;
		out->row = arena_new(a, sizeof(slice));
		out->row[out->count++] = slice_from(line, blank + 1);
	}
	return out->kind;
}

static signature_key *open_key(const char *name, arena *a)
{
	signature_key *key;

	if (signature_key_open(read_file(name, a), &key) != ST_OK) {
		fprintf(stderr, "%s is no key\n", name);
		exit(65);
	}
	return key;
}

static int make_key(const char *algorithm, const char *name, arena *a)
{
	enum signature_algorithm wanted =
		strcmp(algorithm, "rsa") == 0 ? SIGNATURE_RSA_SHA256 : SIGNATURE_ED25519_SHA256;
	signature_key *key;
	FILE *out = fopen(name, "w");

	if (!out || signature_key_make(wanted, 0, &key) != ST_OK)
		return 70;
	slice pem = signature_key_text(key, a);
	fwrite(pem.at, 1, pem.size, out);
	slice record = dkim_record_text(wanted, signature_key_public(key, a), false, a);
	printf("%.*s\n", SLICE_ARGS(record));
	signature_key_close(&key);
	return fclose(out) == 0 ? 0 : 74;
}

static void put(slice first, slice second)
{
	fwrite(first.at, 1, first.size, stdout);
	fwrite(second.at, 1, second.size, stdout);
}

static enum signature_canon canon_of(char letter)
{
	return letter == 'r' ? CANON_RELAXED : CANON_SIMPLE;
}

static int sign(const char *canons, char **triple, size_t count, arena *a)
{
	dkim_signer signer[DKIM_SIGNERS_MOST] = {0};
	signature_key *key[DKIM_SIGNERS_MOST];
	signature_body *b = signature_body_open(&signature_openssl);
	slice header, body, fields;
	dkim_sign *s;

	signature_message_split(read_all(stdin, a), a, &header, &body);
	for (size_t i = 0; i < count; i++) {
		key[i] = open_key(triple[3 * i + 2], a);
		signer[i] = (dkim_signer){.domain = slice_z(triple[3 * i]),
			.selector = slice_z(triple[3 * i + 1]),
			.algorithm = signature_key_algorithm(key[i]),
			.key = key[i],
			.header = canon_of(canons[0]),
			.body = canon_of(canons[1]),
			.at = clock_wall()};
	}
	status kind = dkim_sign_begin(header, signer, count, b, a, &s);
	signature_body_add(b, body);
	signature_body_end(b);
	if (kind == ST_OK)
		kind = dkim_sign_end(s, &fields);
	signature_body_close(&b);
	for (size_t i = 0; i < count; i++)
		signature_key_close(&key[i]);
	if (kind != ST_OK)
		return 65;
	put(fields, header);
	put(body, S(""));
	return 0;
}

static int seal(const lookup *dns, char **triple, arena *a)
{
	signature_key *key = open_key(triple[2], a);
	dkim_signer signer = {.domain = slice_z(triple[0]),
		.selector = slice_z(triple[1]),
		.algorithm = signature_key_algorithm(key),
		.key = key,
		.at = clock_wall()};
	signature_body *b = signature_body_open(&signature_openssl);
	slice header, body, fields;
	arc_report before;
	arc_seal *s;

	signature_message_split(read_all(stdin, a), a, &header, &body);
	arc_check *c = arc_check_begin(header, b, a);
	status kind = arc_seal_begin(header, &signer, b, a, &s);
	signature_body_add(b, body);
	signature_body_end(b);
	arc_check_end(c, dns, clock_wall(), &before);
	if (kind == ST_OK)
		kind = arc_seal_end(s, &before,
			arena_format(a, "%s; spf=pass smtp.mailfrom=%s", triple[0], triple[0]),
			&fields);
	signature_body_close(&b);
	signature_key_close(&key);
	if (kind != ST_OK)
		return 65;
	put(fields, header);
	put(body, S(""));
	return 0;
}

static int judge_dkim(const lookup *dns, arena *a)
{
	dkim_report r;

	if (dkim_check_file(stdin, &signature_openssl, dns, clock_wall(), a, &r) != ST_OK)
		return 65;
	printf("%s", dkim_result_name(dkim_overall(&r)));
	for (size_t i = 0; i < r.count; i++)
		printf("; %s: %s", dkim_result_name(r.verdict[i].result), r.verdict[i].reason);
	printf("\n");
	return 0;
}

static int judge_arc(const lookup *dns, arena *a)
{
	arc_report r;

	if (arc_check_file(stdin, &signature_openssl, dns, clock_wall(), a, &r) != ST_OK)
		return 65;
	printf("%s; %s at %u of %u\n", dkim_result_name(r.result), r.reason, r.failed, r.sets);
	return 0;
}

int main(int argc, char **argv)
{
	arena a = ARENA_INIT;
	slice records = argc > 2 && strcmp(argv[1], "key") != 0 ? read_file(argv[2], &a) : S("");
	const lookup dns = {.with = &records, .ask = ask};
	int result = 64;

	if (argc == 4 && strcmp(argv[1], "key") == 0)
		result = make_key(argv[2], argv[3], &a);
	else if (argc >= 7 && argc <= 4 + 3 * DKIM_SIGNERS_MOST && strcmp(argv[1], "sign") == 0)
		result = sign(argv[3], argv + 4, (size_t)(argc - 4) / 3, &a);
	else if (argc == 6 && strcmp(argv[1], "seal") == 0)
		result = seal(&dns, argv + 3, &a);
	else if (argc == 3 && strcmp(argv[1], "dkim") == 0)
		result = judge_dkim(&dns, &a);
	else if (argc == 3 && strcmp(argv[1], "arc") == 0)
		result = judge_arc(&dns, &a);
	arena_release(&a);
	return result;
}
