/* MTA-STS: the first line is a TXT record, the rest a policy. What is read is within its bounds,
   and its own patterns match themselves unless they have a star. */
#include "mail/mta_sts.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(int ok)
{
	if (!ok)
		abort();
}

static void check_policy(slice text, arena *a)
{
	mta_sts_policy p;

	if (mta_sts_policy_parse(text, a, &p) != ST_OK)
		return;
	must(p.max_age <= MTA_STS_AGE_MOST && p.mx_count <= MTA_STS_MX_MOST &&
		p.mode <= MTA_STS_ENFORCE);
	must(p.mx_count > 0 || p.mode == MTA_STS_NONE);
	for (int i = 0; i < p.mx_count; i++) {
		bool star = slice_starts(p.mx[i], S("*."));
		slice host = star ? arena_format(a, "host%.*s", SLICE_ARGS(slice_from(p.mx[i], 1)))
				  : p.mx[i];

		must(mta_sts_mx_matches(host, p.mx[i]) && mta_sts_mx_matches(p.mx[i], p.mx[i]));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	arena a = ARENA_INIT;
	slice rest = slice_of(data, size), rows[2], id;

	slice_take(&rest, '\n', &rows[0]);
	rows[1] = S("v=spf1 -all");
	if (mta_sts_record(rows, 2, &id) == ST_OK)
		must(id.size > 0 && id.size <= 32 && id.at > rows[0].at &&
			id.at + id.size <= rows[0].at + rows[0].size);
	check_policy(rest, &a);
	arena_release(&a);
	return 0;
}
