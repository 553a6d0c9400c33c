/* Streams to others: a socket that waits for its connection like everything else. */
#include "net/stream.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* After a connect(): what became of it. */
static status connect_wait(int fd)
{
	socklen_t size = sizeof(int);
	int trouble = 0;

	TRY(task_wait(fd, WAIT_WRITE));
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &trouble, &size) != 0)
		return ST_CLOSED;
	return trouble == 0 ? ST_OK : trouble == ETIMEDOUT ? ST_TIMED_OUT : ST_CLOSED;
}

static status connect_socket(int fd, const net_address *to, const net_address *from)
{
	struct sockaddr_storage at;
	socklen_t size;

	if (from) {
		size = net_address_to(from, &at);
		if (bind(fd, (struct sockaddr *)&at, size) != 0)
			return ST_INVALID;
	}
	size = net_address_to(to, &at);
	if (connect(fd, (struct sockaddr *)&at, size) == 0)
		return ST_OK;
	return errno == EINPROGRESS || errno == EINTR ? connect_wait(fd) : ST_CLOSED;
}

/* A unix socket whose backlog is full says EAGAIN, and nobody is told when it has room: look
   again. */
#define BACKLOG_WAIT (20 * USEC_MS)

static status connect_path(int fd, slice path)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};

	memcpy(at.sun_path, path.at, path.size);
	while (connect(fd, (struct sockaddr *)&at, sizeof at) != 0) {
		if (errno == EINPROGRESS || errno == EINTR)
			return connect_wait(fd);
		if (errno != EAGAIN)
			return ST_CLOSED;
		TRY(task_sleep(BACKLOG_WAIT));
	}
	return ST_OK;
}

static status open_connected(int fd, status kind, stream **made)
{
	if (kind == ST_OK)
		return stream_open(fd, fd, made);
	task_forget(fd);
	close(fd);
	return kind;
}

status stream_connect(const net_address *to, const net_address *from, stream **made)
{
	int fd = socket(to->family == 4 ? AF_INET : AF_INET6,
		SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	return fd < 0 ? ST_BUSY : open_connected(fd, connect_socket(fd, to, from), made);
}

status stream_connect_path(slice path, stream **made)
{
	if (path.size >= sizeof((struct sockaddr_un *)NULL)->sun_path)
		return ST_INVALID;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	return fd < 0 ? ST_BUSY : open_connected(fd, connect_path(fd, path), made);
}
