/* The points passed so far with their counts, and the rows that are armed. Both are small fixed
   tables: the allocator itself has a fault point, so nothing here may allocate. The board is
   touched by atomics alone: whoever holds a lock of it could be killed. */
#include "base/fault.h"

#include "base/log.h"
#include "base/slice.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

enum { POINTS_MOST = 256, ROWS_MOST = 32, NAME_MOST = FAULT_NAME_SIZE - 1 };
enum action { FAIL, KILL, STOP, ACTIONS };

static const char *const actions[ACTIONS] = {[FAIL] = "fail", [KILL] = "kill", [STOP] = "stop"};

struct point {
	char name[NAME_MOST + 1];
	uint64_t passed;
};
struct row {
	char name[NAME_MOST + 1];
	uint64_t n; /* 0 = every passage */
	enum action action;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t environment_read = PTHREAD_ONCE_INIT;
static struct point points[POINTS_MOST];
static size_t point_count;
static struct row rows_armed[ROWS_MOST];
static size_t row_count;
static struct fault_board *board;

static bool parse_action(slice s, enum action *to)
{
	for (int i = 0; i < ACTIONS; i++) {
		if (slice_same(s, slice_z(actions[i]))) {
			*to = (enum action)i;
			return true;
		}
	}
	return false;
}

/* One row "name:n:action". */
static bool parse_row(slice s, struct row *to)
{
	slice name, n;

	*to = (struct row){0};
	if (!slice_take(&s, ':', &name) || name.size == 0 || name.size > NAME_MOST)
		return false;
	memcpy(to->name, name.at, name.size);
	return slice_take(&s, ':', &n) && slice_number(n, &to->n) && s.at &&
	       parse_action(s, &to->action);
}

/* Parses all rows before the armed ones are touched; counts start anew with them. */
static bool arm(const char *rows)
{
	struct row parsed[ROWS_MOST] = {0};
	size_t n = 0;
	slice rest = slice_z(rows), row;

	while (rest.size > 0 && slice_take(&rest, ',', &row)) {
		if (n == ROWS_MOST || !parse_row(row, &parsed[n]))
			return false;
		n++;
	}
	pthread_mutex_lock(&lock);
	memcpy(rows_armed, parsed, n * sizeof *parsed);
	row_count = n;
	point_count = 0;
	pthread_mutex_unlock(&lock);
	return true;
}

static void map_board(const char *file)
{
	int fd = open(file, O_RDWR | O_CLOEXEC);
	void *at = fd < 0 ? MAP_FAILED
			  : mmap(NULL, FAULT_BOARD_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (at == MAP_FAILED) {
		fprintf(stderr, "PENNYPOST_FAULT_BOARD cannot be mapped: %s\n", file);
		_exit(64);
	}
	close(fd);
	board = at;
}

static void read_environment(void)
{
	const char *rows = getenv("PENNYPOST_FAULTS");
	const char *file = getenv("PENNYPOST_FAULT_BOARD");

	if (file)
		map_board(file);
	/* A test that arms nothing by mistake would prove nothing. */
	if (rows && !arm(rows)) {
		fprintf(stderr, "PENNYPOST_FAULTS is malformed: \"%s\"; wanted name:n:action,...\n",
			rows);
		_exit(64);
	}
}

bool fault_arm(const char *rows)
{
	pthread_once(&environment_read, read_environment);
	return arm(rows);
}

/* Counts a passage of `name` and finds what it is to do. */
static bool pass(const char *name, uint64_t *passed, enum action *action)
{
	size_t i = 0;

	while (i < point_count && strcmp(points[i].name, name) != 0)
		i++;
	if (i == POINTS_MOST)
		return false;
	if (i == point_count) {
		points[i] = (struct point){0};
		snprintf(points[i].name, sizeof points[i].name, "%s", name);
		point_count++;
	}
	*passed = ++points[i].passed;
	for (size_t r = 0; r < row_count; r++) {
		const struct row *row = &rows_armed[r];
		if ((row->n == 0 || row->n == *passed) && strcmp(row->name, name) == 0) {
			*action = row->action;
			return true;
		}
	}
	return false;
}

/* ---- the board */

static uint64_t mark_of(const char *name)
{
	uint64_t mark = UINT64_C(0xcbf29ce484222325);

	for (; *name; name++)
		mark = (mark ^ (unsigned char)*name) * UINT64_C(0x100000001b3);
	return mark ? mark : 1;
}

static void board_count(const char *name)
{
	uint64_t mark = mark_of(name);

	for (int i = 0; i < FAULT_BOARD_POINTS; i++) {
		uint64_t there = 0;
		if (atomic_compare_exchange_strong(&board->points[i].mark, &there, mark)) {
			snprintf(board->points[i].name, FAULT_NAME_SIZE, "%s", name);
			there = mark;
		}
		if (there == mark) {
			atomic_fetch_add(&board->points[i].passed, 1);
			return;
		}
	}
}

/* Whether this passage is the one. */
static bool board_fires(const char *name, enum action *action)
{
	uint64_t left = atomic_load(&board->left);

	board_count(name);
	if (left == 0 || strncmp(board->name, name, FAULT_NAME_SIZE) != 0)
		return false;
	while (left > 0 && !atomic_compare_exchange_weak(&board->left, &left, left - 1))
		;
	if (left != 1)
		return false;
	atomic_fetch_add(&board->fired, 1);
	*action = board->action < ACTIONS ? (enum action)board->action : FAIL;
	return true;
}

bool fault_at(const char *name)
{
	enum action action;
	uint64_t passed = 0;

	pthread_once(&environment_read, read_environment);
	pthread_mutex_lock(&lock);
	bool armed = pass(name, &passed, &action);
	pthread_mutex_unlock(&lock);
	if (!armed && !(board && board_fires(name, &action)))
		return false;
	if (action == KILL) {
		log_event(EV_FAULT_KILL, "point=%s passage=%llu", name, (unsigned long long)passed);
		log_close();
		raise(SIGKILL);
	}
	if (action == STOP)
		raise(SIGSTOP);
	return action == FAIL;
}

void fault_report(int fd)
{
	pthread_mutex_lock(&lock);
	for (size_t i = 0; i < point_count; i++)
		dprintf(fd, "%s %llu\n", points[i].name, (unsigned long long)points[i].passed);
	pthread_mutex_unlock(&lock);
}
