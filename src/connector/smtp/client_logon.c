/* AUTH as a client of a smart host (RFC 4954): SCRAM-SHA-256 (RFC 7677) where it is offered, since
   it proves both sides and shows nobody the password, else PLAIN or LOGIN through TLS. Passwords
   never reach a log, and no refusal ends a message for good: a wrong password is ours to mend. */
#include "base/encode.h"
#include "base/random.h"
#include "base/secret.h"
#include "connector/smtp/client_inside.h"
#include "provider/saslprep.h"
#include "provider/scram.h"
#include "task/task.h"

#define ITERATIONS_MOST 1000000 /* what a host may make us calculate */

static status logon_lost(status kind, struct client_result *why)
{
	client_result_lost(kind, CLIENT_LOGON, why);
	return kind;
}

static status logon_refused(const char *sentence, struct client_result *why)
{
	client_result_own(CLIENT_DEFERRED, CLIENT_BY_LOGON, CLIENT_LOGON, "4.7.8", sentence, why);
	return ST_DENIED;
}

/* The host's last word: 235, or why not. */
static status verdict(const struct reply *r, struct client_result *why)
{
	if (r->code == 235)
		return ST_OK;
	client_result_of(r, CLIENT_LOGON, CLIENT_BY_LOGON, why);
	why->outcome = CLIENT_DEFERRED;
	return ST_DENIED;
}

/* One step: says a line (base64 already) and reads the answer. */
static status step(client *c, const char *before, slice coded, arena *a, struct reply *r,
	struct client_result *why)
{
	c->secret = true;
	status kind = client_ask(c, c->patience.hello, a, r, "%s%.*s", before, SLICE_ARGS(coded));

	c->secret = false;
	return kind == ST_OK ? ST_OK : logon_lost(kind, why);
}

/* ---- PLAIN and LOGIN */

static status plain(client *c, const struct client_logon *l, arena *a, struct client_result *why)
{
	text raw = TEXT_INIT;
	struct reply r;

	text_add_char(&raw, '\0');
	text_add(&raw, l->name);
	text_add_char(&raw, '\0');
	text_add(&raw, l->secret);
	slice coded = base64_encode(text_slice(&raw), a);
	secret_forget(raw.at, raw.size);
	text_free(&raw);
	TRY(step(c, "AUTH PLAIN ", coded, a, &r, why));
	return verdict(&r, why);
}

static status login(client *c, const struct client_logon *l, arena *a, struct client_result *why)
{
	struct reply r;

	TRY(step(c, "AUTH LOGIN", S(""), a, &r, why));
	if (r.code == 334)
		TRY(step(c, "", base64_encode(l->name, a), a, &r, why));
	if (r.code == 334)
		TRY(step(c, "", base64_encode(l->secret, a), a, &r, why));
	return verdict(&r, why);
}

/* ---- SCRAM-SHA-256 (RFC 5802 3 and 5) */

struct proving {
	slice password, salt, message;
	unsigned iterations;
	uint8_t proof[SCRAM_KEY], signature[SCRAM_KEY];
};

static status prove(void *proving)
{
	struct proving *p = proving;

	scram_client_proof(p->password, p->salt, p->iterations, p->message, p->proof, p->signature);
	return ST_OK;
}

/* "=" and "," of a name are written as "=3D" and "=2C". */
static slice escaped(slice name, arena *a)
{
	text out = TEXT_INIT;

	for (size_t i = 0; i < name.size; i++) {
		if (name.at[i] == '=')
			text_add(&out, S("=3D"));
		else if (name.at[i] == ',')
			text_add(&out, S("=2C"));
		else
			text_add_char(&out, name.at[i]);
	}
	slice safe = arena_copy(a, text_slice(&out));
	text_free(&out);
	return safe;
}

/* "r=nonce,s=salt,i=4096": the nonce must begin with ours. */
static bool parse_first(
	slice server, slice ours, arena *a, slice *nonce, slice *salt, unsigned *iterations)
{
	slice part[3];
	uint64_t count;

	for (int i = 0; i < 3; i++)
		if (!slice_take(&server, ',', &part[i]) || part[i].size < 3)
			return false;
	*nonce = slice_from(part[0], 2);
	if (!slice_starts(part[0], S("r=")) || !slice_starts(*nonce, ours) ||
		nonce->size == ours.size || !slice_starts(part[1], S("s=")) ||
		!slice_starts(part[2], S("i=")) ||
		base64_decode(slice_from(part[1], 2), a, salt) != ST_OK ||
		!slice_number(slice_from(part[2], 2), &count) || count == 0 ||
		count > ITERATIONS_MOST)
		return false;
	*iterations = (unsigned)count;
	return true;
}

static bool server_proved(const struct reply *r, const struct proving *p, arena *a)
{
	slice said, signature;

	return base64_decode(r->text, a, &said) == ST_OK && slice_starts(said, S("v=")) &&
	       base64_decode(slice_from(said, 2), a, &signature) == ST_OK &&
	       secret_same(signature, slice_of(p->signature, SCRAM_KEY));
}

static status scram(client *c, const struct client_logon *l, arena *a, struct client_result *why)
{
	struct proving p = {0};
	uint8_t random[18];
	slice said, nonce, name;
	struct reply r;

	if (saslprep(l->name, a, &name) != ST_OK || saslprep(l->secret, a, &p.password) != ST_OK)
		return logon_refused("the name or password for the host cannot be used", why);
	random_bytes(random, sizeof random);
	slice ours = base64_encode(slice_of(random, sizeof random), a);
	name = escaped(name, a);
	slice bare = arena_format(a, "n=%.*s,r=%.*s", SLICE_ARGS(name), SLICE_ARGS(ours));
	slice first = arena_format(a, "n,,%.*s", SLICE_ARGS(bare));
	TRY(step(c, "AUTH SCRAM-SHA-256 ", base64_encode(first, a), a, &r, why));
	if (r.code != 334)
		return verdict(&r, why);
	if (base64_decode(r.text, a, &said) != ST_OK ||
		!parse_first(said, ours, a, &nonce, &p.salt, &p.iterations)) {
		c->over = true;
		return logon_refused("the host's part of the logon is malformed", why);
	}
	slice rest = arena_format(a, "c=biws,r=%.*s", SLICE_ARGS(nonce));
	p.message = arena_format(
		a, "%.*s,%.*s,%.*s", SLICE_ARGS(bare), SLICE_ARGS(said), SLICE_ARGS(rest));
	status kind = task_offload(prove, &p);
	if (kind != ST_OK)
		return logon_lost(kind, why);
	slice proof = base64_encode(slice_of(p.proof, SCRAM_KEY), a);
	slice last = arena_format(a, "%.*s,p=%.*s", SLICE_ARGS(rest), SLICE_ARGS(proof));
	TRY(step(c, "", base64_encode(last, a), a, &r, why));
	if (!reply_is(&r, 2) && r.code != 334)
		return verdict(&r, why);
	if (r.code != 334 || !server_proved(&r, &p, a)) {
		c->over = true;
		return logon_refused("the host does not prove that it knows the password", why);
	}
	TRY(step(c, "", S(""), a, &r, why));
	return verdict(&r, why);
}

status client_logon_run(
	client *c, const struct client_logon *l, arena *a, struct client_result *why)
{
	bool may_show = stream_is_tls(c->stream) || l->in_clear;

	if (c->mechanisms & MECHANISM_SCRAM)
		return scram(c, l, a, why);
	if (!may_show && c->mechanisms)
		return logon_refused("the host offers a logon in the clear only", why);
	if (c->mechanisms & MECHANISM_PLAIN)
		return plain(c, l, a, why);
	if (c->mechanisms & MECHANISM_LOGIN)
		return login(c, l, a, why);
	return logon_refused("the host offers no logon we know", why);
}
