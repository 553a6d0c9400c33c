# Unit tests of src/program.
check_PROGRAMS += unit_program
TESTS += unit_program
unit_program_SOURCES =
unit_program_LDADD = $(floor_program) $(CRITERION_LIBS)
