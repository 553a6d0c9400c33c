/* Rewritten senders: there and back, through several hands, and what nobody but this house could
   have made. */
#include "same.h"

#include "mail/srs.h"

#define DAY (24 * 3600 * USEC_S)

/* No cryptography: every octet of the text and the secret's number count. */
static void toy_mac(void *arg, int secret, slice text, uint8_t to[32])
{
	uint64_t h = 1469598103934665603u + 7919u * (uint64_t)(secret + *(int *)arg);

	for (size_t i = 0; i < text.size; i++)
		h = (h ^ (uint8_t)text.at[i]) * 1099511628211u;
	memset(to, 0, 32);
	for (int i = 0; i < 8; i++)
		to[i] = (uint8_t)(h >> 8 * i);
}

static int age; /* the newest secret's number among all there ever were, counted down */

static struct srs house(usec now)
{
	return (struct srs){
		.mac = toy_mac, .arg = &age, .secrets = 1, .now = now, .validity = 21 * DAY};
}

static mail_address address(const char *written, arena *a)
{
	mail_address m;

	cr_assert_eq(mail_address_parse(slice_z(written), a, &m), ST_OK, "%s", written);
	return m;
}

static slice there(const struct srs *s, const char *sender, const char *domain, arena *a)
{
	mail_address m = address(sender, a), out;

	cr_assert_eq(srs_forward(s, &m, slice_z(domain), a, &out), ST_OK, "%s", sender);
	return mail_address_text(&out, a);
}

static status back(const struct srs *s, slice written, arena *a, slice *out)
{
	mail_address m = address(arena_copy(a, written).at, a), home;
	status kind = srs_reverse(s, m.local, m.domain, a, &home);

	*out = kind == ST_OK ? mail_address_text(&home, a) : S("");
	return kind;
}

Test(srs, comes_home)
{
	static const char *const senders[] = {"anna@a.example", "a=b+c@x.example",
		"\"a b\"@x.example", "\"a@b\"@x.example", "Anna.Example@a.example",
		"j\xc3\xbcrgen@x.example", "anna@[192.0.2.1]", "srs0@x.example", "srs1=@x.example",
		"bounces+1234567-89ab-carol=customers.example@mailings.of.a.big.sender.example"};
	arena a = ARENA_INIT;
	struct srs s = house(20000 * DAY);

	for (size_t i = 0; i < sizeof senders / sizeof *senders; i++) {
		slice out;
		cr_assert_eq(back(&s, there(&s, senders[i], "here.example", &a), &a, &out), ST_OK,
			"%s", senders[i]);
		SAME(out, slice_z(senders[i]));
	}
	arena_release(&a);
}

Test(srs, has_the_form_others_know)
{
	arena a = ARENA_INIT;
	struct srs s = house(20000 * DAY);
	slice first = there(&s, "anna@a.example", "b.example", &a), second, third;

	cr_assert(slice_starts(first, S("SRS0=")));
	cr_assert(slice_ends_nocase(first, S("=a.example=anna@b.example")));
	second = there(&s, first.at, "c.example", &a);
	cr_assert(slice_starts(second, S("SRS1=")));
	cr_assert(slice_search(second, S("=b.example==")) < second.size, "%s", second.at);
	third = there(&s, second.at, "d.example", &a);
	SAME(slice_until(slice_from(third, 14), slice_find_last(third, '@') - 14),
		slice_until(slice_from(second, 14), slice_find_last(second, '@') - 14));
	arena_release(&a);
}

Test(srs, goes_back_to_the_first_hop)
{
	arena a = ARENA_INIT;
	struct srs s = house(20000 * DAY);
	slice out, first = S("SRS0=opaque+stuff=a.example=anna@b.example");

	cr_assert_eq(back(&s, there(&s, first.at, "c.example", &a), &a, &out), ST_OK);
	SAME(out, slice_z(first.at));
	cr_assert_eq(back(&s, there(&s, there(&s, first.at, "c.example", &a).at, "d.example", &a),
			     &a, &out),
		ST_OK);
	SAME(out, slice_z(first.at));
	/* Others part their first word by + or -. */
	cr_assert_eq(back(&s, there(&s, "SRS0+xx=yy=a.example=anna@b.example", "c.example", &a), &a,
			     &out),
		ST_OK);
	SAME(out, S("SRS0+xx=yy=a.example=anna@b.example"));
	arena_release(&a);
}

Test(srs, survives_folded_case)
{
	arena a = ARENA_INIT;
	struct srs s = house(20000 * DAY);
	slice made = there(&s, "Anna@a.example", "here.example", &a), out;
	char *low = arena_z(&a, made);

	for (size_t i = 0; i < made.size; i++)
		if (low[i] >= 'A' && low[i] <= 'Z')
			low[i] |= 0x20;
	cr_assert_eq(back(&s, slice_z(low), &a, &out), ST_OK);
	SAME(out, S("anna@a.example"));
	arena_release(&a);
}

Test(srs, is_not_forged)
{
	arena a = ARENA_INIT;
	struct srs s = house(20000 * DAY);
	slice made = there(&s, "anna@a.example", "here.example", &a), out;

	for (size_t i = 5; i < slice_find(made, '@'); i++) {
		char *other = arena_z(&a, made);

		other[i] = (other[i] | 0x20) == 'x' ? 'y' : 'x';
		status kind = back(&s, slice_z(other), &a, &out);
		cr_assert(kind == ST_DENIED || kind == ST_INVALID, "%s", other);
	}
	static const char *const none[] = {"SRS0=AAAAAAAA=AA=a.example=anna@here.example",
		"SRS0==AA=a.example=anna@here.example", "SRS0=AAAAAAAA@here.example",
		"SRS0=====@here.example",
		"SRS1=AAAAAAAA=a.example==x=y=b.example=anna@here.example"};
	for (size_t i = 0; i < sizeof none / sizeof *none; i++)
		cr_assert_neq(back(&s, slice_z(none[i]), &a, &out), ST_OK, "%s", none[i]);
	cr_assert_eq(back(&s, S("anna@here.example"), &a, &out), ST_INVALID);
	arena_release(&a);
}

Test(srs, holds_in_its_own_domain_alone)
{
	arena a = ARENA_INIT;
	struct srs s = house(20000 * DAY);
	slice made = there(&s, "anna@a.example", "here.example", &a), local, out, domain = made;

	slice_take(&domain, '@', &local);
	cr_assert_eq(back(&s, arena_format(&a, "%.*s@HERE.example", SLICE_ARGS(local)), &a, &out),
		ST_OK);
	cr_assert_eq(back(&s, arena_format(&a, "%.*s@there.example", SLICE_ARGS(local)), &a, &out),
		ST_DENIED);
	arena_release(&a);
}

Test(srs, ends)
{
	static const struct {
		int days;
		status wanted;
	} rows[] = {{0, ST_OK}, {1, ST_OK}, {21, ST_OK}, {22, ST_TIMED_OUT}, {400, ST_TIMED_OUT},
		{1022, ST_TIMED_OUT}, {-1, ST_OK}};
	arena a = ARENA_INIT;
	struct srs s = house(20000 * DAY);
	slice made = there(&s, "anna@a.example", "here.example", &a), out;

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct srs then = house((20000 + rows[i].days) * DAY);
		cr_assert_eq(back(&then, made, &a, &out), rows[i].wanted, "%d", rows[i].days);
	}
	arena_release(&a);
}

Test(srs, knows_secrets_that_were_replaced)
{
	arena a = ARENA_INIT;
	struct srs s = house(20000 * DAY);
	slice out;

	age = 10;
	slice old = there(&s, "anna@a.example", "here.example", &a);
	age = 9;
	cr_assert_eq(back(&s, old, &a, &out), ST_DENIED);
	s.secrets = 2;
	cr_assert_eq(back(&s, old, &a, &out), ST_OK);
	cr_assert_eq(back(&s, there(&s, "anna@a.example", "here.example", &a), &a, &out), ST_OK);
	age = 8;
	cr_assert_eq(back(&s, old, &a, &out), ST_DENIED);
	age = 0;
	arena_release(&a);
}

Test(srs, keeps_to_the_length_of_a_path)
{
	arena a = ARENA_INIT;
	struct srs s = house(20000 * DAY);
	char domain[256] = "";
	mail_address m = address("anna@a.example", &a), out;

	for (int i = 0; i < 60; i++)
		strcat(domain, "abc.");
	strcat(domain, "test");
	cr_assert_eq(srs_forward(&s, &m, slice_z(domain), &a, &out), ST_TOO_BIG);
	cr_assert_eq(
		srs_forward(&s, &(mail_address){.empty = true}, S("b.test"), &a, &out), ST_INVALID);
	arena_release(&a);
}
