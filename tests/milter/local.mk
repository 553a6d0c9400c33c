# Milters beside a whole platform: a scripted one, and OpenDKIM where it is installed.
dist_check_SCRIPTS += tests/milter/mail.pg
TESTS += tests/milter/mail.pg
EXTRA_DIST += tests/milter/fake.py
