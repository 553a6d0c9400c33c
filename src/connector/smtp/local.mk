# SMTP: inbound, submission, outbound.
noinst_LIBRARIES += libsmtp.a
libsmtp_a_SOURCES = \
	src/connector/smtp/client.c \
	src/connector/smtp/client.h \
	src/connector/smtp/client_hello.c \
	src/connector/smtp/client_inside.h \
	src/connector/smtp/client_logon.c \
	src/connector/smtp/client_pool.c \
	src/connector/smtp/client_reply.c \
	src/connector/smtp/client_route.c \
	src/connector/smtp/client_route.h \
	src/connector/smtp/client_send.c \
	src/connector/smtp/client_text.c \
	src/connector/smtp/incoming.c \
	src/connector/smtp/incoming_edit.c \
	src/connector/smtp/incoming_inside.h \
	src/connector/smtp/logon.c \
	src/connector/smtp/members.c \
	src/connector/smtp/milter.c \
	src/connector/smtp/milter.h \
	src/connector/smtp/milter_inside.h \
	src/connector/smtp/milter_macro.c \
	src/connector/smtp/milter_text.c \
	src/connector/smtp/milter_wire.c \
	src/connector/smtp/outbound.c \
	src/connector/smtp/outbound.h \
	src/connector/smtp/outbound_body.c \
	src/connector/smtp/outbound_body.h \
	src/connector/smtp/outbound_wire.c \
	src/connector/smtp/plan.c \
	src/connector/smtp/plan.h \
	src/connector/smtp/policy.c \
	src/connector/smtp/policy.h \
	src/connector/smtp/policy_dnsbl.c \
	src/connector/smtp/policy_greylist.c \
	src/connector/smtp/policy_inside.h \
	src/connector/smtp/policy_sign.c \
	src/connector/smtp/policy_verify.c \
	src/connector/smtp/relay.c \
	src/connector/smtp/report.c \
	src/connector/smtp/report.h \
	src/connector/smtp/server.c \
	src/connector/smtp/session.h \
	src/connector/smtp/smtp.h \
	src/connector/smtp/transaction.c
