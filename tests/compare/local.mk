# Other implementations of the same RFCs, where Debian has them: they judge what we judge.
dist_check_SCRIPTS += tests/compare/spf.sh tests/compare/openspf.sh tests/compare/dmarc.sh
EXTRA_DIST += tests/compare/openspf.py tests/compare/dmarc.py
TESTS += tests/compare/spf.sh tests/compare/openspf.sh tests/compare/dmarc.sh
