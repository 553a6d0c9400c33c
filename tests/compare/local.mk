# Other implementations of the same RFCs, where Debian has them: they judge what we judge.
dist_check_SCRIPTS += tests/compare/spf.sh
TESTS += tests/compare/spf.sh
