/* Bodies come back byte for byte, in bounded memory, and what is damaged is told. */
#include "provider/blob.h"

#include "base/text.h"
#include "provider/folder.h"
#include "task/task.h"
#include "tests/unit/provider/given.h"
#include "tests/unit/provider/store_fixture.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <sys/resource.h>

TestSuite(blob, .init = given_providers, .fini = provider_close, .timeout = 300);

/* A stream of bytes that is the same each time: noise, or words. */
struct source {
	uint64_t state;
	bool words;
};

static void source_fill(struct source *s, char *to, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		s->state = s->state * 6364136223846793005u + 1442695040888963407u;
		unsigned char byte = (unsigned char)(s->state >> 56);
		to[i] = s->words ? "etaoin shrdlu\r\n"[byte % 15] : (char)byte;
	}
}

struct compare {
	struct source source;
	uint64_t seen;
	bool differs;
};

static status compare_each(slice bytes, void *arg)
{
	struct compare *c = arg;
	static char wanted[4096];

	while (bytes.size > 0) {
		slice part = slice_until(bytes, sizeof wanted);

		source_fill(&c->source, wanted, part.size);
		c->differs |= memcmp(wanted, part.at, part.size) != 0;
		c->seen += part.size;
		bytes = slice_from(bytes, part.size);
	}
	return ST_OK;
}

static long memory_peak(void) /* kilobytes */
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return u.ru_maxrss;
}

static struct delivery_part part_written(const struct route *to, struct source s, uint64_t size)
{
	struct delivery_part p = {.postoffice = to->postoffice, .recipients = to, .n = 1};
	static char chunk[10007];

	cr_assert_eq(blob_writer_open(p.postoffice, &p.body), ST_OK);
	for (uint64_t left = size; left > 0;) {
		size_t n = left < sizeof chunk ? (size_t)left : sizeof chunk;

		source_fill(&s, chunk, n);
		cr_assert_eq(blob_write(p.body, slice_of(chunk, n)), ST_OK);
		left -= n;
	}
	cr_assert_eq(blob_writer_finish(p.body), ST_OK);
	cr_assert_eq(blob_writer_size(p.body), size);
	return p;
}

static int64_t deliver_source(const struct route *to, struct source s, uint64_t size)
{
	struct delivery_part p = part_written(to, s, size);
	struct delivery d = {.id = blob_writer_id(p.body), .parts = &p, .n = 1};
	int64_t blob = blob_writer_id(p.body);

	status outcome = deliver_run(&d);
	cr_assert_eq(outcome, ST_OK, "%s", status_name(outcome));
	blob_writer_close(&p.body);
	return blob;
}

static void round_trip(uint64_t size)
{
	struct route to = store_mailbox(store_postoffice(), "anna", 0);

	for (int words = 0; words < 2; words++) {
		struct source s = {.state = size, .words = words};
		struct compare c = {.source = s};
		int64_t blob = deliver_source(&to, s, size);

		cr_assert_eq(blob_each(to.postoffice, blob, compare_each, &c), ST_OK);
		cr_assert_eq(c.seen, size);
		cr_assert_not(c.differs);
	}
}

Test(blob, brings_small_bodies_back)
{
	static const uint64_t sizes[] = {0, 1, 8192, 131072, 131073, 300000, 1 << 20};

	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
		round_trip(sizes[i]);
}

Test(blob, brings_big_bodies_back_in_bounded_memory)
{
	round_trip(1000); /* what connections and compressors take */
	long before __attribute__((unused)) = memory_peak();

	round_trip(50 << 20);
#ifndef __SANITIZE_ADDRESS__ /* which keeps freed memory for a while */
	cr_assert_lt(memory_peak() - before, 40000, "%ld kB more", memory_peak() - before);
#endif
}

/* In memory, held as segments, and stored already. */
Test(blob, is_read_back_while_it_is_written)
{
	static const uint64_t sizes[] = {0, 100, 131072, 300000, 6 << 20};
	struct route to = store_mailbox(store_postoffice(), "anna", 0);

	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		struct source s = {.state = i}, again = s;
		struct compare c = {.source = s};
		char *body = malloc((size_t)sizes[i] + 1);
		blob_writer *w;

		source_fill(&again, body, (size_t)sizes[i]);
		cr_assert_eq(blob_writer_open(to.postoffice, &w), ST_OK);
		cr_assert_eq(blob_write(w, slice_of(body, (size_t)sizes[i])), ST_OK);
		cr_assert_eq(blob_writer_each(w, compare_each, &c), ST_OK);
		cr_assert_eq(c.seen, sizes[i]);
		cr_assert_not(c.differs);
		blob_writer_close(&w);
		free(body);
	}
}

static status gather(slice bytes, void *arg)
{
	text_add(arg, bytes);
	return ST_OK;
}

/* Before anything was packed, behind whole pieces, and behind segments. */
Test(blob, takes_bytes_in_front)
{
	static const uint64_t sizes[] = {0, 100, 131071, 131072, 300000, 6 << 20};
	struct route to = store_mailbox(store_postoffice(), "anna", 0);

	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		struct source s = {.state = i, .words = false}, again = s;
		struct delivery_part p = {.postoffice = to.postoffice, .recipients = &to, .n = 1};
		char *body = malloc((size_t)sizes[i] + 1);
		text all = TEXT_INIT;

		source_fill(&again, body, (size_t)sizes[i]);
		cr_assert_eq(blob_writer_open(to.postoffice, &p.body), ST_OK);
		cr_assert_eq(blob_write(p.body, slice_of(body, (size_t)sizes[i])), ST_OK);
		cr_assert_eq(blob_write_front(p.body, S("Second: 2\r\n")), ST_OK);
		cr_assert_eq(blob_write_front(p.body, S("First: 1\r\n")), ST_OK);
		cr_assert_eq(blob_write_front(p.body, slice_of(body, BLOB_FRONT_MOST)), ST_TOO_BIG);
		cr_assert_eq(blob_writer_finish(p.body), ST_OK);
		cr_assert_eq(blob_writer_size(p.body), sizes[i] + 21);
		int64_t blob = blob_writer_id(p.body);
		struct delivery d = {.id = blob, .parts = &p, .n = 1};
		cr_assert_eq(deliver_run(&d), ST_OK);
		blob_writer_close(&p.body);
		cr_assert_eq(blob_each(to.postoffice, blob, gather, &all), ST_OK);
		cr_assert_eq(all.size, sizes[i] + 21);
		cr_assert(slice_starts(text_slice(&all), S("First: 1\r\nSecond: 2\r\n")));
		cr_assert_eq(memcmp(all.at + 21, body, (size_t)sizes[i]), 0);
		text_free(&all);
		free(body);
	}
}

Test(blob, gives_the_head_alone)
{
	struct route to = store_mailbox(store_postoffice(), "anna", 0);
	struct source s = {.state = 7, .words = true};
	int64_t blob = deliver_source(&to, s, 400000);
	arena a = ARENA_INIT;
	char wanted[200000];
	slice head;

	source_fill(&s, wanted, sizeof wanted);
	for (size_t most = 0; most <= sizeof wanted; most += 50000) {
		cr_assert_eq(blob_head(to.postoffice, blob, most, &a, &head), ST_OK);
		cr_assert(slice_same(head, slice_of(wanted, most)));
	}
	cr_assert_eq(blob_head(to.postoffice, blob, 1 << 30, &a, &head), ST_OK);
	cr_assert_eq(head.size, 400000);
	cr_assert_eq(blob_head(to.postoffice, blob + 1, 10, &a, &head), ST_ABSENT);
	arena_release(&a);
}

enum { SMALL_FEW = 4, SMALL_BIG = 2, SMALL_GONE = 5, SMALL_ALL = 6, SMALL_MOST = 32768 };
static const uint64_t small_sizes[] = {100, 0, 40000, 5000, 32768};

struct small {
	struct route to;
	int64_t ids[SMALL_ALL];
	text room;
};

static void small_fetch(const struct small *s, const int64_t *ids, int n, blob_small **b)
{
	cr_assert_eq(blob_small_fetch(s->to.postoffice, ids, n, SMALL_MOST, b), ST_OK);
}

static void small_is_right(struct small *s, const blob_small *b, int which)
{
	struct source from = {.state = (uint64_t)which, .words = true};
	char wanted[40000];
	slice raw;

	source_fill(&from, wanted, small_sizes[which]);
	cr_assert_eq(blob_small_one(b, which, &s->room, &raw), ST_OK);
	cr_assert(slice_same(raw, slice_of(wanted, small_sizes[which])), "%d", which);
}

static status small_ones_asked(void *arg)
{
	static const int asked[] = {3, 0, 4, 1, 0};
	struct small *s = arg;
	blob_small *b;
	slice raw;

	small_fetch(s, s->ids, SMALL_ALL, &b);
	for (size_t k = 0; k < sizeof asked / sizeof *asked; k++)
		small_is_right(s, b, asked[k]);
	cr_assert_eq(blob_small_one(b, SMALL_BIG, &s->room, &raw), ST_ABSENT);
	cr_assert_eq(blob_small_one(b, SMALL_GONE, &s->room, &raw), ST_ABSENT);
	blob_small_close(&b);
	small_fetch(s, s->ids + SMALL_GONE, 1, &b);
	cr_assert_eq(blob_small_one(b, 0, &s->room, &raw), ST_ABSENT);
	blob_small_close(&b);
	return ST_OK;
}

static status broken_one_asked(void *arg)
{
	struct small *s = arg;
	blob_small *b;
	slice raw;

	small_fetch(s, s->ids, SMALL_FEW, &b);
	cr_assert_eq(blob_small_one(b, 0, &s->room, &raw), ST_BROKEN);
	small_is_right(s, b, 3);
	blob_small_close(&b);
	return ST_OK;
}

Test(blob, gives_small_ones_one_by_one)
{
	struct small s = {.to = store_mailbox(store_postoffice(), "anna", 0)};

	s.ids[SMALL_GONE] = 1;
	for (size_t i = 0; i < SMALL_GONE; i++)
		s.ids[i] = deliver_source(
			&s.to, (struct source){.state = i, .words = true}, small_sizes[i]);
	small_ones_asked(&s);
	store_fibers(1, small_ones_asked, &s);
	store_sql("update blob set rawlen = rawlen - 1 where postoffice = %lld and blob = %lld",
		(long long)s.to.postoffice, (long long)s.ids[0]);
	broken_one_asked(&s);
	store_fibers(1, broken_one_asked, &s);
	store_sql("update blob set rawlen = -1 where postoffice = %lld and blob = %lld",
		(long long)s.to.postoffice, (long long)s.ids[0]);
	store_fibers(1, broken_one_asked, &s);
	text_free(&s.room);
}

static status refuse(slice bytes, void *arg)
{
	(void)bytes;
	(void)arg;
	return ST_CLOSED;
}

Test(blob, tells_what_is_damaged)
{
	struct route to = store_mailbox(store_postoffice(), "anna", 0);
	struct source s = {.state = 1};
	int64_t blob = deliver_source(&to, s, 600000);
	long long po = to.postoffice, id = blob;
	struct compare c = {.source = s};

	cr_assert_eq(blob_each(po, id, refuse, NULL), ST_CLOSED);
	store_sql("update blob set rawlen = rawlen + 1 where postoffice = %lld and blob = %lld", po,
		id);
	cr_assert_eq(blob_each(po, id, compare_each, &c), ST_BROKEN);
	store_sql("update blob set rawlen = 1000 where postoffice = %lld and blob = %lld", po, id);
	c = (struct compare){.source = s};
	cr_assert_eq(blob_each(po, id, compare_each, &c), ST_BROKEN);
	cr_assert_eq(c.seen, 0);
	store_sql(
		"update blob set rawlen = 600000 where postoffice = %lld and blob = %lld", po, id);
	store_sql(
		"update blob_seg set data = set_byte(data, 5000, (get_byte(data, 5000) + 1) %% 256) where postoffice = %lld and blob = %lld and seg = 1",
		po, id);
	c = (struct compare){.source = s};
	cr_assert_eq(blob_each(po, id, compare_each, &c), ST_BROKEN);
	cr_assert_not(c.differs, "damaged bytes were handed out");
	store_sql("delete from blob_seg where postoffice = %lld and blob = %lld", po, id);
	cr_assert_eq(blob_each(po, id, compare_each, &c), ST_BROKEN);
	store_sql(
		"update blob set data = '\\x0102' where postoffice = %lld and blob = %lld", po, id);
	cr_assert_eq(blob_each(po, id, compare_each, &c), ST_BROKEN);
}

Test(blob, is_not_there_before_its_delivery)
{
	struct route to = store_mailbox(store_postoffice(), "anna", 0);
	struct delivery_part p = part_written(&to, (struct source){.state = 3}, 6 << 20);
	int64_t blob = blob_writer_id(p.body);

	cr_assert_gt(store_sql("select count(*) from blob_seg where postoffice = %lld",
			     (long long)to.postoffice),
		0);
	cr_assert_eq(blob_each(to.postoffice, blob, refuse, NULL), ST_ABSENT);
	blob_writer_close(&p.body);
}

/* ---- one message for many post offices */

struct crowd {
	int writing, turns;
};

static status write_eight(void *arg)
{
	enum { OFFICES = 8, PIECES = 24 };
	static char piece[128 * 1024];
	struct crowd *crowd = arg;
	struct source noise = {.state = 1};
	blob_writer *w[OFFICES];

	crowd->writing++;
	for (int i = 0; i < OFFICES; i++)
		cr_assert_eq(blob_writer_open(1, &w[i]), ST_OK);
	for (int n = 0; n < PIECES; n++) {
		source_fill(&noise, piece, sizeof piece);
		for (int i = 0; i < OFFICES; i++)
			cr_assert_eq(blob_write(w[i], slice_of(piece, sizeof piece)), ST_OK);
	}
	for (int i = 0; i < OFFICES; i++)
		blob_writer_close(&w[i]);
	crowd->writing--;
	return ST_OK;
}

static status count_turns(void *arg)
{
	struct crowd *crowd = arg;
	do {
		TRY(task_sleep(0));
		crowd->turns++;
	} while (crowd->writing > 0);
	return ST_OK;
}

Test(blob, others_have_their_turn_while_many_are_packed)
{
	struct crowd crowd = {0};
	cr_assert_eq(task_loop_open(&TASK_LIMITS_INIT), ST_OK);
	cr_assert_not_null(task_start("writer", write_eight, &crowd));
	cr_assert_not_null(task_start("other", count_turns, &crowd));
	task_loop_run();
	task_loop_close();
	cr_expect_gt(crowd.turns, 3, "%d turns", crowd.turns);
}
