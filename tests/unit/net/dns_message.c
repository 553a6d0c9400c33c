/* Reading answers: what stands there is taken, what does not fit together is refused. */
#include "help.h"

#include "net/dns_message.h"

/* An answer to "a.test" whose question is at 12; the records follow. */
#define HEAD(flags_high, flags_low, answers, authorities)                                          \
	0, 7, flags_high, flags_low, 0, 1, 0, answers, 0, authorities, 0, 0, 1, 'a', 4, 't', 'e',  \
		's', 't', 0
#define ASKED(type) 0, type, 0, 1
#define RECORD(type, size) 0xc0, 12, 0, type, 0, 1, 0, 0, 1, 44, 0, size /* TTL 300 */

static status read_bytes(const uint8_t *at, size_t size, enum dns_type type, dns_answer *out)
{
	static arena a;
	dns_name name;

	cr_assert_ok(dns_name_parse(S("A.test."), &name));
	*out = (dns_answer){0};
	return dns_answer_read(slice_of(at, size), &name, type, &a, out);
}
#define READ(type, out, ...)                                                                       \
	read_bytes(                                                                                \
		(const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}), type, out)

Test(dns_message, names_have_limits)
{
	dns_name n;
	char long_name[300];

	cr_assert_ok(dns_name_parse(S("Example.ORG."), &n));
	cr_expect_eq(n.size, 13);
	cr_expect_eq(memcmp(n.at, "\7example\3org\0", 13), 0);
	cr_assert_ok(dns_name_parse(S("."), &n));
	cr_expect_eq(n.size, 1);
	cr_assert_ok(dns_name_parse(S(""), &n));
	cr_expect_eq(n.size, 1);
	cr_expect_kind(dns_name_parse(S("a..b"), &n), ST_INVALID);
	cr_expect_kind(dns_name_parse(S("a.."), &n), ST_INVALID);
	cr_expect_kind(dns_name_parse(S(".a"), &n), ST_INVALID);
	memset(long_name, 'x', sizeof long_name);
	cr_expect_kind(dns_name_parse(slice_of(long_name, 63), &n), ST_OK);
	cr_expect_kind(dns_name_parse(slice_of(long_name, 64), &n), ST_INVALID);
	for (size_t i = 49; i < sizeof long_name; i += 50)
		long_name[i] = '.';
	cr_expect_kind(dns_name_parse(slice_of(long_name, 253), &n), ST_OK);
	cr_expect_eq(n.size, 255);
	cr_expect_kind(dns_name_parse(slice_of(long_name, 254), &n), ST_INVALID);
}

Test(dns_message, reads_records_of_the_name_that_was_asked)
{
	dns_answer out;

	cr_assert_ok(
		READ(DNS_A, &out, HEAD(0x81, 0x80, 1, 0), ASKED(1), RECORD(1, 4), 192, 0, 2, 1));
	cr_expect_eq(out.kind, DNS_FOUND);
	cr_expect_eq(out.ttl, 300);
	cr_assert_eq(out.count, 1);
	cr_expect_eq(out.record[0].address.ip[3], 1);
	cr_expect_not(out.secure);
	/* A record of "test" is nobody's business. */
	cr_assert_ok(READ(DNS_A, &out, HEAD(0x81, 0xa0, 1, 0), ASKED(1), 0xc0, 14, 0, 1, 0, 1, 0, 0,
		1, 44, 0, 4, 192, 0, 2, 1));
	cr_expect_eq(out.kind, DNS_NO_DATA);
	cr_expect(out.secure);
}

Test(dns_message, takes_the_time_of_nothing_from_the_soa)
{
	dns_answer out;

	cr_assert_ok(READ(DNS_A, &out, HEAD(0x81, 0x83, 0, 1), ASKED(1), RECORD(6, 22), 0, 0, 0, 0,
		0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 60));
	cr_expect_eq(out.kind, DNS_NO_NAME);
	cr_expect_eq(out.ttl, 60);
}

Test(dns_message, refuses_what_does_not_fit_together)
{
	dns_answer out;
	uint8_t whole[] = {HEAD(0x81, 0x80, 1, 0), ASKED(15), RECORD(15, 4), 0, 10, 0xc0, 12};

	cr_assert_ok(read_bytes(whole, sizeof whole, DNS_MX, &out));
	cr_expect_slice(out.record[0].name, "a.test");
	/* Cut anywhere. */
	for (size_t size = 0; size < sizeof whole; size++)
		cr_expect_kind(read_bytes(whole, size, DNS_MX, &out), ST_INVALID);
	/* A question, no answer; an answer to another name, type. */
	cr_expect_kind(READ(DNS_A, &out, HEAD(0x01, 0x80, 0, 0), ASKED(1)), ST_INVALID);
	cr_expect_kind(READ(DNS_A, &out, HEAD(0x81, 0x80, 0, 0), ASKED(28)), ST_INVALID);
	/* A name that points at itself, forwards, out of the message. */
	cr_expect_kind(READ(DNS_MX, &out, HEAD(0x81, 0x80, 1, 0), ASKED(15), RECORD(15, 4), 0, 10,
			       0xc0, 38),
		ST_INVALID);
	cr_expect_kind(READ(DNS_MX, &out, HEAD(0x81, 0x80, 1, 0), ASKED(15), RECORD(15, 4), 0, 10,
			       0xff, 0xff),
		ST_INVALID);
	/* Bytes behind the data; strings that are longer than their record; an address of 5
	   bytes. */
	cr_expect_kind(READ(DNS_MX, &out, HEAD(0x81, 0x80, 1, 0), ASKED(15), RECORD(15, 5), 0, 10,
			       0xc0, 12, 0),
		ST_INVALID);
	cr_expect_kind(
		READ(DNS_TXT, &out, HEAD(0x81, 0x80, 1, 0), ASKED(16), RECORD(16, 2), 2, 'x'),
		ST_INVALID);
	cr_expect_kind(
		READ(DNS_A, &out, HEAD(0x81, 0x80, 1, 0), ASKED(1), RECORD(1, 5), 1, 2, 3, 4, 5),
		ST_INVALID);
}

Test(dns_message, aliases_in_a_circle_end)
{
	dns_answer out;

	cr_expect_kind(READ(DNS_A, &out, HEAD(0x81, 0x80, 1, 0), ASKED(1), RECORD(5, 2), 0xc0, 12),
		ST_INVALID);
}

Test(dns_message, bytes_that_no_host_name_has_are_written_out)
{
	dns_answer out;

	cr_assert_ok(READ(DNS_PTR, &out, HEAD(0x81, 0x80, 1, 0), ASKED(12), RECORD(12, 8), 3, 'A',
		'.', '\n', 2, '\\', 0xff, 0));
	cr_expect_slice(out.record[0].name, "a\\046\\010.\\092\\255");
}
