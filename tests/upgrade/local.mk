# Schemas as releases left them, with mail in them, under the program of now.
dist_check_SCRIPTS += tests/upgrade/mail.pg
TESTS += tests/upgrade/mail.pg
