/* One table in shared memory. Every process writes into a slot of its own, so that processors do
   not fight for lines of memory; readers add up the slots that were ever used. What a slot counted
   stays when its process dies, its gauges are cleared by the master. */
#include "base/metric.h"

#include "base/shared.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdio.h>

enum kind { IS_COUNTER, IS_GAUGE, IS_LATENCY };

static const struct row {
	const char *name;
	enum kind kind;
	bool by_service;
	const char *help;
} rows[M_COUNT] = {
#define COUNTER(name, by_service, help) [M_##name] = {#name, IS_COUNTER, by_service, help},
#define GAUGE(name, by_service, help) [M_##name] = {#name, IS_GAUGE, by_service, help},
#define LATENCY(name, by_service, help) [M_##name] = {#name, IS_LATENCY, by_service, help},
#include "base/metrics.def"
#undef COUNTER
#undef GAUGE
#undef LATENCY
};

/* Latencies alone are numbered here: only they need room for buckets. */
enum latency {
#define COUNTER(name, by_service, help)
#define GAUGE(name, by_service, help)
#define LATENCY(name, by_service, help) L_##name,
#include "base/metrics.def"
#undef COUNTER
#undef GAUGE
#undef LATENCY
	L_COUNT
};

static const enum latency latencies[M_COUNT] = {
#define COUNTER(name, by_service, help)
#define GAUGE(name, by_service, help)
#define LATENCY(name, by_service, help) [M_##name] = L_##name,
#include "base/metrics.def"
#undef COUNTER
#undef GAUGE
#undef LATENCY
};

/* Upper ends of the buckets, with their spelling; what is above the last counts under +Inf. */
static const struct {
	usec most;
	const char *label;
} buckets[] = {
	{100, "0.0001"},
	{250, "0.00025"},
	{500, "0.0005"},
	{1 * USEC_MS, "0.001"},
	{2 * USEC_MS, "0.002"},
	{2500, "0.0025"},
	{5 * USEC_MS, "0.005"},
	{10 * USEC_MS, "0.01"},
	{25 * USEC_MS, "0.025"},
	{50 * USEC_MS, "0.05"},
	{100 * USEC_MS, "0.1"},
	{250 * USEC_MS, "0.25"},
	{500 * USEC_MS, "0.5"},
	{1 * USEC_S, "1.0"},
	{2500 * USEC_MS, "2.5"},
	{5 * USEC_S, "5.0"},
	{10 * USEC_S, "10.0"},
	{30 * USEC_S, "30.0"},
	{60 * USEC_S, "60.0"},
};
enum { BUCKETS = sizeof buckets / sizeof *buckets };

static const char *const services[SERVICE_COUNT] = {
	[SERVICE_NONE] = "none",
	[SERVICE_SMTP] = "smtp",
	[SERVICE_SUBMISSION] = "submission",
	[SERVICE_POP3] = "pop3",
	[SERVICE_IMAP] = "imap",
	[SERVICE_HTTP] = "http",
	[SERVICE_AGENT] = "agent",
};

static const struct {
	const char *name, *help;
} postoffice_rows[MPO_COUNT] =
	{
		[MPO_DELIVERED] = {"delivered", "Folder entries made by delivery"},
		[MPO_BYTES] = {"delivered_bytes", "Octets delivered"},
		[MPO_READ] = {"read", "Message bodies handed to readers"},
		[MPO_REFUSED] = {"refused", "Recipients refused, alone or with their message"},
		[MPO_QUEUED] = {"queued", "Recipients put into the outbound queue"},
		[MPO_REPEATED] = {"repeated", "Repeated messages recognised and not stored again"},
},
  postoffice_latencies[MPL_COUNT] = {
	  [MPL_DELIVERY] = {"delivery_seconds", "From end of data to the answer"},
	  [MPL_LOGON] = {"logon_seconds", "Time a logon took that succeeded"},
};

typedef _Atomic int64_t cell;

struct slot {
	cell value[M_COUNT][SERVICE_COUNT]; /* of a latency: the sum in microseconds */
	cell bucket[L_COUNT][SERVICE_COUNT][BUCKETS + 1];
	cell command[SERVICE_COUNT][METRIC_COMMANDS + 1]; /* the last: other */
};

struct histogram {
	cell took; /* microseconds */
	cell bucket[BUCKETS + 1];
};

/* Open addressing; an id once written stays. Twice the entries wanted, so that searches end
   soon. */
enum { PO_MOST = 4096, PO_PLACES = 2 * PO_MOST };
struct postoffice {
	cell id; /* 0 = free */
	cell value[MPO_COUNT];
	struct histogram latency[MPL_COUNT];
};

struct table {
	atomic_uint slots_used; /* the highest slot ever taken, plus one */
	atomic_uint postoffices;
	struct slot slot[METRIC_SLOTS];
	struct postoffice postoffice[PO_PLACES];
	struct postoffice others; /* those that found no place, and 0 itself */
};

/* Of each process, given before the first fork and the same in all. */
static const char *command_names[SERVICE_COUNT][METRIC_COMMANDS];

static struct table own_table = {.slots_used = 1};
static struct table *table = &own_table;
static struct slot *mine = &own_table.slot[0];

const char *service_name(enum service s)
{
	return (unsigned)s < SERVICE_COUNT ? services[s] : services[SERVICE_NONE];
}

void metric_share(void)
{
	table = shared_new(sizeof *table);
	metric_slot(0);
}

void metric_slot(unsigned slot)
{
	assert(slot < METRIC_SLOTS);
	unsigned before = atomic_load(&table->slots_used);
	while (before <= slot &&
		!atomic_compare_exchange_weak(&table->slots_used, &before, slot + 1))
		;
	mine = &table->slot[slot];
}

void metric_slot_clear(unsigned slot)
{
	assert(slot < METRIC_SLOTS);
	for (int m = 0; m < M_COUNT; m++)
		for (int s = 0; s < SERVICE_COUNT && rows[m].kind == IS_GAUGE; s++)
			atomic_store(&table->slot[slot].value[m][s], 0);
}

static void count(cell *c, int64_t n)
{
	atomic_fetch_add_explicit(c, n, memory_order_relaxed);
}

static enum service service_of(enum metric m, enum service s)
{
	return rows[m].by_service ? s : SERVICE_NONE;
}

void metric_add(enum metric m, enum service s, int64_t n)
{
	assert(rows[m].kind != IS_LATENCY);
	count(&mine->value[m][service_of(m, s)], n);
}

/* Counts what took so long: into the sum and into its bucket. */
static void count_time(cell *sum, cell bucket[BUCKETS + 1], usec took)
{
	size_t b = 0;

	if (took < 0)
		took = 0;
	while (b < BUCKETS && took > buckets[b].most)
		b++;
	count(sum, took);
	count(&bucket[b], 1);
}

void metric_time(enum metric m, enum service s, usec took)
{
	assert(rows[m].kind == IS_LATENCY);
	s = service_of(m, s);
	count_time(&mine->value[m][s], mine->bucket[latencies[m]][s], took);
}

static int64_t value_sum(enum metric m, enum service s)
{
	unsigned n = atomic_load(&table->slots_used);
	int64_t whole = 0;

	for (unsigned i = 0; i < n; i++)
		whole += atomic_load_explicit(&table->slot[i].value[m][s], memory_order_relaxed);
	return whole;
}

static int64_t bucket_sum(enum metric m, enum service s, size_t b)
{
	unsigned n = atomic_load(&table->slots_used);
	int64_t whole = 0;

	for (unsigned i = 0; i < n; i++)
		whole += atomic_load_explicit(
			&table->slot[i].bucket[latencies[m]][s][b], memory_order_relaxed);
	return whole;
}

int64_t metric_value(enum metric m, enum service s)
{
	int64_t whole = 0;

	s = service_of(m, s);
	if (rows[m].kind != IS_LATENCY)
		return value_sum(m, s);
	for (size_t b = 0; b <= BUCKETS; b++)
		whole += bucket_sum(m, s, b);
	return whole;
}

/* ---- commands by name */

/* The place of a name, or METRIC_COMMANDS. Callers hand in the very name they gave, so its letters
   need not be compared. */
static size_t command_place(enum service s, const char *name)
{
	size_t i = 0;

	while (i < METRIC_COMMANDS && (!name || command_names[s][i] != name))
		i++;
	return i;
}

void metric_command_name(enum service s, const char *name)
{
	size_t i = 0;

	while (i < METRIC_COMMANDS && command_names[s][i] && command_names[s][i] != name)
		i++;
	assert(i < METRIC_COMMANDS);
	command_names[s][i] = name;
}

void metric_command(enum service s, const char *name)
{
	count(&mine->command[s][command_place(s, name)], 1);
}

static int64_t command_sum(enum service s, size_t place)
{
	unsigned n = atomic_load(&table->slots_used);
	int64_t whole = 0;

	for (unsigned i = 0; i < n; i++)
		whole += atomic_load_explicit(
			&table->slot[i].command[s][place], memory_order_relaxed);
	return whole;
}

int64_t metric_command_value(enum service s, const char *name)
{
	return command_sum(s, command_place(s, name));
}

/* ---- post offices */

/* Takes the place at `p` for `id` if nobody has it; true when it is `id`'s afterwards. */
static bool place_taken(struct postoffice *p, int64_t id)
{
	int64_t there = 0;

	if (atomic_fetch_add(&table->postoffices, 1) >= PO_MOST ||
		!atomic_compare_exchange_strong(&p->id, &there, id))
		atomic_fetch_sub(&table->postoffices, 1);
	return atomic_load(&p->id) == id;
}

static struct postoffice *postoffice_at(int64_t id)
{
	/* Multiplying by the golden ratio spreads ids that differ in few bits (Knuth 6.4). */
	uint64_t place = (uint64_t)id * 0x9e3779b97f4a7c15 >> 32;

	if (id == 0)
		return &table->others;
	for (;; place++) {
		struct postoffice *p = &table->postoffice[place % PO_PLACES];
		int64_t there = atomic_load(&p->id);
		if (there == id || (there == 0 && place_taken(p, id)))
			return p;
		/* Still free: the table is full. Otherwise somebody else's: look on. */
		if (there == 0 && atomic_load(&p->id) == 0)
			return &table->others;
	}
}

void metric_postoffice(int64_t postoffice, enum metric_po m, int64_t n)
{
	count(&postoffice_at(postoffice)->value[m], n);
}

void metric_postoffice_time(int64_t postoffice, enum metric_po_latency m, usec took)
{
	struct histogram *h = &postoffice_at(postoffice)->latency[m];

	count_time(&h->took, h->bucket, took);
}

static const char *const kinds[] = {
	[IS_COUNTER] = "counter", [IS_GAUGE] = "gauge", [IS_LATENCY] = "histogram"};

static void print_head(text *to, const char *name, const char *kind, const char *help)
{
	text_format(to, "# TYPE pennypost_%s %s\n# HELP pennypost_%s %s\n", name, kind, name, help);
	if (kind == kinds[IS_LATENCY])
		text_format(to, "# UNIT pennypost_%s seconds\n", name);
}

/* service="smtp" or nothing at all. */
enum { LABEL_MOST = 48 };
static void label_of(const struct row *r, enum service s, char to[LABEL_MOST])
{
	to[0] = '\0';
	if (r->by_service)
		snprintf(to, LABEL_MOST, "service=\"%s\"", services[s]);
}

/* A sample's name with what stands between its braces, if anything does. */
static void print_sample(
	text *to, const char *name, const char *suffix, const char *label, const char *le)
{
	text_format(to, "pennypost_%s%s", name, suffix);
	if (le)
		text_format(to, "{%s%sle=\"%s\"}", label, label[0] ? "," : "", le);
	else if (label[0])
		text_format(to, "{%s}", label);
}

static void print_plain(text *to, enum metric m, enum service s)
{
	const struct row *r = &rows[m];
	char label[LABEL_MOST];

	label_of(r, s, label);
	print_sample(to, r->name, r->kind == IS_COUNTER ? "_total" : "", label, NULL);
	text_format(to, " %lld\n", (long long)metric_value(m, s));
}

static void print_histogram(text *to, const char *name, const char *label,
	const int64_t in_bucket[BUCKETS + 1], int64_t took)
{
	int64_t so_far = 0;

	for (size_t b = 0; b <= BUCKETS; b++) {
		so_far += in_bucket[b];
		print_sample(to, name, "_bucket", label, b < BUCKETS ? buckets[b].label : "+Inf");
		text_format(to, " %lld\n", (long long)so_far);
	}
	print_sample(to, name, "_count", label, NULL);
	text_format(to, " %lld\n", (long long)so_far);
	print_sample(to, name, "_sum", label, NULL);
	text_format(to, " %lld.%06lld\n", (long long)(took / USEC_S), (long long)(took % USEC_S));
}

static void print_latency(text *to, enum metric m, enum service s)
{
	int64_t in_bucket[BUCKETS + 1];
	char label[LABEL_MOST];

	for (size_t b = 0; b <= BUCKETS; b++)
		in_bucket[b] = bucket_sum(m, s, b);
	label_of(&rows[m], s, label);
	print_histogram(to, rows[m].name, label, in_bucket, value_sum(m, s));
}

static void print_row(text *to, enum metric m)
{
	const struct row *r = &rows[m];
	void (*print)(text *, enum metric, enum service) =
		r->kind == IS_LATENCY ? print_latency : print_plain;

	print_head(to, r->name, kinds[r->kind], r->help);
	/* Work of no service shows only where there was some. */
	if (!r->by_service || metric_value(m, SERVICE_NONE) != 0)
		print(to, m, SERVICE_NONE);
	for (int s = SERVICE_NONE + 1; s < SERVICE_COUNT && r->by_service; s++)
		print(to, m, (enum service)s);
}

static void print_command(text *to, enum service s, const char *name, size_t place)
{
	text_format(to, "pennypost_commands_by_name_total{service=\"%s\",command=\"%s\"} %lld\n",
		services[s], name, (long long)command_sum(s, place));
}

/* Services that gave names have all their commands here, from the beginning on. */
static void print_commands(text *to)
{
	print_head(to, "commands_by_name", kinds[IS_COUNTER],
		"Protocol commands run, by name; other: lines that begin with the name of none");
	for (int s = 0; s < SERVICE_COUNT; s++) {
		for (size_t i = 0; i < METRIC_COMMANDS && command_names[s][i]; i++)
			print_command(to, (enum service)s, command_names[s][i], i);
		if (command_names[s][0])
			print_command(to, (enum service)s, "other", METRIC_COMMANDS);
	}
}

enum { FAMILY_MOST = 64 };
static void family_of(const char *name, char to[FAMILY_MOST])
{
	snprintf(to, FAMILY_MOST, "postoffice_%s", name);
}

static void print_postoffice(text *to, const struct postoffice *p, enum metric_po m)
{
	int64_t value = atomic_load(&p->value[m]);

	if (value != 0)
		text_format(to, "pennypost_postoffice_%s_total{postoffice=\"%lld\"} %lld\n",
			postoffice_rows[m].name, (long long)atomic_load(&p->id), (long long)value);
}

static void print_postoffice_latency(text *to, const struct postoffice *p, enum metric_po_latency m)
{
	const struct histogram *h = &p->latency[m];
	int64_t in_bucket[BUCKETS + 1], whole = 0;
	char family[FAMILY_MOST], label[LABEL_MOST];

	for (size_t b = 0; b <= BUCKETS; b++) {
		in_bucket[b] = atomic_load(&h->bucket[b]);
		whole += in_bucket[b];
	}
	if (whole == 0)
		return;
	family_of(postoffice_latencies[m].name, family);
	snprintf(label, sizeof label, "postoffice=\"%lld\"", (long long)atomic_load(&p->id));
	print_histogram(to, family, label, in_bucket, atomic_load(&h->took));
}

static void print_postoffices(text *to)
{
	char family[FAMILY_MOST];

	for (int m = 0; m < MPO_COUNT; m++) {
		family_of(postoffice_rows[m].name, family);
		print_head(to, family, kinds[IS_COUNTER], postoffice_rows[m].help);
		print_postoffice(to, &table->others, (enum metric_po)m);
		for (int i = 0; i < PO_PLACES; i++)
			print_postoffice(to, &table->postoffice[i], (enum metric_po)m);
	}
	for (int m = 0; m < MPL_COUNT; m++) {
		family_of(postoffice_latencies[m].name, family);
		print_head(to, family, kinds[IS_LATENCY], postoffice_latencies[m].help);
		print_postoffice_latency(to, &table->others, (enum metric_po_latency)m);
		for (int i = 0; i < PO_PLACES; i++)
			print_postoffice_latency(
				to, &table->postoffice[i], (enum metric_po_latency)m);
	}
}

void metric_print(text *to, bool by_postoffice)
{
	for (int m = 0; m < M_COUNT; m++)
		print_row(to, (enum metric)m);
	print_commands(to);
	if (by_postoffice)
		print_postoffices(to);
}
