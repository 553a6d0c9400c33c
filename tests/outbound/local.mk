# From submission to another system, beside a PostgreSQL of its own.
dist_check_SCRIPTS += tests/outbound/forward.pg tests/outbound/mail.pg
EXTRA_DIST += tests/outbound/sink.py
TESTS += tests/outbound/forward.pg tests/outbound/mail.pg
