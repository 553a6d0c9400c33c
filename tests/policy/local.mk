# Receiving rules of a whole platform: PostgreSQL, workers, and a DNS server of the test's own.
dist_check_SCRIPTS += tests/policy/mail.pg
TESTS += tests/policy/mail.pg
