/* Named fault points. Built with --enable-fault-points, FAULT("name") asks whether this passage is
   to fail now; otherwise it is the constant false and costs nothing. Points are armed by the
   environment variable PENNYPOST_FAULTS or at run time by fault_arm(): rows "name:n:action"
   separated by commas: the n-th passage of `name` (1 = the first; 0 = every one) does `action`:
   `fail` (FAULT is true), `kill` (the process ends at once by SIGKILL) or `stop` (SIGSTOP). */
#ifndef PENNYPOST_BASE_FAULT_H
#define PENNYPOST_BASE_FAULT_H

#include <stdbool.h>

#ifdef PENNYPOST_FAULT_POINTS
#define FAULT(name) fault_at(name)
#else
#define FAULT(name) false
#endif

bool fault_at(const char *name); /* what FAULT asks; names have at most 47 characters */
/* Replaces all rows and counts from zero again. False when a row is malformed; all stays then. */
bool fault_arm(const char *rows);
/* Every point passed so far, with its count, one "name count" line each, to the descriptor. */
void fault_report(int fd);

#endif
