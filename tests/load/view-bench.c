/* What a reader's calls cost: with-pg.sh ./view_bench [TIMES]. One reader in one process; every
   figure is the median of TIMES runs, in milliseconds, with all it takes: this process, PostgreSQL,
   the way between. */
#include "provider/append.h"
#include "provider/message_fact.h"
#include "provider/view.h"
#include "provider/view_cache.h"
#include "tests/unit/provider/given.h"
#include "tests/unit/provider/store_fixture.h"

#include <stdio.h>
#include <stdlib.h>

static struct route me;
static int times = 9;

static void must(status s, const char *what)
{
	if (s == ST_OK)
		return;
	fprintf(stderr, "%s: %s\n", what, status_name(s));
	exit(1);
}

/* n entries with messages and bodies, in a folder of their own. */
static void fill(const char *name, int n)
{
	arena a = ARENA_INIT;
	folder *f;
	long long po = me.postoffice;
	static long long at = 1000000;

	must(folder_make(me.postoffice, me.mailbox, slice_z(name), 0, &a, &f), "folder_make");
	store_sql(
		"insert into message (postoffice, msg, blob, size, hdrlen, subject) select %lld, %lld + u * 4096, u, 4000, 500, 'subject ' || u from generate_series(1, %d) u",
		po, at, n);
	store_sql(
		"insert into entry (postoffice, folder, uid, modseq, flags, msg, idate, size) select %lld, %lld, u, u + 1, u %% 2, %lld + u * 4096, now() - u * interval '1 min', 4000 from generate_series(1, %d) u",
		po, (long long)f->id, at, n);
	store_sql(
		"update folder set uidnext = %d, modseq = %d, nmsg = %d, nunseen = %d, nbytes = %lld where postoffice = %lld and folder = %lld",
		n + 1, n + 1, n, n / 2, 4000LL * n, po, (long long)f->id);
	store_sql(
		"update mailbox set modseq = greatest(modseq, %d), nmsg = nmsg + %d, used = used + %lld where postoffice = %lld and mailbox = %lld",
		n + 1, n, 4000LL * n, po, (long long)me.mailbox);
	at += (long long)(n + 1) * 4096;
	arena_release(&a);
}

static int order(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static usec begun;

static void begin(void)
{
	begun = clock_now();
}

static double took(void)
{
	return (double)(clock_now() - begun) / 1000.0;
}

static void tell(const char *what, double *runs, int n)
{
	qsort(runs, (size_t)n, sizeof *runs, order);
	printf("%-44s %9.2f ms\n", what, runs[n / 2]);
	fflush(stdout);
}

static view *shown(const char *name)
{
	view *v;

	must(view_open(me.postoffice, me.mailbox, slice_z(name), 0, &v), "view_open");
	return v;
}

static void bench_select(const char *name)
{
	double cold[99], state[99], again[99];
	arena a = ARENA_INIT;

	for (int i = 0; i < times; i++) {
		view *v;

		store_sql("delete from folder_snap");
		view_cache_clear();
		begin();
		v = shown(name);
		cold[i] = took();
		view_close(&v);
		view_cache_clear();
		begin();
		v = shown(name);
		state[i] = took();
		view_close(&v);
		begin();
		v = shown(name);
		again[i] = took();
		view_close(&v);
	}
	tell(arena_format(&a, "SELECT %s, never opened before", name).at, cold, times);
	tell(arena_format(&a, "SELECT %s, first in this process", name).at, state, times);
	tell(arena_format(&a, "SELECT %s, again", name).at, again, times);
	arena_release(&a);
}

static void bench_store(const char *name, int n)
{
	double runs[99];
	view *v = shown(name);
	arena a = ARENA_INIT;

	for (int i = 0; i < times; i++) {
		struct view_flags f = {.unchanged_since = -1};
		struct view_stored s;

		*(i % 2 ? &f.remove : &f.add) = FLAG_FLAGGED;
		begin();
		must(view_store(v, v->uids, n, &f, true, &a, &s), "view_store");
		runs[i] = took();
		arena_clear(&a);
	}
	tell(arena_format(&a, "STORE %d of %s", n, name).at, runs, times);
	view_close(&v);
	arena_release(&a);
}

static void bench_refresh(const char *name)
{
	double runs[99];
	view *v = shown(name);
	arena a = ARENA_INIT;
	struct view_change c;

	for (int i = 0; i < times; i++) {
		begin();
		must(view_refresh(v, false, &a, &c), "view_refresh");
		runs[i] = took();
	}
	tell(arena_format(&a, "NOOP in %s", name).at, runs, times);
	view_close(&v);
	arena_release(&a);
}

static void bench_copy_move(int n)
{
	double copies[99], moves[99];
	view *v = shown("10000");
	arena a = ARENA_INIT;
	folder *f;

	must(folder_make(me.postoffice, me.mailbox, S("copies"), 0, &a, &f), "folder_make");
	must(folder_make(me.postoffice, me.mailbox, S("moved"), 0, &a, &f), "folder_make");
	for (int i = 0; i < times; i++) {
		struct view_copied p;

		begin();
		must(view_copy(v, v->uids, n, S("copies"), true, &a, &p), "view_copy");
		copies[i] = took();
		view *w = shown("copies");
		begin();
		must(view_move(w, w->uids, n, S("moved"), &a, &p), "view_move");
		moves[i] = took();
		view_close(&w);
		arena_clear(&a);
	}
	tell(arena_format(&a, "COPY %d", n).at, copies, times);
	tell(arena_format(&a, "MOVE %d", n).at, moves, times);
	view_close(&v);
	arena_release(&a);
}

static void bench_expunge(int n)
{
	double runs[99];
	arena a = ARENA_INIT;

	for (int i = 0; i < times; i++) {
		struct view_flags f = {.add = FLAG_DELETED, .unchanged_since = -1};
		struct view_stored s;
		struct view_change c;
		const char *name = arena_format(&a, "expunge %d", i).at;

		fill(name, n);
		view *v = shown(name);
		must(view_store(v, v->uids, v->n, &f, true, &a, &s), "view_store");
		begin();
		must(view_expunge(v, v->uids, v->n, &a, &c), "view_expunge");
		runs[i] = took();
		view_close(&v);
	}
	tell(arena_format(&a, "EXPUNGE %d", n).at, runs, times);
	arena_release(&a);
}

static void bench_facts(void)
{
	double plain[99], kept[99];
	view *v = shown("10000");
	arena a = ARENA_INIT;
	int64_t *ids = arena_new_array(&a, (size_t)v->n, sizeof *ids);
	struct message_fact *facts;

	for (int i = 0; i < v->n; i++)
		ids[i] = v->entries[i].message;
	for (int i = 0; i < times; i++) {
		arena b = ARENA_INIT;

		begin();
		must(message_facts(me.postoffice, ids, v->n, &b, &facts, NULL), "message_facts");
		plain[i] = took();
		if (i == times - 1) {
			char packed[300] = "envelope";
			for (int k = 0; k < v->n; k++) {
				facts[k].version = 1;
				facts[k].envelope = slice_of(packed, sizeof packed);
				facts[k].structure = slice_of(packed, 100);
			}
			must(message_facts_keep(me.postoffice, facts, v->n), "keep");
		}
		arena_release(&b);
	}
	for (int i = 0; i < times; i++) {
		arena b = ARENA_INIT;

		begin();
		must(message_facts(me.postoffice, ids, v->n, &b, &facts, NULL), "message_facts");
		kept[i] = took();
		arena_release(&b);
	}
	tell("facts of 10000, never packed", plain, times);
	tell("facts of 10000, in this process", kept, times);
	message_facts_forget();
	begin();
	must(message_facts(me.postoffice, ids, v->n, &a, &facts, NULL), "message_facts");
	kept[0] = took();
	tell("facts of 10000, packed, from the store", kept, 1);
	view_close(&v);
	arena_release(&a);
}

static void bench_append(int n)
{
	double runs[99];
	char raw[4096];
	arena a = ARENA_INIT;

	memset(raw, 'x', sizeof raw);
	memcpy(raw, "Subject: bench\r\n\r\n", 18);
	for (int i = 0; i < times; i++) {
		struct append_message *m = arena_new_array(&a, (size_t)n, sizeof *m);
		struct append x = {.postoffice = me.postoffice,
			.mailbox = me.mailbox,
			.folder = S("INBOX"),
			.messages = m,
			.n = n};

		begin();
		for (int k = 0; k < n; k++) {
			m[k].header = slice_of(raw, 18);
			m[k].header_size = 18;
			must(blob_writer_open(me.postoffice, &m[k].body), "body");
			must(blob_write(m[k].body, slice_of(raw, sizeof raw)), "body");
			must(blob_writer_finish(m[k].body), "body");
		}
		must(append_run(&x), "append");
		runs[i] = took();
		for (int k = 0; k < n; k++)
			blob_writer_close(&m[k].body);
		arena_clear(&a);
	}
	tell(arena_format(&a, "APPEND %d of 4 kB at once", n).at, runs, times);
	arena_release(&a);
}

int main(int argc, char **argv)
{
	if (argc > 1 && atoi(argv[1]) > 0 && atoi(argv[1]) < 99)
		times = atoi(argv[1]);
	given_providers();
	me = store_mailbox(store_postoffice(), "bench", 0);
	fill("100", 100);
	fill("10000", 10000);
	fill("100000", 100000);
	store_sql("vacuum analyze");
	bench_select("100");
	bench_select("10000");
	bench_select("100000");
	bench_refresh("10000");
	bench_refresh("100000");
	bench_store("10000", 1);
	bench_store("10000", 1000);
	bench_store("100000", 1);
	bench_store("100000", 1000);
	bench_copy_move(1000);
	bench_expunge(5000);
	bench_append(1);
	bench_append(100);
	bench_facts();
	provider_close();
	return 0;
}
