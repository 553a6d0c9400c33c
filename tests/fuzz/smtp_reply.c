/* What another host may answer: a whole talk of the outbound client with two recipients against any
   bytes, in one piece and byte by byte.

   Input: what the host answers, from the greeting on; it has ended behind that. */
#include "base/log.h"
#include "base/memory.h"
#include "connector/smtp/client_inside.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
	if (!holds)
		abort();
}

static status source(void *arg, status (*take)(slice piece, void *to), void *to)
{
	(void)arg;
	return take(S("A: b\r\n\r\n.text\r\n"), to);
}

static client *client_on(slice bytes)
{
	client *c = memory_new(sizeof *c);
	int in = memfd_create("in", MFD_CLOEXEC), out = memfd_create("out", MFD_CLOEXEC);

	must(in >= 0 && out >= 0 && write(in, bytes.at, bytes.size) == (ssize_t)bytes.size);
	must(lseek(in, 0, SEEK_SET) == 0 && stream_open(in, out, &c->stream) == ST_OK);
	usec *each = &c->patience.connect;
	for (size_t i = 0; i < sizeof c->patience / sizeof(usec); i++)
		each[i] = USEC_S;
	list_init(&c->among);
	return c;
}

static bool is_printable(slice s)
{
	for (size_t i = 0; i < s.size; i++)
		if (s.at[i] < ' ' || s.at[i] > '~')
			return false;
	return true;
}

/* "d.d.d" of the outcome's class. */
static bool fits(slice enhanced, enum client_outcome o)
{
	char wanted = o == CLIENT_DELIVERED ? '2' : o == CLIENT_FAILED ? '5' : '4';

	return enhanced.size >= 5 && enhanced.size <= 9 && enhanced.at[0] == wanted &&
	       enhanced.at[1] == '.' && slice_find_last(enhanced, '.') > 2;
}

static void check(const struct client_result *r)
{
	must(r->outcome <= CLIENT_UNSURE && r->cause <= CLIENT_STALE && r->phase <= CLIENT_END);
	must(r->code == 0 || (r->code >= 200 && r->code <= 599));
	must(fits(r->enhanced, r->outcome));
	must(r->text.size <= CLIENT_TEXT_MOST && is_printable(r->text));
	must(r->outcome != CLIENT_DELIVERED || (r->phase == CLIENT_END && r->code / 100 == 2));
	must(r->outcome != CLIENT_UNSURE || r->phase == CLIENT_END);
}

static void play(slice bytes, bool trickle, enum client_outcome outcome[2])
{
	struct client_recipient to[2] = {{.address = S("a@b.test")}, {.address = S("c@b.test")}};
	struct client_message m = {
		.sender = S("me@us.test"), .size = 15, .to = to, .n = 2, .source = source};
	struct client_result why = {.enhanced = S("4.0.0")};
	arena a = ARENA_INIT;
	client *c = client_on(bytes);

	stream_trickle(trickle ? 1 : 0);
	outcome[0] = outcome[1] = CLIENT_FAILED;
	if (client_greeting(c, &a, &why) == ST_OK &&
		client_hello(c, S("us.test"), &a, &why) == ST_OK) {
		for (int i = 0; i < 3 && client_send(c, &m, &a) == ST_OK; i++)
			;
		for (int i = 0; i < 2; i++) {
			check(&to[i].result);
			outcome[i] = to[i].result.outcome;
			client_fields(&c->facts, &to[i].result, &a);
		}
	} else {
		check(&why);
	}
	client_close(&c);
	arena_release(&a);
	stream_trickle(0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	enum client_outcome whole[2], cut[2];

	if (size > 1 << 18)
		return 0;
	log_level_set(LOG_ERROR_LEVEL);
	play(slice_of(data, size), false, whole);
	play(slice_of(data, size), true, cut);
	must(whole[0] == cut[0] && whole[1] == cut[1]);
	return 0;
}
