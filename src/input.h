/*
 * input.h: a stranger's bytes -> checked fields, by table. The only parser of foreign JSON.
 *
 * A route's fields say name, place, kind and range. input_read() checks all of them and reports every fault
 * at once; unknown and repeated names are refused. A value that passed is text that PostgreSQL takes as it
 * stands, so a handler converts nothing.
 */
#ifndef DAPUR_INPUT_H
#define DAPUR_INPUT_H

#include "base.h"
#include "buf.h"
#include "err.h"
#include "mem.h"

enum field_kind {
	FIELD_TEXT, /* min..max characters; no NUL, and no control characters but newlines and tabs */
	FIELD_ID,      /* 1-64 bytes, no control characters */
	FIELD_INT,     /* min..max */
	FIELD_DECIMAL, /* min..max, a JSON number */
	FIELD_BOOL,
	FIELD_ENUM,  /* one of values */
	FIELD_ENUMS, /* query: several of values, by commas */
	FIELD_DATE,  /* RFC 3339 full-date or date-time, 2000-2199 */
	FIELD_TIME,  /* RFC 3339 date-time, 2000-2199 */
	FIELD_IDS,   /* array of at most max ids */
	FIELD_URLS,  /* array of at most max https URLs of at most 500 bytes */
};

enum field_place {
	IN_PATH,
	IN_QUERY,
	IN_BODY,
};

enum {
	FIELD_REQUIRED = 1,
	FIELD_NULLABLE = 2, /* a JSON null is a value: SQL NULL */
};

struct field {
	const char *name;
	enum field_place place;
	enum field_kind kind;
	unsigned flags;
	long long min, max;
	const char *const *values; /* FIELD_ENUM(S): NULL-ended */
	const char *column; /* its column in input_record(); NULL: not part of it */
};

enum { INPUT_FIELDS_MAX = 48 };

struct input {
	const struct field *fields; /* ended by a NULL name; may be NULL */
	size_t n;
	bool given[INPUT_FIELDS_MAX];
	const char *texts[INPUT_FIELDS_MAX]; /* NULL: absent or null */
};

/* What input_read() reads from. */
struct input_source {
	const char *const *path_names; /* "{id}" placeholders in order, n_path of them */
	const char *const *path_values;
	size_t n_path;
	const char *query; /* undecoded */
	const char *body;  /* body_len bytes and a NUL */
	size_t body_len;
};

/* Fails E_BAD_JSON, or E_INVALID with every fault in e->fields. */
int input_read(struct input *ret, const struct field *fields,
    const struct input_source *src, struct arena *a, struct err *e) MUST_CHECK;

/* The value of a field of the table (an assertion: the name is there); NULL when absent or null. */
const char *input_text(const struct input *in, const char *name);
bool input_given(const struct input *in, const char *name);
long long input_number(const struct input *in, const char *name, long long absent);

/* The given body fields that have a column, as one JSON object named by columns. Returns how many. */
size_t input_record(const struct input *in, struct buf *out);

#endif
