/* Named fault points. Built with --enable-fault-points, FAULT("name") asks whether this passage is
   to fail now; otherwise it is the constant false and costs nothing. Points are armed by the
   environment variable PENNYPOST_FAULTS or at run time by fault_arm(): rows "name:n:action"
   separated by commas: the n-th passage of `name` (1 = the first; 0 = every one) does `action`:
   `fail` (FAULT is true), `kill` (the process ends at once by SIGKILL) or `stop` (SIGSTOP).

   A whole server has a board besides: the file that PENNYPOST_FAULT_BOARD names, FAULT_BOARD_SIZE
   zeroed bytes made by a tester, mapped at the first passage, so by a master before its workers.
   The tester arms one row at any time and reads what was passed; of all processes, one fires. */
#ifndef PENNYPOST_BASE_FAULT_H
#define PENNYPOST_BASE_FAULT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#ifdef PENNYPOST_FAULT_POINTS
#define FAULT(name) fault_at(name)
#else
#define FAULT(name) false
#endif

/* Of the board, in the byte order of the machine. Written by the tester: name and action first,
   `left` last; 0 disarms. */
enum { FAULT_BOARD_POINTS = 128, FAULT_NAME_SIZE = 48 };
struct fault_board {
	char name[FAULT_NAME_SIZE];
	uint64_t action;       /* 0 fail, 1 kill, 2 stop */
	_Atomic uint64_t left; /* passages until it fires, this one included; 0 = not armed */
	_Atomic uint64_t fired;
	struct {
		_Atomic uint64_t mark; /* of the name; 0 = nothing here yet */
		_Atomic uint64_t passed;
		char name[FAULT_NAME_SIZE];
	} points[FAULT_BOARD_POINTS];
};
#define FAULT_BOARD_SIZE sizeof(struct fault_board)

bool fault_at(const char *name); /* what FAULT asks; names have at most 47 characters */
/* Replaces all rows and counts from zero again. False when a row is malformed; all stays then. */
bool fault_arm(const char *rows);
/* Every point passed so far, with its count, one "name count" line each, to the descriptor. */
void fault_report(int fd);

#endif
