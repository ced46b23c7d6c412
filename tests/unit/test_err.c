/* Errors: what a row says, what a failure keeps, sentences that are cut. */
#include "err.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h> /* last: it has a macro called fail, so ours is called as (fail)() */

#include "text.h"

static void
every_row_is_whole(void **state)
{
	(void)state;
	for (enum err_code c = E_OK + 1; c < E_COUNT; c++) {
		const struct err_info *info = err_info(c);

		assert_true(info->http_status >= 400 && info->http_status < 600);
		assert_in_range(-info->rpc_code, 32000, 32768);
		assert_int_equal(strspn(info->name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_"),
		    strlen(info->name));
		assert_int_equal(strspn(info->rpc_key, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_"),
		    strlen(info->rpc_key));
		assert_true(info->text[0] && info->text[strlen(info->text) - 1] != '.');
	}
	assert_string_equal(err_info(E_NOT_FOUND)->name, "NOT_FOUND");
	assert_int_equal(err_info(E_INVALID)->http_status, 422);
}

static void
a_failure_says_so(void **state)
{
	struct err e;

	(void)state;
	err_reset(&e);
	assert_int_equal((fail)(&e, E_CONFLICT, "batch \"%s\" exists", "B1"), -1);
	assert_int_equal(e.code, E_CONFLICT);
	assert_string_equal(e.text, "batch \"B1\" exists");
	assert_int_equal((fail)(&e, E_FORBIDDEN, NULL), -1);
	assert_string_equal(e.text, "your role does not allow this");
	assert_int_equal(fail_detail(&e, E_INTERNAL, "relation %d", 7), -1);
	assert_string_equal(e.text, "something went wrong on our side");
	assert_string_equal(e.detail, "relation 7");
	e.retry_after_s = 2;
	e.allow = "GET";
	err_reset(&e);
	assert_int_equal(e.code, E_OK);
	assert_string_equal(e.text, "");
	assert_string_equal(e.detail, "");
	assert_int_equal(e.retry_after_s, 0);
	assert_null(e.allow);
}

static void
faults_of_fields_add_up(void **state)
{
	struct err e;

	(void)state;
	err_reset(&e);
	for (int i = 0; i < ERR_FIELDS + 10; i++)
		assert_int_equal(fail_field(&e, "notes", "TOO_LONG", "%d", i), -1);
	assert_int_equal(e.code, E_INVALID);
	assert_string_equal(e.text, "some fields are not valid");
	assert_int_equal(e.n_fields, ERR_FIELDS);
	assert_string_equal(e.fields[0].message, "0");
	assert_string_equal(e.fields[ERR_FIELDS - 1].message, "31");

	/* another error's fields are not ours */
	(void)(fail)(&e, E_CONFLICT, NULL);
	(void)fail_field(&e, "id", "INVALID", "is not an id");
	assert_int_equal(e.n_fields, 1);
	assert_string_equal(e.fields[0].path, "id");
	assert_string_equal(e.fields[0].code, "INVALID");
}

/* Whatever the length of a sentence: what is left of it is UTF-8. */
static void
a_cut_keeps_characters_whole(void **state)
{
	static const char *const units[] = {"x", "\xc3\xa9", "\xe2\x82\xac",
	    "\xf0\x9f\x8d\x9a"};
	struct err e;

	(void)state;
	for (size_t u = 0; u < N_ELEMENTS(units); u++) {
		char long_text[2 * ERR_TEXT] = "";

		for (size_t pad = 0; pad < 4; pad++) {
			size_t n = 0;

			memset(long_text, 'a', pad);
			for (n = pad; n + 5 < sizeof(long_text); n += strlen(units[u]))
				memcpy(long_text + n, units[u], strlen(units[u]) + 1);
			err_reset(&e);
			(void)fail_field(&e, long_text, "UNKNOWN", "%s", long_text);
			(void)(fail)(&e, E_CONFLICT, "%s", long_text);
			assert_true(text_utf8_valid(e.text, strlen(e.text)));
			assert_true(
			    text_utf8_valid(e.fields[0].path, strlen(e.fields[0].path)));
			assert_true(text_utf8_valid(e.fields[0].message,
			    strlen(e.fields[0].message)));
			assert_true(strlen(e.text) >= ERR_TEXT - 5);
		}
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_row_is_whole),
	    cmocka_unit_test(a_failure_says_so),
	    cmocka_unit_test(faults_of_fields_add_up),
	    cmocka_unit_test(a_cut_keeps_characters_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
