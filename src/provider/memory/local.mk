# The same contracts kept in memory, for unit tests without PostgreSQL.
noinst_LIBRARIES += libprovider_memory.a
libprovider_memory_a_SOURCES =
