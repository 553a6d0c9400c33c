/* SASL exchanges (provider/sasl.h) over the in-memory provider: whatever the messages are, an
   exchange ends in one of the kinds of its contract, lets nobody in but anna, and is over when it
   is over.

   Input: which mechanism, which peer, then messages with their length in front (two bytes, low
   first); a length of 0xffff stands for no initial response. The server's nonce and the salt are
   fixed, so that a corpus can hold exchanges that succeed. */
#include "provider/sasl.h"

#include "provider/memory/memory.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define RESET_EVERY 100 /* inputs; the rows of failed logons must not grow without end */

static const char *const mechanisms[] = {
	"PLAIN", "LOGIN", "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS", "XOAUTH2"};
static int64_t anna;

static void must(bool holds)
{
	if (!holds)
		abort();
}

static status binding(void *arg, slice kind, arena *a, slice *data)
{
	(void)arg;
	if (!slice_same(kind, S("tls-exporter")))
		return ST_ABSENT;
	*data = arena_copy(a, S("channel"));
	return ST_OK;
}

static status token(
	slice name, slice given, const struct auth_from *from, arena *a, struct identity *who)
{
	(void)from;
	(void)a;
	if (!slice_same(name, S("anna")) || !slice_same(given, S("token")))
		return ST_DENIED;
	who->mailbox = anna;
	return ST_OK;
}

static void begin(void)
{
	static unsigned inputs;

	if (inputs++ % RESET_EVERY == 0) {
		memory_reset();
		memory_setting(
			"auth_mechanisms", "PLAIN LOGIN SCRAM-SHA-256 SCRAM-SHA-256-PLUS XOAUTH2");
		memory_setting("auth_default_postoffice", "acme");
		memory_setting("auth_failures_most", "1000");
		memory_setting("auth_at_signs", "%");
		anna = memory_mailbox(memory_postoffice("acme", "acme.test"), "anna", "secret-1");
		memory_scram_salt(S("0123456789abcdef"));
		sasl_nonce_fix(S("SERVERNONCE"));
		sasl_tokens(token);
	}
}

/* The next message of the input; false at its end. */
static bool take(slice *rest, slice *message, bool *absent)
{
	if (rest->size < 2)
		return false;
	size_t size = (uint8_t)rest->at[0] | (size_t)(uint8_t)rest->at[1] << 8;
	*rest = slice_from(*rest, 2);
	*absent = size == 0xffff;
	*message = *absent ? (slice){0} : slice_until(*rest, size);
	*rest = slice_from(*rest, message->size);
	return true;
}

static void talk(sasl *s, slice rest, arena *a)
{
	struct identity who = {0};
	slice message, out;
	bool done = false, absent;
	status kind = ST_OK;

	for (int i = 0; i < 6 && kind == ST_OK && !done && take(&rest, &message, &absent); i++) {
		kind = sasl_step(s, absent ? NULL : &message, a, &out, &done, &who);
		must(kind == ST_OK || kind == ST_DENIED || kind == ST_INVALID ||
			kind == ST_LIMITED);
		must(kind == ST_OK || !done);
	}
	must(who.mailbox == (done ? anna : 0));
	if (kind != ST_OK || done) {
		message = S("\0anna\0secret-1");
		must(sasl_step(s, &message, a, &out, &done, &who) == ST_INVALID);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sasl_peer peer = {
		.from = {.service = SERVICE_SMTP, .address = S("192.0.2.1"), .secure = true}};
	arena a = ARENA_INIT;
	sasl *s;

	if (size < 2)
		return 0;
	begin();
	if (data[1] & 1)
		peer.binding = binding;
	slice name = slice_z(mechanisms[data[0] % (sizeof mechanisms / sizeof mechanisms[0])]);
	if (sasl_start(name, &peer, &a, &s) == ST_OK)
		talk(s, slice_of(data + 2, size - 2), &a);
	arena_release(&a);
	return 0;
}
