/* What settings may be: every one that is words has a value that is taken and one that is refused
   with a sentence that names what is allowed. */
#include "provider/setting.h"
#include "provider/setting_form.h"
#include "provider/setting_parse.h"

#include <criterion/criterion.h>

/* Of every kind: what is taken, how it is then written (NULL = the same), and what is refused; of a
   list, the word that is to blame. */
struct sample {
	enum setting_kind kind;
	const char *taken, *normal, *refused, *blamed;
};
static const struct sample samples[] = {
	{SK_TEXT, "anything \xc3\xa4", NULL, "a\nb", NULL},
	{SK_TEXT, "", NULL, "\xff", NULL},
	{SK_TEMPLATE, "%LOCALDOMAIN% 100 % since %time% %", NULL, "%HOST% ready", NULL},
	{SK_TEMPLATE, "%%", NULL, "gr\xc3\xbc\xc3\x9f", NULL},
	{SK_NETWORKS, " 192.0.2.0/24  2001:db8::/32 192.0.2.* 10.*.*.* :: * ",
		"192.0.2.0/24 2001:db8::/32 192.0.2.* 10.*.*.* :: *", "::1 192.0.2.0/33",
		"192.0.2.0/33"},
	{SK_NETWORKS, "", NULL, "*.0.2.1", "*.0.2.1"},
	{SK_NETWORKS, "192.0.2.1/0", NULL, "localhost", "localhost"},
	{SK_ADDRESSES, "192.0.2.1 2001:db8::1", NULL, "192.0.2.1 192.0.2.2", "192.0.2.2"},
	{SK_ADDRESSES, "2001:db8::1", NULL, "192.0.2.0/24", "192.0.2.0/24"},
	{SK_ENDPOINTS, "*:25 25 192.0.2.1:25 [2001:db8::1]:25", NULL, "*:25 127.0.0.1:smtp",
		"127.0.0.1:smtp"},
	{SK_ENDPOINTS, "", NULL, "*:25 *:26 *:25", "*:25"},
	{SK_ENDPOINTS, "*:65535", NULL, "*:65536", "*:65536"},
	{SK_ENDPOINTS, "*:1", NULL, "0", "0"},
	{SK_ENDPOINTS, "[::]:25", NULL, "2001:db8::1", "2001:db8::1"},
	{SK_ENDPOINTS, "[::]:25", NULL, "mail.example.org:25", "mail.example.org:25"},
	{SK_NAME_SERVERS, "192.0.2.53 127.0.0.1:5353 2001:db8::1 [2001:db8::1]:53", NULL, "*:53",
		"*:53"},
	{SK_HOST, "Mail.Example.ORG", "mail.example.org", "mail example", NULL},
	{SK_HOST,
		"b\xc3\xbc"
		"cher.example",
		"xn--bcher-kva.example", "192.0.2.1", NULL},
	{SK_HOST, "localhost", NULL, "a..b", NULL},
	{SK_HOSTS, "Lists.Example.org  b.example", "lists.example.org b.example",
		"a.example b_.example", "b_.example"},
	{SK_HELLO, "out.example.org", NULL, "[192.0.2]", NULL},
	{SK_HELLO, "[192.0.2.1]", NULL, "out.example.org:25", NULL},
	{SK_MASKS, "*.dial*.example.net spam-* [192.0.2.*]", NULL, "*.a.example /b/", "/b/"},
	{SK_DNSBLS, "bl.example.org/TXT:2", NULL, "bl.example.org=x", "bl.example.org=x"},
	{SK_MILTERS, "inet:8891@127.0.0.1", NULL, "inet:8891", "inet:8891"},
	{SK_TIMES, "15min 1h 1D", NULL, "15 min", "15"},
	{SK_TIMES, "1s 90d", NULL, "1s 91d", "91d"},
	{SK_TIMES, "60s", NULL, "0s", "0s"},
	{SK_MAIL_ADDRESS, "Reports@Example.ORG", "Reports@example.org", "reports", NULL},
	{SK_POSTOFFICE, "Acme.2", "acme.2", "acme@example", NULL},
	{SK_POSTOFFICE, "a", NULL, "-acme", NULL},
	{SK_FIELD, "X-Original-To", NULL, "Received", NULL},
	{SK_FILE, "/etc/pennypost/weak words", NULL, "words", NULL},
	{SK_FILE, "/w", NULL, "/etc/pennypost/", NULL},
	{SK_URI, "mailto:postmaster@example.org", NULL, "postmaster@example.org", NULL},
	{SK_URI, "https://example.org/?a=%20b", NULL, "mailto:a b@example.org", NULL},
	{SK_FOLDERS, "Sent Items = \\sent,Old/Junk=junk,, Work ",
		"Sent Items=\\Sent, Old/Junk=\\Junk, Work", "Sent=\\Sent, Inbox", "Inbox"},
	{SK_FOLDERS, "A\xcc\x88=\\All", "\xc3\x84=\\All", "Sent=\\Gone", "Sent=\\Gone"},
	{SK_FOLDERS, "inbox/Sent=\\Sent", "INBOX/Sent=\\Sent", "First=\\Important",
		"First=\\Important"},
	{SK_FOLDERS, "a=b=\\Drafts", NULL, "a=b", "a=b"},
	{SK_FOLDERS, "", NULL, "Sent=\\Sent, Gone=\\Sent", "Gone=\\Sent"},
	{SK_FOLDERS, "Sent", NULL, "Sent=\\Sent Sent", "Sent=\\Sent Sent"},
	{SK_FOLDERS, "Sent, sent", NULL, "Sent, Sent=\\Sent", "Sent=\\Sent"},
	{SK_FOLDERS, "Work", NULL, "Work//Old=\\Archive", "Work//Old=\\Archive"},
};

static bool tells(slice why, const char *part)
{
	return slice_search(why, slice_z(part)) < why.size;
}

static void expect_taken(enum setting_id id, const char *value, const char *normal)
{
	arena a = ARENA_INIT;
	slice got = S(""), why = S("");

	cr_expect_eq(setting_check(id, slice_z(value), &a, &got, &why), ST_OK, "%s \"%s\": %.*s",
		setting_rows[id].name, value, SLICE_ARGS(why));
	cr_expect(slice_same(got, slice_z(normal)), "%s: \"%s\" is written \"%.*s\"",
		setting_rows[id].name, value, SLICE_ARGS(got));
	arena_release(&a);
}

/* The sentence: "NAME must be FORM", and of a list which word will not do. */
static void expect_refused(enum setting_id id, const char *value, const char *blamed)
{
	arena a = ARENA_INIT;
	slice got = S(""), why = S("");
	slice sentence = arena_format(
		&a, "%s must be %.*s", setting_rows[id].name, SLICE_ARGS(setting_form(id, &a)));

	if (blamed)
		sentence = arena_format(&a, "%.*s: \"%s\" ", SLICE_ARGS(sentence), blamed);
	cr_expect_eq(setting_check(id, slice_z(value), &a, &got, &why), ST_INVALID,
		"%s takes \"%s\"", setting_rows[id].name, value);
	cr_expect(blamed ? slice_starts(why, sentence) : slice_same(why, sentence),
		"%s \"%s\": %.*s", setting_rows[id].name, value, SLICE_ARGS(why));
	arena_release(&a);
}

static void expect_words(enum setting_id id, bool list)
{
	slice rest = slice_z(setting_rows[id].least), word;
	arena a = ARENA_INIT;

	while (slice_take(&rest, '|', &word)) {
		char *given = arena_z(&a, word);
		expect_taken(id, given, given);
		given[0] ^= 'a' ^ 'A';
		slice got, why;
		cr_expect_eq(setting_check(id, slice_z(given), &a, &got, &why), ST_OK);
		cr_expect(slice_same(got, word), "%s", given);
		if (list)
			expect_refused(id, arena_format(&a, "%.*s  nonsense", SLICE_ARGS(word)).at,
				"nonsense");
	}
	expect_refused(id, "nonsense", list ? "nonsense" : NULL);
	arena_release(&a);
}

static void expect_signs(enum setting_id id)
{
	arena a = ARENA_INIT;

	for (const char *sign = setting_rows[id].least; *sign; sign++)
		expect_taken(
			id, arena_format(&a, "%c", *sign).at, arena_format(&a, "%c", *sign).at);
	expect_refused(id, "+a", NULL);
	expect_refused(id, "@", NULL);
	expect_refused(id, "\xc3\xa4", NULL);
	arena_release(&a);
}

static int samples_of(enum setting_id id)
{
	int n = 0;

	for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
		const struct sample *s = &samples[i];
		if (s->kind != setting_rows[id].kind)
			continue;
		n++;
		expect_taken(id, s->taken, s->normal ? s->normal : s->taken);
		if (s->kind != SK_TEXT)
			expect_refused(id, s->refused, s->blamed);
	}
	return n;
}

Test(settings, of_every_kind_take_what_they_may_be_and_refuse_the_rest)
{
	for (enum setting_id id = 0; id < S_COUNT; id++) {
		enum setting_kind kind = setting_rows[id].kind;
		if (kind == SK_WORD || kind == SK_WORDS)
			expect_words(id, kind == SK_WORDS);
		else if (kind == SK_SIGNS)
			expect_signs(id);
		else if (!setting_is_number(kind))
			cr_expect(samples_of(id) > 0, "%s has no sample", setting_rows[id].name);
	}
}

/* What follows the sentence. */
static void expect_trouble(enum setting_id id, const char *value, const char *end)
{
	arena a = ARENA_INIT;
	slice got, why = S("");

	cr_expect_eq(setting_check(id, slice_z(value), &a, &got, &why), ST_INVALID);
	cr_expect(tells(why, end), "%s: %.*s", value, SLICE_ARGS(why));
	arena_release(&a);
}

Test(settings, that_are_numbers_tell_their_range)
{
	expect_refused(S_mail_workers, "many", NULL);
	expect_refused(S_mail_workers, "127", NULL);
	expect_refused(S_smtp_line_most, "511", NULL);
	expect_refused(S_smtp_line_most, "4 kilos", NULL);
	expect_refused(S_db_patience, "99 ms", NULL);
	expect_refused(S_relay, "perhaps", NULL);
	expect_taken(S_smtp_line_most, "4kb", "4 KB");
}

Test(settings, that_are_numbers_tell_what_a_number_lacks)
{
	expect_trouble(S_stop_patience, "5", "10 min, with its unit: d, h, min, s, ms or us");
	expect_trouble(S_smtp_message_most, "1.5 GB", ", as a whole number of a smaller unit");
	expect_taken(S_stop_patience, "5s", "5 s");
}

Test(settings, name_a_word_once)
{
	expect_refused(S_auth_mechanisms, "PLAIN LOGIN plain", "plain");
	expect_refused(S_services, "smtp pop", "pop");
}

Test(settings, that_are_lists_may_have_commas_where_no_word_has_one)
{
	expect_taken(S_smtp_listen, "127.0.0.1:2525, 127.0.0.1:2526,*:25",
		"127.0.0.1:2525 127.0.0.1:2526 *:25");
	expect_taken(S_smtp_log, "w3c,activity", "w3c activity");
	expect_taken(S_relay_networks, ", 192.0.2.0/24 ,, ::1,", "192.0.2.0/24 ::1");
	expect_taken(S_queue_retry, "15min, 1h", "15min 1h");
	expect_taken(S_dnsbl_services, "bl.test=127.0.0.2,127.0.0.3 other.test",
		"bl.test=127.0.0.2,127.0.0.3 other.test");
	expect_trouble(S_dnsbl_services, "bl.test, other.test",
		"; blanks between them: \"bl.test,\" is none");
	expect_trouble(S_smtp_log, "w3c, nonsense",
		"; blanks or commas between them: \"nonsense\" is none");
}

Test(settings, name_a_service_at_least)
{
	arena a = ARENA_INIT;
	slice none = S(" , "), why = S("");

	cr_expect_eq(setting_set(S_services, NULL, &none, NULL, &a, &why), ST_INVALID);
	cr_expect(tells(why, "such a node would serve nobody"), "%.*s", SLICE_ARGS(why));
	expect_taken(S_services, "", ""); /* what older programs stored is read */
	arena_release(&a);
	expect_taken(S_smtp_listen, "", "");
}

Test(settings, that_are_lists_tell_why_a_word_will_not_do)
{
	expect_trouble(S_pop3_log, "w3c W3C", "\"W3C\" stands there twice");
	expect_trouble(S_smtp_listen, "*:25,*:25", "\"*:25\" stands there twice");
	expect_trouble(S_dns_servers, "::1 ::2 ::3 ::4 ::5 ::6 ::7", "\"::7\" is one too many");
}

Test(settings, say_what_is_wrong_with_bytes_and_lengths)
{
	arena a = ARENA_INIT;
	slice got, why;
	char long_text[1002];

	cr_expect_eq(setting_check(S_imap_server_comment, S("a\001b"), &a, &got, &why), ST_INVALID);
	cr_expect(tells(why, "imap_server_comment must have no control characters"));
	cr_expect_eq(setting_check(S_imap_server_comment, S("\xff"), &a, &got, &why), ST_INVALID);
	cr_expect(tells(why, "imap_server_comment must be UTF-8 text"));
	memset(long_text, 'x', sizeof long_text - 1);
	long_text[sizeof long_text - 1] = '\0';
	cr_expect_eq(setting_check(S_imap_server_comment, slice_z(long_text), &a, &got, &why),
		ST_INVALID);
	cr_expect(tells(why, "imap_server_comment must have at most 1000 characters"));
	cr_expect_eq(setting_check(S_imap_server_comment, slice_z(long_text + 1), &a, &got, &why),
		ST_OK);
	cr_expect_eq(
		setting_check(S_address_separators, S("+++++++++"), &a, &got, &why), ST_INVALID);
	cr_expect(tells(why, "address_separators must have at most 8 characters"));
	cr_expect_eq(setting_check(S_queue_retry, S(" "), &a, &got, &why), ST_INVALID,
		"there is always a next attempt");
	arena_release(&a);
}

Test(settings, tell_their_forms)
{
	arena a = ARENA_INIT;

	cr_expect(slice_same(setting_form(S_db_patience, &a), S("a time, 100 ms to 2 min")));
	cr_expect(slice_same(setting_form(S_pop3_apop, &a), S("one of off, on, forced")));
	cr_expect(slice_same(setting_form(S_smtp_greeting, &a),
		S("an ASCII text that may hold %LOCALDOMAIN%, %TIME%")));
	cr_expect(slice_same(setting_form(S_pop3_commands_off, &a),
		S("words out of STLS, USER, APOP, AUTH, UTF8, LANG, TOP; blanks or commas between them")));
	cr_expect(tells(setting_form(S_address_separators, &a), "signs out of !#$"));
	arena_release(&a);
}
