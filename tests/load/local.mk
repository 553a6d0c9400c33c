# Load and bench programs; "make bench" runs them, "make check" only builds them.
