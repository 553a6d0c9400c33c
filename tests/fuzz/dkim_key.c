/* Key records: what is read can be written and read again as the same; every key can be tried, and
   no signature of noughts is its own. */
#include "net/signature.h"

#include "mail/dkim.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(int ok)
{
	if (!ok)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	arena a = ARENA_INIT;
	dkim_record record, again;

	if (dkim_record_parse(slice_of(data, size), &a, &record) == ST_OK) {
		uint8_t digest[SIGNATURE_DIGEST] = {1};
		char noughts[SIGNATURE_RSA_MOST / 8] = {0};
		unsigned bits;
		slice text =
			dkim_record_text(record.algorithm, record.public_key, record.testing, &a);
		if (text.size <= DKIM_RECORD_MOST) {
			must(dkim_record_parse(text, &a, &again) == ST_OK);
			must(slice_same(record.public_key, again.public_key) &&
				record.testing == again.testing);
			must(record.algorithm == again.algorithm && again.sha256 && again.email);
		}
		must(signature_openssl.verify(record.algorithm, record.public_key, digest,
			     slice_of(noughts, sizeof noughts), &bits) != ST_OK);
	}
	arena_release(&a);
	return 0;
}
