/* The words of settings are those of the rooms they are for, and what settings take as addresses is
   read as such where it is used. */
#include "connector/smtp/smtp.h"
#include "program/service_table.h"
#include "provider/setting_parse.h"
#include "service/imap/session.h"
#include "service/pop3/pop3.h"

#include <criterion/criterion.h>

#define COMMANDS_MOST 100

/* The setting's words are these `n` names and no others. */
static void expect_words(enum setting_id id, const char *const *names, int n)
{
	slice rest = slice_z(setting_rows[id].least), word;
	int count = 0;

	for (; slice_take(&rest, '|', &word); count++) {
		int i = 0;
		while (i < n && !slice_same(word, slice_z(names[i])))
			i++;
		cr_expect(i < n, "%s: nothing is called %.*s", setting_rows[id].name,
			SLICE_ARGS(word));
	}
	for (int i = 0; i < n; i++) {
		arena a = ARENA_INIT;
		slice normal, why;
		cr_expect_eq(setting_check(id, slice_z(names[i]), &a, &normal, &why), ST_OK,
			"%s: %s", names[i], setting_rows[id].name);
		arena_release(&a);
	}
	cr_expect_eq(count, n, "%s: %d words for %d names", setting_rows[id].name, count, n);
}

static int switchable(const struct command *rows, int count, const char **names)
{
	int n = 0;

	for (int i = 0; i < count; i++)
		if (rows[i].flags & COMMAND_SWITCHABLE)
			names[n++] = rows[i].name;
	return n;
}

Test(settings, name_the_commands_that_may_be_switched_off)
{
	const char *names[COMMANDS_MOST];
	int n = switchable(smtp_commands, smtp_command_count, names);
	expect_words(S_smtp_commands_off, names, n);
	n = switchable(pop3_commands, pop3_command_count, names);
	expect_words(S_pop3_commands_off, names, n);
}

Test(settings, name_the_commands_of_imap)
{
	static const struct imap_row *const families[] = {
#define FAMILY(rows) rows,
#include "service/imap/families.def"
#undef FAMILY
	};
	const char *names[COMMANDS_MOST];
	int n = 0;

	for (size_t i = 0; i < sizeof families / sizeof *families; i++)
		for (const struct imap_row *row = families[i]; row->name; row++)
			if (strncmp(row->name, "UID ", 4) != 0)
				names[n++] = row->name;
	expect_words(S_imap_commands_off, names, n);
}

Test(settings, name_the_services)
{
	const char *names[COMMANDS_MOST];

	for (int i = 0; i < service_row_count; i++)
		names[i] = service_rows[i].word;
	expect_words(S_services, names, service_row_count);
}

/* Whether the setting takes `s`. */
static bool taken(enum setting_id id, const char *s)
{
	arena a = ARENA_INIT;
	slice normal, why;
	status kind = setting_check(id, slice_z(s), &a, &normal, &why);

	arena_release(&a);
	return kind == ST_OK;
}

Test(settings, take_the_addresses_that_are_read_where_they_are_used)
{
	static const char *const words[] = {"25", "0", "65536", "*:25", "*:0", "*", "192.0.2.1",
		"192.0.2.1:25", "192.0.2.1:", "192.0.2.256:25", "[2001:db8::1]:25", "[2001:db8::1]",
		"2001:db8::1", "[192.0.2.1]:25", "[::ffff:192.0.2.1]:25", "host:25", ":25", "",
		"192.0.2.0/24", "192.0.2.0/33", "192.0.2.*", "192.*.*.*", "192.*.2.*",
		"2001:db8::/32", "2001:db8::/129", "::/0", "/8"};

	for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
		slice s = slice_z(words[i]);
		net_address at;
		net_network network;
		if (s.size == 0)
			continue;
		if (taken(S_smtp_listen, words[i]))
			cr_expect_eq(net_endpoint_parse(s, &at), ST_OK, "%s", words[i]);
		if (taken(S_relay_networks, words[i]))
			cr_expect_eq(net_network_parse(s, &network), ST_OK, "%s", words[i]);
		if (taken(S_outbound_address, words[i]))
			cr_expect_eq(net_address_parse(s, &at), ST_OK, "%s", words[i]);
	}
	cr_expect(taken(S_smtp_listen, "25") && taken(S_smtp_listen, "[2001:db8::1]:25"));
	cr_expect(taken(S_relay_networks, "192.*.*.*") && taken(S_relay_networks, "::/0"));
	cr_expect(taken(S_outbound_address, "2001:db8::1") && !taken(S_outbound_address, "*"));
}
