/* Arguments of IMAP commands: the search program, sequence sets, names of folders, sections, dates.
   A set that was read and resolved rises, and has what it has when every number is asked for; what
   is written of it is read as the same. A folder's name that was understood is UTF-8, and is
   understood again as it is written.

   The input's first byte: bits 0-2 what is read, bit 3 names are UTF-8; all else is the line. */
#include "session.h"

#include "base/utf8.h"
#include "provider/memory/memory.h"
#include "service/imap/names.h"
#include "service/imap/program.h"
#include "service/imap/section.h"
#include "service/imap/selected.h"

#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int file_of(slice octets)
{
	int fd = memfd_create("in", MFD_CLOEXEC);

	must(fd >= 0 && write(fd, octets.at, octets.size) == (ssize_t)octets.size);
	must(lseek(fd, 0, SEEK_SET) == 0);
	return fd;
}

/* ---- sets */

static void check_rising(const imap_set *s)
{
	for (size_t i = 0; i < s->count; i++) {
		must(s->range[i].low <= s->range[i].high);
		must(i == 0 || s->range[i].low > (uint64_t)s->range[i - 1].high + 1);
		must(imap_set_has(s, s->range[i].low) && imap_set_has(s, s->range[i].high));
		must(i == 0 || !imap_set_has(s, s->range[i].low - 1));
	}
}

static void read_set(args *p)
{
	imap_set s;
	imap_range before[64];
	size_t n;

	if (arg_set(p, &s) != ST_OK)
		return;
	must(s.saved ? s.count == 0 : s.count > 0);
	n = s.count < 64 ? s.count : 64;
	if (n > 0)
		memcpy(before, s.range, n * sizeof *before);
	imap_set_resolve(&s, 50);
	check_rising(&s);
	for (size_t i = 0; i < n; i++)
		must(imap_set_has(&s, before[i].low == IMAP_LAST ? 50 : before[i].low) &&
			imap_set_has(&s, before[i].high == IMAP_LAST ? 50 : before[i].high));
}

/* ---- names */

static void read_again(conversation *c, slice name)
{
	text written = TEXT_INIT;
	args again = {.c = c, .most = 1 << 20};
	slice same;

	imap_name_text(c, name, &written);
	again.rest = text_slice(&written);
	if (!arg_is(&again, '{')) { /* a literal would come from the stream */
		must(arg_mailbox(&again, &same) == ST_OK && again.rest.size == 0);
		must(slice_same(name, same));
	}
	text_free(&written);
}

static void read_name(args *p)
{
	slice name;

	if (arg_mailbox(p, &name) != ST_OK)
		return;
	must(utf8_valid(name));
	if (slice_find(name, '\r') == name.size && slice_find(name, '\n') == name.size &&
		slice_find(name, '\0') == name.size)
		read_again(p->c, name);
}

/* ---- a program, asked of a folder */

static void read_program(args *p)
{
	struct imap *i = imap_of(p->c);
	program *what;
	uint32_t *uids;
	uint8_t *scores;
	int n;

	if (arg_program(p, (slice){0}, &what) != ST_OK)
		return;
	must(program_run(p->c, what, &uids, &scores, &n) == ST_OK);
	for (int k = 0; k < n; k++) {
		must(view_number(i->selected->view, uids[k]) > 0);
		must(k == 0 || uids[k] > uids[k - 1]);
		must(scores[k] >= 1 && scores[k] <= 100);
		must(scores[k] == 100 || program_is_fuzzy(what));
	}
}

static void read_rest(args *p, unsigned kind)
{
	struct section section = {0};
	int64_t days;
	date at;
	slice word;

	switch (kind) {
	case 3:
		if (arg_section(p, S("BODY"), &section) == ST_OK)
			must(section.depth <= SECTION_DEPTH_MOST &&
				section.fields_n <= SECTION_FIELDS_MOST);
		break;
	case 4:
		if (arg_date(p, &days) == ST_OK && arg_space(p) == ST_OK)
			(void)arg_date_time(p, &at);
		break;
	case 5:
		if (arg_mailbox_pattern(p, &word) == ST_OK)
			must(utf8_valid(word));
		break;
	default:
		while (arg_nstring(p, &word) == ST_OK && arg_space(p) == ST_OK)
			;
		(void)args_skip(p);
		break;
	}
}

static void read_as(args *p, unsigned kind)
{
	switch (kind) {
	case 0:
		read_program(p);
		break;
	case 1:
		read_set(p);
		break;
	case 2:
		read_name(p);
		break;
	default:
		read_rest(p, kind);
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct selected selected = {0};
	struct imap i = {.state = AT_SELECTED, .selected = &selected};
	conversation c = {.state = &i};
	args p;

	if (size < 1)
		return 0;
	memory_reset();
	i.who.postoffice = memory_postoffice("demo", "demo.test");
	i.who.mailbox = memory_mailbox(i.who.postoffice, "anna", "secret-1");
	i.utf8 = data[0] & 8;
	memory_message(
		i.who.postoffice, i.who.mailbox, "Subject: =?utf-8?q?gr=C3=BCn?=\r\n\r\ntext\r\n");
	memory_message(i.who.postoffice, i.who.mailbox, "From: anna@demo.test\r\n\r\nmore\r\n");
	must(view_open(i.who.postoffice, i.who.mailbox, S("INBOX"), 0, &selected.view) == ST_OK);
	must(stream_open(file_of(slice_of(data + 1, size - 1)), file_of((slice){0}), &c.stream) ==
		ST_OK);
	if (args_begin(&p, &c, 4096) == ST_OK)
		read_as(&p, data[0] & 7);
	stream_close(&c.stream);
	view_close(&selected.view);
	arena_release(&c.command);
	return 0;
}
