/* pennypost ledger: what post offices were given and what became of it. */
#include "program/cli_find.h"
#include "program/cli_run.h"

#include "provider/ledger.h"

#define PAGE 100
#define BREACHES 1000

/* ---- figures */

static const char *const keys[LEDGER_FIGURES] = {[LEDGER_ACCEPTED] = "accepted",
	[LEDGER_ADDRESSED] = "addressed",
	[LEDGER_PUT] = "queued",
	[LEDGER_SENT] = "sent",
	[LEDGER_RETURNED] = "returned",
	[LEDGER_TOLD] = "told",
	[LEDGER_DROPPED] = "dropped",
	[LEDGER_DELETED] = "deleted",
	[LEDGER_PARKED] = "parked",
	[LEDGER_REPEATED] = "repeated",
	[LEDGER_CARRIED] = "carried",
	[LEDGER_SETTLED_QUEUE] = "settled_queue",
	[LEDGER_SETTLED_MAIL] = "settled_mail"};

/* One that was removed since it was found wrong has no name any more. */
static slice shown_name(struct cli *c, int64_t id, slice name)
{
	if (id != 0 && name.size == 0)
		return arena_format(&c->a, "%lld", (long long)id);
	return id == 0 ? S("-") : name;
}

static json_t *facts_of(struct cli *c, const struct ledger_row *r)
{
	json_t *f = json_pack("{s:o,s:I,s:I,s:I}", "postoffice",
		json_slice(shown_name(c, r->postoffice, r->name)), "delivered",
		(json_int_t)r->delivered, "waiting", (json_int_t)r->waiting, "parked_now",
		(json_int_t)r->parked);

	for (int i = 0; i < LEDGER_FIGURES; i++)
		json_object_set_new(f, keys[i], json_integer((json_int_t)r->figure[i]));
	return f;
}

status cli_ledger_list(struct cli *c)
{
	static const struct cli_column columns[] = {{"postoffice", "POST OFFICE"},
		{"accepted", "ACCEPTED", SHOW_NUMBER}, {"delivered", "DELIVERED", SHOW_NUMBER},
		{"repeated", "REPEATED", SHOW_NUMBER}, {"queued", "QUEUED", SHOW_NUMBER},
		{"sent", "SENT", SHOW_NUMBER}, {"returned", "RETURNED", SHOW_NUMBER},
		{"told", "TOLD", SHOW_NUMBER}, {"dropped", "DROPPED", SHOW_NUMBER},
		{"deleted", "DELETED", SHOW_NUMBER}, {"waiting", "WAITING", SHOW_NUMBER},
		{"parked_now", "PARKED", SHOW_NUMBER}, {NULL}};
	struct ledger_row *rows;
	unsigned most;
	int64_t after = -1;
	int n = 0;

	TRY(cli_most(c, 1000, &most));
	json_t *list = json_array();
	do {
		unsigned left = most - (unsigned)json_array_size(list);
		status kind = ledger_list(after, left < PAGE ? left : PAGE, true, &c->a, &rows, &n);

		if (kind != ST_OK) {
			json_decref(list);
			return kind;
		}
		for (int i = 0; i < n; i++)
			json_array_append_new(list, facts_of(c, &rows[i]));
		after = n ? rows[n - 1].postoffice : after;
	} while (n == PAGE && json_array_size(list) < most);
	return cli_rows(c, list, columns, "Nothing was counted yet");
}

/* The post office of that name, or the house. */
static status office_find(struct cli *c, slice name, int64_t *id)
{
	postoffice *p;

	*id = 0;
	if (slice_same(name, S("-")))
		return ST_OK;
	TRY(cli_find_postoffice(c, name, &p));
	*id = p->id;
	return ST_OK;
}

status cli_ledger_show(struct cli *c)
{
	static const struct cli_column columns[] = {{"postoffice", "post office"},
		{"accepted", "messages accepted"}, {"addressed", "for mailboxes"},
		{"delivered", "delivered"}, {"carried", "of them to mailboxes that are gone"},
		{"repeated", "repetitions refused"}, {"queued", "put into the queue"},
		{"sent", "sent"}, {"returned", "returned to senders"}, {"told", "told or run"},
		{"dropped", "dropped without a word"}, {"deleted", "deleted by operators"},
		{"waiting", "waiting now"}, {"parked_now", "of them parked"},
		{"parked", "parked ever"}, {"settled_queue", "queue, settled"},
		{"settled_mail", "mail, settled"}, {NULL}};
	struct ledger_row *rows;
	int64_t id;
	int n;

	TRY(office_find(c, cli_text(c, "POSTOFFICE"), &id));
	TRY(ledger_list(id - 1, 1, true, &c->a, &rows, &n));
	if (n == 0 || rows[0].postoffice != id)
		return cli_fail(c, ST_ABSENT, "`pennypost ledger list` shows those there are",
			"the post office is gone");
	return cli_facts(c, facts_of(c, &rows[0]), columns);
}

/* ---- the check */

static json_t *breach_facts(struct cli *c, const struct ledger_breach *b)
{
	slice office = shown_name(c, b->postoffice, b->name);
	slice of = b->mailbox ? arena_format(&c->a, "%.*s@%.*s", SLICE_ARGS(b->mailbox_name),
					SLICE_ARGS(office))
			      : office;

	return json_pack("{s:o,s:o,s:s,s:I,s:I,s:I,s:o}", "postoffice", json_slice(office), "of",
		json_slice(of), "what", ledger_what_name(b->what), "counted",
		(json_int_t)b->counted, "found", (json_int_t)b->found, "difference",
		(json_int_t)(b->found - b->counted), "since", json_time(b->since));
}

status cli_ledger_check(struct cli *c)
{
	static const struct cli_column columns[] = {{"of", "OF"}, {"what", "WHAT"},
		{"counted", "COUNTED", SHOW_NUMBER}, {"found", "FOUND", SHOW_NUMBER},
		{"difference", "DIFFERENCE", SHOW_NUMBER}, {"since", "SINCE"}, {NULL}};
	struct ledger_look seen;
	struct ledger_breach *rows;
	int64_t only = -1;
	int n;

	if (cli_has(c, "--postoffice"))
		TRY(office_find(c, cli_text(c, "--postoffice"), &only));
	TRY(ledger_check(only, cli_has(c, "--mailboxes"), &seen));
	TRY(ledger_breaches(only, BREACHES, &c->a, &rows, &n));
	json_t *list = json_array();
	for (int i = 0; i < n; i++)
		json_array_append_new(list, breach_facts(c, &rows[i]));
	c->negative = json_array_size(list) > 0;
	slice mailboxes =
		cli_has(c, "--mailboxes")
			? arena_format(&c->a, ", %lld mailboxes", (long long)seen.mailboxes)
			: S("; mailboxes are looked at with --mailboxes");
	slice well = arena_format(&c->a,
		"All is as it was counted: %lld post offices (the house is one)%.*s",
		(long long)seen.postoffices, SLICE_ARGS(mailboxes));
	return cli_rows(c, list, columns, arena_z(&c->a, well));
}

status cli_ledger_settle(struct cli *c)
{
	slice name = cli_text(c, "POSTOFFICE");
	struct ledger_look seen;
	int64_t id;

	TRY(office_find(c, name, &id));
	TRY(cli_sure(c, "takes what is stored as right, whatever is missing"));
	TRY(ledger_check(id, false, &seen)); /* what is wrong with its mailboxes is known by now */
	status kind = ledger_settle(id, &c->by);
	if (kind == ST_LIMITED)
		return cli_fail(c, kind, "try again in a minute", "somebody else settles a ledger");
	TRY(kind);
	TRY(ledger_check(id, false, &seen));
	return cli_did(c, json_pack("{s:o}", "settled", json_slice(name)),
		"the ledger of %.*s is settled", SLICE_ARGS(name));
}
