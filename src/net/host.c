/* What the DNS knows of those who talk to us; see host.h. */
#include "net/host.h"

static bool leads_to(const dns_answer *answer, const net_address *address)
{
	for (size_t i = 0; i < answer->count; i++) {
		const net_address *found = &answer->record[i].address;
		if (found->family == address->family &&
			memcmp(found->ip, address->ip, found->family == 4 ? 4 : 16) == 0)
			return true;
	}
	return false;
}

/* All names travel at once; the first in their order that leads back counts. */
static status verify(
	dns *d, const net_address *address, const dns_answer *names, arena *a, host_name *out)
{
	dns_question *asked[HOST_NAMES_MOST] = {0};
	size_t count = names->count < HOST_NAMES_MOST ? names->count : HOST_NAMES_MOST, i;
	enum dns_type type = address->family == 4 ? DNS_A : DNS_AAAA;
	status kind = ST_OK;

	for (i = 0; i < count; i++)
		asked[i] = dns_ask(d, type, names->record[i].name);
	for (i = 0; i < count && kind == ST_OK && out->verified.size == 0; i++) {
		dns_answer answer;
		kind = dns_wait(&asked[i], a, &answer);
		if (leads_to(&answer, address))
			out->verified = names->record[i].name;
	}
	for (i = 0; i < count; i++)
		dns_drop(&asked[i]);
	return kind;
}

status host_name_of(dns *d, const net_address *address, arena *a, host_name *out)
{
	dns_answer names;

	*out = (host_name){.kind = DNS_NO_NAME};
	if (address->family == 0)
		return ST_OK;
	out->kind = DNS_TEMPORARY;
	TRY(dns_find(d, DNS_PTR, dns_reverse(address, S(""), a), a, &names));
	out->kind = names.kind;
	if (names.kind != DNS_FOUND)
		return ST_OK;
	out->claimed = names.record[0].name;
	return verify(d, address, &names, a, out);
}

enum { ASK_MX, ASK_A, ASK_AAAA, ASKED };

static enum host_mail judge(const dns_answer answer[ASKED])
{
	const dns_answer *mx = &answer[ASK_MX];

	if (mx->kind == DNS_FOUND)
		return mx->count == 1 && mx->record[0].name.size == 0 ? HOST_TAKES_NONE
								      : HOST_TAKES_MAIL;
	if (mx->kind == DNS_NO_NAME)
		return HOST_TAKES_NONE;
	if (mx->kind != DNS_NO_DATA)
		return HOST_UNKNOWN;
	if (answer[ASK_A].kind == DNS_FOUND || answer[ASK_AAAA].kind == DNS_FOUND)
		return HOST_TAKES_MAIL;
	for (int i = ASK_A; i <= ASK_AAAA; i++)
		if (answer[i].kind == DNS_TEMPORARY || answer[i].kind == DNS_BOGUS)
			return HOST_UNKNOWN;
	return HOST_TAKES_NONE;
}

status host_takes_mail(dns *d, slice domain, arena *a, enum host_mail *out)
{
	static const enum dns_type types[] = {
		[ASK_MX] = DNS_MX, [ASK_A] = DNS_A, [ASK_AAAA] = DNS_AAAA};
	dns_question *asked[ASKED];
	dns_answer answer[ASKED] = {
		{.kind = DNS_TEMPORARY}, {.kind = DNS_TEMPORARY}, {.kind = DNS_TEMPORARY}};
	status kind = ST_OK;
	int i;

	*out = HOST_UNKNOWN;
	for (i = 0; i < ASKED; i++)
		asked[i] = dns_ask(d, types[i], domain);
	/* Mostly the MX says all, and nobody waits for the addresses. */
	for (i = 0; i < ASKED && kind == ST_OK; i++) {
		kind = dns_wait(&asked[i], a, &answer[i]);
		if (i == ASK_MX && answer[i].kind != DNS_NO_DATA)
			break;
	}
	for (i = 0; i < ASKED; i++)
		dns_drop(&asked[i]);
	TRY(kind);
	*out = judge(answer);
	return ST_OK;
}
