/* What the actions hand to their statements, and what they answer; the database is pretended. */
#include "serve.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <json-c/json.h>

#include "password.h"
#include "who.h"

#include "fake.h"

#include <cmocka.h>

static void
reads(void **state)
{
	(void)state;
	SERVE("GET", "/api/production/p1", NULL, COOKIE);
	assert_int_equal(serve.status, 200);
	assert_string_equal(fake_journal(), "begin enter production_get commit end ");
	assert_string_equal(serve.body, "{\"success\":true,\"data\":{\"id\":\"p1\"}}");
	assert_true(serve_header("ETag: \"v3\""));
	assert_true(serve_header("X-Stream-Position: k3f9.6"));
	assert_string_equal(fake_db_param(Q_PRODUCTION_GET, 0), "p1");
	fake_db_answer(Q_PRODUCTION_GET, NULL, 0, 3);
	SERVE("GET", "/api/production/p1", NULL, COOKIE);
	assert_int_equal(serve.status, 404);
}

static void
lists(void **state)
{
	char etag[100];

	(void)state;
	SERVE("GET", "/api/production?status=PLANNED,COOKING&page=3&limit=7&search=a%20b",
	    NULL, COOKIE);
	assert_int_equal(serve.status, 200);
	snprintf(etag, sizeof(etag), "ETag: %s", serve_tag("k3f9.6"));
	assert_true(serve_header(etag));
	assert_non_null(strstr(serve.body,
	    "\"pagination\":{\"total\":0,\"page\":3,\"limit\":7,\"pages\":0}"));
	assert_null(fake_db_param(Q_PRODUCTION_LIST, 0));
	assert_string_equal(fake_db_param(Q_PRODUCTION_LIST, 1), "{PLANNED,COOKING}");
	assert_null(fake_db_param(Q_PRODUCTION_LIST, 2));
	assert_string_equal(fake_db_param(Q_PRODUCTION_LIST, 7), "a b");
	assert_string_equal(fake_db_param(Q_PRODUCTION_LIST, 8), "7");
	assert_string_equal(fake_db_param(Q_PRODUCTION_LIST, 9), "14");
}

static void
updates(void **state)
{
	(void)state;
	SERVE("PATCH", "/api/production/p1", "{\"notes\":null,\"plannedPortions\":5}",
	    COOKIE);
	assert_int_equal(serve.status, 200);
	assert_string_equal(fake_db_param(Q_PRODUCTION_UPDATE, 0), "p1");
	assert_string_equal(fake_db_param(Q_PRODUCTION_UPDATE, 1),
	    "{\"planned_portions\":\"5\",\"notes\":null}");
	SERVE("PUT", "/api/production", "{\"id\":\"p2\",\"notes\":\"\"}", COOKIE);
	assert_int_equal(serve.status, 200);
	assert_string_equal(fake_db_param(Q_PRODUCTION_UPDATE, 0), "p2");
	assert_string_equal(fake_db_param(Q_PRODUCTION_UPDATE, 1), "{\"notes\":\"\"}");
	serve_script(state);
	SERVE("PATCH", "/api/production/p1", "{}", COOKIE);
	assert_int_equal(serve.status, 422);
	assert_string_equal(fake_journal(), "begin alone enter end ");
}

static void
log_in(void **state)
{
	static char hash[PASSWORD_HASH_MAX];
	const char *account[] = {"0", "sppg-a", "user-a", hash};
	static const char *const waiting[] = {"77", NULL, NULL, NULL};
	static const char *const nobody[] = {"0", NULL, NULL, NULL};
	static const char *const shown[] = {
	    "sppg-a\tuser-a\tn\tr\t9\tREAD\t{\"user\":1}"};

	(void)state;
	password_hash(hash, "rahasia");
	fake_db_answer(Q_SESSION_TRY, account, 1, 4);
	fake_db_answer(Q_SESSION_LINE, shown, 1, 1);
	SERVE("POST", "/api/session",
	    "{\"email\":\"Siti@A.example\",\"password\":\"rahasia\"}", "X=1");
	assert_int_equal(serve.status, 201);
	assert_int_equal(strncmp(fake_journal(),
			     "alone session_try session_done session_line cache:", 50),
	    0);
	assert_string_equal(fake_db_param(Q_SESSION_TRY, 0), "siti@a.example");
	assert_null(fake_db_param(Q_SESSION_DONE, 7));
	assert_non_null(strstr(serve.text, "\nSet-Cookie: dapur_session="));
	assert_non_null(
	    strstr(serve.text, "; Path=/; HttpOnly; SameSite=Lax; Max-Age=604800\r\n"));
	assert_null(strstr(serve.body, "dapur_session"));

	serve_script(state);
	fake_db_answer(Q_SESSION_TRY, account, 1, 4);
	SERVE("POST", "/api/session",
	    "{\"email\":\"siti@a.example\",\"password\":\"Rahasia\"}", "X=1");
	assert_int_equal(serve.status, 401);
	assert_string_equal(fake_journal(), "alone session_try end ");
	assert_null(strstr(serve.text, "Set-Cookie"));

	fake_db_answer(Q_SESSION_TRY, nobody, 1, 4);
	SERVE("POST", "/api/session", "{\"email\":\"siti@a.example\",\"password\":\"x\"}",
	    "X=1");
	assert_int_equal(serve.status, 401);
	fake_db_answer(Q_SESSION_TRY, waiting, 1, 4);
	SERVE("POST", "/api/session", "{\"email\":\"siti@a.example\",\"password\":\"x\"}",
	    "X=1");
	assert_int_equal(serve.status, 429);
	assert_true(serve_header("Retry-After: 77"));
	SERVE("POST", "/api/session", "{\"email\":\"a@b\",\"password\":\"x\"}",
	    "HTTP_ORIGIN=https://evil.example");
	assert_int_equal(serve.status, 403);
}

/* Redis's cache is enough to let in; to refuse, PostgreSQL is asked. */
static void
who_am_i(void **state)
{
#define SHOWN(expires, permissions) \
	"sppg-a\tuser-a\tn\tr\t" expires "\t" permissions "\t{\"user\":1}"
#define FOR_EVER "99999999999"
	static const char *const line[] = {SHOWN(FOR_EVER, "READ")};
	static const char *const nobody[] = {NULL};
	static const char *const last_second[] = {SHOWN("9", "READ")};
	static const char *const useless[] = {NULL, SHOWN("9", "READ"), "-", "junk",
	    "sppg-a\tuser-a\tn\tr\t" FOR_EVER "\tREAD"};

	fake_bus_caches(line[0]);
	SERVE("GET", "/api/session", NULL, COOKIE);
	assert_int_equal(serve.status, 200);
	assert_string_equal(serve.body, "{\"success\":true,\"data\":{\"user\":1}}");
	assert_int_equal(strncmp(fake_journal(), "cached:", 7), 0);
	assert_null(strstr(fake_journal(), "session_line"));

	for (size_t i = 0; i < N_ELEMENTS(useless); i++) {
		serve_script(state);
		fake_bus_caches(useless[i]);
		fake_db_answer(Q_SESSION_LINE, line, 1, 1);
		SERVE("GET", "/api/session", NULL, COOKIE);
		assert_int_equal(serve.status, 200);
		assert_non_null(strstr(fake_journal(), "alone session_line keep:"));
		assert_non_null(strstr(fake_journal(), " cache:"));
		serve_script(state);
		fake_bus_caches(useless[i]);
		fake_db_answer(Q_SESSION_LINE, nobody, 1, 1);
		SERVE("GET", "/api/session", NULL, COOKIE);
		assert_int_equal(serve.status, 401);
		assert_null(strstr(fake_journal(), "cache:"));
	}
	serve_script(state);
	fake_db_answer(Q_SESSION_LINE, last_second, 1, 1);
	SERVE("GET", "/api/session", NULL, COOKIE);
	assert_int_equal(serve.status, 401);
	serve_script(state);
	fake_bus_away(true);
	fake_db_answer(Q_SESSION_LINE, line, 1, 1);
	SERVE("GET", "/api/session", NULL, COOKIE);
	assert_int_equal(serve.status, 200);
}

static void
log_out(void **state)
{
	static const char *const ended[] = {"h1", "h2"};

	(void)state;
	fake_db_answer(Q_SESSION_END, ended, 2, 1);
	fake_db_answer(Q_TX_EVENTS, NULL, 0, 6);
	SERVE("DELETE", "/api/session?all=1", NULL, COOKIE);
	assert_int_equal(serve.status, 200);
	assert_string_equal(fake_journal(),
	    "begin enter session_end tx_events commit drop:sppg-a:h1 drop:sppg-a:h2 end ");
	assert_string_equal(fake_db_param(Q_SESSION_END, 1), "1");
	assert_non_null(strstr(serve.text, "\nSet-Cookie: dapur_session=; Path=/"));
	assert_non_null(strstr(serve.text, "Max-Age=0"));
	assert_string_equal(serve.body, "{\"success\":true,\"data\":{\"ended\":2}}");
}

static void
stream_info(void **state)
{
	static const char *const info[] = {"sppg \"a\"", "user-a", "k3f9.6", "line"};
	json_object *o, *data, *v;

	(void)state;
	fake_db_answer(Q_STREAM_INFO, info, 1, 4);
	SERVE("GET", "/api/ws", NULL, COOKIE);
	assert_int_equal(serve.status, 200);
	o = json_tokener_parse(serve.body);
	assert_true(json_object_object_get_ex(o, "data", &data));
	assert_true(json_object_object_get_ex(data, "wsUrl", &v));
	assert_string_equal(json_object_get_string(v), "ws://127.0.0.1:8080/api/ws");
	assert_true(json_object_object_get_ex(data, "sppgId", &v));
	assert_string_equal(json_object_get_string(v), info[0]);
	assert_true(json_object_object_get_ex(data, "channels", &v));
	assert_string_equal(json_object_get_string(json_object_array_get_idx(v, 0)),
	    "production:updates:sppg \"a\"");
	assert_true(json_object_object_get_ex(data, "token", &v)); /* no secret is set */
	assert_null(v);
	json_object_put(o);
	assert_non_null(strstr(fake_journal(), "commit cache:"));
}

static void
bearer_and_health(void **state)
{
	(void)state;
	SERVE("GET", "/api/production/p1", NULL, BEARER);
	assert_int_equal(serve.status, 200);
	serve_script(state);
	SERVE("GET", "/api/health", NULL, "X=1");
	assert_int_equal(serve.status, 200);
	assert_string_equal(fake_journal(), "alone end ");
	fake_db_fail(Q_HEALTH_READY, E_UNAVAILABLE, false, 1);
	SERVE("GET", "/api/ready", NULL, "X=1");
	assert_int_equal(serve.status, 503);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    SERVE_TEST(reads),
	    SERVE_TEST(lists),
	    SERVE_TEST(updates),
	    SERVE_TEST(log_in),
	    SERVE_TEST(who_am_i),
	    SERVE_TEST(log_out),
	    SERVE_TEST(stream_info),
	    SERVE_TEST(bearer_and_health),
	};

	return cmocka_run_group_tests(tests, serve_open, serve_close);
}
