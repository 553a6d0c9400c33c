/* How settings write DNS blacklists, and what of it is refused when it is set. */
#include "provider/dnsbl_service.h"
#include "provider/setting.h"

#include <criterion/criterion.h>

Test(services, are_read)
{
	static const struct {
		const char *word, *zone, *values;
		enum dnsbl_type type;
		unsigned weight;
	} rows[] = {
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
		cr_assert_eq(dnsbl_service_parse(slice_z(rows[i].word), &s), ST_OK, "%s", rows[i].word);
		cr_expect(slice_same(s.zone, slice_z(rows[i].zone)), "%s", rows[i].word);
		cr_expect(slice_same(s.values, slice_z(rows[i].values)), "%s", rows[i].word);
		cr_expect_eq(s.type, rows[i].type, "%s", rows[i].word);
		cr_expect_eq(s.weight, rows[i].weight, "%s", rows[i].word);
	}
}

Test(services, are_refused_when_they_make_no_sense)
{
	static const char *const bad[] = {"", ".", "bl.", ".bl", "b..l", "-bl", "b l", "bl/", "bl/AAAA",
		"bl:", "bl:0", "bl:1001", "bl:x", "bl=", "bl/TXT=127.0.0.2", "bl=127.0.0.2:0", "b\xc3\xa4"};
	arena a = ARENA_INIT;
	slice normal, why;

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct dnsbl_service s;
		cr_expect_eq(dnsbl_service_parse(slice_z(bad[i]), &s), ST_INVALID, "%s", bad[i]);
	}
	cr_expect_eq(setting_check(S_dnsbl_services, S(" bl.test  other.test=127.0.0.2:2 "), &a, &normal, &why), ST_OK);
	cr_expect(slice_same(normal, S("bl.test other.test=127.0.0.2:2")));
	cr_expect_eq(setting_check(S_dnsbl_services, S("bl.test bl.test=nonsense"), &a, &normal, &why), ST_INVALID);
	cr_expect(slice_search(why, S("\"bl.test=nonsense\" is none")) < why.size, "%.*s", SLICE_ARGS(why));
	cr_expect_eq(setting_check(S_dnsbl_allow_services, S("bl/XX"), &a, &normal, &why), ST_INVALID);
	arena_release(&a);
}
