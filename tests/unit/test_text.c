/* Percent escapes and UTF-8 of strangers. */
#include "text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void
decodes(void **state)
{
	static const struct {
		const char *in;
		bool plus;
		const char *out; /* NULL: refused */
	} rows[] = {
	    {"", false, ""},
	    {"abc", false, "abc"},
	    {"a+b", false, "a+b"},
	    {"a+b", true, "a b"},
	    {"%20%2f%2F%41", false, " //A"},
	    {"%2B", true, "+"},
	    {"%25%32%35", false, "%25"}, /* once, not twice */
	    {"%C3%A9", false, "\xc3\xa9"},
	    {"%ff", false, "\xff"}, /* UTF-8 is judged elsewhere */
	    {"%", false, NULL},
	    {"%4", false, NULL},
	    {"%g0", false, NULL},
	    {"%0g", false, NULL},
	    {"% 1", false, NULL},
	    {"%+1", false, NULL},
	    {"%-1", false, NULL},
	    {"%00", false, NULL},
	    {"a%00b", true, NULL},
	};
	struct arena a = {NULL, NULL};

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
		const char *out =
		    text_decode(&a, rows[i].in, strlen(rows[i].in), rows[i].plus);

		if (rows[i].out)
			assert_string_equal(out, rows[i].out);
		else
			assert_null(out);
	}
	assert_null(text_decode(&a, "a\0b", 3, false));
	/* an escape must not be read across the given end */
	assert_null(text_decode(&a, "%41", 2, false));
	assert_string_equal(text_decode(&a, "%41%42", 3, false), "A");
	arena_free(&a);
}

/* Nothing is written behind the given room, and only what comes out counts. */
static void
decodes_into(void **state)
{
	char out[5] = "xxxx";

	(void)state;
	assert_true(text_decode_into(out, 4, "%41+c", 5, true));
	assert_string_equal(out, "A c");
	assert_false(text_decode_into(out, 4, "abcd", 4, true));
	assert_int_equal(out[4], '\0');
	assert_true(text_decode_into(out, 1, "", 0, true));
	assert_string_equal(out, "");
	out[0] = 'x';
	assert_false(text_decode_into(out, 0, "", 0, true));
	assert_int_equal(out[0], 'x');
}

static void
utf8(void **state)
{
	static const struct {
		const char *s;
		bool valid;
		size_t chars;
	} rows[] = {
	    {"", true, 0},
	    {"nasi goreng", true, 11},
	    {"\x7f", true, 1},
	    {"\xc2\x80", true, 1},
	    {"\xdf\xbf", true, 1},
	    {"\xe0\xa0\x80", true, 1},
	    {"\xed\x9f\xbf", true, 1},
	    {"\xee\x80\x80", true, 1},
	    {"\xef\xbf\xbf", true, 1},
	    {"\xf0\x90\x80\x80", true, 1},
	    {"\xf4\x8f\xbf\xbf", true, 1},
	    {"a\xc3\xa9z\xf0\x9f\x8d\x9a", true, 4},
	    {"\x80", false, 0},
	    {"\xbf", false, 0},
	    {"\xc0\x80", false, 0}, /* overlong */
	    {"\xc1\xbf", false, 0},
	    {"\xe0\x9f\xbf", false, 0},
	    {"\xf0\x8f\xbf\xbf", false, 0},
	    {"\xed\xa0\x80", false, 0}, /* surrogates */
	    {"\xed\xbf\xbf", false, 0},
	    {"\xf4\x90\x80\x80", false, 0}, /* beyond U+10FFFF */
	    {"\xf5\x80\x80\x80", false, 0},
	    {"\xf8\x88\x80\x80\x80", false, 0},
	    {"\xfe", false, 0},
	    {"\xff", false, 0},
	    {"\xc2", false, 0}, /* cut short */
	    {"\xe2\x82", false, 0},
	    {"\xf0\x9f\x8d", false, 0},
	    {"\xc2z", false, 0}, /* no continuation */
	    {"\xe2\x82z", false, 0},
	    {"\xf0\x9f\x8dz", false, 0},
	    {"a\x80z", false, 0},
	};

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
		assert_int_equal(text_utf8_valid(rows[i].s, strlen(rows[i].s)),
		    rows[i].valid);
		if (rows[i].valid)
			assert_int_equal(text_chars(rows[i].s), rows[i].chars);
	}
	assert_true(text_utf8_valid("a\0b", 3));
}

/* Each code point encodes to something valid, but the surrogates; the count of them is one. */
static void
every_code_point(void **state)
{
	(void)state;
	for (unsigned c = 0x80; c <= 0x10ffff; c++) {
		char s[5] = "";

		if (c < 0x800) {
			s[0] = (char)(0xc0 | c >> 6);
			s[1] = (char)(0x80 | (c & 0x3f));
		} else if (c < 0x10000) {
			s[0] = (char)(0xe0 | c >> 12);
			s[1] = (char)(0x80 | (c >> 6 & 0x3f));
			s[2] = (char)(0x80 | (c & 0x3f));
		} else {
			s[0] = (char)(0xf0 | c >> 18);
			s[1] = (char)(0x80 | (c >> 12 & 0x3f));
			s[2] = (char)(0x80 | (c >> 6 & 0x3f));
			s[3] = (char)(0x80 | (c & 0x3f));
		}
		if (text_utf8_valid(s, strlen(s)) != (c < 0xd800 || c > 0xdfff) ||
		    text_chars(s) != 1)
			fail_msg("U+%04X", c);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(decodes),
	    cmocka_unit_test(decodes_into),
	    cmocka_unit_test(utf8),
	    cmocka_unit_test(every_code_point),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
