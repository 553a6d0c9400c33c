# The operator's command line, called as people and scripts call it.
dist_check_SCRIPTS += tests/cli/manual.sh tests/cli/trust.sh tests/cli/commands.pg tests/cli/sessions.pg
TESTS += tests/cli/manual.sh tests/cli/trust.sh tests/cli/commands.pg tests/cli/sessions.pg
