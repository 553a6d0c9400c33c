/* What a milter may answer: terms, then words to each step of a message and edits of its header, in
   one piece and byte by byte.

   Input: all that the milter sends; it has ended behind that. */
#include "base/log.h"
#include "connector/smtp/milter_inside.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define HEADER "From: a@b.test\r\nno field\r\nX: 1\r\nX: 2\r\n\r\n"

struct outcome {
	unsigned answers; /* that made sense */
	unsigned version;
	slice header;
};

static void must(bool holds)
{
	if (!holds)
		abort();
}

static stream *stream_on(slice bytes)
{
	int in = memfd_create("in", MFD_CLOEXEC), out = memfd_create("out", MFD_CLOEXEC);
	stream *s = NULL;

	must(in >= 0 && out >= 0 && write(in, bytes.at, bytes.size) == (ssize_t)bytes.size);
	must(lseek(in, 0, SEEK_SET) == 0 && stream_open(in, out, &s) == ST_OK);
	return s;
}

/* Printable lines of one code, apart by CRLF. */
static void check_reply(const char *text)
{
	slice rest = slice_z(text), line;
	int lines = 0;

	while (slice_take(&rest, '\n', &line)) {
		bool last = rest.at == NULL || rest.size == 0;

		if (!last)
			must(line.size > 0 && line.at[--line.size] == '\r');
		must(line.size > 4 && line.size < 510 && memcmp(line.at, text, 3) == 0);
		must(line.at[3] == (last ? ' ' : '-') && (*text == '4' || *text == '5'));
		must(line.at[4] == *text && line.at[5] == '.');
		for (size_t i = 0; i < line.size; i++)
			must(line.at[i] >= ' ' && line.at[i] <= '~');
		must(++lines <= MILTER_REPLY_LINES_MOST);
	}
	must(lines > 0);
}

/* Every line is a field's first or begins with a blank, and the empty line is the last. */
static void check_header(slice header, size_t fields)
{
	header_walk w = header_walk_of(header);
	header_field f;
	size_t n = 0;

	while (header_next(&w, &f)) {
		n++;
		must(slice_same(f.raw, S("no field\r\n")) || !f.broken);
		must(f.raw.at[f.raw.size - 1] == '\n' && f.raw.at[f.raw.size - 2] == '\r');
	}
	must(n == fields && w.rest.size == 0 && slice_ends_nocase(header, S("\r\n")));
}

static void edit(milter_header *h, const milter_answer *answer, bool leading)
{
	if (answer->word == MILTER_WANTS_FIELD)
		milter_header_add(h, answer->name, answer->value, leading);
	else if (answer->word == MILTER_WANTS_INSERTED)
		milter_header_insert(h, answer->index, answer->name, answer->value, leading);
	else if (answer->word == MILTER_WANTS_CHANGED)
		milter_header_change(h, answer->index, answer->name, answer->value, leading);
}

static bool steps(struct milter *m, milter_header *h, arena *a, struct outcome *out)
{
	static const enum milter_command asked[] = {MILTER_CONNECT, MILTER_HELO, MILTER_MAIL,
		MILTER_RCPT, MILTER_DATA, MILTER_FIELD, MILTER_HEADER_END, MILTER_BODY, MILTER_END};

	for (size_t i = 0; i < sizeof asked / sizeof *asked; i++) {
		milter_answer answer = {.word = MILTER_SAYS_PROGRESS};

		if (!milter_hears(&m->terms, asked[i]) || !milter_answers(&m->terms, asked[i]))
			continue;
		while (!milter_word_ends(answer.word)) {
			if (milter_hear(m, asked[i], a, &answer) != ST_OK)
				return false;
			must(answer.word < MILTER_WANTS_FIELD || asked[i] == MILTER_END);
			if (answer.word == MILTER_SAYS_REPLY)
				check_reply(answer.text);
			edit(h, &answer, m->terms.steps & MILTER_LEADING_SPACE);
			out->answers++;
		}
	}
	return true;
}

static void play(slice bytes, bool trickle, arena *a, struct outcome *out)
{
	struct milter m = {.stream = stream_on(bytes), .terms = milter_terms_offered(6)};
	milter_terms offered = m.terms;
	milter_answer answer;
	milter_header h;

	stream_trickle(trickle ? 1 : 0);
	must(milter_header_open(&h, S(HEADER), a) == ST_OK);
	if (milter_hear(&m, MILTER_TERMS, a, &answer) == ST_OK) {
		text_add(&m.names, answer.value);
		if (milter_terms_read(text_slice(&m.names), &offered, &m.terms) == ST_OK) {
			must(m.terms.version >= 2 && m.terms.version <= 6);
			out->version = m.terms.version;
			steps(&m, &h, a, out);
		}
	}
	out->header = milter_header_text(&h, false);
	check_header(out->header, h.count);
	milter_close(&m);
	stream_trickle(0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct outcome whole = {0}, cut = {0};
	arena a = ARENA_INIT;

	if (size > 1 << 18)
		return 0;
	log_level_set(LOG_ERROR_LEVEL);
	play(slice_of(data, size), false, &a, &whole);
	play(slice_of(data, size), true, &a, &cut);
	must(whole.answers == cut.answers && whole.version == cut.version);
	must(slice_same(whole.header, cut.header));
	arena_release(&a);
	return 0;
}
