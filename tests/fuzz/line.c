/* Framing of lines (net/stream.h) against a model of ten lines: whatever pieces the bytes come in,
   lines, their ends and the step after overlong ones are the same.

   Input: the square root of the longest line, the size of the pieces (0: as they come), how many
   300 bytes of filler come first, then the bytes. */
#include "net/stream.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FILLER_STEP 300

static void must(bool holds)
{
	if (!holds)
		abort();
}

static stream *stream_of(slice filler, slice bytes)
{
	int fd = memfd_create("line", MFD_CLOEXEC);
	stream *s;

	must(fd >= 0);
	must(write(fd, filler.at, filler.size) == (ssize_t)filler.size);
	must(write(fd, bytes.at, bytes.size) == (ssize_t)bytes.size);
	must(lseek(fd, 0, SEEK_SET) == 0);
	must(stream_open(fd, fd, &s) == ST_OK);
	return s;
}

/* One line of the model; the stream must say the same. */
static bool same_line(stream *s, slice *rest, size_t most)
{
	enum line_end end;
	slice line;
	status kind = stream_line(s, most, &line, &end);
	size_t at = slice_find(*rest, '\n');

	if (at == rest->size) {
		must(kind == ST_CLOSED);
		return false;
	}
	bool crlf = at > 0 && rest->at[at - 1] == '\r';
	slice wanted = slice_until(*rest, at - crlf);
	*rest = slice_from(*rest, at + 1);
	if (wanted.size > most) {
		must(kind == ST_TOO_BIG);
		return true;
	}
	must(kind == ST_OK && slice_same(line, wanted));
	must(end == (crlf ? LINE_CRLF : LINE_LF));
	return true;
}

static bool same_bytes(stream *s, slice *rest, size_t most)
{
	slice bytes;
	status kind = stream_some(s, most, &bytes);

	if (rest->size == 0) {
		must(kind == ST_CLOSED);
		return false;
	}
	must(kind == ST_OK && bytes.size > 0 && bytes.size <= most);
	must(slice_same(bytes, slice_until(*rest, bytes.size)));
	*rest = slice_from(*rest, bytes.size);
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char whole[255 * FILLER_STEP + (1 << 20)];

	if (size < 3 || size > 1 << 20)
		return 0;
	size_t most = (size_t)data[0] * data[0];
	slice bytes = slice_of(data + 3, size - 3);
	size_t filler = (size_t)data[2] * FILLER_STEP;
	memset(whole, 'x', filler);
	memcpy(whole + filler, bytes.at, bytes.size);
	slice rest = slice_of(whole, filler + bytes.size);

	stream_trickle(data[1]);
	stream *s = stream_of(slice_of(whole, filler), bytes);
	bool more = true;
	for (unsigned turn = 1; more; turn++)
		more = turn % 4 == 0 && most > 0 ? same_bytes(s, &rest, most)
						 : same_line(s, &rest, most);
	stream_close(&s);
	stream_trickle(0);
	return 0;
}
