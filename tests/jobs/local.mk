# Jobs worked off by two nodes, beside a PostgreSQL of their own.
dist_check_SCRIPTS += tests/jobs/jobs.pg
TESTS += tests/jobs/jobs.pg
