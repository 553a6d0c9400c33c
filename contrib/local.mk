# Scripts and samples around the house.

EXTRA_DIST += .clang-format .clang-tidy .editorconfig contrib/lint contrib/check contrib/packages \
	contrib/quickstart \
	contrib/systemd/pennypost.service.in contrib/systemd/pennypost.sysusers
dist_pkglibexec_SCRIPTS = contrib/private-pg
dist_pkgdata_DATA = contrib/pennypost.conf.sample

if SYSTEMD_UNITS
systemdsystemunit_DATA = contrib/systemd/pennypost.service
sysusersdir = $(prefix)/lib/sysusers.d
sysusers_DATA = contrib/systemd/pennypost.conf
CLEANFILES += $(systemdsystemunit_DATA) $(sysusers_DATA)
endif

contrib/systemd/pennypost.service: contrib/systemd/pennypost.service.in Makefile
	$(AM_V_GEN)$(MKDIR_P) $(@D) && sed -e 's|@sbindir[@]|$(sbindir)|' \
		-e 's|@service_type[@]|$(service_type)|' -e 's|@service_watchdog[@]|$(service_watchdog)|' $(srcdir)/contrib/systemd/pennypost.service.in >$@
contrib/systemd/pennypost.conf: contrib/systemd/pennypost.sysusers
	$(AM_V_GEN)$(MKDIR_P) $(@D) && cp $(srcdir)/contrib/systemd/pennypost.sysusers $@

# Takes minutes the first time, so it is not part of "make check". make lint FILES="src/base/text.c ..."
# asks about these alone.
FILES =
lint: $(BUILT_SOURCES)
	$(srcdir)/contrib/lint $(FILES)
clean-local:
	rm -rf lint-silent
