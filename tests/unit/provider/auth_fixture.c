#include "tests/unit/provider/auth_fixture.h"

#include "base/random.h"
#include "provider/postoffice.h"
#include "provider/setting.h"
#include "tests/unit/provider/given.h"

#include <criterion/criterion.h>

struct here here;

struct auth_from somewhere(void)
{
	uint64_t n = random_below(UINT64_C(1) << 48);
	return (struct auth_from){.service = SERVICE_POP3,
		.secure = true,
		.address = arena_format(&here.a, "2001:db8:%x:%x::%x", (unsigned)(n >> 32),
			(unsigned)(n >> 16 & 0xffff), (unsigned)(n & 0xffff))};
}

void auth_begin(void)
{
	postoffice *p;
	given_providers();
	given_setting(S_auth_failure_delay, "0 s");
	here.po = store_postoffice();
	here.anna = store_mailbox(here.po, "anna", 0);
	cr_assert_eq(postoffice_by_id(here.po, &here.a, &p), ST_OK);
	here.office = p->name;
	here.home = somewhere();
}

status logon_from(
	const struct auth_from *from, const char *name, const char *password, struct identity *who)
{
	return auth_password(arena_format(&here.a, "%s@%.*s", name, SLICE_ARGS(here.office)),
		slice_z(password), from, &here.a, who);
}

status logon(const char *name, const char *password)
{
	struct identity who;
	return logon_from(&here.home, name, password, &who);
}

int64_t asked(void)
{
	return metric_value(M_db_seconds, SERVICE_NONE);
}
