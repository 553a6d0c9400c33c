/* Packets of the milter protocol. One row per letter tells what it means, when it may come and how
   its data is read. */
#include "mail/milter.h"

#include <stdio.h>

/* ---- terms */

/* What of a version is new; nothing of it may be spoken of below. */
static const struct {
	unsigned version;
	uint32_t actions, steps;
} known[] = {
	{2, 0x3f, 0x7f},
	{3, 0x3f, 0x17f},
	{4, 0x3f, 0x3ff},
	{6, MILTER_ACTIONS, MILTER_STEPS},
};

milter_terms milter_terms_offered(unsigned version)
{
	milter_terms t = {.version = version};

	for (size_t i = 0; i < sizeof known / sizeof *known && known[i].version <= version; i++) {
		t.actions = known[i].actions;
		t.steps = known[i].steps;
	}
	return t;
}

static bool take_number(slice *rest, uint32_t *out)
{
	uint32_t n = 0;

	if (rest->size < 4)
		return false;
	for (int i = 0; i < 4; i++)
		n = n << 8 | (uint8_t)rest->at[i];
	*rest = slice_from(*rest, 4);
	*out = n;
	return true;
}

/* Up to a NUL, which must be there. */
static bool take_string(slice *rest, slice *out)
{
	size_t end = slice_find(*rest, '\0');

	if (end == rest->size)
		return false;
	*out = slice_until(*rest, end);
	*rest = slice_from(*rest, end + 1);
	return true;
}

status milter_terms_read(slice data, const milter_terms *offered, milter_terms *out)
{
	milter_terms t = {0};
	uint32_t version, stage;

	if (!take_number(&data, &version) || !take_number(&data, &t.actions) ||
		!take_number(&data, &t.steps))
		return ST_INVALID;
	t.version = version;
	if (version < MILTER_VERSION_LEAST || version > offered->version)
		return ST_INVALID;
	if ((t.actions & ~offered->actions) || (t.steps & ~offered->steps))
		return ST_INVALID;
	while (data.size > 0) {
		slice names;

		if (!(t.actions & MILTER_MAY_NAME_MACROS) || !take_number(&data, &stage) ||
			stage >= MILTER_STAGES || !take_string(&data, &names))
			return ST_INVALID;
		t.macros[stage] = names;
	}
	*out = t;
	return ST_OK;
}

struct step_row {
	enum milter_command command;
	unsigned version; /* since */
	uint32_t unheard, silent;
};
static const struct step_row step_rows[] = {
	{MILTER_CONNECT, 2, MILTER_NO_CONNECT, MILTER_SILENT_CONNECT},
	{MILTER_HELO, 2, MILTER_NO_HELO, MILTER_SILENT_HELO},
	{MILTER_MAIL, 2, MILTER_NO_MAIL, MILTER_SILENT_MAIL},
	{MILTER_RCPT, 2, MILTER_NO_RCPT, MILTER_SILENT_RCPT},
	{MILTER_DATA, 4, MILTER_NO_DATA, MILTER_SILENT_DATA},
	{MILTER_FIELD, 2, MILTER_NO_FIELDS, MILTER_SILENT_FIELD},
	{MILTER_HEADER_END, 2, MILTER_NO_HEADER_END, MILTER_SILENT_HEADER_END},
	{MILTER_BODY, 2, MILTER_NO_BODY, MILTER_SILENT_BODY},
	{MILTER_UNKNOWN, 3, MILTER_NO_UNKNOWN, MILTER_SILENT_UNKNOWN},
	{MILTER_END, 2, 0, 0},
	{MILTER_TERMS, 2, 0, 0},
};

static const struct step_row *step_of(enum milter_command c)
{
	for (size_t i = 0; i < sizeof step_rows / sizeof *step_rows; i++)
		if (step_rows[i].command == c)
			return &step_rows[i];
	return NULL;
}

bool milter_hears(const milter_terms *t, enum milter_command c)
{
	const struct step_row *row = step_of(c);

	return !row || (t->version >= row->version && !(t->steps & row->unheard));
}

bool milter_answers(const milter_terms *t, enum milter_command c)
{
	const struct step_row *row = step_of(c);

	return row && !(t->steps & row->silent);
}

/* ---- writing */

void milter_add_number(text *to, uint64_t n, int octets)
{
	while (octets-- > 0)
		text_add_char(to, (char)(n >> 8 * octets));
}

size_t milter_begin(text *to, enum milter_command c)
{
	size_t begun = to->size;

	milter_add_number(to, 0, 4);
	text_add_char(to, (char)c);
	return begun;
}

void milter_add_string(text *to, slice s)
{
	text_add(to, slice_until(s, slice_find(s, '\0')));
	text_add_char(to, '\0');
}

void milter_end(text *to, size_t begun)
{
	size_t size = to->size - begun - 4;

	for (int i = 0; i < 4; i++)
		to->at[begun + (size_t)i] = (char)(size >> 8 * (3 - i));
}

void milter_write(text *to, enum milter_command c, slice bytes)
{
	size_t begun = milter_begin(to, c);

	text_add(to, bytes);
	milter_end(to, begun);
}

void milter_write_terms(text *to, const milter_terms *t)
{
	size_t begun = milter_begin(to, MILTER_TERMS);

	milter_add_number(to, t->version, 4);
	milter_add_number(to, t->actions, 4);
	milter_add_number(to, t->steps, 4);
	milter_end(to, begun);
}

void milter_write_field(text *to, slice name, slice value, bool leading)
{
	size_t begun = milter_begin(to, MILTER_FIELD);

	milter_add_string(to, name);
	if (!leading && value.size > 0 && *value.at == ' ')
		value = slice_from(value, 1);
	value = slice_until(value, slice_find(value, '\0'));
	while (value.size > 0) {
		size_t cr = slice_find(value, '\r');

		text_add(to, slice_until(value, cr));
		if (cr + 1 < value.size && value.at[cr + 1] != '\n')
			text_add_char(to, '\r');
		value = slice_from(value, cr + 1);
	}
	text_add_char(to, '\0');
	milter_end(to, begun);
}

/* ---- reading */

status milter_packet_size(const uint8_t head[4], size_t *size)
{
	slice s = slice_of(head, 4);
	uint32_t n;

	if (!take_number(&s, &n) || n == 0 || n > MILTER_PACKET_MOST)
		return ST_INVALID;
	*size = n;
	return ST_OK;
}

/* How data is laid out. */
enum shape { EMPTY, BYTES, STRING, TWO_STRINGS, MAYBE_TWO, NUMBER_AND_TWO, REPLY };

struct answer_row {
	char letter;
	enum milter_word word;
	enum shape shape;
	uint32_t action; /* to be agreed upon; 0 = none */
	const char *name;
};
static const struct answer_row answer_rows[] = {
	{'c', MILTER_SAYS_CONTINUE, EMPTY, 0, "continue"},
	{'a', MILTER_SAYS_ACCEPT, EMPTY, 0, "accept"},
	{'r', MILTER_SAYS_REJECT, EMPTY, 0, "reject"},
	{'t', MILTER_SAYS_TEMPFAIL, EMPTY, 0, "tempfail"},
	{'d', MILTER_SAYS_DISCARD, EMPTY, 0, "discard"},
	{'s', MILTER_SAYS_SKIP, EMPTY, 0, "skip"},
	{'y', MILTER_SAYS_REPLY, REPLY, 0, "reply"},
	{'4', MILTER_SAYS_CLOSE, EMPTY, 0, "close"},
	{'f', MILTER_SAYS_CLOSE, EMPTY, 0, "close"},
	{'p', MILTER_SAYS_PROGRESS, EMPTY, 0, "progress"},
	{'O', MILTER_SAYS_TERMS, BYTES, 0, "terms"},
	{'h', MILTER_WANTS_FIELD, TWO_STRINGS, MILTER_MAY_ADD, "add-header"},
	{'i', MILTER_WANTS_INSERTED, NUMBER_AND_TWO, MILTER_MAY_ADD, "insert-header"},
	{'m', MILTER_WANTS_CHANGED, NUMBER_AND_TWO, MILTER_MAY_CHANGE, "change-header"},
	{'b', MILTER_WANTS_BODY, BYTES, MILTER_MAY_REPLACE_BODY, "replace-body"},
	{'+', MILTER_WANTS_RCPT, STRING, MILTER_MAY_ADD_RCPT, "add-recipient"},
	{'2', MILTER_WANTS_RCPT, MAYBE_TWO, MILTER_MAY_ADD_RCPT_WITH, "add-recipient"},
	{'-', MILTER_WANTS_NO_RCPT, STRING, MILTER_MAY_REMOVE_RCPT, "remove-recipient"},
	{'e', MILTER_WANTS_SENDER, MAYBE_TWO, MILTER_MAY_CHANGE_SENDER, "change-sender"},
	{'q', MILTER_WANTS_QUARANTINE, STRING, MILTER_MAY_QUARANTINE, "quarantine"},
};

const char *milter_word_name(enum milter_word w)
{
	for (size_t i = 0; i < sizeof answer_rows / sizeof *answer_rows; i++)
		if (answer_rows[i].word == w)
			return answer_rows[i].name;
	return "unknown";
}

/* Edits come when the text is complete; skipping is a word about bodies; nobody is told later that
   a conversation was to be taken and dropped. */
static bool fits(const struct answer_row *row, enum milter_command asked, const milter_terms *t)
{
	if (row->action && (asked != MILTER_END || !(t->actions & row->action)))
		return false;
	switch (row->word) {
	case MILTER_SAYS_TERMS:
		return asked == MILTER_TERMS;
	case MILTER_SAYS_SKIP:
		return asked == MILTER_BODY && (t->steps & MILTER_CAN_SKIP);
	case MILTER_SAYS_DISCARD:
		return asked != MILTER_CONNECT && asked != MILTER_HELO && asked != MILTER_UNKNOWN &&
		       asked != MILTER_TERMS;
	default:
		return asked != MILTER_TERMS;
	}
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* "5.7.1" and a blank or the end; its size, 0 = none. */
static size_t enhanced_size(slice s)
{
	size_t at = 0;

	for (int part = 0; part < 3; part++) {
		size_t from = at;

		while (at < s.size && is_digit(s.at[at]) && at - from < 3)
			at++;
		if (at == from || (part == 0 && at != 1))
			return 0;
		if (part < 2 && (at == s.size || s.at[at++] != '.'))
			return 0;
	}
	return at == s.size || s.at[at] == ' ' ? at : 0;
}

#define REPLY_TEXT_MOST 480 /* with its code a line stays below RFC 5321's 512 octets */

/* One line's words, printable; "%%" stands for "%", as libmilter has it. */
static void add_words(text *to, slice words)
{
	size_t most = to->size + REPLY_TEXT_MOST;

	for (size_t i = 0; i < words.size && to->size < most; i++) {
		if (words.at[i] == '%' && i + 1 < words.size && words.at[i + 1] == '%')
			i++;
		text_add_char(to, words.at[i] >= ' ' && words.at[i] <= '~' ? words.at[i] : '?');
	}
}

static slice without_cr(slice line)
{
	return line.size > 0 && line.at[line.size - 1] == '\r' ? slice_until(line, line.size - 1)
							       : line;
}

/* One line of it, with the code of the first. */
static bool read_reply_line(slice line, slice code, bool last, text *to)
{
	if (!slice_starts(line, code) || (line.size > 3 && line.at[3] != ' ' && line.at[3] != '-'))
		return false;
	slice words = slice_from(line, 4);
	size_t enhanced = enhanced_size(words);
	if (enhanced && *words.at != *code.at)
		return false;
	text_add(to, code);
	text_add_char(to, last ? ' ' : '-');
	if (enhanced == 0)
		text_format(to, "%c.7.1 ", *code.at);
	add_words(to, words);
	if (!last)
		text_add_z(to, "\r\n");
	return true;
}

/* "550 5.7.1 No", "550-5.7.1 No\r\n550 5.7.1 never": 4yz and 5yz alone. */
static const char *read_reply(slice said, arena *a)
{
	slice code = slice_until(said, 3), line;
	text all = TEXT_INIT;
	const char *reply = NULL;
	int lines = 0;

	bool good = code.size == 3 && (*code.at == '4' || *code.at == '5') &&
		    is_digit(code.at[1]) && is_digit(code.at[2]);
	while (good && slice_take(&said, '\n', &line)) {
		bool last = said.size == 0;

		good = ++lines <= MILTER_REPLY_LINES_MOST &&
		       read_reply_line(without_cr(line), code, last, &all);
		if (last)
			break;
	}
	if (good)
		reply = arena_z(a, text_slice(&all));
	text_free(&all);
	return reply;
}

static bool read_data(slice data, enum shape shape, arena *a, milter_answer *out)
{
	switch (shape) {
	case EMPTY:
		return true; /* whatever follows */
	case BYTES:
		out->value = data;
		return true;
	case STRING:
		return take_string(&data, &out->name);
	case TWO_STRINGS:
		return take_string(&data, &out->name) && take_string(&data, &out->value);
	case MAYBE_TWO:
		return take_string(&data, &out->name) &&
		       (data.size == 0 || take_string(&data, &out->value));
	case NUMBER_AND_TWO:
		return take_number(&data, &out->index) && take_string(&data, &out->name) &&
		       take_string(&data, &out->value);
	case REPLY:
		return take_string(&data, &out->value) && (out->text = read_reply(out->value, a));
	}
	return false;
}

status milter_answer_read(slice packet, enum milter_command asked, const milter_terms *t, arena *a,
	milter_answer *out)
{
	milter_answer answer = {0};

	for (size_t i = 0; i < sizeof answer_rows / sizeof *answer_rows && packet.size > 0; i++) {
		const struct answer_row *row = &answer_rows[i];

		if (row->letter != *packet.at)
			continue;
		if (!fits(row, asked, t) ||
			!read_data(slice_from(packet, 1), row->shape, a, &answer))
			return ST_INVALID;
		answer.word = row->word;
		if (answer.word == MILTER_WANTS_QUARANTINE)
			answer.value = answer.name;
		*out = answer;
		return ST_OK;
	}
	return ST_INVALID;
}
