/* The contract stands in resolver.h. */
#include "resolver.h"

#include "base/memory.h"
#include "net/dns.h"
#include "task/task.h"

struct row {
	struct row *next;
	slice name;
	enum dns_type type; /* 0: a manner */
	bool silent;
	usec late;  /* an answer takes so long .. */
	usec asked; /* .. since it was asked for first: resolvers remember. 0: never */
	dns_record record;
};

struct dns {
	char nothing;
};

struct dns_question {
	enum dns_type type;
	slice name;
	usec ready; /* when the answer is there */
	arena a;
};

static struct {
	arena a;
	struct row *rows;
	struct dns one;
} zone;

void resolver_reset(void)
{
	arena_release(&zone.a);
	zone.rows = NULL;
}

static bool record_read(enum dns_type type, slice value, dns_record *out)
{
	uint64_t preference = 0;
	slice word;

	out->ttl = 300;
	switch (type) {
	case DNS_A:
	case DNS_AAAA:
		return net_address_parse(value, &out->address) == ST_OK &&
		       out->address.family == (type == DNS_A ? 4 : 6);
	case DNS_TXT:
		out->data = arena_copy(&zone.a, value);
		return true;
	case DNS_MX:
		slice_take(&value, ' ', &word);
		if (!slice_number(word, &preference))
			return false;
		out->preference = (uint16_t)preference;
		break;
	default:
		break;
	}
	out->name = arena_copy(&zone.a, slice_same(value, S(".")) ? S("") : value);
	return true;
}

bool resolver_add(slice name, slice type, slice value)
{
	static const struct {
		const char *name;
		enum dns_type type;
	} types[] = {{"A", DNS_A}, {"AAAA", DNS_AAAA}, {"MX", DNS_MX}, {"NS", DNS_NS},
		{"PTR", DNS_PTR}, {"TXT", DNS_TXT}};
	struct row *r = arena_new(&zone.a, sizeof *r);
	bool known = slice_same(type, S("silent")) || slice_same(type, S("fails"));

	r->name = arena_copy(&zone.a, name);
	r->silent = slice_same(type, S("silent"));
	for (size_t i = 0; i < sizeof types / sizeof *types; i++)
		if (slice_same(type, slice_z(types[i].name))) {
			r->type = types[i].type;
			known = record_read(r->type, value, &r->record);
		}
	r->next = zone.rows;
	zone.rows = r;
	return known;
}

void resolver_late(slice name, usec span)
{
	struct row *r = arena_new(&zone.a, sizeof *r);

	*r = (struct row){.next = zone.rows, .name = arena_copy(&zone.a, name), .late = span};
	zone.rows = r;
}

/* ---- net/dns.h */

status dns_open(const struct dns_conf *c, dns **out)
{
	(void)c;
	*out = &zone.one;
	return ST_OK;
}

void dns_close(dns **d)
{
	*d = NULL;
}

#define NEVER (60 * USEC_S) /* no deadline of the house waits that long for the DNS */

/* When a question for the name that is asked now is answered. */
static usec ready_at(slice name)
{
	usec now = clock_now(), at = now;

	for (struct row *r = zone.rows; r; r = r->next) {
		if (!slice_same_nocase(r->name, name))
			continue;
		if (r->silent)
			at = now + NEVER;
		if (r->late > 0) {
			r->asked = r->asked ? r->asked : now;
			at = r->asked + r->late > at ? r->asked + r->late : at;
		}
	}
	return at;
}

dns_question *dns_ask(dns *d, enum dns_type type, slice name)
{
	dns_question *q = memory_new(sizeof *q);

	(void)d;
	*q = (dns_question){.type = type, .ready = ready_at(name)};
	q->name = arena_copy(&q->a, name);
	return q;
}

void dns_drop(dns_question **q)
{
	if (!*q)
		return;
	arena_release(&(*q)->a);
	memory_free(*q);
	*q = NULL;
}

static bool is_below(slice name, slice above)
{
	return name.size > above.size && name.at[name.size - above.size - 1] == '.' &&
	       slice_ends_nocase(name, above);
}

static void answer(const dns_question *q, arena *a, dns_answer *out)
{
	size_t n = 0;

	for (const struct row *r = zone.rows; r; r = r->next)
		n += r->type == q->type && slice_same_nocase(r->name, q->name);
	*out = (dns_answer){
		.kind = DNS_NO_NAME, .ttl = 300, .name = arena_copy(a, q->name), .count = n};
	out->record = arena_new_array(a, n + 1, sizeof *out->record);
	for (const struct row *r = zone.rows; r; r = r->next) {
		bool same = slice_same_nocase(r->name, q->name);
		if (same && r->type == 0 && r->late == 0) {
			out->kind = DNS_TEMPORARY;
			out->count = 0;
			return;
		}
		if (same || is_below(r->name, q->name))
			out->kind = DNS_NO_DATA;
		if (same && r->type == q->type) /* the rows stand in the reverse order */
			out->record[--n] = r->record;
	}
	if (out->count > 0)
		out->kind = DNS_FOUND;
}

status dns_wait(dns_question **q, arena *a, dns_answer *out)
{
	usec left = (*q)->ready - clock_now();
	status kind = left > 0 ? task_sleep(left) : ST_OK;

	*out = (dns_answer){.kind = DNS_TEMPORARY};
	if (kind == ST_OK)
		answer(*q, a, out);
	dns_drop(q);
	return kind;
}

status dns_find(dns *d, enum dns_type type, slice name, arena *a, dns_answer *out)
{
	dns_question *q = dns_ask(d, type, name);

	return dns_wait(&q, a, out);
}
