# From submission to another system, beside a PostgreSQL of its own.
dist_check_SCRIPTS += tests/outbound/circles.pg tests/outbound/detours.pg tests/outbound/dns.pg tests/outbound/dnssec.pg tests/outbound/forged.pg tests/outbound/forward.pg tests/outbound/mail.pg \
	tests/outbound/resign.pg tests/outbound/smart.pg tests/outbound/sts.pg tests/outbound/tls-report.pg tests/outbound/world.pg
EXTRA_DIST += tests/outbound/far.py tests/outbound/house.py tests/outbound/known.py tests/outbound/sink.py
TESTS += tests/outbound/circles.pg tests/outbound/detours.pg tests/outbound/dns.pg tests/outbound/dnssec.pg tests/outbound/forged.pg tests/outbound/forward.pg tests/outbound/mail.pg \
	tests/outbound/resign.pg tests/outbound/smart.pg tests/outbound/sts.pg tests/outbound/tls-report.pg tests/outbound/world.pg
