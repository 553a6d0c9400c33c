# Unit tests of src/task.
check_PROGRAMS += unit_task
TESTS += unit_task
unit_task_SOURCES =
unit_task_LDADD = $(floor_task) $(CRITERION_LIBS)
