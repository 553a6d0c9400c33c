/* What owners want done with their mail: redirections, answers and who was told; for both
   stores. */
#include "tests/unit/provider/leads.h"

#include "base/clock.h"
#include "base/id.h"
#include "provider/address_map.h"
#include "provider/answer.h"
#include "provider/domain.h"
#include "provider/mailbox.h"
#include "provider/postoffice.h"
#include "provider/redirection.h"
#include "provider/setting.h"

#include <criterion/criterion.h>

static const struct audit_by by = {.who = {"test", 4}};
static arena a;
static slice why;
static struct office {
	int64_t id;
	slice domain;
	int64_t anna, postmaster;
} here, there;

static struct office office(void)
{
	slice name = arena_format(&a, "po%lld", (long long)id_new());
	struct mailbox_new n = {.name = S("anna"), .password = S("Secret-Word-1")};
	struct office o = {.domain = arena_format(&a, "%.*s.test", SLICE_ARGS(name))};
	postoffice *p;
	mailbox *m;

	cr_assert_eq(postoffice_make(name, S("Secret-Word-1"), &by, &a, &p, &why), ST_OK);
	o.id = p->id;
	cr_assert_eq(domain_make(o.id, o.domain, true, &by, &a, &why), ST_OK);
	cr_assert_eq(mailbox_make(o.id, &n, &by, &a, &m, &why), ST_OK);
	o.anna = m->id;
	cr_assert_eq(mailbox_find(o.id, S("postmaster"), &a, &m), ST_OK);
	o.postmaster = m->id;
	return o;
}

static void setup(void)
{
	leads_begin();
	here = office();
	there = office();
}

static void teardown(void)
{
	arena_release(&a);
	leads_end();
}

TestSuite(handling, .init = setup, .fini = teardown, .timeout = 300);

static slice at_home(const char *local)
{
	return arena_format(&a, "%s@%.*s", local, SLICE_ARGS(here.domain));
}

/* As the route of anna's address tells it. */
static unsigned bits(void)
{
	struct route r;

	cr_assert_eq(address_resolve(S("anna"), here.domain, 0, &a, &r), ST_OK);
	return r.handling;
}

/* ---- redirections */

static const char *shown(void)
{
	redirection r;
	slice all = S("");

	if (redirection_of(here.id, here.anna, &a, &r) != ST_OK)
		return "none";
	for (int i = 0; i < r.n; i++)
		all = arena_format(&a, "%.*s%.*s ", SLICE_ARGS(all), SLICE_ARGS(r.targets[i]));
	return arena_format(&a, "%.*s%s", SLICE_ARGS(all), r.keep ? "kept" : "gone").at;
}

Test(handling, redirections_are_set_changed_and_removed)
{
	slice two[] = {S("x@Example.ORG"), S("ben@example.net"), S("X@example.org")},
	      one[] = {S("y@example.org")};

	cr_assert_str_eq(shown(), "none");
	cr_assert_eq(bits(), 0);
	cr_assert_eq(redirection_set(here.id, here.anna, two, 3, true, &by, &a, &why), ST_OK);
	cr_assert_str_eq(shown(), "x@example.org ben@example.net kept");
	cr_assert_eq(bits(), HANDLING_REDIRECT);
	cr_assert_eq(redirection_set(here.id, here.anna, one, 1, false, &by, &a, &why), ST_OK);
	cr_assert_str_eq(shown(), "y@example.org gone");
	cr_assert_eq(redirection_remove(here.id, here.anna, &by), ST_OK);
	cr_assert_str_eq(shown(), "none");
	cr_assert_eq(bits(), 0);
	cr_assert_eq(redirection_remove(here.id, here.anna, &by), ST_ABSENT);
}

Test(handling, redirections_that_cannot_be)
{
	const struct {
		slice written[3];
		int n;
		status wanted;
	} rows[] = {
		{{{0}}, 0, ST_INVALID},
		{{S("no address")}, 1, ST_INVALID},
		{{S("x@[192.0.2.1]")}, 1, ST_INVALID},
		{{S("x@example.org"), at_home("anna")}, 2, ST_INVALID},
		{{S("x@example.org"), at_home("ANNA+detail")}, 2, ST_INVALID},
		{{S("x@example.org"), S("y@example.org"), S("z@example.org")}, 3, ST_LIMITED},
		{{S("x@example.org"), S("y@example.org"), S("X@EXAMPLE.org")}, 3, ST_OK},
	};
	struct setting_at at = {.postoffice = here.id};
	slice most = S("2");

	cr_assert_eq(setting_set(S_redirection_targets_most, &at, &most, &by, &a, &why), ST_OK);
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		why = S("");
		status kind = redirection_set(
			here.id, here.anna, rows[i].written, rows[i].n, false, &by, &a, &why);

		cr_assert_eq(kind, rows[i].wanted, "row %zu: %s", i, status_name(kind));
		cr_assert_eq(why.size > 0, kind != ST_OK, "row %zu", i);
	}
	cr_assert_eq(redirection_set(here.id, id_new(), rows[6].written, 1, false, &by, &a, &why),
		ST_ABSENT);
}

Test(handling, redirections_are_their_post_offices_own)
{
	slice one[] = {S("x@example.org")};
	redirection r;

	cr_assert_eq(redirection_set(there.id, here.anna, one, 1, false, &by, &a, &why), ST_ABSENT);
	cr_assert_eq(redirection_set(here.id, here.anna, one, 1, false, &by, &a, &why), ST_OK);
	cr_assert_eq(redirection_of(there.id, here.anna, &a, &r), ST_ABSENT);
	cr_assert_eq(redirection_remove(there.id, here.anna, &by), ST_ABSENT);
	cr_assert_str_eq(shown(), "x@example.org gone");
	cr_assert_eq(bits(), HANDLING_REDIRECT);
}

/* ---- answers */

static answer usual(void)
{
	return (answer){.text = S("I am away."), .ends = USEC_NEVER};
}

static status set(answer w)
{
	why = S("");
	return answer_set(here.id, here.anna, &w, &by, &a, &why);
}

static status due(slice sender, const char *named)
{
	slice to = at_home(named);
	answer w;

	return answer_due(here.id, here.anna, sender, &to, 1, &a, &w);
}

Test(handling, answers_are_set_changed_and_removed)
{
	answer w = usual(), found;

	w.subject = S("Away");
	w.reply_to = S("Ben@Example.ORG");
	w.starts = 1000 * USEC_S;
	cr_assert_eq(answer_of(here.id, here.anna, &a, &found), ST_ABSENT);
	cr_assert_eq(set(w), ST_OK);
	cr_assert_eq(bits(), HANDLING_ANSWER);
	cr_assert_eq(answer_of(here.id, here.anna, &a, &found), ST_OK);
	cr_assert(slice_same(found.subject, S("Away")) && slice_same(found.text, S("I am away.")));
	cr_assert(slice_same(found.reply_to, S("Ben@example.org")));
	cr_assert(found.starts == 1000 * USEC_S && found.ends == USEC_NEVER);
	cr_assert_eq(set(usual()), ST_OK);
	cr_assert_eq(answer_of(here.id, here.anna, &a, &found), ST_OK);
	cr_assert_eq(found.subject.size + found.reply_to.size, 0);
	cr_assert_eq(found.starts, 0);
	cr_assert_eq(answer_of(there.id, here.anna, &a, &found), ST_ABSENT);
	cr_assert_eq(answer_remove(there.id, here.anna, &by), ST_ABSENT);
	cr_assert_eq(answer_remove(here.id, here.anna, &by), ST_OK);
	cr_assert_eq(bits(), 0);
	cr_assert_eq(answer_remove(here.id, here.anna, &by), ST_ABSENT);
}

Test(handling, answers_that_cannot_be)
{
	const answer rows[] = {
		{.ends = USEC_NEVER},
		{.text = S("a\xff"), .ends = USEC_NEVER},
		{.text = slice_of("a\0b", 3), .ends = USEC_NEVER},
		{.text = S("x"), .subject = S("two\nlines"), .ends = USEC_NEVER},
		{.text = S("x"), .reply_to = S("no address"), .ends = USEC_NEVER},
		{.text = S("x"), .starts = 5, .ends = 5},
	};
	answer w = usual();

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		cr_assert_eq(set(rows[i]), ST_INVALID, "row %zu", i);
		cr_assert(why.size > 0, "row %zu", i);
	}
	cr_assert_eq(answer_set(here.id, here.postmaster, &w, &by, &a, &why), ST_DENIED);
	cr_assert_eq(answer_set(here.id, id_new(), &w, &by, &a, &why), ST_ABSENT);
	cr_assert_eq(answer_set(there.id, here.anna, &w, &by, &a, &why), ST_ABSENT);
	cr_assert_eq(bits(), 0);
}

Test(handling, answers_are_due_in_their_time_to_who_named_the_mailbox)
{
	answer w = usual();

	cr_assert_eq(due(S("eve@example.org"), "anna"), ST_ABSENT);
	w.starts = clock_wall() + 3600 * USEC_S;
	cr_assert_eq(set(w), ST_OK);
	cr_assert_eq(due(S("eve@example.org"), "anna"), ST_ABSENT);
	w.starts = 0;
	w.ends = clock_wall() - USEC_S;
	cr_assert_eq(set(w), ST_OK);
	cr_assert_eq(due(S("eve@example.org"), "anna"), ST_ABSENT);
	cr_assert_eq(set(usual()), ST_OK);
	cr_assert_eq(due(S("eve@example.org"), "anna"), ST_OK);
	cr_assert_eq(due(S("eve@example.org"), "postmaster"), ST_FOREIGN);
	cr_assert_eq(due(at_home("anna"), "anna"), ST_DENIED);
}
