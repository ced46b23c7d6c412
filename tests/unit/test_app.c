/* app_serve() with a pretended database and bus: what is decided, in which order, and what follows a commit. */
#include "serve.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "route.h"

#include "fake.h"

#include <cmocka.h>

/* One request with everything wrong that comes after what it is refused for. */
static void
order_of_decisions(void **state)
{
	char huge[2000];

	(void)state;
	memset(huge, ' ', sizeof(huge) - 1);
	huge[sizeof(huge) - 1] = '\0';
	SERVE("POST", "/nowhere", huge, "HTTP_ORIGIN=https://evil.example");
	assert_int_equal(serve.status, 413);
	assert_string_equal(serve_code(), "TOO_LARGE");
	SERVE("POST", "/api/nothing", "{", "HTTP_ORIGIN=https://evil.example");
	assert_int_equal(serve.status, 404);
	SERVE("DELETE", "/api/production", "{", "HTTP_ORIGIN=https://evil.example");
	assert_int_equal(serve.status, 405);
	assert_true(serve_header("Allow: GET, HEAD, POST, PUT"));
	SERVE("POST", "/api/production", "{", "HTTP_ORIGIN=https://evil.example");
	assert_int_equal(serve.status, 401);
	assert_true(serve_header("WWW-Authenticate: Bearer"));
	SERVE("POST", "/api/production", "{", "HTTP_ORIGIN=https://evil.example", COOKIE);
	assert_int_equal(serve.status, 403);
	assert_string_equal(serve_code(), "CROSS_SITE");
	/* up to here nobody asked the database */
	assert_string_equal(fake_journal(), "");
}

/* A stranger does not learn what is wrong with his fields. */
static void
who_before_what(void **state)
{
	static const struct {
		const char *body;
		const char *header;
	} faults[] = {
	    {"{", "X=1"},
	    {"{}", "X=1"},
	    {CREATE, "HTTP_IF_MATCH=\"x\""},
	    {CREATE, "HTTP_IDEMPOTENCY_KEY="},
	    {CREATE, "HTTP_IDEMPOTENCY_KEY=\x01"},
	};
	static const int wanted[] = {400, 422, 412, 422, 422};

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(faults); i++) {
		serve_script(state);
		SERVE("POST", "/api/production", faults[i].body, COOKIE,
		    faults[i].header);
		assert_int_equal(serve.status, wanted[i]);
		assert_string_equal(fake_journal(), "alone enter end ");
		serve_script(state);
		fake_db_fail(Q_ENTER, E_FORBIDDEN, false, 1);
		SERVE("POST", "/api/production", faults[i].body, COOKIE,
		    faults[i].header);
		assert_int_equal(serve.status, 403);
		assert_string_equal(serve_code(), "FORBIDDEN");
		assert_string_equal(fake_db_param(Q_ENTER, 1), "PRODUCTION_MANAGE");
	}
}

static void
permission_refused(void **state)
{
	(void)state;
	fake_db_fail(Q_ENTER, E_UNAUTHORIZED, false, 1);
	SERVE("GET", "/api/production", NULL, COOKIE);
	assert_int_equal(serve.status, 401);
	assert_string_equal(fake_journal(), "begin enter failed end ");
	assert_string_equal(fake_db_param(Q_ENTER, 1), "READ");
	assert_int_equal(strlen(fake_db_param(Q_ENTER, 0)), WHO_HASH_HEX);
	assert_null(strstr(serve_cookie, fake_db_param(Q_ENTER, 0)));
}

/* Every row that is not open to all refuses a stranger, and every write another site, before anything runs. */
static void
every_route_is_guarded(void **state)
{
	const struct route *r;

	(void)state;
	for (size_t i = 0; (r = route_at(i)); i++) {
		bool write = r->method != HTTP_GET;
		char uri[100] = "/api", *p = uri + 4;

		for (const char *s = r->path; *s; s++)
			if (*s != '{' && *s != '}')
				*p++ = *s;
		if (r->permission != PERM_NONE) {
			SERVE(http_method_name(r->method), uri, write ? "{}" : NULL,
			    "X=1");
			assert_int_equal(serve.status, 401);
		}
		if (write) {
			SERVE(http_method_name(r->method), uri, "{}", COOKIE,
			    "HTTP_SEC_FETCH_SITE=cross-site");
			assert_int_equal(serve.status, 403);
			SERVE(http_method_name(r->method), uri, "{}", COOKIE,
			    "HTTP_ORIGIN=null");
			assert_int_equal(serve.status, 403);
		}
		assert_string_equal(fake_journal(), "");
	}
}

static void
sites(void **state)
{
	static const struct {
		const char *site, *origin;
		bool allowed;
	} rows[] = {
	    {"X=1", "Y=1", true}, /* no browser */
	    {"HTTP_SEC_FETCH_SITE=same-origin", "Y=1", true},
	    {"HTTP_SEC_FETCH_SITE=same-origin", "HTTP_ORIGIN=http://127.0.0.1:8080",
		true},
	    {"HTTP_SEC_FETCH_SITE=none", "Y=1", true},
	    {"HTTP_SEC_FETCH_SITE=same-site", "HTTP_ORIGIN=https://b.example", false},
	    {"HTTP_SEC_FETCH_SITE=cross-site", "Y=1", false},
	    {"HTTP_SEC_FETCH_SITE=", "Y=1", false},
	    {"HTTP_SEC_FETCH_SITE=cross-site", "HTTP_ORIGIN=http://127.0.0.1:8080", true},
	    {"HTTP_SEC_FETCH_SITE=cross-site", "HTTP_ORIGIN=https://friend.example",
		true},
	    {"X=1", "HTTP_ORIGIN=https://friend.example", true},
	    {"X=1", "HTTP_ORIGIN=http://127.0.0.1:8080", true},
	    {"X=1", "HTTP_ORIGIN=http://127.0.0.1:8081", false},
	    {"X=1", "HTTP_ORIGIN=http://127.0.0.1", false},
	    {"X=1", "HTTP_ORIGIN=127.0.0.1:8080", false},
	    {"X=1", "HTTP_ORIGIN=https://evil.example", false},
	    {"X=1", "HTTP_ORIGIN=null", false},
	    {"X=1", "HTTP_ORIGIN=", false},
	};

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
		SERVE("POST", "/api/production", CREATE, COOKIE, rows[i].site,
		    rows[i].origin);
		if (serve.status != (rows[i].allowed ? 201 : 403))
			fail_msg("row %zu: %d", i, serve.status);
	}
}

static void
head_has_no_body(void **state)
{
	(void)state;
	SERVE("HEAD", "/api/production/p1", NULL, COOKIE);
	assert_int_equal(serve.status, 200);
	assert_string_equal(serve.body, "");
	assert_true(serve_header("Content-Length: 35"));
	SERVE("HEAD", "/api/nothing", NULL, COOKIE);
	assert_int_equal(serve.status, 404);
	assert_string_equal(serve.body, "");
}

static void
not_modified(void **state)
{
	static const char *const unchanged[] = {"k3f9.6", NULL, NULL};
	static const char *const same[] = {"", ", W/\"x\"", " "};
	/* the last is another session's: kitchens may stand at one position */
	static const char *const other[] = {"\"\xff\"", "W/\"\xff\"", "W/\"k3f9.6",
	    "W/\"k3f9.6\"x", "", "k3f9.6", "W/\"k3f9.6\"", "W/\"k3f9.6-\"",
	    "W/\"k3f9.6-0123456789ab\""};
	char header[100], etag[100];

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(same); i++) {
		/* as the statement answers when the caller knows the position */
		fake_db_answer(Q_PRODUCTION_LIST, unchanged, 1, 3);
		snprintf(header, sizeof(header), "HTTP_IF_NONE_MATCH=%s%s",
		    serve_tag("k3f9.6"), same[i]);
		snprintf(etag, sizeof(etag), "ETag: %s", serve_tag("k3f9.6"));
		SERVE("GET", "/api/production?page=2&search=x", NULL, COOKIE, header);
		assert_int_equal(serve.status, 304);
		assert_string_equal(fake_db_param(Q_PRODUCTION_LIST, 0), "k3f9.6");
		assert_string_equal(serve.body, "");
		assert_true(serve_header(etag));
		assert_null(strstr(serve.text, "Content-Length"));
	}
	serve_script(state);
	for (size_t i = 0; i < N_ELEMENTS(other); i++) {
		snprintf(header, sizeof(header), "HTTP_IF_NONE_MATCH=%s", other[i]);
		SERVE("GET", "/api/production?page=2&search=x", NULL, COOKIE, header);
		/* never a stranger's bytes, nor what none_match() would not see */
		assert_null(fake_db_param(Q_PRODUCTION_LIST, 0));
		assert_int_equal(serve.status, 200);
	}
	snprintf(header, sizeof(header), "HTTP_IF_NONE_MATCH=W/\"x\", %s",
	    serve_tag("k3f9.6"));
	SERVE("GET", "/api/production?page=2&search=x", NULL, COOKIE, header);
	assert_int_equal(serve.status, 304);
	snprintf(header, sizeof(header), "HTTP_IF_NONE_MATCH=%s", serve_tag("k3f9.5"));
	SERVE("GET", "/api/production?page=2&search=x", NULL, COOKIE, header);
	assert_int_equal(serve.status, 200);
	assert_string_equal(fake_db_param(Q_PRODUCTION_LIST, 0), "k3f9.5");
	SERVE("GET", "/api/production/p1", NULL, COOKIE,
	    "HTTP_IF_NONE_MATCH=W/\"v3\""); /* gzip weakens */
	assert_int_equal(serve.status, 304);
	SERVE("GET", "/api/production/p1", NULL, COOKIE, "HTTP_IF_NONE_MATCH=\"v33\"");
	assert_int_equal(serve.status, 200);
	SERVE("GET", "/api/production/p1", NULL, COOKIE, "HTTP_IF_NONE_MATCH=*");
	assert_int_equal(serve.status, 304);
}

static void
writes(void **state)
{
	(void)state;
	SERVE("POST", "/api/production", CREATE, COOKIE);
	assert_int_equal(serve.status, 201);
	assert_string_equal(fake_journal(),
	    "begin enter production_create tx_events commit publish:sppg-a:production:k3f9.7:48 end ");
	assert_string_equal(serve.body,
	    "{\"success\":true,\"data\":{\"id\":\"p1\"},\"position\":\"k3f9.7\"}");
	assert_true(serve_header("X-Stream-Position: k3f9.7"));
	assert_string_equal(fake_db_param(Q_PRODUCTION_CREATE, 3), "100");
	assert_null(fake_db_param(Q_PRODUCTION_CREATE, 7));
}

static void
several_events(void **state)
{
	static const char *const two[] = {"production", "7", LINE, "36", "11", "k3f9",
	    "menu", "8", "{\"type\":\"x\"}", "0", "1", "k3f9"};

	(void)state;
	fake_db_answer(Q_TX_EVENTS, two, 2, 6);
	SERVE("POST", "/api/production", CREATE, COOKIE);
	assert_non_null(
	    strstr(serve.body, "\"data\":{\"id\":\"p1\"},\"position\":\"k3f9.8\""));
	assert_non_null(strstr(fake_journal(),
	    "commit publish:sppg-a:production:k3f9.7:48 publish:sppg-a:menu:k3f9.8:12 end "));
}

static void
redis_away(void **state)
{
	(void)state;
	fake_bus_away(true);
	SERVE("POST", "/api/production", CREATE, COOKIE);
	assert_int_equal(serve.status, 201);
	assert_non_null(strstr(serve.body, "\"position\":\"k3f9.7\""));
}

static void
nothing_changed_is_not_found(void **state)
{
	(void)state;
	fake_db_affects(Q_PRODUCTION_DELETE, 0);
	fake_db_answer(Q_TX_EVENTS, NULL, 0, 6);
	SERVE("DELETE", "/api/production/p9", NULL, COOKIE);
	assert_int_equal(serve.status, 404);
	assert_null(strstr(fake_journal(), "publish"));
}

static void
conflicts_run_again(void **state)
{
	(void)state;
	fake_db_fail(Q_PRODUCTION_CREATE, E_UNAVAILABLE, true, 2);
	SERVE("POST", "/api/production", CREATE, COOKIE);
	assert_int_equal(serve.status, 201);
	assert_string_equal(fake_journal(),
	    "begin enter production_create failed end begin enter production_create failed end "
	    "begin enter production_create tx_events commit "
	    "publish:sppg-a:production:k3f9.7:48 end ");
	/* the first tries left nothing in the reply */
	assert_null(strstr(strstr(serve.text, "X-Request-Id") + 1, "X-Request-Id"));
	assert_string_equal(serve.body,
	    "{\"success\":true,\"data\":{\"id\":\"p1\"},\"position\":\"k3f9.7\"}");

	serve_script(state);
	fake_db_fail(Q_COUNT, E_UNAVAILABLE, true, 1); /* the commit itself */
	SERVE("POST", "/api/production", CREATE, COOKIE);
	assert_int_equal(serve.status, 201);

	serve_script(state);
	fake_db_fail(Q_PRODUCTION_CREATE, E_UNAVAILABLE, true, 99);
	SERVE("POST", "/api/production", CREATE, COOKIE);
	assert_int_equal(serve.status, 503);
	assert_null(strstr(fake_journal(), "commit"));
	assert_null(strstr(fake_journal(), "publish"));
}

static void
other_failures_do_not(void **state)
{
	static const enum err_code codes[] = {E_CONFLICT, E_UNAVAILABLE, E_INTERNAL,
	    E_INVALID, E_LIMIT_REACHED, E_QUALITY_REQUIRED, E_PRECONDITION_FAILED};

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(codes); i++) {
		serve_script(state);
		fake_db_fail(Q_PRODUCTION_CREATE, codes[i], false, 1);
		SERVE("POST", "/api/production", CREATE, COOKIE);
		assert_int_equal(serve.status, err_info(codes[i])->http_status);
		assert_string_equal(serve_code(), err_info(codes[i])->name);
		assert_string_equal(fake_journal(),
		    "begin enter production_create failed end ");
		assert_null(strstr(serve.text, "fake"));
	}
	serve_script(state);
	fake_db_fail(Q_COUNT, E_UNAVAILABLE, false,
	    1); /* nobody knows whether it was committed */
	SERVE("POST", "/api/production", CREATE, COOKIE);
	assert_int_equal(serve.status, 503);
	assert_null(strstr(fake_journal(), "publish"));
}

#define MANY "\"v123456789\",\"v1\",\"v123456789\",\"v1\","

static void
if_match(void **state)
{
	static const char *const bad[] = {"", "v7", "\"7\"", "W/\"v7\"", "\"v\"", "\"v7",
	    "\"v7x\"", "\"v1234567890\"", "\"v-1\"", "\"v7\"\x7f"};
	char header[64];

	(void)state;
	SERVE("DELETE", "/api/production/p1", NULL, COOKIE, "HTTP_IF_MATCH=\"v7\"");
	assert_int_equal(serve.status, 200);
	assert_non_null(strstr(fake_journal(),
	    "enter production_expect production_delete tx_events commit"));
	assert_string_equal(fake_db_param(Q_PRODUCTION_EXPECT, 0), "p1");
	assert_string_equal(fake_db_param(Q_PRODUCTION_EXPECT, 1), "{7}");
	serve_script(state);
	SERVE("DELETE", "/api/production/p1", NULL, COOKIE,
	    "HTTP_IF_MATCH=\"x\", \"v6\" ,W/\"v9\",\"v7\"");
	assert_int_equal(serve.status, 200);
	assert_string_equal(fake_db_param(Q_PRODUCTION_EXPECT, 1), "{6,7}");
	serve_script(state);
	SERVE("DELETE", "/api/production/p1", NULL, COOKIE,
	    "HTTP_IF_MATCH=" MANY MANY MANY MANY MANY);
	assert_string_equal(fake_db_param(Q_PRODUCTION_EXPECT, 1),
	    "{123456789,1,123456789,1,123456789,1,123456789,1,"
	    "123456789,1,123456789,1,123456789,1,123456789,1}");
	serve_script(state);
	SERVE("DELETE", "/api/production/p1", NULL, COOKIE, "HTTP_IF_MATCH=*");
	assert_int_equal(serve.status, 200);
	assert_null(strstr(fake_journal(), "production_expect"));
	for (size_t i = 0; i < N_ELEMENTS(bad); i++) {
		serve_script(state);
		snprintf(header, sizeof(header), "HTTP_IF_MATCH=%s", bad[i]);
		SERVE("DELETE", "/api/production/p1", NULL, COOKIE, header);
		assert_int_equal(serve.status, 412);
		assert_string_equal(fake_journal(), "alone enter end ");
	}
}

static void
keys(void **state)
{
	static const char *const first[] = {"201", "{\"success\":true,\"data\":1}",
	    "k3f9.5"};

	(void)state;
	SERVE("POST", "/api/production?x", CREATE, COOKIE, "HTTP_IDEMPOTENCY_KEY=k1");
	assert_int_equal(serve.status, 422); /* there is no parameter x */
	serve_script(state);
	SERVE("POST", "/api/production", CREATE, COOKIE, "HTTP_IDEMPOTENCY_KEY=k1");
	assert_int_equal(serve.status, 201);
	assert_string_equal(fake_journal(),
	    "begin enter idempotency_begin production_create tx_events idempotency_store commit "
	    "publish:sppg-a:production:k3f9.7:48 end ");
	assert_string_equal(fake_db_param(Q_IDEMPOTENCY_STORE, 0), "POST /production");
	assert_string_equal(fake_db_param(Q_IDEMPOTENCY_STORE, 1), "k1");
	assert_int_equal(strlen(fake_db_param(Q_IDEMPOTENCY_STORE, 2)), WHO_HASH_HEX);
	assert_string_equal(fake_db_param(Q_IDEMPOTENCY_STORE, 3), "201");
	assert_string_equal(fake_db_param(Q_IDEMPOTENCY_STORE, 4), serve.body);
	assert_string_equal(fake_db_param(Q_IDEMPOTENCY_STORE, 5), "k3f9.7");

	serve_script(state);
	fake_db_answer(Q_IDEMPOTENCY_BEGIN, first, 1, 3);
	SERVE("POST", "/api/production", CREATE, COOKIE, "HTTP_IDEMPOTENCY_KEY=k1");
	assert_int_equal(serve.status, 201);
	assert_string_equal(serve.body, first[1]);
	assert_true(serve_header("Idempotency-Replayed: true"));
	assert_true(serve_header("X-Stream-Position: k3f9.5"));
	assert_string_equal(fake_journal(), "begin enter idempotency_begin end ");

	serve_script(state);
	SERVE("GET", "/api/production", NULL, COOKIE, "HTTP_IDEMPOTENCY_KEY=k1");
	assert_null(strstr(fake_journal(), "idempotency"));
}

static void
preflight(void **state)
{
	(void)state;
	SERVE("OPTIONS", "/api/production/p1", NULL, "HTTP_ORIGIN=https://friend.example",
	    "HTTP_ACCESS_CONTROL_REQUEST_METHOD=PATCH");
	assert_int_equal(serve.status, 200);
	assert_true(serve_header("Access-Control-Allow-Origin: https://friend.example"));
	assert_true(
	    serve_header("Access-Control-Allow-Methods: GET, HEAD, PUT, PATCH, DELETE"));
	SERVE("OPTIONS", "/api/production/p1", NULL, "HTTP_ORIGIN=https://evil.example");
	assert_int_equal(serve.status, 200);
	assert_null(strstr(serve.text, "Access-Control-Allow-Origin"));
	SERVE("OPTIONS", "/api/nothing", NULL, "HTTP_ORIGIN=https://friend.example");
	assert_int_equal(serve.status, 404);
	assert_string_equal(fake_journal(), "");
}

static void
origins_may_read(void **state)
{
	(void)state;
	SERVE("GET", "/api/production?page=2&search=x", NULL, COOKIE,
	    "HTTP_ORIGIN=https://friend.example");
	assert_true(serve_header("Access-Control-Allow-Origin: https://friend.example"));
	assert_true(serve_header("Access-Control-Allow-Credentials: true"));
	SERVE("GET", "/api/nothing", NULL, COOKIE, "HTTP_ORIGIN=https://friend.example");
	assert_true(serve_header("Access-Control-Allow-Origin: https://friend.example"));
	SERVE("GET", "/api/production?page=2&search=x", NULL, COOKIE,
	    "HTTP_ORIGIN=https://evil.example");
	assert_int_equal(serve.status, 200);
	assert_null(strstr(serve.text, "Access-Control"));
}

static void
problems(void **state)
{
	(void)state;
	SERVE("GET", "/api/nothing", NULL, "HTTP_ACCEPT=application/problem+json");
	assert_true(serve_header("Content-Type: application/problem+json"));
	assert_non_null(strstr(serve.body, "\"status\":404"));
	assert_non_null(strstr(serve.body, "\"code\":\"NOT_FOUND\""));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    SERVE_TEST(order_of_decisions),
	    SERVE_TEST(who_before_what),
	    SERVE_TEST(permission_refused),
	    SERVE_TEST(every_route_is_guarded),
	    SERVE_TEST(sites),
	    SERVE_TEST(head_has_no_body),
	    SERVE_TEST(not_modified),
	    SERVE_TEST(writes),
	    SERVE_TEST(several_events),
	    SERVE_TEST(redis_away),
	    SERVE_TEST(nothing_changed_is_not_found),
	    SERVE_TEST(conflicts_run_again),
	    SERVE_TEST(other_failures_do_not),
	    SERVE_TEST(if_match),
	    SERVE_TEST(keys),
	    SERVE_TEST(preflight),
	    SERVE_TEST(origins_may_read),
	    SERVE_TEST(problems),
	};

	return cmocka_run_group_tests(tests, serve_open, serve_close);
}
