/* Input by table: every kind, every fault, and what comes out for PostgreSQL. */
#include "input.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const char *const colours[] = {"RED", "GREEN", NULL};

static const struct field fields[] = {
    {"id", IN_PATH, FIELD_ID, FIELD_REQUIRED, 0, 0, NULL, NULL},
    {"page", IN_QUERY, FIELD_INT, 0, 1, 100, NULL, NULL},
    {"colours", IN_QUERY, FIELD_ENUMS, 0, 0, 0, colours, NULL},
    {"all", IN_QUERY, FIELD_BOOL, 0, 0, 0, NULL, NULL},
    {"search", IN_QUERY, FIELD_TEXT, 0, 1, 10, NULL, NULL},
    {"from", IN_QUERY, FIELD_DATE, 0, 0, 0, NULL, NULL},
    {"name", IN_BODY, FIELD_TEXT, FIELD_REQUIRED, 1, 5, NULL, "name"},
    {"cook", IN_BODY, FIELD_ID, 0, 0, 0, NULL, "cook"},
    {"portions", IN_BODY, FIELD_INT, FIELD_NULLABLE, 1, 100000, NULL, "portions"},
    {"cost", IN_BODY, FIELD_DECIMAL, 0, -50, 1000000000, NULL, "cost"},
    {"passed", IN_BODY, FIELD_BOOL, 0, 0, 0, NULL, "passed"},
    {"colour", IN_BODY, FIELD_ENUM, 0, 0, 0, colours, "colour"},
    {"day", IN_BODY, FIELD_DATE, 0, 0, 0, NULL, "day"},
    {"at", IN_BODY, FIELD_TIME, FIELD_NULLABLE, 0, 0, NULL, "at"},
    {"cooks", IN_BODY, FIELD_IDS, 0, 0, 3, NULL, "cooks"},
    {"photos", IN_BODY, FIELD_URLS, 0, 0, 2, NULL, NULL},
    {0},
};

static struct arena arena;
static struct input in;
static struct err e;

static int
clean(void **state)
{
	(void)state;
	arena_free(&arena);
	return 0;
}

static int
read_with(const struct field *table, const char *id, const char *query, const char *body)
{
	static const char *const names[] = {"id"};
	const char *values[] = {id};

	return input_read(&in, table,
	    &(struct input_source){
		.path_names = names,
		.path_values = values,
		.n_path = id ? 1 : 0,
		.query = query,
		.body = body,
		.body_len = strlen(body),
	    },
	    &arena, &e);
}

static int
read_body(const char *body)
{
	return read_with(fields, "p1", "", body);
}

/* The one fault: `path CODE`. */
static const char *
fault(void)
{
	static char text[100];

	assert_int_equal(e.code, E_INVALID);
	assert_int_equal(e.n_fields, 1);
	snprintf(text, sizeof(text), "%s %s", e.fields[0].path, e.fields[0].code);
	return text;
}

static void
takes_all_kinds(void **state)
{
	struct buf b;

	(void)state;
	assert_int_equal(
	    read_with(fields, "p1",
		"page=7&colours=RED%2CGREEN&all=1&search=a+b%26&from=2026-02-28",
		" {\"name\":\"n\\u00e9 \\ud83c\\udf5a\",\"cook\":\"c 1\",\"portions\":null,"
		"\"cost\":-0.50,\"passed\":false,\"colour\":\"GREEN\",\"day\":"
		"\"2026-02-28\",\"at\":\"2026-02-28T23:59:59.123+07:00\",\"cooks\":"
		"[\"a\",\"b\\\"c\\\\,{}\"],\"photos\":[]} \n"),
	    0);
	assert_int_equal(e.code, E_OK);
	assert_string_equal(input_text(&in, "id"), "p1");
	assert_int_equal(input_number(&in, "page", 1), 7);
	assert_string_equal(input_text(&in, "colours"), "{RED,GREEN}");
	assert_string_equal(input_text(&in, "all"), "1");
	assert_string_equal(input_text(&in, "search"), "a b&");
	assert_string_equal(input_text(&in, "name"), "n\xc3\xa9 \xf0\x9f\x8d\x9a");
	assert_true(input_given(&in, "portions"));
	assert_null(input_text(&in, "portions"));
	assert_int_equal(input_number(&in, "portions", -1), -1);
	assert_string_equal(input_text(&in, "cost"), "-0.50");
	assert_string_equal(input_text(&in, "passed"), "false");
	assert_string_equal(input_text(&in, "cooks"), "{\"a\",\"b\\\"c\\\\,{}\"}");
	assert_string_equal(input_text(&in, "photos"), "{}");
	buf_init(&b, 0);
	assert_int_equal(input_record(&in, &b), 9);
	assert_string_equal(b.bytes,
	    "{\"name\":\"n\xc3\xa9 \xf0\x9f\x8d\x9a\",\"cook\":\"c 1\",\"portions\":null,\"cost\":\"-0.50\","
	    "\"passed\":\"false\",\"colour\":\"GREEN\",\"day\":\"2026-02-28\",\"at\":"
	    "\"2026-02-28T23:59:59.123+07:00\",\"cooks\":\"{\\\"a\\\",\\\"b\\\\\\\"c\\\\\\\\,{}\\\"}\"}");
	buf_free(&b);
}

static void
takes_little(void **state)
{
	struct buf b;

	(void)state;
	assert_int_equal(read_body("{\"name\":\"x\"}"), 0);
	assert_false(input_given(&in, "cook"));
	assert_null(input_text(&in, "cook"));
	assert_int_equal(input_number(&in, "page", 3), 3);
	assert_int_equal(read_with(fields, "p1", "&&page=&search&", "{\"name\":\"x\"}"),
	    0);
	assert_false(input_given(&in, "page")); /* an empty form field filters nothing */
	assert_int_equal(read_with(NULL, NULL, "", ""), 0);
	buf_init(&b, 0);
	assert_int_equal(input_record(&in, &b), 0);
	assert_string_equal(b.bytes, "{}");
	buf_free(&b);
}

static void
one_fault(void **state)
{
	static const struct {
		const char *member, *fault;
	} rows[] = {
	    {"\"name\":\"\"", "name TOO_SHORT"},
	    {"\"name\":\"123456\"", "name TOO_LONG"},
	    {"\"name\":\"a\\u0000\"", "name CONTROL"},
	    {"\"name\":\"a\\u0001\"", "name CONTROL"},
	    {"\"name\":\"a\x7f\"", "name CONTROL"},
	    {"\"name\":1", "name WRONG_TYPE"},
	    {"\"name\":null", "name NOT_NULL"},
	    {"\"name\":[]", "name WRONG_TYPE"},
	    {"\"name\":{}", "name WRONG_TYPE"},
	    {"\"Name\":1,\"name\":\"x\"", "Name UNKNOWN"},
	    {"\"\":1,\"name\":\"x\"", " UNKNOWN"},
	    {"\"id\":\"p2\",\"name\":\"x\"", "id UNKNOWN"},
	    {"\"page\":1,\"name\":\"x\"", "page UNKNOWN"},
	    {"\"cook\":\"x\"", "name REQUIRED"},
	    {"\"name\":\"x\",\"cook\":\"\"", "cook INVALID"},
	    {"\"name\":\"x\",\"cook\":\"a\\tb\"", "cook INVALID"},
	    {"\"name\":\"x\",\"cook\":\"123456789012345678901234567890123456789012345678901234567890"
	     "12345\"",
		"cook INVALID"},
	    {"\"name\":\"x\",\"portions\":0", "portions TOO_SMALL"},
	    {"\"name\":\"x\",\"portions\":100001", "portions TOO_LARGE"},
	    {"\"name\":\"x\",\"portions\":-9223372036854775808", "portions TOO_SMALL"},
	    {"\"name\":\"x\",\"portions\":99999999999999999999999", "portions TOO_LARGE"},
	    {"\"name\":\"x\",\"portions\":1.0", "portions WRONG_TYPE"},
	    {"\"name\":\"x\",\"portions\":\"1\"", "portions WRONG_TYPE"},
	    {"\"name\":\"x\",\"portions\":true", "portions WRONG_TYPE"},
	    {"\"name\":\"x\",\"cost\":NaN", "cost WRONG_TYPE"},
	    {"\"name\":\"x\",\"cost\":Infinity", "cost WRONG_TYPE"},
	    {"\"name\":\"x\",\"cost\":-Infinity", "cost WRONG_TYPE"},
	    {"\"name\":\"x\",\"cost\":1e400", "cost WRONG_TYPE"},
	    {"\"name\":\"x\",\"cost\":1000000000.01", "cost TOO_LARGE"},
	    {"\"name\":\"x\",\"cost\":-50.001", "cost TOO_SMALL"},
	    {"\"name\":\"x\",\"cost\":0.00000000000000000000000000000000000000001",
		"cost TOO_LONG"},
	    {"\"name\":\"x\",\"cost\":\"1\"", "cost WRONG_TYPE"},
	    {"\"name\":\"x\",\"passed\":\"true\"", "passed WRONG_TYPE"},
	    {"\"name\":\"x\",\"passed\":1", "passed WRONG_TYPE"},
	    {"\"name\":\"x\",\"colour\":\"BLUE\"", "colour NOT_ALLOWED"},
	    {"\"name\":\"x\",\"colour\":\"\"", "colour NOT_ALLOWED"},
	    {"\"name\":\"x\",\"colour\":\"red\"", "colour NOT_ALLOWED"},
	    {"\"name\":\"x\",\"cooks\":\"a\"", "cooks WRONG_TYPE"},
	    {"\"name\":\"x\",\"cooks\":[\"a\",\"b\",\"c\",\"d\"]", "cooks TOO_LONG"},
	    {"\"name\":\"x\",\"cooks\":[\"a\",1]", "cooks.1 INVALID"},
	    {"\"name\":\"x\",\"cooks\":[null]", "cooks.0 INVALID"},
	    {"\"name\":\"x\",\"cooks\":[[\"a\"]]", "cooks.0 INVALID"},
	    {"\"name\":\"x\",\"cooks\":[\"\"]", "cooks.0 INVALID"},
	    {"\"name\":\"x\",\"cooks\":[\"a\\u0000b\"]", "cooks.0 INVALID"},
	    {"\"name\":\"x\",\"photos\":[\"http://a.example/\"]", "photos.0 INVALID"},
	    {"\"name\":\"x\",\"photos\":[\"https://\"]", "photos.0 INVALID"},
	    {"\"name\":\"x\",\"photos\":[\"https:///x\"]", "photos.0 INVALID"},
	    {"\"name\":\"x\",\"photos\":[\"https://a b\"]", "photos.0 INVALID"},
	    {"\"name\":\"x\",\"photos\":[\"https://a/\\\"onload=\"]", "photos.0 INVALID"},
	    {"\"name\":\"x\",\"photos\":[\"javascript:alert(1)\"]", "photos.0 INVALID"},
	};
	char body[300];

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
		snprintf(body, sizeof(body), "{%s}", rows[i].member);
		assert_int_equal(read_body(body), -1);
		assert_string_equal(fault(), rows[i].fault);
	}
}

static void
dates(void **state)
{
	static const struct {
		const char *text;
		bool date, time;
	} rows[] = {
	    {"2026-01-31", true, false},
	    {"2024-02-29", true, false},
	    {"2000-02-29", true, false},
	    {"2199-12-31", true, false},
	    {"2026-01-31T04:00:00Z", true, true},
	    {"2026-01-31t04:00:00z", true, true},
	    {"2026-01-31T23:59:59.999999999-14:59", true, true},
	    {"2026-01-31T04:00:00+00:00", true, true},
	    {"2026-02-29", false, false},
	    {"2100-02-29", false, false},
	    {"2026-04-31", false, false},
	    {"2026-00-01", false, false},
	    {"2026-13-01", false, false},
	    {"2026-01-00", false, false},
	    {"1999-12-31", false, false},
	    {"2200-01-01", false, false},
	    {"26-01-31", false, false},
	    {"2026-1-31", false, false},
	    {"2026-01-31 ", false, false},
	    {" 2026-01-31", false, false},
	    {"2026-01-31T", false, false},
	    {"2026-01-31 04:00:00Z", false, false},
	    {"2026-01-31T04:00Z", false, false},
	    {"2026-01-31T24:00:00Z", false, false},
	    {"2026-01-31T23:60:00Z", false, false},
	    {"2026-06-30T23:59:60Z", false, false}, /* PostgreSQL would round it up */
	    {"2026-01-31T04:00:00", false, false},
	    {"2026-01-31T04:00:00.Z", false, false},
	    {"2026-01-31T04:00:00.1234567890Z", false, false},
	    {"2026-01-31T04:00:00+7:00", false, false},
	    {"2026-01-31T04:00:00+07", false, false},
	    {"2026-01-31T04:00:00+15:00", false, false},
	    {"2026-01-31T04:00:00Zx", false, false},
	    {"now", false, false},
	    {"infinity", false, false},
	    {"", false, false},
	};
	char body[200];

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
		snprintf(body, sizeof(body), "{\"name\":\"x\",\"day\":\"%s\"}",
		    rows[i].text);
		if (read_body(body) != (rows[i].date ? 0 : -1))
			fail_msg("day %s", rows[i].text);
		if (!rows[i].date)
			assert_string_equal(fault(), "day NOT_A_DATE");
		snprintf(body, sizeof(body), "{\"name\":\"x\",\"at\":\"%s\"}",
		    rows[i].text);
		if (read_body(body) != (rows[i].time ? 0 : -1))
			fail_msg("at %s", rows[i].text);
		if (!rows[i].time)
			assert_string_equal(fault(), "at NOT_A_TIME");
	}
}

static void
bad_json(void **state)
{
	static const char *const bodies[] = {"", " ", "{", "}", "null", "1", "\"x\"",
	    "[]", "[{}]", "{\"name\":\"x\"} x", "{\"name\":\"x\"}{}", "{\"name\":\"x\",}",
	    "{'name':\"x\"}", "{name:\"x\"}", "{\"name\":\"x\"/*c*/}", "{\"name\":01}",
	    "{\"name\":+1}", "{\"name\":.5}", "{\"name\":tru}", "{\"name\":nan}",
	    "{\"name\":\"\xff\"}", "{\"name\":\"\xc0\xaf\"}",
	    "{\"name\":\"\xed\xa0\x80\"}", "{\"name\":\"\xe2\x82\"}", "{\"name\":\"\n\"}",
	    "{\"name\":\"\\x\"}", "{\"name\":\"\\u12g4\"}",
	    "\xef\xbb\xbf{\"name\":\"x\"}",
	    /* what json-c would take: the last of two, a name cut at a NUL */
	    "{\"name\":\"x\",\"name\":\"y\"}", "{\"name\":\"x\",\"\\u006eame\":\"y\"}",
	    "{\"name\\u0000z\":\"x\"}", "{\"name\":\"x\",\"cooks\":[{\"a\\u0000\":1}]}"};
	char deep[200];

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(bodies); i++) {
		if (read_body(bodies[i]) != -1 || e.code != E_BAD_JSON)
			fail_msg("%s: %d", bodies[i], e.code);
		assert_true(e.text[0]);
	}
	for (int depth = 10; depth < 60; depth += 40) {
		memset(deep, '[', sizeof(deep));
		memcpy(deep, "{\"name\":", 8);
		memset(deep + 8 + depth, ']', (size_t)depth);
		memcpy(deep + 8 + 2 * depth, "}", 2);
		assert_int_equal(read_body(deep), -1);
		assert_int_equal(e.code, depth > 16 ? E_BAD_JSON : E_INVALID);
	}
	/* what only looks like it */
	assert_int_equal(read_body("{\"name\":\"a:\\\",\",\"cooks\":[\"\\\\\",\":\"]}"),
	    0);
	assert_int_equal(read_body("{\"name\":\"\\\\u00\"}"), 0);
	assert_int_equal(input_read(&in, fields,
			     &(struct input_source){.query = "",
				 .body = "{}\0",
				 .body_len = 3},
			     &arena, &e),
	    -1);
	assert_int_equal(e.code, E_BAD_JSON);
}

static void
queries(void **state)
{
	static const struct {
		const char *query, *fault;
	} rows[] = {
	    {"page=0", "page TOO_SMALL"},
	    {"page=101", "page TOO_LARGE"},
	    {"page=1x", "page WRONG_TYPE"},
	    {"page=+1", "page WRONG_TYPE"},
	    {"page=%201", "page WRONG_TYPE"},
	    {"page=-", "page WRONG_TYPE"},
	    {"page=99999999999999999999", "page WRONG_TYPE"},
	    {"page=1&page=2", "page REPEATED"},
	    {"colours=RED,BLUE", "colours NOT_ALLOWED"},
	    {"colours=RED,", "colours NOT_ALLOWED"},
	    {"colours=,", "colours NOT_ALLOWED"},
	    {"all=yes", "all WRONG_TYPE"},
	    {"search=12345678901", "search TOO_LONG"},
	    {"search=%0", "? ENCODING"},
	    {"search=%00", "? ENCODING"},
	    {"search=%ff", "? ENCODING"},
	    {"%ff=1", "? ENCODING"},
	    {"search=%01", "search CONTROL"},
	    {"name=x", "name UNKNOWN"},
	    {"=x", " UNKNOWN"},
	    {"=", " UNKNOWN"},
	    {"Page=1", "Page UNKNOWN"},
	    {"from=2026-02-30", "from NOT_A_DATE"},
	};
	char many[2000] = "";

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
		assert_int_equal(read_with(fields, "p1", rows[i].query,
				     "{\"name\":\"x\"}"),
		    -1);
		if (strcmp(fault(), rows[i].fault) != 0)
			fail_msg("%s: %s", rows[i].query, fault());
	}
	for (int i = 0; i < 64; i++)
		memcpy(many + strlen(many), "page=&", 7);
	assert_int_equal(read_with(fields, "p1", many, "{\"name\":\"x\"}"), 0);
	memcpy(many + strlen(many), "page=&", 7);
	assert_int_equal(read_with(fields, "p1", many, "{\"name\":\"x\"}"), -1);
	assert_string_equal(fault(), "? ENCODING");
}

static void
all_faults_at_once(void **state)
{
	char body[1000] = "{", *p = body + 1;

	(void)state;
	assert_int_equal(read_with(fields, "\x01", "page=0&x=1",
			     "{\"cook\":\"\",\"portions\":0,\"y\":1}"),
	    -1);
	assert_int_equal(e.n_fields, 7);
	/* the table's order: body, path, query, then what is missing */
	assert_string_equal(e.fields[0].path, "cook");
	assert_string_equal(e.fields[2].path, "y");
	assert_string_equal(e.fields[3].path, "id");
	assert_string_equal(e.fields[6].code, "REQUIRED");
	for (int i = 0; i < 60; i++)
		p += snprintf(p, 16, "%s\"x%d\":1", i ? "," : "", i);
	memcpy(p, "}", 2);
	assert_int_equal(read_body(body), -1);
	assert_int_equal(e.n_fields, ERR_FIELDS);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_teardown(takes_all_kinds, clean),
	    cmocka_unit_test_teardown(takes_little, clean),
	    cmocka_unit_test_teardown(one_fault, clean),
	    cmocka_unit_test_teardown(dates, clean),
	    cmocka_unit_test_teardown(bad_json, clean),
	    cmocka_unit_test_teardown(queries, clean),
	    cmocka_unit_test_teardown(all_faults_at_once, clean),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
