/* Preloaded into pennypostd by tests/fault/shortage; never part of the house.

   SHIM_MALLOC=N     the N-th allocation gives NULL, once, and tells standard error who asked; 0 = none
   SHIM_COUNT=FILE   how many allocations there were is written to FILE at the end
   SHIM_IO=1         reads and writes move one octet at a time; every third is interrupted first, and
                     every fifth on a descriptor that does not block says that there is nothing to do

   Made for glibc, whose own functions allocate through these as well. */
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *old, size_t size);
void *__libc_memalign(size_t alignment, size_t size);

static atomic_ulong allocations, calls;
static unsigned long failing;
static bool begun, trickles;

__attribute__((constructor)) static void begin(void)
{
	const char *n = getenv("SHIM_MALLOC");

	failing = n ? strtoul(n, NULL, 10) : 0;
	trickles = getenv("SHIM_IO") != NULL;
	begun = true;
}

__attribute__((destructor)) static void end(void)
{
	const char *path = getenv("SHIM_COUNT");
	unsigned long n = atomic_load(&allocations);
	FILE *f = path ? fopen(path, "w") : NULL;

	if (f) {
		fprintf(f, "%lu\n", n);
		fclose(f);
	}
}

/* ---- memory */

/* For addr2line; unwinding may allocate, which then does not count. */
static void tell_where(void)
{
	void *frames[24];

	begun = false;
	backtrace_symbols_fd(frames, backtrace(frames, 24), STDERR_FILENO);
	begun = true;
}

static bool fails(void)
{
	if (!begun || atomic_fetch_add(&allocations, 1) + 1 != failing)
		return false;
	tell_where();
	errno = ENOMEM;
	return true;
}

void *malloc(size_t size)
{
	return fails() ? NULL : __libc_malloc(size);
}

void *calloc(size_t n, size_t size)
{
	return fails() ? NULL : __libc_calloc(n, size);
}

void *realloc(void *old, size_t size)
{
	return fails() ? NULL : __libc_realloc(old, size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
	return fails() ? NULL : __libc_memalign(alignment, size);
}

int posix_memalign(void **at, size_t alignment, size_t size)
{
	if (fails())
		return ENOMEM;
	*at = __libc_memalign(alignment, size);
	return *at ? 0 : ENOMEM;
}

/* ---- reading and writing */

/* Whether this call comes to nothing; errno tells why. */
static bool disturbed(int fd, int flags)
{
	if (!trickles)
		return false;
	unsigned long n = atomic_fetch_add(&calls, 1) + 1;
	bool waits = !(flags & MSG_DONTWAIT) && !(fcntl(fd, F_GETFL) & O_NONBLOCK);

	errno = n % 3 == 0 ? EINTR : EAGAIN;
	return n % 3 == 0 || (n % 5 == 0 && !waits);
}

static size_t piece(size_t size)
{
	return trickles && size > 1 ? 1 : size;
}

/* What of the vector moves: its first octet. */
static int first_octet(const struct iovec *from, int n, struct iovec *one)
{
	for (int i = 0; i < n; i++)
		if (from[i].iov_len > 0) {
			*one = (struct iovec){from[i].iov_base, 1};
			return 1;
		}
	return 0;
}

ssize_t read(int fd, void *to, size_t size)
{
	return disturbed(fd, 0) ? -1 : syscall(SYS_read, fd, to, piece(size));
}

ssize_t write(int fd, const void *from, size_t size)
{
	return disturbed(fd, 0) ? -1 : syscall(SYS_write, fd, from, piece(size));
}

ssize_t recv(int fd, void *to, size_t size, int flags)
{
	return disturbed(fd, flags) ? -1 : syscall(SYS_recvfrom, fd, to, piece(size), flags, NULL, NULL);
}

ssize_t send(int fd, const void *from, size_t size, int flags)
{
	return disturbed(fd, flags) ? -1 : syscall(SYS_sendto, fd, from, piece(size), flags, NULL, 0);
}

ssize_t writev(int fd, const struct iovec *from, int n)
{
	struct iovec one;

	if (disturbed(fd, 0))
		return -1;
	if (trickles) {
		n = first_octet(from, n, &one);
		from = &one;
	}
	return syscall(SYS_writev, fd, from, n);
}

ssize_t sendmsg(int fd, const struct msghdr *m, int flags)
{
	struct iovec one;
	struct msghdr less = *m;

	if (disturbed(fd, flags))
		return -1;
	if (trickles && !m->msg_controllen) {
		less.msg_iovlen = (size_t)first_octet(m->msg_iov, (int)m->msg_iovlen, &one);
		less.msg_iov = &one;
	}
	return syscall(SYS_sendmsg, fd, &less, flags);
}
