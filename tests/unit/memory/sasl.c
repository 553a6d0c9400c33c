/* SASL exchanges step by step: what each mechanism takes, what it refuses, and that nothing is
   learnt from a refusal. The client's side of SCRAM stands here, made from RFC 5802 on its own. */
#include "provider/sasl.h"

#include "base/encode.h"
#include "base/text.h"
#include "provider/memory/memory.h"
#include "provider/postoffice.h"
#include "provider/setting.h"

#include <criterion/criterion.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#define BINDING "the channel's own 32 bytes of data"

static arena a;
static int64_t po, anna;

static status binding(void *arg, slice kind, arena *to, slice *data)
{
	(void)arg;
	if (!slice_same(kind, S("tls-exporter")))
		return ST_ABSENT;
	*data = arena_copy(to, S(BINDING));
	return ST_OK;
}

static const struct sasl_peer tls = {
	.from = {.service = SERVICE_SUBMISSION, .address = {"192.0.2.1", 9}, .secure = true},
	.binding = binding};
static status older_binding(void *arg, slice kind, arena *to, slice *data)
{
	return slice_same(kind, S("tls-unique")) ? binding(arg, S("tls-exporter"), to, data)
						 : ST_ABSENT;
}

/* Below TLS 1.3. */
static const struct sasl_peer older = {
	.from = {.service = SERVICE_SUBMISSION, .address = {"192.0.2.1", 9}, .secure = true},
	.binding = older_binding};
static const struct sasl_peer clear = {
	.from = {.service = SERVICE_SUBMISSION, .address = {"192.0.2.1", 9}}};
/* TLS by somebody in front of us: secure, but without data to bind. */
static const struct sasl_peer unbound = {
	.from = {.service = SERVICE_SUBMISSION, .address = {"192.0.2.1", 9}, .secure = true}};

static void setup(void)
{
	memory_reset();
	memory_setting("auth_password_least", "1");
	memory_setting("auth_failures_most", "1000");
	memory_setting("auth_default_postoffice", "acme");
	po = memory_postoffice("acme", "acme.test");
	anna = memory_mailbox(po, "anna", "secret");
	memory_mailbox(po, "user", "pencil");
}

static void teardown(void)
{
	arena_release(&a);
}

TestSuite(sasl, .init = setup, .fini = teardown);

static sasl *start(const char *mechanism, const struct sasl_peer *p)
{
	sasl *s;
	cr_assert_eq(sasl_start(slice_z(mechanism), p, &a, &s), ST_OK, "%s", mechanism);
	return s;
}

/* One step with bytes that may hold NULs. */
static status step(sasl *s, slice in, slice *out, bool *done, struct identity *who)
{
	return sasl_step(s, &in, &a, out, done, who);
}

/* ---- the client of RFC 5802 */

static void hmac(const uint8_t *key, const char *text, size_t size, uint8_t out[32])
{
	unsigned n = 32;
	HMAC(EVP_sha256(), key, 32, (const uint8_t *)text, size, out, &n);
}

/* The value behind "x=" in a message. */
static slice attribute(slice message, char letter)
{
	slice part;
	while (slice_take(&message, ',', &part))
		if (part.size > 1 && part.at[0] == letter && part.at[1] == '=')
			return slice_from(part, 2);
	cr_assert_fail("no %c= in the message", letter);
	return (slice){0};
}

static slice final_message(slice bare, slice server_first, slice bound, const char *password)
{
	uint8_t salted[32], key[32], stored[32], signature[32];
	slice salt, nonce = attribute(server_first, 'r');
	uint64_t iterations;

	cr_assert_eq(base64_decode(attribute(server_first, 's'), &a, &salt), ST_OK);
	cr_assert(slice_number(attribute(server_first, 'i'), &iterations));
	PKCS5_PBKDF2_HMAC(password, (int)strlen(password), (const uint8_t *)salt.at, (int)salt.size,
		(int)iterations, EVP_sha256(), 32, salted);
	hmac(salted, "Client Key", 10, key);
	EVP_Digest(key, 32, stored, NULL, EVP_sha256(), NULL);
	slice c = base64_encode(bound, &a);
	slice without = arena_format(&a, "c=%.*s,r=%.*s", SLICE_ARGS(c), SLICE_ARGS(nonce));
	slice all = arena_format(&a, "%.*s,%.*s,%.*s", SLICE_ARGS(bare), SLICE_ARGS(server_first),
		SLICE_ARGS(without));
	hmac(stored, all.at, all.size, signature);
	for (int i = 0; i < 32; i++)
		key[i] ^= signature[i];
	slice p = base64_encode(slice_of(key, 32), &a);
	return arena_format(&a, "%.*s,p=%.*s", SLICE_ARGS(without), SLICE_ARGS(p));
}

/* A whole SCRAM exchange: `header` is the gs2 header, `bound` what c= tells. */
static status scram(const char *mechanism, const struct sasl_peer *p, const char *header,
	slice bound, const char *name, const char *password, struct identity *who)
{
	slice out;
	bool done;
	sasl *s = start(mechanism, p);
	slice bare = arena_format(&a, "n=%s,r=clientnonce", name);
	slice first = arena_format(&a, "%s%.*s", header, SLICE_ARGS(bare));

	TRY(step(s, first, &out, &done, who));
	cr_assert_not(done);
	cr_assert(slice_starts(out, S("r=clientnonce")));
	cr_assert_gt(
		attribute(out, 'r').size, sizeof "clientnonce" - 1 + 20, "our part of the nonce");
	status kind = step(s, final_message(bare, out, bound, password), &out, &done, who);
	cr_assert(kind != ST_OK || (done && slice_starts(out, S("v="))));
	return kind;
}

/* ---- what is offered */

Test(sasl, offers_what_is_safe_here)
{
	static const struct {
		const char *announced; /* NULL = as by default */
		bool below, above;
	} rows[] = {{NULL, false, false}, {"never", false, false}, {"tls-1.2", true, false},
		{"always", true, true}};
	const slice all = S("SCRAM-SHA-256-PLUS SCRAM-SHA-256 PLAIN LOGIN"),
		    bare = S("SCRAM-SHA-256 PLAIN LOGIN");
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		if (rows[i].announced)
			memory_setting("auth_plus_announced", rows[i].announced);
		cr_expect(slice_same(sasl_offered(&older, &a), rows[i].below ? all : bare),
			"row %zu", i);
		cr_expect(slice_same(sasl_offered(&tls, &a), rows[i].above ? all : bare), "row %zu",
			i);
	}
	cr_expect(slice_same(sasl_offered(&unbound, &a), S("SCRAM-SHA-256 PLAIN LOGIN")));
	cr_expect_eq(sasl_offered(&clear, &a).size, 0);
	sasl *s;
	cr_expect_eq(sasl_start(S("PLAIN"), &clear, &a, &s), ST_ABSENT);
	cr_expect_eq(sasl_start(S("XOAUTH2"), &tls, &a, &s), ST_ABSENT);
	memory_setting("auth_allow_cleartext", "on");
	cr_expect(slice_same(sasl_offered(&clear, &a), S("SCRAM-SHA-256 PLAIN LOGIN")));
	memory_setting("auth_mechanisms", "SCRAM-SHA-256");
	cr_expect(slice_same(sasl_offered(&tls, &a), S("SCRAM-SHA-256")));
	cr_expect_eq(sasl_start(S("PLAIN"), &tls, &a, &s), ST_ABSENT);
	cr_expect_eq(sasl_start(S("scram-sha-256"), &tls, &a, &s), ST_OK);
}

/* ---- PLAIN and LOGIN */

Test(sasl, plain_by_row)
{
	const struct {
		slice in;
		status kind;
	} rows[] = {
		{S("\0anna\0secret"), ST_OK},
		{S("anna\0anna\0secret"), ST_OK},
		{S("\0anna@acme.test\0secret"), ST_OK},
		{S("user\0anna\0secret"), ST_DENIED},
		{S("\0anna\0wrong"), ST_DENIED},
		{S("\0nobody\0secret"), ST_DENIED},
		{S("anna\0secret"), ST_INVALID},
		{S("\0anna\0secret\0"), ST_INVALID},
		{S("\0\0secret"), ST_INVALID},
		{S("\0anna\0"), ST_INVALID},
		{S(""), ST_INVALID},
		{S("\0"), ST_INVALID},
		{S("\0\0"), ST_INVALID},
		{S("\0anna\0se\0cret"), ST_INVALID},
	};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct identity who = {0};
		slice out;
		bool done;
		cr_expect_eq(step(start("PLAIN", &tls), rows[i].in, &out, &done, &who),
			rows[i].kind, "row %zu", i);
		cr_expect_eq(done, rows[i].kind == ST_OK, "row %zu", i);
		cr_expect_eq(who.mailbox, rows[i].kind == ST_OK ? anna : 0, "row %zu", i);
	}
}

Test(sasl, plain_waits_for_what_the_client_kept_back)
{
	struct identity who;
	slice out;
	bool done;
	sasl *s = start("PLAIN", &tls);
	cr_assert_eq(sasl_step(s, NULL, &a, &out, &done, &who), ST_OK);
	cr_assert_not(done);
	cr_assert_eq(out.size, 0);
	cr_assert_eq(step(s, S("\0anna\0secret"), &out, &done, &who), ST_OK);
	cr_assert(done);
	cr_assert_eq(step(s, S("\0anna\0secret"), &out, &done, &who), ST_INVALID, "it is over");
}

Test(sasl, login_asks_twice)
{
	struct identity who;
	slice out;
	bool done;
	sasl *s = start("LOGIN", &tls);
	cr_assert_eq(sasl_step(s, NULL, &a, &out, &done, &who), ST_OK);
	cr_assert(slice_same(out, S("Username:")));
	cr_assert_eq(step(s, S("anna"), &out, &done, &who), ST_OK);
	cr_assert(slice_same(out, S("Password:")));
	cr_assert_not(done);
	cr_assert_eq(step(s, S("secret"), &out, &done, &who), ST_OK);
	cr_assert(done);
	cr_assert_eq(who.mailbox, anna);

	s = start("LOGIN", &tls); /* the name as initial response */
	cr_assert_eq(step(s, S("anna"), &out, &done, &who), ST_OK);
	cr_assert(slice_same(out, S("Password:")));
	cr_assert_eq(step(s, S("wrong"), &out, &done, &who), ST_DENIED);
	cr_assert_eq(step(start("LOGIN", &tls), S(""), &out, &done, &who), ST_INVALID);
	cr_assert_eq(step(start("LOGIN", &tls), S("an\0na"), &out, &done, &who), ST_INVALID);
}

Test(sasl, an_aborted_exchange_cannot_be_gone_on_with)
{
	struct identity who;
	slice out;
	bool done;
	sasl *s = start("LOGIN", &tls);
	cr_assert_eq(step(s, S("anna"), &out, &done, &who), ST_OK);
	sasl_abort(s);
	cr_assert_eq(step(s, S("secret"), &out, &done, &who), ST_INVALID);
	cr_assert_not(done);
	s = start("SCRAM-SHA-256", &tls);
	cr_assert_eq(step(s, S("n,,n=anna,r=abc"), &out, &done, &who), ST_OK);
	slice final = final_message(S("n=anna,r=abc"), out, S("n,,"), "secret");
	sasl_abort(s);
	cr_assert_eq(step(s, final, &out, &done, &who), ST_INVALID);
	/* Others are not touched by it. */
	cr_assert_eq(scram("SCRAM-SHA-256", &tls, "n,,", S("n,,"), "anna", "secret", &who), ST_OK);
}

Test(sasl, a_blob_is_refused_unread)
{
	struct identity who;
	slice out;
	bool done;
	char *big = arena_new(&a, 12290);
	memset(big, 'x', 12289);
	memcpy(big, "\0anna\0", 6);
	cr_assert_eq(
		step(start("PLAIN", &tls), slice_of(big, 12289), &out, &done, &who), ST_INVALID);
	cr_assert_eq(
		step(start("PLAIN", &tls), slice_of(big, 12288), &out, &done, &who), ST_DENIED);
}

/* ---- SCRAM */

Test(sasl, speaks_the_example_of_rfc_7677)
{
	struct identity who;
	slice salt, out;
	bool done;
	cr_assert_eq(base64_decode(S("W22ZaJ0SNY7soEsUEjb6gQ=="), &a, &salt), ST_OK);
	memory_scram_salt(salt);
	sasl_nonce_fix(S("%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"));
	sasl *s = start("SCRAM-SHA-256", &unbound);
	cr_assert_eq(step(s, S("n,,n=user,r=rOprNGfwEbeRWgbNEkqO"), &out, &done, &who), ST_OK);
	cr_assert(slice_same(out, S("r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
				    "s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096")),
		"%.*s", SLICE_ARGS(out));
	cr_assert_eq(step(s,
			     S("c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
			       "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="),
			     &out, &done, &who),
		ST_OK);
	cr_assert(slice_same(out, S("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=")));
	cr_assert(done);
	cr_assert(slice_same(who.mailbox_name, S("user")));
}

Test(sasl, binding_rules_by_row)
{
	const struct {
		const char *mechanism;
		const struct sasl_peer *peer;
		const char *header;
		slice bound;
		status kind;
	} rows[] = {
		{"SCRAM-SHA-256", &tls, "n,,", S("n,,"), ST_OK},
		{"SCRAM-SHA-256", &unbound, "y,,", S("y,,"), ST_OK},
		/* PLUS was offered, the client did not see it: somebody took it away. */
		{"SCRAM-SHA-256", &tls, "y,,", S("y,,"), ST_DENIED},
		{"SCRAM-SHA-256", &tls, "p=tls-exporter,,", S("p=tls-exporter,," BINDING),
			ST_INVALID},
		{"SCRAM-SHA-256-PLUS", &tls, "p=tls-exporter,,", S("p=tls-exporter,," BINDING),
			ST_OK},
		{"SCRAM-SHA-256-PLUS", &tls, "p=tls-exporter,,",
			S("p=tls-exporter,,another channel"), ST_DENIED},
		{"SCRAM-SHA-256-PLUS", &tls, "p=tls-exporter,,", S("p=tls-exporter,,"), ST_DENIED},
		{"SCRAM-SHA-256-PLUS", &tls, "p=tls-unique,,", S("p=tls-unique,," BINDING),
			ST_DENIED},
		{"SCRAM-SHA-256-PLUS", &tls, "n,,", S("n,,"), ST_INVALID},
		{"SCRAM-SHA-256-PLUS", &tls, "y,,", S("y,,"), ST_INVALID},
		/* c= must be the header that was sent. */
		{"SCRAM-SHA-256", &unbound, "n,,", S("y,,"), ST_DENIED},
		{"SCRAM-SHA-256", &unbound, "y,,", S("n,,"), ST_DENIED},
		{"SCRAM-SHA-256", &tls, "n,a=anna,", S("n,a=anna,"), ST_OK},
		{"SCRAM-SHA-256", &tls, "n,a=user,", S("n,a=user,"), ST_DENIED},
		{"SCRAM-SHA-256", &tls, "n,anna,", S("n,anna,"), ST_INVALID},
		{"SCRAM-SHA-256", &tls, "x,,", S("x,,"), ST_INVALID},
	};
	memory_setting("auth_plus_announced", "always");
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct identity who = {0};
		cr_expect_eq(scram(rows[i].mechanism, rows[i].peer, rows[i].header, rows[i].bound,
				     "anna", "secret", &who),
			rows[i].kind, "row %zu", i);
		cr_expect_eq(who.mailbox, rows[i].kind == ST_OK ? anna : 0, "row %zu", i);
	}
}

Test(sasl, plus_is_accepted_where_it_is_not_announced)
{
	struct identity who = {0};
	cr_expect_eq(scram("SCRAM-SHA-256-PLUS", &tls, "p=tls-exporter,,",
			     S("p=tls-exporter,," BINDING), "anna", "secret", &who),
		ST_OK);
	cr_expect_eq(scram("SCRAM-SHA-256", &tls, "y,,", S("y,,"), "anna", "secret", &who), ST_OK,
		"who could bind but was not told of it is no victim");
}

Test(sasl, wrong_and_unknown_look_alike)
{
	struct identity who = {0};
	slice one, two, three;
	bool done;
	cr_assert_eq(
		scram("SCRAM-SHA-256", &tls, "n,,", S("n,,"), "anna", "wrong", &who), ST_DENIED);
	cr_assert_eq(
		scram("SCRAM-SHA-256", &tls, "n,,", S("n,,"), "nobody", "secret", &who), ST_DENIED);
	/* An unknown name has one salt for ever, another name another, of the length real ones
	   have. */
	step(start("SCRAM-SHA-256", &tls), S("n,,n=nobody,r=a"), &one, &done, &who);
	step(start("SCRAM-SHA-256", &tls), S("n,,n=nobody,r=a"), &two, &done, &who);
	cr_assert(slice_same(attribute(one, 's'), attribute(two, 's')));
	cr_assert_not(slice_same(attribute(one, 'r'), attribute(two, 'r')));
	step(start("SCRAM-SHA-256", &tls), S("n,,n=nemo,r=a"), &two, &done, &who);
	cr_assert_not(slice_same(attribute(one, 's'), attribute(two, 's')));
	step(start("SCRAM-SHA-256", &tls), S("n,,n=anna,r=a"), &three, &done, &who);
	cr_assert_eq(attribute(one, 's').size, attribute(three, 's').size);
	cr_assert(slice_same(attribute(one, 'i'), attribute(three, 'i')));
}

Test(sasl, names_are_escaped)
{
	struct identity who;
	cr_assert_gt(memory_mailbox(po, "a,b=c", "secret"), 0);
	cr_assert_eq(
		scram("SCRAM-SHA-256", &tls, "n,,", S("n,,"), "a=2Cb=3Dc@acme", "secret", &who),
		ST_OK);
	cr_assert(slice_same(who.mailbox_name, S("a,b=c")));
}

Test(sasl, malformed_scram_by_row)
{
	static const char *const firsts[] = {
		"",
		",",
		"n",
		"n,",
		"n,,",
		"n,,n=anna",
		"n,,r=abc",
		"n,,n=,r=abc",
		"n,,n=anna,r=",
		"n,,n=an=na,r=abc",
		"n,,n=anna=,r=abc",
		"n,,n=anna=2,r=abc",
		"n,,m=ext,n=anna,r=abc",
		"n,,r=abc,n=anna",
		"n,,n=anna,r=a b",
		"n,,n=anna,r=\x80",
		"n,,N=anna,r=abc",
		"n,,n=an\nna,r=abc",
		"p=,,n=anna,r=abc",
		"p,,n=anna,r=abc",
	};
	struct identity who;
	slice out;
	bool done;
	for (size_t i = 0; i < sizeof firsts / sizeof firsts[0]; i++)
		cr_expect_eq(
			step(start("SCRAM-SHA-256", &tls), slice_z(firsts[i]), &out, &done, &who),
			ST_INVALID, "%s", firsts[i]);

	static const char *const finals[] = {
		"",
		"c=biws",
		"c=biws,r=abc",
		"c=biws,r=%s",
		"c=biws,r=%s,p=",
		"c=biws,r=%s,p=!!!!",
		"c=biws,r=%s,p=YWJj",
		"r=%s,c=biws,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
		"c=biws,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
	};
	for (size_t i = 0; i < sizeof finals / sizeof finals[0]; i++) {
		sasl *s = start("SCRAM-SHA-256", &tls);
		cr_assert_eq(step(s, S("n,,n=anna,r=abc"), &out, &done, &who), ST_OK);
		const char *nonce = arena_z(&a, attribute(out, 'r')),
			   *gap = strstr(finals[i], "%s");
		slice message = gap ? arena_format(&a, "%.*s%s%s", (int)(gap - finals[i]),
					      finals[i], nonce, gap + 2)
				    : slice_z(finals[i]);
		cr_expect_eq(step(s, message, &out, &done, &who), ST_INVALID, "%s", finals[i]);
		cr_expect_not(done);
	}
}

Test(sasl, a_nonce_of_another_talk_is_refused)
{
	struct identity who = {0};
	slice first, out;
	bool done;
	step(start("SCRAM-SHA-256", &tls), S("n,,n=anna,r=abc"), &first, &done, &who);
	slice final = final_message(S("n=anna,r=abc"), first, S("n,,"), "secret");
	sasl *s = start("SCRAM-SHA-256", &tls);
	step(s, S("n,,n=anna,r=abc"), &out, &done, &who);
	cr_assert_eq(step(s, final, &out, &done, &who), ST_DENIED);
	cr_assert_eq(who.mailbox, 0);
}

Test(sasl, passwords_are_prepared)
{
	struct identity who;
	slice out;
	bool done;
	/* The same password composed and decomposed, and with a soft hyphen that means nothing. */
	cr_assert_gt(memory_mailbox(po, "uwe", "pass\xc3\xbc"), 0);
	cr_assert_eq(
		step(start("PLAIN", &tls), S("\0uwe\0passu\xcc\x88"), &out, &done, &who), ST_OK);
	cr_assert_eq(
		step(start("PLAIN", &tls), S("\0uwe\0pa\xc2\xadss\xc3\xbc"), &out, &done, &who),
		ST_OK);
	cr_assert_eq(
		scram("SCRAM-SHA-256", &tls, "n,,", S("n,,"), "uwe", "pass\xc3\xbc", &who), ST_OK);
}

/* ---- around the mechanisms */

Test(sasl, a_post_office_may_refuse_a_mechanism)
{
	struct identity who = {0};
	const struct setting_at at = {.postoffice = po};
	slice only = S("SCRAM-SHA-256"), why, out;
	bool done;
	cr_assert_eq(setting_set(S_auth_mechanisms, &at, &only, NULL, &a, &why), ST_OK);
	int64_t failed = metric_value(M_logons_failed, SERVICE_SUBMISSION);
	cr_assert_eq(step(start("PLAIN", &tls), S("\0anna\0secret"), &out, &done, &who), ST_DENIED);
	cr_assert_not(done);
	cr_assert_eq(metric_value(M_logons_failed, SERVICE_SUBMISSION), failed + 1);
	cr_assert_eq(scram("SCRAM-SHA-256", &tls, "n,,", S("n,,"), "anna", "secret", &who), ST_OK);
	only = S("PLAIN");
	cr_assert_eq(setting_set(S_auth_mechanisms, &at, &only, NULL, &a, &why), ST_OK);
	cr_assert_eq(
		scram("SCRAM-SHA-256", &tls, "n,,", S("n,,"), "anna", "secret", &who), ST_DENIED);
	cr_assert_eq(metric_value(M_logons_failed, SERVICE_SUBMISSION), failed + 2);
}

Test(sasl, disabled_between_two_steps)
{
	struct identity who = {0};
	slice out;
	bool done;
	sasl *s = start("SCRAM-SHA-256", &tls);
	step(s, S("n,,n=anna,r=abc"), &out, &done, &who);
	slice final = final_message(S("n=anna,r=abc"), out, S("n,,"), "secret");
	mailbox_set_state(po, anna, MAILBOX_DISABLED, NULL);
	cr_assert_eq(step(s, final, &out, &done, &who), ST_DENIED);
}

Test(sasl, guessing_by_scram_is_counted)
{
	struct identity who;
	memory_setting("auth_failures_most", "2");
	for (int i = 0; i < 2; i++)
		cr_assert_eq(scram("SCRAM-SHA-256", &tls, "n,,", S("n,,"), "anna", "wrong", &who),
			ST_DENIED);
	slice out;
	bool done;
	cr_assert_eq(step(start("SCRAM-SHA-256", &tls), S("n,,n=anna,r=abc"), &out, &done, &who),
		ST_LIMITED);
	cr_assert_eq(
		step(start("PLAIN", &tls), S("\0anna\0secret"), &out, &done, &who), ST_LIMITED);
}

Test(sasl, a_busy_store_is_told)
{
	struct identity who;
	slice out;
	bool done;
	memory_busy(true);
	cr_assert_eq(step(start("PLAIN", &tls), S("\0anna\0secret"), &out, &done, &who), ST_BUSY);
	cr_assert_eq(step(start("SCRAM-SHA-256", &tls), S("n,,n=anna,r=abc"), &out, &done, &who),
		ST_BUSY);
	memory_busy(false);
}

static status one_token(
	slice name, slice token, const struct auth_from *from, arena *to, struct identity *who)
{
	(void)from;
	(void)to;
	if (!slice_same(name, S("anna@acme")) || !slice_same(token, S("t0ken")))
		return ST_DENIED;
	*who = (struct identity){.postoffice = po, .mailbox = anna};
	return ST_OK;
}

Test(sasl, every_mechanism_the_setting_may_name_is_there)
{
	slice rest = slice_z(setting_rows[S_auth_mechanisms].least), word;

	memory_setting("auth_plus_announced", "always");
	sasl_tokens(one_token);
	while (slice_take(&rest, '|', &word)) {
		memory_setting("auth_mechanisms", arena_z(&a, word));
		cr_expect(slice_same(sasl_offered(&tls, &a), word), "%.*s", SLICE_ARGS(word));
	}
}

Test(sasl, xoauth2_is_there_once_tokens_can_be_checked)
{
	struct identity who = {0};
	slice out;
	bool done;
	memory_setting("auth_mechanisms", "XOAUTH2");
	sasl_tokens(one_token);
	cr_assert(slice_same(sasl_offered(&tls, &a), S("XOAUTH2")));
	cr_assert_eq(step(start("XOAUTH2", &tls), S("user=anna@acme\1auth=Bearer t0ken\1\1"), &out,
			     &done, &who),
		ST_OK);
	cr_assert(done);
	cr_assert_eq(who.mailbox, anna);
	/* A refusal is told as a challenge, and stands whatever the client answers. */
	sasl *s = start("XOAUTH2", &tls);
	cr_assert_eq(step(s, S("user=anna@acme\1auth=Bearer wrong\1\1"), &out, &done, &who), ST_OK);
	cr_assert_not(done);
	cr_assert(slice_starts(out, S("{\"status\":\"401\"")));
	cr_assert_eq(
		step(s, S("user=anna@acme\1auth=Bearer t0ken\1\1"), &out, &done, &who), ST_DENIED);
	cr_assert_eq(step(start("XOAUTH2", &tls), S("user=anna@acme\1auth=Basic x\1\1"), &out,
			     &done, &who),
		ST_INVALID);
}
