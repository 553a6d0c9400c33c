/* Keys that sign: they wait, sign, retire; private ones are kept encrypted; those of others are not seen. */
#include "provider/dkim_key.h"

#include "base/id.h"
#include "provider/auth_secret.h"
#include "provider/provider.h"
#include "tests/unit/provider/given.h"
#include "tests/unit/provider/store_fixture.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <unistd.h>

static arena a;
static char folder[] = "/tmp/pennypost-test.XXXXXX";
static struct bootstrap boot;

static void begin(void)
{
	given_providers();
	cr_assert(mkdtemp(folder));
	boot.secret_file = arena_format(&a, "%s/secret", folder);
}

static void with_secret(void)
{
	cr_assert_eq(auth_secret_file_make(&boot), ST_OK);
	cr_assert_eq(auth_secret_open(&boot), ST_OK);
}

static void end(void)
{
	auth_secret_close();
	unlink(boot.secret_file.at);
	rmdir(folder);
	provider_close();
	arena_release(&a);
}

TestSuite(dkim_key, .init = begin, .fini = end, .timeout = 300);

static status add(int64_t po, slice host, const char *selector, enum signature_algorithm algorithm)
{
	dkim_key k = {.postoffice = po, .domain = host, .selector = slice_z(selector),
		.algorithm = algorithm, .public_key = S("public"),
		.private_key = arena_format(&a, "private %s", selector)};
	slice why;

	return dkim_key_add(&k, &store_by, &a, &why);
}

static slice domain_of(int64_t po)
{
	slice host = arena_format(&a, "k%lld.test", (long long)id_new());

	store_domain(po, host.at);
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
		all = arena_format(&a, "%.*s %.*s:%d", SLICE_ARGS(all), SLICE_ARGS(rows[i].selector),
			rows[i].state);
	return arena_z(&a, all);
}

Test(dkim_key, waits_signs_and_retires)
{
	int64_t po = store_postoffice(), other = store_postoffice();
	slice host = domain_of(po);
	dkim_key *rows;
	int n;

	with_secret();
	cr_assert_eq(add(po, host, "One", SIGNATURE_RSA_SHA256), ST_OK);
	cr_assert_eq(add(po, host, "oNE", SIGNATURE_RSA_SHA256), ST_EXISTS);
	cr_assert_eq(add(po, host, "ed", SIGNATURE_ED25519_SHA256), ST_OK);
	cr_assert_eq(dkim_key_signing(po, host, &a, &rows, &n), ST_OK);
	cr_assert_eq(n, 0);
	cr_assert_eq(dkim_key_rotate(other, host, &store_by), ST_ABSENT);
	cr_assert_eq(dkim_key_rotate(po, host, &store_by), ST_OK);
	cr_assert_eq(dkim_key_rotate(po, host, &store_by), ST_ABSENT);
	cr_assert_str_eq(states(po, host), " one:1 ed:1");
	cr_assert_eq(add(po, host, "two", SIGNATURE_RSA_SHA256), ST_OK);
	cr_assert_eq(dkim_key_rotate(po, host, &store_by), ST_OK);
	cr_assert_str_eq(states(po, host), " one:2 ed:1 two:1");

	cr_assert_eq(dkim_key_signing(po, host, &a, &rows, &n), ST_OK);
	cr_assert_eq(n, 2);
	cr_assert(slice_same(rows[0].selector, S("two")));
	cr_assert(slice_same(rows[0].private_key, S("private two")));
	cr_assert(slice_same(rows[0].public_key, S("public")));
	cr_assert_eq(rows[1].algorithm, SIGNATURE_ED25519_SHA256);
	cr_assert_eq(store_sql("select count(*) from dkim_key where position('private'::bytea in secret) > 0"), 0);

	cr_assert_str_eq(states(other, host), "");
	cr_assert_eq(dkim_key_remove(other, host, S("one"), &store_by), ST_ABSENT);
	cr_assert_eq(dkim_key_remove(po, host, S("ONE"), &store_by), ST_OK);
	cr_assert_eq(dkim_key_remove(po, host, S("one"), &store_by), ST_ABSENT);
	cr_assert_str_eq(states(po, host), " ed:1 two:1");
}

Test(dkim_key, needs_a_domain_a_name_and_the_secret)
{
	int64_t po = store_postoffice(), other = store_postoffice();
	slice host = domain_of(po);

	cr_assert_eq(add(po, host, "one", SIGNATURE_RSA_SHA256), ST_INVALID, "no secret file");
	with_secret();
	cr_assert_eq(add(po, host, "a b", SIGNATURE_RSA_SHA256), ST_INVALID);
	cr_assert_eq(add(po, host, "one", SIGNATURE_RSA_SHA256), ST_OK);
	auth_secret_close();
	cr_assert_eq(dkim_key_rotate(po, host, &store_by), ST_INVALID, "what is waiting cannot be opened");
	cr_assert_str_eq(states(po, host), " one:0");
	cr_assert_eq(dkim_key_remove(po, host, S("one"), &store_by), ST_OK);
	with_secret();
	cr_assert_neq(add(other, host, "one", SIGNATURE_RSA_SHA256), ST_OK);
	cr_assert_neq(add(po, S("nowhere.test"), "one", SIGNATURE_RSA_SHA256), ST_OK);
	cr_assert_str_eq(states(po, host), "");
}
