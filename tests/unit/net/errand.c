/* Errands as a worker sees them: texts that are bounded, a runner that answers, dies or is not
   there. */
#include "net/errand.h"

#include "net/errand_order.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define MOST 1000000

static status add(int fd, size_t size)
{
	static char octets[2 * MOST];

	return errand_text_add(fd, slice_of(octets, size), MOST);
}

Test(errand, texts_of_one_process_have_a_bound)
{
	int one = errand_text(), other = errand_text(), none = -1;

	cr_expect_eq(add(one, 600000), ST_OK);
	cr_expect_eq(add(other, 300000), ST_OK);
	cr_expect_eq(add(other, 300000), ST_LIMITED);
	cr_expect_eq(add(one, 200000), ST_LIMITED);
	errand_text_drop(&one);
	cr_expect_eq(one, -1);
	cr_expect_eq(add(other, 300000), ST_OK, "what was dropped counts on");
	cr_expect_eq(add(other, 600000), ST_OK, "one that is alone is refused");
	errand_text_drop(&other);
	cr_expect_eq(add(none, 1), ST_FULL);
	errand_text_drop(&none);
}

/* ---- a runner */

static const struct errand hello = {.program = {"/programs/hello", 15},
	.connector = {"SMTP", 4},
	.event = {"pickup", 6},
	.message = {"0SA2", 4},
	.sender = {"anna@acme.test", 14},
	.kind = 1,
	.attempt = 3,
	.patience = 60 * USEC_S,
	.at_once = 4,
	.processes = 5,
	.memory = 6};

struct fake {
	int orders;
	bool answers;
	struct errand_answer answer;
	struct errand_order order;
	char text[16];
};

static void *fake_runner(void *arg)
{
	struct fake *f = arg;
	int fds[2];

	cr_assert_eq(errand_order_take(f->orders, &f->order, fds), (ssize_t)sizeof f->order);
	cr_assert_gt(pread(fds[0], f->text, sizeof f->text - 1, 0), 0);
	if (f->answers)
		cr_assert_eq(
			send(fds[1], &f->answer, sizeof f->answer, 0), (ssize_t)sizeof f->answer);
	close(fds[0]);
	close(fds[1]);
	return NULL;
}

static struct errand_result run_with(struct fake *f, arena *a)
{
	struct errand_result r;
	pthread_t thread;
	int ends[2], text = errand_text();

	cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends), 0);
	f->orders = ends[0];
	errand_open(ends[1]);
	cr_assert_eq(pthread_create(&thread, NULL, fake_runner, f), 0);
	cr_assert_eq(errand_text_add(text, S("how are you?"), MOST), ST_OK);
	cr_assert_eq(errand_run(&hello, text, a, &r), ST_OK);
	pthread_join(thread, NULL);
	errand_open(-1);
	close(ends[0]);
	close(ends[1]);
	return r;
}

Test(errand, an_order_says_all_that_the_runner_has_to_know)
{
	struct fake f = {.answers = true, .answer = {.end = ERRAND_RAN}};
	arena a = ARENA_INIT;

	run_with(&f, &a);
	cr_expect_str_eq(f.text, "how are you?");
	cr_expect_str_eq(f.order.program, "/programs/hello");
	cr_expect_str_eq(f.order.connector, "SMTP");
	cr_expect_str_eq(f.order.event, "pickup");
	cr_expect_str_eq(f.order.message, "0SA2");
	cr_expect_str_eq(f.order.sender, "anna@acme.test");
	cr_expect_str_eq(f.order.recipient, "");
	cr_expect_eq(f.order.kind, 1);
	cr_expect_eq(f.order.attempt, 3);
	cr_expect_eq(f.order.at_once, 4);
	cr_expect_eq(f.order.processes, 5);
	cr_expect_eq(f.order.memory, 6);
	cr_expect_eq(f.order.patience, 60 * USEC_S);
	arena_release(&a);
}

Test(errand, the_exit_code_alone_decides)
{
	static const struct {
		int end, code;
		enum errand_verdict verdict;
	} rows[] = {{ERRAND_RAN, 0, ERRAND_GO}, {ERRAND_RAN, 65, ERRAND_REFUSE},
		{ERRAND_RAN, 69, ERRAND_REFUSE}, {ERRAND_RAN, 77, ERRAND_REFUSE},
		{ERRAND_RAN, 1, ERRAND_LATER}, {ERRAND_RAN, 75, ERRAND_LATER},
		{ERRAND_KILLED, 0, ERRAND_LATER}, {ERRAND_TIMED_OUT, 0, ERRAND_LATER},
		{ERRAND_BARRED, 0, ERRAND_LATER}, {ERRAND_FAILED, 0, ERRAND_LATER},
		{99, 0, ERRAND_LATER}, {-1, 0, ERRAND_LATER}};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct fake f = {
			.answers = true, .answer = {.end = rows[i].end, .code = rows[i].code}};
		arena a = ARENA_INIT;
		struct errand_result r = run_with(&f, &a);

		cr_expect_eq(r.verdict, rows[i].verdict, "end %d code %d: %d", rows[i].end,
			rows[i].code, r.verdict);
		arena_release(&a);
	}
}

Test(errand, the_first_line_that_says_something_is_made_fit_for_a_reply)
{
	struct fake f = {.answers = true,
		.answer = {
			.end = ERRAND_RAN, .code = 77, .said = "\n \n  no \x01\xe9jokes\t\nmore"}};
	arena a = ARENA_INIT;
	struct errand_result r = run_with(&f, &a);

	cr_expect(slice_same(r.said, S("no ??jokes")), "%.*s", SLICE_ARGS(r.said));
	memset(f.answer.said, 'x', sizeof f.answer.said); /* no NUL anywhere */
	r = run_with(&f, &a);
	cr_expect_eq(r.said.size, ERRAND_SAID);
	arena_release(&a);
}

Test(errand, without_an_answer_it_is_for_later)
{
	struct fake f = {.answers = false};
	struct errand_result r;
	arena a = ARENA_INIT;
	int text = errand_text(), big;

	cr_expect_eq(run_with(&f, &a).end, ERRAND_FAILED, "the runner died");
	cr_assert_eq(add(text, 900000), ST_OK);
	cr_expect_eq(errand_run(&hello, text, &a, &r), ST_OK);
	cr_expect_eq(r.end, ERRAND_FAILED, "there is no runner");
	cr_expect_eq(r.verdict, ERRAND_LATER);
	cr_expect_eq(errand_run(&hello, -1, &a, &r), ST_OK);
	cr_expect_eq(r.end, ERRAND_FAILED, "there is no text");
	text = errand_text();
	big = errand_text();
	cr_expect_eq(add(text, 900000), ST_OK);
	cr_expect_eq(add(big, 100000), ST_OK, "texts that were handed over count on");
	errand_text_drop(&text);
	errand_text_drop(&big);
	arena_release(&a);
}
