# Signatures against other implementations.
check_PROGRAMS += signature_tool
signature_tool_SOURCES = tests/signature/tool.c
signature_tool_LDADD = $(floor_net)
dist_check_SCRIPTS += tests/signature/peers.sh
EXTRA_DIST += tests/signature/peer.py
TESTS += tests/signature/peers.sh
