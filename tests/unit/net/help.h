/* What the tests of this room share. */
#ifndef PENNYPOST_UNIT_NET_HELP_H
#define PENNYPOST_UNIT_NET_HELP_H

#include "net/stream.h"
#include "task/task.h"

#include <criterion/criterion.h>

/* A test whose body runs twice: on a plain thread and on a fiber. */
#define ON_BOTH(suite, name)                                                                       \
	static void suite##_##name(void);                                                          \
	Test(suite, name##_on_a_thread)                                                            \
	{                                                                                          \
		suite##_##name();                                                                  \
	}                                                                                          \
	Test(suite, name##_on_a_fiber)                                                             \
	{                                                                                          \
		on_fibers(suite##_##name, NULL);                                                   \
	}                                                                                          \
	static void suite##_##name(void)

/* Runs one or two bodies as fibers of a loop until both have ended. */
void on_fibers(void (*first)(void), void (*second)(void));
/* Runs `body` on a thread of its own; help_join waits for it. */
void help_thread(void *(*body)(void *), void *arg);
void help_join(void);

/* A stream and the bare other end of its socket. */
void help_pair(stream **s, int *other);
/* The same with packets: each read of the other end gives what left in one send. */
void help_packets(stream **s, int *other);
void help_send(int fd, const char *z);
/* What comes first, however late, at most up to the end; in a static buffer. */
const char *help_receive(int fd);
/* Nothing comes within a moment. */
bool help_silent(int fd);
/* Everything until the end or reset. */
const char *help_receive_all(int fd);
/* Bare TCP connection to a port of 127.0.0.1. */
int help_connect(unsigned port);
unsigned help_port(int fd);

#define cr_expect_slice(s, z)                                                                      \
	cr_expect(slice_same((s), slice_z(z)), "\"%.*s\" instead of \"%s\"", SLICE_ARGS(s), (z))
#define cr_expect_kind(call, kind)                                                                 \
	do {                                                                                       \
		status kind_ = (call);                                                             \
		cr_expect_eq(kind_, (kind), "%s gives %s", #call, status_name(kind_));             \
	} while (0)
#define cr_assert_ok(call)                                                                         \
	do {                                                                                       \
		status kind_ = (call);                                                             \
		cr_assert_eq(kind_, ST_OK, "%s gives %s", #call, status_name(kind_));              \
	} while (0)

/* A new folder, gone at the end of the test. */
char *help_folder(void);
/* FOLDER/NAME.crt and .key: self-signed P-256 for `host` (a name, or an IPv4 address). */
void help_certificate(const char *folder, const char *name, const char *host);
/* The same with a key of this kind ("EC", "ED25519"), and valid from and until so many seconds from
   now. */
void help_certificate_of(const char *folder, const char *name, const char *host, const char *kind,
	long from, long until);
const char *help_path(const char *folder, const char *file);

#endif
