#include "connector/smtp/outbound_logon.h"

#include "base/list.h"
#include "base/memory.h"
#include "provider/digest.h"

#define URGED_APART (10 * USEC_S)

struct refused {
	link_t link;
	arena a;
	slice host, name;
	uint16_t port;
	uint8_t secret[32]; /* no password is kept here */
	struct client_result why;
	usec since, until;
};

/* As many as routes whose logon is wrong: few. */
static link_t all = {&all, &all};

static void digest_of(slice secret, uint8_t to[32])
{
	digest *d = digest_open();

	digest_add(d, secret);
	digest_end(d, to);
	digest_close(&d);
}

static struct refused *find(const struct logon_at *at)
{
	for (link_t *l = all.next; l != &all; l = l->next) {
		struct refused *r = LINK_OWNER(l, struct refused, link);

		if (r->port == at->port && slice_same(r->host, at->host) &&
			slice_same(r->name, at->logon->name))
			return r;
	}
	return NULL;
}

static void forget(struct refused *r)
{
	list_remove(&r->link);
	arena_release(&r->a);
	memory_free(r);
}

static struct client_result result_copy(const struct client_result *why, arena *a)
{
	struct client_result copy = *why;

	copy.enhanced = arena_copy(a, why->enhanced);
	copy.text = arena_copy(a, why->text);
	copy.tls = arena_copy(a, why->tls);
	return copy;
}

void outbound_logon_refused(
	const struct logon_at *at, const struct client_result *why, usec now, usec until)
{
	struct refused *r = memory_new(sizeof *r);

	outbound_logon_forget(at);
	*r = (struct refused){.a = ARENA_INIT, .port = at->port, .since = now, .until = until};
	r->host = arena_copy(&r->a, at->host);
	r->name = arena_copy(&r->a, at->logon->name);
	r->why = result_copy(why, &r->a);
	digest_of(at->logon->secret, r->secret);
	list_append(&all, &r->link);
}

bool outbound_logon_waits(
	const struct logon_at *at, usec now, bool urged, arena *a, struct client_result *why)
{
	const struct refused *r = find(at);
	uint8_t secret[32];

	if (!r || r->until <= now || (urged && now - r->since >= URGED_APART))
		return false;
	digest_of(at->logon->secret, secret);
	if (memcmp(secret, r->secret, sizeof secret) != 0)
		return false;
	*why = result_copy(&r->why, a);
	return true;
}

void outbound_logon_forget(const struct logon_at *at)
{
	struct refused *r = find(at);

	if (r)
		forget(r);
}

void outbound_logon_sweep(usec now)
{
	for (link_t *l = all.next, *next; l != &all; l = next) {
		struct refused *r = LINK_OWNER(l, struct refused, link);

		next = l->next;
		if (r->until <= now)
			forget(r);
	}
}
