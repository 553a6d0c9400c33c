# Tests of the web worker and its APIs. They make a place of their own (tests/fault/place.py).
dist_check_SCRIPTS += tests/web/metrics
TESTS += tests/web/metrics
