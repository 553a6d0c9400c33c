/* What the kinds of trace events are called. */
#include "provider/trace.h"

const char *trace_name(enum trace_kind k)
{
	static const char *const names[TRACE_KINDS] = {[TRACE_ACCEPTED] = "accepted",
		[TRACE_DELIVERED] = "delivered",
		[TRACE_REFUSED] = "refused",
		[TRACE_REPEATED] = "repeated",
		[TRACE_READ] = "read",
		[TRACE_REMOVED] = "removed",
		[TRACE_QUEUED] = "queued",
		[TRACE_SENT] = "sent",
		[TRACE_DEFERRED] = "deferred",
		[TRACE_FAILED] = "failed",
		[TRACE_REPORTED] = "reported",
		[TRACE_PARKED] = "parked",
		[TRACE_JUDGED] = "judged"};
	return k < TRACE_KINDS ? names[k] : "other";
}
