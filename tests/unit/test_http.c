/* The envelope: paths, and one request as a CGI gets it. */
#include "http.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static struct arena arena;
static struct http_server *server;
static struct http_request r;
static struct err e;

static int
clean(void **state)
{
	(void)state;
	http_close(server);
	server = NULL;
	arena_free(&arena);
	return 0;
}

static void
splits_paths(void **state)
{
	static const struct {
		const char *uri, *base;
		const char *segments[3];
	} rows[] = {
	    {"/api", "/api", {NULL}},
	    {"/api?x=/y", "/api", {NULL}},
	    {"/api/a", "/api", {"a"}},
	    {"/api/a/b?c/d", "/api", {"a", "b"}},
	    {"/api/a#/b", "/api", {"a"}},
	    {"/v1/api/a", "/v1/api", {"a"}},
	    {"/api/%61%2Fb/%20", "/api", {"a/b", " "}},
	    {"/api/a+b", "/api", {"a+b"}},
	    {"/api/%C3%A9", "/api", {"\xc3\xa9"}},
	    {"/api/...", "/api", {"..."}},
	    {"/api/%252e", "/api", {"%2e"}},
	};
	struct http_path path;

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
		size_t n = 0;

		assert_int_equal(http_split_path(rows[i].uri, rows[i].base, &arena, &path,
				     &e),
		    0);
		for (; n < 3 && rows[i].segments[n]; n++)
			assert_string_equal(path.segments[n], rows[i].segments[n]);
		assert_int_equal(path.n, n);
	}
}

static void
refuses_paths(void **state)
{
	static const char *const uris[] = {"", "/", "/ap", "/apix", "/apix/a", "api/a",
	    "//api/a", "/API/a", "/api/", "/api//a", "/api/a/", "/api/a//b", "/api/.",
	    "/api/..", "/api/../api/a", "/api/%2e", "/api/%2e%2e/a", "/api/.%2E",
	    "/api/%", "/api/%4", "/api/%zz", "/api/%00", "/api/a%00", "/api/%ff",
	    "/api/%c0%ae", "/api/%ed%a0%80", "/api/\xff", "/api/1/2/3/4/5/6/7/8/9",
	    "http://host/api/a", "*", "/api?/../x/"};
	struct http_path path = {.n = 77};

	(void)state;
	for (size_t i = 0; i + 1 < N_ELEMENTS(uris); i++) {
		err_reset(&e);
		if (http_split_path(uris[i], "/api", &arena, &path, &e) != -1 ||
		    e.code != E_NOT_FOUND)
			fail_msg("%s", uris[i]);
		assert_int_equal(path.n, 77); /* untouched on failure */
	}
	assert_int_equal(http_split_path(uris[N_ELEMENTS(uris) - 1], "/api", &arena,
			     &path, &e),
	    0);
}

/* One request; env: NAME=VALUE strings, NULL at the end. */
static void
accept_env(const char *const *env, bool trusted)
{
	char *pair;

	clean(NULL);
	clearenv();
	for (; *env; env++) {
		pair = strdup(*env);
		*strchr(pair, '=') = '\0';
		setenv(pair, strchr(*env, '=') + 1, 1);
		free(pair);
	}
	server = http_open();
	assert_true(http_accept(server, &r, &arena, trusted));
	assert_false(http_accept(server, &r, &arena, trusted)); /* a CGI serves one */
}

#define ACCEPT(...) accept_env((const char *const[]){__VA_ARGS__, NULL}, true)

static void
envelope(void **state)
{
	static const struct {
		const char *name;
		enum http_method method;
	} methods[] = {{"GET", HTTP_GET}, {"HEAD", HTTP_HEAD}, {"POST", HTTP_POST},
	    {"PUT", HTTP_PUT}, {"PATCH", HTTP_PATCH}, {"DELETE", HTTP_DELETE},
	    {"OPTIONS", HTTP_OPTIONS}, {"get", HTTP_OTHER}, {"TRACE", HTTP_OTHER},
	    {"", HTTP_OTHER}, {"?", HTTP_OTHER}};
	char text[64], huge[HTTP_HEADER_MAX + 20] = "HTTP_X=";

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(methods); i++) {
		snprintf(text, sizeof(text), "REQUEST_METHOD=%s", methods[i].name);
		ACCEPT(text);
		assert_int_equal(r.method, methods[i].method);
	}
	ACCEPT("REQUEST_METHOD=GET", "REQUEST_URI=/api/a?b=c?d", "HTTP_HOST=h:1");
	assert_string_equal(r.uri, "/api/a?b=c?d");
	assert_string_equal(r.query, "b=c?d");
	assert_string_equal(r.host, "h:1");
	assert_null(http_header(&r, "HTTP_COOKIE"));
	ACCEPT("X=1"); /* a front that says nothing */
	assert_int_equal(r.method, HTTP_OTHER);
	assert_string_equal(r.uri, "");
	assert_string_equal(r.query, "");
	assert_string_equal(r.host, "");
	memset(huge + 7, 'x', HTTP_HEADER_MAX);
	ACCEPT(huge);
	assert_non_null(http_header(&r, "HTTP_X"));
	huge[7 + HTTP_HEADER_MAX] = 'x';
	ACCEPT(huge);
	assert_null(http_header(&r, "HTTP_X"));
}

static void
addresses(void **state)
{
	static const struct {
		const char *peer, *forwarded, *address;
		bool trusted;
	} rows[] = {
	    {"REMOTE_ADDR=10.0.0.9", "X=", "10.0.0.9", true},
	    {"REMOTE_ADDR=10.0.0.9", "HTTP_X_FORWARDED_FOR=1.2.3.4", "10.0.0.9", true},
	    {"REMOTE_ADDR=127.0.0.1", "HTTP_X_FORWARDED_FOR=1.2.3.4", "1.2.3.4", true},
	    {"REMOTE_ADDR=127.0.0.1", "HTTP_X_FORWARDED_FOR=1.2.3.4", "127.0.0.1", false},
	    {"REMOTE_ADDR=127.0.0.1", "HTTP_X_FORWARDED_FOR=6.6.6.6, 1.2.3.4", "1.2.3.4",
		true},
	    {"REMOTE_ADDR=::1", "HTTP_X_FORWARDED_FOR=6.6.6.6,2001:db8::7", "2001:db8::7",
		true},
	    {"REMOTE_ADDR=unix:", "HTTP_X_FORWARDED_FOR=1.2.3.4", "1.2.3.4", true},
	    {"X=", "HTTP_X_FORWARDED_FOR=1.2.3.4", "1.2.3.4", true},
	    {"REMOTE_ADDR=127.0.0.1", "HTTP_X_FORWARDED_FOR=", "127.0.0.1", true},
	    {"REMOTE_ADDR=127.0.0.1", "HTTP_X_FORWARDED_FOR=1.2.3.4,", "127.0.0.1", true},
	    {"REMOTE_ADDR=127.0.0.1", "HTTP_X_FORWARDED_FOR=evil\nlog", "127.0.0.1",
		true},
	    {"REMOTE_ADDR=1270.0.0.1", "HTTP_X_FORWARDED_FOR=1.2.3.4", "1270.0.0.1",
		true},
	};

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
		const char *const env[] = {rows[i].peer, rows[i].forwarded, NULL};

		accept_env(env, rows[i].trusted);
		if (strcmp(r.address, rows[i].address) != 0)
			fail_msg("row %zu: %s", i, r.address);
	}
}

static void
request_ids(void **state)
{
	static const char *const bad[] = {"UNIQUE_ID=", "UNIQUE_ID=a b", "UNIQUE_ID=a\tb",
	    "UNIQUE_ID=\xff", "UNIQUE_ID=<script>",
	    "UNIQUE_ID=01234567890123456789012345678901234567890123456789012345678901234"};
	char first[100];

	(void)state;
	ACCEPT("UNIQUE_ID=aZ-09_@x");
	assert_string_equal(r.request_id, "aZ-09_@x");
	ACCEPT("X=1");
	snprintf(first, sizeof(first), "%s", r.request_id);
	for (size_t i = 0; i < N_ELEMENTS(bad); i++) {
		ACCEPT(bad[i]);
		assert_true(strlen(r.request_id) > 3);
		assert_null(strchr(bad[i], '=')[1]
			? strstr(r.request_id, strchr(bad[i], '=') + 1)
			: NULL);
		assert_string_not_equal(r.request_id, first);
	}
}

/* Sends `sent` as the body of a request, over a pipe that stays open when `open`. */
static int
body(const char *length, const char *chunked, const char *sent, size_t max, bool open)
{
	FILE *in = stdin;
	int pipes[2], rc;

	ACCEPT("REQUEST_METHOD=POST", length, chunked);
	assert_int_equal(pipe(pipes), 0);
	assert_int_equal(write(pipes[1], sent, strlen(sent)), strlen(sent));
	if (!open)
		close(pipes[1]);
	stdin = fdopen(pipes[0], "r");
	err_reset(&e);
	rc = http_read_body(&r, max, &e);
	fclose(stdin);
	stdin = in;
	if (open)
		close(pipes[1]);
	return rc;
}

static void
bodies(void **state)
{
	static const struct {
		const char *length, *chunked, *sent;
		enum err_code code;
		const char *body;
	} rows[] = {
	    {"X=", "Y=", "ignored", E_OK, ""},
	    {"CONTENT_LENGTH=", "Y=", "ignored", E_OK, ""},
	    {"CONTENT_LENGTH=0", "Y=", "", E_OK, ""},
	    {"CONTENT_LENGTH=4", "Y=", "abcd", E_OK, "abcd"},
	    {"CONTENT_LENGTH=4", "Y=", "abcdefgh", E_OK, "abcd"},
	    {"CONTENT_LENGTH=8", "Y=", "abcdefgh", E_OK, "abcdefgh"},
	    {"CONTENT_LENGTH=9", "Y=", "abcdefghi", E_TOO_LARGE, NULL},
	    {"CONTENT_LENGTH=99999999999999999999999", "Y=", "a", E_TOO_LARGE, NULL},
	    {"CONTENT_LENGTH=5", "Y=", "abcd", E_BAD_JSON, NULL},
	    {"CONTENT_LENGTH=-1", "Y=", "abcd", E_BAD_JSON, NULL},
	    {"CONTENT_LENGTH=x", "Y=", "abcd", E_BAD_JSON, NULL},
	    {"CONTENT_LENGTH=4x", "Y=", "abcd", E_BAD_JSON, NULL},
	    {"X=", "HTTP_TRANSFER_ENCODING=chunked", "abcd", E_OK, "abcd"},
	    {"X=", "HTTP_TRANSFER_ENCODING=chunked", "abcdefgh", E_OK, "abcdefgh"},
	    {"X=", "HTTP_TRANSFER_ENCODING=chunked", "abcdefghi", E_TOO_LARGE, NULL},
	};

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
		int rc = body(rows[i].length, rows[i].chunked, rows[i].sent, 8, false);

		assert_int_equal(rc, rows[i].code == E_OK ? 0 : -1);
		assert_int_equal(e.code, rows[i].code);
		if (rows[i].body) {
			assert_string_equal(r.body, rows[i].body);
			assert_int_equal(r.body_len, strlen(rows[i].body));
		}
	}
	/* the end of a body is its length, not the end of the pipe (RFC 3875 section 4.2) */
	assert_int_equal(body("CONTENT_LENGTH=4", "Y=", "abcd", 8, true), 0);
	assert_int_equal(body("CONTENT_LENGTH=8", "Y=", "abcdefgh", 8, true), 0);
}

static void
replies(void **state)
{
	static const struct {
		const char *method;
		int status;
		const char *text;
	} rows[] = {
	    {"REQUEST_METHOD=GET", 200,
		"Status: 200 OK\r\nA: b\r\nContent-Length: 2\r\n\r\nxy"},
	    {"REQUEST_METHOD=HEAD", 200,
		"Status: 200 OK\r\nA: b\r\nContent-Length: 2\r\n\r\n"},
	    {"REQUEST_METHOD=GET", 304, "Status: 304 Not Modified\r\nA: b\r\n\r\n"},
	    {"REQUEST_METHOD=POST", 422,
		"Status: 422 Unprocessable Content\r\nA: b\r\nContent-Length: 2\r\n\r\nxy"},
	};
	FILE *out = stdout;
	struct buf headers;

	(void)state;
	buf_init(&headers, 0);
	buf_adds(&headers, "A: b\r\n");
	for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
		char *text = NULL;
		size_t len;

		ACCEPT(rows[i].method);
		stdout = open_memstream(&text, &len);
		http_reply(&r, rows[i].status, &headers, "xy", 2);
		http_finish(&r);
		fclose(stdout);
		stdout = out;
		assert_string_equal(text, rows[i].text);
		free(text);
	}
	buf_free(&headers);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_teardown(splits_paths, clean),
	    cmocka_unit_test_teardown(refuses_paths, clean),
	    cmocka_unit_test_teardown(envelope, clean),
	    cmocka_unit_test_teardown(addresses, clean),
	    cmocka_unit_test_teardown(request_ids, clean),
	    cmocka_unit_test_teardown(bodies, clean),
	    cmocka_unit_test_teardown(replies, clean),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
