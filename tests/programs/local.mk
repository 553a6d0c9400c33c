# Programs of the operator, run by a server for real messages.
dist_check_SCRIPTS += tests/programs/programs.pg
TESTS += tests/programs/programs.pg
