/* The route tables: every row is whole, and the look-up finds what it should. */
#include "route.h"

#include "page.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct arena arena;

static int
reset(void **state)
{
	(void)state;
	arena_free(&arena);
	return 0;
}

static bool
has_field(const struct field *fields, const char *name, size_t len)
{
	for (const struct field *f = fields; f && f->name; f++)
		if (f->place == IN_PATH && strlen(f->name) == len &&
		    memcmp(f->name, name, len) == 0)
			return true;
	return false;
}

static void
check_fields(const struct route *r)
{
	size_t n = 0;

	for (const struct field *f = r->input; f && f->name; f++, n++) {
		bool is_enum = f->kind == FIELD_ENUM || f->kind == FIELD_ENUMS;
		bool is_array = f->kind == FIELD_IDS || f->kind == FIELD_URLS;

		assert_int_equal(is_enum, f->values != NULL);
		assert_true(f->min <= f->max);
		if (f->kind == FIELD_TEXT || f->kind == FIELD_INT ||
		    f->kind == FIELD_DECIMAL || is_array)
			assert_true(
			    f->max > f->min); /* a row whose range was forgotten */
		if (f->place != IN_BODY)
			assert_true(!is_array && f->kind != FIELD_DECIMAL &&
			    !(f->flags & FIELD_NULLABLE));
		for (const struct field *g = r->input; g != f;
		     g++) /* input_text() finds the first */
			assert_string_not_equal(f->name, g->name);
	}
	assert_true(n <= INPUT_FIELDS_MAX);
}

static void
rows_are_whole(void **state)
{
	const struct route *r;
	size_t n;

	(void)state;
	for (n = 0; (r = route_at(n)); n++) {
		size_t params = 0;

		assert_true(r->method < HTTP_OPTIONS && r->method != HTTP_HEAD);
		assert_true(r->path[0] == '/' && r->path[strlen(r->path) - 1] != '/');
		assert_non_null(r->run);
		assert_true(r->summary && r->summary[0]);
		for (const char *p = strchr(r->path, '{'); p; p = strchr(p + 1, '{')) {
			params++;
			assert_true(p[-1] == '/');
			assert_true(has_field(r->input, p + 1, strcspn(p + 1, "}")));
		}
		assert_true(params <= ROUTE_PARAMS_MAX);
		for (const struct field *f = r->input; f && f->name; f++)
			params -= f->place == IN_PATH;
		assert_int_equal(params, 0);
		/* without a session there is no tenant; a GET must not write, a write must be checked */
		if (r->permission == PERM_NONE)
			assert_int_equal(r->tx, TX_NONE);
		else
			assert_true(r->method == HTTP_GET
				? r->tx == TX_READ || r->tx == TX_SESSION
				: r->tx == TX_WRITE);
		check_fields(r);
		for (size_t i = 0; i < n; i++) {
			const struct route *o = route_at(i);

			assert_false(
			    o->method == r->method && strcmp(o->path, r->path) == 0);
			assert_false(o->trpc && r->trpc && strcmp(o->trpc, r->trpc) == 0);
		}
	}
	assert_true(n > 10);
	assert_null(route_at(n + 1));
}

static int
find(enum http_method m, const char *uri, struct route_match *ret, struct err *e)
{
	struct http_path path;

	err_reset(e);
	if (http_split_path(uri, "/api", &arena, &path, e) < 0)
		return -1;
	return route_find(m, &path, &arena, ret, e);
}

static void
finds(void **state)
{
	static const struct {
		enum http_method method;
		const char *uri, *path, *id;
	} rows[] = {
	    {HTTP_GET, "/api/production", "/production", NULL},
	    {HTTP_HEAD, "/api/production?page=2", "/production", NULL},
	    {HTTP_POST, "/api/production", "/production", NULL},
	    {HTTP_GET, "/api/production/p1", "/production/{id}", "p1"},
	    {HTTP_GET, "/api/production/a%2Fb", "/production/{id}", "a/b"},
	    {HTTP_GET, "/api/production/%7Bid%7D", "/production/{id}", "{id}"},
	    {HTTP_GET, "/api/production/stats", "/production/stats", NULL},
	    {HTTP_PATCH, "/api/production/p1/status", "/production/{id}/status", "p1"},
	    {HTTP_PUT, "/api/production/status/quality-checks",
		"/production/{id}/quality-checks", "status"},
	    {HTTP_DELETE, "/api/session", "/session", NULL},
	};
	struct route_match m;
	struct err e;

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
		assert_int_equal(find(rows[i].method, rows[i].uri, &m, &e), 0);
		assert_string_equal(m.route->path, rows[i].path);
		assert_int_equal(m.n, rows[i].id ? 1 : 0);
		if (rows[i].id) {
			assert_string_equal(m.names[0], "id");
			assert_string_equal(m.values[0], rows[i].id);
		}
	}
}

static void
does_not_find(void **state)
{
	static const struct {
		enum http_method method;
		const char *uri;
		enum err_code code;
		const char *allow;
	} rows[] = {
	    {HTTP_GET, "/api", E_NOT_FOUND, NULL},
	    {HTTP_GET, "/api/", E_NOT_FOUND, NULL},
	    {HTTP_GET, "/api/productions", E_NOT_FOUND, NULL},
	    {HTTP_GET, "/api/Production", E_NOT_FOUND, NULL},
	    {HTTP_GET, "/api/production/p1/nothing", E_NOT_FOUND, NULL},
	    {HTTP_GET, "/api/production/p1/status/x", E_NOT_FOUND, NULL},
	    {HTTP_GET, "/api/{id}", E_NOT_FOUND, NULL},
	    {HTTP_POST, "/api/production/p1", E_METHOD_NOT_ALLOWED,
		"GET, HEAD, PUT, PATCH, DELETE"},
	    {HTTP_DELETE, "/api/production", E_METHOD_NOT_ALLOWED,
		"GET, HEAD, POST, PUT"},
	    {HTTP_OPTIONS, "/api/production", E_METHOD_NOT_ALLOWED,
		"GET, HEAD, POST, PUT"},
	    {HTTP_OTHER, "/api/health", E_METHOD_NOT_ALLOWED, "GET, HEAD"},
	    {HTTP_POST, "/api/production/stats", E_METHOD_NOT_ALLOWED, "GET, HEAD"},
	};
	struct route_match m;
	struct err e;

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
		assert_int_equal(find(rows[i].method, rows[i].uri, &m, &e), -1);
		assert_int_equal(e.code, rows[i].code);
		if (rows[i].allow)
			assert_string_equal(e.allow, rows[i].allow);
		else
			assert_null(e.allow);
	}
}

/* The row of the feed describes what events.fcgi does. */
static void
pages_of_the_feed(void **state)
{
	struct route_match m;
	struct err e;
	size_t n = 0;

	(void)state;
	assert_int_equal(find(HTTP_GET, "/api/events", &m, &e), 0);
	for (const struct field *f = m.route->input; f->name; f++) {
		bool limit = strcmp(f->name, "limit") == 0;

		if (!limit && strcmp(f->name, "wait") != 0)
			continue;
		n++;
		assert_int_equal(f->min, limit ? 1 : 0);
		assert_int_equal(f->max, limit ? PAGE_EVENTS_MAX : PAGE_WAIT_MAX_S);
	}
	assert_int_equal(n, 2);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_teardown(rows_are_whole, reset),
	    cmocka_unit_test_teardown(finds, reset),
	    cmocka_unit_test_teardown(does_not_find, reset),
	    cmocka_unit_test_teardown(pages_of_the_feed, reset),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
