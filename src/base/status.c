/* The names of the kinds, for logs and JSON. */
#include "base/status.h"

static const char *const names[ST_KINDS] = {
	[ST_OK] = "ok",
	[ST_ABSENT] = "absent",
	[ST_EXISTS] = "exists",
	[ST_DENIED] = "denied",
	[ST_INVALID] = "invalid",
	[ST_TOO_BIG] = "too-big",
	[ST_FULL] = "full",
	[ST_LIMITED] = "limited",
	[ST_BUSY] = "busy",
	[ST_TIMED_OUT] = "timed-out",
	[ST_CANCELLED] = "cancelled",
	[ST_CLOSED] = "closed",
	[ST_BROKEN] = "broken",
	[ST_UNSURE] = "unsure",
	[ST_FOREIGN] = "foreign",
};

const char *status_name(status kind)
{
	return (unsigned)kind < ST_KINDS ? names[kind] : "unknown";
}
