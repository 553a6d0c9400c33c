# Rules of a whole platform for who and what comes in: PostgreSQL, workers, and a DNS server of the test's own.
dist_check_SCRIPTS += tests/policy/mail.pg tests/policy/binding.pg
TESTS += tests/policy/mail.pg tests/policy/binding.pg
