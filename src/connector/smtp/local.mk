# SMTP: inbound, submission, outbound.
noinst_LIBRARIES += libsmtp.a
libsmtp_a_SOURCES = \
	src/connector/smtp/smtp.h
