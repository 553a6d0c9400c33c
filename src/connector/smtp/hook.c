/* Programs of the operator; the contract stands in hook.h. */
#include "connector/smtp/hook.h"

#include "base/id.h"
#include "base/log.h"
#include "provider/blob.h"
#include "provider/trace.h"

#include <assert.h>

#define SAY_AGAIN (60 * USEC_S)

static const struct {
	const char *word;
	enum setting_id program, at_once;
	const char *connector; /* whose mail it is at that moment */
} rows[] = {
	[HOOK_PICKUP] = {"pickup", S_pickup_program, S_pickup_programs_at_once, "SMTP"},
	[HOOK_DISPATCH] = {"dispatch", S_dispatch_program, S_dispatch_programs_at_once, "SMTP"},
	[HOOK_DELIVERY] = {"delivery", S_delivery_program, S_delivery_programs_at_once, "SF"},
};
static_assert(sizeof rows / sizeof *rows == ERRAND_KINDS, "each moment is a kind of errand");

static const char *const ends[] = {[ERRAND_RAN] = "exit",
	[ERRAND_KILLED] = "signal",
	[ERRAND_TIMED_OUT] = "time",
	[ERRAND_BARRED] = "barred",
	[ERRAND_NO_ROOM] = "room",
	[ERRAND_FAILED] = "failed"};
static const char *const verdicts[] = {
	[ERRAND_GO] = "go", [ERRAND_REFUSE] = "refuse", [ERRAND_LATER] = "later"};

slice hook_program(enum hook h, const struct setting_at *at)
{
	return setting_text(rows[h].program, at);
}

bool hook_picks_up(enum service s)
{
	return hook_program(HOOK_PICKUP, NULL).size > 0 &&
	       setting_lists(S_pickup_services, NULL, slice_z(service_name(s)));
}

uint64_t hook_texts_most(void)
{
	int64_t all = setting_number(S_program_texts_most, NULL),
		one = setting_number(S_smtp_message_most, NULL);

	/* A text that is let in at all must have its turn on a worker that is never idle, too;
	   where no size is set, the largest ones have it alone. */
	return (uint64_t)(all > one ? all : one);
}

static unsigned at_once(enum hook h)
{
	int64_t own = setting_number(rows[h].at_once, NULL);

	return (unsigned)(own > 0 ? own : setting_number(S_programs_at_once, NULL));
}

/* One trouble, of however many messages: it is told when it begins and when it is over. Where there
   is room for small texts alone that would be for each of them. */
static void note_room(bool there, slice id)
{
	static bool told;
	static usec next;

	if (there == !told || (!there && clock_now() < next))
		return;
	told = !there;
	if (told)
		next = clock_now() + SAY_AGAIN;
	log_event(
		told ? EV_PROGRAM_NO_ROOM : EV_PROGRAM_ROOM_AGAIN, "message=%.*s", SLICE_ARGS(id));
}

static void tell(const struct hook_call *c, slice id, const struct errand_result *r)
{
	trace_note(c->postoffice, c->message, TRACE_JUDGED,
		"event=%s program=%s recipient=%s attempt=%u end=%s code=%d verdict=%s ms=%lld said=%s",
		rows[c->hook].word, log_quote(c->program), log_quote(c->recipient), c->attempt,
		ends[r->end], r->code, verdicts[r->verdict], (long long)(r->took / USEC_MS),
		log_quote(r->said));
	metric_add(M_programs, SERVICE_NONE, 1);
	metric_time(M_program_seconds, SERVICE_NONE, r->took);
	if (r->end <= ERRAND_TIMED_OUT || r->end == ERRAND_NO_ROOM)
		note_room(r->end != ERRAND_NO_ROOM, id);
	if (r->verdict == ERRAND_REFUSE)
		metric_add(M_programs_refused, SERVICE_NONE, 1);
	if (r->verdict != ERRAND_LATER)
		return;
	metric_add(M_programs_failed, SERVICE_NONE, 1);
	if (r->end == ERRAND_NO_ROOM)
		return;
	log_event(EV_PROGRAM_LATER, "event=%s message=%.*s program=%s end=%s code=%d",
		rows[c->hook].word, SLICE_ARGS(id), log_quote(c->program), ends[r->end], r->code);
}

status hook_run(const struct hook_call *c, int text, arena *a, struct errand_result *out)
{
	char id[ID_TEXT_SIZE + 1];

	id_text(c->message, id);
	struct errand e = {.program = c->program,
		.connector = slice_z(rows[c->hook].connector),
		.event = slice_z(rows[c->hook].word),
		.message = slice_z(id),
		.sender = c->sender,
		.recipient = c->recipient,
		.kind = c->hook,
		.attempt = c->attempt,
		.patience = setting_number(S_program_patience, NULL),
		.at_once = at_once(c->hook),
		.processes = (unsigned)setting_number(S_program_processes, NULL),
		.memory = (uint64_t)setting_number(S_program_memory, NULL)};

	status kind = errand_run(&e, text, a, out);
	tell(c, slice_z(id), out);
	return kind;
}

static status add_piece(slice piece, void *text)
{
	return errand_text_add(*(int *)text, piece, hook_texts_most());
}

/* The row's text as a program is shown it; not ST_OK: there is none. */
static status gather(const queue_entry *e, int *text)
{
	*text = errand_text();
	status kind =
		*text < 0 ? ST_FULL : blob_each_of(e->postoffice, e->message, add_piece, text);

	if (kind != ST_OK)
		errand_text_drop(text);
	return kind;
}

status hook_run_entry(
	enum hook h, const queue_entry *e, slice program, arena *a, struct errand_result *out)
{
	struct hook_call c = {.hook = h,
		.program = program,
		.postoffice = e->postoffice,
		.message = e->message,
		.sender = e->sender,
		.recipient = e->address,
		.attempt = (unsigned)(e->attempts + e->kills + 1)};
	int text;
	status kind = gather(e, &text);

	if (kind == ST_FULL) {
		char id[ID_TEXT_SIZE + 1];

		id_text(e->message, id);
		note_room(false, slice_z(id));
	}
	if (kind == ST_FULL || kind == ST_LIMITED)
		return kind;
	if (kind == ST_BUSY || kind == ST_TIMED_OUT || kind == ST_CANCELLED)
		return ST_BUSY;
	TRY(hook_run(&c, text, a, out)); /* a text that is lost ends it with ERRAND_FAILED, which is
					    told like any other */
	if (out->end == ERRAND_NO_ROOM)
		return ST_FULL;
	if (kind != ST_OK)
		out->said = S("the text could not be read");
	return ST_OK;
}
