/* pennypost index: how far the index of searches is. */
#include "program/cli_answer.h"
#include "program/cli_find.h"
#include "program/cli_run.h"

#include "provider/search_index.h"

static const char *state_word(const struct search_index_row *r)
{
	return !r->wanted     ? "goes"
	       : r->newer     ? "newer"
	       : !r->current  ? "waits"
	       : !r->complete ? "fills"
			      : "complete";
}

status cli_index_list(struct cli *c)
{
	static const struct cli_column columns[] = {{"postoffice", "POST OFFICE"},
		{"state", "STATE"}, {"indexed", "INDEXED"}, {"messages", "MESSAGES"}, {NULL}};
	struct search_index_row *rows;
	int n;

	TRY(search_index_list(&c->a, &rows, &n));
	json_t *list = json_array();
	for (int i = 0; i < n; i++)
		json_array_append_new(
			list, json_pack("{s:o,s:s,s:I,s:I}", "postoffice", json_slice(rows[i].name),
				      "state", state_word(&rows[i]), "indexed",
				      (json_int_t)rows[i].sketched, "messages",
				      (json_int_t)rows[i].messages));
	return cli_rows(c, list, columns,
		"There is no index; `pennypost settings set search_index on` makes one");
}

status cli_index_rebuild(struct cli *c)
{
	postoffice *p;

	TRY(cli_find_postoffice(c, cli_text(c, "POSTOFFICE"), &p));
	status kind = search_index_rebuild(p->id, &c->by);
	if (kind == ST_ABSENT)
		return cli_fail(c, kind, "the setting search_index makes one", "%.*s has no index",
			SLICE_ARGS(p->name));
	TRY(kind);
	return cli_did(c, json_pack("{s:o}", "rebuilt", json_slice(p->name)),
		"the index of %.*s is made anew", SLICE_ARGS(p->name));
}
