/* Programs that are to be run for a message, from the queue: those that find no room for their texts
   wait, and are shown. */
#include "tests/unit/connector/runner.h"

#include "base/log.h"
#include "net/errand_order.h"
#include "provider/trace.h"
#include "task/task.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

TestSuite(outbound_program, .init = runner_begin, .fini = runner_end, .timeout = 600);

static int64_t small;

#define OTHERS (1 << 20) /* octets of texts that wait, as many as may */

static void post_for_program(int64_t office)
{
	struct queue_envelope e = {.sender = S("anna@acme.test"), .lifetime = 3600 * USEC_S};
	struct queue_recipient to = {.address = S("ben@here.test"),
		.domain = S("here.test"),
		.delivered = true,
		.told = TOLD_PROGRAM,
		.mailbox = 1};
	struct route nobody = {.postoffice = office};
	struct letter l;

	letter_write(&l, &nobody, 1, RAW);
	l.parts[0].n = 0;
	l.parts[0].remote = &to;
	l.parts[0].m = 1;
	l.d.envelope = &e;
	cr_assert_eq(letter_send(&l), ST_OK);
	letter_close(&l);
}

static bool program_deferred(void)
{
	return store_sql("select count(*) from queue_deferred") == 1;
}

static bool program_told(void)
{
	return trace_flush() == ST_OK &&
	       store_sql("select count(*) from trace where postoffice = %lld and fields like"
			 " '%%event=delivery%%attempt=1 end=failed%%'",
		       (long long)small) == 1;
}

static status the_program(void)
{
	static char text[OTHERS];
	int others = errand_text();

	cr_assert_eq(errand_text_add(others, slice_of(text, sizeof text), OTHERS), ST_OK);
	post_for_program(small);
	task_sleep(3 * USEC_S);
	cr_expect(!program_deferred(), "a program that was not begun was counted");
	errand_text_drop(&others);
	cr_expect(wait_until(program_deferred));
	cr_expect_eq(store_sql("select attempts from queue_deferred"), 1);
	cr_expect(wait_until(program_told), "an attempt without a run is not told");
	return ST_OK;
}

/* Here there is no runner, so it cannot be run in any case; but that is an attempt, which everybody
   can read of. */
Test(outbound_program, a_program_waits_for_room_for_its_text_and_that_is_no_attempt)
{
	small = store_postoffice();
	given_setting(S_program_texts_most, "1 MB");
	given_setting(S_smtp_message_most, "1 MB");
	given_setting(S_delivery_program, "/bin/true");
	play(the_program);
	given_setting(S_delivery_program, "");
}

/* Others that have the room for long: it stands where an operator sees it, and is looked at again. */
static bool waits_behind_others(void)
{
	return store_sql(
		       "select count(*) from queue_deferred where attempts = 0 and next_at between"
		       " now() + interval '1 second' and now() + interval '1 minute'"
		       " and last_text like 'other texts have the room%%'") == 1;
}

static status the_patient_program(void)
{
	static char text[OTHERS];
	int others = errand_text();

	cr_assert_eq(errand_text_add(others, slice_of(text, sizeof text), OTHERS), ST_OK);
	post_for_program(small);
	cr_expect(wait_until(waits_behind_others), "nobody is told why it waits");
	errand_text_drop(&others);
	return ST_OK;
}

Test(outbound_program, a_program_that_waits_for_room_for_long_is_shown)
{
	small = store_postoffice();
	given_setting(S_program_texts_most, "1 MB");
	given_setting(S_smtp_message_most, "1 MB");
	given_setting(S_program_room_patience, "2 s");
	given_setting(S_delivery_program, "/bin/true");
	play(the_patient_program);
	given_setting(S_delivery_program, "");
	given_setting(S_program_room_patience, "10 min");
}

/* A runner whose disk is full. */
static struct {
	int ends[2];
	pthread_t thread;
} full_disk;

static void *answer_that_it_is_full(void *unused)
{
	const struct errand_answer no_room = {.end = ERRAND_NO_ROOM};
	struct errand_order order;
	int fds[2];

	(void)unused;
	while (errand_order_take(full_disk.ends[0], &order, fds) > 0) {
		send(fds[1], &no_room, sizeof no_room, MSG_NOSIGNAL);
		close(fds[0]);
		close(fds[1]);
	}
	return NULL;
}

static void given_full_disk(void)
{
	cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, full_disk.ends), 0);
	errand_open(full_disk.ends[1]);
	cr_assert_eq(pthread_create(&full_disk.thread, NULL, answer_that_it_is_full, NULL), 0);
}

static void forget_full_disk(void)
{
	errand_open(-1);
	close(full_disk.ends[1]);
	pthread_join(full_disk.thread, NULL);
	close(full_disk.ends[0]);
}

static bool both_wait_a_minute(void)
{
	return store_sql(
		       "select count(*) from queue_deferred where attempts = 0 and next_at between"
		       " now() + interval '1 second' and now() + interval '1 minute'"
		       " and last_text like 'there is no room%%'") == 2;
}

static bool both_wait_long(void)
{
	return store_sql("select count(*) from queue_deferred where attempts = 0"
			 " and next_at > now() + interval '10 minutes'") == 2;
}

static status the_full_disk(void)
{
	post_for_program(small);
	post_for_program(small);
	cr_expect(wait_until(both_wait_a_minute), "they are tried again and again");
	store_sql(
		"update queue_deferred set made = made - interval '11 minutes', next_at = now() returning 1");
	cr_expect(wait_until(both_wait_long), "there is no end of minutes");
	return ST_OK;
}

static int count_in(slice said, slice word)
{
	int n = 0;

	for (size_t at; (at = slice_search(said, word)) < said.size; n++)
		said = slice_from(said, at + word.size);
	return n;
}

Test(outbound_program, programs_wait_while_the_disk_for_their_texts_is_full)
{
	static char said[65536];
	int ends[2];

	small = store_postoffice();
	given_setting(S_delivery_program, "/bin/true");
	given_full_disk();
	cr_assert_eq(pipe(ends), 0);
	log_open(&(struct log_target){.fd = ends[1], .least = LOG_WARN_LEVEL, .role = "test"});
	play(the_full_disk);
	log_close();
	cr_assert_eq(write(ends[1], "\n", 1), 1);
	ssize_t n = read(ends[0], said, sizeof said);
	close(ends[0]);
	close(ends[1]);
	cr_expect_eq(count_in(slice_of(said, (size_t)n), S("event=PROGRAM_NO_ROOM")), 1, "%.*s",
		(int)n, said);
	forget_full_disk();
	given_setting(S_delivery_program, "");
}
