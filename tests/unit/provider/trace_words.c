/* What rows of the trace say: fields and sentences. */
#include "provider/trace.h"

#include <criterion/criterion.h>

Test(trace, fields_are_told_from_what_strangers_said)
{
	static const struct {
		slice fields;
		const char *key;
		slice value;
	} rows[] = {
		{S("a=1 b=2"), "a", S("1")},
		{S("a=1 b=2"), "b", S("2")},
		{S("ab=1 b=2"), "b", S("2")},
		{S("a=1"), "c", S("")},
		{S(""), "a", S("")},
		{S("a=\"x b=3\" b=\"y z\""), "b", S("y z")},
		{S("a=\"q\\\" b=3\" b=4"), "b", S("4")},
		{S("a=\"cut b=3"), "a", S("cut b=3")},
		{S("a=\"cut b=3"), "b", S("")},
		{S("a=\""), "a", S("")},
		{S("a="), "a", S("")},
		{S("a= b=2"), "b", S("2")},
		{S("words alone a=1"), "a", S("1")},
		{S("words alone"), "alone", S("")},
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		slice got = trace_value(rows[i].fields, rows[i].key);
		cr_expect(slice_same(got, rows[i].value), "row %zu: %.*s", i, SLICE_ARGS(got));
	}
}

Test(trace, rows_are_told_in_sentences)
{
	static const struct {
		enum trace_kind kind;
		slice fields, sentence;
	} rows[] = {
		{TRACE_ACCEPTED,
			S("conversation=a id=b service=smtp peer=192.0.2.1 helo=\"mx.else.test\" tls=yes user=- "
			  "from=\"eve@else.test\" size=120 message_id=\"1@else.test\""),
			S("Taken from <eve@else.test>, by 192.0.2.1 (mx.else.test), through TLS, 120 octets")},
		{TRACE_ACCEPTED,
			S("service=submission peer=192.0.2.1 tls=no user=\"anna\" from=\"\" size=1"),
			S("Taken from <>, who logged on as anna, by 192.0.2.1, in the clear, 1 octets")},
		{TRACE_ACCEPTED, S("service=cli from=\"a@b.test\" size=9"),
			S("Taken from <a@b.test>, given on the command line")},
		{TRACE_JUDGED,
			S("conversation=a spf=fail spf_domain=\"else.test\" dkim=pass dkim_domains=\"a.test b.test\" "
			  "dmarc=fail author=\"else.test\" policy=reject arc=none"),
			S("SPF fail for else.test, DKIM pass by a.test b.test, DMARC fail for else.test, ARC none; the author's domain "
			  "asks for reject")},
		{TRACE_JUDGED, S("milter=spam stage=RCPT reply=\"550 5.7.1 no\""),
			S("The milter spam said 550 5.7.1 no, at RCPT")},
		{TRACE_JUDGED,
			S("event=pickup program=\"/p\" verdict=refuse said=\"no \\\"x\\\"\""),
			S("The program /p (pickup) said refuse: no \"x\"")},
		{TRACE_DELIVERED, S("recipient=\"x@demo.test\" mailbox=\"anna\" catch_all=yes"),
			S("It came into the mailbox anna, for x@demo.test, as the catch-all of its domain")},
		{TRACE_DELIVERED, S("recipient=\"x@demo.test\" report_on=0ABC"),
			S("It came into the mailbox of x@demo.test")},
		{TRACE_REFUSED,
			S("from=\"a@b.test\" recipient=\"c@d.test\" reply=\"550 5.1.1 No such recipient here\""),
			S("It was refused for c@d.test: 550 5.1.1 No such recipient here")},
		{TRACE_REFUSED, S("mailbox=\"ben\" why=full"), S("It was refused for ben: full")},
		{TRACE_EXPANDED, S("conversation=a recipient=\"team@demo.test\""),
			S("It went on from team@demo.test to those it leads to")},
		{TRACE_DELIVERED,
			S("recipient=\"x@demo.test\" mailbox=\"anna\" via=\"team@demo.test\""),
			S("It came into the mailbox anna, for x@demo.test, by way of team@demo.test")},
		{TRACE_REFUSED, S("conversation=a verdict=discard"),
			S("It was refused by a milter that had it dropped")},
		{TRACE_QUEUED, S("recipient=\"c@d.test\" via=\"anna@demo.test\""),
			S("It is in the queue for c@d.test, by way of anna@demo.test")},
		{TRACE_SENT,
			S("entry=0 recipient=\"c@d.test\" attempt=1 host=\"mx.d.test\" address=192.0.2.9 port=25 tls=TLSv1.3 "
			  "cipher=X proved=dane phase=end outcome=delivered code=250 enhanced=2.0.0 reply=\"taken\""),
			S("It was sent to c@d.test: mx.d.test (192.0.2.9): 250 2.0.0 taken, through TLSv1.3 (proved by DANE)")},
		{TRACE_DEFERRED,
			S("entry=0 recipient=\"c@d.test\" attempt=2 next=2026-01-31T12:00:00Z host=\"mx.d.test\" address=192.0.2.9 "
			  "port=25 proved=none phase=starttls outcome=deferred code=0 enhanced=4.7.5 tls_trouble=certificate-expired "
			  "reply=\"no\""),
			S("It waits after attempt 2 for c@d.test: mx.d.test (192.0.2.9): 4.7.5 no, trouble with TLS: "
			  "certificate-expired; tried again at 2026-01-31T12:00:00Z")},
		{TRACE_DEFERRED,
			S("entry=0 recipient=\"c@d.test\" attempt=0 next=2026-01-31T12:00:00Z outcome=deferred enhanced=4.4.1 "
			  "reply=\"away\""),
			S("It waits for its first attempt for c@d.test: 4.4.1 away; tried again at 2026-01-31T12:00:00Z")},
		{TRACE_FAILED,
			S("entry=0 recipient=\"c@d.test\" attempt=1 outcome=failed enhanced=5.4.6 reply=\"loop\""),
			S("It was given up for c@d.test: 5.4.6 loop")},
		{TRACE_PARKED, S("entry=0 why=\"its worker ended 3 times\""),
			S("It is parked for an operator: its worker ended 3 times")},
		{TRACE_REPORTED, S("report=0A kind=failed to=\"a@b.test\" recipients=1"),
			S("Told a@b.test: failed, by the message 0A")},
		{TRACE_REPORTED, S("kind=none mailbox=\"anna\" why=list"),
			S("The mailbox anna gave no answer (list)")},
		{TRACE_REPEATED, S("conversation=a"),
			S("The client sent it once more, and it was recognised")},
		{TRACE_READ, S("service=imap"), S("It was fetched by imap")},
		{TRACE_REMOVED, S("service=pop3"), S("It was removed by pop3")},
		{TRACE_REMOVED, S("service=queue entry=0 recipient=\"c@d.test\" who=\"root\""),
			S("It was removed from the queue by root, for c@d.test")},
	};
	arena a = ARENA_INIT;

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct trace_row row = {.kind = rows[i].kind, .fields = rows[i].fields};
		slice got = trace_sentence(&row, &a);
		cr_expect(slice_same(got, rows[i].sentence), "row %zu: %.*s", i, SLICE_ARGS(got));
	}
	arena_release(&a);
}

Test(trace, what_left_its_mailbox_is_told_so)
{
	static const struct {
		struct trace_place place;
		slice sentence;
	} rows[] = {
		{{.mailbox = S("anna@demo"), .there = true},
			S("It is in the mailbox Anna, for x@demo.test")},
		{{.mailbox = S("anna@demo"), .removed = 86400 * USEC_S, .until = 172800 * USEC_S},
			S("It was in the mailbox Anna, for x@demo.test; it was removed at 1970-01-02T00:00:00Z, "
			  "`pennypost message undelete anna@demo --message 0000000000001` brings it back until "
			  "1970-01-03T00:00:00Z")},
		{{.mailbox = S("anna@demo"), .removed = 86400 * USEC_S},
			S("It was in the mailbox Anna, for x@demo.test; it was removed at 1970-01-02T00:00:00Z and cannot be "
			  "had back any more")},
		{{.mailbox = S("anna@demo")},
			S("It was in the mailbox Anna, for x@demo.test; it was removed and cannot be had back any more")},
		{{0}, S("It was in the mailbox Anna, for x@demo.test; no mailbox is called so any more")},
	};
	arena a = ARENA_INIT;

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct trace_row row = {.kind = TRACE_DELIVERED,
			.message = 1,
			.fields = S("recipient=\"x@demo.test\" mailbox=\"Anna\""),
			.place = &rows[i].place};
		slice got = trace_sentence(&row, &a);
		cr_expect(slice_same(got, rows[i].sentence), "row %zu: %.*s", i, SLICE_ARGS(got));
	}
	arena_release(&a);
}

Test(trace, verdicts_are_about_somebody)
{
	struct trace_row row = {.fields = S("recipient=\"a@b.test\" mailbox=\"anna\"")};

	cr_expect(slice_same(trace_whom(&row), S("a@b.test")));
	row.fields = S("mailbox=\"anna\"");
	cr_expect(slice_same(trace_whom(&row), S("anna")));
	row.fields = S("service=imap");
	cr_expect(trace_whom(&row).size == 0);
	cr_expect(trace_is_verdict(TRACE_SENT) && !trace_is_verdict(TRACE_JUDGED) &&
		  !trace_is_verdict(TRACE_KINDS));
}
