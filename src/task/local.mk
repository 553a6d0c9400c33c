# Waiting: fibers, deadlines, notices, gates, offload.
noinst_LIBRARIES += libtask.a
libtask_a_SOURCES = \
	src/task/task.h
