/* Real keys: the examples of RFC 6376 and RFC 8463, what is made and read here, and what is
   refused. */
#include "net/signature.h"
#include "base/encode.h"
#include "mail/arc.h"
#include "mail/header.h"

#include <criterion/criterion.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/x509.h>

#define NOW (1800000000 * USEC_S)
#define ROWS(array) (sizeof(array) / sizeof *(array))

/* --- A DNS of rows
   ----------------------------------------------------------------------------- */

struct record {
	slice name, text;
};

static lookup_kind ask(void *with, enum lookup_type type, slice name, arena *a, lookup_answer *out)
{
	const struct record *r = with;

	cr_assert_eq(type, LOOKUP_TXT);
	while (r->name.size > 0 && !slice_same_nocase(r->name, name))
		r++;
	*out = (lookup_answer){.kind = r->name.size > 0 ? LOOKUP_FOUND : LOOKUP_ABSENT};
	if (out->kind == LOOKUP_FOUND) {
		out->count = 1;
		out->row = arena_new(a, sizeof(slice));
		*out->row = r->text;
	}
	return out->kind;
}

/* --- Examples of the RFCs
   ---------------------------------------------------------------------- */

#define RFC8463_RSA                                                                                \
	"v=DKIM1; k=rsa; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWR"                     \
	"iGs5V6NpP3idY6Wk08a5qhdR6wy5bdOKb2jLQiY/J16JYi0Qvx/byYzCNb3W91y3FutAC"                    \
	"DfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqMKrM3rG4hstT5QjvHO9PzoxZyVYLzBfO2EeC3"                    \
	"Ip3G+2kryOTIKT+l/K4w3QIDAQAB"

static struct record records[] = {
	{S("brisbane._domainkey.football.example.com"),
		S("v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=")},
	{S("test._domainkey.football.example.com"), S(RFC8463_RSA)},
	{S("brisbane._domainkey.example.com"),
		S("v=DKIM1; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDwIRP/UC3SBsEmGqZ9ZJW3/DkMoGeLnQg1fWn7/zYt"
		  "IxN2SnFCjxOCKG9v3b4jYfcTNh5ijSsq631uBItLa7od+v/RtdC2UzJ1lWT947qR+Rcac2gbto/NMqJ0fzfVjH4OuKhi"
		  "tdY9tf6mcwGjaNBcWToIMmPSPDdQPNUYckcQ2QIDAQAB")},
	{S(""), S("")},
};
static const lookup dns = {.with = records, .ask = ask};

/* RFC 6376 has one blank where RFC 8463 has two. */
#define LETTER LETTER_WITH("  ")
#define LETTER_WITH(blanks)                                                                        \
	"From: Joe SixPack <joe@football.example.com>\r\n"                                         \
	"To: Suzie Q <suzie@shopping.example.net>\r\n"                                             \
	"Subject: Is dinner ready?\r\n"                                                            \
	"Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)\r\n"                                          \
	"Message-ID: <20030712040037.46341.5F8J@football.example.com>\r\n"                         \
	"\r\n"                                                                                     \
	"Hi.\r\n"                                                                                  \
	"\r\n"                                                                                     \
	"We lost the game." blanks "Are you hungry yet?\r\n"                                       \
	"\r\n"                                                                                     \
	"Joe.\r\n"

Test(signature, the_two_keys_of_rfc_8463_pass)
{
	slice message = S("DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;\r\n"
			  " d=football.example.com; i=@football.example.com;\r\n"
			  " q=dns/txt; s=brisbane; t=1528637909; h=from : to :\r\n"
			  " subject : date : message-id : from : subject : date;\r\n"
			  " bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\r\n"
			  " b=/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11Bus\r\n"
			  " Fa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw==\r\n"
			  "DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed;\r\n"
			  " d=football.example.com; i=@football.example.com;\r\n"
			  " q=dns/txt; s=test; t=1528637909; h=from : to : subject :\r\n"
			  " date : message-id : from : subject : date;\r\n"
			  " bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\r\n"
			  " b=F45dVWDfMbQDGHJFlXUNB2HKfbCeLRyhDXgFpEL8GwpsRe0IeIixNTe3\r\n"
			  " DhCVlUrSjV4BwcVcOF6+FF3Zo9Rpo1tFOeS9mPYQTnGdaSGsgeefOsk2Jz\r\n"
			  " dA+L10TeYt9BgDfQNZtKdN1WO//KgIqXP7OdEFE4LjFYNcUxZQ4FADY+8=\r\n" LETTER);
	arena a = ARENA_INIT;
	dkim_report r;

	dkim_check_message(message, &signature_openssl, &dns, NOW, &a, &r);
	cr_assert_eq(r.count, 2);
	cr_assert_eq(r.verdict[0].result, DKIM_PASS, "%s", r.verdict[0].reason);
	cr_assert_eq(r.verdict[0].bits, 256);
	cr_assert_eq(r.verdict[1].result, DKIM_PASS, "%s", r.verdict[1].reason);
	cr_assert_eq(r.verdict[1].bits, 1024);
	arena_release(&a);
}

Test(signature, the_example_of_rfc_6376_passes)
{
	slice message = S("DKIM-Signature: v=1; a=rsa-sha256; s=brisbane; d=example.com;\r\n"
			  "      c=simple/simple; q=dns/txt; i=joe@football.example.com;\r\n"
			  "      h=Received : From : To : Subject : Date : Message-ID;\r\n"
			  "      bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\r\n"
			  "      b=AuUoFEfDxTDkHlLXSZEpZj79LICEps6eda7W3deTVFOk4yAUoqOB\r\n"
			  "      4nujc7YopdG5dWLSdNg6xNAZpOPr+kHxt1IrE+NahM6L/LbvaHut\r\n"
			  "      KVdkLLkpVaVVQPzeRDI009SO2Il5Lu7rDNH6mZckBdrIx0orEtZV\r\n"
			  "      4bmp/YzhwvcubU4=;\r\n"
			  "Received: from client1.football.example.com  [192.0.2.1]\r\n"
			  "      by submitserver.example.com with SUBMISSION;\r\n"
			  "      Fri, 11 Jul 2003 21:01:54 -0700 (PDT)\r\n" LETTER_WITH(" "));
	arena a = ARENA_INIT;
	dkim_report r;

	dkim_check_message(message, &signature_openssl, &dns, NOW, &a, &r);
	cr_assert_eq(r.count, 1);
	cr_assert_eq(r.verdict[0].result, DKIM_PASS, "%s", r.verdict[0].reason);
	arena_release(&a);
}

/* --- Keys
   -------------------------------------------------------------------------------------- */

/* The private keys of RFC 8463 A.2; the first is the first of RFC 8032 7.1. */
static const char ed25519_pem[] =
	"-----BEGIN PRIVATE KEY-----\n"
	"MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n"
	"-----END PRIVATE KEY-----\n";
static const char rsa_pem[] = "-----BEGIN RSA PRIVATE KEY-----\n"
			      "MIICXQIBAAKBgQDkHlOQoBTzWRiGs5V6NpP3idY6Wk08a5qhdR6wy5bdOKb2jLQi\n"
			      "Y/J16JYi0Qvx/byYzCNb3W91y3FutACDfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqM\n"
			      "KrM3rG4hstT5QjvHO9PzoxZyVYLzBfO2EeC3Ip3G+2kryOTIKT+l/K4w3QIDAQAB\n"
			      "AoGAH0cxOhFZDgzXWhDhnAJDw5s4roOXN4OhjiXa8W7Y3rhX3FJqmJSPuC8N9vQm\n"
			      "6SVbaLAE4SG5mLMueHlh4KXffEpuLEiNp9Ss3O4YfLiQpbRqE7Tm5SxKjvvQoZZe\n"
			      "zHorimOaChRL2it47iuWxzxSiRMv4c+j70GiWdxXnxe4UoECQQDzJB/0U58W7RZy\n"
			      "6enGVj2kWF732CoWFZWzi1FicudrBFoy63QwcowpoCazKtvZGMNlPWnC7x/6o8Gc\n"
			      "uSe0ga2xAkEA8C7PipPm1/1fTRQvj1o/dDmZp243044ZNyxjg+/OPN0oWCbXIGxy\n"
			      "WvmZbXriOWoSALJTjExEgraHEgnXssuk7QJBALl5ICsYMu6hMxO73gnfNayNgPxd\n"
			      "WFV6Z7ULnKyV7HSVYF0hgYOHjeYe9gaMtiJYoo0zGN+L3AAtNP9huqkWlzECQE1a\n"
			      "licIeVlo1e+qJ6Mgqr0Q7Aa7falZ448ccbSFYEPD6oFxiOl9Y9se9iYHZKKfIcst\n"
			      "o7DUw1/hz2Ck4N5JrgUCQQCyKveNvjzkkd8HjYs0SwM0fPjK16//5qDZ2UiDGnOe\n"
			      "uEzxBDAr518Z8VFbR41in3W4Y3yCDgQlLlcETrS+zYcL\n"
			      "-----END RSA PRIVATE KEY-----\n";

static signature_key *key_of(const char *pem)
{
	signature_key *key = NULL;

	cr_assert_eq(signature_key_open(slice_z(pem), &key), ST_OK);
	return key;
}

Test(signature, keys_are_read_and_published)
{
	arena a = ARENA_INIT;
	signature_key *ed25519 = key_of(ed25519_pem), *rsa = key_of(rsa_pem);
	slice record;

	cr_assert_eq(signature_key_algorithm(ed25519), SIGNATURE_ED25519_SHA256);
	record = dkim_record_text(
		SIGNATURE_ED25519_SHA256, signature_key_public(ed25519, &a), false, &a);
	cr_assert(slice_same(record, records[0].text));
	cr_assert_eq(signature_key_algorithm(rsa), SIGNATURE_RSA_SHA256);
	record = dkim_record_text(SIGNATURE_RSA_SHA256, signature_key_public(rsa, &a), false, &a);
	cr_assert(slice_same(record, records[1].text));
	signature_key_close(&rsa);
	signature_key_close(&rsa);
	signature_key_close(&ed25519);
	arena_release(&a);
}

Test(signature, what_is_no_key_of_ours_is_refused)
{
	static const slice coded[] = {
		S(""),
		S("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"),
		S("-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n"),
		S("0\x03\x02\x01\x01"),
		/* an EC key */
		S("-----BEGIN PRIVATE KEY-----\n"
		  "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgUipP64uzOwN+Rbwq\n"
		  "OX7US4oFX2T04XzdehxeYXc7rsShRANCAARVoD22a13LmarhYOsM/1TjHH2AR/qP\n"
		  "K+3k5fohBgMdzPApk2txTXS4W++xZD1zxktGZ11Tt2fhiX+de5CrChyj\n"
		  "-----END PRIVATE KEY-----\n"),
		/* encrypted: nobody is there to type */
		S("-----BEGIN ENCRYPTED PRIVATE KEY-----\n"
		  "MIGbMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAjLU63LEldSOQICA+gw\n"
		  "DAYIKoZIhvcNAgkFADAdBglghkgBZQMEASoEELdb50TOJIHFa0K8fFYsZOkEQNqM\n"
		  "oXsy1908rd1Jds9Gru1v9Ub36R1Ug1QyzW82yFV2sYWW/NTmdyPPJc5jjdqXwGqL\n"
		  "1p4em0LqDMNEC/AKMuI=\n"
		  "-----END ENCRYPTED PRIVATE KEY-----\n"),
	};
	signature_key *key = NULL;

	for (size_t i = 0; i < ROWS(coded); i++) {
		cr_assert_eq(signature_key_open(coded[i], &key), ST_INVALID, "row %zu", i);
		cr_assert_null(key);
	}
	cr_assert_eq(signature_key_make(SIGNATURE_RSA_SHA256, 512, &key), ST_INVALID);
	cr_assert_eq(signature_key_make(SIGNATURE_RSA_SHA256, 8192, &key), ST_INVALID);
}

/* DER of an RSA key whose modulus is 2^bits - 1: no key to trust, but one to read. */
static slice public_rsa(unsigned bits, unsigned exponent_bits, arena *a)
{
	BIGNUM *n = BN_new(), *e = BN_new();
	OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
	EVP_PKEY_CTX *c = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
	EVP_PKEY *key = NULL;
	unsigned char *coded = NULL;

	BN_one(n);
	BN_lshift(n, n, (int)bits);
	BN_sub_word(n, 1);
	BN_one(e);
	BN_lshift(e, e, (int)exponent_bits - 1);
	BN_add_word(e, 1);
	OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_N, n);
	OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_E, e);
	OSSL_PARAM *parameters = OSSL_PARAM_BLD_to_param(build);
	cr_assert_eq(EVP_PKEY_fromdata_init(c), 1);
	cr_assert_eq(EVP_PKEY_fromdata(c, &key, EVP_PKEY_PUBLIC_KEY, parameters), 1);
	int size = i2d_PUBKEY(key, &coded);
	cr_assert_gt(size, 0);
	slice copy = arena_copy(a, slice_of(coded, (size_t)size));
	OPENSSL_free(coded);
	OSSL_PARAM_free(parameters);
	OSSL_PARAM_BLD_free(build);
	EVP_PKEY_CTX_free(c);
	EVP_PKEY_free(key);
	BN_free(n);
	BN_free(e);
	return copy;
}

Test(signature, keys_have_bounds)
{
	static const struct {
		unsigned bits, exponent_bits;
		status kind;
	} rows[] = {
		{512, 17, ST_LIMITED},
		{1023, 17, ST_LIMITED},
		{1024, 17, ST_DENIED},
		{2048, 17, ST_DENIED},
		{4096, 17, ST_DENIED},
		{4097, 17, ST_LIMITED},
		{16384, 17, ST_LIMITED},
		{2048, 64, ST_DENIED},
		{2048, 65, ST_INVALID},
	};
	arena a = ARENA_INIT;
	uint8_t digest[SIGNATURE_DIGEST] = {0};
	unsigned bits;

	for (size_t i = 0; i < ROWS(rows); i++) {
		slice key = public_rsa(rows[i].bits, rows[i].exponent_bits, &a);
		slice signature = slice_of(arena_new(&a, rows[i].bits / 8), rows[i].bits / 8);
		cr_assert_eq(signature_openssl.verify(
				     SIGNATURE_RSA_SHA256, key, digest, signature, &bits),
			rows[i].kind, "row %zu", i);
		cr_assert_eq(bits, rows[i].kind == ST_INVALID ? 0 : rows[i].bits, "row %zu", i);
	}
	slice ed25519 = slice_of(arena_new(&a, 33), 33);
	cr_assert_eq(
		signature_openssl.verify(SIGNATURE_ED25519_SHA256, ed25519, digest, S("x"), &bits),
		ST_INVALID);
	cr_assert_eq(bits, 0);
	cr_assert_eq(
		signature_openssl.verify(SIGNATURE_RSA_SHA256, S("junk"), digest, S("x"), &bits),
		ST_INVALID);
	arena_release(&a);
}

/* Many records hold the bare RSAPublicKey. */
Test(signature, both_forms_of_rsa_keys_are_read)
{
	arena a = ARENA_INIT;
	signature_key *rsa = key_of(rsa_pem);
	uint8_t digest[SIGNATURE_DIGEST] = "any digest of a message will do";
	unsigned bits;
	slice signature, whole = signature_key_public(rsa, &a);
	slice bare = slice_from(whole, 22); /* behind the algorithm and the bit string's head */

	cr_assert_eq(
		signature_openssl.sign(SIGNATURE_RSA_SHA256, rsa, digest, &a, &signature), ST_OK);
	cr_assert_eq(
		signature_openssl.verify(SIGNATURE_RSA_SHA256, whole, digest, signature, &bits),
		ST_OK);
	cr_assert_eq(signature_openssl.verify(SIGNATURE_RSA_SHA256, bare, digest, signature, &bits),
		ST_OK);
	cr_assert_eq(signature_openssl.sign(SIGNATURE_ED25519_SHA256, rsa, digest, &a, &signature),
		ST_INVALID);
	digest[0] ^= 1;
	cr_assert_eq(
		signature_openssl.verify(SIGNATURE_RSA_SHA256, whole, digest, signature, &bits),
		ST_DENIED);
	signature_key_close(&rsa);
	arena_release(&a);
}

/* --- From one end to the other
   ----------------------------------------------------------------- */

static slice signed_by(slice letter, const dkim_signer *signer, size_t count, arena *a)
{
	signature_body *b = signature_body_open(&signature_openssl);
	slice header, body, fields;
	dkim_sign *s;

	signature_message_split(letter, a, &header, &body);
	cr_assert_eq(dkim_sign_begin(header, signer, count, b, a, &s), ST_OK);
	signature_body_add(b, body);
	signature_body_end(b);
	cr_assert_eq(dkim_sign_end(s, &fields), ST_OK);
	signature_body_close(&b);
	return arena_format(a, "%.*s%.*s", SLICE_ARGS(fields), SLICE_ARGS(letter));
}

Test(signature, new_keys_sign_what_their_records_verify)
{
	arena a = ARENA_INIT;
	signature_key *key[2];
	struct record own[3] = {{S("r._domainkey.example.org"), S("")},
		{S("e._domainkey.example.org"), S("")}, {S(""), S("")}};
	const lookup own_dns = {.with = own, .ask = ask};
	dkim_signer signer[2] = {
		{.domain = S("example.org"), .selector = S("r"), .algorithm = SIGNATURE_RSA_SHA256},
		{.domain = S("example.org"),
			.selector = S("e"),
			.algorithm = SIGNATURE_ED25519_SHA256},
	};
	dkim_report r;

	for (int i = 0; i < 2; i++) {
		cr_assert_eq(signature_key_make(signer[i].algorithm, 0, &key[i]), ST_OK);
		slice pem = signature_key_text(key[i], &a);
		signature_key_close(&key[i]);
		cr_assert_eq(signature_key_open(pem, &key[i]), ST_OK);
		signer[i].key = key[i];
		own[i].text = dkim_record_text(
			signer[i].algorithm, signature_key_public(key[i], &a), false, &a);
	}
	cr_assert_eq(signature_key_public(key[0], &a).size, 294, "2048 bits");
	slice message = signed_by(S(LETTER), signer, 2, &a);
	dkim_check_message(message, &signature_openssl, &own_dns, NOW, &a, &r);
	cr_assert_eq(r.count, 2);
	for (int i = 0; i < 2; i++)
		cr_assert_eq(r.verdict[i].result, DKIM_PASS, "%s", r.verdict[i].reason);
	header_survey seen;
	header_look(message, &seen);
	cr_assert_leq(seen.longest_line, 78);
	for (int i = 0; i < 2; i++)
		signature_key_close(&key[i]);
	arena_release(&a);
}

Test(signature, chains_of_real_keys_pass)
{
	arena a = ARENA_INIT;
	signature_key *key[2] = {key_of(rsa_pem), key_of(ed25519_pem)};
	slice message = S(LETTER);

	for (int hop = 0; hop < 4; hop++) {
		dkim_signer signer = {.domain = S("football.example.com"),
			.selector = hop % 2 ? S("brisbane") : S("test"),
			.algorithm = hop % 2 ? SIGNATURE_ED25519_SHA256 : SIGNATURE_RSA_SHA256,
			.key = key[hop % 2],
			.at = NOW};
		arc_report before, after;
		signature_body *b = signature_body_open(&signature_openssl);
		slice header, body, fields;
		arc_seal *s;
		arc_check_message(message, &signature_openssl, &dns, NOW, &a, &before);
		signature_message_split(message, &a, &header, &body);
		cr_assert_eq(arc_seal_begin(header, &signer, b, &a, &s), ST_OK);
		signature_body_add(b, body);
		signature_body_end(b);
		cr_assert_eq(
			arc_seal_end(s, &before, S("mx.example.com; dkim=pass"), &fields), ST_OK);
		signature_body_close(&b);
		message = arena_format(&a, "%.*s%.*s", SLICE_ARGS(fields), SLICE_ARGS(message));
		arc_check_message(message, &signature_openssl, &dns, NOW, &a, &after);
		cr_assert_eq(after.result, DKIM_PASS, "%s", after.reason);
		cr_assert_eq(after.sets, (unsigned)hop + 1);
	}
	signature_key_close(&key[0]);
	signature_key_close(&key[1]);
	arena_release(&a);
}
