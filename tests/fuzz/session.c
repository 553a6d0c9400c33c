/* The contract stands in session.h. */
#include "session.h"

#include "base/log.h"
#include "net/listener.h"

#include <sys/mman.h>
#include <unistd.h>

static int file_of(const char *name, slice bytes)
{
	int fd = memfd_create(name, MFD_CLOEXEC);

	must(fd >= 0 && write(fd, bytes.at, bytes.size) == (ssize_t)bytes.size);
	must(lseek(fd, 0, SEEK_SET) == 0);
	return fd;
}

static void take_all(int fd, text *said)
{
	char piece[16384];
	ssize_t n;

	must(lseek(fd, 0, SEEK_SET) == 0);
	while ((n = read(fd, piece, sizeof piece)) > 0)
		text_add(said, slice_of(piece, (size_t)n));
	close(fd);
}

void session_play(
	enum service service, status (*run)(conversation *c), slice bytes, bool trickle, text *said)
{
	int in = file_of("in", bytes), out = file_of("out", (slice){0});
	int kept = dup(out); /* the conversation closes its own */

	must(kept >= 0);
	log_level_set(LOG_ERROR_LEVEL);
	stream_trickle(trickle ? 1 : 0);
	conversation_run(service, in, out, NULL, run);
	take_all(kept, said);
}
