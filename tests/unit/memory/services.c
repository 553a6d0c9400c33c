/* How settings write DNS blacklists and milters, and what of it is refused when it is set. */
#include "provider/dnsbl_service.h"
#include "provider/milter_service.h"
#include "provider/setting.h"

#include <criterion/criterion.h>

Test(services, are_read)
{
	static const struct {
		const char *word, *zone, *values;
		enum dnsbl_type type;
		unsigned weight;
		const char *server;
		unsigned port;
	} rows[] = {
		{"bl@[192.0.2.1]", "bl", "", DNSBL_A, 1, "192.0.2.1", 53},
		{"bl.test@[192.0.2.1]#5353/MX:4", "bl.test", "", DNSBL_MX, 4, "192.0.2.1", 5353},
		{"bl@[2001:db8::1]", "bl", "", DNSBL_A, 1, "2001:db8::1", 53},
		{"bl@[2001:db8::1]#54=127.0.0.2:7", "bl", "127.0.0.2", DNSBL_A, 7, "2001:db8::1",
			54},
		{"bl.example.org", "bl.example.org", "", DNSBL_A, 1},
		{"bl.example.org:7", "bl.example.org", "", DNSBL_A, 7},
		{"bl.example.org/txt", "bl.example.org", "", DNSBL_TXT, 1},
		{"bl.example.org/PTR:1000", "bl.example.org", "", DNSBL_PTR, 1000},
		{"_x.bl=127.0.0.2", "_x.bl", "127.0.0.2", DNSBL_A, 1},
		{"bl=127.0.0.2,127.0.0.8/29:3", "bl", "127.0.0.2,127.0.0.8/29", DNSBL_A, 3},
		{"bl/A=127.0.0.*", "bl", "127.0.0.*", DNSBL_A, 1},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct dnsbl_service s;
		cr_assert_eq(
			dnsbl_service_parse(slice_z(rows[i].word), &s), ST_OK, "%s", rows[i].word);
		cr_expect(slice_same(s.zone, slice_z(rows[i].zone)), "%s", rows[i].word);
		cr_expect(slice_same(s.values, slice_z(rows[i].values)), "%s", rows[i].word);
		cr_expect_eq(s.type, rows[i].type, "%s", rows[i].word);
		cr_expect_eq(s.weight, rows[i].weight, "%s", rows[i].word);
		cr_expect(slice_same(s.server, slice_z(rows[i].server ? rows[i].server : "")), "%s",
			rows[i].word);
		cr_expect_eq(s.port, rows[i].port ? rows[i].port : 53, "%s", rows[i].word);
	}
}

Test(services, are_refused_when_they_make_no_sense)
{
	static const char *const bad[] = {"", ".", "bl.", ".bl", "b..l", "-bl", "b l", "bl/",
		"bl/AAAA", "bl:", "bl:0", "bl:1001", "bl:x", "bl=", "bl/TXT=127.0.0.2",
		"bl=127.0.0.2:0", "bl@", "bl@192.0.2.1", "bl@[]", "bl@[192.0.2.1",
		"bl@[192.0.2.1]#", "bl@[192.0.2.1]#0", "bl@[192.0.2.1]#65536", "bl@[192.0.2.1]x",
		"@[192.0.2.1]", "bl/A@[192.0.2.1]", "b\xc3\xa4"};
	arena a = ARENA_INIT;
	slice normal, why;

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct dnsbl_service s;
		cr_expect_eq(dnsbl_service_parse(slice_z(bad[i]), &s), ST_INVALID, "%s", bad[i]);
	}
	cr_expect_eq(setting_check(S_dnsbl_services, S(" bl.test  other.test=127.0.0.2:2 "), &a,
			     &normal, &why),
		ST_OK);
	cr_expect(slice_same(normal, S("bl.test other.test=127.0.0.2:2")));
	cr_expect_eq(
		setting_check(S_dnsbl_services, S("bl.test bl.test=nonsense"), &a, &normal, &why),
		ST_INVALID);
	cr_expect(slice_search(why, S("\"bl.test=nonsense\" is none")) < why.size, "%.*s",
		SLICE_ARGS(why));
	cr_expect_eq(
		setting_check(S_dnsbl_allow_services, S("bl/XX"), &a, &normal, &why), ST_INVALID);
	arena_release(&a);
}

Test(services, milters_are_read)
{
	struct milter_service m;

	cr_assert_eq(milter_service_parse(S("inet:8891@127.0.0.1"), &m), ST_OK);
	cr_expect(
		slice_same(m.host, S("127.0.0.1")) && slice_same(m.name, S("inet:8891@127.0.0.1")));
	cr_expect(m.port == 8891 && m.path.size == 0 && m.version == 6);
	cr_expect(m.connect == 0 && m.command == 0 && m.end == 0 &&
		  m.otherwise == MILTER_DEFAULT_NONE);
	cr_assert_eq(milter_service_parse(S("inet6:1@::1,version=2"), &m), ST_OK);
	cr_expect(slice_same(m.host, S("::1")) && m.port == 1 && m.version == 2);
	cr_assert_eq(
		milter_service_parse(S("local:/run/m.sock,name=m,connect=1s,command=500ms,end=5min,"
				       "default=REJECT"),
			&m),
		ST_OK);
	cr_expect(slice_same(m.path, S("/run/m.sock")) && m.host.size == 0 &&
		  slice_same(m.name, S("m")));
	cr_expect(m.connect == USEC_S && m.command == 500 * USEC_MS && m.end == 300 * USEC_S);
	cr_expect_eq(m.otherwise, MILTER_REJECTS);
	cr_expect_eq(m.at_count, 0);
	cr_assert_eq(milter_service_parse(S("unix:/m,at=*:2525,at=[2001:db8::1]:25"), &m), ST_OK);
	cr_expect(m.at_count == 2 && slice_same(m.at[0], S("*:2525")) &&
		  slice_same(m.at[1], S("[2001:db8::1]:25")));
}

Test(services, milters_are_refused_when_they_make_no_sense)
{
	static const char *const bad[] = {"", "inet", "inet:25", "inet:@127.0.0.1",
		"inet:0@127.0.0.1", "inet:65536@127.0.0.1", "inet:25@::1", "inet6:25@127.0.0.1",
		"inet:25@host", "unix:", "unix:/", "unix:run", "unix:/x,",
		"unix:/x,name=", "unix:/x,name=a\"b", "unix:/x,end=2h",
		"unix:/x,end=", "unix:/x,connect=99ms", "unix:/x,default=", "unix:/x,version=1",
		"unix:/x,version=7", "unix:/x,colour=red", "unix:/x,name",
		"unix:/x,at=", "unix:/x,at=localhost:25",
		"unix:/x,at=1,at=2,at=3,at=4,at=5,at=6,at=7,at=8,at=9"};
	struct milter_service m;
	arena a = ARENA_INIT;
	slice normal, why;
	char path[160] = "unix:/";

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		cr_expect_eq(milter_service_parse(slice_z(bad[i]), &m), ST_INVALID, "%s", bad[i]);
	memset(path + 6, 'x', MILTER_PATH_MOST - 1);
	cr_expect_eq(milter_service_parse(slice_of(path, 5 + MILTER_PATH_MOST), &m), ST_OK);
	path[5 + MILTER_PATH_MOST] = 'x';
	cr_expect_eq(milter_service_parse(slice_of(path, 6 + MILTER_PATH_MOST), &m), ST_INVALID);
	cr_expect_eq(setting_check(S_smtp_milters, S(" unix:/a  inet:1@::1 "), &a, &normal, &why),
		ST_INVALID);
	cr_expect(
		slice_search(why, S("\"inet:1@::1\" is none")) < why.size, "%.*s", SLICE_ARGS(why));
	cr_expect_eq(
		setting_check(S_submission_milters, S(" unix:/a  unix:/b "), &a, &normal, &why),
		ST_OK);
	cr_expect(slice_same(normal, S("unix:/a unix:/b")));
	arena_release(&a);
}
