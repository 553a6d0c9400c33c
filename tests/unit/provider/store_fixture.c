#include "tests/unit/provider/store_fixture.h"

#include "base/id.h"
#include "provider/domain.h"
#include "provider/ledger.h"
#include "provider/mailbox.h"
#include "provider/postoffice.h"
#include "task/task.h"
#include "tests/unit/provider/given.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <unistd.h>

const struct audit_by store_by = {{"test", 4}, {"", 0}};

static void need(bool good, slice what)
{
	if (good)
		return;
	fprintf(stderr, "test fixture: %.*s\n", SLICE_ARGS(what));
	_exit(1);
}

int64_t store_sql(const char *sql, ...)
{
	arena a = ARENA_INIT;
	va_list args;

	va_start(args, sql);
	int64_t number = given_sql(arena_format_v(&a, sql, args).at);
	va_end(args);
	arena_release(&a);
	return number;
}

void store_queue_empty(void)
{
	given_sql("delete from queue");
	given_sql("delete from queue_deferred");
	given_sql("delete from qrunner");
	given_sql("update qshard set owner = 0, lease = '-infinity'");
	store_ledger_begin();
}

void store_ledger_begin(void)
{
	given_sql("delete from ledger");
	given_sql("delete from ledger_breach");
	given_sql("update mailbox set delivered = 0 where delivered <> 0");
	given_sql(
		"insert into ledger (postoffice, slot, put) select postoffice, 0, count(*)"
		" from (select postoffice from queue union all select postoffice from queue_deferred) q group by 1");
}

bool store_ledger_holds(void)
{
	struct ledger_look seen;
	struct ledger_breach *rows;
	arena a = ARENA_INIT;
	int n;

	need(ledger_check(-1, false, &seen) == ST_OK &&
			ledger_breaches(-1, 100, &a, &rows, &n) == ST_OK,
		S("no check of the ledger"));
	for (int i = 0; i < n; i++)
		fprintf(stderr, "ledger: %s of %lld: counted %lld, found %lld\n",
			ledger_what_name(rows[i].what), (long long)rows[i].postoffice,
			(long long)rows[i].counted, (long long)rows[i].found);
	arena_release(&a);
	return n == 0;
}

void store_counted_begin(void)
{
	given_providers();
	store_ledger_begin();
}

void store_counted_end(void)
{
	cr_expect(store_ledger_holds(), "what the ledger counted is not what is there");
	provider_close();
}

int64_t store_postoffice(void)
{
	arena a = ARENA_INIT;
	postoffice *p;
	slice why = S("");
	slice name = arena_format(&a, "po%lld", (long long)id_new());

	need(postoffice_make(name, S("Secret-Word-1"), &store_by, &a, &p, &why) == ST_OK, why);
	int64_t id = p->id;
	arena_release(&a);
	return id;
}

struct route store_mailbox(int64_t office, const char *name, int64_t quota)
{
	struct mailbox_new n = {
		.name = slice_z(name), .password = S("Secret-Word-1"), .quota = quota};
	arena a = ARENA_INIT;
	slice why = S("");
	mailbox *m;

	need(mailbox_make(office, &n, &store_by, &a, &m, &why) == ST_OK, why);
	struct route r = {
		.postoffice = office, .mailbox = m->id, .inbox = m->inbox, .quota = quota};
	arena_release(&a);
	return r;
}

void store_domain(int64_t office, const char *name)
{
	arena a = ARENA_INIT;
	slice why = S("");

	need(domain_make(office, slice_z(name), true, &store_by, &a, &why) == ST_OK, why);
	arena_release(&a);
}

int64_t store_entries_in(const struct route *r)
{
	return store_sql("select count(*) from entry where postoffice = %lld and folder = %lld",
		(long long)r->postoffice, (long long)r->inbox);
}

void store_assert_counts(const struct route *r)
{
	long long po = r->postoffice, box = r->mailbox, inbox = r->inbox;

	cr_assert(
		store_sql(
			"select (count(*) = coalesce(max(uid), 0))::int from entry where postoffice = %lld and folder = %lld",
			po, inbox),
		"UIDs have gaps");
	cr_assert(
		store_sql(
			"select (m.used = e.bytes and m.nmsg = e.n and f.nbytes = e.bytes and f.nmsg = e.n and f.nunseen = e.unseen and f.uidnext > e.last)::int"
			" from mailbox m, folder f, (select coalesce(sum(size), 0) as bytes, count(*) as n, count(*) filter (where flags & 1 = 0) as unseen, coalesce(max(uid), 0) as last"
			" from entry where postoffice = %lld and folder = %lld) e"
			" where m.postoffice = %lld and m.mailbox = %lld and f.postoffice = %lld and f.folder = %lld",
			po, inbox, po, box, po, inbox),
		"the counters are wrong");
	cr_assert(
		store_sql(
			"select (coalesce(sum(upper(r) - lower(r)), 0) = (select uidnext - 1 from folder where postoffice = %lld and folder = %lld))::int"
			" from change c, unnest(c.uids) r where c.kind = '+' and postoffice = %lld and folder = %lld",
			po, inbox, po, inbox),
		"the change log does not tell all arrivals");
}

void store_fibers(int n, status (*run)(void *), void *arg)
{
	need(task_loop_open(&TASK_LIMITS_INIT) == ST_OK, S("no loop"));
	for (int i = 0; i < n; i++)
		need(task_start("test", run, arg) != NULL, S("no fiber"));
	task_loop_run();
	task_loop_close();
}

void store_story(status (*story)(void *))
{
	given_schema();
	store_fibers(1, story, NULL);
	provider_close();
}

/* ---- letters */

void letter_write(struct letter *l, const struct route *to, int n, slice raw)
{
	*l = (struct letter){.d = {.id = id_new(),
				     .subject = S("hello"),
				     .from = S("anna"),
				     .message_id = S("<1@test>")}};
	l->d.parts = l->parts;
	for (int i = 0; i < n; i++) {
		if (i == 0 || to[i].postoffice != to[i - 1].postoffice) {
			l->parts[l->d.n++] = (struct delivery_part){
				.postoffice = to[i].postoffice, .recipients = &to[i]};
			struct delivery_part *p = &l->parts[l->d.n - 1];
			need(blob_writer_open(p->postoffice, &p->body) == ST_OK &&
					blob_write(p->body, raw) == ST_OK &&
					blob_writer_finish(p->body) == ST_OK,
				S("no body"));
		}
		l->parts[l->d.n - 1].n++;
	}
}

status letter_send(struct letter *l)
{
	return deliver_run(&l->d);
}

void letter_close(struct letter *l)
{
	for (int i = 0; i < l->d.n; i++)
		blob_writer_close(&l->parts[i].body);
}

status letter_deliver(const struct route *to, int n, slice raw)
{
	struct letter l;

	letter_write(&l, to, n, raw);
	status s = letter_send(&l);
	letter_close(&l);
	return s;
}

status letter_queue(int64_t postoffice, const struct route *local, const struct queue_recipient *to,
	int m, slice raw)
{
	static const struct queue_envelope plain = {
		.sender = {"anna@acme.test", 14}, .lifetime = 3600 * USEC_S};
	struct route nobody = {.postoffice = postoffice};
	struct letter l;

	letter_write(&l, local ? local : &nobody, 1, raw);
	l.parts[0].n = local ? 1 : 0;
	l.parts[0].remote = to;
	l.parts[0].m = m;
	l.d.envelope = &plain;
	status s = letter_send(&l);
	letter_close(&l);
	return s;
}
