/* Greylisting: who comes for the first time is asked to come again. A network of mail hosts counts
   as one client, since any of them may come the second time. */
#include "connector/smtp/policy_inside.h"
#include "provider/digest.h"
#include "provider/greylist.h"

#define KEY 16 /* bytes */

static slice key_of(conversation *c, const struct recipient *r, uint8_t room[32])
{
	const net_address *who = smtp_client(c);
	digest *d = digest_open();

	digest_add(d, slice_of(who->ip, who->family == 4 ? 3 : 8));
	digest_add(d, S("\n"));
	digest_add(d, mail_address_key(&smtp_of(c)->sender, &c->command));
	digest_add(d, S("\n"));
	digest_add(d, mail_address_key(&r->address, &c->command));
	digest_end(d, room);
	digest_close(&d);
	return slice_of(room, KEY);
}

const char *policy_greylist(conversation *c, const struct recipient *r)
{
	struct setting_at at = policy_at(r);
	const net_address *who = smtp_client(c);
	uint8_t room[32];
	usec wait = 0;

	if (who->family == 0 || !setting_on(S_greylist, &at) ||
		smtp_in_networks(S_greylist_exempt, who) ||
		greylist_meet(r->route.postoffice, key_of(c, r, room), &wait) != ST_OK || wait == 0)
		return NULL;
	return policy_refuse(c, "greylist",
		"450 4.7.1 You are new here: come again in %lld seconds (greylisting)",
		(long long)((wait + USEC_S - 1) / USEC_S));
}
