# The house's own work: housekeeper, retries, reports.
noinst_LIBRARIES += libagent.a
libagent_a_SOURCES = \
	src/agent/housekeeper.c \
	src/agent/housekeeper.h \
	src/agent/job_worker.c \
	src/agent/job_worker.h \
	src/agent/indexer.c \
	src/agent/indexer.h \
	src/agent/ledger_keeper.c \
	src/agent/ledger_keeper.h
