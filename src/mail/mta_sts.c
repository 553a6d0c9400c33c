#include "mail/mta_sts.h"

#include "mail/tls_record.h"

#define ID_MOST 32
#define AGE_DIGITS 10
#define NAME_MOST 253
#define LABEL_MOST 63

const char *mta_sts_mode_name(enum mta_sts_mode m)
{
	static const char *const names[] = {"none", "testing", "enforce"};

	return names[m];
}

/* ---- the TXT record */

static bool is_id(slice s)
{
	for (size_t i = 0; i < s.size; i++)
		if (!tls_record_is_letter(s.at[i]))
			return false;
	return s.size > 0 && s.size <= ID_MOST;
}

status mta_sts_record(const slice *rows, size_t n, slice *id)
{
	slice fields, name, value, found = {0};
	status kind;

	TRY(tls_record_find(rows, n, S("STSv1"), &fields));
	while ((kind = tls_record_next(&fields, &name, &value)) == ST_OK)
		if (found.size == 0 && slice_same(name, S("id")))
			found = value;
	if (kind != ST_ABSENT || !is_id(found))
		return ST_ABSENT;
	*id = found;
	return ST_OK;
}

/* ---- the policy */

static bool is_label(slice s)
{
	for (size_t i = 0; i < s.size; i++)
		if (!tls_record_is_letter(s.at[i]) && s.at[i] != '-')
			return false;
	return s.size > 0 && s.size <= LABEL_MOST && s.at[0] != '-' && s.at[s.size - 1] != '-';
}

static bool is_pattern(slice s)
{
	slice label;

	if (slice_starts(s, S("*.")))
		s = slice_from(s, 2);
	if (s.size == 0 || s.size > NAME_MOST)
		return false;
	while (slice_take(&s, '.', &label))
		if (!is_label(label))
			return false;
	return true;
}

static bool has_control(slice s)
{
	for (size_t i = 0; i < s.size; i++)
		if (((uint8_t)s.at[i] < 0x20 && s.at[i] != '\t') || s.at[i] == 0x7f)
			return true;
	return false;
}

struct reading {
	bool version, mode, age;
	mta_sts_policy *out;
	arena *a;
};

static status take_version(struct reading *r, slice value)
{
	if (r->version)
		return ST_OK;
	r->version = slice_same(value, S("STSv1"));
	return r->version ? ST_OK : ST_INVALID;
}

static status take_mode(struct reading *r, slice value)
{
	for (int m = MTA_STS_NONE; m <= MTA_STS_ENFORCE && !r->mode; m++) {
		r->mode = slice_same(value, slice_z(mta_sts_mode_name((enum mta_sts_mode)m)));
		r->out->mode = (enum mta_sts_mode)m;
	}
	return r->mode ? ST_OK : ST_INVALID;
}

static status take_age(struct reading *r, slice value)
{
	if (r->age)
		return ST_OK;
	r->age = value.size <= AGE_DIGITS && slice_number(value, &r->out->max_age);
	if (r->out->max_age > MTA_STS_AGE_MOST)
		r->out->max_age = MTA_STS_AGE_MOST;
	return r->age ? ST_OK : ST_INVALID;
}

static status take_mx(struct reading *r, slice value)
{
	if (!is_pattern(value) || r->out->mx_count == MTA_STS_MX_MOST)
		return ST_INVALID;
	r->out->mx[r->out->mx_count++] = arena_lower(r->a, value);
	return ST_OK;
}

static status take_line(struct reading *r, slice line)
{
	static const struct {
		slice key;
		status (*take)(struct reading *r, slice value);
	} rows[] = {{{"version", 7}, take_version}, {{"mode", 4}, take_mode},
		{{"max_age", 7}, take_age}, {{"mx", 2}, take_mx}};
	size_t colon = slice_find(line, ':');
	slice key = slice_until(line, colon), value = slice_trim(slice_from(line, colon + 1));

	if (colon == line.size || !tls_record_is_name(key) || has_control(value))
		return ST_INVALID;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		if (slice_same(key, rows[i].key))
			return rows[i].take(r, value);
	return ST_OK;
}

status mta_sts_policy_parse(slice text, arena *a, mta_sts_policy *out)
{
	mta_sts_policy p = {.mx = arena_new_array(a, MTA_STS_MX_MOST, sizeof *p.mx)};
	struct reading r = {.out = &p, .a = a};
	slice line;

	if (text.size > MTA_STS_TEXT_MOST)
		return ST_INVALID;
	while (slice_take(&text, '\n', &line)) {
		if (line.size > 0 && line.at[line.size - 1] == '\r')
			line.size--;
		if (slice_trim(line).size > 0 || has_control(line))
			TRY(take_line(&r, line));
	}
	if (!r.version || !r.mode || !r.age || (p.mx_count == 0 && p.mode != MTA_STS_NONE))
		return ST_INVALID;
	*out = p;
	return ST_OK;
}

bool mta_sts_mx_matches(slice host, slice pattern)
{
	if (host.size > 1 && host.at[host.size - 1] == '.')
		host.size--;
	if (!slice_starts(pattern, S("*.")))
		return slice_same_nocase(host, pattern);
	size_t dot = slice_find(host, '.');
	return dot > 0 && slice_same_nocase(slice_from(host, dot), slice_from(pattern, 1));
}
