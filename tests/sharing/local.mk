# Folders of others, over two workers of a real server.
dist_check_SCRIPTS += tests/sharing/shared.pg
TESTS += tests/sharing/shared.pg
