# Unit tests of src/program.
check_PROGRAMS += unit_program
TESTS += unit_program
unit_program_SOURCES = \
	tests/unit/program/cli.c \
	tests/unit/program/privilege.c \
	tests/unit/program/runner.c \
	tests/unit/program/scribe.c \
	tests/unit/program/settings.c
unit_program_LDADD = $(floor_program) $(CRITERION_LIBS)
