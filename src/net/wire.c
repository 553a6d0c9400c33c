/* Bytes through descriptors; the contract stands in wire.h. */
#include "net/wire.h"

#include "base/fault.h"
#include "net/stream.h"
#include "task/task.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define DROP_MOST ((size_t)1 << 20)
#define DROP_PIECE 4096

static size_t trickle;

void stream_trickle(size_t n)
{
	trickle = n;
}

static size_t piece(size_t size)
{
	return trickle && size > trickle ? trickle : size;
}

static bool prepare(int fd)
{
	struct stat about;
	int flags = fcntl(fd, F_GETFL);

	if (flags >= 0 && !(flags & O_NONBLOCK))
		fcntl(fd, F_SETFL, flags | O_NONBLOCK);
	return fstat(fd, &about) == 0 && S_ISSOCK(about.st_mode);
}

void wire_open(wire *w, int in, int out)
{
	*w = (wire){.in = in, .out = out};
	w->in_socket = prepare(in);
	w->out_socket = in == out ? w->in_socket : prepare(out);
	/* Streams gather writes themselves. Not to be had on a unix socket, where nothing is
	   lost. */
	if (w->out_socket)
		setsockopt(out, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
}

void wire_accepted(wire *w, int fd)
{
	*w = (wire){.in = fd, .out = fd, .in_socket = true, .out_socket = true};
}

void wire_drain(int fd)
{
	/* A place for what is dropped: MSG_TRUNC spares TCP the copy, other sockets make one. */
	char gone[DROP_PIECE];
	size_t dropped = 0;
	ssize_t n;

	while (dropped < DROP_MOST &&
		(n = recv(fd, gone, sizeof gone, MSG_TRUNC | MSG_DONTWAIT)) != 0) {
		if (n > 0)
			dropped += (size_t)n;
		else if (errno != EINTR)
			break;
	}
}

void wire_acknowledge(const wire *w)
{
	if (w->in_socket)
		setsockopt(w->in, IPPROTO_TCP, TCP_QUICKACK, &(int){1}, sizeof(int));
}

void wire_close(wire *w)
{
	/* Closing a socket with unread input resets it and may take our last words along. */
	if (w->in_socket && !w->ended)
		wire_drain(w->in);
	task_close(w->in);
	if (w->out != w->in)
		task_close(w->out);
}

enum turn wire_read(wire *w, char *to, size_t room, size_t *got)
{
	ssize_t n;

	*got = 0;
	if (w->ended)
		return TURN_END;
	if (FAULT("wire_read"))
		return TURN_BROKEN;
	do {
		n = w->in_socket ? recv(w->in, to, piece(room), 0) : read(w->in, to, piece(room));
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == EAGAIN ? TURN_WAIT_READ : TURN_BROKEN;
	if (n == 0) {
		w->ended = true;
		return TURN_END;
	}
	*got = (size_t)n;
	return TURN_DONE;
}

enum turn wire_write(wire *w, slice first, slice second, size_t *sent)
{
	struct iovec parts[2] = {
		{.iov_base = (char *)(uintptr_t)first.at, .iov_len = first.size},
		{.iov_base = (char *)(uintptr_t)second.at, .iov_len = second.size},
	};
	struct iovec *from = first.size ? parts : parts + 1;
	int count = first.size && second.size ? 2 : 1;
	ssize_t n;

	*sent = 0;
	if (FAULT("wire_write"))
		return TURN_BROKEN;
	if (trickle) {
		from->iov_len = piece(from->iov_len);
		count = 1;
	}
	do {
		if (!w->out_socket)
			n = writev(w->out, from, count);
		else if (count == 1)
			n = send(w->out, from->iov_base, from->iov_len, MSG_NOSIGNAL);
		else
			n = sendmsg(w->out, &(struct msghdr){.msg_iov = from, .msg_iovlen = 2},
				MSG_NOSIGNAL);
	} while (n < 0 && errno == EINTR);
	if (n < 0) {
		w->refuses |= errno == EPIPE || errno == ECONNRESET;
		return errno == EAGAIN ? TURN_WAIT_WRITE : TURN_BROKEN;
	}
	*sent = (size_t)n;
	return TURN_DONE;
}
