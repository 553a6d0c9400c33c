/* Parameters of MAIL and RCPT. */
#include "same.h"

#include "mail/parameter.h"

Test(parameter, mail_takes_what_is_written)
{
	arena a = ARENA_INIT;
	mail_parameters m;

	cr_assert_eq(mail_parameters_parse(S(" SIZE=1234 body=8bitMIME SMTPUTF8  RET=hdrs "
					     "ENVID=a+2Bb+20c AUTH=x+40y"),
			     &a, &m),
		ST_OK);
	cr_assert(m.has_size && m.has_body && m.has_auth && m.has_envid && m.smtputf8);
	cr_assert_eq(m.size, 1234);
	cr_assert_eq(m.body, BODY_8BITMIME);
	cr_assert_eq(m.ret, RET_HDRS);
	SAME(m.envid, S("a+b c"));
	SAME(m.auth, S("x@y"));
	cr_assert_eq(mail_parameters_parse(S(""), &a, &m), ST_OK);
	cr_assert_not(m.has_size);
	cr_assert_eq(mail_parameters_parse(S(" AUTH=<>"), &a, &m), ST_OK);
	SAME(m.auth, S("<>"));
	cr_assert_eq(mail_parameters_parse(S(" BODY=7bit RET=full"), &a, &m), ST_OK);
	cr_assert_eq(m.body, BODY_7BIT);
	cr_assert_eq(m.ret, RET_FULL);
	cr_assert_eq(mail_parameters_parse(S(" BODY=BINARYMIME"), &a, &m), ST_OK);
	cr_assert_eq(m.body, BODY_BINARYMIME);
	cr_assert_eq(mail_parameters_parse(S(" SIZE=99999999999999999999"), &a, &m), ST_OK);
	cr_assert_eq(m.size, UINT64_MAX);
	arena_release(&a);
}

Test(parameter, mail_refuses)
{
	static const struct {
		slice rest;
		status kind;
	} rows[] = {
		{S("SIZE=1"), ST_INVALID},
		{S(" SIZE"), ST_INVALID},
		{S(" SIZE="), ST_INVALID},
		{S(" SIZE=-1"), ST_INVALID},
		{S(" SIZE=1x"), ST_INVALID},
		{S(" SIZE=111111111111111111111"), ST_INVALID},
		{S(" SIZE=1 SIZE=1"), ST_INVALID},
		{S(" BODY=9BIT"), ST_INVALID},
		{S(" SMTPUTF8=1"), ST_INVALID},
		{S(" RET=ALL"), ST_INVALID},
		{S(" ENVID=a+2b"), ST_INVALID},
		{S(" ENVID=a+2"), ST_INVALID},
		{S(" ENVID=a+0D+0A"), ST_INVALID},
		{S(" ENVID=a+00"), ST_INVALID},
		{S(" ENVID=a=b"), ST_INVALID},
		{S(" ENVID=\xc3\xa4"), ST_INVALID},
		{S(" =x"), ST_INVALID},
		{S(" -A=x"), ST_INVALID},
		{S(" X\tY"), ST_INVALID},
		{S(" X=\x01"), ST_INVALID},
		{S(" X=\xff"), ST_INVALID},
		{S(" NOTIFY=NEVER"), ST_FOREIGN},
		{S(" XYZZY"), ST_FOREIGN},
		{S(" XYZZY=1"), ST_FOREIGN},
	};
	arena a = ARENA_INIT;
	mail_parameters m;

	for (size_t i = 0; i < ROWS(rows); i++)
		cr_assert_eq(
			mail_parameters_parse(rows[i].rest, &a, &m), rows[i].kind, "row %zu", i);
	arena_release(&a);
}

Test(parameter, rcpt_takes_and_refuses)
{
	static const struct {
		slice rest;
		status kind;
		unsigned notify;
		slice type, address;
	} rows[] = {
		{S(""), ST_OK, 0, S(""), S("")},
		{S(" NOTIFY=NEVER"), ST_OK, NOTIFY_NEVER, S(""), S("")},
		{S(" NOTIFY=success,DELAY,Failure"), ST_OK,
			NOTIFY_SUCCESS | NOTIFY_DELAY | NOTIFY_FAILURE, S(""), S("")},
		{S(" ORCPT=rfc822;a+2Bb@c"), ST_OK, 0, S("rfc822"), S("a+b@c")},
		{S(" ORCPT=utf-8;j\xc3\xbc@x"), ST_OK, 0, S("utf-8"), S("j\xc3\xbc@x")},
		{S(" ORCPT=utf-8;j\\x{FC}@x"), ST_OK, 0, S("utf-8"), S("j\\x{FC}@x")},
		{S(" NOTIFY=NEVER,DELAY"), ST_INVALID, 0, S(""), S("")},
		{S(" NOTIFY=DELAY,DELAY"), ST_INVALID, 0, S(""), S("")},
		{S(" NOTIFY=DELAY,"), ST_INVALID, 0, S(""), S("")},
		{S(" NOTIFY=SOMETIMES"), ST_INVALID, 0, S(""), S("")},
		{S(" ORCPT=rfc822"), ST_INVALID, 0, S(""), S("")},
		{S(" ORCPT=rfc822;"), ST_INVALID, 0, S(""), S("")},
		{S(" ORCPT=;a@b"), ST_INVALID, 0, S(""), S("")},
		{S(" ORCPT=rfc822;j\xc3\xbc@x"), ST_INVALID, 0, S(""), S("")},
		{S(" SIZE=1"), ST_FOREIGN, 0, S(""), S("")},
	};
	arena a = ARENA_INIT;

	for (size_t i = 0; i < ROWS(rows); i++) {
		rcpt_parameters r;
		cr_assert_eq(
			rcpt_parameters_parse(rows[i].rest, &a, &r), rows[i].kind, "row %zu", i);
		if (rows[i].kind != ST_OK)
			continue;
		cr_assert_eq(r.notify, rows[i].notify, "row %zu", i);
		SAME(r.orcpt_type, rows[i].type);
		SAME(r.orcpt, rows[i].address);
	}
	arena_release(&a);
}

Test(parameter, xtext_goes_both_ways)
{
	arena a = ARENA_INIT;
	slice raw;

	SAME(xtext_encode(S("a+b=c d\xff"), &a), S("a+2Bb+3Dc+20d+FF"));
	cr_assert_eq(xtext_decode(S("a+2Bb+3Dc+20d+FF"), &a, &raw), ST_OK);
	SAME(raw, S("a+b=c d\xff"));
	arena_release(&a);
}
