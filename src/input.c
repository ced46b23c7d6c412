#include "input.h"

#include <assert.h>
#include <errno.h>
#include <json-c/json.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "text.h"

#include "banned.h"

enum {
	DEPTH_MAX = 16,       /* of a JSON body */
	URL_MAX = 500,        /* bytes */
	ID_MAX = 64,          /* bytes */
	QUERY_PAIRS_MAX = 64, /* of a query string */
	YEAR_MIN = 2000,
	YEAR_MAX = 2199,
};

static const struct field *
find(const struct field *fields, const char *name, enum field_place place)
{
	for (const struct field *f = fields; f && f->name; f++)
		if (f->place == place && strcmp(f->name, name) == 0)
			return f;
	return NULL;
}

/* --- one value of text --- */

static bool
has_control(const char *s, bool multiline)
{
	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;

		if ((c < 0x20 && !(multiline && (c == '\n' || c == '\t' || c == '\r'))) || c == 0x7f)
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

	if (!digits(p, 4, &year) || !take_char(p, '-') || !digits(p, 2, &month) || !take_char(p, '-') ||
	    !digits(p, 2, &day) || year < YEAR_MIN || year > YEAR_MAX || month < 1 || month > 12)
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

	if ((**p != 'T' && **p != 't') || !(*p)++ || !digits(p, 2, &hour) || !take_char(p, ':') ||
	    !digits(p, 2, &minute) || !take_char(p, ':') || !digits(p, 2, &second) || hour > 23 ||
	    minute > 59 || second > 59)
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
	return digits(p, 2, &zone_hour) && take_char(p, ':') && digits(p, 2, &zone_minute) &&
	    zone_hour < 15 && zone_minute < 60;
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
		n += (size_t)snprintf(list + n, sizeof(list) - n, "%s%s", n ? " " : "", *v);
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
		return fail_field(e, f->name, "CONTROL", "must not hold control characters");
	if (n < (size_t)f->min)
		return fail_field(e, f->name, "TOO_SHORT", "must have at least %lld characters", f->min);
	if (n > (size_t)f->max)
		return fail_field(e, f->name, "TOO_LONG", "must have at most %lld characters", f->max);
	return 0;
}

static int
check_number(const struct field *f, double v, struct err *e)
{
	if (!isfinite(v))
		return fail_field(e, f->name, "WRONG_TYPE", "must be a number");
	if (v < (double)f->min)
		return fail_field(e, f->name, "TOO_SMALL", "must be at least %lld", f->min);
	if (v > (double)f->max)
		return fail_field(e, f->name, "TOO_LARGE", "must be at most %lld", f->max);
	return 0;
}

static bool
is_id(const char *s)
{
	return s[0] && strlen(s) <= ID_MAX && !has_control(s, false);
}

/* A value that came as text: a string of the body, or any of path and query. */
static int
check_string(const struct field *f, const char *s, struct err *e)
{
	char *end;

	switch (f->kind) {
	case FIELD_TEXT:
		return check_text(f, s, e);
	case FIELD_ID:
		return is_id(s) ? 0 : fail_field(e, f->name, "INVALID", "is not an id");
	case FIELD_ENUM:
		return in_values(f->values, s, strlen(s)) ? 0 : fail_values(f, e);
	case FIELD_ENUMS:
		return check_enums(f, s, e);
	case FIELD_DATE:
		return is_date(s) ? 0
				  : fail_field(e, f->name, "NOT_A_DATE",
					"must be a date such as 2026-01-31 (RFC 3339)");
	case FIELD_TIME:
		return is_time(s) ? 0
				  : fail_field(e, f->name, "NOT_A_TIME",
					"must be a time such as 2026-01-31T04:00:00Z (RFC 3339)");
	case FIELD_INT:
		errno = 0;
		(void)strtoll(s, &end, 10);
		if (errno || end == s || *end || strspn(s, "-0123456789") != strlen(s))
			return fail_field(e, f->name, "WRONG_TYPE", "must be a whole number");
		return check_number(f, (double)strtoll(s, NULL, 10), e);
	case FIELD_BOOL:
		if (strcmp(s, "1") == 0 || strcmp(s, "0") == 0 || strcmp(s, "true") == 0 ||
		    strcmp(s, "false") == 0)
			return 0;
		return fail_field(e, f->name, "WRONG_TYPE", "must be true or false");
	case FIELD_DECIMAL:
	case FIELD_IDS:
	case FIELD_URLS:
		break;
	}
	return fail_field(e, f->name, "WRONG_TYPE", "does not belong here");
}

/* --- path and query --- */

static void
keep(struct input *in, const struct field *f, const char *text)
{
	size_t i = (size_t)(f - in->fields);

	in->given[i] = true;
	in->texts[i] = text;
}

/* The array literal of PostgreSQL for a,b: the values are of a fixed list and need no quotes. */
static const char *
as_array(struct arena *a, const char *commas)
{
	return arena_printf(a, "{%s}", commas);
}

static void
read_path(struct input *in, const struct input_source *src, struct err *e)
{
	for (size_t i = 0; i < src->n_path; i++) {
		const struct field *f = find(in->fields, src->path_names[i], IN_PATH);

		assert(f); /* the route table names its own placeholders */
		if (check_string(f, src->path_values[i], e) == 0)
			keep(in, f, src->path_values[i]);
	}
}

static void
read_pair(struct input *in, const char *name, const char *value, struct arena *a, struct err *e)
{
	const struct field *f = find(in->fields, name, IN_QUERY);

	if (!f) {
		(void)fail_field(e, name, "UNKNOWN", "is not a parameter here");
		return;
	}
	if (in->given[f - in->fields]) {
		(void)fail_field(e, name, "REPEATED", "stands more than once");
		return;
	}
	if (!value[0]) /* an empty form field filters nothing */
		return;
	if (check_string(f, value, e) == 0)
		keep(in, f, f->kind == FIELD_ENUMS ? as_array(a, value) : value);
}

static void
read_query(struct input *in, const char *query, struct arena *a, struct err *e)
{
	int n = 0;

	while (*query) {
		size_t len = strcspn(query, "&");
		const char *equals = memchr(query, '=', len);
		size_t name_len = equals ? (size_t)(equals - query) : len;
		char *name = text_decode(a, query, name_len, true);
		char *value = equals ? text_decode(a, equals + 1, len - name_len - 1, true)
				     : arena_strdup(a, "");

		if (len && (!name || !value || !text_utf8_valid(name, strlen(name)) ||
			       !text_utf8_valid(value, strlen(value)) || ++n > QUERY_PAIRS_MAX)) {
			(void)fail_field(e, "?", "ENCODING", "the query string is not valid");
			return;
		}
		if (len)
			read_pair(in, name, value, a, e);
		query += len + (query[len] ? 1 : 0);
	}
}

/* --- body --- */

/* One element of an array literal of PostgreSQL, quoted. */
static void
add_element(struct buf *b, const char *s)
{
	buf_adds(b, b->len == 1 ? "\"" : ",\"");
	for (; *s; s++) {
		if (*s == '"' || *s == '\\')
			buf_addc(b, '\\');
		buf_addc(b, *s);
	}
	buf_addc(b, '"');
}

static bool
is_url(const char *s)
{
	return strncmp(s, "https://", 8) == 0 && s[8] && s[8] != '/' && strlen(s) <= URL_MAX &&
	    !has_control(s, false) && !strpbrk(s, " \"<>\\^`{|}");
}

static int
read_array(struct input *in, const struct field *f, json_object *v, struct arena *a, struct err *e)
{
	size_t n = json_object_array_length(v);
	struct buf b;

	if (n > (size_t)f->max)
		return fail_field(e, f->name, "TOO_LONG", "must have at most %lld elements", f->max);
	buf_init(&b, 0);
	buf_addc(&b, '{');
	for (size_t i = 0; i < n; i++) {
		json_object *item = json_object_array_get_idx(v, i);
		const char *s = json_object_is_type(item, json_type_string) ? json_object_get_string(item) : NULL;
		char path[64];

		snprintf(path, sizeof(path), "%s.%zu", f->name, i);
		if (!s || strlen(s) != (size_t)json_object_get_string_len(item) ||
		    !(f->kind == FIELD_URLS ? is_url(s) : is_id(s))) {
			buf_free(&b);
			return fail_field(e, path, "INVALID", "%s",
			    f->kind == FIELD_URLS ? "must be an https URL" : "is not an id");
		}
		add_element(&b, s);
	}
	buf_addc(&b, '}');
	keep(in, f, arena_strndup(a, b.bytes, b.len));
	buf_free(&b);
	return 0;
}

/* The JSON types that a kind takes. */
static enum json_type
type_of(enum field_kind kind)
{
	switch (kind) {
	case FIELD_INT:
		return json_type_int;
	case FIELD_DECIMAL:
		return json_type_double;
	case FIELD_BOOL:
		return json_type_boolean;
	case FIELD_IDS:
	case FIELD_URLS:
		return json_type_array;
	case FIELD_TEXT:
	case FIELD_ID:
	case FIELD_ENUM:
	case FIELD_ENUMS:
	case FIELD_DATE:
	case FIELD_TIME:
		break;
	}
	return json_type_string;
}

static const char *
type_name(enum json_type t)
{
	switch (t) {
	case json_type_int:
		return "a whole number";
	case json_type_double:
		return "a number";
	case json_type_boolean:
		return "true or false";
	case json_type_array:
		return "an array";
	case json_type_string:
		return "a string";
	case json_type_null:
	case json_type_object:
		break;
	}
	return "something else";
}

static int
read_member(struct input *in, const char *name, json_object *v, struct arena *a, struct err *e)
{
	const struct field *f = find(in->fields, name, IN_BODY);
	enum json_type want, got = json_object_get_type(v);
	const char *s;

	if (!f)
		return fail_field(e, name, "UNKNOWN", "is not a field here");
	if (got == json_type_null) {
		if (!(f->flags & FIELD_NULLABLE))
			return fail_field(e, name, "NOT_NULL", "must not be null");
		keep(in, f, NULL);
		return 0;
	}
	want = type_of(f->kind);
	if (got != want && !(want == json_type_double && got == json_type_int))
		return fail_field(e, name, "WRONG_TYPE", "must be %s", type_name(want));
	if (got == json_type_array)
		return read_array(in, f, v, a, e);
	s = json_object_get_string(v);
	if (got == json_type_string) {
		if (strlen(s) != (size_t)json_object_get_string_len(v))
			return fail_field(e, name, "CONTROL", "must not hold a NUL");
		if (check_string(f, s, e) < 0)
			return -1;
	}
	if ((got == json_type_int || got == json_type_double) &&
	    check_number(f, json_object_get_double(v), e) < 0)
		return -1;
	keep(in, f, arena_strdup(a, s));
	return 0;
}

static json_object *
parse_body(const char *body, size_t len, struct err *e)
{
	json_tokener *tok = json_tokener_new_ex(DEPTH_MAX);
	json_object *root;
	enum json_tokener_error why;

	json_tokener_set_flags(tok, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
	/* the NUL behind the body ends a lone number too */
	root = json_tokener_parse_ex(tok, body, (int)len + 1);
	why = json_tokener_get_error(tok);
	if (why == json_tokener_success && json_tokener_get_parse_end(tok) < len)
		why = json_tokener_error_parse_unexpected;
	json_tokener_free(tok);
	if (why != json_tokener_success) {
		json_object_put(root);
		(void)fail(e, E_BAD_JSON, "the body is not valid JSON: %s", json_tokener_error_desc(why));
		return NULL;
	}
	if (!json_object_is_type(root, json_type_object)) {
		json_object_put(root);
		(void)fail(e, E_BAD_JSON, "the body must be a JSON object");
		return NULL;
	}
	return root;
}

static bool
takes_body(const struct field *fields)
{
	for (const struct field *f = fields; f && f->name; f++)
		if (f->place == IN_BODY)
			return true;
	return false;
}

static int
read_body(struct input *in, const struct input_source *src, struct arena *a, struct err *e)
{
	json_object *root;

	if (!takes_body(in->fields) && !src->body_len)
		return 0;
	if (!src->body_len)
		return fail(e, E_BAD_JSON, "the body is empty; send a JSON object");
	if (!text_utf8_valid(src->body, src->body_len))
		return fail(e, E_BAD_JSON, "the body is not valid UTF-8");
	if (memchr(src->body, '\0', src->body_len))
		return fail(e, E_BAD_JSON, "the body holds a NUL byte");
	root = parse_body(src->body, src->body_len, e);
	if (!root)
		return -1;
	json_object_object_foreach(root, name, value)
		(void)read_member(in, name, value, a, e);
	json_object_put(root);
	return 0;
}

static void
missing_fields(const struct input *in, struct err *e)
{
	for (size_t i = 0; i < in->n; i++) {
		const struct field *f = &in->fields[i];
		bool known = in->given[i];

		for (size_t k = 0; k < e->n_fields; k++)
			known |= strncmp(e->fields[k].path, f->name, sizeof(e->fields[k].path) - 1) == 0;
		if (f->flags & FIELD_REQUIRED && !known)
			(void)fail_field(e, f->name, "REQUIRED", "is required");
	}
}

int
input_read(struct input *ret, const struct field *fields, const struct input_source *src, struct arena *a,
    struct err *e)
{
	*ret = (struct input){.fields = fields};
	for (const struct field *f = fields; f && f->name; f++)
		ret->n++;
	assert(ret->n <= INPUT_FIELDS_MAX);
	err_reset(e);
	if (read_body(ret, src, a, e) < 0)
		return -1;
	read_path(ret, src, e);
	read_query(ret, src->query, a, e);
	missing_fields(ret, e);
	return e->code == E_OK ? 0 : -1;
}

static size_t
index_of(const struct input *in, const char *name)
{
	size_t i = 0;

	while (i < in->n && strcmp(in->fields[i].name, name) != 0)
		i++;
	assert(i < in->n);
	return i;
}

const char *
input_text(const struct input *in, const char *name)
{
	return in->texts[index_of(in, name)];
}

bool
input_given(const struct input *in, const char *name)
{
	return in->given[index_of(in, name)];
}

long long
input_number(const struct input *in, const char *name, long long absent)
{
	const char *s = input_text(in, name);

	return s ? strtoll(s, NULL, 10) : absent;
}

size_t
input_record(const struct input *in, struct buf *out)
{
	size_t n = 0;

	buf_addc(out, '{');
	for (size_t i = 0; i < in->n; i++) {
		const struct field *f = &in->fields[i];

		if (!in->given[i] || !f->column)
			continue;
		buf_printf(out, "%s\"%s\":", n++ ? "," : "", f->column);
		/* numbers, dates and array literals read the same from a JSON string */
		if (in->texts[i])
			buf_add_json(out, in->texts[i], strlen(in->texts[i]));
		else
			buf_adds(out, "null");
	}
	buf_addc(out, '}');
	return n;
}
