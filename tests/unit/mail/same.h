/* What every test of this room says: two slices are the same, and which if not. */
#ifndef PENNYPOST_TESTS_UNIT_MAIL_SAME_H
#define PENNYPOST_TESTS_UNIT_MAIL_SAME_H

#include "base/slice.h"

#include <criterion/criterion.h>

#define SAME(got, wanted)                                                                          \
	do {                                                                                       \
		slice got_ = (got), wanted_ = (wanted);                                            \
		cr_assert(slice_same(got_, wanted_), "got \"%.*s\", wanted \"%.*s\"",              \
			SLICE_ARGS(got_), SLICE_ARGS(wanted_));                                    \
	} while (0)

#define ROWS(array) (sizeof(array) / sizeof *(array))

#endif
