/* Dates: the civil calendar by days since 1970 (proleptic Gregorian, years counted from March so
   that the leap day comes last), writers, and a tolerant reader that sorts tokens by what they look
   like instead of where they stand. */
#include "mail/date.h"

#include "base/text.h"
#include "mail/header.h"

#define DATE_BYTES_MOST 512
#define YEAR_LEAST 1900
#define YEAR_MOST 9999
#define DAY_SECONDS 86400

static const char day_names[7][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
static const char month_names[12][4] = {
	"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

/* --- Calendar
   ---------------------------------------------------------------------------------- */

int64_t date_days(int year, int month, int day)
{
	int64_t y = (int64_t)year - (month <= 2);
	int64_t era = (y >= 0 ? y : y - 399) / 400;
	int64_t of_era = y - era * 400;
	int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;

	return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

void date_civil(int64_t days, int *year, int *month, int *day)
{
	int64_t shifted = days + 719468;
	int64_t era = (shifted >= 0 ? shifted : shifted - 146096) / 146097;
	int64_t of_era = shifted - era * 146097;
	int64_t y = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
	int64_t of_year = of_era - (365 * y + y / 4 - y / 100);
	int64_t m = (5 * of_year + 2) / 153;

	*day = (int)(of_year - (153 * m + 2) / 5 + 1);
	*month = (int)(m < 10 ? m + 3 : m - 9);
	*year = (int)(y + era * 400 + (*month <= 2));
}

static bool is_offset(int minutes)
{
	return minutes > -24 * 60 && minutes < 24 * 60;
}

static int month_length(int year, int month)
{
	int64_t next = month == 12 ? date_days(year + 1, 1, 1) : date_days(year, month + 1, 1);

	return (int)(next - date_days(year, month, 1));
}

/* A date in the fields people write. */
struct fields {
	int year, month, day, hour, minute, second, offset, weekday;
};

static struct fields fields_of(date d)
{
	struct fields f = {.offset = is_offset(d.offset) ? d.offset : 0};
	const int64_t least = date_days(0, 1, 2), most = date_days(YEAR_MOST, 12, 30);
	int64_t seconds = d.at / USEC_S - (d.at % USEC_S < 0);

	if (seconds < least * DAY_SECONDS)
		seconds = least * DAY_SECONDS;
	if (seconds >= most * DAY_SECONDS)
		seconds = most * DAY_SECONDS;
	seconds += f.offset * 60;
	int64_t days = seconds / DAY_SECONDS - (seconds % DAY_SECONDS < 0);
	int of_day = (int)(seconds - days * DAY_SECONDS);
	date_civil(days, &f.year, &f.month, &f.day);
	f.hour = of_day / 3600;
	f.minute = of_day / 60 % 60;
	f.second = of_day % 60;
	f.weekday = (int)(((days + 4) % 7 + 7) % 7); /* 1970-01-01 was a Thursday */
	return f;
}

static status date_of(const struct fields *f, date *out)
{
	if (f->year < YEAR_LEAST || f->year > YEAR_MOST || f->month < 1 || f->month > 12 ||
		f->day < 1 || f->day > month_length(f->year, f->month) || f->hour > 23 ||
		f->minute > 59 || f->second > 60 || !is_offset(f->offset))
		return ST_INVALID;
	int second = f->second == 60 ? 59 : f->second;
	int64_t seconds = date_days(f->year, f->month, f->day) * DAY_SECONDS + f->hour * 3600 +
			  f->minute * 60 + second - f->offset * 60;
	*out = (date){.at = seconds * USEC_S, .offset = f->offset};
	return ST_OK;
}

/* --- Writing
   ----------------------------------------------------------------------------------- */

/* An offset as hours and minutes, signed together. */
static int zone_number(int offset)
{
	return offset / 60 * 100 + offset % 60;
}

slice date_format(date d, arena *a)
{
	struct fields f = fields_of(d);

	return arena_format(a, "%s, %d %s %04d %02d:%02d:%02d %+05d", day_names[f.weekday], f.day,
		month_names[f.month - 1], f.year, f.hour, f.minute, f.second,
		zone_number(f.offset));
}

slice date_stamp(usec wall, arena *a)
{
	usec second = wall / USEC_S - (wall % USEC_S < 0);
	int64_t days = second / 86400 - (second % 86400 < 0);
	int64_t rest = second - days * 86400;
	int year, month, day;

	date_civil(days, &year, &month, &day);
	return arena_format(a, "%04d-%02d-%02dT%02d:%02d:%02dZ", year, month, day,
		(int)(rest / 3600), (int)(rest / 60 % 60), (int)(rest % 60));
}

slice date_internal_format(date d, arena *a)
{
	struct fields f = fields_of(d);

	return arena_format(a, "%2d-%s-%04d %02d:%02d:%02d %+05d", f.day, month_names[f.month - 1],
		f.year, f.hour, f.minute, f.second, zone_number(f.offset));
}

/* --- Reading
   ----------------------------------------------------------------------------------- */

/* A run of letters or of digits; all else is a token of one byte. */
struct token {
	slice word;
	bool digits;
	bool letters;
};

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool token_next(slice *rest, struct token *out)
{
	slice s = header_behind_comments(*rest);
	size_t n = 1;

	if (s.size == 0)
		return false;
	*out = (struct token){.digits = is_digit(s.at[0]), .letters = is_letter(s.at[0])};
	while (n < s.size &&
		((out->digits && is_digit(s.at[n])) || (out->letters && is_letter(s.at[n]))))
		n++;
	out->word = slice_until(s, n);
	*rest = slice_from(s, n);
	return true;
}

static int number_of(slice digits)
{
	int n = 0;

	for (size_t i = 0; i < digits.size && n < 100000; i++)
		n = n * 10 + (digits.at[i] - '0');
	return n;
}

/* 1..12 for a name that starts with the month's first three letters, or 0. */
static int month_of(slice word)
{
	for (int i = 0; i < 12; i++)
		if (word.size >= 3 && slice_starts_nocase(word, slice_of(month_names[i], 3)))
			return i + 1;
	return 0;
}

static bool is_day_name(slice word)
{
	for (int i = 0; i < 7; i++)
		if (word.size >= 3 && slice_starts_nocase(word, slice_of(day_names[i], 3)))
			return true;
	return false;
}

/* Zones by name (RFC 5322 4.3). Military letters and unknown names mean -0000: nothing is known. */
static int zone_of(slice word)
{
	static const struct {
		slice name;
		int hours;
	} zones[] = {
		{S("EDT"), -4},
		{S("EST"), -5},
		{S("CDT"), -5},
		{S("CST"), -6},
		{S("MDT"), -6},
		{S("MST"), -7},
		{S("PDT"), -7},
		{S("PST"), -8},
		{S("CET"), 1},
		{S("CEST"), 2},
		{S("BST"), 1},
		{S("MET"), 1},
		{S("MEST"), 2},
		{S("EET"), 2},
		{S("EEST"), 3},
		{S("JST"), 9},
	};

	for (size_t i = 0; i < sizeof zones / sizeof *zones; i++)
		if (slice_same_nocase(word, zones[i].name))
			return zones[i].hours * 60;
	return 0;
}

/* What has been found so far; -1 where nothing was. */
struct finding {
	struct fields f;
	int year_digits;
	bool has_time, has_zone;
	char before; /* the mark right before the token at hand, 0 for none */
};

static bool take_mark(slice *rest, char mark)
{
	slice s = header_behind_comments(*rest);

	if (s.size == 0 || s.at[0] != mark)
		return false;
	*rest = slice_from(s, 1);
	return true;
}

/* Behind the hour: ":MM", ":SS" and a fraction, which is dropped. */
static status read_time(slice *rest, struct finding *d, slice hour)
{
	struct token t;

	if (d->has_time || hour.size > 2)
		return ST_INVALID;
	d->has_time = true;
	d->f.hour = number_of(hour);
	if (!token_next(rest, &t) || !t.digits || t.word.size > 2)
		return ST_INVALID;
	d->f.minute = number_of(t.word);
	if (!take_mark(rest, ':'))
		return ST_OK;
	if (!token_next(rest, &t) || !t.digits || t.word.size > 2)
		return ST_INVALID;
	d->f.second = number_of(t.word);
	if (rest->size > 1 && (rest->at[0] == '.' || rest->at[0] == ',') && is_digit(rest->at[1])) {
		*rest = slice_from(*rest, 1);
		token_next(rest, &t);
	}
	return ST_OK;
}

/* "+0100", "+01:00" or "+1" behind the time. */
static status read_offset(slice *rest, struct finding *d, slice digits)
{
	int n = number_of(digits), hours = n / 100, minutes = n % 100;
	struct token t;

	if (digits.size <= 2) {
		hours = n;
		minutes = 0;
		if (take_mark(rest, ':')) {
			if (!token_next(rest, &t) || !t.digits || t.word.size != 2)
				return ST_INVALID;
			minutes = number_of(t.word);
		}
	}
	if (digits.size > 4 || minutes > 59)
		return ST_INVALID;
	d->has_zone = true;
	d->f.offset = (d->before == '-' ? -1 : 1) * (hours * 60 + minutes);
	return ST_OK;
}

static status read_number(slice *rest, struct finding *d, slice digits)
{
	if (d->has_time && !d->has_zone && (d->before == '+' || d->before == '-'))
		return read_offset(rest, d, digits);
	if (take_mark(rest, ':'))
		return read_time(rest, d, digits);
	if (digits.size >= 3 || (d->f.day >= 0 && d->f.month >= 0)) {
		if (d->f.year >= 0 || digits.size > 4 || digits.size < 2)
			return ST_INVALID;
		d->f.year = number_of(digits);
		d->year_digits = (int)digits.size;
		return ST_OK;
	}
	if (d->year_digits == 4 && d->f.month < 0 && d->f.day < 0) { /* ISO 8601: year first */
		d->f.month = number_of(digits);
		return ST_OK;
	}
	if (d->f.day >= 0)
		return ST_INVALID;
	d->f.day = number_of(digits);
	return ST_OK;
}

static void read_word(struct finding *d, slice word)
{
	int month = month_of(word);

	if (month > 0 && d->f.month < 0) {
		d->f.month = month;
	} else if (d->has_time && !d->has_zone && !is_day_name(word)) {
		d->f.offset = zone_of(word);
		/* "GMT+0200" and "UTC +0200": the number has the last word */
		d->has_zone =
			!slice_same_nocase(word, S("GMT")) && !slice_same_nocase(word, S("UTC"));
	}
}

/* RFC 5322 4.3: two digits below 50 are this century, other short years count from 1900. */
static int full_year(int year, int digits)
{
	if (digits == 2 && year < 50)
		return year + 2000;
	return digits <= 3 ? year + 1900 : year;
}

status date_parse(slice s, date *out)
{
	struct finding d = {.f = {.year = -1, .month = -1, .day = -1}};
	struct token t;

	s = slice_until(s, DATE_BYTES_MOST);
	while (token_next(&s, &t)) {
		if (t.digits) {
			TRY(read_number(&s, &d, t.word));
			d.before = 0;
		} else if (t.letters) {
			read_word(&d, t.word);
			d.before = 0;
		} else {
			d.before = t.word.at[0];
		}
	}
	if (d.f.year < 0)
		return ST_INVALID;
	d.f.year = full_year(d.f.year, d.year_digits);
	return date_of(&d.f, out);
}

/* Takes `n` digits. */
static bool take_digits(slice *s, size_t n, int *out)
{
	for (size_t i = 0; i < n; i++)
		if (i >= s->size || !is_digit(s->at[i]))
			return false;
	*out = number_of(slice_until(*s, n));
	*s = slice_from(*s, n);
	return true;
}

static bool take_char(slice *s, char c)
{
	if (s->size == 0 || s->at[0] != c)
		return false;
	*s = slice_from(*s, 1);
	return true;
}

static bool take_day(slice *s, int *day)
{
	take_char(s, ' ');
	return s->size > 1 && take_digits(s, is_digit(s->at[1]) ? 2 : 1, day);
}

static bool take_month(slice *s, int *month)
{
	*month = month_of(slice_until(*s, 3));
	*s = slice_from(*s, 3);
	return *month > 0;
}

static bool take_zone(slice *s, int *offset)
{
	bool west = s->size > 0 && s->at[0] == '-';
	int hours, minutes;

	if (!take_char(s, west ? '-' : '+') || !take_digits(s, 2, &hours) ||
		!take_digits(s, 2, &minutes) || minutes > 59)
		return false;
	*offset = (west ? -1 : 1) * (hours * 60 + minutes);
	return true;
}

status date_internal_parse(slice s, date *out)
{
	struct fields f = {0};

	if (!take_day(&s, &f.day) || !take_char(&s, '-') || !take_month(&s, &f.month) ||
		!take_char(&s, '-') || !take_digits(&s, 4, &f.year) || !take_char(&s, ' ') ||
		!take_digits(&s, 2, &f.hour) || !take_char(&s, ':') ||
		!take_digits(&s, 2, &f.minute) || !take_char(&s, ':') ||
		!take_digits(&s, 2, &f.second) || !take_char(&s, ' ') ||
		!take_zone(&s, &f.offset) || s.size > 0)
		return ST_INVALID;
	return date_of(&f, out);
}
