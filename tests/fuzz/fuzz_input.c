/*
 * Any input of every route: a byte that chooses the row, then lines of id and query, then the body. What passes is
 * text that PostgreSQL takes, within the row's ranges; what does not is an error with a JSON reply.
 */
#include "input.h"

#include <assert.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#include "reply.h"
#include "route.h"
#include "text.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static struct arena arena;

static void
check_text(const struct field *f, const char *s)
{
	size_t len = strlen(s);

	assert(text_utf8_valid(s, len));
	switch (f->kind) {
	case FIELD_TEXT:
		assert(
		    text_chars(s) >= (size_t)f->min && text_chars(s) <= (size_t)f->max);
		break;
	case FIELD_ID:
		assert(len >= 1 && len <= 64);
		break;
	case FIELD_INT:
		assert(strtoll(s, NULL, 10) >= f->min && strtoll(s, NULL, 10) <= f->max);
		break;
	case FIELD_DECIMAL:
		assert(len <= 40 && strtod(s, NULL) >= (double)f->min &&
		    strtod(s, NULL) <= (double)f->max);
		break;
	case FIELD_BOOL:
		assert(strchr("01tf", s[0]));
		break;
	case FIELD_ENUM:
	case FIELD_ENUMS:
		assert(strspn(s, "{},ABCDEFGHIJKLMNOPQRSTUVWXYZ_") == len);
		break;
	case FIELD_DATE:
	case FIELD_TIME:
		assert(len >= 10 && len <= 35 && s[0] == '2' &&
		    strspn(s, "0123456789-+:.TtZz") == len);
		break;
	case FIELD_IDS:
	case FIELD_URLS:
		assert(
		    s[0] == '{' && s[len - 1] == '}' && len <= (size_t)f->max * 1004 + 2);
		break;
	}
	for (; *s; s++)
		assert((unsigned char)*s >= 0x20 || f->kind == FIELD_TEXT);
}

static void
check_passed(const struct input *in)
{
	json_object *record;
	struct buf b;
	size_t n;

	for (size_t i = 0; i < in->n; i++) {
		const struct field *f = &in->fields[i];

		assert(in->given[i] || !in->texts[i]);
		assert(in->given[i] || !(f->flags & FIELD_REQUIRED));
		assert(!in->given[i] || in->texts[i] || f->flags & FIELD_NULLABLE);
		if (in->texts[i])
			check_text(f, in->texts[i]);
	}
	buf_init(&b, 0);
	n = input_record(in, &b);
	record = json_tokener_parse(b.bytes);
	assert(record && (size_t)json_object_object_length(record) == n);
	json_object_put(record);
	buf_free(&b);
}

static void
check_refused(const struct err *e)
{
	json_object *o;
	struct reply r;

	assert(e->code == E_BAD_JSON || e->code == E_INVALID);
	assert(e->n_fields <= ERR_FIELDS && (e->code == E_INVALID) == (e->n_fields > 0));
	for (size_t i = 0; i < e->n_fields; i++)
		assert(e->fields[i].code[0] && e->fields[i].message[0]);
	reply_init(&r);
	reply_error(&r, e, "id", false);
	assert(text_utf8_valid(r.body.bytes, r.body.len));
	o = json_tokener_parse(r.body.bytes);
	assert(o);
	json_object_put(o);
	reply_free(&r);
}

/* The next line, as a string of its own, so that a step beyond it is seen. */
static char *
take_line(const char **p, const char *end)
{
	const char *lf = memchr(*p, '\n', (size_t)(end - *p));
	size_t n = (size_t)((lf ? lf : end) - *p);
	char *s = xmalloc(n + 1);

	memcpy(s, *p, n);
	s[n] = '\0';
	*p += n + (lf ? 1 : 0);
	return s;
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	const char *p = (const char *)bytes, *end = p + len;
	static const char *const names[] = {"id"};
	const char *values[1];
	char *id, *query, *body;
	struct input_source src;
	const struct route *route;
	struct input in;
	struct err e;
	size_t rows = 0;

	if (!len)
		return 0;
	while (route_at(rows))
		rows++;
	route = route_at(*(const uint8_t *)p++ % rows);
	id = take_line(&p, end);
	query = take_line(&p, end);
	body = xmalloc((size_t)(end - p) + 1);
	memcpy(body, p, (size_t)(end - p));
	body[end - p] = '\0';
	/* as http_split_path() hands it out */
	values[0] = id[0] && text_utf8_valid(id, strlen(id)) ? id : "x";
	src = (struct input_source){names, values, strchr(route->path, '{') ? 1 : 0,
	    query, body, (size_t)(end - p)};
	if (input_read(&in, route->input, &src, &arena, &e) == 0)
		check_passed(&in);
	else
		check_refused(&e);
	arena_reset(&arena);
	free(id);
	free(query);
	free(body);
	return 0;
}
