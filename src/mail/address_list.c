/* Address lists of header fields, read as they come. One walk over the bytes: what stands before
   '<', '@', ':' or the end of a member is collected twice, as words of a name and as pieces of a
   local part, since only the next special character tells which it was. All strings are written
   into three buffers as big as the value, so that nothing is ever copied again. */
#include "mail/address.h"

/* A string being written; the next one starts behind it. */
typedef struct pen {
	char *at;
	size_t size;
} pen;

enum mode {
	IN_PHRASE,       /* a name, a local part or the name of a group */
	IN_DOMAIN,       /* behind '@' without '<' */
	IN_ROUTE,        /* behind "<@" */
	IN_ANGLE_LOCAL,  /* behind '<' */
	IN_ANGLE_DOMAIN, /* behind '@' behind '<' */
	BEHIND,          /* the address is complete, only comments may follow */
};

typedef struct reader {
	slice in;
	size_t at;
	arena *a;
	mail_list *out;
	size_t room;
	pen phrase, local, domain;
	size_t name_size; /* the part of the phrase before the piece that is the local part so
	far */
	slice comment;    /* the first one of this member, with its parentheses; at NULL: none */
	slice route;
	enum mode mode;
	bool gap;      /* blanks or a comment stand before the next word */
	bool dot_last; /* the last word ended with a dot outside quotes */
	bool in_group;
} reader;

static void pen_add(pen *p, slice s)
{
	for (size_t i = 0; i < s.size; i++)
		if ((uint8_t)s.at[i] >= 0x20 && s.at[i] != 0x7f)
			p->at[p->size++] = s.at[i];
		else if (s.at[i] == '\t')
			p->at[p->size++] = ' ';
}

static slice pen_take(pen *p)
{
	slice made = slice_of(p->at, p->size);

	p->at += p->size;
	p->size = 0;
	return made;
}

static void entry_add(reader *r, mail_list_entry e)
{
	mail_list *l = r->out;

	if (l->count == r->room) {
		size_t more = r->room ? r->room * 2 : 4;
		mail_list_entry *grown = arena_new_array(r->a, more, sizeof *grown);
		if (l->count > 0)
			memcpy(grown, l->entry, l->count * sizeof *grown);
		l->entry = grown;
		r->room = more;
	}
	l->entry[l->count++] = e;
}

/* Skips a quoted string or a comment that starts at r->at; comments nest. What is inside, without
   escapes, goes to `to` unless that is NULL. */
static void skip_quoted(reader *r, char close, pen *to)
{
	size_t depth = 1;

	for (r->at++; r->at < r->in.size; r->at++) {
		char c = r->in.at[r->at];

		if (c == '\\' && r->at + 1 < r->in.size)
			c = r->in.at[++r->at];
		else if (c == close && --depth == 0)
			break;
		else if (close == ')' && c == '(')
			depth++;
		if (to)
			pen_add(to, slice_of(&c, 1));
	}
	if (r->at == r->in.size)
		r->out->broken = true;
	else
		r->at++;
}

static bool joins(const reader *r, slice word, bool quoted)
{
	return !r->gap || r->dot_last || (!quoted && word.size > 0 && word.at[0] == '.');
}

static void phrase_word(reader *r, slice word, bool quoted)
{
	if (!joins(r, word, quoted)) {
		r->name_size = r->phrase.size;
		r->local.size = 0;
	}
	if (r->gap && r->phrase.size > 0)
		pen_add(&r->phrase, S(" "));
	pen_add(&r->phrase, word);
	pen_add(&r->local, word);
}

static void domain_word(reader *r, slice word)
{
	if (r->domain.size > 0 && !joins(r, word, false)) {
		r->out->broken = true; /* a forgotten comma, or a name behind the address */
		if (r->mode == IN_DOMAIN)
			r->mode = BEHIND;
		return;
	}
	pen_add(&r->domain, word);
}

static void word_add(reader *r, slice word, bool quoted)
{
	switch (r->mode) {
	case IN_PHRASE:
		phrase_word(r, word, quoted);
		break;
	case IN_ANGLE_LOCAL:
		if (r->local.size > 0 && !joins(r, word, quoted)) {
			r->out->broken = true;
			pen_add(&r->local, S(" "));
		}
		pen_add(&r->local, word);
		break;
	case IN_DOMAIN:
	case IN_ANGLE_DOMAIN:
		domain_word(r, word);
		break;
	case IN_ROUTE:
		break;
	case BEHIND:
		r->out->broken = true;
		break;
	}
	r->gap = false;
	r->dot_last = !quoted && word.size > 0 && word.at[word.size - 1] == '.';
}

static void quoted_word(reader *r)
{
	/* The inside is written behind the domain so far, and given back after use. */
	pen inside = {.at = r->domain.at + r->domain.size};

	skip_quoted(r, '"', &inside);
	slice word = slice_of(inside.at, inside.size);
	if (r->mode == IN_DOMAIN || r->mode == IN_ANGLE_DOMAIN) {
		r->out->broken = true;
		r->domain.size += inside.size;
	} else {
		word_add(r, word, true);
	}
}

/* A comment's inside as a name. */
static slice comment_name(reader *r)
{
	slice inside = slice_from(r->comment, 1);

	r->phrase.size = 0;
	for (size_t i = 0; i < inside.size; i++) {
		if (inside.at[i] == '\\' && i + 1 < inside.size)
			i++;
		else if (inside.at[i] == ')' && i + 1 == inside.size)
			break;
		pen_add(&r->phrase, slice_of(inside.at + i, 1));
	}
	return slice_trim(pen_take(&r->phrase));
}

static void member_begin(reader *r)
{
	r->phrase.size = r->local.size = r->domain.size = r->name_size = 0;
	r->comment = r->route = (slice){0};
	r->mode = IN_PHRASE;
	r->gap = r->dot_last = false;
}

/* A member ends here: what was read becomes an entry, if there was anything. */
static void member_end(reader *r)
{
	mail_list_entry e = {.kind = MAIL_LIST_ADDRESS, .route = r->route};
	bool angle = r->mode == IN_ROUTE || r->mode == IN_ANGLE_LOCAL || r->mode == IN_ANGLE_DOMAIN;

	if (r->mode == IN_PHRASE && r->phrase.size == 0) {
		member_begin(r);
		return;
	}
	if (r->mode == IN_PHRASE &&
		(r->name_size > 0 || memchr(r->phrase.at, ' ', r->phrase.size))) {
		r->out->broken = true; /* several words and no address, be they in quotes */
		r->name_size = r->phrase.size;
		r->local.size = 0;
	}
	if (angle)
		r->out->broken = true; /* '>' is missing */
	e.local = pen_take(&r->local);
	e.domain = pen_take(&r->domain);
	r->phrase.size = r->name_size;
	if (r->phrase.size > 0)
		e.name = pen_take(&r->phrase);
	else if (r->comment.at)
		e.name = comment_name(r);
	entry_add(r, e);
	member_begin(r);
}

static void group_begin(reader *r)
{
	entry_add(r, (mail_list_entry){.kind = MAIL_LIST_GROUP, .name = pen_take(&r->phrase)});
	r->in_group = true;
	member_begin(r);
}

static void group_end(reader *r)
{
	entry_add(r, (mail_list_entry){.kind = MAIL_LIST_GROUP_END});
	r->in_group = false;
}

static void at_sign(reader *r)
{
	switch (r->mode) {
	case IN_PHRASE:
		r->out->broken = r->out->broken || r->local.size == 0 || r->name_size > 0;
		r->mode = IN_DOMAIN;
		break;
	case IN_ANGLE_LOCAL:
		r->mode = IN_ANGLE_DOMAIN;
		if (r->local.size == 0 && !r->route.at) {
			r->mode = IN_ROUTE;
			r->route = slice_of(r->in.at + r->at, 0);
		}
		break;
	case IN_DOMAIN:
	case IN_ANGLE_DOMAIN:
		/* Left in the domain, where no strict reader lets it pass. */
		r->out->broken = true;
		pen_add(&r->domain, S("@"));
		break;
	case IN_ROUTE:
		break;
	case BEHIND:
		r->out->broken = true;
		break;
	}
	r->gap = false;
}

static void angle_open(reader *r)
{
	if (r->mode != IN_PHRASE && r->mode != IN_DOMAIN) {
		r->out->broken = true;
		return;
	}
	if (r->mode == IN_DOMAIN) { /* an address as the name: a@b <a@b> */
		pen_add(&r->phrase, S("@"));
		pen_add(&r->phrase, slice_of(r->domain.at, r->domain.size));
	}
	r->name_size = r->phrase.size;
	r->local.size = r->domain.size = 0;
	r->mode = IN_ANGLE_LOCAL;
	r->gap = r->dot_last = false;
}

static void angle_close(reader *r)
{
	if (r->mode == IN_PHRASE || r->mode == IN_DOMAIN || r->mode == BEHIND)
		r->out->broken = true;
	else
		r->mode = BEHIND;
}

static bool is_plain(char c)
{
	return (uint8_t)c > 0x20 && !strchr("()<>@,;:\\\"[", c);
}

/* What stands here has a word right before it and right behind it. */
static bool is_within_word(const reader *r)
{
	return r->phrase.size > 0 && !r->gap && r->at + 1 < r->in.size &&
	       is_plain(r->in.at[r->at + 1]);
}

static void colon(reader *r)
{
	if (r->mode == IN_ROUTE) {
		const char *here = r->in.at + r->at;
		r->route = slice_trim(slice_of(r->route.at, (size_t)(here - r->route.at)));
		r->mode = IN_ANGLE_LOCAL;
	} else if (r->mode == IN_PHRASE && r->phrase.size > 0 && !r->in_group) {
		group_begin(r);
	} else { /* kept: without it another address would be read */
		r->out->broken = true;
		if (r->mode == IN_PHRASE && is_within_word(r))
			word_add(r, S(":"), false);
		else if (r->mode == IN_ANGLE_LOCAL)
			pen_add(&r->local, S(":"));
		else if (r->mode == IN_DOMAIN || r->mode == IN_ANGLE_DOMAIN)
			pen_add(&r->domain, S(":"));
	}
}

static void special(reader *r, char c)
{
	switch (c) {
	case ',':
		if (r->mode != IN_ROUTE)
			member_end(r);
		return;
	case ';':
		member_end(r);
		if (r->in_group)
			group_end(r);
		return;
	case ':':
		colon(r);
		return;
	case '<':
		angle_open(r);
		return;
	case '>':
		angle_close(r);
		return;
	case '@':
		at_sign(r);
		return;
	default: /* blanks, controls, ')' and '\' outside of quotes */
		r->out->broken = r->out->broken || c == ')' || c == '\\';
		r->gap = true;
		return;
	}
}

static void comment_skip(reader *r)
{
	size_t start = r->at;

	skip_quoted(r, ')', NULL);
	if (!r->comment.at)
		r->comment = slice_of(r->in.at + start, r->at - start);
	r->gap = true;
}

static void bracket(reader *r)
{
	bool literal = r->mode == IN_DOMAIN || r->mode == IN_ANGLE_DOMAIN;
	slice near = slice_until(slice_from(r->in, r->at), MAIL_DOMAIN_MOST);
	size_t size = literal ? slice_find(near, ']') + 1 : 1;

	if (size > near.size) {
		r->out->broken = true; /* unclosed: an ordinary character */
		size = 1;
	}
	word_add(r, slice_of(r->in.at + r->at, size), false);
	r->at += size;
}

void mail_list_parse(slice value, size_t most, arena *a, mail_list *out)
{
	reader r = {.in = value, .a = a, .out = out};

	*out = (mail_list){0};
	r.phrase.at = arena_new(a, value.size + 2);
	r.local.at = arena_new(a, value.size + 2);
	r.domain.at = arena_new(a, value.size + 2);
	member_begin(&r);
	while (r.at < value.size && out->count < most) {
		char c = value.at[r.at];

		if (c == '(') {
			comment_skip(&r);
		} else if (c == '"') {
			quoted_word(&r);
		} else if (c == '[') {
			bracket(&r);
		} else if (is_plain(c)) {
			size_t start = r.at;
			while (r.at < value.size && is_plain(value.at[r.at]))
				r.at++;
			word_add(&r, slice_of(value.at + start, r.at - start), false);
		} else {
			special(&r, c);
			r.at++;
		}
	}
	if (r.at < value.size && slice_trim(slice_from(value, r.at)).size > 0)
		out->truncated = true;
	else if (out->count < most)
		member_end(&r);
	if (r.in_group)
		group_end(&r);
}
