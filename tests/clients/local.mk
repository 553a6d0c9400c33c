# Real mail clients against an instance of contrib/quickstart; not part of "make check", since it needs
# the clients and ports: make check-clients.
EXTRA_DIST += tests/clients/run tests/clients/readers tests/clients/bird.js tests/clients/bird.py \
	tests/clients/flow.cjs tests/clients/flow.py tests/clients/ground.py \
	tests/clients/pages.py tests/clients/syncers.py tests/clients/terminal.py tests/clients/wire.py
.PHONY: check-clients
check-clients:
	$(top_srcdir)/tests/clients/run
