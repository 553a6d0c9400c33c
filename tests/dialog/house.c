/* The house a script is played in: the in-memory providers, furnished by `given`, looked into by
   `expect`, and disturbed. */
#include "play.h"

#include "base/encode.h"
#include "connector/smtp/smtp.h"
#include "net/ban.h"
#include "net/listener.h"
#include "provider/address_map.h"
#include "provider/answer.h"
#include "provider/domain.h"
#include "provider/group.h"
#include "provider/mailbox.h"
#include "provider/memory/memory.h"
#include "provider/postoffice.h"
#include "provider/redirection.h"
#include "provider/sasl.h"
#include "provider/setting.h"

#include "resolver.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static const struct audit_by tester = {.who = {"dialog", 6}};

/* The words of one sentence; a thing ends where a comma stood. */
struct words {
	struct play *p;
	slice rest;
	bool ended;
};

static bool word(struct words *w, slice *out)
{
	bool comma;

	if (w->ended || !script_word(&w->rest, &w->p->a, out, &comma))
		return false;
	w->ended = comma;
	return true;
}

/* What stands in quotes is none of them, and may be long. */
static bool word_is(struct words *w, const char *wanted)
{
	struct words before = *w;
	slice got;

	if (slice_starts(w->rest, S("\"")))
		return false;
	if (word(w, &got) && slice_same(got, slice_z(wanted)))
		return true;
	*w = before;
	return false;
}

static slice must_word(struct words *w)
{
	slice got = {0};

	if (!word(w, &got))
		play_fails(w->p, "a word is missing");
	return got;
}

static void must(struct play *p, status kind, slice what, slice why)
{
	if (kind != ST_OK)
		play_fails(p, "cannot make %.*s: %s %.*s", SLICE_ARGS(what), status_name(kind),
			SLICE_ARGS(why));
}

/* ---- who is there */

static struct {
	int64_t postoffice; /* the latest named: things belong to it */
	int n;
	int64_t of[64], mailbox[64];
	slice names[64];
	slice offices[64];
} house;

void house_open(void)
{
	memory_reset();
	memory_faults(true);
	resolver_reset();
	seal_reset();
	smtp_close();
	ban_share();
	memset(&house, 0, sizeof house);
	if (listener_stopping())
		listener_start(NULL, 0, NULL, NULL);
}

static void move_in(struct play *p, slice office, int64_t postoffice, slice name, int64_t mailbox)
{
	if (house.n == (int)(sizeof house.of / sizeof *house.of)) {
		play_fails(p, "too many mailboxes");
		return;
	}
	house.offices[house.n] = office;
	house.of[house.n] = postoffice;
	house.names[house.n] = arena_copy(&p->a, name);
	house.mailbox[house.n++] = mailbox;
}

/* "anna", or "anna@acme" where two have the name; -1. */
static int find_mailbox(slice name)
{
	size_t at = slice_find(name, '@');
	slice office = slice_from(name, at + 1);

	for (int i = 0; i < house.n; i++)
		if (slice_same(house.names[i], slice_until(name, at)) &&
			(office.size == 0 || slice_same(house.offices[i], office)))
			return i;
	return -1;
}

static int must_mailbox(struct play *p, slice name)
{
	int i = find_mailbox(name);

	if (i < 0)
		play_fails(p, "there is no mailbox %.*s", SLICE_ARGS(name));
	return i;
}

void house_each(void (*each)(struct play *p, int place, int64_t postoffice, int64_t mailbox),
	struct play *p)
{
	for (int i = 0; i < house.n; i++)
		each(p, i, house.of[i], house.mailbox[i]);
}

/* ---- given */

static void given_postoffice(struct words *w)
{
	struct play *p = w->p;
	slice name = must_word(w), why = {0};
	postoffice *po;
	mailbox *admin;

	status kind = postoffice_find(name, &p->a, &po);
	if (kind == ST_ABSENT) {
		kind = postoffice_make(name, S("secret-1"), &tester, &p->a, &po, &why);
		must(p, kind, name, why);
		if (kind != ST_OK)
			return;
		must(p, mailbox_find(po->id, S("postmaster"), &p->a, &admin), S("postmaster"), why);
		if (play_goes_on(p))
			move_in(p, po->name, po->id, S("postmaster"), admin->id);
	}
	if (kind == ST_OK)
		house.postoffice = po->id;
	if (word_is(w, "disabled"))
		postoffice_set_state(house.postoffice, POSTOFFICE_DISABLED, &tester);
}

static void given_domain(struct words *w)
{
	struct play *p = w->p;
	slice name = must_word(w), why = {0};
	domain *d;

	if (domain_find(name, &p->a, &d) == ST_ABSENT)
		must(p, domain_make(house.postoffice, name, true, &tester, &p->a, &why), name, why);
	if (!play_goes_on(p) || domain_find(name, &p->a, &d) != ST_OK)
		return;
	if (word_is(w, "disabled"))
		d->state = DOMAIN_DISABLED;
	if (word_is(w, "catch-all"))
		d->catch_all = must_word(w);
	if (word_is(w, "postmaster"))
		d->postmaster = must_word(w);
	if (word_is(w, "abuse"))
		d->abuse = must_word(w);
	must(p, domain_change(d, &tester, &p->a, &why), name, why);
}

static int64_t make_mailbox(struct words *w, slice name)
{
	struct play *p = w->p;
	struct mailbox_new n = {.name = name, .password = S("secret-1"), .quota = -1};
	slice why = {0};
	mailbox *made;
	postoffice *po;

	if (w->rest.size && *w->rest.at == '"')
		n.password = must_word(w);
	status kind = mailbox_make(house.postoffice, &n, &tester, &p->a, &made, &why);
	must(p, kind, name, why);
	if (kind != ST_OK || postoffice_by_id(house.postoffice, &p->a, &po) != ST_OK)
		return 0;
	move_in(p, po->name, po->id, name, made->id);
	return made->id;
}

static void given_mailbox(struct words *w)
{
	static const struct {
		const char *word;
		enum mailbox_kind kind;
	} kinds[] = {
		{"user", MAILBOX_USER}, {"admin", MAILBOX_ADMIN}, {"sysadmin", MAILBOX_SYSADMIN}};
	struct play *p = w->p;
	slice name = must_word(w);
	int known = find_mailbox(name);
	int64_t normal, id = known >= 0 ? house.mailbox[known] : 0;
	int64_t of = known >= 0 ? house.of[known] : house.postoffice;

	if (known < 0)
		id = make_mailbox(w, name);
	if (word_is(w, "quota")) {
		slice number = must_word(w);
		uint64_t n = 0;
		if (!slice_number(number, &n))
			play_fails(p, "a quota is a number of octets");
		normal = (int64_t)n;
		mailbox_set_quota(of, id, normal, &tester);
	}
	for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++)
		if (word_is(w, kinds[k].word))
			mailbox_set_kind(of, id, kinds[k].kind, &tester);
	if (word_is(w, "disabled"))
		mailbox_set_state(of, id, MAILBOX_DISABLED, &tester);
	if (word_is(w, "removed"))
		mailbox_remove(of, id, &tester);
}

static void given_address(struct words *w)
{
	struct play *p = w->p;
	slice written = must_word(w), why = {0};

	if (!word_is(w, "for"))
		play_fails(p, "address WRITTEN for MAILBOX");
	int i = must_mailbox(p, must_word(w));
	if (i >= 0)
		must(p, address_make(house.of[i], written, house.mailbox[i], &tester, &p->a, &why),
			written, why);
}

/* group team@demo.test [posting anyone|members|postoffice] with anna@demo.test with
   x@example.org */
static void given_group(struct words *w)
{
	struct play *p = w->p;
	slice written = must_word(w), why = {0};
	slice name = slice_until(written, slice_find(written, '@'));
	enum group_posting posting = GROUP_USUAL;
	group *g;
	int added;

	if (word_is(w, "posting")) {
		slice asked = must_word(w);
		while (posting + 1 < GROUP_POSTINGS &&
			!slice_same(asked, slice_z(group_posting_word(posting))))
			posting++;
	}
	if (group_find(house.postoffice, name, &p->a, &g) == ST_ABSENT) {
		must(p,
			group_make(
				house.postoffice, name, S(""), posting, &tester, &p->a, &g, &why),
			name, why);
		must(p, address_make_group(house.postoffice, written, g->id, &tester, &p->a, &why),
			written, why);
	}
	while (play_goes_on(p) && word_is(w, "with")) {
		slice member = must_word(w);
		must(p,
			group_members_add(
				house.postoffice, g->id, &member, 1, &tester, &p->a, &added, &why),
			member, why);
	}
}

/* mask sales-*@demo.test to [SF:demo/anna] */
static void given_mask(struct words *w)
{
	struct play *p = w->p;
	slice mask = must_word(w), why = {0};

	if (!word_is(w, "to"))
		play_fails(p, "mask MASK to TARGET");
	slice target = must_word(w);
	must(p, address_mask_set(house.postoffice, mask, target, -1, &tester, &p->a, &why), mask,
		why);
}

/* alias also.test of demo.test */
static void given_alias(struct words *w)
{
	struct play *p = w->p;
	slice name = must_word(w), why = {0};

	if (!word_is(w, "of"))
		play_fails(p, "alias DOMAIN of DOMAIN");
	slice real = must_word(w);
	must(p, domain_alias(house.postoffice, name, real, &tester, &p->a, &why), name, why);
}

static void given_setting(struct words *w)
{
	struct play *p = w->p;
	slice name = must_word(w), value = must_word(w), why = {0};
	struct setting_at at = {0};
	enum setting_id id;

	if (word_is(w, "in")) {
		at.postoffice = house.postoffice;
		if (word_is(w, "domain")) {
			at.domain = must_word(w);
		} else if (word_is(w, "mailbox")) {
			int i = must_mailbox(p, must_word(w));
			at.mailbox = i < 0 ? 0 : house.mailbox[i];
			at.postoffice = i < 0 ? 0 : house.of[i];
		} else if (!word_is(w, "office")) {
			play_fails(p, "setting NAME VALUE in office | domain NAME | mailbox NAME");
		}
	}
	must(p, setting_find(name, &id), name, S("no such setting"));
	if (play_goes_on(p))
		must(p, setting_set(id, &at, &value, &tester, &p->a, &why), name, why);
}

static void given_message(struct words *w)
{
	struct play *p = w->p;
	slice bytes;

	if (!word_is(w, "for"))
		play_fails(p, "message for MAILBOX \"text\" | file NAME");
	int i = must_mailbox(p, must_word(w));
	if (word_is(w, "file")) {
		if (!play_file(p, must_word(w), &bytes))
			return;
	} else {
		bytes = must_word(w);
	}
	if (i < 0)
		return;
	memory_message(house.of[i], house.mailbox[i], arena_z(&p->a, bytes));
	copies_keep(&p->given, i, bytes);
}

/* RFC 7677's example needs its salt and its nonce. */
static void given_scram(struct words *w)
{
	slice salt = {0};

	if (word_is(w, "salt"))
		must(w->p, base64_decode(must_word(w), &w->p->a, &salt), S("salt"), S("no base64"));
	memory_scram_salt(salt);
	if (word_is(w, "nonce"))
		sasl_nonce_fix(must_word(w));
}

/* dns NAME TYPE VALUE, dns NAME silent, dns NAME fails, dns NAME late "4 s" */
static void given_dns(struct words *w)
{
	slice name = must_word(w), type = must_word(w), value = {0};

	word(w, &value);
	usec late = slice_same(type, S("late")) ? play_span(&value) : -1;
	if (late >= 0)
		resolver_late(name, late);
	else if (!resolver_add(name, type, value))
		play_fails(w->p,
			"dns NAME A|AAAA|MX|NS|PTR|TXT VALUE, dns NAME silent|fails, dns NAME late SPAN");
}

/* key SELECTOR of DOMAIN */
/* redirection of anna to x@remote.test [and y@remote.test] [kept] */
static void given_redirection(struct words *w)
{
	struct play *p = w->p;
	slice targets[30], why = {0};
	int n = 0;

	if (!word_is(w, "of"))
		play_fails(p, "redirection of MAILBOX to ADDRESS [and ADDRESS]... [kept]");
	int i = must_mailbox(p, must_word(w));
	if (!word_is(w, "to"))
		play_fails(p, "redirection of MAILBOX to ADDRESS [and ADDRESS]... [kept]");
	do
		targets[n++] = must_word(w);
	while (n < 30 && word_is(w, "and"));
	bool keep = word_is(w, "kept");
	if (i >= 0)
		must(p,
			redirection_set(house.of[i], house.mailbox[i], targets, n, keep, &tester,
				&p->a, &why),
			targets[0], why);
}

/* answer of anna "text" [subject "text"] [reply-to ADDRESS] [for DAYS] */
static void given_answer(struct words *w)
{
	struct play *p = w->p;
	slice why = {0};

	if (!word_is(w, "of"))
		play_fails(p, "answer of MAILBOX \"text\"");
	int i = must_mailbox(p, must_word(w));
	answer a = {.text = must_word(w), .ends = USEC_NEVER};
	if (word_is(w, "subject"))
		a.subject = must_word(w);
	if (word_is(w, "reply-to"))
		a.reply_to = must_word(w);
	if (word_is(w, "for")) {
		slice days = must_word(w);
		uint64_t number = 0;
		slice_number(days, &number);
		a.ends = clock_wall() + (usec)number * 24 * 3600 * USEC_S;
	}
	if (i >= 0)
		must(p, answer_set(house.of[i], house.mailbox[i], &a, &tester, &p->a, &why), a.text,
			why);
}

/* pause of anna: other systems refused too much of what she wrote */
static void given_pause(struct words *w)
{
	if (!word_is(w, "of"))
		play_fails(w->p, "pause of MAILBOX");
	int i = must_mailbox(w->p, must_word(w));
	if (i >= 0)
		memory_pause(house.of[i], house.mailbox[i]);
}

static void given_key(struct words *w)
{
	slice selector = must_word(w), bits = {0};
	uint64_t number = 0;

	if (!word_is(w, "of"))
		play_fails(w->p, "key SELECTOR of DOMAIN [BITS]");
	slice domain = must_word(w);
	if (word(w, &bits) && !slice_number(bits, &number))
		play_fails(w->p, "key SELECTOR of DOMAIN [BITS]");
	seal_given(w->p, selector, domain, (unsigned)number);
}

static const struct {
	const char *name;
	void (*run)(struct words *w);
} things[] = {
	{"domain", given_domain},
	{"mailbox", given_mailbox},
	{"address", given_address},
	{"setting", given_setting},
	{"message", given_message},
	{"scram", given_scram},
	{"dns", given_dns},
	{"key", given_key},
	{"group", given_group},
	{"mask", given_mask},
	{"alias", given_alias},
	{"redirection", given_redirection},
	{"answer", given_answer},
	{"pause", given_pause},
};

static void given_thing(struct words *w)
{
	if (word_is(w, "post") && word_is(w, "office")) {
		given_postoffice(w);
		return;
	}
	for (size_t i = 0; i < sizeof things / sizeof *things; i++)
		if (word_is(w, things[i].name)) {
			things[i].run(w);
			return;
		}
	play_fails(w->p, "given what? %.*s", SLICE_ARGS(w->rest));
}

static void given(struct words *w)
{
	slice demo = S("the demo house");

	if (slice_starts(w->rest, demo))
		w->rest = arena_format(&w->p->a, "%s%.*s",
			"post office demo, domain demo.test, mailbox anna, mailbox ben",
			SLICE_ARGS(slice_from(w->rest, demo.size)));
	while (play_goes_on(w->p) && w->rest.size) {
		given_thing(w);
		if (play_goes_on(w->p) && !w->ended && w->rest.size)
			play_fails(w->p, "too many words: %.*s", SLICE_ARGS(w->rest));
		w->ended = false;
	}
}

/* ---- expect */

bool house_stored(struct play *p, slice name, slice number, slice *body)
{
	struct memory_entry *rows;
	uint64_t i;
	int n, at = must_mailbox(p, name);

	if (at < 0)
		return false;
	memory_entries(house.of[at], house.mailbox[at], &p->a, &rows, &n);
	if (!slice_number(number, &i) || i < 1 || i > (uint64_t)n) {
		play_fails(p, "%.*s has %d messages, no %.*s", SLICE_ARGS(name), n,
			SLICE_ARGS(number));
		return false;
	}
	*body = rows[i - 1].body;
	return true;
}

static void expect_count(struct play *p, const char *what, int64_t wanted, int64_t got)
{
	if (wanted != got)
		play_fails(p, "expected: %" PRId64 " %s\n     got: %" PRId64, wanted, what, got);
}

static int64_t must_number(struct words *w)
{
	uint64_t n = 0;

	if (!slice_number(must_word(w), &n))
		play_fails(w->p, "a number is missing");
	return (int64_t)n;
}

/* expect mailbox anna 2 messages */
static void expect_mailbox(struct words *w)
{
	struct memory_entry *rows;
	int n, i = must_mailbox(w->p, must_word(w));
	int64_t wanted = must_number(w);

	if (i < 0)
		return;
	memory_entries(house.of[i], house.mailbox[i], &w->p->a, &rows, &n);
	expect_count(w->p, "messages", wanted, n);
	if (!word_is(w, "messages") && !word_is(w, "message"))
		play_fails(w->p, "expect mailbox NAME N messages");
}

/* expect folder Junk of anna 1 messages */
static void expect_folder(struct words *w)
{
	struct play *p = w->p;
	slice name = must_word(w);
	folder *f;

	if (!word_is(w, "of"))
		play_fails(p, "expect folder NAME of MAILBOX N messages");
	int i = must_mailbox(p, must_word(w));
	int64_t wanted = must_number(w);
	if (i < 0)
		return;
	if (folder_find(house.of[i], house.mailbox[i], name, &p->a, &f) != ST_OK)
		play_fails(p, "there is no folder %.*s", SLICE_ARGS(name));
	else
		expect_count(p, "messages", wanted, f->messages);
	if (!word_is(w, "messages") && !word_is(w, "message"))
		play_fails(p, "expect folder NAME of MAILBOX N messages");
}

/* expect signed anna 1 by demo.test; expect sealed .. */
static void expect_signed(struct words *w, bool chain)
{
	struct play *p = w->p;
	slice name = must_word(w), number = must_word(w), body;

	if (!word_is(w, "by"))
		play_fails(p, "expect signed|sealed NAME NUMBER by DOMAIN");
	slice domain = must_word(w);
	if (!play_goes_on(p) || !house_stored(p, name, number, &body))
		return;
	if (!(chain ? seal_chain_holds : seal_holds)(p, domain, body))
		play_fails(p, "no %s of %.*s holds:\n%.*s", chain ? "chain" : "signature",
			SLICE_ARGS(domain), SLICE_ARGS(body));
}

static bool holds(slice body, slice how, slice wanted)
{
	if (slice_same(how, S("contains")))
		return slice_search(body, wanted) < body.size;
	if (slice_same(how, S("lacks")))
		return slice_search(body, wanted) == body.size;
	if (slice_same(how, S("starts")))
		return slice_starts(body, wanted);
	if (slice_same(how, S("ends")))
		return body.size >= wanted.size &&
		       slice_same(slice_from(body, body.size - wanted.size), wanted);
	return slice_same(how, S("is")) && slice_same(body, wanted);
}

/* expect body anna 1 contains|lacks|starts|ends|is "text" | file NAME */
static void expect_body(struct words *w)
{
	struct play *p = w->p;
	slice name = must_word(w), number = must_word(w), how = must_word(w), wanted = {0}, body;

	if (word_is(w, "file")) {
		if (!play_file(p, must_word(w), &wanted))
			return;
	} else {
		wanted = must_word(w);
	}
	if (!play_goes_on(p) || !house_stored(p, name, number, &body))
		return;
	if (!holds(body, how, wanted))
		play_fails(p, "expected: body %.*s \"%.*s\"\n     got:\n%.*s", SLICE_ARGS(how),
			SLICE_ARGS(wanted), SLICE_ARGS(body));
}

static const char *told_word(const queue_entry *e)
{
	static const char *const words[] = {[TOLD_DELIVERED] = "delivered",
		[TOLD_EXPANDED] = "expanded",
		[TOLD_FULL] = "full",
		[TOLD_DISABLED] = "disabled",
		[TOLD_ABSENT] = "absent",
		[TOLD_BIG] = "big"};

	return e->state == QUEUE_TELL ? words[e->told] : "nothing";
}

/* expect queued ben@b.test from anna@demo.test [envid X] [orcpt X] [told WORD] [via ADDRESS] */
static void expect_queued(struct words *w)
{
	struct play *p = w->p;
	slice address = must_word(w), envid = {0}, orcpt = {0}, told = {0}, via = {0};
	queue_entry *rows;
	int n;

	if (!word_is(w, "from"))
		play_fails(p, "expect queued ADDRESS from SENDER");
	slice sender = must_word(w);
	if (word_is(w, "envid"))
		envid = must_word(w);
	if (word_is(w, "orcpt"))
		orcpt = must_word(w);
	if (word_is(w, "told"))
		told = must_word(w);
	if (word_is(w, "via"))
		via = must_word(w);
	memory_queue(&p->a, &rows, &n);
	for (int i = 0; i < n; i++)
		if (slice_same(rows[i].address, address) && slice_same(rows[i].sender, sender) &&
			slice_same(rows[i].envid, envid) && slice_same(rows[i].orcpt, orcpt) &&
			(via.size == 0 || slice_same(rows[i].via, via)) &&
			(told.size == 0 || slice_same(told, slice_z(told_word(&rows[i])))))
			return;
	text others = TEXT_INIT;
	for (int i = 0; i < n; i++)
		text_format(&others, "; %.*s from %.*s orcpt %.*s told %s via %.*s",
			SLICE_ARGS(rows[i].address), SLICE_ARGS(rows[i].sender),
			SLICE_ARGS(rows[i].orcpt), told_word(&rows[i]), SLICE_ARGS(rows[i].via));
	play_fails(p, "nothing like that is queued, %d others are%.*s", n,
		SLICE_ARGS(text_slice(&others)));
	text_free(&others);
}

static int queued_count(struct play *p)
{
	queue_entry *rows;
	int n;

	memory_queue(&p->a, &rows, &n);
	return n;
}

static void expect(struct words *w)
{
	struct play *p = w->p;

	if (word_is(w, "mailbox"))
		expect_mailbox(w);
	else if (word_is(w, "body"))
		expect_body(w);
	else if (word_is(w, "folder"))
		expect_folder(w);
	else if (word_is(w, "signed"))
		expect_signed(w, false);
	else if (word_is(w, "sealed"))
		expect_signed(w, true);
	else if (word_is(w, "bodies"))
		expect_count(p, "bodies", must_number(w), memory_blobs());
	else if (word_is(w, "queue"))
		expect_count(p, "queued recipients", must_number(w), queued_count(p));
	else if (word_is(w, "queued"))
		expect_queued(w);
	else if (word_is(w, "keys"))
		expect_count(p, "repeat keys", must_number(w), memory_repeat_keys());
	else if (word_is(w, "locked") || word_is(w, "unlocked")) {
		bool wanted = slice_search(p->at->text, S("unlocked")) == p->at->text.size;
		int i = must_mailbox(p, must_word(w));
		if (i >= 0 && memory_locked(house.of[i], house.mailbox[i]) != wanted)
			play_fails(p, "the mailbox is %s", wanted ? "not locked" : "locked");
	} else {
		play_fails(p, "expect what?");
	}
}

/* ---- disturbances */

static status kind_named(struct play *p, slice name)
{
	for (int k = ST_OK + 1; k < ST_KINDS; k++)
		if (slice_same(name, slice_z(status_name((status)k))))
			return (status)k;
	play_fails(p, "no kind is called %.*s", SLICE_ARGS(name));
	return ST_OK;
}

static void next_delivery(struct words *w, void (*hook)(status kind))
{
	if (!word_is(w, "next") || !word_is(w, "delivery"))
		play_fails(w->p, "fail|lose next delivery KIND");
	hook(kind_named(w->p, must_word(w)));
}

static void fail(struct words *w)
{
	next_delivery(w, memory_deliver_fail_next);
}

static void lose(struct words *w)
{
	next_delivery(w, memory_deliver_lose_next);
}

static void database(struct words *w)
{
	slice how = must_word(w);

	memory_busy(slice_same(how, S("busy")));
	memory_full(slice_same(how, S("full")));
	memory_unsure(slice_same(how, S("unsure")));
}

/* body anna 1 vanishes */
static void body(struct words *w)
{
	struct memory_entry *rows;
	int n, i = must_mailbox(w->p, must_word(w));
	int64_t number = must_number(w);

	if (i < 0)
		return;
	memory_entries(house.of[i], house.mailbox[i], &w->p->a, &rows, &n);
	if (!word_is(w, "vanishes") || number < 1 || number > n)
		play_fails(w->p, "body NAME NUMBER vanishes");
	else
		memory_body_vanish(house.of[i], rows[number - 1].e.message);
}

static void unhealthy(struct words *w)
{
	(void)w;
	memory_unhealthy("the test says so");
}

static void healthy(struct words *w)
{
	(void)w;
	memory_unhealthy(NULL);
}

static void stop(struct words *w)
{
	(void)w;
	listener_stop();
}

/* "under faults others may be stored": mail that the plain play refuses. */
static void under(struct words *w)
{
	w->p->others = true;
}

/* "copies may stand": a client copies messages, so one may stand twice in a mailbox. */
static void may_stand(struct words *w)
{
	w->p->copying = true;
}

static const struct {
	const char *name;
	void (*run)(struct words *w);
} sentences[] = {
	{"given", given},
	{"expect", expect},
	{"fail", fail},
	{"lose", lose},
	{"database", database},
	{"unhealthy", unhealthy},
	{"healthy", healthy},
	{"stop", stop},
	{"under", under},
	{"body", body},
	{"copies", may_stand},
};

bool house_sentence(struct play *p, slice text)
{
	struct words w = {.p = p, .rest = text};

	for (size_t i = 0; i < sizeof sentences / sizeof *sentences; i++) {
		if (!word_is(&w, sentences[i].name))
			continue;
		memory_faults(false);
		if (!p->forgiving || sentences[i].run != expect)
			sentences[i].run(&w);
		memory_faults(true);
		return true;
	}
	return false;
}
