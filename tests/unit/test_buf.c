/* Growing bytes: the cap, the terminator, JSON strings. */
#include "buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <json-c/json.h>

#include <cmocka.h>

static void
grows(void **state)
{
	struct buf b;
	char expected[3 * 1000 + 1];

	(void)state;
	buf_init(&b, 0);
	for (int i = 0; i < 1000; i++) {
		buf_add(&b, "ab", 2);
		buf_addc(&b, 'c');
		memcpy(expected + 3 * i, "abc", 4);
		assert_int_equal(b.bytes[b.len], '\0');
	}
	assert_int_equal(b.len, 3000);
	assert_string_equal(b.bytes, expected);
	assert_false(b.overflow);
	buf_reset(&b);
	assert_int_equal(b.len, 0);
	assert_string_equal(b.bytes, "");
	buf_adds(&b, "x");
	buf_printf(&b, "-%d-%s", 42, "y");
	assert_string_equal(b.bytes, "x-42-y");
	buf_free(&b);
	assert_null(b.bytes);
	buf_add(&b, NULL, 0);
	assert_string_equal(b.bytes, "");
	buf_free(&b);
}

/* An append that does not fit is dropped whole, and the owner can tell. */
static void
keeps_its_cap(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 8);
	buf_adds(&b, "12345678");
	assert_false(b.overflow);
	buf_addc(&b, '9');
	assert_true(b.overflow);
	assert_string_equal(b.bytes, "12345678");
	buf_reset(&b);
	assert_false(b.overflow);
	buf_printf(&b, "%09d", 1);
	assert_true(b.overflow);
	assert_int_equal(b.len, 0);
	buf_add(&b, "x", SIZE_MAX);
	assert_int_equal(b.len, 0);
	buf_printf(&b, "%08d", 1);
	assert_string_equal(b.bytes, "00000001");
	buf_free(&b);
	assert_int_equal(b.cap, 8);
}

static void
drops_from_the_front(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 0);
	buf_drop(&b, 1);
	buf_adds(&b, "one two");
	buf_drop(&b, 0);
	assert_string_equal(b.bytes, "one two");
	buf_drop(&b, 4);
	assert_string_equal(b.bytes, "two");
	buf_drop(&b, 99);
	assert_int_equal(b.len, 0);
	assert_string_equal(b.bytes, "");
	buf_free(&b);
}

/* A large reply is not remembered by a worker. */
static void
gives_large_memory_back(void **state)
{
	static char large[100000];
	struct buf b;

	(void)state;
	buf_init(&b, 0);
	buf_add(&b, large, sizeof(large));
	buf_reset(&b);
	assert_int_equal(b.alloc, 0);
	buf_add(&b, large, 1000);
	buf_reset(&b);
	assert_true(b.alloc >= 1000);
	buf_free(&b);
}

static void
quotes_json(void **state)
{
	static const struct {
		const char *s, *json;
	} rows[] = {
	    {"", "\"\""},
	    {"plain", "\"plain\""},
	    {"\"", "\"\\\"\""},
	    {"a\\b", "\"a\\\\b\""},
	    {"\n\t\x01", "\"\\u000a\\u0009\\u0001\""},
	    {"nasi \xc3\xa9 \xf0\x9f\x8d\x9a", "\"nasi \xc3\xa9 \xf0\x9f\x8d\x9a\""},
	};
	struct buf b;

	(void)state;
	buf_init(&b, 0);
	for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
		buf_reset(&b);
		buf_add_json(&b, rows[i].s, strlen(rows[i].s));
		assert_string_equal(b.bytes, rows[i].json);
	}
	buf_reset(&b);
	buf_add_json(&b, "a\0b", 3);
	assert_string_equal(b.bytes, "\"a\\u0000b\"");
	buf_free(&b);
}

/* Every byte below 0x80 comes back from another parser as it went in. */
static void
json_comes_back(void **state)
{
	char ascii[127];
	struct json_object *o;
	struct buf b;

	(void)state;
	for (size_t i = 0; i < sizeof(ascii); i++)
		ascii[i] = (char)(i + 1);
	buf_init(&b, 0);
	buf_add_json(&b, ascii, sizeof(ascii));
	o = json_tokener_parse(b.bytes);
	assert_non_null(o);
	assert_int_equal(json_object_get_string_len(o), sizeof(ascii));
	assert_memory_equal(json_object_get_string(o), ascii, sizeof(ascii));
	json_object_put(o);
	buf_free(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(grows),
	    cmocka_unit_test(keeps_its_cap),
	    cmocka_unit_test(drops_from_the_front),
	    cmocka_unit_test(gives_large_memory_back),
	    cmocka_unit_test(quotes_json),
	    cmocka_unit_test(json_comes_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
