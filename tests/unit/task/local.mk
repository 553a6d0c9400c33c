# Unit tests of src/task.
check_PROGRAMS += unit_task
TESTS += unit_task
unit_task_SOURCES = \
	tests/unit/task/besides.c \
	tests/unit/task/fibers.c \
	tests/unit/task/gates.c \
	tests/unit/task/many.c \
	tests/unit/task/offloading.c \
	tests/unit/task/room.c \
	tests/unit/task/room.h \
	tests/unit/task/timers.c \
	tests/unit/task/virtual.c \
	tests/unit/task/waiting.c
unit_task_LDADD = $(floor_task) $(CRITERION_LIBS)
