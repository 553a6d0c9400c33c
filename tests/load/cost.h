/* What a parser costs by the size of its input (trust.md F5): by the time of a processor, for figures, and by
   its steps, which no other work on the machine changes. */
#ifndef PENNYPOST_TESTS_LOAD_COST_H
#define PENNYPOST_TESTS_LOAD_COST_H

#include "base/arena.h"

/* An input is `head`, then `unit` over and over, then `tail`; "%d" in a unit is its number. What `ready` (may be NULL)
   does before each run is not counted. */
struct cost_input {
	const char *name;
	void (*run)(slice s, arena *a);
	const char *head, *unit, *tail; /* NULL: none */
	void (*ready)(slice s);
};

/* The whole program. Without words: the steps (branches, and octets by the C library) for each further byte of small
   inputs and of big ones, a line each, and how many passed; the exit code is 1 when one takes half as many again for
   the big ones. With the word "time": nanoseconds per byte of 10 KB, 100 KB and 1 MB; the exit code is 1 when one costs
   more than three times as much for each byte of the last as of the first, which is far from the noise of a busy
   machine and far below what a quadratic cost gives. */
int cost_main(const struct cost_input *inputs, size_t n, int argc, char **argv);

#endif
