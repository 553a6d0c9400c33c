/* Where addresses lead: details, masks, domains that stand for others, groups, and what becomes of
   them when a message comes. */
#include "tests/unit/provider/leads.h"

#include "base/id.h"
#include "provider/address_map.h"
#include "provider/domain.h"
#include "provider/group.h"
#include "provider/internal.h"
#include "provider/mailbox.h"
#include "provider/postoffice.h"
#include "provider/resolve.h"
#include "provider/setting.h"

#include <criterion/criterion.h>
#include <stdio.h>

static const struct audit_by by = {.who = {"test", 4}};
static arena a;
static slice why;
static struct office {
	int64_t id;
	slice name, domain;
} here, there;

static struct office office(void)
{
	struct office o = {.name = arena_format(&a, "po%lld", (long long)id_new())};
	postoffice *p;

	o.domain = arena_format(&a, "%.*s.test", SLICE_ARGS(o.name));
	cr_assert_eq(postoffice_make(o.name, S("Secret-Word-1"), &by, &a, &p, &why), ST_OK);
	cr_assert_eq(domain_make(p->id, o.domain, true, &by, &a, &why), ST_OK);
	o.id = p->id;
	return o;
}

static int64_t box(const struct office *o, const char *name)
{
	struct mailbox_new n = {.name = slice_z(name), .password = S("Secret-Word-1")};
	mailbox *m;

	cr_assert_eq(mailbox_make(o->id, &n, &by, &a, &m, &why), ST_OK, "%s", name);
	return m->id;
}

static void setup(void)
{
	leads_begin();
	here = office();
	there = office();
	box(&here, "anna");
	box(&here, "ben");
}

static void teardown(void)
{
	arena_release(&a);
	leads_end();
}

TestSuite(leads, .init = setup, .fini = teardown, .timeout = 300);

/* "anna" as "anna@<domain of here>"; what has an @ or [ stays. */
static slice at_home(const char *written)
{
	slice s = slice_z(written);

	return slice_find(s, '@') < s.size
		       ? s
		       : arena_format(&a, "%s@%.*s", written, SLICE_ARGS(here.domain));
}

static const char *lead_in(const char *local, slice domain)
{
	struct route r;
	status s = address_lead(slice_z(local), domain, 0, &a, &r);

	if (s != ST_OK)
		return status_name(s);
	if (r.group)
		return "a group";
	return arena_z(&a, r.remote.size ? r.remote : r.mailbox_name);
}

static const char *lead(const char *local)
{
	return lead_in(local, here.domain);
}

static void mask(const char *written, const char *target, int64_t place)
{
	slice to = slice_z(target);

	if (slice_find(to, '[') == to.size)
		to = arena_format(&a, "[SF:%.*s/%s]", SLICE_ARGS(here.name), target);
	cr_assert_eq(address_mask_set(here.id, at_home(written), to, place, &by, &a, &why), ST_OK,
		"%s: %.*s", written, SLICE_ARGS(why));
}

static group *group_of(const struct office *o, const char *name, enum group_posting posting)
{
	group *g;

	cr_assert_eq(group_make(o->id, slice_z(name), S(""), posting, &by, &a, &g, &why), ST_OK,
		"%.*s", SLICE_ARGS(why));
	cr_assert_eq(
		address_make_group(o->id, arena_format(&a, "%s@%.*s", name, SLICE_ARGS(o->domain)),
			g->id, &by, &a, &why),
		ST_OK);
	return g;
}

/* "anna ben x@example.org" */
static void fill(const group *g, const char *members)
{
	slice rest = slice_z(members), one;
	int added;

	while (slice_take(&rest, ' ', &one)) {
		slice written = at_home(arena_z(&a, one));

		cr_assert_eq(
			group_members_add(g->postoffice, g->id, &written, 1, &by, &a, &added, &why),
			ST_OK, "%.*s", SLICE_ARGS(why));
	}
}

/* Whom a recipient leads to, in order of names: "anna ben! x@example.org"; ! = gets nothing. */
static int by_name(const void *x, const void *y)
{
	return slice_order(*(const slice *)x, *(const slice *)y);
}

static const char *whom_of(const struct resolution *r)
{
	slice *names = arena_new_array(&a, (size_t)r->n + 1, sizeof *names);
	slice all = S("");

	for (int i = 0; i < r->n; i++) {
		slice name = r->to[i].remote ? r->to[i].address : r->to[i].route.mailbox_name;

		names[i] =
			arena_format(&a, "%.*s%s", SLICE_ARGS(name.size ? name : r->to[i].address),
				r->to[i].kind == ST_OK ? "" : "!");
	}
	qsort(names, (size_t)r->n, sizeof *names, by_name);
	for (int i = 0; i < r->n; i++)
		all = arena_format(
			&a, "%.*s%s%.*s", SLICE_ARGS(all), i ? " " : "", SLICE_ARGS(names[i]));
	return arena_z(&a, all);
}

static const char *whom(const char *local)
{
	struct resolution r;
	status s = resolve(slice_z(local), here.domain, 0, NULL, &a, &r);

	return s != ST_OK ? status_name(s)
	       : r.n == 0 ? arena_z(&a, r.route.mailbox_name)
			  : whom_of(&r);
}

/* ---- the map */

Test(leads, to_the_mailbox_in_front_of_a_detail)
{
	struct setting_at at = {.domain = here.domain, .postoffice = here.id};
	slice dashes = S("-="), none = S("");

	cr_assert_str_eq(lead("anna+lists"), "anna");
	cr_assert_str_eq(lead("ANNA+a+b"), "anna");
	cr_assert_str_eq(lead("+lists"), "absent");
	cr_assert_str_eq(lead("nobody+lists"), "absent");
	cr_assert_eq(
		address_make(here.id, at_home("anna+private"), box(&here, "carl"), &by, &a, &why),
		ST_OK);
	cr_assert_str_eq(lead("anna+private"), "carl");
	cr_assert_eq(setting_set(S_address_separators, &at, &dashes, &by, &a, &why), ST_OK);
	cr_assert_str_eq(lead("anna=x-y"), "anna");
	cr_assert_str_eq(lead("ben-x"), "ben");
	cr_assert_str_eq(lead("ben+x"), "absent");
	cr_assert_eq(setting_set(S_address_separators, &at, &none, &by, &a, &why), ST_OK);
	cr_assert_str_eq(lead("ben-y"), "absent");
	cr_assert_eq(setting_set(S_address_separators, &at, NULL, &by, &a, &why), ST_OK);
}

Test(leads, by_masks_in_their_order)
{
	domain *d;
	address_mask *rows;
	int n;

	mask("sales-*", "anna", -1);
	mask("sales-?", "ben", -1);
	mask("an*", "ben", -1);
	cr_assert_eq(domain_find(here.domain, &a, &d), ST_OK);
	d->catch_all = S("postmaster");
	cr_assert_eq(domain_change(d, &by, &a, &why), ST_OK);
	cr_assert_str_eq(lead("Sales-1"), "anna");
	cr_assert_str_eq(lead("anna"), "anna");
	cr_assert_str_eq(lead("anna+x"), "anna");
	cr_assert_str_eq(lead("anton"), "ben");
	cr_assert_str_eq(lead("whoever"), "postmaster");
	mask("sales-?", "ben", 5);
	cr_assert_str_eq(lead("sales-1"), "ben");
	cr_assert_str_eq(lead("sales-12"), "anna");
	mask("*", "anna", -1);
	cr_assert_str_eq(lead("whoever"), "anna");
	cr_assert_str_eq(lead("postmaster"), "postmaster");
	cr_assert_str_eq(lead("abuse"), "postmaster");
	cr_assert_eq(address_mask_list(here.id, here.domain, &a, &rows, &n), ST_OK);
	cr_assert_eq(n, 4);
	cr_assert(slice_same(rows[0].mask, at_home("sales-?")));
	cr_assert_eq(rows[0].place, 5);
	cr_assert(slice_same(rows[3].mask, at_home("*")));
	cr_assert_eq(address_mask_remove(here.id, at_home("sales-?"), &by), ST_OK);
	cr_assert_eq(address_mask_remove(here.id, at_home("sales-?"), &by), ST_ABSENT);
	cr_assert_str_eq(lead("sales-1"), "anna");
	/* What would never be asked is refused. */
	cr_assert_eq(address_mask_set(here.id, at_home("anna"), S("[SMTP:x@example.org]"), -1, &by,
			     &a, &why),
		ST_EXISTS);
}

Test(leads, to_other_systems)
{
	mask("info", "[SMTP:desk@example.org]", -1);
	mask("b*", "[SMTP:*]", -1);
	mask("c*", "[SMTP:*@example.net]", -1);
	cr_assert_str_eq(lead("info"), "desk@example.org");
	cr_assert_str_eq(lead("ben"), "ben");
	cr_assert_str_eq(lead("bert"), arena_z(&a, at_home("bert")));
	cr_assert_str_eq(lead("carla"), "carla@example.net");
	struct route r;
	cr_assert_eq(address_resolve(S("info"), here.domain, 0, &a, &r), ST_FOREIGN);
	cr_assert_str_eq(whom("info"), "desk@example.org");
}

Test(leads, from_a_domain_that_stands_for_another)
{
	slice other = arena_format(&a, "also-%.*s", SLICE_ARGS(here.domain));
	slice third = arena_format(&a, "third-%.*s", SLICE_ARGS(here.domain));
	domain *d;

	cr_assert_eq(domain_alias(there.id, other, here.domain, &by, &a, &why), ST_INVALID);
	cr_assert_eq(domain_alias(here.id, other, here.domain, &by, &a, &why), ST_OK);
	cr_assert_eq(domain_alias(here.id, other, here.domain, &by, &a, &why), ST_EXISTS);
	cr_assert_eq(domain_alias(here.id, third, other, &by, &a, &why), ST_INVALID);
	box(&here, "dora");
	mask("sales-*", "ben", -1);
	cr_assert_str_eq(lead_in("Anna", other), "anna");
	cr_assert_str_eq(lead_in("dora", other), "dora");
	cr_assert_str_eq(lead_in("anna+x", other), "anna");
	cr_assert_str_eq(lead_in("sales-1", other), "ben");
	cr_assert_str_eq(lead_in("postmaster", other), "postmaster");
	cr_assert_str_eq(lead_in("nobody", other), "absent");
	cr_assert_eq(address_domain_is_ours(other), ST_OK);
	bool ours[3];
	cr_assert_eq(
		address_domains_ours((slice[]){S("example.org"), other, there.domain}, 3, &a, ours),
		ST_OK);
	cr_assert(!ours[0] && ours[1] && ours[2]);
	cr_assert_eq(address_make(here.id, arena_format(&a, "x@%.*s", SLICE_ARGS(other)),
			     box(&here, "eve"), &by, &a, &why),
		ST_INVALID);
	cr_assert_eq(domain_find(other, &a, &d), ST_OK);
	cr_assert(slice_same(d->stands_for, here.domain));
	d->state = DOMAIN_DISABLED;
	cr_assert_eq(domain_change(d, &by, &a, &why), ST_OK);
	cr_assert_str_eq(lead_in("anna", other), "denied");
	cr_assert_str_eq(lead("anna"), "anna");
	cr_assert_eq(domain_remove(here.id, here.domain, &by), ST_OK);
	cr_assert_str_eq(lead_in("anna", other), "foreign");
}

Test(leads, nobody_elsewhere_who_was_not_told)
{
	cr_assert_eq(address_mask_set(here.id, at_home("x-*"),
			     arena_format(&a, "[SF:%.*s/postmaster]", SLICE_ARGS(there.name)), -1,
			     &by, &a, &why),
		ST_INVALID);
	cr_assert_eq(
		address_mask_set(here.id, arena_format(&a, "x-*@%.*s", SLICE_ARGS(there.domain)),
			S("[SMTP:*]"), -1, &by, &a, &why),
		ST_INVALID);
	cr_assert_eq(address_mask_set(here.id, at_home("x-*"), S("anna"), -1, &by, &a, &why),
		ST_INVALID);
	cr_assert_eq(address_mask_set(here.id, at_home("*a*a*a*a*a*a*a*a*a"), S("[SMTP:*]"), -1,
			     &by, &a, &why),
		ST_INVALID);
	cr_assert_eq(address_mask_remove(there.id, at_home("x-*"), &by), ST_ABSENT);
}

/* ---- room */

static struct route way_to(const struct office *o, const char *name)
{
	struct route r;

	cr_assert_eq(address_resolve(slice_z(name), o->domain, 0, &a, &r), ST_OK, "%s", name);
	return r;
}

Test(leads, whoever_has_room_by_now_is_known_of_all_at_once)
{
	box(&here, "carl");
	box(&here, "dora");
	box(&there, "eve");
	struct route anna = way_to(&here, "anna"), ben = way_to(&here, "ben"),
		     carl = way_to(&here, "carl"), dora = way_to(&here, "dora"),
		     eve = way_to(&there, "eve"), boss = anna;
	const struct route *all[] = {&anna, &ben, &carl, &dora, &eve, &boss, &ben};
	static const status wanted[2][7] = {
		{ST_OK, ST_OK, ST_DENIED, ST_ABSENT, ST_FULL, ST_OK, ST_OK},
		{ST_FULL, ST_OK, ST_DENIED, ST_ABSENT, ST_FULL, ST_OK, ST_OK},
	};
	status kinds[7];

	boss.postmaster = true; /* whose room is 1 MB more */
	cr_assert_eq(mailbox_set_quota(here.id, anna.mailbox, 100, &by), ST_OK);
	cr_assert_eq(mailbox_set_quota(there.id, eve.mailbox, 99, &by), ST_OK);
	cr_assert_eq(mailbox_set_state(here.id, carl.mailbox, MAILBOX_DISABLED, &by), ST_OK);
	cr_assert_eq(mailbox_remove(here.id, dora.mailbox, &by), ST_OK);
	for (unsigned more = 0; more < 2; more++) {
		cr_assert_eq(address_rooms(all, 7, 100 + more, &a, kinds), ST_OK);
		for (int i = 0; i < 7; i++)
			cr_expect_eq(kinds[i], wanted[more][i], "%d octets, %d: %s", 100 + more, i,
				status_name(kinds[i]));
	}
	cr_assert_eq(address_rooms(all, 1, 100 + (1 << 20), &a, kinds), ST_OK);
	cr_expect_eq(kinds[0], ST_FULL);
	cr_assert_eq(address_rooms(all + 5, 1, 100 + (1 << 20), &a, kinds), ST_OK);
	cr_expect_eq(kinds[0], ST_OK);
	cr_assert_eq(address_rooms(all + 5, 1, 101 + (1 << 20), &a, kinds), ST_OK);
	cr_expect_eq(kinds[0], ST_FULL);
	cr_expect_eq(address_rooms(NULL, 0, 1, &a, NULL), ST_OK);
}

/* ---- groups */

Test(leads, to_every_member_of_a_group_once)
{
	group *team = group_of(&here, "team", GROUP_USUAL),
	      *all = group_of(&here, "all", GROUP_USUAL);

	fill(team, "anna anna+x ben x@example.org X@Example.org");
	fill(all, "team ben all postmaster x@example.org y@example.org");
	cr_assert_str_eq(whom("team"), "anna ben x@example.org");
	cr_assert_str_eq(whom("team+detail"), "anna ben x@example.org");
	cr_assert_str_eq(whom("all"), "anna ben postmaster x@example.org y@example.org");
	fill(team, "all");
	cr_assert_str_eq(whom("all"), "anna ben postmaster x@example.org y@example.org");
	cr_assert_str_eq(whom("team"), "anna ben postmaster x@example.org y@example.org");
	cr_assert_str_eq(whom("anna"), "anna");
	struct route r;
	cr_assert_eq(address_resolve(S("team"), here.domain, 0, &a, &r), ST_ABSENT);
	cr_assert_eq(
		address_owned(here.id, box(&here, "team2"), S("team"), here.domain), ST_DENIED);
}

Test(leads, a_group_has_several_addresses_masks_and_domains)
{
	group *team = group_of(&here, "team", GROUP_USUAL), *found;
	slice other = arena_format(&a, "also-%.*s", SLICE_ARGS(here.domain));
	domain *d;

	cr_assert_eq(domain_alias(here.id, other, here.domain, &by, &a, &why), ST_OK);
	fill(team, "anna ben");
	slice member = arena_format(&a, "carl@%.*s", SLICE_ARGS(other));
	box(&here, "carl");
	int added;
	cr_assert_eq(
		group_members_add(here.id, team->id, &member, 1, &by, &a, &added, &why), ST_OK);
	cr_assert_eq(added, 1);
	cr_assert_eq(address_make_group(here.id, at_home("crew"), team->id, &by, &a, &why), ST_OK);
	cr_assert_eq(
		address_make_group(here.id, at_home("crew"), team->id, &by, &a, &why), ST_EXISTS);
	cr_assert_eq(address_make_group(there.id,
			     arena_format(&a, "crew@%.*s", SLICE_ARGS(there.domain)), team->id, &by,
			     &a, &why),
		ST_ABSENT);
	mask("crew-*", "team", -1);
	cr_assert_str_eq(whom("crew"), "anna ben carl");
	cr_assert_str_eq(whom("crew-7"), "anna ben carl");
	cr_assert_eq(domain_find(here.domain, &a, &d), ST_OK);
	d->catch_all = S("team");
	d->abuse = at_home("crew");
	cr_assert_eq(domain_change(d, &by, &a, &why), ST_OK);
	cr_assert_str_eq(whom("whoever"), "anna ben carl");
	cr_assert_str_eq(whom("abuse"), "anna ben carl");
	cr_assert_eq(group_find(here.id, S("TEAM"), &a, &found), ST_OK);
	cr_assert_eq(found->members, 3);
	cr_assert_eq(found->address_count, 2);
	cr_assert_eq(group_remove(here.id, team->id, &by), ST_OK);
	cr_assert_str_eq(whom("crew"), "absent");
}

Test(leads, one_member_keeps_it_from_no_other)
{
	group *team = group_of(&here, "team", GROUP_USUAL);
	int64_t carl = box(&here, "carl"), dora = box(&here, "dora");
	struct resolution r;

	fill(team, "carl dora nobody");
	cr_assert_eq(mailbox_set_state(here.id, carl, MAILBOX_DISABLED, &by), ST_OK);
	cr_assert_eq(mailbox_set_quota(here.id, dora, 100, &by), ST_OK);
	cr_assert_eq(resolve(S("team"), here.domain, 101, NULL, &a, &r), ST_DENIED);
	fill(team, "anna");
	cr_assert_eq(resolve(S("team"), here.domain, 101, NULL, &a, &r), ST_OK);
	cr_assert_str_eq(whom_of(&r),
		arena_format(&a, "anna carl! dora! nobody@%.*s!", SLICE_ARGS(here.domain)).at);
	for (int i = 0; i < r.n; i++)
		if (slice_same(r.to[i].route.mailbox_name, S("dora")))
			cr_assert_eq(r.to[i].kind, ST_FULL);
	cr_assert_eq(resolve(S("team"), here.domain, 100, NULL, &a, &r), ST_OK);
	cr_assert_str_eq(whom_of(&r),
		arena_format(&a, "anna carl! dora nobody@%.*s!", SLICE_ARGS(here.domain)).at);
	group_of(&here, "empty", GROUP_USUAL);
	cr_assert_str_eq(whom("empty"), "absent");
}

Test(leads, what_is_another_post_offices_gets_what_anybody_would_send_there)
{
	group *team = group_of(&here, "team", GROUP_USUAL),
	      *theirs = group_of(&there, "theirs", GROUP_USUAL), *none;
	slice otto = arena_format(&a, "otto@%.*s", SLICE_ARGS(there.domain)),
	      nobody = arena_format(&a, "nobody@%.*s", SLICE_ARGS(there.domain)),
	      group_there = arena_format(&a, "theirs@%.*s", SLICE_ARGS(there.domain)),
	      in_theirs = at_home("anna"), outside = S("x@example.org");
	struct resolution r;
	group_member *rows;
	int added, n;

	box(&there, "otto");
	cr_assert_eq(group_members_add(there.id, theirs->id, &in_theirs, 1, &by, &a, &added, &why),
		ST_OK);
	fill(team, arena_z(&a, otto));
	fill(team, arena_z(&a, nobody));
	fill(team, arena_z(&a, group_there));
	cr_assert_eq(resolve(S("team"), here.domain, 0, NULL, &a, &r), ST_OK);
	cr_assert_str_eq(whom_of(&r), arena_format(&a, "anna %.*s! otto", SLICE_ARGS(nobody)).at);
	cr_assert_not(r.outside);
	for (int i = 0; i < r.n; i++) {
		bool is_otto = slice_same(r.to[i].route.mailbox_name, S("otto"));

		cr_assert_not(r.to[i].remote);
		cr_assert_eq(r.to[i].route.postoffice, is_otto ? there.id : here.id);
	}
	/* Whom anybody may not write to, nobody writes to through a group of somebody else; each
	   way. */
	cr_assert_eq(
		group_members_add(there.id, theirs->id, &outside, 1, &by, &a, &added, &why), ST_OK);
	cr_assert_eq(resolve(S("team"), here.domain, 0, NULL, &a, &r), ST_OK);
	cr_assert_str_eq(whom_of(&r),
		arena_format(&a, "%.*s! otto %.*s!", SLICE_ARGS(nobody), SLICE_ARGS(group_there))
			.at);
	theirs->posting = GROUP_OPEN;
	cr_assert_eq(group_change(theirs, &by, &a, &why), ST_OK);
	cr_assert_eq(resolve(S("team"), here.domain, 0, NULL, &a, &r), ST_OK);
	cr_assert_str_eq(whom_of(&r),
		arena_format(&a, "anna %.*s! otto x@example.org", SLICE_ARGS(nobody)).at);
	cr_assert(r.outside);
	theirs->posting = GROUP_POSTOFFICE;
	cr_assert_eq(group_change(theirs, &by, &a, &why), ST_OK);
	cr_assert_eq(resolve(S("team"), here.domain, 0, NULL, &a, &r), ST_OK);
	cr_assert_str_eq(whom_of(&r),
		arena_format(&a, "%.*s! otto %.*s!", SLICE_ARGS(nobody), SLICE_ARGS(group_there))
			.at);

	/* Neither sees the other's groups, by name or by number. */
	cr_assert_eq(group_find(here.id, S("theirs"), &a, &none), ST_ABSENT);
	cr_assert_eq(group_list(here.id, S(""), 10, &a, &none, &n), ST_OK);
	cr_assert_eq(n, 1);
	cr_assert_eq(group_members(here.id, theirs->id, S(""), 10, &a, &rows, &n), ST_OK);
	cr_assert_eq(n, 0);
	cr_assert_eq(group_remove(here.id, theirs->id, &by), ST_ABSENT);
	cr_assert_eq(group_members_add(here.id, theirs->id, &in_theirs, 1, &by, &a, &added, &why),
		ST_ABSENT);
	cr_assert_eq(group_member_remove(here.id, theirs->id, in_theirs, &by), ST_ABSENT);
}

Test(leads, bounds_hold)
{
	struct setting_at at = {.postoffice = here.id};
	group *team = group_of(&here, "team", GROUP_USUAL),
	      *all = group_of(&here, "all", GROUP_USUAL), *none;
	slice four = S("4"), one = S("1"), many[3];
	address_mask *rows;
	int added, n;

	cr_assert_eq(setting_set(S_group_members_most, &at, &four, &by, &a, &why), ST_OK);
	cr_assert_eq(setting_set(S_group_recipients_most, &at, &four, &by, &a, &why), ST_OK);
	cr_assert_eq(setting_set(S_address_masks_most, &at, &one, &by, &a, &why), ST_OK);
	for (int i = 0; i < 3; i++)
		many[i] = arena_format(&a, "m%d@example.org", i);
	cr_assert_eq(group_members_add(here.id, team->id, many, 3, &by, &a, &added, &why), ST_OK);
	cr_assert_eq(added, 3);
	cr_assert_eq(group_members_add(here.id, team->id, many, 3, &by, &a, &added, &why), ST_OK);
	cr_assert_eq(added, 0);
	many[0] = S("n0@example.org");
	many[1] = S("n1@example.org");
	cr_assert_eq(
		group_members_add(here.id, team->id, many, 3, &by, &a, &added, &why), ST_LIMITED);
	many[1] = S("no address");
	cr_assert_eq(
		group_members_add(here.id, team->id, many, 2, &by, &a, &added, &why), ST_INVALID);
	cr_assert(slice_search(why, S("no address")) < why.size);
	cr_assert_eq(group_find(here.id, S("team"), &a, &none), ST_OK);
	cr_assert_eq(none->members, 3);
	fill(all, "anna ben team x@example.org");
	cr_assert_str_eq(whom("all"), "limited");
	cr_assert_eq(group_member_remove(here.id, all->id, S("x@example.org"), &by), ST_OK);
	cr_assert_eq(group_member_remove(here.id, all->id, S("x@example.org"), &by), ST_ABSENT);
	cr_assert_str_eq(whom("all"), "limited");
	cr_assert_eq(group_member_remove(here.id, all->id, at_home("ben"), &by), ST_OK);
	cr_assert_str_eq(whom("all"), "anna m0@example.org m1@example.org m2@example.org");
	mask("a-*", "anna", -1);
	mask("a-*", "ben", -1);
	cr_assert_eq(address_mask_set(here.id, at_home("b-*"), S("[SMTP:*]"), -1, &by, &a, &why),
		ST_LIMITED);
	cr_assert_eq(address_mask_list(here.id, S(""), &a, &rows, &n), ST_OK);
	cr_assert_eq(n, 1);
	cr_assert_eq(group_make(here.id, S("TEAM"), S(""), GROUP_USUAL, &by, &a, &none, &why),
		ST_EXISTS);
	cr_assert_eq(group_make(here.id, S("Anna"), S(""), GROUP_USUAL, &by, &a, &none, &why),
		ST_EXISTS);
	cr_assert_eq(group_make(here.id, S("a b"), S(""), GROUP_USUAL, &by, &a, &none, &why),
		ST_INVALID);
}

Test(leads, groups_within_groups_end)
{
	char name[8], inner[8];
	group *before = group_of(&here, "g0", GROUP_USUAL);

	fill(before, "anna");
	for (int i = 1; i <= 20; i++) {
		snprintf(name, sizeof name, "g%d", i);
		snprintf(inner, sizeof inner, "g%d", i - 1);
		fill(group_of(&here, name, GROUP_USUAL), inner);
	}
	cr_assert_str_eq(whom("g19"), "anna");
	cr_assert_str_eq(whom("g20"), "limited");
}

/* ---- reports (RFC 3461 5.2.7) */

Test(leads, report_requests_go_along)
{
	group *team = group_of(&here, "team", GROUP_USUAL),
	      *one = group_of(&here, "one", GROUP_USUAL);
	rcpt_parameters dsn = {.notify = NOTIFY_SUCCESS | NOTIFY_FAILURE};
	struct resolution r;

	fill(team, "anna x@example.org");
	fill(one, "x@example.org");
	cr_assert_eq(resolve(S("Team"), here.domain, 0, &dsn, &a, &r), ST_OK);
	cr_assert(r.expanded);
	cr_assert_eq(r.to[1].notify, NOTIFY_FAILURE);
	cr_assert(slice_same(
		r.to[0].orcpt, arena_format(&a, "rfc822;Team@%.*s", SLICE_ARGS(here.domain))));
	dsn = (rcpt_parameters){.notify = NOTIFY_SUCCESS,
		.has_orcpt = true,
		.orcpt_type = S("rfc822"),
		.orcpt = S("z@example.com")};
	cr_assert_eq(resolve(S("team"), here.domain, 0, &dsn, &a, &r), ST_OK);
	cr_assert(r.expanded);
	cr_assert_eq(r.to[0].notify, NOTIFY_NEVER);
	cr_assert(slice_same(r.to[1].orcpt, S("rfc822;z@example.com")));
	cr_assert_eq(resolve(S("one"), here.domain, 0, &dsn, &a, &r), ST_OK);
	cr_assert_not(r.expanded);
	cr_assert_eq(r.to[0].notify, NOTIFY_SUCCESS);
	cr_assert_eq(resolve(S("team"), here.domain, 0, NULL, &a, &r), ST_OK);
	cr_assert_eq(r.to[0].notify, 0);
	cr_assert_not(r.expanded);
}

/* ---- who may post */

Test(leads, who_may_post_by_row)
{
	group *team = group_of(&here, "team", GROUP_USUAL);
	mailbox *anna, *ben;
	cr_assert_eq(mailbox_find(here.id, S("anna"), &a, &anna), ST_OK);
	cr_assert_eq(mailbox_find(here.id, S("ben"), &a, &ben), ST_OK);
	const struct poster stranger = {.address = S("s@example.com"), .known = true},
			    claims_member = {.address = S("X@example.org")},
			    member_outside = {.address = S("X@example.org"), .known = true},
			    of_there = {.postoffice = there.id, .mailbox = anna->id},
			    is_anna = {.postoffice = here.id, .mailbox = anna->id},
			    is_ben = {.postoffice = here.id, .mailbox = ben->id};
	const struct {
		enum group_posting posting;
		bool outside;
		const struct poster *who;
		bool may;
	} rows[] = {
		{GROUP_USUAL, false, &stranger, true},
		{GROUP_USUAL, true, &stranger, false},
		{GROUP_USUAL, true, &member_outside, false},
		{GROUP_USUAL, true, &of_there, false},
		{GROUP_USUAL, true, &is_ben, true},
		{GROUP_OPEN, true, &stranger, true},
		{GROUP_MEMBERS, true, &stranger, false},
		{GROUP_MEMBERS, true, &claims_member, false},
		{GROUP_MEMBERS, true, &member_outside, true},
		{GROUP_MEMBERS, true, &of_there, false},
		{GROUP_MEMBERS, true, &is_ben, false},
		{GROUP_MEMBERS, true, &is_anna, true},
		{GROUP_POSTOFFICE, false, &stranger, false},
		{GROUP_POSTOFFICE, false, &of_there, false},
		{GROUP_POSTOFFICE, false, &is_ben, true},
	};

	fill(team, "anna");
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct resolution r;

		if (rows[i].outside)
			fill(team, "x@example.org");
		else
			group_member_remove(here.id, team->id, S("x@example.org"), &by);
		team->posting = rows[i].posting;
		cr_assert_eq(group_change(team, &by, &a, &why), ST_OK);
		cr_assert_eq(resolve(S("team"), here.domain, 0, NULL, &a, &r), ST_OK);
		cr_assert_eq(group_may_post(&r, rows[i].who), rows[i].may, "row %zu", i);
	}
}

/* ---- internal addresses and masks as texts */

Test(leads, internal_addresses_by_row)
{
	const struct {
		const char *written;
		status kind;
		const char *text;
	} rows[] = {
		{"[SF:Demo/Anna]", ST_OK, "[SF:demo/Anna]"},
		{" sf:demo/anna ", ST_OK, "[SF:demo/anna]"},
		{"[SMTP:*]", ST_OK, "[SMTP:*]"},
		{"smtp:*@EXAMPLE.org", ST_OK, "[SMTP:*@example.org]"},
		{"[SMTP:Anna@Example.ORG]", ST_OK, "[SMTP:Anna@example.org]"},
		{"[SMTP:anna]", ST_INVALID, ""},
		{"[SMTP:*@]", ST_INVALID, ""},
		{"[SMTP:a@[192.0.2.1]]", ST_INVALID, ""},
		{"[SF:demo]", ST_INVALID, ""},
		{"[SF:/anna]", ST_INVALID, ""},
		{"anna@example.org", ST_FOREIGN, ""},
		{"[LS:demo/list]", ST_FOREIGN, ""},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct internal to;

		cr_assert_eq(internal_parse(slice_z(rows[i].written), &a, &to, &why), rows[i].kind,
			"%s", rows[i].written);
		if (rows[i].kind == ST_OK)
			cr_assert(slice_same(internal_text(&to, &a), slice_z(rows[i].text)), "%s",
				rows[i].written);
	}
}

Test(leads, masks_fit_by_row)
{
	const struct {
		const char *mask, *local;
		bool fits;
	} rows[] = {
		{"*", "", true},
		{"*", "anna", true},
		{"?", "a", true},
		{"?", "", false},
		{"?", "ab", false},
		{"a*b*c", "abc", true},
		{"a*b*c", "axxbyybzzc", true},
		{"a*b*c", "axxbyy", false},
		{"?\xc3\xa4*", "x\xc3\xa4y", true},
		{"a?b",
			"a\xc3\xa4"
			"b",
			true},
		{"sales-*", "sales", false},
		{"*-x", "a-b-x", true},
		{"a%", "ab", false},
		{"a_", "ab", false},
		{"%", "%", true},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		cr_assert_eq(internal_matches(slice_z(rows[i].mask), slice_z(rows[i].local)),
			rows[i].fits, "%s %s", rows[i].mask, rows[i].local);
	/* The store finds by the same rule. */
	mask("a%*", "anna", -1);
	mask("b_?", "ben", -1);
	cr_assert_str_eq(lead("axx"), "absent");
	cr_assert_str_eq(lead("a%x"), "anna");
	cr_assert_str_eq(lead("bxy"), "absent");
	cr_assert_str_eq(lead("b_\xc3\xa4"), "ben");
}
