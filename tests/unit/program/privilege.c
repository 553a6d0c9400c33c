/* What a sealed worker can no longer do, and a helper (trust.md T61). */
#include "program/privilege.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

static char folder[64], file[96];

static bool refused(long result)
{
	return result < 0 && errno == EPERM;
}

static int runs_a_program(void)
{
	char *const nothing[] = {NULL};
	return !refused(execve("/bin/true", nothing, nothing));
}

static int writes_a_file(void)
{
	return !refused(open(file, O_WRONLY)) || !refused(open(file, O_RDONLY | O_TRUNC)) ||
	       !refused(creat(file, 0600)) || !refused(truncate(file, 0));
}

static int changes_a_folder(void)
{
	char other[128];
	snprintf(other, sizeof other, "%s/other", folder);
	return !refused(unlink(file)) || !refused(rename(file, other)) ||
	       !refused(link(file, other)) || !refused(symlink(file, other)) ||
	       !refused(mkdir(other, 0700)) || !refused(mknod(other, S_IFREG | 0600, 0)) ||
	       !refused(mkfifo(other, 0600));
}

static int changes_what_is_told_of_a_file(void)
{
	int fd = open(file, O_RDONLY);
	return !refused(chmod(file, 0666)) || !refused(fchmod(fd, 0666)) ||
	       !refused(chown(file, getuid(), getgid())) ||
	       !refused(fchown(fd, getuid(), getgid())) ||
	       !refused(lchown(file, getuid(), getgid())) ||
	       !refused(utimensat(AT_FDCWD, file, NULL, 0)) ||
	       !refused(setxattr(file, "user.x", "y", 1, 0)) ||
	       !refused(fremovexattr(fd, "user.x"));
}

static int goes_around_the_filter(void)
{
	struct {
		unsigned long flags, mode, resolve;
	} how = {O_WRONLY, 0, 0};
	char *const nothing[] = {NULL};
	bool stopped = refused(syscall(SYS_openat2, AT_FDCWD, file, &how, sizeof how)) &&
		       refused(syscall(SYS_io_uring_setup, 1, &how));
#ifdef __x86_64__
	stopped &= refused(syscall(0x40000000 + 520, "/bin/true", nothing, nothing));
#endif
	(void)nothing;
	return !stopped;
}

static int reads_and_lives(void)
{
	char byte;
	int fd = open(file, O_RDONLY);
	return fd < 0 || read(fd, &byte, 1) != 1 || getpid() <= 0;
}

/* The exit code of `act` in a child that was confined and sealed before. */
static int confined(status (*confine)(void), int (*act)(void))
{
	int how = 0;
	pid_t parent = getpid(), child = fork();
	if (child == 0) {
		prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
		_exit(confine() == ST_OK && privilege_seal(parent) == ST_OK ? act() : 100);
	}
	cr_assert(waitpid(child, &how, 0) == child);
	return WIFEXITED(how) ? WEXITSTATUS(how) : 128;
}

static int sealed(int (*act)(void))
{
	return confined(privilege_confine, act);
}

Test(privilege, a_sealed_worker_only_reads)
{
	snprintf(folder, sizeof folder, "/tmp/pennypost-seal-XXXXXX");
	cr_assert(mkdtemp(folder));
	snprintf(file, sizeof file, "%s/file", folder);
	int fd = open(file, O_WRONLY | O_CREAT, 0600);
	cr_assert(write(fd, "kept", 4) == 4);
	close(fd);

	cr_expect_eq(sealed(reads_and_lives), 0);
	cr_expect_eq(sealed(runs_a_program), 0);
	cr_expect_eq(sealed(writes_a_file), 0);
	cr_expect_eq(sealed(changes_a_folder), 0);
	cr_expect_eq(sealed(changes_what_is_told_of_a_file), 0);
	cr_expect_eq(sealed(goes_around_the_filter), 0);

	struct stat st;
	cr_expect(stat(file, &st) == 0 && st.st_size == 4 && (st.st_mode & 0777) == 0600);
	unlink(file);
	rmdir(folder);
}

static int looks_into_others(void)
{
	return !refused(ptrace(PTRACE_TRACEME, 0, NULL, NULL)) ||
	       !refused(syscall(SYS_process_vm_readv, getppid(), NULL, 0, NULL, 0, 0)) ||
	       !refused(syscall(SYS_process_vm_writev, getppid(), NULL, 0, NULL, 0, 0)) ||
	       !refused(syscall(438 /* pidfd_getfd */, -1, 0, 0));
}

static int speaks_with_the_network(void)
{
	return !refused(socket(AF_INET, SOCK_STREAM, 0)) ||
	       !refused(socket(AF_INET6, SOCK_DGRAM, 0));
}

static int writes_to_the_syslog(void)
{
	int fd = open("/dev/null", O_WRONLY);
	return fd < 0 || write(fd, "line", 4) != 4 || socket(AF_UNIX, SOCK_DGRAM, 0) < 0;
}

/* What a keeper's filter allows must be enough for whom it forks anew, which has it too. */
static int keeps_one_that_runs_a_program(void)
{
	int how = 0;
	pid_t child = fork();
	if (child == 0) {
		execl("/bin/sh", "sh", "-c", "echo kept > /dev/null", (char *)NULL);
		_exit(1);
	}
	return waitpid(child, &how, 0) == child && WIFEXITED(how) ? WEXITSTATUS(how) : 2;
}

Test(privilege, helpers_and_their_keepers_can_do_their_work_alone)
{
	cr_expect_eq(confined(privilege_confine, looks_into_others), 0);
	cr_expect_eq(confined(privilege_confine_scribe, looks_into_others), 0);
	cr_expect_eq(confined(privilege_confine_scribe, runs_a_program), 0);
	cr_expect_eq(confined(privilege_confine_scribe, speaks_with_the_network), 0);
	cr_expect_eq(confined(privilege_confine_scribe, writes_to_the_syslog), 0);
	cr_expect_eq(confined(privilege_confine_runner, looks_into_others), 0);
	cr_expect_eq(confined(privilege_confine_runner, keeps_one_that_runs_a_program), 0);
}

static status after_its_parent(void)
{
	return privilege_seal(1 << 22); /* above every process id */
}

Test(privilege, a_worker_whose_master_is_gone_does_not_begin)
{
	cr_expect_eq(after_its_parent(), ST_CLOSED);
}
