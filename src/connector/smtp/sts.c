#include "connector/smtp/sts.h"

#include "base/log.h"
#include "base/map.h"
#include "base/memory.h"
#include "base/metric.h"
#include "connector/smtp/sts_fetch.h"
#include "provider/setting.h"
#include "provider/sts_policy.h"
#include "task/task.h"

#define DOMAINS_MOST 10000 /* remembered */
#define REFRESH_AFTER (86400 * USEC_S)

struct memory {
	gate *door; /* one task asks, the others wait for what it finds */
	int users;
	usec until; /* looked at again then; 0 = never looked at */
	arena a;
	struct sts found; /* in `a` */
};

static map *remembered; /* domain to struct memory */

/* ---- what is remembered */

static void memory_end(struct memory *m)
{
	gate_close(&m->door);
	arena_release(&m->a);
	memory_free(m);
}

/* All that nobody is waiting for. */
static void forget_all(void)
{
	size_t cursor = 0;
	slice domain;
	void *value;

	while (map_next(remembered, &cursor, &domain, &value)) {
		struct memory *m = value;

		if (m->users > 0)
			continue;
		map_remove(remembered, domain);
		memory_end(m);
	}
}

static struct memory *memory_of(slice domain)
{
	if (!remembered)
		remembered = map_open();
	struct memory *m = map_get(remembered, domain);
	if (m)
		return m;
	if (map_size(remembered) >= DOMAINS_MOST)
		forget_all();
	m = memory_new(sizeof *m);
	m->door = gate_open(1);
	map_put(remembered, domain, m);
	return m;
}

static void copy(const struct sts *from, arena *a, struct sts *to)
{
	*to = *from;
	to->id = arena_copy(a, from->id);
	to->trouble = arena_copy(a, from->trouble);
	to->policy.mx =
		arena_new_array(a, (size_t)from->policy.mx_count + 1, sizeof *to->policy.mx);
	for (int i = 0; i < from->policy.mx_count; i++)
		to->policy.mx[i] = arena_copy(a, from->policy.mx[i]);
}

/* ---- looking */

static bool is_due(const struct sts_policy *kept, slice id, usec retry)
{
	bool any = kept->id.size > 0 && !kept->expired;
	bool left_alone =
		kept->tried > 0 && slice_same(kept->tried_id, id) && kept->tried_ago < retry;
	usec half = (kept->expires - kept->fetched) / 2;

	if (left_alone)
		return false;
	return !any || !slice_same(kept->id, id) ||
	       kept->age > (half < REFRESH_AFTER ? half : REFRESH_AFTER);
}

static void take_kept(const struct sts_policy *kept, arena *a, struct sts *out)
{
	if (kept->id.size == 0 || kept->expired ||
		mta_sts_policy_parse(kept->text, a, &out->policy) != ST_OK)
		return;
	out->id = kept->id;
}

/* A fetch that failed leaves what is there; where nothing is, it is the trouble that sessions are
   counted under. */
static void renew(dns *d, slice domain, slice id, arena *a, struct sts *out)
{
	struct sts_fetch_conf conf;
	struct sts_fetched got;

	sts_fetch_conf_set(&conf);
	status kind = sts_fetch(d, domain, &conf, a, &got);
	if (kind == ST_OK) {
		*out = (struct sts){.policy = got.policy, .id = id};
		metric_add(M_mta_sts_fetched, SERVICE_NONE, 1);
		log_event(EV_STS_FETCHED, "domain=%s id=%.*s mode=%s", log_quote(domain),
			SLICE_ARGS(id), mta_sts_mode_name(got.policy.mode));
		sts_policy_keep(domain, id, got.text, got.policy.max_age);
		return;
	}
	if (kind == ST_CANCELLED)
		return;
	if (out->id.size == 0)
		out->trouble = got.trouble;
	metric_add(M_mta_sts_missed, SERVICE_NONE, 1);
	log_event(EV_STS_MISSED, "domain=%s id=%.*s result=%.*s why=%s", log_quote(domain),
		SLICE_ARGS(id), SLICE_ARGS(got.trouble), log_quote(slice_z(got.why)));
	sts_policy_missed(domain, id, got.trouble);
}

static status look(dns *d, slice domain, arena *a, struct sts *out)
{
	struct sts_policy kept = {0};
	slice id = {0};

	*out = (struct sts){0};
	status record = sts_record(d, domain, a, &id), store = sts_policy_find(domain, a, &kept);
	if (record == ST_CANCELLED)
		return record;
	if (store != ST_OK && store != ST_ABSENT)
		return store;
	take_kept(&kept, a, out);
	if (record != ST_OK)
		return ST_OK;
	if (is_due(&kept, id, setting_number(S_mta_sts_retry, NULL)))
		renew(d, domain, id, a, out);
	else if (out->id.size == 0)
		out->trouble = kept.trouble;
	return ST_OK;
}

static status look_again(struct memory *m, dns *d, slice domain)
{
	arena a = ARENA_INIT, fresh = ARENA_INIT;
	struct sts found;
	status kind = look(d, domain, &a, &found);

	if (kind == ST_OK) {
		struct sts keep;

		copy(&found, &fresh, &keep);
		arena_release(&m->a);
		m->a = fresh;
		m->found = keep;
		m->until = clock_now() + setting_number(S_mta_sts_look, NULL);
	}
	arena_release(&a);
	return kind;
}

status sts_find(dns *d, slice domain, arena *a, struct sts *out)
{
	struct memory *m = memory_of(domain);

	status kind = ST_OK;

	m->users++;
	if (clock_now() >= m->until) {
		kind = gate_enter(m->door);
		if (kind == ST_OK) {
			if (clock_now() >= m->until)
				kind = look_again(m, d, domain);
			gate_leave(m->door);
		}
	}
	copy(&m->found, a, out);
	m->users--;
	return m->until > 0 ? ST_OK : kind;
}

void sts_close(void)
{
	if (!remembered)
		return;
	forget_all();
	map_close(&remembered);
}
