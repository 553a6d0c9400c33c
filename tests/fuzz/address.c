/* Addresses: what the strict reader takes, it takes again in its canonical form and then gives the
   same; what the list reader finds is within the input's size. */
#include "mail/address.h"

#include "base/utf8.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(int ok)
{
	if (!ok)
		abort();
}

static void stays_the_same(const mail_address *m, arena *a)
{
	mail_address again;
	slice written = mail_address_text(m, a);

	for (size_t i = 0; i < written.size; i++)
		must((uint8_t)written.at[i] >= 0x20 && written.at[i] != 0x7f);
	must(utf8_valid(written) && utf8_is_ascii(m->domain) && utf8_valid(m->shown));
	must(m->local.size <= MAIL_LOCAL_MOST && m->domain.size <= MAIL_DOMAIN_MOST);
	must(utf8_valid(mail_address_key(m, a)));
	if (m->empty || m->domain.size == 0)
		return;
	status kind = mail_address_parse(written, a, &again);
	must(kind == ST_OK || (kind == ST_TOO_BIG && written.size > MAIL_PATH_MOST - 2));
	if (kind == ST_OK)
		must(slice_same(mail_address_text(&again, a), written) &&
			slice_same(again.shown, m->shown));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	slice input = slice_of(data, size), rest, host;
	arena a = ARENA_INIT;
	mail_address m;
	mail_list l;
	bool literal;

	if (mail_address_path(input, &a, &m, &rest) == ST_OK) {
		must(rest.size < size && (rest.size == 0 || slice_ends_nocase(input, rest)));
		stays_the_same(&m, &a);
	}
	if (mail_address_parse(input, &a, &m) == ST_OK)
		stays_the_same(&m, &a);
	if (mail_host_parse(input, &a, &host, &literal) == ST_OK)
		must(host.size > 0 && utf8_is_ascii(host));
	mail_list_parse(input, 20, &a, &l);
	must(l.count <= 21);
	size_t open = 0;
	for (size_t i = 0; i < l.count; i++) {
		const mail_list_entry *e = &l.entry[i];
		must(e->name.size <= size && e->local.size <= size && e->domain.size <= size);
		open += e->kind == MAIL_LIST_GROUP;
		open -= e->kind == MAIL_LIST_GROUP_END;
		must(open <= 1);
		if (mail_address_of(e->local, e->domain, &a, &m) == ST_OK)
			stays_the_same(&m, &a);
	}
	must(open == 0);
	arena_release(&a);
	return 0;
}
