/* SASL mechanisms, one row each. A mechanism is a step function that is called with the client's
   bytes until it is done; what it must remember between two steps stands in struct sasl. Where a
   post office does not take the mechanism, what is right is wrong: at the same price, or the
   difference would tell who guessed right (T40). */
#include "provider/sasl.h"

#include "base/encode.h"
#include "base/random.h"
#include "base/secret.h"
#include "base/text.h"
#include "provider/saslprep.h"
#include "provider/scram.h"
#include "provider/setting.h"

#define MESSAGE_MOST 12288 /* octets of one client message (T35) */
#define NONCE_MOST 512     /* octets of a client's nonce */
#define NONCE_RAW 18       /* random octets of ours */

struct mechanism {
	const char *name;
	status (*step)(sasl *s, slice in, arena *a, slice *out, bool *done, struct identity *who);
	const char *prompt; /* challenge when the client sent no initial response */
	bool plus;          /* binds the TLS channel */
	bool tokens;        /* needs a sasl_token_check */
	bool shows;         /* the password itself */
};

struct sasl {
	const struct mechanism *row;
	const struct sasl_peer *peer;
	arena *talk;
	int step;
	bool over;
	slice name;
	/* SCRAM */
	struct auth_scram verifier;
	slice gs2, binding, nonce, first_bare, server_first;
};

static slice fixed_nonce;
static sasl_token_check *token_check;

void sasl_nonce_fix(slice nonce)
{
	fixed_nonce = nonce;
}

void sasl_tokens(sasl_token_check *check)
{
	token_check = check;
}

static bool has_nul(slice s)
{
	return slice_find(s, '\0') < s.size;
}

static status by_password(
	sasl *s, slice name, slice password, arena *a, bool *done, struct identity *who)
{
	struct identity found = {0};

	TRY(auth_password_by(slice_z(s->row->name), name, password, &s->peer->from, a, &found));
	*who = found;
	*done = true;
	return ST_OK;
}

/* ---- PLAIN: [authzid] NUL authcid NUL passwd */

static status step_plain(sasl *s, slice in, arena *a, slice *out, bool *done, struct identity *who)
{
	slice rest = in, as, name;

	(void)out;
	if (!slice_take(&rest, '\0', &as) || !rest.at || !slice_take(&rest, '\0', &name) ||
		!rest.at || has_nul(rest) || name.size == 0 || rest.size == 0)
		return ST_INVALID;
	/* Nobody acts for another here (T44). */
	if (as.size > 0 && !slice_same(as, name))
		return ST_DENIED;
	return by_password(s, name, rest, a, done, who);
}

/* ---- LOGIN: name, then password, each for a prompt */

static status step_login(sasl *s, slice in, arena *a, slice *out, bool *done, struct identity *who)
{
	if (in.size == 0 || has_nul(in))
		return ST_INVALID;
	if (s->step == 1) {
		s->name = arena_copy(s->talk, in);
		*out = S("Password:");
		return ST_OK;
	}
	return by_password(s, s->name, in, a, done, who);
}

/* ---- SCRAM-SHA-256 and -PLUS (RFC 5802, 7677) */

static bool plus_offered(const struct sasl_peer *p)
{
	return p->from.secure && p->binding &&
	       setting_lists(S_auth_mechanisms, NULL, S("SCRAM-SHA-256-PLUS"));
}

/* Told to clients that ask what there is, as the postmaster decided: always, or where the older
   binding is to be had. */
static bool plus_announced(const struct sasl_peer *p)
{
	slice when = setting_text(S_auth_plus_announced, NULL), data;
	arena a = ARENA_INIT;

	if (!plus_offered(p) || slice_same(when, S("never")))
		return false;
	if (slice_same(when, S("always")))
		return true;
	bool older = p->binding(p->arg, S("tls-unique"), &a, &data) == ST_OK;
	arena_release(&a);
	return older;
}

/* Takes "x=value," off the message. */
static bool take_attribute(slice *rest, char letter, slice *value)
{
	slice part;

	if (!rest->at || !slice_take(rest, ',', &part) || part.size < 2 || part.at[0] != letter ||
		part.at[1] != '=')
		return false;
	*value = slice_from(part, 2);
	return true;
}

/* "=2C" is a comma, "=3D" an equals sign, no other = may stand in a saslname. */
static status read_saslname(slice coded, arena *a, slice *name)
{
	char *to = arena_new(a, coded.size + 1);
	size_t n = 0;

	for (size_t i = 0; i < coded.size; i++) {
		if (coded.at[i] != '=') {
			to[n++] = coded.at[i];
			continue;
		}
		slice escape = slice_until(slice_from(coded, i), 3);
		if (!slice_same(escape, S("=2C")) && !slice_same(escape, S("=3D")))
			return ST_INVALID;
		to[n++] = escape.at[1] == '2' ? ',' : '=';
		i += 2;
	}
	*name = slice_of(to, n);
	return n > 0 && !has_nul(*name) ? ST_OK : ST_INVALID;
}

static bool is_printable(slice s) /* RFC 5802 7: %x21-2B / %x2D-7E */
{
	for (size_t i = 0; i < s.size; i++)
		if (s.at[i] < 0x21 || s.at[i] > 0x7e || s.at[i] == ',')
			return false;
	return s.size > 0;
}

/* The flag n, y or p=type: what the client thinks of channel binding. */
static status read_binding_flag(sasl *s, slice flag)
{
	if (slice_starts(flag, S("p="))) {
		if (!s->row->plus)
			return ST_INVALID;
		if (!s->peer->binding || s->peer->binding(s->peer->arg, slice_from(flag, 2),
						 s->talk, &s->binding) != ST_OK)
			return ST_DENIED;
		return ST_OK;
	}
	if (s->row->plus)
		return ST_INVALID;
	if (slice_same(flag, S("n")))
		return ST_OK;
	/* y: "I could, but you did not offer it". We did: somebody took it out of the list on the
	   way. */
	if (slice_same(flag, S("y")))
		return plus_announced(s->peer) ? ST_DENIED : ST_OK;
	return ST_INVALID;
}

static slice server_nonce(slice client, arena *a)
{
	uint8_t raw[NONCE_RAW];

	random_bytes(raw, sizeof raw);
	slice ours = fixed_nonce.size ? fixed_nonce : base64_encode(slice_of(raw, sizeof raw), a);
	return arena_format(a, "%.*s%.*s", SLICE_ARGS(client), SLICE_ARGS(ours));
}

static status scram_first(sasl *s, slice in, arena *a, slice *out)
{
	slice rest = in, flag, as, coded_name, client_nonce, name_as = {0};

	/* gs2-header: flag , [a=authzid] , */
	if (!slice_take(&rest, ',', &flag) || !rest.at || !slice_take(&rest, ',', &as) || !rest.at)
		return ST_INVALID;
	if (as.size > 0) {
		if (!slice_starts(as, S("a=")))
			return ST_INVALID;
		TRY(read_saslname(slice_from(as, 2), a, &name_as));
	}
	s->gs2 = arena_copy(s->talk, slice_until(in, in.size - rest.size));
	s->first_bare = arena_copy(s->talk, rest);
	TRY(read_binding_flag(s, flag));

	/* An extension the server must understand ("m=") is none we know: it fails as no name. */
	if (!take_attribute(&rest, 'n', &coded_name) ||
		!take_attribute(&rest, 'r', &client_nonce) || !is_printable(client_nonce) ||
		client_nonce.size > NONCE_MOST)
		return ST_INVALID;
	TRY(read_saslname(coded_name, s->talk, &s->name));
	if (name_as.size > 0 && !slice_same(name_as, s->name))
		return ST_DENIED;

	slice prepared;
	if (saslprep(s->name, s->talk, &prepared) == ST_OK)
		s->name = prepared;
	TRY(auth_scram_find(s->name, &s->peer->from, s->talk, &s->verifier));
	s->nonce = server_nonce(client_nonce, s->talk);
	slice salt = base64_encode(s->verifier.salt, a);
	s->server_first = arena_format(s->talk, "r=%.*s,s=%.*s,i=%u", SLICE_ARGS(s->nonce),
		SLICE_ARGS(salt), s->verifier.iterations);
	*out = s->server_first;
	return ST_OK;
}

/* c= must repeat the gs2 header, with the channel's data behind it when it was bound. */
static bool binding_right(const sasl *s, slice coded, arena *a)
{
	text wanted = TEXT_INIT;
	slice given;

	text_add(&wanted, s->gs2);
	text_add(&wanted, s->binding);
	bool right =
		base64_decode(coded, a, &given) == ST_OK && secret_same(given, text_slice(&wanted));
	text_free(&wanted);
	return right;
}

static status scram_final(sasl *s, slice in, arena *a, slice *out, bool *done, struct identity *who)
{
	slice rest = in, binding, nonce, coded, proof;
	size_t last = slice_find_last(in, ',');

	if (!take_attribute(&rest, 'c', &binding) || !take_attribute(&rest, 'r', &nonce) ||
		!rest.at || !slice_starts(slice_from(in, last), S(",p=")))
		return ST_INVALID;
	coded = slice_from(in, last + 3);
	if (base64_decode(coded, a, &proof) != ST_OK || proof.size != SCRAM_KEY)
		return ST_INVALID;

	slice without_proof = slice_until(in, last);
	slice message = arena_format(a, "%.*s,%.*s,%.*s", SLICE_ARGS(s->first_bare),
		SLICE_ARGS(s->server_first), SLICE_ARGS(without_proof));
	bool right = scram_proof_right(s->verifier.stored_key, message, proof);
	right &= secret_same(nonce, s->nonce);
	right &= binding_right(s, binding, a);
	right &= auth_mechanism_taken(slice_z(s->row->name), s->verifier.identity.postoffice);
	TRY(auth_scram_done(&s->verifier, s->name, &s->peer->from, right));

	uint8_t signature[SCRAM_KEY];
	scram_server_signature(s->verifier.server_key, message, signature);
	slice told = base64_encode(slice_of(signature, sizeof signature), a);
	*out = arena_format(a, "v=%.*s", SLICE_ARGS(told));
	*who = s->verifier.identity;
	*done = true;
	return ST_OK;
}

static status step_scram(sasl *s, slice in, arena *a, slice *out, bool *done, struct identity *who)
{
	/* Whatever stands in a message, bytes below a blank and NUL do not. */
	for (size_t i = 0; i < in.size; i++)
		if ((unsigned char)in.at[i] < 0x20)
			return ST_INVALID;
	return s->step == 1 ? scram_first(s, in, a, out) : scram_final(s, in, a, out, done, who);
}

/* ---- XOAUTH2: "user=" name ^A "auth=Bearer " token ^A ^A */

static status step_xoauth2(
	sasl *s, slice in, arena *a, slice *out, bool *done, struct identity *who)
{
	slice rest = in, user, bearer, last;

	/* The second message answers the error we told as a challenge; it is empty and changes
	   nothing. */
	if (s->step > 1)
		return ST_DENIED;
	if (!slice_take(&rest, 1, &user) || !slice_take(&rest, 1, &bearer) ||
		!slice_take(&rest, 1, &last) || last.size > 0 || !rest.at || rest.size > 0 ||
		!slice_starts(user, S("user=")) || !slice_starts_nocase(bearer, S("auth=Bearer ")))
		return ST_INVALID;
	struct identity found = {0};
	status kind =
		token_check(slice_from(user, 5), slice_from(bearer, 12), &s->peer->from, a, &found);
	if (kind == ST_OK && !auth_mechanism_taken(slice_z(s->row->name), found.postoffice))
		kind = ST_DENIED;
	if (kind == ST_DENIED) {
		*out = S("{\"status\":\"401\",\"schemes\":\"bearer\"}");
		return ST_OK;
	}
	TRY(kind);
	*who = found;
	*done = true;
	return ST_OK;
}

/* ---- the table; the order is that of the announcement */

static const struct mechanism mechanisms[] = {
	{.name = "SCRAM-SHA-256-PLUS", .step = step_scram, .prompt = "", .plus = true},
	{.name = "SCRAM-SHA-256", .step = step_scram, .prompt = ""},
	{.name = "PLAIN", .step = step_plain, .prompt = "", .shows = true},
	{.name = "LOGIN", .step = step_login, .prompt = "Username:", .shows = true},
	{.name = "XOAUTH2", .step = step_xoauth2, .prompt = "", .tokens = true},
};
#define MECHANISMS (sizeof mechanisms / sizeof mechanisms[0])

static bool on_offer(const struct mechanism *m, const struct sasl_peer *p)
{
	if (!p->from.secure && !setting_on(S_auth_allow_cleartext, NULL))
		return false;
	if (m->plus && !plus_offered(p))
		return false;
	if ((m->tokens && !token_check) || (m->shows && p->password_unseen))
		return false;
	return setting_lists(S_auth_mechanisms, NULL, slice_z(m->name));
}

slice sasl_offered(const struct sasl_peer *p, arena *a)
{
	slice all = {0};

	for (size_t i = 0; i < MECHANISMS; i++)
		if (on_offer(&mechanisms[i], p) && (!mechanisms[i].plus || plus_announced(p)))
			all = arena_format(a, "%.*s%s%s", SLICE_ARGS(all), all.size ? " " : "",
				mechanisms[i].name);
	return all;
}

status sasl_start(slice mechanism, const struct sasl_peer *p, arena *a, sasl **out)
{
	for (size_t i = 0; i < MECHANISMS; i++) {
		if (!slice_same_nocase(mechanism, slice_z(mechanisms[i].name)))
			continue;
		if (!on_offer(&mechanisms[i], p))
			return ST_ABSENT;
		sasl *s = arena_new(a, sizeof *s);
		struct sasl_peer *peer = arena_new(a, sizeof *peer);
		*peer = *p;
		*s = (sasl){.row = &mechanisms[i], .peer = peer, .talk = a};
		*out = s;
		return ST_OK;
	}
	return ST_ABSENT;
}

status sasl_step(sasl *s, const slice *in, arena *a, slice *out, bool *done, struct identity *who)
{
	*out = (slice){0};
	*done = false;
	if (s->over) /* failed, aborted or done before: nothing of it can be gone on with */
		return ST_INVALID;
	if (!in) {
		if (s->step > 0)
			return ST_INVALID;
		*out = slice_z(s->row->prompt);
		return ST_OK;
	}
	s->step++;
	status kind =
		in->size > MESSAGE_MOST ? ST_INVALID : s->row->step(s, *in, a, out, done, who);
	if (kind != ST_OK || *done)
		sasl_abort(s);
	return kind;
}

void sasl_abort(sasl *s)
{
	secret_forget(s->verifier.stored_key, sizeof s->verifier.stored_key);
	secret_forget(s->verifier.server_key, sizeof s->verifier.server_key);
	s->over = true;
}
