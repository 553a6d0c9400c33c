/* Keys that sign, in PostgreSQL: private ones are kept encrypted. */
#include "tests/unit/provider/dkim_key.h"

#include "provider/auth_secret.h"
#include "provider/provider.h"
#include "tests/unit/provider/given.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <unistd.h>

static arena a;
static char folder[] = "/tmp/pennypost-test.XXXXXX";
static struct bootstrap boot;

void keys_begin(void)
{
	given_providers();
	cr_assert(mkdtemp(folder));
	boot.secret_file = arena_format(&a, "%s/secret", folder);
}

void keys_secret(bool there)
{
	auth_secret_close();
	if (!there)
		return;
	cr_assert_eq(auth_secret_file_make(&boot), ST_OK);
	cr_assert_eq(auth_secret_open(&boot), ST_OK);
}

int keys_in_the_clear(void)
{
	return (int)given_sql(
		"select count(*) from dkim_key where position('private'::bytea in secret) > 0");
}

void keys_end(void)
{
	auth_secret_close();
	unlink(boot.secret_file.at);
	rmdir(folder);
	provider_close();
	arena_release(&a);
}
