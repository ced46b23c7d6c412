#include "input_check.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "text.h"

#include "banned.h"

enum {
	URL_MAX = 500, /* bytes */
	ID_MAX = 64,   /* bytes */
	YEAR_MIN = 2000,
	YEAR_MAX = 2199,
};

static bool
has_control(const char *s, bool multiline)
{
	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;

		if ((c < 0x20 && !(multiline && (c == '\n' || c == '\t' || c == '\r'))) ||
		    c == 0x7f)
			return true;
	}
	return false;
}

static bool
digits(const char **p, int n, int *ret)
{
	*ret = 0;
	for (; n; n--, (*p)++) {
		if (**p < '0' || **p > '9')
			return false;
		*ret = *ret * 10 + (**p - '0');
	}
	return true;
}

static bool
take_char(const char **p, char c)
{
	if (**p != c)
		return false;
	(*p)++;
	return true;
}

/* RFC 3339 full-date; advances p. */
static bool
take_date(const char **p)
{
	static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	int year, month, day, last;

	if (!digits(p, 4, &year) || !take_char(p, '-') || !digits(p, 2, &month) ||
	    !take_char(p, '-') || !digits(p, 2, &day) || year < YEAR_MIN ||
	    year > YEAR_MAX || month < 1 || month > 12)
		return false;
	last = days[month - 1] +
	    (month == 2 && ((year % 4 == 0 && year % 100 != 0) || year % 400 == 0));
	return day >= 1 && day <= last;
}

/* What follows the date in an RFC 3339 date-time; leap seconds are refused, as PostgreSQL would round them. */
static bool
take_clock(const char **p)
{
	int hour, minute, second, zone_hour, zone_minute;

	if ((!take_char(p, 'T') && !take_char(p, 't')) || !digits(p, 2, &hour) ||
	    !take_char(p, ':') || !digits(p, 2, &minute) || !take_char(p, ':') ||
	    !digits(p, 2, &second) || hour > 23 || minute > 59 || second > 59)
		return false;
	if (take_char(p, '.')) {
		size_t n = strspn(*p, "0123456789");

		if (n < 1 || n > 9)
			return false;
		*p += n;
	}
	if (take_char(p, 'Z') || take_char(p, 'z'))
		return true;
	if (!take_char(p, '+') && !take_char(p, '-'))
		return false;
	return digits(p, 2, &zone_hour) && take_char(p, ':') &&
	    digits(p, 2, &zone_minute) && zone_hour < 15 && zone_minute < 60;
}

static bool
is_date(const char *s)
{
	return take_date(&s) && (!*s || (take_clock(&s) && !*s));
}

static bool
is_time(const char *s)
{
	return take_date(&s) && take_clock(&s) && !*s;
}

static bool
in_values(const char *const *values, const char *s, size_t len)
{
	for (; *values; values++)
		if (strlen(*values) == len && memcmp(*values, s, len) == 0)
			return true;
	return false;
}

static int
fail_values(const struct field *f, struct err *e)
{
	char list[96] = "";
	size_t n = 0;

	for (const char *const *v = f->values; *v && n < sizeof(list) - 1; v++)
		n += (size_t)snprintf(list + n, sizeof(list) - n, "%s%s", n ? " " : "",
		    *v);
	return fail_field(e, f->name, "NOT_ALLOWED", "must be one of %s", list);
}

static int
check_enums(const struct field *f, const char *s, struct err *e)
{
	for (;;) {
		size_t len = strcspn(s, ",");

		if (!in_values(f->values, s, len))
			return fail_values(f, e);
		if (!s[len])
			return 0;
		s += len + 1;
	}
}

static int
check_text(const struct field *f, const char *s, struct err *e)
{
	size_t n = text_chars(s);

	if (has_control(s, true))
		return fail_field(e, f->name, "CONTROL",
		    "must not hold control characters");
	if (n < (size_t)f->min)
		return fail_field(e, f->name, "TOO_SHORT",
		    "must have at least %lld characters", f->min);
	if (n > (size_t)f->max)
		return fail_field(e, f->name, "TOO_LONG",
		    "must have at most %lld characters", f->max);
	return 0;
}

int
input_check_number(const struct field *f, double v, struct err *e)
{
	if (!isfinite(v))
		return fail_field(e, f->name, "WRONG_TYPE", "must be a number");
	if (v < (double)f->min)
		return fail_field(e, f->name, "TOO_SMALL", "must be at least %lld",
		    f->min);
	if (v > (double)f->max)
		return fail_field(e, f->name, "TOO_LARGE", "must be at most %lld",
		    f->max);
	return 0;
}

bool
input_is_id(const char *s)
{
	return s[0] && strlen(s) <= ID_MAX && !has_control(s, false);
}

bool
input_is_url(const char *s)
{
	return strncmp(s, "https://", 8) == 0 && s[8] && s[8] != '/' &&
	    strlen(s) <= URL_MAX && !has_control(s, false) && !strpbrk(s, " \"<>\\^`{|}");
}

static bool
is_integer(const char *s)
{
	char *end;

	errno = 0;
	(void)strtoll(s, &end, 10);
	return !errno && end != s && !*end && strspn(s, "-0123456789") == strlen(s);
}

int
input_check_string(const struct field *f, const char *s, struct err *e)
{
	switch (f->kind) {
	case FIELD_TEXT:
		return check_text(f, s, e);
	case FIELD_ID:
		return input_is_id(s) ? 0
				      : fail_field(e, f->name, "INVALID", "is not an id");
	case FIELD_ENUM:
		return in_values(f->values, s, strlen(s)) ? 0 : fail_values(f, e);
	case FIELD_ENUMS:
		return check_enums(f, s, e);
	case FIELD_DATE:
		return is_date(s) ? 0
				  : fail_field(e, f->name, "NOT_A_DATE",
					"must be a date such as 2026-01-31 (RFC 3339)");
	case FIELD_TIME:
		return is_time(s)
		    ? 0
		    : fail_field(e, f->name, "NOT_A_TIME",
			  "must be a time such as 2026-01-31T04:00:00Z (RFC 3339)");
	case FIELD_INT:
		if (!is_integer(s))
			return fail_field(e, f->name, "WRONG_TYPE",
			    "must be a whole number");
		return input_check_number(f, (double)strtoll(s, NULL, 10), e);
	case FIELD_BOOL:
		if (strcmp(s, "1") == 0 || strcmp(s, "0") == 0 ||
		    strcmp(s, "true") == 0 || strcmp(s, "false") == 0)
			return 0;
		return fail_field(e, f->name, "WRONG_TYPE", "must be true or false");
	case FIELD_DECIMAL:
	case FIELD_IDS:
	case FIELD_URLS:
		break;
	}
	return fail_field(e, f->name, "WRONG_TYPE", "does not belong here");
}
