/* app_serve() with a pretended database and bus: what is decided, in which order, and what follows a commit. */
#include "app.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <json-c/json.h>
#include <sodium.h>

#include "log.h"
#include "password.h"
#include "route.h"

#include "fake.h"

#include <cmocka.h>

#define LINE "{\"type\":\"production_created\",\"data\":{\"id\":\"p1\"}}"
#define CREATE                                                                     \
	"{\"programId\":\"g\",\"menuId\":\"m\",\"productionDate\":\"2026-01-31\"," \
	"\"plannedPortions\":100,\"headCook\":\"u\",\"plannedStartTime\":"         \
	"\"2026-01-31T01:00:00Z\",\"plannedEndTime\":\"2026-01-31T03:00:00Z\"}"

static const char *const someone[] = {"sppg-a", "user-a"};
/* topic, seq, line, data_at, data_len, epoch */
static const char *const event[] = {"production", "7", LINE, "36", "11", "k3f9"};
static const char *const listed[] = {"k3f9.6", "[]", "0"};
static const char *const got[] = {"k3f9.6", "{\"id\":\"p1\"}", "3"};

static struct conf conf;
static struct app *app;
static char cookie[80], bearer[80];
static char *reply; /* all that the front got */
static const char *body;
static int status;

static int
open_app(void **state)
{
	char token[WHO_TOKEN_LEN + 1], hash[WHO_HASH_HEX + 1];

	(void)state;
	if (sodium_init() < 0)
		return -1;
	log_open("unit", LOG_ERROR + 1);
	who_token_new(token, hash);
	snprintf(cookie, sizeof(cookie), "dapur_session=%s", token);
	snprintf(bearer, sizeof(bearer), "Bearer %s", token);
	conf_defaults(&conf);
	conf.body_max = 1024;
	free(conf.allowed_origins);
	conf.allowed_origins = strdup("https://friend.example");
	app = app_open(&conf);
	return 0;
}

static int
close_app(void **state)
{
	(void)state;
	app_close(app);
	conf_free(&conf);
	free(reply);
	fake_reset();
	return 0;
}

/* The scripts most tests start from: a session that may do everything, rows for each kind of action. */
static int
script(void **state)
{
	(void)state;
	fake_reset();
	fake_db_answer(Q_ENTER, someone, 1, 2);
	fake_db_answer(Q_TX_EVENTS, event, 1, 6);
	fake_db_answer(Q_PRODUCTION_LIST, listed, 1, 3);
	fake_db_answer(Q_PRODUCTION_GET, got, 1, 3);
	return 0;
}

/* Serves one request the way a web server runs a CGI. env: NAME=VALUE strings, NULL at the end. */
static void
serve_env(const char *method, const char *uri, const char *content,
    const char *const *env)
{
	FILE *in = stdin, *out = stdout;
	struct arena arena = {NULL, NULL};
	struct http_server *server;
	struct http_request r;
	char length[24];
	size_t len;

	clearenv();
	setenv("REQUEST_METHOD", method, 1);
	setenv("REQUEST_URI", uri, 1);
	setenv("REMOTE_ADDR", "127.0.0.1", 1);
	setenv("HTTP_HOST", "127.0.0.1:8080", 1);
	setenv("UNIQUE_ID", "req-1", 1);
	if (content) {
		snprintf(length, sizeof(length), "%zu", strlen(content));
		setenv("CONTENT_LENGTH", length, 1);
	}
	for (; env && *env; env++) {
		char *pair = strdup(*env), *value = strchr(pair, '=');

		*value++ = '\0';
		setenv(pair, value, 1);
		free(pair);
	}
	free(reply);
	reply = NULL;
	stdin = fmemopen((void *)(uintptr_t)(content && *content ? content : " "),
	    content && *content ? strlen(content) : 1, "r");
	stdout = open_memstream(&reply, &len);
	server = http_open();
	assert_true(http_is_cgi(server));
	assert_true(http_accept(server, &r, &arena, true));
	app_serve(app, &r);
	http_finish(&r);
	assert_false(http_accept(server, &r, &arena, true));
	http_close(server);
	arena_free(&arena);
	fclose(stdin);
	fclose(stdout);
	stdin = in;
	stdout = out;
	assert_int_equal(strncmp(reply, "Status: ", 8), 0);
	status = (int)strtol(reply + 8, NULL, 10);
	body = strstr(reply, "\r\n\r\n");
	assert_non_null(body);
	body += 4;
}

#define SERVE(method, uri, content, ...) \
	serve_env(method, uri, content, (const char *const[]){__VA_ARGS__, NULL})
#define COOKIE session_cookie()

static const char *
session_cookie(void)
{
	static char pair[100];

	snprintf(pair, sizeof(pair), "HTTP_COOKIE=%s", cookie);
	return pair;
}

static bool
has_header(const char *line)
{
	const char *p = strstr(reply, line);

	return p && p < body && p[-1] == '\n' && p[strlen(line)] == '\r';
}

/* The code of an error reply; what else must be true of each. */
static const char *
code(void)
{
	static char text[32];
	json_object *o = json_tokener_parse(body), *v;

	assert_non_null(o);
	assert_true(json_object_object_get_ex(o, "success", &v));
	assert_false(json_object_get_boolean(v));
	assert_true(json_object_object_get_ex(o, "requestId", &v));
	assert_string_equal(json_object_get_string(v), "req-1");
	assert_true(has_header("X-Request-Id: req-1"));
	assert_true(json_object_object_get_ex(o, "code", &v));
	snprintf(text, sizeof(text), "%s", json_object_get_string(v));
	json_object_put(o);
	return text;
}

/* One request with everything wrong that comes after what it is refused for. */
static void
order_of_decisions(void **state)
{
	char huge[2000];

	(void)state;
	memset(huge, ' ', sizeof(huge) - 1);
	huge[sizeof(huge) - 1] = '\0';
	SERVE("POST", "/nowhere", huge, "HTTP_ORIGIN=https://evil.example");
	assert_int_equal(status, 413);
	assert_string_equal(code(), "TOO_LARGE");
	SERVE("POST", "/api/nothing", "{", "HTTP_ORIGIN=https://evil.example");
	assert_int_equal(status, 404);
	SERVE("DELETE", "/api/production", "{", "HTTP_ORIGIN=https://evil.example");
	assert_int_equal(status, 405);
	assert_true(has_header("Allow: GET, HEAD, POST, PUT"));
	SERVE("POST", "/api/production", "{", "HTTP_ORIGIN=https://evil.example");
	assert_int_equal(status, 401);
	assert_true(has_header("WWW-Authenticate: Bearer"));
	SERVE("POST", "/api/production", "{", "HTTP_ORIGIN=https://evil.example", COOKIE);
	assert_int_equal(status, 403);
	assert_string_equal(code(), "CROSS_SITE");
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
		script(state);
		SERVE("POST", "/api/production", faults[i].body, COOKIE,
		    faults[i].header);
		assert_int_equal(status, wanted[i]);
		assert_string_equal(fake_journal(), "alone enter end ");
		script(state);
		fake_db_fail(Q_ENTER, E_FORBIDDEN, false, 1);
		SERVE("POST", "/api/production", faults[i].body, COOKIE,
		    faults[i].header);
		assert_int_equal(status, 403);
		assert_string_equal(code(), "FORBIDDEN");
		assert_string_equal(fake_db_param(Q_ENTER, 1), "PRODUCTION_MANAGE");
	}
}

static void
permission_refused(void **state)
{
	(void)state;
	fake_db_fail(Q_ENTER, E_UNAUTHORIZED, false, 1);
	SERVE("GET", "/api/production", NULL, COOKIE);
	assert_int_equal(status, 401);
	assert_string_equal(fake_journal(), "begin enter failed end ");
	assert_string_equal(fake_db_param(Q_ENTER, 1), "READ");
	assert_int_equal(strlen(fake_db_param(Q_ENTER, 0)), WHO_HASH_HEX);
	assert_null(strstr(cookie, fake_db_param(Q_ENTER, 0)));
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
			assert_int_equal(status, 401);
		}
		if (write) {
			SERVE(http_method_name(r->method), uri, "{}", COOKIE,
			    "HTTP_SEC_FETCH_SITE=cross-site");
			assert_int_equal(status, 403);
			SERVE(http_method_name(r->method), uri, "{}", COOKIE,
			    "HTTP_ORIGIN=null");
			assert_int_equal(status, 403);
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
		if (status != (rows[i].allowed ? 201 : 403))
			fail_msg("row %zu: %d", i, status);
	}
}

static void
reads(void **state)
{
	(void)state;
	SERVE("GET", "/api/production/p1", NULL, COOKIE);
	assert_int_equal(status, 200);
	assert_string_equal(fake_journal(), "begin enter production_get commit end ");
	assert_string_equal(body, "{\"success\":true,\"data\":{\"id\":\"p1\"}}");
	assert_true(has_header("ETag: \"v3\""));
	assert_true(has_header("X-Stream-Position: k3f9.6"));
	assert_string_equal(fake_db_param(Q_PRODUCTION_GET, 0), "p1");
	fake_db_answer(Q_PRODUCTION_GET, NULL, 0, 3);
	SERVE("GET", "/api/production/p1", NULL, COOKIE);
	assert_int_equal(status, 404);
}

static void
head_has_no_body(void **state)
{
	(void)state;
	SERVE("HEAD", "/api/production/p1", NULL, COOKIE);
	assert_int_equal(status, 200);
	assert_string_equal(body, "");
	assert_true(has_header("Content-Length: 35"));
	SERVE("HEAD", "/api/nothing", NULL, COOKIE);
	assert_int_equal(status, 404);
	assert_string_equal(body, "");
}

static void
lists(void **state)
{
	(void)state;
	SERVE("GET", "/api/production?status=PLANNED,COOKING&page=3&limit=7&search=a%20b",
	    NULL, COOKIE);
	assert_int_equal(status, 200);
	assert_true(has_header("ETag: W/\"k3f9.6\""));
	assert_non_null(strstr(body,
	    "\"pagination\":{\"total\":0,\"page\":3,\"limit\":7,\"pages\":0}"));
	assert_null(fake_db_param(Q_PRODUCTION_LIST, 0));
	assert_string_equal(fake_db_param(Q_PRODUCTION_LIST, 1), "{PLANNED,COOKING}");
	assert_null(fake_db_param(Q_PRODUCTION_LIST, 2));
	assert_string_equal(fake_db_param(Q_PRODUCTION_LIST, 7), "a b");
	assert_string_equal(fake_db_param(Q_PRODUCTION_LIST, 8), "7");
	assert_string_equal(fake_db_param(Q_PRODUCTION_LIST, 9), "14");
}

static void
not_modified(void **state)
{
	static const char *const unchanged[] = {"k3f9.6", NULL, NULL};
	static const char *const same[] = {"W/\"k3f9.6\"", "W/\"k3f9.6\", W/\"x\"",
	    "W/\"k3f9.6\" "};
	static const char *const other[] = {"W/\"k3f9.5\"", "W/\"k3f9.66\"", "\"\xff\"",
	    "W/\"\xff\"", "W/\"k3f9.6", "W/\"k3f9.6\"x", "", "k3f9.6"};
	char header[100];

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(same); i++) {
		/* as the statement answers when the caller knows the position */
		fake_db_answer(Q_PRODUCTION_LIST, unchanged, 1, 3);
		snprintf(header, sizeof(header), "HTTP_IF_NONE_MATCH=%s", same[i]);
		SERVE("GET", "/api/production?page=2&search=x", NULL, COOKIE, header);
		assert_int_equal(status, 304);
		assert_string_equal(fake_db_param(Q_PRODUCTION_LIST, 0), "k3f9.6");
		assert_string_equal(body, "");
		assert_true(has_header("ETag: W/\"k3f9.6\""));
		assert_null(strstr(reply, "Content-Length"));
	}
	fake_db_answer(Q_PRODUCTION_LIST, listed, 1, 3);
	for (size_t i = 0; i < N_ELEMENTS(other); i++) {
		snprintf(header, sizeof(header), "HTTP_IF_NONE_MATCH=%s", other[i]);
		SERVE("GET", "/api/production?page=2&search=x", NULL, COOKIE, header);
		if (i >
		    1) /* never bytes of a stranger, and nothing that none_match() would not see */
			assert_null(fake_db_param(Q_PRODUCTION_LIST, 0));
		assert_int_equal(status, 200);
	}
	SERVE("GET", "/api/production?page=2&search=x", NULL, COOKIE,
	    "HTTP_IF_NONE_MATCH=W/\"x\", W/\"k3f9.6\"");
	assert_int_equal(status, 304);
	SERVE("GET", "/api/production/p1", NULL, COOKIE,
	    "HTTP_IF_NONE_MATCH=W/\"v3\""); /* gzip weakens */
	assert_int_equal(status, 304);
	SERVE("GET", "/api/production/p1", NULL, COOKIE, "HTTP_IF_NONE_MATCH=\"v33\"");
	assert_int_equal(status, 200);
	SERVE("GET", "/api/production/p1", NULL, COOKIE, "HTTP_IF_NONE_MATCH=*");
	assert_int_equal(status, 304);
}

static void
writes(void **state)
{
	(void)state;
	SERVE("POST", "/api/production", CREATE, COOKIE);
	assert_int_equal(status, 201);
	assert_string_equal(fake_journal(),
	    "begin enter production_create tx_events commit publish:sppg-a:production:k3f9.7:48 end ");
	assert_string_equal(body,
	    "{\"success\":true,\"data\":{\"id\":\"p1\"},\"position\":\"k3f9.7\"}");
	assert_true(has_header("X-Stream-Position: k3f9.7"));
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
	assert_non_null(strstr(body, "\"data\":{\"id\":\"p1\"},\"position\":\"k3f9.8\""));
	assert_non_null(strstr(fake_journal(),
	    "commit publish:sppg-a:production:k3f9.7:48 publish:sppg-a:menu:k3f9.8:12 end "));
}

static void
redis_away(void **state)
{
	(void)state;
	fake_bus_away(true);
	SERVE("POST", "/api/production", CREATE, COOKIE);
	assert_int_equal(status, 201);
	assert_non_null(strstr(body, "\"position\":\"k3f9.7\""));
}

static void
nothing_changed_is_not_found(void **state)
{
	(void)state;
	fake_db_affects(Q_PRODUCTION_DELETE, 0);
	fake_db_answer(Q_TX_EVENTS, NULL, 0, 6);
	SERVE("DELETE", "/api/production/p9", NULL, COOKIE);
	assert_int_equal(status, 404);
	assert_null(strstr(fake_journal(), "publish"));
}

static void
conflicts_run_again(void **state)
{
	(void)state;
	fake_db_fail(Q_PRODUCTION_CREATE, E_UNAVAILABLE, true, 2);
	SERVE("POST", "/api/production", CREATE, COOKIE);
	assert_int_equal(status, 201);
	assert_string_equal(fake_journal(),
	    "begin enter production_create failed end begin enter production_create failed end "
	    "begin enter production_create tx_events commit "
	    "publish:sppg-a:production:k3f9.7:48 end ");
	/* the first tries left nothing in the reply */
	assert_null(strstr(strstr(reply, "X-Request-Id") + 1, "X-Request-Id"));
	assert_string_equal(body,
	    "{\"success\":true,\"data\":{\"id\":\"p1\"},\"position\":\"k3f9.7\"}");

	script(state);
	fake_db_fail(Q_COUNT, E_UNAVAILABLE, true, 1); /* the commit itself */
	SERVE("POST", "/api/production", CREATE, COOKIE);
	assert_int_equal(status, 201);

	script(state);
	fake_db_fail(Q_PRODUCTION_CREATE, E_UNAVAILABLE, true, 99);
	SERVE("POST", "/api/production", CREATE, COOKIE);
	assert_int_equal(status, 503);
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
		script(state);
		fake_db_fail(Q_PRODUCTION_CREATE, codes[i], false, 1);
		SERVE("POST", "/api/production", CREATE, COOKIE);
		assert_int_equal(status, err_info(codes[i])->http_status);
		assert_string_equal(code(), err_info(codes[i])->name);
		assert_string_equal(fake_journal(),
		    "begin enter production_create failed end ");
		assert_null(strstr(reply, "fake"));
	}
	script(state);
	fake_db_fail(Q_COUNT, E_UNAVAILABLE, false,
	    1); /* nobody knows whether it was committed */
	SERVE("POST", "/api/production", CREATE, COOKIE);
	assert_int_equal(status, 503);
	assert_null(strstr(fake_journal(), "publish"));
}

static void
if_match(void **state)
{
	static const char *const bad[] = {"", "v7", "\"7\"", "W/\"v7\"", "\"v\"", "\"v7",
	    "\"v7x\"", "\"v1234567890\"", "\"v-1\"", "\"v7\"\x7f"};
	char header[64];

	(void)state;
	SERVE("DELETE", "/api/production/p1", NULL, COOKIE, "HTTP_IF_MATCH=\"v7\"");
	assert_int_equal(status, 200);
	assert_non_null(strstr(fake_journal(),
	    "enter production_expect production_delete tx_events commit"));
	assert_string_equal(fake_db_param(Q_PRODUCTION_EXPECT, 0), "p1");
	assert_string_equal(fake_db_param(Q_PRODUCTION_EXPECT, 1), "7");
	script(state);
	SERVE("DELETE", "/api/production/p1", NULL, COOKIE, "HTTP_IF_MATCH=*");
	assert_int_equal(status, 200);
	assert_null(strstr(fake_journal(), "production_expect"));
	for (size_t i = 0; i < N_ELEMENTS(bad); i++) {
		script(state);
		snprintf(header, sizeof(header), "HTTP_IF_MATCH=%s", bad[i]);
		SERVE("DELETE", "/api/production/p1", NULL, COOKIE, header);
		assert_int_equal(status, 412);
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
	assert_int_equal(status, 422); /* there is no parameter x */
	script(state);
	SERVE("POST", "/api/production", CREATE, COOKIE, "HTTP_IDEMPOTENCY_KEY=k1");
	assert_int_equal(status, 201);
	assert_string_equal(fake_journal(),
	    "begin enter idempotency_begin production_create tx_events idempotency_store commit "
	    "publish:sppg-a:production:k3f9.7:48 end ");
	assert_string_equal(fake_db_param(Q_IDEMPOTENCY_STORE, 0),
	    "POST /api/production");
	assert_string_equal(fake_db_param(Q_IDEMPOTENCY_STORE, 1), "k1");
	assert_int_equal(strlen(fake_db_param(Q_IDEMPOTENCY_STORE, 2)), WHO_HASH_HEX);
	assert_string_equal(fake_db_param(Q_IDEMPOTENCY_STORE, 3), "201");
	assert_string_equal(fake_db_param(Q_IDEMPOTENCY_STORE, 4), body);
	assert_string_equal(fake_db_param(Q_IDEMPOTENCY_STORE, 5), "k3f9.7");

	script(state);
	fake_db_answer(Q_IDEMPOTENCY_BEGIN, first, 1, 3);
	SERVE("POST", "/api/production", CREATE, COOKIE, "HTTP_IDEMPOTENCY_KEY=k1");
	assert_int_equal(status, 201);
	assert_string_equal(body, first[1]);
	assert_true(has_header("Idempotency-Replayed: true"));
	assert_true(has_header("X-Stream-Position: k3f9.5"));
	assert_string_equal(fake_journal(), "begin enter idempotency_begin end ");

	script(state);
	SERVE("GET", "/api/production", NULL, COOKIE, "HTTP_IDEMPOTENCY_KEY=k1");
	assert_null(strstr(fake_journal(), "idempotency"));
}

static void
updates(void **state)
{
	(void)state;
	SERVE("PATCH", "/api/production/p1", "{\"notes\":null,\"plannedPortions\":5}",
	    COOKIE);
	assert_int_equal(status, 200);
	assert_string_equal(fake_db_param(Q_PRODUCTION_UPDATE, 0), "p1");
	assert_string_equal(fake_db_param(Q_PRODUCTION_UPDATE, 1),
	    "{\"planned_portions\":\"5\",\"notes\":null}");
	SERVE("PUT", "/api/production", "{\"id\":\"p2\",\"notes\":\"\"}", COOKIE);
	assert_int_equal(status, 200);
	assert_string_equal(fake_db_param(Q_PRODUCTION_UPDATE, 0), "p2");
	assert_string_equal(fake_db_param(Q_PRODUCTION_UPDATE, 1), "{\"notes\":\"\"}");
	script(state);
	SERVE("PATCH", "/api/production/p1", "{}", COOKIE);
	assert_int_equal(status, 422);
	assert_string_equal(fake_journal(), "begin alone enter end ");
}

static void
log_in(void **state)
{
	static char hash[PASSWORD_HASH_MAX];
	const char *account[] = {"0", "sppg-a", "user-a", hash};
	static const char *const waiting[] = {"77", NULL, NULL, NULL};
	static const char *const nobody[] = {"0", NULL, NULL, NULL};
	static const char *const shown[] = {"{\"user\":1}",
	    "sppg-a\tuser-a\tn\tr\t9\tREAD"};

	(void)state;
	password_hash(hash, "rahasia");
	fake_db_answer(Q_SESSION_TRY, account, 1, 4);
	fake_db_answer(Q_SESSION_SHOW, shown, 1, 2);
	SERVE("POST", "/api/session",
	    "{\"email\":\"Siti@A.example\",\"password\":\"rahasia\"}", "X=1");
	assert_int_equal(status, 201);
	assert_int_equal(strncmp(fake_journal(),
			     "alone session_try session_done session_show cache:", 50),
	    0);
	assert_string_equal(fake_db_param(Q_SESSION_TRY, 0), "siti@a.example");
	assert_null(fake_db_param(Q_SESSION_DONE, 7));
	assert_non_null(strstr(reply, "\nSet-Cookie: dapur_session="));
	assert_non_null(
	    strstr(reply, "; Path=/; HttpOnly; SameSite=Lax; Max-Age=604800\r\n"));
	assert_null(strstr(body, "dapur_session"));

	script(state);
	fake_db_answer(Q_SESSION_TRY, account, 1, 4);
	SERVE("POST", "/api/session",
	    "{\"email\":\"siti@a.example\",\"password\":\"Rahasia\"}", "X=1");
	assert_int_equal(status, 401);
	assert_string_equal(fake_journal(), "alone session_try end ");
	assert_null(strstr(reply, "Set-Cookie"));

	fake_db_answer(Q_SESSION_TRY, nobody, 1, 4);
	SERVE("POST", "/api/session", "{\"email\":\"siti@a.example\",\"password\":\"x\"}",
	    "X=1");
	assert_int_equal(status, 401);
	fake_db_answer(Q_SESSION_TRY, waiting, 1, 4);
	SERVE("POST", "/api/session", "{\"email\":\"siti@a.example\",\"password\":\"x\"}",
	    "X=1");
	assert_int_equal(status, 429);
	assert_true(has_header("Retry-After: 77"));
	SERVE("POST", "/api/session", "{\"email\":\"a@b\",\"password\":\"x\"}",
	    "HTTP_ORIGIN=https://evil.example");
	assert_int_equal(status, 403);
}

static void
log_out(void **state)
{
	static const char *const ended[] = {"h1", "h2"};

	(void)state;
	fake_db_answer(Q_SESSION_END, ended, 2, 1);
	fake_db_answer(Q_TX_EVENTS, NULL, 0, 6);
	SERVE("DELETE", "/api/session?all=1", NULL, COOKIE);
	assert_int_equal(status, 200);
	assert_string_equal(fake_journal(),
	    "begin enter session_end tx_events commit drop:sppg-a:h1 drop:sppg-a:h2 end ");
	assert_string_equal(fake_db_param(Q_SESSION_END, 1), "1");
	assert_non_null(strstr(reply, "\nSet-Cookie: dapur_session=; Path=/"));
	assert_non_null(strstr(reply, "Max-Age=0"));
	assert_string_equal(body, "{\"success\":true,\"data\":{\"ended\":2}}");
}

static void
stream_info(void **state)
{
	static const char *const info[] = {"sppg \"a\"", "user-a", "k3f9.6", "line"};
	json_object *o, *data, *v;

	(void)state;
	fake_db_answer(Q_STREAM_INFO, info, 1, 4);
	SERVE("GET", "/api/ws", NULL, COOKIE);
	assert_int_equal(status, 200);
	o = json_tokener_parse(body);
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
preflight(void **state)
{
	(void)state;
	SERVE("OPTIONS", "/api/production/p1", NULL, "HTTP_ORIGIN=https://friend.example",
	    "HTTP_ACCESS_CONTROL_REQUEST_METHOD=PATCH");
	assert_int_equal(status, 200);
	assert_true(has_header("Access-Control-Allow-Origin: https://friend.example"));
	assert_true(
	    has_header("Access-Control-Allow-Methods: GET, HEAD, PUT, PATCH, DELETE"));
	SERVE("OPTIONS", "/api/production/p1", NULL, "HTTP_ORIGIN=https://evil.example");
	assert_int_equal(status, 200);
	assert_null(strstr(reply, "Access-Control-Allow-Origin"));
	SERVE("OPTIONS", "/api/nothing", NULL, "HTTP_ORIGIN=https://friend.example");
	assert_int_equal(status, 404);
	assert_string_equal(fake_journal(), "");
}

static void
origins_may_read(void **state)
{
	(void)state;
	SERVE("GET", "/api/production?page=2&search=x", NULL, COOKIE,
	    "HTTP_ORIGIN=https://friend.example");
	assert_true(has_header("Access-Control-Allow-Origin: https://friend.example"));
	assert_true(has_header("Access-Control-Allow-Credentials: true"));
	SERVE("GET", "/api/nothing", NULL, COOKIE, "HTTP_ORIGIN=https://friend.example");
	assert_true(has_header("Access-Control-Allow-Origin: https://friend.example"));
	SERVE("GET", "/api/production?page=2&search=x", NULL, COOKIE,
	    "HTTP_ORIGIN=https://evil.example");
	assert_int_equal(status, 200);
	assert_null(strstr(reply, "Access-Control"));
}

static void
problems(void **state)
{
	(void)state;
	SERVE("GET", "/api/nothing", NULL, "HTTP_ACCEPT=application/problem+json");
	assert_true(has_header("Content-Type: application/problem+json"));
	assert_non_null(strstr(body, "\"status\":404"));
	assert_non_null(strstr(body, "\"code\":\"NOT_FOUND\""));
}

static void
bearer_and_health(void **state)
{
	char header[120];

	(void)state;
	snprintf(header, sizeof(header), "HTTP_AUTHORIZATION=%s", bearer);
	SERVE("GET", "/api/production/p1", NULL, header);
	assert_int_equal(status, 200);
	script(state);
	SERVE("GET", "/api/health", NULL, "X=1");
	assert_int_equal(status, 200);
	assert_string_equal(fake_journal(), "alone end ");
	fake_db_fail(Q_HEALTH_READY, E_UNAVAILABLE, false, 1);
	SERVE("GET", "/api/ready", NULL, "X=1");
	assert_int_equal(status, 503);
}

#define TEST(f) cmocka_unit_test_setup(f, script)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(order_of_decisions),
	    TEST(who_before_what),
	    TEST(permission_refused),
	    TEST(every_route_is_guarded),
	    TEST(sites),
	    TEST(reads),
	    TEST(head_has_no_body),
	    TEST(lists),
	    TEST(not_modified),
	    TEST(writes),
	    TEST(several_events),
	    TEST(redis_away),
	    TEST(nothing_changed_is_not_found),
	    TEST(conflicts_run_again),
	    TEST(other_failures_do_not),
	    TEST(if_match),
	    TEST(keys),
	    TEST(updates),
	    TEST(log_in),
	    TEST(log_out),
	    TEST(stream_info),
	    TEST(preflight),
	    TEST(origins_may_read),
	    TEST(problems),
	    TEST(bearer_and_health),
	};

	return cmocka_run_group_tests(tests, open_app, close_app);
}
