/* Dropping root, and the system-call filters: of master and workers, of the scribe, of the runner.
   Written against Linux: PR_SET_PDEATHSIG, no_new_privs and seccomp's classic BPF, which needs no
   library. */
#include "program/privilege.h"

#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pwd.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static status become(const struct passwd *who)
{
	if (initgroups(who->pw_name, who->pw_gid) != 0 ||
		setresgid(who->pw_gid, who->pw_gid, who->pw_gid) != 0 ||
		setresuid(who->pw_uid, who->pw_uid, who->pw_uid) != 0)
		return log_trouble(ST_DENIED, EV_PRIVILEGE, "user=%s error=%s", who->pw_name,
			log_quote(slice_z(strerror(errno))));
	uid_t real, effective, saved;
	if (getresuid(&real, &effective, &saved) != 0 || real == 0 || effective == 0 ||
		saved == 0 || setuid(0) == 0)
		return log_trouble(
			ST_DENIED, EV_PRIVILEGE, "user=%s error=\"root came back\"", who->pw_name);
	return ST_OK;
}

status privilege_drop(const char *user)
{
	if (geteuid() == 0) {
		if (!user || !*user)
			return log_trouble(ST_INVALID, EV_USER_MISSING, NULL);
		/* Before any worker and any wait: blocking name services do no harm here. */
		const struct passwd *who = getpwnam(user);
		if (!who || who->pw_uid == 0)
			return log_trouble(
				ST_INVALID, EV_USER_UNKNOWN, "user=%s", log_quote(slice_z(user)));
		TRY(become(who));
	}
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		return log_trouble(
			ST_DENIED, EV_PRIVILEGE, "error=%s", log_quote(slice_z(strerror(errno))));
	return ST_OK;
}

#if defined __x86_64__
#define THIS_MACHINE AUDIT_ARCH_X86_64
#elif defined __aarch64__
#define THIS_MACHINE AUDIT_ARCH_AARCH64
#endif

#ifdef THIS_MACHINE
#define FIELD(name) offsetof(struct seccomp_data, name)
#define LOAD(offset) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (offset))
#define REFUSE BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM)
#define ALLOW BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)
/* When the loaded word equals k, go on with the next row; else skip `n` rows. */
#define ELSE_SKIP(k, n) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (k), 0, (n))
#define WRITING (O_WRONLY | O_RDWR | O_CREAT | O_TRUNC)

#define REFUSED(call) ELSE_SKIP(call, 1), REFUSE

/* No program is run and nobody else is looked into, not by the numbers of the x32 machine either,
   which name the same calls again. */
#ifdef __x86_64__
#define NO_OTHER_NUMBERS BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 0x40000000, 0, 1), REFUSE,
#else
#define NO_OTHER_NUMBERS
#endif
#define PIDFD_GETFD 438 /* of every machine alike */
#define NO_LOOKING                                                                                 \
	REFUSED(SYS_ptrace), REFUSED(SYS_process_vm_readv), REFUSED(SYS_process_vm_writev),        \
		REFUSED(PIDFD_GETFD)
#define NO_PROGRAMS                                                                                \
	LOAD(FIELD(arch)), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, THIS_MACHINE, 1, 0),                \
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS), LOAD(FIELD(nr)),              \
		NO_OTHER_NUMBERS REFUSED(SYS_execve), REFUSED(SYS_execveat), NO_LOOKING

static status confine(struct sock_filter *rows, size_t n)
{
	struct sock_fprog filter = {(unsigned short)n, rows};
	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter, 0, 0) != 0)
		return log_trouble(ST_DENIED, EV_PRIVILEGE, "error=%s filter=seccomp",
			log_quote(slice_z(strerror(errno))));
	return ST_OK;
}

/* Nothing is written to the file system: neither by its name nor through what hides a call from
   this filter (io_uring, openat2's struct). */
status privilege_confine(void)
{
	static struct sock_filter rows[] = {
		NO_PROGRAMS,
		REFUSED(SYS_truncate),
		REFUSED(SYS_unlinkat),
		REFUSED(SYS_linkat),
		REFUSED(SYS_symlinkat),
		REFUSED(SYS_mkdirat),
		REFUSED(SYS_renameat2),
		REFUSED(SYS_fchmodat),
		REFUSED(SYS_fchmod),
		REFUSED(SYS_fchownat),
		REFUSED(SYS_fchown),
		REFUSED(SYS_mknodat),
		REFUSED(SYS_utimensat),
		REFUSED(SYS_setxattr),
		REFUSED(SYS_lsetxattr),
		REFUSED(SYS_fsetxattr),
		REFUSED(SYS_removexattr),
		REFUSED(SYS_lremovexattr),
		REFUSED(SYS_fremovexattr),
#ifdef SYS_fchmodat2
		REFUSED(SYS_fchmodat2),
#endif
#ifdef SYS_renameat
		REFUSED(SYS_renameat),
#endif
#ifdef SYS_rename
		REFUSED(SYS_rename),
		REFUSED(SYS_unlink),
		REFUSED(SYS_link),
		REFUSED(SYS_symlink),
		REFUSED(SYS_mkdir),
		REFUSED(SYS_rmdir),
		REFUSED(SYS_chmod),
		REFUSED(SYS_creat),
		REFUSED(SYS_chown),
		REFUSED(SYS_lchown),
		REFUSED(SYS_mknod),
		REFUSED(SYS_utime),
		REFUSED(SYS_utimes),
		REFUSED(SYS_futimesat),
#endif
#ifdef SYS_openat2
		REFUSED(SYS_openat2),
#endif
#ifdef SYS_io_uring_setup
		REFUSED(SYS_io_uring_setup),
#endif
#ifdef SYS_open
		ELSE_SKIP(SYS_open, 4),
		LOAD(FIELD(args[1])),
		BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, WRITING, 0, 1),
		REFUSE,
		ALLOW,
#endif
		ELSE_SKIP(SYS_openat, 3),
		LOAD(FIELD(args[2])),
		BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, WRITING, 0, 1),
		REFUSE,
		ALLOW,
	};
	return confine(rows, sizeof rows / sizeof *rows);
}

status privilege_confine_scribe(void)
{
	static struct sock_filter rows[] = {
		NO_PROGRAMS,
#ifdef SYS_io_uring_setup
		REFUSED(SYS_io_uring_setup), /* it makes sockets, too */
#endif
		/* Of sockets only those of this machine, for its syslog. */
		ELSE_SKIP(SYS_socket, 4),
		LOAD(FIELD(args[0])),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AF_UNIX, 1, 0),
		REFUSE,
		ALLOW,
		ALLOW,
	};
	return confine(rows, sizeof rows / sizeof *rows);
}

/* What is run may be a program for 32 bits, which has numbers of its own. */
status privilege_confine_runner(void)
{
	static struct sock_filter rows[] = {
		LOAD(FIELD(arch)),
#ifdef __x86_64__
		ELSE_SKIP(AUDIT_ARCH_I386, 10),
		LOAD(FIELD(nr)),
		REFUSED(26),  /* ptrace */
		REFUSED(347), /* process_vm_readv */
		REFUSED(348), /* process_vm_writev */
		REFUSED(PIDFD_GETFD),
		ALLOW,
#endif
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, THIS_MACHINE, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
		LOAD(FIELD(nr)),
		NO_OTHER_NUMBERS NO_LOOKING,
		ALLOW,
	};
	return confine(rows, sizeof rows / sizeof *rows);
}
#else
status privilege_confine(void)
{
	log_event(EV_UNFILTERED, NULL);
	return ST_OK;
}

status privilege_confine_scribe(void)
{
	return ST_OK;
}

status privilege_confine_runner(void)
{
	return ST_OK;
}
#endif

status privilege_seal(int parent)
{
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0 ||
		prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
		return log_trouble(
			ST_DENIED, EV_PRIVILEGE, "error=%s", log_quote(slice_z(strerror(errno))));
	if (getppid() != parent)
		return ST_CLOSED; /* it died between fork and the line above */
	return ST_OK;
}
