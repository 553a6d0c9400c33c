/* TLS-RPT: records, reports, the mail that brings one. */
#include "mail/tls_report.h"

#include "base/utf8.h"
#include "same.h"

#include "mail/header.h"
#include "mail/mime.h"
#include "mail/transfer.h"

Test(tls_report, reads_the_record)
{
	static const struct {
		const char *txt, *targets; /* as "address" or "host port path", divided by ", " */
	} rows[] = {
		{"v=TLSRPTv1; rua=mailto:reports@example.test", "reports@example.test"},
		{"v=TLSRPTv1;rua=mailto:reports@example.test;", "reports@example.test"},
		{"v=TLSRPTv1; rua=https://r.example.test/v1/tlsrpt",
			"r.example.test 443 /v1/tlsrpt"},
		{"v=TLSRPTv1; rua=https://R.example.test:8443?a=b#c", "r.example.test 8443 /?a=b"},
		{"v=TLSRPTv1; rua=mailto:a@b.test , https://c.test", "a@b.test, c.test 443 /"},
		{"v=TLSRPTv1; rua=mailto:a%2Bb@c.test?subject=x", "a+b@c.test"},
		{"v=TLSRPTv1; x=y; rua=MAILTO:a@b.test; rua=mailto:c@d.test", "a@b.test"},
		{"v=TLSRPTv1; rua=ftp://a.test,mailto:a@b.test", "a@b.test"},
		{"v=TLSRPTv1; rua=mailto:a@a.test,mailto:b@a.test,mailto:c@a.test,mailto:d@a.test,mailto:e@a.test",
			"a@a.test, b@a.test, c@a.test, d@a.test"},
		{"v=TLSRPTv1; rua=ftp://a.test", ""},
		{"v=TLSRPTv1; rua=mailto:", ""},
		{"v=TLSRPTv1; rua=mailto:a@b.test%0d%0aBcc:c", ""},
		{"v=TLSRPTv1; rua=mailto:a@[192.0.2.1]", ""},
		{"v=TLSRPTv1; rua=mailto:a@b.test%4", ""},
		{"v=TLSRPTv1; rua=https://a.test:0/", ""},
		{"v=TLSRPTv1; rua=https://a.test:65536/", ""},
		{"v=TLSRPTv1; rua=https://[2001:db8::1]/", ""},
		{"v=TLSRPTv1; rua=https://u@a.test/", ""},
		{"v=TLSRPTv1; rua=https:a.test", ""},
		{"v=TLSRPTv1; rua=https://a.test/x y", ""},
		{"v=TLSRPTv1; rua", ""},
		{"v=TLSRPTv1;", ""},
		{"v=TLSRPTv2; rua=mailto:a@b.test", ""},
		{"rua=mailto:a@b.test", ""},
	};

	for (size_t i = 0; i < ROWS(rows); i++) {
		struct tls_report_target to[TLS_REPORT_TARGETS_MOST];
		slice row = slice_z(rows[i].txt);
		arena a = ARENA_INIT;
		text got = TEXT_INIT;
		int n;
		status kind = tls_report_record(&row, 1, &a, to, &n);

		cr_expect_eq(kind, *rows[i].targets ? ST_OK : ST_ABSENT, "%s gives %s", rows[i].txt,
			status_name(kind));
		for (int k = 0; k < n; k++) {
			text_add_z(&got, k ? ", " : "");
			if (to[k].address.size)
				text_add(&got, to[k].address);
			else
				text_format(&got, "%.*s %u %.*s", SLICE_ARGS(to[k].host),
					to[k].port, SLICE_ARGS(to[k].path));
		}
		cr_expect(slice_same(text_slice(&got), slice_z(rows[i].targets)), "%s has %.*s",
			rows[i].txt, (int)got.size, got.at);
		text_free(&got);
		arena_release(&a);
	}
}

Test(tls_report, wants_one_record_among_others)
{
	const slice among[] = {S("v=spf1 -all"), S("v=TLSRPTv1; rua=mailto:a@b.test")};
	const slice twice[] = {
		S("v=TLSRPTv1; rua=mailto:a@b.test"), S("v=TLSRPTv1; rua=mailto:c@d.test")};
	struct tls_report_target to[TLS_REPORT_TARGETS_MOST];
	arena a = ARENA_INIT;
	int n;

	cr_expect_eq(tls_report_record(among, 2, &a, to, &n), ST_OK);
	cr_expect_eq(tls_report_record(twice, 2, &a, to, &n), ST_ABSENT);
	cr_expect_eq(tls_report_record(NULL, 0, &a, to, &n), ST_ABSENT);
	arena_release(&a);
}

/* ---- reports */

#define DAY_BEGIN (1461024000 * USEC_S) /* 2016-04-19 */

static const slice patterns[] = {S("*.example.test")};
static const struct tls_report_failure missed[] = {
	{S("certificate-expired"), S("192.0.2.1"), S("mx.example.test"), S("2001:db8::1"), 100},
	{S("starttls-not-supported"), S(""), S("mx\"2\\\n.example.test"), S(""), 2},
};
static const struct tls_report_policy policies[] = {
	{S("sts"), S("example.test"), S("version: STSv1\r\nmode: enforce\r\n"), patterns, 1, 5326,
		102, missed, 2},
	{S("no-policy-found"), S("example.test"), S(""), NULL, 0, 1, 0, NULL, 0},
};
static const struct tls_report report = {.organisation = S("D\xc3\xa9mo"),
	.contact = S("postmaster@demo.test"),
	.id = S("20160419.example.test@mail.demo.test"),
	.domain = S("example.test"),
	.from = DAY_BEGIN,
	.until = DAY_BEGIN + 86399 * USEC_S,
	.policy = policies,
	.n = 2};

static const char written[] =
	"{\n"
	" \"organization-name\": \"D\xc3\xa9mo\",\n"
	" \"date-range\": {\n"
	"  \"start-datetime\": \"2016-04-19T00:00:00Z\",\n"
	"  \"end-datetime\": \"2016-04-19T23:59:59Z\"\n"
	" },\n"
	" \"contact-info\": \"postmaster@demo.test\",\n"
	" \"report-id\": \"20160419.example.test@mail.demo.test\",\n"
	" \"policies\": [\n"
	"  {\n"
	"   \"policy\": {\n"
	"    \"policy-type\": \"sts\",\n"
	"    \"policy-string\": [\n"
	"     \"version: STSv1\",\n"
	"     \"mode: enforce\"\n"
	"    ],\n"
	"    \"policy-domain\": \"example.test\",\n"
	"    \"mx-host\": [\n"
	"     \"*.example.test\"\n"
	"    ]\n"
	"   },\n"
	"   \"summary\": {\n"
	"    \"total-successful-session-count\": 5326,\n"
	"    \"total-failure-session-count\": 102\n"
	"   },\n"
	"   \"failure-details\": [\n"
	"    {\n"
	"     \"result-type\": \"certificate-expired\",\n"
	"     \"sending-mta-ip\": \"192.0.2.1\",\n"
	"     \"receiving-mx-hostname\": \"mx.example.test\",\n"
	"     \"receiving-ip\": \"2001:db8::1\",\n"
	"     \"failed-session-count\": 100\n"
	"    },\n"
	"    {\n"
	"     \"result-type\": \"starttls-not-supported\",\n"
	"     \"receiving-mx-hostname\": \"mx\\\"2\\\\\\u000a.example.test\",\n"
	"     \"failed-session-count\": 2\n"
	"    }\n"
	"   ]\n"
	"  },\n"
	"  {\n"
	"   \"policy\": {\n"
	"    \"policy-type\": \"no-policy-found\",\n"
	"    \"policy-domain\": \"example.test\"\n"
	"   },\n"
	"   \"summary\": {\n"
	"    \"total-successful-session-count\": 1,\n"
	"    \"total-failure-session-count\": 0\n"
	"   }\n"
	"  }\n"
	" ]\n"
	"}\n";

Test(tls_report, is_written_as_json)
{
	arena a = ARENA_INIT;

	SAME(tls_report_json(&report, &a), slice_z(written));
	arena_release(&a);
}

static const struct tls_report_mail usual = {.report = &report,
	.submitter = S("mail.demo.test"),
	.from = S("postmaster@demo.test"),
	.to = S("reports@example.test"),
	.message_id = S("<1.2@demo.test>"),
	.at = DAY_BEGIN + 90000 * USEC_S};

static slice field(slice m, const char *name, arena *a)
{
	header_field f;

	cr_assert(header_find(m, slice_z(name), &f), "no %s in\n%.*s", name, SLICE_ARGS(m));
	return header_unfold(f.value, a);
}

Test(tls_report, is_sent_as_mail)
{
	arena a = ARENA_INIT;
	transfer_decoder d = {.kind = TRANSFER_BASE64};
	text json = TEXT_INIT;
	mime_table t;
	slice m;

	cr_assert_eq(tls_report_compose(&usual, &a, &m), ST_OK);
	SAME(field(m, "TLS-Report-Domain", &a), S("example.test"));
	SAME(field(m, "TLS-Report-Submitter", &a), S("mail.demo.test"));
	SAME(field(m, "Subject", &a),
		S("Report Domain: example.test Submitter: mail.demo.test Report-ID: <20160419.example.test@mail.demo.test>"));
	SAME(field(m, "To", &a), S("reports@example.test"));
	cr_expect(slice_starts(field(m, "Content-Type", &a),
		S("multipart/report; report-type=\"tlsrpt\"; boundary=")));
	mime_parse(m, &a, &t);
	cr_assert_eq(t.count, 3, "%zu parts in\n%.*s", t.count, SLICE_ARGS(m));
	slice head = slice_of(m.at + t.part[2].header_at, t.part[2].header_size);
	SAME(field(head, "Content-Type", &a), S("application/tlsrpt+json"));
	cr_expect(slice_search(field(head, "Content-Disposition", &a),
			  S("mail.demo.test!example.test!1461024000!1461110399.json")) < head.size);
	transfer_decode(&d, slice_of(m.at + t.part[2].body_at, t.part[2].body_size), &json);
	transfer_decode_end(&d, &json);
	SAME(text_slice(&json), slice_z(written));
	text_free(&json);
	arena_release(&a);
}

Test(tls_report, speaks_the_language_of_who_sends_it)
{
	static const struct {
		enum language in;
		const char *tag, *says;
	} rows[] = {{LANGUAGE_EN, "en", "sessions as they should be"},
		{LANGUAGE_DE, "de", "Die angehängte Datei sagt mehr."},
		{LANGUAGE_ES, "es", "El archivo adjunto dice más."},
		{LANGUAGE_FR, "fr", "Le fichier joint en dit plus."}};
	arena a = ARENA_INIT;

	for (size_t i = 0; i < ROWS(rows); i++) {
		transfer_decoder d = {.kind = TRANSFER_QUOTED_PRINTABLE};
		struct tls_report_mail in = usual;
		text words = TEXT_INIT;
		mime_table t;
		slice m;

		in.language = rows[i].in;
		cr_assert_eq(tls_report_compose(&in, &a, &m), ST_OK);
		cr_expect(utf8_is_ascii(m));
		mime_parse(m, &a, &t);
		slice head = slice_of(m.at + t.part[1].header_at, t.part[1].header_size);
		SAME(field(head, "Content-Language", &a), slice_z(rows[i].tag));
		transfer_decode(
			&d, slice_of(m.at + t.part[1].body_at, t.part[1].body_size), &words);
		transfer_decode_end(&d, &words);
		cr_expect(slice_search(text_slice(&words), slice_z(rows[i].says)) < words.size,
			"%s: %s", rows[i].tag, words.at);
		cr_expect(slice_search(text_slice(&words), S("example.test")) < words.size);
		text_free(&words);
	}
	arena_release(&a);
}

Test(tls_report, goes_to_nobody_who_cannot_stand_in_a_header)
{
	struct tls_report_mail m = usual;
	arena a = ARENA_INIT;
	slice raw;

	m.to = S("a@b.test>\r\nBcc: c@d.test");
	cr_expect_eq(tls_report_compose(&m, &a, &raw), ST_INVALID);
	arena_release(&a);
}

Test(tls_report, waives_tls_where_it_is_said)
{
	static const struct {
		const char *header;
		bool waived;
	} rows[] = {
		{"Subject: x\r\nTLS-Required: No\r\n\r\n", true},
		{"tls-required:no \r\n\r\n", true},
		{"TLS-Required: Yes\r\n\r\n", false},
		{"TLS-Required: No, thanks\r\n\r\n", false},
		{"Subject: TLS-Required: No\r\n\r\n", false},
		{"Subject: x\r\n\r\nTLS-Required: No\r\n", false},
		{"", false},
	};
	arena a = ARENA_INIT;
	slice made;

	for (size_t i = 0; i < ROWS(rows); i++)
		cr_expect_eq(tls_report_is_waived(slice_z(rows[i].header)), rows[i].waived, "%s",
			rows[i].header);
	cr_assert_eq(tls_report_compose(&usual, &a, &made), ST_OK);
	cr_expect(tls_report_is_waived(made));
	arena_release(&a);
}
