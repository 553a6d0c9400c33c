/* The worker's side of errands; the contract stands in errand.h. */
#include "net/errand.h"

#include "base/log.h"
#include "net/errand_order.h"
#include "task/task.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define QUEUED_MOST (30 * USEC_S) /* until it is this errand's turn, beside its own patience */

static int runner = -1;
static _Atomic uint64_t gathered; /* octets of texts */

void errand_open(int fd)
{
	runner = fd;
}

/* ---- texts */

int errand_text(void)
{
	return memfd_create("errand", MFD_CLOEXEC);
}

status errand_text_add(int fd, slice piece, uint64_t most)
{
	off_t own = lseek(fd, 0, SEEK_CUR);

	if (own < 0)
		return ST_FULL;
	if (gathered > (uint64_t)own && gathered + piece.size > most)
		return ST_LIMITED;
	while (piece.size > 0) {
		ssize_t n = write(fd, piece.at, piece.size);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return ST_FULL;
		gathered += (uint64_t)n;
		piece = slice_from(piece, (size_t)n);
	}
	return ST_OK;
}

/* Its octets, which count on. */
static uint64_t text_close(int *fd)
{
	off_t size = *fd < 0 ? 0 : lseek(*fd, 0, SEEK_CUR);

	if (*fd >= 0)
		close(*fd);
	*fd = -1;
	return size > 0 ? (uint64_t)size : 0;
}

void errand_text_drop(int *fd)
{
	gathered -= text_close(fd);
}

/* ---- asking */

static bool put(char *to, size_t room, slice s)
{
	bool fits = s.size < room && slice_find(s, '\0') == s.size;

	snprintf(to, room, "%.*s", SLICE_ARGS(fits ? s : S("")));
	return fits;
}

static bool fill(struct errand_order *o, const struct errand *e)
{
	*o = (struct errand_order){.patience = e->patience,
		.memory = e->memory,
		.kind = e->kind,
		.at_once = e->at_once,
		.processes = e->processes,
		.attempt = e->attempt};
	/* Addresses that are longer than any may be are left out, the rest must fit. */
	(void)put(o->sender, sizeof o->sender, e->sender);
	(void)put(o->recipient, sizeof o->recipient, e->recipient);
	return put(o->program, sizeof o->program, e->program) &&
	       put(o->connector, sizeof o->connector, e->connector) &&
	       put(o->event, sizeof o->event, e->event) &&
	       put(o->message, sizeof o->message, e->message);
}

/* Room for the two descriptors of an order. */
union rights {
	struct cmsghdr head;
	char room[CMSG_SPACE(2 * sizeof(int))];
};

static struct msghdr packet_of(struct iovec *piece, union rights *control)
{
	return (struct msghdr){.msg_iov = piece,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof *control};
}

static bool hand_over(const struct errand_order *o, int text, int answer)
{
	struct iovec piece = {(void *)(uintptr_t)o, sizeof *o};
	union rights control = {0};
	struct msghdr m = packet_of(&piece, &control);
	struct cmsghdr *rights = CMSG_FIRSTHDR(&m);

	rights->cmsg_level = SOL_SOCKET;
	rights->cmsg_type = SCM_RIGHTS;
	rights->cmsg_len = CMSG_LEN(2 * sizeof(int));
	memcpy(CMSG_DATA(rights), (const int[]){text, answer}, 2 * sizeof(int));
	return sendmsg(runner, &m, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)sizeof *o;
}

ssize_t errand_order_take(int orders, struct errand_order *o, int fds[2])
{
	struct iovec piece = {o, sizeof *o};
	union rights control;
	struct msghdr m = packet_of(&piece, &control);
	ssize_t n = recvmsg(orders, &m, MSG_CMSG_CLOEXEC);
	struct cmsghdr *rights = n > 0 ? CMSG_FIRSTHDR(&m) : NULL;

	fds[0] = fds[1] = -1;
	if (rights && rights->cmsg_type == SCM_RIGHTS) /* of more the kernel hands out none */
		memcpy(fds, CMSG_DATA(rights), rights->cmsg_len - CMSG_LEN(0));
	return n;
}

static enum errand_verdict verdict_of(enum errand_end end, int code)
{
	if (end != ERRAND_RAN)
		return ERRAND_LATER;
	switch (code) {
	case 0:
		return ERRAND_GO;
	case 65:
	case 69:
	case 77:
		return ERRAND_REFUSE;
	default:
		return ERRAND_LATER;
	}
}

/* The first line that says something, fit for a reply and a log. */
static slice first_line(slice said, arena *a)
{
	slice line = {0};
	char *clean;
	size_t n = 0;

	while (line.size == 0 && slice_take(&said, '\n', &line))
		line = slice_trim(line);
	line = slice_until(line, ERRAND_SAID);
	clean = arena_new(a, line.size + 1);
	for (size_t i = 0; i < line.size; i++)
		clean[n++] = line.at[i] >= ' ' && line.at[i] <= '~' ? line.at[i] : '?';
	return slice_of(clean, n);
}

static void take_answer(const struct errand_answer *got, arena *a, struct errand_result *out)
{
	out->end = got->end >= ERRAND_RAN && got->end <= ERRAND_FAILED ? (enum errand_end)got->end
								       : ERRAND_FAILED;
	out->code = got->code;
	out->took = got->took;
	out->said = first_line(slice_of(got->said, strnlen(got->said, sizeof got->said)), a);
}

/* ST_CLOSED: the runner died, or had no room. */
static status hear(int fd, arena *a, struct errand_result *out)
{
	struct errand_answer got;

	for (;;) {
		ssize_t n = recv(fd, &got, sizeof got, MSG_DONTWAIT);
		if (n == (ssize_t)sizeof got) {
			take_answer(&got, a, out);
			return ST_OK;
		}
		if (n >= 0 || (errno != EAGAIN && errno != EINTR))
			return ST_CLOSED;
		TRY(task_wait(fd, WAIT_READ));
	}
}

status errand_run(const struct errand *e, int text, arena *a, struct errand_result *out)
{
	struct errand_order order;
	int ends[2];
	status kind = ST_CLOSED;

	*out = (struct errand_result){.end = ERRAND_FAILED, .verdict = ERRAND_LATER};
	if (runner < 0 || text < 0 || !fill(&order, e) ||
		socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) != 0) {
		errand_text_drop(&text);
		return ST_OK;
	}
	bool sent = hand_over(&order, text, ends[1]);
	uint64_t size = text_close(&text); /* the runner has it */
	close(ends[1]);
	usec before = task_deadline(clock_now() + 2 * e->patience + QUEUED_MOST);
	if (sent)
		kind = hear(ends[0], a, out);
	task_deadline(before);
	task_forget(ends[0]);
	close(ends[0]); /* ends a program that still runs */
	gathered -= size;
	out->verdict = verdict_of(out->end, out->code);
	return kind == ST_CANCELLED ? ST_CANCELLED : ST_OK;
}
