/* Answers of DNS servers: whatever comes, reading ends, and what is found is within its bounds. */
#include "net/dns_message.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(int ok)
{
	if (!ok)
		abort();
}

/* The first byte chooses the type; the question of the message is the one that was asked, so that
   what follows is reached. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const enum dns_type types[] = {
		DNS_A, DNS_NS, DNS_CNAME, DNS_PTR, DNS_MX, DNS_TXT, DNS_AAAA, DNS_SRV, DNS_TLSA};
	arena a = ARENA_INIT;
	dns_answer out = {0};
	dns_name name;

	if (size == 0)
		return 0;
	must(dns_name_parse(S("a.test"), &name) == ST_OK);
	if (dns_answer_read(slice_of(data + 1, size - 1), &name, types[data[0] % 9], &a, &out) ==
		ST_OK) {
		must(out.count <= DNS_RECORDS_MOST);
		must((out.kind == DNS_FOUND) == (out.count > 0));
		for (size_t i = 0; i < out.count; i++) {
			must(out.record[i].name.size <= 4 * 255 && out.record[i].data.size <= size);
			for (size_t c = 0; c < out.record[i].name.size; c++)
				must(out.record[i].name.at[c] > ' ' &&
					out.record[i].name.at[c] < 0x7f);
		}
	}
	arena_release(&a);
	return 0;
}
