# From submission to another system, beside a PostgreSQL of its own.
dist_check_SCRIPTS += tests/outbound/forward.pg tests/outbound/mail.pg tests/outbound/sts.pg
EXTRA_DIST += tests/outbound/house.py tests/outbound/sink.py
TESTS += tests/outbound/forward.pg tests/outbound/mail.pg tests/outbound/sts.pg
