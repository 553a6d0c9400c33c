# Master, workers, the operator's command line: everything but the mains.
noinst_LIBRARIES += libprogram.a
libprogram_a_SOURCES = \
	src/program/master.c src/program/master.h \
	src/program/privilege.c src/program/privilege.h \
	src/program/ready.c src/program/ready.h \
	src/program/service_table.c src/program/service_table.h \
	src/program/signals.c src/program/signals.h \
	src/program/worker.c src/program/worker.h

# The mains. A program is listed in sbin_PROGRAMS (pennypostd), bin_PROGRAMS (pennypost) or
# pkglibexec_PROGRAMS (sendmail) and links $(floor_program).
EXTRA_PROGRAMS = pennypostd
pennypostd_SOURCES = src/program/pennypostd.c
pennypostd_LDADD = $(floor_program)
