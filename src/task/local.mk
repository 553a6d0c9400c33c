# Waiting: fibers, deadlines, notices, gates, offload.
noinst_LIBRARIES += libtask.a
libtask_a_SOURCES = \
	src/task/beside.c \
	src/task/fiber.c \
	src/task/fiber.h \
	src/task/gate.c \
	src/task/inside.h \
	src/task/loop.c \
	src/task/offload.c \
	src/task/task.h \
	src/task/timer.c \
	src/task/wait.c
