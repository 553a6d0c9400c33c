/* Preloaded into pennypostd by tests/fault/shortage, into the dialogs by tests/dialog/octets.sh,
   into PostgreSQL by tests/fault/fsync; never part of the house.

   SHIM_MALLOC=N     the N-th allocation gives NULL, once, and tells standard error who asked; 0 = none
   SHIM_COUNT=FILE   how many allocations there were is written to FILE at the end
   SHIM_BOARD=FILE   a struct board, mapped: arms the same in one process of a server that runs, and one
                     fsync or fdatasync of all processes
   SHIM_IO=1         reads and writes of streams and files move one octet at a time; every third is
                     interrupted first, and every fifth on a descriptor that does not block says that there
                     is nothing to do. epoll then tells of it once more, as a kernel would.

   Made for glibc, whose own functions allocate through these as well; under the address sanitizer
   what does not fail is the sanitizer's (ASAN_OPTIONS=verify_asan_link_order=0). */
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *old, size_t size);
void *__libc_memalign(size_t alignment, size_t size);

#define SANITIZED __attribute__((weak))
void *__interceptor_malloc(size_t size) SANITIZED;
void *__interceptor_calloc(size_t n, size_t size) SANITIZED;
void *__interceptor_realloc(void *old, size_t size) SANITIZED;
void *__interceptor_memalign(size_t alignment, size_t size) SANITIZED;

/* Written by the tester, `pid` last; allocations count from then on. */
struct board {
	_Atomic uint64_t failing; /* 0 = none: they are only counted */
	_Atomic uint64_t allocations, failed;
	_Atomic uint64_t pid;  /* 0 = nobody */
	_Atomic int64_t syncs; /* until one fails; 0 and below: none does */
};

static atomic_ulong allocations, calls;
static unsigned long failing;
static bool begun, trickles;
static struct board *board;

__attribute__((constructor)) static void begin(void)
{
	const char *n = getenv("SHIM_MALLOC"), *path = getenv("SHIM_BOARD");
	int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
	void *at = fd >= 0 ? mmap(NULL, sizeof *board, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0)
			   : MAP_FAILED;

	if (fd >= 0)
		close(fd);
	if (at != MAP_FAILED)
		board = at;
	failing = n ? strtoul(n, NULL, 10) : 0;
	trickles = getenv("SHIM_IO") != NULL;
	(void)backtrace(&(void *){NULL}, 1); /* loads what unwinds while that is allowed */
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

static bool fails_by_board(void)
{
	if (!board || atomic_load(&board->pid) == 0 ||
		atomic_load(&board->pid) != (uint64_t)getpid() ||
		atomic_fetch_add(&board->allocations, 1) + 1 != atomic_load(&board->failing))
		return false;
	atomic_fetch_add(&board->failed, 1);
	return true;
}

static bool fails(void)
{
	if (!begun || (atomic_fetch_add(&allocations, 1) + 1 != failing && !fails_by_board()))
		return false;
	tell_where();
	errno = ENOMEM;
	return true;
}

void *malloc(size_t size)
{
	if (fails())
		return NULL;
	return __interceptor_malloc ? __interceptor_malloc(size) : __libc_malloc(size);
}

void *calloc(size_t n, size_t size)
{
	if (fails())
		return NULL;
	return __interceptor_calloc ? __interceptor_calloc(n, size) : __libc_calloc(n, size);
}

void *realloc(void *old, size_t size)
{
	if (fails())
		return NULL;
	return __interceptor_realloc ? __interceptor_realloc(old, size) : __libc_realloc(old, size);
}

static void *aligned(size_t alignment, size_t size)
{
	return __interceptor_memalign ? __interceptor_memalign(alignment, size)
				      : __libc_memalign(alignment, size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
	return fails() ? NULL : aligned(alignment, size);
}

int posix_memalign(void **at, size_t alignment, size_t size)
{
	void *made = fails() ? NULL : aligned(alignment, size);

	if (made)
		*at = made;
	return made ? 0 : ENOMEM;
}

/* ---- durability */

static bool sync_fails(void)
{
	if (!board || atomic_load(&board->syncs) <= 0 || atomic_fetch_sub(&board->syncs, 1) != 1)
		return false;
	errno = EIO;
	return true;
}

int fsync(int fd)
{
	return sync_fails() ? -1 : (int)syscall(SYS_fsync, fd);
}

int fdatasync(int fd)
{
	return sync_fails() ? -1 : (int)syscall(SYS_fdatasync, fd);
}

/* ---- reading and writing */

/* Edges are told once: who was told to come later although there was something to do has to hear of
   it again. */
#define WATCHED_MOST 4096
static struct {
	int epoll;
	struct epoll_event wanted;
	atomic_bool put_off;
} watched[WATCHED_MOST];

int epoll_ctl(int epoll, int how, int fd, struct epoll_event *wanted)
{
	int result = (int)syscall(SYS_epoll_ctl, epoll, how, fd, wanted);

	if (result == 0 && fd < WATCHED_MOST) {
		watched[fd].epoll = how == EPOLL_CTL_DEL ? 0 : epoll;
		watched[fd].put_off = false;
		if (how != EPOLL_CTL_DEL)
			watched[fd].wanted = *wanted;
	}
	return result;
}

int epoll_pwait(
	int epoll, struct epoll_event *events, int most, int patience, const sigset_t *blocked)
{
	for (int fd = 0; trickles && fd < WATCHED_MOST; fd++)
		if (watched[fd].epoll == epoll && epoll != 0 &&
			atomic_exchange(&watched[fd].put_off, false))
			(void)syscall(SYS_epoll_ctl, epoll, EPOLL_CTL_MOD, fd, &watched[fd].wanted);
	return (int)syscall(
		SYS_epoll_pwait, epoll, events, most, patience, blocked, sizeof(uint64_t));
}

int epoll_wait(int epoll, struct epoll_event *events, int most, int patience)
{
	return epoll_pwait(epoll, events, most, patience, NULL);
}

/* What comes as it was sent, and counters, are never cut; what is said to standard error stays
   readable. */
static bool is_stream(int fd)
{
	struct stat about;
	int kind = 0;
	socklen_t size = sizeof kind;

	if (fd == STDERR_FILENO)
		return false;
	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &kind, &size) == 0)
		return kind == SOCK_STREAM;
	return fstat(fd, &about) == 0 && (S_ISREG(about.st_mode) || S_ISFIFO(about.st_mode));
}

/* Whether this call comes to nothing, errno telling why; *cut when it moves one octet. */
static bool disturbed(int fd, int flags, bool *cut)
{
	int before = errno;

	*cut = trickles && is_stream(fd);
	errno = before;
	if (!*cut)
		return false;
	unsigned long n = atomic_fetch_add(&calls, 1) + 1;
	bool waits = !(flags & MSG_DONTWAIT) && !(fcntl(fd, F_GETFL) & O_NONBLOCK);
	bool interrupted = n % 3 == 0, put_off = !interrupted && n % 5 == 0 && !waits;

	if (put_off && fd < WATCHED_MOST)
		watched[fd].put_off = true;
	if (interrupted || put_off)
		errno = interrupted ? EINTR : EAGAIN;
	return interrupted || put_off;
}

static size_t piece(size_t size, bool cut)
{
	return cut && size > 1 ? 1 : size;
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
	bool cut;

	return disturbed(fd, 0, &cut) ? -1 : syscall(SYS_read, fd, to, piece(size, cut));
}

ssize_t write(int fd, const void *from, size_t size)
{
	bool cut;

	return disturbed(fd, 0, &cut) ? -1 : syscall(SYS_write, fd, from, piece(size, cut));
}

ssize_t recv(int fd, void *to, size_t size, int flags)
{
	bool cut;

	return disturbed(fd, flags, &cut)
		       ? -1
		       : syscall(SYS_recvfrom, fd, to, piece(size, cut), flags, NULL, NULL);
}

ssize_t send(int fd, const void *from, size_t size, int flags)
{
	bool cut;

	return disturbed(fd, flags, &cut)
		       ? -1
		       : syscall(SYS_sendto, fd, from, piece(size, cut), flags, NULL, 0);
}

ssize_t writev(int fd, const struct iovec *from, int n)
{
	struct iovec one;
	bool cut;

	if (disturbed(fd, 0, &cut))
		return -1;
	if (cut) {
		n = first_octet(from, n, &one);
		from = &one;
	}
	return syscall(SYS_writev, fd, from, n);
}

ssize_t sendmsg(int fd, const struct msghdr *m, int flags)
{
	struct iovec one;
	struct msghdr less = *m;
	bool cut;

	if (disturbed(fd, flags, &cut))
		return -1;
	if (cut && !m->msg_controllen) {
		less.msg_iovlen = (size_t)first_octet(m->msg_iov, (int)m->msg_iovlen, &one);
		less.msg_iov = &one;
	}
	return syscall(SYS_sendmsg, fd, &less, flags);
}
