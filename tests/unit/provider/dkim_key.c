/* Keys that sign: they wait, sign, retire; those of others are not seen; and nothing goes without
   the secret that private ones are kept under. */
#include "tests/unit/provider/dkim_key.h"

#include "base/id.h"
#include "provider/dkim_key.h"
#include "provider/domain.h"
#include "provider/postoffice.h"

#include <criterion/criterion.h>

static const struct audit_by by = {.who = {"test", 4}};
static arena a;

static void end(void)
{
	arena_release(&a);
	keys_end();
}

TestSuite(dkim_key, .init = keys_begin, .fini = end, .timeout = 300);

static int64_t office(void)
{
	postoffice *p;
	slice why = S("");

	cr_assert_eq(postoffice_make(arena_format(&a, "po%lld", (long long)id_new()),
			     S("Secret-Word-1"), &by, &a, &p, &why),
		ST_OK, "%.*s", SLICE_ARGS(why));
	return p->id;
}

static status add(int64_t po, slice host, const char *selector, enum signature_algorithm algorithm)
{
	dkim_key k = {.postoffice = po,
		.domain = host,
		.selector = slice_z(selector),
		.algorithm = algorithm,
		.public_key = S("public"),
		.private_key = arena_format(&a, "private %s", selector)};
	slice why;

	return dkim_key_add(&k, &by, &a, &why);
}

static slice domain_of(int64_t po)
{
	slice host = arena_format(&a, "k%lld.test", (long long)id_new()), why;

	cr_assert_eq(domain_make(po, host, true, &by, &a, &why), ST_OK);
	return host;
}

/* "selector:state" of all keys, oldest first. */
static const char *states(int64_t po, slice host)
{
	slice all = S("");
	dkim_key *rows;
	int n;

	cr_assert_eq(dkim_key_list(po, host, &a, &rows, &n), ST_OK);
	for (int i = 0; i < n; i++)
		all = arena_format(&a, "%.*s %.*s:%d", SLICE_ARGS(all),
			SLICE_ARGS(rows[i].selector), rows[i].state);
	return arena_z(&a, all);
}

Test(dkim_key, waits_signs_and_retires)
{
	int64_t po = office(), other = office();
	slice host = domain_of(po);
	dkim_key *rows;
	int n;

	keys_secret(true);
	cr_assert_eq(add(po, host, "One", SIGNATURE_RSA_SHA256), ST_OK);
	cr_assert_eq(add(po, host, "oNE", SIGNATURE_RSA_SHA256), ST_EXISTS);
	cr_assert_eq(add(po, host, "ed", SIGNATURE_ED25519_SHA256), ST_OK);
	cr_assert_eq(dkim_key_signing(po, host, &a, &rows, &n), ST_OK);
	cr_assert_eq(n, 0);
	cr_assert_eq(dkim_key_rotate(other, host, &by), ST_ABSENT);
	cr_assert_eq(dkim_key_rotate(po, host, &by), ST_OK);
	cr_assert_eq(dkim_key_rotate(po, host, &by), ST_ABSENT);
	cr_assert_str_eq(states(po, host), " one:1 ed:1");
	cr_assert_eq(add(po, host, "two", SIGNATURE_RSA_SHA256), ST_OK);
	cr_assert_eq(dkim_key_rotate(po, host, &by), ST_OK);
	cr_assert_str_eq(states(po, host), " one:2 ed:1 two:1");

	cr_assert_eq(dkim_key_signing(po, host, &a, &rows, &n), ST_OK);
	cr_assert_eq(n, 2);
	cr_assert(slice_same(rows[0].selector, S("two")));
	cr_assert(slice_same(rows[0].private_key, S("private two")));
	cr_assert(slice_same(rows[0].public_key, S("public")));
	cr_assert_eq(rows[1].algorithm, SIGNATURE_ED25519_SHA256);
	cr_assert_eq(keys_in_the_clear(), 0);

	cr_assert_str_eq(states(other, host), "");
	cr_assert_eq(dkim_key_remove(other, host, S("one"), &by), ST_ABSENT);
	cr_assert_eq(dkim_key_remove(po, host, S("ONE"), &by), ST_OK);
	cr_assert_eq(dkim_key_remove(po, host, S("one"), &by), ST_ABSENT);
	cr_assert_str_eq(states(po, host), " ed:1 two:1");
}

Test(dkim_key, needs_a_domain_a_name_and_the_secret)
{
	int64_t po = office(), other = office();
	slice host = domain_of(po);
	dkim_key *rows;
	int n;

	cr_assert_eq(add(po, host, "one", SIGNATURE_RSA_SHA256), ST_INVALID, "no secret file");
	keys_secret(true);
	cr_assert_eq(add(po, host, "a b", SIGNATURE_RSA_SHA256), ST_INVALID);
	cr_assert_eq(add(po, host, "one", SIGNATURE_RSA_SHA256), ST_OK);
	keys_secret(false);
	cr_assert_eq(
		dkim_key_rotate(po, host, &by), ST_INVALID, "what is waiting cannot be opened");
	cr_assert_str_eq(states(po, host), " one:0");
	keys_secret(true);
	cr_assert_eq(dkim_key_rotate(po, host, &by), ST_OK);
	cr_assert_eq(add(po, host, "ed", SIGNATURE_ED25519_SHA256), ST_OK);
	keys_secret(false);
	cr_assert_eq(dkim_key_signing(po, host, &a, &rows, &n), ST_BROKEN, "nor what signs");
	cr_assert_eq(dkim_key_rotate(po, host, &by), ST_INVALID);
	cr_assert_str_eq(states(po, host), " one:1 ed:0");
	cr_assert_eq(dkim_key_remove(po, host, S("ed"), &by), ST_OK);
	cr_assert_eq(dkim_key_remove(po, host, S("one"), &by), ST_OK);
	keys_secret(true);
	cr_assert_eq(add(other, host, "one", SIGNATURE_RSA_SHA256), ST_ABSENT);
	cr_assert_eq(add(po, S("nowhere.test"), "one", SIGNATURE_RSA_SHA256), ST_ABSENT);
	cr_assert_str_eq(states(po, host), "");
}
