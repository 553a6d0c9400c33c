# Caps and patiences of a whole platform, which makes a place of its own (tests/fault/place.py).
dist_check_SCRIPTS += tests/limits/caps
TESTS += tests/limits/caps
