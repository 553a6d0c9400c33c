# Scripts and samples around the house.

EXTRA_DIST += .clang-format .clang-tidy .editorconfig contrib/lint
dist_pkglibexec_SCRIPTS = contrib/private-pg

# Takes minutes, so it is not part of "make check".
lint: $(BUILT_SOURCES)
	$(srcdir)/contrib/lint
.PHONY: lint
