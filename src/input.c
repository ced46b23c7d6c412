#include "input.h"

#include <assert.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "input_check.h"
#include "text.h"

#include "banned.h"

enum {
	DEPTH_MAX = 16,       /* of a JSON body */
	QUERY_PAIRS_MAX = 64, /* of a query string */
	NUMBER_MAX = 40,      /* bytes of a JSON number */
};

static const struct field *
find(const struct field *fields, const char *name, enum field_place place)
{
	for (const struct field *f = fields; f && f->name; f++)
		if (f->place == place && strcmp(f->name, name) == 0)
			return f;
	return NULL;
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
		if (input_check_string(f, src->path_values[i], e) == 0)
			keep(in, f, src->path_values[i]);
	}
}

static void
read_pair(struct input *in, const char *name, const char *value, struct arena *a,
    struct err *e)
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
	if (input_check_string(f, value, e) == 0)
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
		char *value = equals
		    ? text_decode(a, equals + 1, len - name_len - 1, true)
		    : arena_strdup(a, "");

		if (len &&
		    (!name || !value || !text_utf8_valid(name, strlen(name)) ||
			!text_utf8_valid(value, strlen(value)) ||
			++n > QUERY_PAIRS_MAX)) {
			(void)fail_field(e, "?", "ENCODING",
			    "the query string is not valid");
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

static int
read_array(struct input *in, const struct field *f, json_object *v, struct arena *a,
    struct err *e)
{
	size_t n = json_object_array_length(v);
	struct buf b;

	if (n > (size_t)f->max)
		return fail_field(e, f->name, "TOO_LONG",
		    "must have at most %lld elements", f->max);
	buf_init(&b, 0);
	buf_addc(&b, '{');
	for (size_t i = 0; i < n; i++) {
		json_object *item = json_object_array_get_idx(v, i);
		const char *s = json_object_is_type(item, json_type_string)
		    ? json_object_get_string(item)
		    : NULL;
		char path[64];

		snprintf(path, sizeof(path), "%s.%zu", f->name, i);
		if (!s || strlen(s) != (size_t)json_object_get_string_len(item) ||
		    !(f->kind == FIELD_URLS ? input_is_url(s) : input_is_id(s))) {
			buf_free(&b);
			return fail_field(e, path, "INVALID", "%s",
			    f->kind == FIELD_URLS ? "must be an https URL"
						  : "is not an id");
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
read_member(struct input *in, const char *name, json_object *v, struct arena *a,
    struct err *e)
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
		if (input_check_string(f, s, e) < 0)
			return -1;
	}
	if (got == json_type_int || got == json_type_double) {
		if (strlen(s) > NUMBER_MAX)
			return fail_field(e, name, "TOO_LONG",
			    "must have at most %d digits", NUMBER_MAX);
		if (input_check_number(f, json_object_get_double(v), e) < 0)
			return -1;
	}
	keep(in, f, arena_strdup(a, s));
	return 0;
}

/*
 * What json-c lets pass: a name that stands twice (it keeps the last), a NUL in a name (it cuts there), raw control
 * characters in strings, names in single quotes. s is valid JSON otherwise. NULL when nothing is wrong.
 */
static const char *
second_look(const char *s, size_t n_members)
{
	bool nul = false; /* in the last string */
	size_t n = 0;
	int depth = 0;

	for (; *s; s++) {
		if (*s == '"') {
			nul = false;
			for (s++; *s != '"'; s++) {
				if ((unsigned char)*s < 0x20)
					return "a raw control character in a string";
				if (*s == '\\')
					nul |= strncmp(++s, "u0000", 5) == 0;
			}
		}
		if (*s == '\'')
			return "a single quote";
		if (*s == ':' && nul)
			return "a NUL in a name";
		n += *s == ':' && depth == 1;
		depth += (*s == '{' || *s == '[') - (*s == '}' || *s == ']');
	}
	return n == n_members ? NULL : "a name stands twice";
}

static json_object *
parse_body(const char *body, size_t len, struct err *e)
{
	json_tokener *tok = json_tokener_new_ex(DEPTH_MAX);
	json_object *root;
	enum json_tokener_error why;
	const char *fault = NULL;

	if (!tok)
		mem_exhausted();
	json_tokener_set_flags(tok, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
	/* the NUL behind the body ends a lone number too */
	root = json_tokener_parse_ex(tok, body, (int)len + 1);
	why = json_tokener_get_error(tok);
	if (why == json_tokener_success && json_tokener_get_parse_end(tok) < len)
		why = json_tokener_error_parse_unexpected;
	json_tokener_free(tok);
	if (why != json_tokener_success)
		fault = json_tokener_error_desc(why);
	else if (!json_object_is_type(root, json_type_object))
		fault = "it must be an object";
	else
		fault = second_look(body, (size_t)json_object_object_length(root));
	if (!fault)
		return root;
	json_object_put(root);
	(void)fail(e, E_BAD_JSON, "the body is not valid JSON: %s", fault);
	return NULL;
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
read_body(struct input *in, const struct input_source *src, struct arena *a,
    struct err *e)
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
	json_object_object_foreach(root, name, value)(void)
	    read_member(in, name, value, a, e);
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
			known |= strncmp(e->fields[k].path, f->name,
				     sizeof(e->fields[k].path) - 1) == 0;
		if (f->flags & FIELD_REQUIRED && !known)
			(void)fail_field(e, f->name, "REQUIRED", "is required");
	}
}

int
input_read(struct input *ret, const struct field *fields, const struct input_source *src,
    struct arena *a, struct err *e)
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
