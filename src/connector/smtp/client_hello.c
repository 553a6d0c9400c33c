/* The greeting and EHLO: whom we have reached and what it offers. What was offered in the clear
   counts for nothing behind STARTTLS (RFC 3207 4.2). */
#include "connector/smtp/client_inside.h"

static bool takes_word(slice *rest, slice *word)
{
	while (rest->size > 0 && (*rest->at == ' ' || *rest->at == '\t'))
		*rest = slice_from(*rest, 1);
	size_t end = slice_find(*rest, ' ');
	*word = slice_until(*rest, end);
	*rest = slice_from(*rest, end);
	return word->size > 0;
}

/* ---- what is offered */

static void take_size(client *c, slice rest)
{
	slice word;

	c->size = true;
	if (takes_word(&rest, &word))
		slice_number(word, &c->facts.size_most);
}

static void take_mechanisms(client *c, slice rest)
{
	slice word;

	while (takes_word(&rest, &word)) {
		if (slice_same_nocase(word, S("PLAIN")))
			c->mechanisms |= MECHANISM_PLAIN;
		else if (slice_same_nocase(word, S("LOGIN")))
			c->mechanisms |= MECHANISM_LOGIN;
		else if (slice_same_nocase(word, S("SCRAM-SHA-256")))
			c->mechanisms |= MECHANISM_SCRAM;
	}
}

static void take_offer(client *c, unsigned index, slice words)
{
	const struct {
		slice name;
		bool *fact;
	} plain[] = {
		{S("PIPELINING"), &c->facts.pipelining},
		{S("8BITMIME"), &c->facts.eight_bit},
		{S("SMTPUTF8"), &c->facts.utf8},
		{S("DSN"), &c->facts.dsn},
		{S("CHUNKING"), &c->facts.chunking},
		{S("BINARYMIME"), &c->binary},
		{S("ENHANCEDSTATUSCODES"), &c->facts.enhanced},
		{S("REQUIRETLS"), &c->facts.require_tls},
		{S("STARTTLS"), &c->starttls},
	};
	slice word;

	if (index == 0 || !takes_word(&words, &word))
		return;
	for (size_t i = 0; i < sizeof plain / sizeof plain[0]; i++)
		if (slice_same_nocase(word, plain[i].name))
			*plain[i].fact = true;
	if (slice_same_nocase(word, S("SIZE")))
		take_size(c, words);
	else if (slice_same_nocase(word, S("AUTH")))
		take_mechanisms(c, words);
	else if (slice_starts_nocase(word, S("AUTH=")))
		take_mechanisms(c, slice_from(word, S("AUTH=").size));
}

static void forget_offers(client *c)
{
	struct client_facts *f = &c->facts;

	f->pipelining = f->chunking = f->eight_bit = f->utf8 = f->dsn = f->require_tls = false;
	f->enhanced = c->binary = c->starttls = c->size = false;
	f->size_most = 0;
	c->mechanisms = 0;
}

/* ---- the talk's beginning */

/* A host that refuses the talk as a whole says nothing about a message; another host may take
   it. */
static status refused(const struct reply *r, enum client_phase p, struct client_result *why)
{
	client_result_of(r, p, CLIENT_BY_HOST, why);
	if (reply_is(r, 2)) /* another 2xx than the one that has its place here */
		client_result_lost(ST_INVALID, p, why);
	return reply_is(r, 5) ? ST_DENIED : ST_CLOSED;
}

static status lost(status kind, enum client_phase p, struct client_result *why)
{
	client_result_lost(kind, p, why);
	return kind;
}

static slice name_in(slice words, arena *a)
{
	slice name;

	return takes_word(&words, &name) ? arena_copy(a, slice_until(name, 255)) : S("");
}

status client_greeting(client *c, arena *a, struct client_result *why)
{
	struct reply r;
	status kind = client_reply(c, c->patience.greeting, NULL, a, &r);

	if (kind != ST_OK)
		return lost(kind, CLIENT_GREETING, why);
	c->greeted = true;
	if (!reply_is(&r, 2))
		return refused(&r, CLIENT_GREETING, why);
	c->facts.greeted = name_in(r.text, &c->talk);
	return ST_OK;
}

status client_hello(client *c, slice own, arena *a, struct client_result *why)
{
	struct reply r;

	forget_offers(c);
	status kind = client_say(c, "EHLO %.*s", SLICE_ARGS(own));
	if (kind == ST_OK)
		kind = client_reply(c, c->patience.hello, take_offer, a, &r);
	if (kind == ST_OK && reply_is(&r, 5)) {
		forget_offers(c);
		kind = client_ask(c, c->patience.hello, a, &r, "HELO %.*s", SLICE_ARGS(own));
	}
	if (kind != ST_OK)
		return lost(kind, CLIENT_HELLO, why);
	if (!reply_is(&r, 2))
		return refused(&r, CLIENT_HELLO, why);
	c->facts.greeted = name_in(r.text, &c->talk);
	return ST_OK;
}
