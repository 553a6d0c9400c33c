/* What the tests of the outbound client share; see hand_over.h. */
#include "hand_over.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

arena a;
struct fake_host host;
struct client_target target;
struct client_recipient to[8];
struct client_message message;
struct client_result why; /* of the opening */
slice source_text;
status source_gives;
client *talk;
char certificate_folder[] = "/tmp/pennypost-client-XXXXXX";
tls_server *served;
tls_client *trusting;

/* In pieces of seven octets. */
static status source(void *arg, status (*take)(slice piece, void *to_), void *to_)
{
	(void)arg;
	for (slice rest = source_text; rest.size > 0; rest = slice_from(rest, 7))
		TRY(take(slice_until(rest, 7), to_));
	return source_gives;
}

void text_is(const char *words)
{
	source_text = slice_z(words);
	message.size = source_text.size;
}

void recipients_are(int n)
{
	static const char *const names[] = {"anna@there.test", "ben@there.test", "cleo@there.test",
		"dora@there.test", "emil@there.test", "fritz@there.test", "gil@there.test",
		"hans@there.test"};

	memset(to, 0, sizeof to);
	for (int i = 0; i < n; i++)
		to[i].address = slice_z(names[i]);
	message.n = n;
}

void hand_over_begin(void)
{
	memory_reset();
	memory_setting("local_domain", "us.test");
	client_patience_set(&target.patience);
	usec *each = &target.patience.connect;
	for (size_t i = 0; i < sizeof target.patience / sizeof(usec); i++)
		each[i] = USEC_NEVER;
	target.host = S("there.test");
	message = (struct client_message){.sender = S("me@us.test"), .to = to, .source = source};
	source_gives = ST_OK;
	text_is(HELLO_TEXT);
	recipients_are(1);
}

static int remove_one(const char *path, const struct stat *about, int kind, struct FTW *where)
{
	(void)about, (void)kind, (void)where;
	return remove(path);
}

void hand_over_end(void)
{
	stream_trickle(0);
	client_close(&talk);
	if (trusting) {
		nftw(certificate_folder, remove_one, 4, FTW_DEPTH | FTW_PHYS);
		memset(certificate_folder + sizeof certificate_folder - 7, 'X', 6);
	}
	tls_client_close(&trusting);
	tls_server_close(&served);
	text_free(&host.texts);
	arena_release(&a);
}

void certificate_for(const char *name, int from, int until)
{
	char path[100];

	cr_assert(mkdtemp(certificate_folder));
	fake_certificate(certificate_folder, name, from, until);
	cr_assert_eq(tls_server_open(certificate_folder, &served), ST_OK);
	snprintf(path, sizeof path, "%s/default.crt", certificate_folder);
	cr_assert_eq(tls_client_open(path, &trusting), ST_OK);
	target.authorities = trusting;
}

status meet(const char *const *script)
{
	fake_host_start(&host, script, served);
	target.at = host.at;
	return client_open(&target, &a, &talk, &why);
}

status deliver(const char *const *script)
{
	status kind = meet(script);

	if (kind == ST_OK)
		kind = client_send(talk, &message, &a);
	client_close(&talk);
	fake_host_end(&host);
	return kind;
}

void expect_result(const struct client_result *r, enum client_outcome outcome,
	enum client_cause cause, enum client_phase phase, int code, const char *enhanced)
{
	cr_expect_eq(r->outcome, outcome, "%s %s: %.*s", client_outcome_name(r->outcome),
		client_phase_name(r->phase), SLICE_ARGS(r->text));
	cr_expect_eq(r->cause, cause, "cause %d: %.*s", r->cause, SLICE_ARGS(r->text));
	cr_expect_eq(r->phase, phase, "%s", client_phase_name(r->phase));
	cr_expect_eq(r->code, code, "%d", r->code);
	cr_expect(slice_same(r->enhanced, slice_z(enhanced)), "%.*s instead of %s",
		SLICE_ARGS(r->enhanced), enhanced);
}

void expect_delivered(int i)
{
	expect_result(&to[i].result, CLIENT_DELIVERED, CLIENT_BY_REPLY, CLIENT_END, 250, "2.0.0");
}
