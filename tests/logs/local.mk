# Log files of services, written by a server with real clients.
dist_check_SCRIPTS += tests/logs/logs.pg tests/logs/stopped.pg
TESTS += tests/logs/logs.pg tests/logs/stopped.pg
