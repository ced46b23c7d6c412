/* Replies: the shapes and headers of dapur-api(7). */
#include "reply.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include <cmocka.h>

static struct reply r;

static int
fresh(void **state)
{
	(void)state;
	reply_init(&r);
	return 0;
}

static int
gone(void **state)
{
	(void)state;
	reply_free(&r);
	return 0;
}

static void
success(void **state)
{
	static const struct {
		struct reply_page page;
		const char *text;
	} rows[] = {
	    {{0, 1, 20},
		"\"pagination\":{\"total\":0,\"page\":1,\"limit\":20,\"pages\":0}"},
	    {{1, 1, 20},
		"\"pagination\":{\"total\":1,\"page\":1,\"limit\":20,\"pages\":1}"},
	    {{20, 1, 20},
		"\"pagination\":{\"total\":20,\"page\":1,\"limit\":20,\"pages\":1}"},
	    {{21, 2, 20},
		"\"pagination\":{\"total\":21,\"page\":2,\"limit\":20,\"pages\":2}"},
	};

	(void)state;
	assert_int_equal(r.status, 200);
	reply_success(&r, "[1]garbage", 3, NULL, NULL);
	assert_string_equal(r.body.bytes, "{\"success\":true,\"data\":[1]}");
	assert_string_equal(r.headers.bytes,
	    "Content-Type: application/json; charset=utf-8\r\n");
	reply_reset(&r);
	reply_success(&r, "{}", 2, NULL, "k3f9.7");
	assert_string_equal(r.body.bytes,
	    "{\"success\":true,\"data\":{},\"position\":\"k3f9.7\"}");
	for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
		reply_reset(&r);
		reply_success(&r, "[]", 2, &rows[i].page, NULL);
		assert_non_null(strstr(r.body.bytes, rows[i].text));
	}
}

static const char *
member(json_object *o, const char *name)
{
	json_object *v = NULL;

	return json_object_object_get_ex(o, name, &v) ? json_object_get_string(v) : NULL;
}

static void
errors(void **state)
{
	json_object *o, *list;
	struct err e;

	(void)state;
	err_reset(&e);
	(void)fail_field(&e, "na\"me", "TOO_LONG", "must have at most %d characters", 5);
	reply_error(&r, &e, "req-1", false);
	assert_int_equal(r.status, 422);
	assert_non_null(
	    strstr(r.headers.bytes, "Content-Type: application/json; charset=utf-8\r\n"));
	o = json_tokener_parse(r.body.bytes);
	assert_string_equal(member(o, "success"), "false");
	assert_string_equal(member(o, "error"), "some fields are not valid");
	assert_string_equal(member(o, "code"), "INVALID");
	assert_string_equal(member(o, "requestId"), "req-1");
	assert_true(json_object_object_get_ex(o, "errors", &list));
	assert_int_equal(json_object_array_length(list), 1);
	assert_string_equal(member(json_object_array_get_idx(list, 0), "path"), "na\"me");
	assert_string_equal(member(json_object_array_get_idx(list, 0), "code"),
	    "TOO_LONG");
	assert_string_equal(member(json_object_array_get_idx(list, 0), "message"),
	    "must have at most 5 characters");
	json_object_put(o);
}

/* Each error in each of both shapes is one JSON object with the same code. */
static void
every_error_both_ways(void **state)
{
	(void)state;
	for (enum err_code c = E_OK + 1; c < E_COUNT; c++) {
		for (int problem = 0; problem < 2; problem++) {
			json_object *o;
			struct err e;

			err_reset(&e);
			e.code = c; /* without a sentence: the row's */
			reply_reset(&r);
			reply_error(&r, &e, "id", problem);
			assert_int_equal(r.status, err_info(c)->http_status);
			o = json_tokener_parse(r.body.bytes);
			assert_non_null(o);
			assert_string_equal(member(o, "code"), err_info(c)->name);
			assert_string_equal(member(o, problem ? "detail" : "error"),
			    err_info(c)->text);
			assert_string_equal(member(o, "errors"), "[ ]");
			if (problem) {
				assert_int_equal(strtol(member(o, "status"), NULL, 10),
				    r.status);
				assert_string_equal(member(o, "type"), "about:blank");
				assert_non_null(strstr(r.headers.bytes,
				    "Content-Type: application/problem+json\r\n"));
			}
			json_object_put(o);
		}
	}
}

static void
headers_of_errors(void **state)
{
	struct err e;

	(void)state;
	err_reset(&e);
	e.retry_after_s = 30;
	(void)fail_detail(&e, E_UNAVAILABLE, "secret reason");
	reply_error(&r, &e, "id", false);
	assert_non_null(strstr(r.headers.bytes, "Retry-After: 30\r\n"));
	assert_null(strstr(r.body.bytes, "secret"));
	reply_reset(&r);
	err_reset(&e);
	e.allow = "GET, HEAD";
	e.code = E_METHOD_NOT_ALLOWED;
	reply_error(&r, &e, "id", false);
	assert_non_null(strstr(r.headers.bytes, "Allow: GET, HEAD\r\n"));
	assert_null(strstr(r.headers.bytes, "Retry-After"));
	reply_reset(&r);
	err_reset(&e);
	e.code = E_UNAUTHORIZED;
	reply_error(&r, &e, "id", false);
	assert_non_null(strstr(r.headers.bytes, "WWW-Authenticate: Bearer\r\n"));
}

static void
common_headers(void **state)
{
	static const char *const wanted[] = {"X-Request-Id: 7f\r\n",
	    "Cache-Control: private, no-cache\r\n", "X-Content-Type-Options: nosniff\r\n",
	    "Vary: Cookie, Authorization, Accept, Origin\r\n",
	    "Content-Security-Policy: default-src 'none'; frame-ancestors 'none'\r\n"};

	(void)state;
	reply_common(&r, "7f", false);
	for (size_t i = 0; i < N_ELEMENTS(wanted); i++)
		assert_non_null(strstr(r.headers.bytes, wanted[i]));
	assert_null(strstr(r.headers.bytes, "Strict-Transport-Security"));
	reply_reset(&r);
	reply_common(&r, "7f", true);
	assert_non_null(strstr(r.headers.bytes, "Strict-Transport-Security: max-age="));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(success, fresh, gone),
	    cmocka_unit_test_setup_teardown(errors, fresh, gone),
	    cmocka_unit_test_setup_teardown(every_error_both_ways, fresh, gone),
	    cmocka_unit_test_setup_teardown(headers_of_errors, fresh, gone),
	    cmocka_unit_test_setup_teardown(common_headers, fresh, gone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
