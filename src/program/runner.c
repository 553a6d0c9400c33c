/* Programs of the operator; the contract stands in runner.h. */
#include "program/runner.h"

#include "base/list.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/text.h"
#include "net/errand_order.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define FOLDER_ROOM 400
#define HELD_MOST                                                                                  \
	100 /* orders of one kind that wait; who is one too many is told so by a closed socket */

/* ---- its folder */

static bool folder_of(const struct bootstrap *boot, char to[FOLDER_ROOM])
{
	int n = snprintf(to, FOLDER_ROOM, "%.*s/programs", SLICE_ARGS(boot->state));

	return n > 0 && n < FOLDER_ROOM;
}

static status refused(const char *why)
{
	return log_trouble(ST_DENIED, EV_PROGRAM_USER, "error=%s", log_quote(slice_z(why)));
}

/* Programs could read its secrets and end its workers then. Who is not started by root has no
   choice. */
static bool is_server(const struct bootstrap *boot, uid_t uid)
{
	const struct passwd *server = boot->user.size ? getpwnam(boot->user.at) : NULL;

	return server && server->pw_uid == uid;
}

static status find_user(const struct bootstrap *boot, uid_t *uid, gid_t *gid)
{
	if (boot->program_user.size == 0)
		return ST_ABSENT;
	const struct passwd *who = getpwnam(boot->program_user.at);
	if (!who || who->pw_uid == 0)
		return log_trouble(
			ST_INVALID, EV_PROGRAM_USER, "user=%s", log_quote(boot->program_user));
	if (geteuid() != 0 && who->pw_uid != geteuid())
		return refused("only root can become another user");
	*uid = who->pw_uid;
	*gid = who->pw_gid;
	return geteuid() == 0 && is_server(boot, *uid)
		       ? log_trouble(ST_INVALID, EV_PROGRAM_USER,
				 "error=\"it is the server's own user\"")
		       : ST_OK;
}

status runner_check(const struct bootstrap *boot)
{
	uid_t uid;
	gid_t gid;

	return find_user(boot, &uid, &gid);
}

status runner_prepare(const struct bootstrap *boot)
{
	char folder[FOLDER_ROOM];
	status kind = ST_OK;
	uid_t uid = (uid_t)-1; /* which fchown would leave as it is */
	gid_t gid = (gid_t)-1;

	TRY(find_user(boot, &uid, &gid));
	if (!folder_of(boot, folder) || (mkdir(folder, 0700) != 0 && errno != EEXIST))
		return refused(strerror(errno));
	int fd = open(folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || (geteuid() == 0 && fchown(fd, uid, gid) != 0) || fchmod(fd, 0700) != 0)
		kind = refused(strerror(errno));
	if (fd >= 0)
		close(fd);
	return kind;
}

static int remove_one(const char *path, const struct stat *facts, int what, struct FTW *walk)
{
	(void)facts;
	if (walk->level > 0)
		(void)(what == FTW_DP ? rmdir(path) : unlink(path));
	return 0;
}

/* All below it; what programs left unreadable stays. */
static void empty(const char *folder)
{
	nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* ---- which programs may be run */

static bool is_kept(const struct stat *facts, uid_t owner)
{
	return (facts->st_uid == 0 || facts->st_uid == owner) &&
	       !(facts->st_mode & (S_IWGRP | S_IWOTH));
}

/* The program without links, when it stands in the folder or below it and only its keeper can
   change it or put another one in its place. */
static bool may_run(const struct bootstrap *boot, const char *program, char real[PATH_MAX])
{
	char folder[PATH_MAX], part[PATH_MAX];
	struct stat top, facts;

	if (!realpath(boot->programs.at, folder) || stat(folder, &top) != 0 ||
		!is_kept(&top, top.st_uid) || !realpath(program, real))
		return false;
	size_t size = strlen(folder);
	if (strncmp(real, folder, size) != 0 || real[size] != '/')
		return false;
	for (char *slash = real + size; slash; slash = strchr(slash + 1, '/')) {
		snprintf(part, sizeof part, "%.*s", (int)(slash - real), real);
		if (stat(part, &facts) != 0 || !is_kept(&facts, top.st_uid))
			return false;
	}
	return stat(real, &facts) == 0 && S_ISREG(facts.st_mode) && is_kept(&facts, top.st_uid) &&
	       access(real, X_OK) == 0;
}

/* ---- one errand */

struct nurse {
	const struct errand_order *order;
	int text, answer;
	char folder[FOLDER_ROOM + 16], file[FOLDER_ROOM + 32];
	int output; /* of the program */
	pid_t pid;
	struct errand_answer word;
	size_t said;
};

/* From the monotonic clock of the machine: nothing here is tested on a virtual one. */
static int64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * USEC_S + t.tv_nsec / 1000;
}

/* 0, or errno. */
static int copy_text(const struct nurse *n)
{
	char piece[65536];
	off_t at = 0;
	ssize_t got = 0;
	int fd = open(n->file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	int why = fd < 0 ? errno : 0;

	while (why == 0 && (got = pread(n->text, piece, sizeof piece, at)) > 0) {
		ssize_t put = write(fd, piece, (size_t)got);
		if (put != got)
			why = put < 0 ? errno : ENOSPC;
		at += got;
	}
	if (got < 0)
		why = errno;
	if (fd >= 0)
		close(fd);
	return why;
}

/* Who asked waits for room, so nothing else may be called so. */
static void text_has_no_place(struct nurse *n, int why)
{
	bool full = why == ENOSPC || why == EDQUOT || why == ENOMEM;

	n->word.end = full ? ERRAND_NO_ROOM : ERRAND_FAILED;
	if (!full)
		snprintf(n->word.said, sizeof n->word.said, "no folder for the text: %s",
			strerror(why));
}

static void limit(int what, rlim_t most)
{
	struct rlimit r = {most, most};

	setrlimit(what, &r);
}

static const char *variable(text *all, const char *name, const char *value)
{
	text_format(all, "%s=%s", name, value);
	return all->at;
}

/* The child's last steps: nothing of ours goes along but the text. */
static _Noreturn void become_program(const struct nurse *n, const char *program, int output)
{
	const struct errand_order *o = n->order;
	text event = TEXT_INIT, message = TEXT_INIT, sender = TEXT_INIT, recipient = TEXT_INIT,
	     attempt = TEXT_INIT, home = TEXT_INIT;
	char number[16];
	sigset_t none;

	setsid();
	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	for (int i = 1; i < NSIG; i++)
		signal(i, SIG_DFL);
	umask(077);
	int nothing = open("/dev/null", O_RDONLY);
	if (nothing < 0 || dup2(nothing, 0) < 0 || dup2(output, 1) < 0 || dup2(output, 2) < 0 ||
		close_range(3, ~0u, 0) != 0 || chdir(n->folder) != 0)
		_exit(75);
	limit(RLIMIT_CORE, 0);
	limit(RLIMIT_NOFILE, 256);
	limit(RLIMIT_AS, o->memory);
	limit(RLIMIT_FSIZE, o->memory);
	limit(RLIMIT_CPU, (rlim_t)(o->patience / USEC_S + 1));
	limit(RLIMIT_NPROC, o->processes);
	snprintf(number, sizeof number, "%u", o->attempt);
	const char *const environment[] = {"PATH=/usr/local/bin:/usr/bin:/bin", "LANG=C.UTF-8",
		variable(&home, "HOME", n->folder), variable(&event, "PENNYPOST_EVENT", o->event),
		variable(&message, "PENNYPOST_MESSAGE", o->message),
		variable(&sender, "PENNYPOST_SENDER", o->sender),
		variable(&recipient, "PENNYPOST_RECIPIENT", o->recipient),
		variable(&attempt, "PENNYPOST_ATTEMPT", number), NULL};
	const char *const words[] = {program, n->file, o->connector, NULL};
	execve(program, (char *const *)(uintptr_t)words, (char *const *)(uintptr_t)environment);
	_exit(75);
}

static bool start(struct nurse *n, const char *program)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) != 0)
		return false;
	n->pid = fork();
	if (n->pid == 0)
		become_program(n, program, ends[1]);
	close(ends[1]);
	n->output = ends[0];
	fcntl(n->output, F_SETFL, O_NONBLOCK);
	return n->pid > 0;
}

/* Keeps the beginning; the rest is read so that nobody waits to write it, and forgotten. So much at
   a time, for its patience is looked at in between. False at its end. */
static bool hear_program(struct nurse *n)
{
	char piece[8192];
	ssize_t got = 1;

	for (int left = 16; left > 0 && (got = read(n->output, piece, sizeof piece)) > 0; left--) {
		size_t room = sizeof n->word.said - 1 - n->said;
		size_t kept = (size_t)got < room ? (size_t)got : room;
		memcpy(n->word.said + n->said, piece, kept);
		n->said += kept;
		if ((size_t)got < sizeof piece)
			break;
	}
	return got > 0 || (got < 0 && (errno == EAGAIN || errno == EINTR));
}

/* All it started, its own sessions too: whoever loses its parent becomes ours
   (PR_SET_CHILD_SUBREAPER). */
static void kill_brood(struct nurse *n)
{
	char path[64], list[4096];

	snprintf(path, sizeof path, "/proc/self/task/%d/children", (int)getpid());
	if (n->pid > 0)
		kill(-n->pid, SIGKILL);
	for (;;) {
		FILE *f = fopen(path, "re");
		char *rest = list;
		size_t size = f ? fread(list, 1, sizeof list - 1, f) : 0;
		list[size] = '\0';
		char *cut = size == sizeof list - 1 ? strrchr(list, ' ') : NULL;
		if (cut) /* half a number is another process */
			*cut = '\0';
		if (f)
			fclose(f);
		else /* a kernel that does not tell: its group is all that is known */
			return;
		for (long pid; (pid = strtol(rest, &rest, 10)) > 0;)
			kill((pid_t)pid, SIGKILL);
		if (waitpid(-1, NULL, 0) < 0 && errno == ECHILD)
			return;
	}
}

static volatile sig_atomic_t orphaned; /* the runner is dead, and this nurse ends with it */

static void take_signal(int number)
{
	if (number == SIGTERM)
		orphaned = 1;
}

/* Until the program has ended, its time is over, or nobody waits for it any more. */
static void watch(struct nurse *n)
{
	int64_t began = now_us(), until = began + n->order->patience;
	struct pollfd on[] = {{n->output, POLLIN, 0}, {n->answer, 0, 0}};
	sigset_t usual;
	int how = 0;

	sigprocmask(SIG_SETMASK, NULL, &usual);
	sigdelset(&usual, SIGCHLD);
	sigdelset(&usual, SIGTERM);
	n->word.end = ERRAND_TIMED_OUT;
	for (;;) {
		int64_t left = until - now_us();
		struct timespec most = {left / USEC_S, left % USEC_S * 1000};
		if (waitpid(n->pid, &how, WNOHANG) == n->pid) {
			n->word.end = WIFEXITED(how) ? ERRAND_RAN : ERRAND_KILLED;
			n->word.code = WIFEXITED(how) ? WEXITSTATUS(how) : WTERMSIG(how);
			break;
		}
		if (left <= 0 || ppoll(on, 2, &most, &usual) == 0)
			break;
		if (on[1].revents || orphaned)
			break;
		if (on[0].revents && !hear_program(n))
			on[0].fd = -1;
	}
	hear_program(n);
	n->word.took = now_us() - began;
}

static bool is_awaited(const struct nurse *n)
{
	struct pollfd on = {n->answer, 0, 0};

	return poll(&on, 1, 0) == 0;
}

static void answer(const struct nurse *n)
{
	(void)send(n->answer, &n->word, sizeof n->word, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static _Noreturn void nurse_run(
	const struct bootstrap *boot, const struct errand_order *order, int text, int reply)
{
	struct nurse n = {.order = order, .text = text, .answer = reply, .word.end = ERRAND_FAILED};
	char state[FOLDER_ROOM], program[PATH_MAX];
	sigset_t child;

	prctl(PR_SET_PDEATHSIG, SIGTERM, 0, 0, 0);
	prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	sigaddset(&child, SIGTERM);
	sigprocmask(SIG_BLOCK, &child, NULL);
	signal(SIGCHLD, take_signal);
	signal(SIGTERM, take_signal);
	if (!is_awaited(&n))
		_exit(EXIT_SUCCESS);
	folder_of(boot, state);
	snprintf(n.folder, sizeof n.folder, "%s/XXXXXX", state);
	if (!may_run(boot, order->program, program)) {
		n.word.end = ERRAND_BARRED;
	} else if (!mkdtemp(n.folder)) {
		text_has_no_place(&n, errno);
	} else {
		snprintf(n.file, sizeof n.file, "%s/message", n.folder);
		int why = copy_text(&n);
		if (why != 0) {
			text_has_no_place(&n, why);
		} else if (start(&n, program)) {
			watch(&n);
			kill_brood(&n);
		}
		empty(n.folder);
		rmdir(n.folder);
	}
	answer(&n);
	_exit(EXIT_SUCCESS);
}

/* ---- orders */

static bool ends_somewhere(const char *s, size_t room)
{
	return memchr(s, '\0', room) != NULL;
}

static bool is_sound(const struct errand_order *o)
{
	return o->patience > 0 && o->kind < ERRAND_KINDS && o->at_once > 0 &&
	       o->at_once <= ERRAND_AT_ONCE_MOST && ends_somewhere(o->program, sizeof o->program) &&
	       ends_somewhere(o->connector, sizeof o->connector) &&
	       ends_somewhere(o->event, sizeof o->event) &&
	       ends_somewhere(o->message, sizeof o->message) &&
	       ends_somewhere(o->sender, sizeof o->sender) &&
	       ends_somewhere(o->recipient, sizeof o->recipient);
}

/* Of each kind as many run as its orders say, so that slow programs of one hold up no other. */
struct held {
	link_t link;
	struct errand_order order;
	int text, answer;
};

static struct {
	link_t held[ERRAND_KINDS];
	unsigned waiting[ERRAND_KINDS], running[ERRAND_KINDS];
	struct {
		pid_t pid;
		unsigned kind;
	} nurse[ERRAND_KINDS * ERRAND_AT_ONCE_MOST];
	unsigned nurses;
} all;

static void close_both(const int fds[2])
{
	for (int i = 0; i < 2; i++)
		if (fds[i] >= 0)
			close(fds[i]);
}

static void hold(const struct errand_order *o, const int fds[2])
{
	struct held *h = memory_new(sizeof *h);

	*h = (struct held){.order = *o, .text = fds[0], .answer = fds[1]};
	list_append(&all.held[o->kind], &h->link);
	all.waiting[o->kind]++;
}

/* No longer among those that wait; NULL: nobody does. */
static struct held *held_next(unsigned kind)
{
	link_t *first = list_first(&all.held[kind]);

	if (!first)
		return NULL;
	list_remove(first);
	all.waiting[kind]--;
	return LINK_OWNER(first, struct held, link);
}

static void let_go(struct held *h)
{
	close_both((const int[]){h->text, h->answer});
	memory_free(h);
}

static void let_all_go(void)
{
	struct held *h;

	for (unsigned k = 0; k < ERRAND_KINDS; k++)
		while ((h = held_next(k)))
			let_go(h);
}

/* A nurse holds nothing of others: they are told by closed sockets when the runner dies. */
static void nurse_start(const struct bootstrap *boot, int orders, const struct held *h)
{
	unsigned kind = h->order.kind;
	pid_t pid = fork();

	if (pid == 0) {
		close(orders);
		let_all_go();
		nurse_run(boot, &h->order, h->text, h->answer);
	}
	if (pid < 0)
		return;
	all.nurse[all.nurses].pid = pid;
	all.nurse[all.nurses++].kind = kind;
	all.running[kind]++;
}

static bool may_start(unsigned kind)
{
	link_t *first = list_first(&all.held[kind]);

	return first && all.running[kind] < LINK_OWNER(first, struct held, link)->order.at_once;
}

static void start_held(const struct bootstrap *boot, int orders)
{
	struct held *h;

	for (unsigned k = 0; k < ERRAND_KINDS; k++)
		while (may_start(k) && (h = held_next(k))) {
			nurse_start(boot, orders, h);
			let_go(h);
		}
}

static void count_out(pid_t pid)
{
	for (unsigned i = 0; i < all.nurses; i++)
		if (all.nurse[i].pid == pid) {
			all.running[all.nurse[i].kind]--;
			all.nurse[i] = all.nurse[--all.nurses];
			return;
		}
}

static void reap(void)
{
	for (pid_t pid; (pid = waitpid(-1, NULL, WNOHANG)) > 0;)
		count_out(pid);
}

/* False at the end of all orders. */
static bool take_order(int orders)
{
	struct errand_order order = {0};
	int fds[2];
	ssize_t n = errand_order_take(orders, &order, fds);

	if (n == (ssize_t)sizeof order && fds[0] >= 0 && fds[1] >= 0 && is_sound(&order) &&
		all.waiting[order.kind] < HELD_MOST)
		hold(&order, fds);
	else
		close_both(fds);
	return n > 0 || (n < 0 && (errno == EINTR || errno == EAGAIN));
}

int runner_run(int orders, const struct bootstrap *boot)
{
	struct pollfd on = {orders, POLLIN, 0};
	char folder[FOLDER_ROOM];
	sigset_t child, usual;

	if (!folder_of(boot, folder))
		return EXIT_FAILURE;
	empty(folder);
	for (unsigned k = 0; k < ERRAND_KINDS; k++)
		list_init(&all.held[k]);
	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	sigprocmask(SIG_BLOCK, &child, &usual);
	sigdelset(&usual, SIGCHLD);
	signal(SIGCHLD, take_signal);
	do {
		reap();
		start_held(boot, orders);
		on.revents = 0;
		(void)ppoll(&on, 1, NULL, &usual); /* or until a nurse ends */
	} while (!on.revents || take_order(orders));
	let_all_go();
	while (waitpid(-1, NULL, 0) > 0)
		;
	return EXIT_SUCCESS;
}
