/* Macros: what milters are told of client, message and house beside the commands themselves. One
   row tells a macro's name, where it is told when a milter does not ask otherwise, and how it is
   found. */
#include "base/id.h"
#include "connector/smtp/milter_inside.h"

#include <inttypes.h>

typedef slice finder(conversation *c, const struct macro_at *at);

/* ---- the house */

static slice local_domain(conversation *c, const struct macro_at *at)
{
	(void)c, (void)at;
	return smtp_local_domain();
}

static slice daemon_name(conversation *c, const struct macro_at *at)
{
	(void)at;
	return slice_z(service_name(c->service));
}

static slice daemon_address(conversation *c, const struct macro_at *at)
{
	(void)at;
	return c->local.family ? net_address_text(&c->local, &c->command) : S("");
}

static slice daemon_port(conversation *c, const struct macro_at *at)
{
	(void)at;
	return c->local.family ? arena_format(&c->command, "%u", c->local.port) : S("");
}

static slice version(conversation *c, const struct macro_at *at)
{
	(void)c, (void)at;
	return S(PACKAGE_NAME " " PACKAGE_VERSION);
}

/* ---- the client */

static slice client_address(conversation *c, const struct macro_at *at)
{
	(void)at;
	return smtp_client(c)->family ? net_address_text(smtp_client(c), &c->command) : S("");
}

static slice client_port(conversation *c, const struct macro_at *at)
{
	(void)at;
	return smtp_client(c)->family ? arena_format(&c->command, "%u", smtp_client(c)->port)
				      : S("");
}

static slice client_name(conversation *c, const struct macro_at *at)
{
	(void)at;
	slice name = policy_host(c)->verified;
	return name.size ? name : S("unknown");
}

static slice client_ptr(conversation *c, const struct macro_at *at)
{
	(void)at;
	slice name = policy_host(c)->claimed;
	return name.size ? name : S("unknown");
}

/* Sendmail's words. */
static slice client_resolve(conversation *c, const struct macro_at *at)
{
	const host_name *host = policy_host(c);

	(void)at;
	if (host->verified.size)
		return S("OK");
	if (host->claimed.size)
		return S("FORGED");
	return host->kind == DNS_NO_NAME || host->kind == DNS_NO_DATA ? S("FAIL") : S("TEMP");
}

static slice client_both(conversation *c, const struct macro_at *at)
{
	slice address = client_address(c, at);

	return address.size ? arena_format(&c->command, "%.*s [%.*s]",
				      SLICE_ARGS(client_name(c, at)), SLICE_ARGS(address))
			    : S("localhost");
}

static struct stream_tls tls_of(conversation *c)
{
	struct stream_tls facts = {0};

	if (stream_is_tls(c->stream))
		stream_tls_facts(c->stream, &c->command, &facts);
	return facts;
}

static slice tls_version(conversation *c, const struct macro_at *at)
{
	(void)at;
	return tls_of(c).version;
}

static slice tls_cipher(conversation *c, const struct macro_at *at)
{
	(void)at;
	return tls_of(c).cipher;
}

static slice tls_bits(conversation *c, const struct macro_at *at)
{
	int bits = tls_of(c).bits;

	(void)at;
	return bits ? arena_format(&c->command, "%d", bits) : S("");
}

/* ---- who logged on */

static slice auth_type(conversation *c, const struct macro_at *at)
{
	(void)at;
	return smtp_of(c)->authenticated ? smtp_of(c)->mechanism : S("");
}

static slice auth_name(conversation *c, const struct macro_at *at)
{
	const struct smtp *s = smtp_of(c);

	(void)at;
	return s->authenticated
		       ? arena_format(&c->command, "%.*s@%.*s", SLICE_ARGS(s->who.mailbox_name),
				 SLICE_ARGS(s->who.postoffice_name))
		       : S("");
}

static slice auth_author(conversation *c, const struct macro_at *at)
{
	(void)at;
	return smtp_of(c)->parameters.auth;
}

/* ---- the message */

static slice message_id(conversation *c, const struct macro_at *at)
{
	char id[ID_TEXT_SIZE + 1];

	(void)at;
	if (milter_message(c) == 0)
		return S("");
	id_text(milter_message(c), id);
	return arena_copy(&c->command, slice_z(id));
}

static slice sender_address(conversation *c, const struct macro_at *at)
{
	(void)at;
	return mail_address_text(&smtp_of(c)->sender, &c->command);
}

static slice sender_host(conversation *c, const struct macro_at *at)
{
	(void)at;
	return smtp_of(c)->sender.domain;
}

static slice sender_mailer(conversation *c, const struct macro_at *at)
{
	(void)at;
	return smtp_of(c)->esmtp ? S("esmtp") : S("smtp");
}

static slice recipient_address(conversation *c, const struct macro_at *at)
{
	return at->recipient ? mail_address_text(&at->recipient->address, &c->command) : S("");
}

static slice recipient_host(conversation *c, const struct macro_at *at)
{
	(void)c;
	return at->recipient ? at->recipient->address.domain : S("");
}

static slice recipient_mailer(conversation *c, const struct macro_at *at)
{
	(void)c;
	if (!at->recipient)
		return S("");
	return at->refused ? S("error") : at->recipient->remote ? S("esmtp") : S("local");
}

static slice recipient_count(conversation *c, const struct macro_at *at)
{
	(void)at;
	return arena_format(&c->command, "%d", smtp_of(c)->n);
}

static slice message_size(conversation *c, const struct macro_at *at)
{
	const struct incoming *in = smtp_of(c)->incoming;

	(void)at;
	return in ? arena_format(&c->command, "%" PRIu64, in->scan.size) : S("");
}

/* ---- the table */

#define CONNECT (1u << MILTER_AT_CONNECT)
#define HELO (1u << MILTER_AT_HELO)
#define MAIL (1u << MILTER_AT_MAIL)
#define RCPT (1u << MILTER_AT_RCPT)
#define DATA (1u << MILTER_AT_DATA)
#define END (1u << MILTER_AT_END)
#define HEADER_END (1u << MILTER_AT_HEADER_END)

static const struct {
	const char *name;
	unsigned told; /* stages */
	finder *find;
} macro_rows[] = {
	{"j", CONNECT, local_domain},
	{"_", CONNECT, client_both},
	{"v", CONNECT, version},
	{"{daemon_name}", CONNECT, daemon_name},
	{"{daemon_addr}", CONNECT, daemon_address},
	{"{daemon_port}", CONNECT, daemon_port},
	{"{if_name}", CONNECT, local_domain},
	{"{if_addr}", CONNECT, daemon_address},
	{"{client_addr}", CONNECT, client_address},
	{"{client_name}", CONNECT, client_name},
	{"{client_port}", CONNECT, client_port},
	{"{client_ptr}", CONNECT, client_ptr},
	{"{client_resolve}", CONNECT, client_resolve},
	{"{tls_version}", HELO, tls_version},
	{"{cipher}", HELO, tls_cipher},
	{"{cipher_bits}", HELO, tls_bits},
	{"i", MAIL | RCPT | DATA | HEADER_END | END, message_id},
	{"{auth_type}", MAIL, auth_type},
	{"{auth_authen}", MAIL, auth_name},
	{"{auth_author}", MAIL, auth_author},
	{"{mail_addr}", MAIL, sender_address},
	{"{mail_host}", MAIL, sender_host},
	{"{mail_mailer}", MAIL, sender_mailer},
	{"{rcpt_addr}", RCPT, recipient_address},
	{"{rcpt_host}", RCPT, recipient_host},
	{"{rcpt_mailer}", RCPT, recipient_mailer},
	{"{nrcpts}", 0, recipient_count},
	{"{msg_size}", 0, message_size},
};

static bool stage_of(enum milter_command command, enum milter_stage *stage)
{
	static const struct {
		enum milter_command command;
		enum milter_stage stage;
	} rows[] = {
		{MILTER_CONNECT, MILTER_AT_CONNECT},
		{MILTER_HELO, MILTER_AT_HELO},
		{MILTER_MAIL, MILTER_AT_MAIL},
		{MILTER_RCPT, MILTER_AT_RCPT},
		{MILTER_DATA, MILTER_AT_DATA},
		{MILTER_HEADER_END, MILTER_AT_HEADER_END},
		{MILTER_END, MILTER_AT_END},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		if (rows[i].command == command) {
			*stage = rows[i].stage;
			return true;
		}
	return false;
}

/* A list names macros with blanks or commas between them, one-letter ones with or without
   braces. */
static bool is_asked_for(slice list, const char *name)
{
	slice own = slice_z(name), word;

	while (list.size > 0) {
		size_t end = 0;
		while (end < list.size && list.at[end] != ' ' && list.at[end] != ',')
			end++;
		word = slice_until(list, end);
		list = slice_from(list, end + 1);
		if (slice_same(word, own) || (own.size == 1 && word.size == 3 &&
						     word.at[0] == '{' && word.at[1] == *name))
			return true;
	}
	return false;
}

void milter_macros(
	conversation *c, struct milter *m, enum milter_command command, const struct macro_at *at)
{
	enum milter_stage stage;

	if (!stage_of(command, &stage))
		return;
	slice list = m->terms.macros[stage];
	size_t begun = milter_begin(&m->out, MILTER_MACROS);
	text_add_char(&m->out, (char)command);
	for (size_t i = 0; i < sizeof macro_rows / sizeof *macro_rows; i++) {
		if (!(list.at ? is_asked_for(list, macro_rows[i].name)
			      : (macro_rows[i].told & 1u << stage) != 0))
			continue;
		slice value = macro_rows[i].find(c, at);
		if (value.size == 0)
			continue;
		milter_add_string(&m->out, slice_z(macro_rows[i].name));
		milter_add_string(&m->out, value);
	}
	milter_end(&m->out, begun);
}
