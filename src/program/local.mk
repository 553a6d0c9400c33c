# Master, workers, the operator's command line: everything but the mains.
noinst_LIBRARIES += libprogram.a
libprogram_a_SOURCES =

# The mains. A program is listed in sbin_PROGRAMS (pennypostd), bin_PROGRAMS (pennypost) or
# pkglibexec_PROGRAMS (sendmail) and links $(floor_program).
