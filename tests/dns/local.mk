# A DNS server for tests, as a program (dns_server SCRIPT [PORT]) and as a part of unit tests.
check_PROGRAMS += dns_server
dns_server_SOURCES = tests/dns/server.c tests/dns/zone.c tests/dns/zone.h
