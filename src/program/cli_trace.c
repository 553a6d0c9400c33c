/* pennypost trace: where a message is, by its id, by whom it is from or for, or by the time. */
#include "program/cli_find.h"
#include "program/cli_run.h"

#include "base/id.h"
#include "base/map.h"
#include "provider/trace.h"

#define SPAN_BY_DEFAULT (3 * 24 * 3600 * USEC_S)

/* ---- finding */

static bool has_time(struct cli *c)
{
	return cli_has(c, "--last") || cli_has(c, "--since") || cli_has(c, "--until");
}

/* Always with a beginning: from the first row on, all there are would be read and sorted. */
static status span_of(struct cli *c, struct trace_span *out)
{
	usec now = clock_wall();

	*out = (struct trace_span){.postoffice = -1, .until = cli_number(c, "--until", USEC_NEVER)};
	if (cli_has(c, "--last") && (cli_has(c, "--since") || cli_has(c, "--until")))
		return cli_misused(c, "leave one out",
			"--last ends now, and --since and --until name moments");
	out->from = cli_number(c, "--since",
		(out->until < now ? out->until : now) - cli_number(c, "--last", SPAN_BY_DEFAULT));
	if (out->from >= out->until)
		return cli_misused(c, "give --since a moment before that of --until",
			"no time lies between them");
	if (cli_has(c, "--postoffice"))
		TRY(cli_find_scope(c, &out->postoffice, NULL));
	return cli_most(c, 200, &out->most);
}

static status find_by_id(struct cli *c, slice asked, struct trace_row **rows, int *n)
{
	int64_t id;
	if (cli_has(c, "--address") || cli_has(c, "--postoffice") || has_time(c))
		return cli_misused(c, "give the id alone, or the other words without it",
			"an id names one message");
	if (id_parse(asked, &id))
		return trace_by_message(id, &c->a, rows, n);
	if (slice_starts(asked, S("<")) && slice_ends_nocase(asked, S(">")))
		asked = slice_of(asked.at + 1, asked.size - 2);
	return trace_by_message_id(asked, &c->a, rows, n);
}

static status find(struct cli *c, struct trace_span *in, struct trace_row **rows, int *n)
{
	if (cli_has(c, "ID"))
		return find_by_id(c, cli_text(c, "ID"), rows, n);
	if (!cli_has(c, "--address") && !has_time(c))
		return cli_misused(c,
			"give the id that its 250 told, its Message-ID, --address ADDRESS or --last SPAN",
			"there is nothing to look for");
	TRY(span_of(c, in));
	if (cli_has(c, "--address"))
		return trace_by_address(cli_text(c, "--address"), in, &c->a, rows, n);
	return trace_by_time(in, &c->a, rows, n);
}

/* ---- telling */

/* Which rows are the newest word about a recipient of a message. */
static bool *last_words(struct cli *c, const struct trace_row *rows, int n)
{
	bool *last = arena_new_array(&c->a, (size_t)n + 1, sizeof *last);
	map *told = map_open();

	for (int i = n - 1; i >= 0; i--) {
		char id[ID_TEXT_SIZE + 1];
		slice whom = trace_whom(&rows[i]);

		if (!trace_is_verdict(rows[i].kind))
			continue;
		id_text(rows[i].message, id);
		slice key = arena_format(&c->a, "%s %.*s", id, SLICE_ARGS(whom));
		last[i] = rows[i].message == 0 || !map_put(told, arena_lower(&c->a, key), last);
	}
	map_close(&told);
	return last;
}

/* What to say where nothing was found: what was looked for, and between which moments. */
static const char *none(struct cli *c, const struct trace_span *in)
{
	slice what = cli_has(c, "--address") ? cli_text(c, "--address") : S("what happened");
	slice place = cli_has(c, "--postoffice") ? arena_format(&c->a, " in %.*s",
							   SLICE_ARGS(cli_text(c, "--postoffice")))
						 : S("");

	if (cli_has(c, "ID"))
		return "Nothing is known of that message; give the id its 250 told, or its Message-ID; "
		       "what happened just now is known in a second";
	return arena_format(&c->a,
		"Nothing is known of %.*s%.*s from %.*s until %.*s; --last, --since and --until name another time",
		SLICE_ARGS(what), SLICE_ARGS(place), SLICE_ARGS(cli_time(in->from, &c->a)),
		SLICE_ARGS(in->until == USEC_NEVER ? S("now") : cli_time(in->until, &c->a)))
		.at;
}

/* The fields one by one, for programs. */
static json_t *details_of(struct cli *c, slice fields)
{
	json_t *details = json_object();
	slice name, value;

	while (trace_next(&fields, &name, &value)) {
		slice plain = trace_plain(value, &c->a);
		json_object_set_new(details, arena_z(&c->a, name), json_slice(plain));
	}
	return details;
}

status cli_trace(struct cli *c)
{
	static const struct cli_column columns[] = {{"at", "TIME"}, {"kind", "WHAT"},
		{"message", "MESSAGE"}, {"postoffice", "POST OFFICE"}, {"node", "NODE"},
		{"fields", "HOW"}, {NULL}};
	static const struct cli_column short_columns[] = {
		{"message", "MESSAGE"}, {"at", "SINCE"}, {"sentence", "WHERE IT IS"}, {NULL}};
	struct trace_span in = {0};
	struct trace_row *rows = NULL;
	int n = 0;
	TRY(find(c, &in, &rows, &n));
	bool *last = last_words(c, rows, n);
	TRY(trace_places(rows, last, n, &c->a));
	json_t *list = json_array(), *words = json_array();
	for (int i = 0; i < n; i++) {
		json_t *row = json_pack("{s:o,s:s,s:o,s:o,s:o,s:o,s:o,s:b}", "at",
			json_time(rows[i].at), "kind", trace_name(rows[i].kind), "message",
			json_id(rows[i].message), "postoffice",
			json_slice(cli_postoffice_name(c, rows[i].postoffice)), "node",
			json_slice(rows[i].node), "fields", json_slice(rows[i].fields), "sentence",
			json_slice(trace_sentence(&rows[i], &c->a)), "last", last[i]);
		json_object_set_new(row, "details", details_of(c, rows[i].fields));
		if (last[i])
			json_array_append(words, row);
		json_array_append_new(list, row);
	}
	c->negative = n == 0;
	status kind = cli_rows(c, list, columns, none(c, &in));
	cli_below(c, "What became of it", words, short_columns);
	json_decref(words);
	return kind;
}
