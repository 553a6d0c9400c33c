/* VRFY and EXPN (RFC 5321 3.5): who an address is. */
#include "connector/smtp/session.h"
#include "provider/resolve.h"

status smtp_vrfy(conversation *c, slice rest)
{
	mail_address whom;
	struct route route;
	if (mail_address_parse(rest, &c->command, &whom) != ST_OK)
		return smtp_idle(c, "252 2.5.0 Give a full address, or send mail and see");
	status kind = address_lead(whom.local, whom.domain, 0, &c->command, &route);
	if (kind == ST_OK)
		return smtp_idle(
			c, arena_format(&c->command, "250 2.1.5 <%s>",
				   conversation_safe(c, mail_address_text(&whom, &c->command)))
				   .at);
	conversation_bad(c);
	return smtp_say_recipient(c, kind);
}

/* Whom a group of another post office holds is its own matter, also when this one leads to it. */
static bool is_told(const struct resolution *group, int i)
{
	return group->to[i].kind == ST_OK &&
	       group->to[i].route.postoffice == group->route.postoffice;
}

static status say_members(conversation *c, const struct resolution *group)
{
	int last = group->n - 1;
	while (last >= 0 && !is_told(group, last))
		last--;
	if (last < 0)
		return smtp_idle(c, "252 2.1.5 Its members are elsewhere");
	for (int i = 0, said = 0; i <= last && !c->closing; i++) {
		if (!is_told(group, i))
			continue;
		const char *line = arena_format(&c->command, "250%c2.1.5 <%s>",
			i == last ? ' ' : '-', conversation_safe(c, group->to[i].address))
					   .at;
		TRY(said++ ? conversation_say(c, "%s", line) : smtp_idle(c, line));
	}
	return ST_OK;
}

/* Members are nobody's business but of those in the post office who may write to them. */
status smtp_expn(conversation *c, slice rest)
{
	struct smtp *s = smtp_of(c);
	struct poster who = {.postoffice = s->who.postoffice, .mailbox = s->who.mailbox};
	struct resolution found;
	mail_address list;
	if (mail_address_parse(rest, &c->command, &list) != ST_OK) {
		conversation_bad(c);
		return conversation_say(c, "501 5.1.3 Give the full address of a group");
	}
	status kind = resolve(list.local, list.domain, 0, NULL, &c->command, &found);
	if (kind == ST_OK && found.n == 0)
		return smtp_vrfy(c, rest);
	if (kind == ST_OK && s->authenticated && who.postoffice == found.route.postoffice &&
		group_may_post(&found, &who))
		return say_members(c, &found);
	conversation_bad(c);
	if (kind != ST_OK)
		return smtp_say_recipient(c, kind);
	return conversation_say(
		c, "550 5.7.1 Log on as one who may write to this group to ask who is in it");
}
