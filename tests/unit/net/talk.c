/* A small protocol for tests; see talk.h. */
#include "talk.h"

unsigned talk_state = IN_START, talk_bad_most = 100;
usec talk_patience = 120 * USEC_S;
status talk_row_gives = ST_OK;

static status run_hello(conversation *c, slice rest)
{
	talk_state = IN_TALK;
	return conversation_say(c, "hello %.*s|", SLICE_ARGS(rest));
}

static status run_work(conversation *c, slice rest)
{
	(void)rest;
	return conversation_say(c, "worked");
}

static status run_more(conversation *c, slice rest)
{
	enum line_end end;
	slice next;

	TRY(conversation_say(c, "more?"));
	TRY(stream_line(c->stream, 100, &next, &end));
	return conversation_say(c, "%.*s and %.*s", SLICE_ARGS(rest), SLICE_ARGS(next));
}

static status run_end(conversation *c, slice rest)
{
	(void)rest;
	c->closing = true;
	return conversation_say(c, "bye");
}

static status run_fail(conversation *c, slice rest)
{
	(void)c, (void)rest;
	return talk_row_gives;
}

/* Waits for news, which never come. */
static status run_idle(conversation *c, slice rest)
{
	(void)rest;
	TRY(conversation_say(c, "idling"));
	conversation_idle(c, true);
	status kind = stream_wait_input(c->stream, 60 * USEC_S);
	conversation_idle(c, false);
	return kind;
}

static const struct command rows[] = {
	{"HELLO", run_hello, IN_START | IN_TALK, 0, "HELLO [name]"},
	{"PASS", run_hello, IN_START | IN_TALK, COMMAND_SECRET | COMMAND_ARGUMENT, "PASS word"},
	{"WORK", run_work, IN_TALK, COMMAND_NO_ARGUMENT, "WORK"},
	{"MORE", run_more, IN_START | IN_TALK, COMMAND_ARGUMENT, "MORE first"},
	{"NOOP", run_work, IN_START | IN_TALK, COMMAND_FREE, "NOOP"},
	{"OFF", run_work, IN_START | IN_TALK, COMMAND_SWITCHABLE, "OFF"},
	{"FAIL", run_fail, IN_START | IN_TALK, 0, "FAIL"},
	{"IDLE", run_idle, IN_START | IN_TALK, COMMAND_NO_ARGUMENT, "IDLE"},
	{"END", run_end, IN_START | IN_TALK, COMMAND_NO_ARGUMENT, "END"},
};

static size_t line_most(const conversation *c)
{
	(void)c;
	return 40;
}
static unsigned present_state(const conversation *c)
{
	(void)c;
	return talk_state;
}
static bool switched_off(const conversation *c, const struct command *row)
{
	(void)c;
	return strcmp(row->name, "OFF") == 0;
}
static status say_unknown(conversation *c, slice name)
{
	return conversation_say(c, "unknown %s", conversation_safe(c, name));
}
static status say_off(conversation *c, const struct command *row)
{
	return conversation_say(c, "off %s", row->name);
}
static status say_out_of_order(conversation *c, const struct command *row)
{
	return conversation_say(c, "order %s", row->name);
}
static status say_syntax(conversation *c, const struct command *row)
{
	return conversation_say(c, "syntax: %s", row->help);
}
static status say_malformed(conversation *c, status why)
{
	return conversation_say(c, "malformed %s", status_name(why));
}
static status say_too_many(conversation *c)
{
	return conversation_say(c, "too many");
}
static status say_timed_out(conversation *c)
{
	return conversation_say(c, "timed out");
}
static status say_stopping(conversation *c)
{
	return conversation_say(c, "stopping");
}
static unsigned bad_most(const conversation *c)
{
	(void)c;
	return talk_bad_most;
}
static usec line_patience(const conversation *c)
{
	(void)c;
	return talk_patience;
}

const struct dialogue talk_dialogue = {
	.rows = rows,
	.count = sizeof rows / sizeof rows[0],
	.line_most = line_most,
	.state = present_state,
	.switched_off = switched_off,
	.unknown = say_unknown,
	.off = say_off,
	.out_of_order = say_out_of_order,
	.syntax = say_syntax,
	.malformed = say_malformed,
	.too_many = say_too_many,
	.timed_out = say_timed_out,
	.stopping = say_stopping,
	.bad_most = bad_most,
	.patience = line_patience,
};
