/* Logon names in all their forms, and who is let in under them. */
#include "provider/address_map.h"
#include "provider/auth.h"
#include "provider/memory/memory.h"
#include "provider/postoffice.h"
#include "provider/setting.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

static arena a;
static int64_t po, other, anna;
static const struct auth_from home = {
	.service = SERVICE_POP3, .address = {"192.0.2.1", 9}, .secure = true};

static void setup(void)
{
	arena release = ARENA_INIT;
	slice why;
	memory_reset();
	po = memory_postoffice("acme", "acme.test");
	other = memory_postoffice("other", "other.test");
	anna = memory_mailbox(po, "anna", "anna-secret");
	memory_mailbox(other, "anna", "other-secret");
	address_make(po, S("a.huber@acme.test"), anna, NULL, &release, &why);
	arena_release(&release);
}

static void teardown(void)
{
	arena_release(&a);
}

TestSuite(names, .init = setup, .fini = teardown);

static status logon(const char *name, const char *password, struct identity *who)
{
	return auth_password(slice_z(name), slice_z(password), &home, &a, who);
}

Test(names, lead_to_their_mailbox_by_row)
{
	memory_setting("auth_default_postoffice", "acme");
	memory_setting("auth_at_signs", "%#");
	memory_setting("auth_failures_most", "1000");
	const struct {
		const char *name, *password;
		status kind;
	} rows[] = {
		{"anna@acme", "anna-secret", ST_OK},
		{"ANNA@ACME", "anna-secret", ST_OK},
		{"anna@acme.test", "anna-secret", ST_OK},
		{"a.huber@acme.test", "anna-secret", ST_OK},
		{"anna", "anna-secret", ST_OK},
		{"anna%acme", "anna-secret", ST_OK},
		{"anna#acme.test", "anna-secret", ST_OK},
		{"anna@other", "other-secret", ST_OK},
		{"anna@other", "anna-secret", ST_DENIED},
		{"anna@", "anna-secret", ST_DENIED},
		{"@acme", "anna-secret", ST_DENIED},
		{"", "anna-secret", ST_DENIED},
		{"anna@nowhere", "anna-secret", ST_DENIED},
		{"a.huber", "anna-secret", ST_DENIED},
		{"anna@acme", "Anna-secret", ST_DENIED},
		{"anna@acme", "", ST_DENIED},
		{"anna%", "anna-secret", ST_DENIED},
		{"ann_@acme", "anna-secret", ST_DENIED},
		{"' or 1=1 --@acme", "x", ST_DENIED},
		{"anna\n@acme", "anna-secret", ST_DENIED},
		{"anna@acme\\", "anna-secret", ST_DENIED},
		{"\xff@acme", "anna-secret", ST_DENIED},
	};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct identity who = {0};
		cr_assert_eq(logon(rows[i].name, rows[i].password, &who), rows[i].kind, "%s",
			rows[i].name);
	}
}

Test(names, a_bare_name_needs_a_default_post_office)
{
	struct identity who;
	cr_assert_eq(logon("anna", "anna-secret", &who), ST_DENIED);
}

Test(names, nobody_enters_where_the_mailbox_or_post_office_is_disabled)
{
	struct identity who;
	mailbox_set_state(po, anna, MAILBOX_DISABLED, NULL);
	cr_assert_eq(logon("anna@acme", "anna-secret", &who), ST_DENIED);
	mailbox_set_state(po, anna, MAILBOX_ENABLED, NULL);
	cr_assert_eq(logon("anna@acme", "anna-secret", &who), ST_OK);
	postoffice_set_state(po, POSTOFFICE_DISABLED, NULL);
	cr_assert_eq(logon("anna@acme", "anna-secret", &who), ST_DENIED);
}

Test(names, the_owner_passes_while_a_guesser_is_refused)
{
	const struct auth_from guesser = {
		.service = SERVICE_POP3, .address = S("198.51.100.7"), .secure = true};
	const struct auth_from stranger = {
		.service = SERVICE_POP3, .address = S("203.0.113.9"), .secure = true};
	struct identity who;
	memory_setting("auth_failures_most", "3");
	cr_assert_eq(logon("anna@acme", "anna-secret", &who), ST_OK);
	for (int i = 0; i < 3; i++)
		cr_assert_eq(
			auth_password(S("anna@acme"), S("guess"), &guesser, &a, &who), ST_DENIED);
	cr_assert_eq(
		auth_password(S("anna@acme"), S("anna-secret"), &guesser, &a, &who), ST_LIMITED);
	cr_assert_eq(auth_password(S("anna@other"), S("guess"), &guesser, &a, &who), ST_LIMITED,
		"one address, many accounts");
	cr_assert_eq(auth_password(S("anna@acme"), S("anna-secret"), &stranger, &a, &who),
		ST_LIMITED, "one account, many addresses");
	cr_assert_eq(logon("anna@acme", "anna-secret", &who), ST_OK);
}

Test(names, one_house_of_ipv6_is_one_address)
{
	struct identity who;
	memory_setting("auth_failures_most", "2");
	for (int i = 0; i < 2; i++) {
		struct auth_from from = {.address = arena_format(&a, "2001:db8:1:2::%d", i + 1)};
		cr_assert_eq(auth_password(S("x@acme"), S("guess"), &from, &a, &who), ST_DENIED);
	}
	struct auth_from same = {.address = S("2001:db8:1:2:3:4:5:6")},
			 next = {.address = S("2001:db8:1:3::1")};
	cr_assert_eq(auth_password(S("y@acme"), S("guess"), &same, &a, &who), ST_LIMITED);
	cr_assert_eq(auth_password(S("z@acme"), S("guess"), &next, &a, &who), ST_DENIED);
}

Test(names, passwords_must_keep_the_rules)
{
	const struct setting_at at = {.postoffice = po};
	slice why = {0}, on = S("on");
	cr_assert_eq(setting_set(S_auth_dictionary, &at, &on, NULL, &a, &why), ST_OK);
	const struct {
		const char *name, *password;
		status kind;
	} rows[] = {
		{"anna", "long-enough", ST_OK},
		{"anna", "seven77", ST_INVALID},
		{"anna", "Password123", ST_INVALID},
		{"franziska", "Franziska", ST_INVALID},
		{"anna",
			"control\x01"
			"char",
			ST_INVALID},
		{"anna", "broken\xff\xff\xff", ST_INVALID},
		{"anna", "\xc3\xa4\xc3\xb6\xc3\xbc\xc3\xa4\xc3\xb6\xc3\xbc\xc3\xa4", ST_INVALID},
		{"anna", "\xc3\xa4\xc3\xb6\xc3\xbc\xc3\xa4\xc3\xb6\xc3\xbc\xc3\xa4\xc3\xb6", ST_OK},
	};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		cr_assert_eq(auth_password_check(po, slice_z(rows[i].name),
				     slice_z(rows[i].password), &a, &why),
			rows[i].kind, "%s", rows[i].password);
	cr_assert_eq(auth_password_check(other, S("anna"), S("Password123"), &a, &why), ST_OK,
		"the dictionary is the post office's choice");
	char *big = arena_new(&a, 1026);
	memset(big, 'x', 1025);
	cr_assert_eq(auth_password_check(po, S("anna"), slice_z(big), &a, &why), ST_INVALID);
}

Test(names, a_dictionary_file_takes_the_place_of_the_list)
{
	char path[] = "/tmp/pennypost-words-XXXXXX";
	slice why;
	FILE *f = fdopen(mkstemp(path), "w");
	cr_assert_not_null(f);
	fputs("our-company\r\n", f);
	fclose(f);
	memory_setting("auth_dictionary", "on");
	memory_setting("auth_dictionary_file", path);
	cr_expect_eq(auth_password_check(po, S("anna"), S("Our-Company"), &a, &why), ST_INVALID);
	cr_expect_eq(auth_password_check(po, S("anna"), S("Password123"), &a, &why), ST_OK);
	remove(path);
	cr_expect_eq(auth_password_check(po, S("anna"), S("Password123"), &a, &why), ST_INVALID,
		"without the file the built-in list counts");
}
