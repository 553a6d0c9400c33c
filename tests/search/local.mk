# Searches of a whole platform, with the index and without.
dist_check_SCRIPTS += tests/search/index.pg
EXTRA_DIST += tests/search/corpus.py
TESTS += tests/search/index.pg
