/* One CGI request after another within one process: glibc lets stdin and stdout be set. */
#include "serve.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>
#include <sodium.h>

#include "app.h"
#include "log.h"
#include "who.h"

#include "fake.h"

#include <cmocka.h>

struct serve_reply serve;
char serve_cookie[80], serve_bearer[80];
static char session_hash[WHO_HASH_HEX + 1];

const char *
serve_tag(const char *position)
{
	static char tag[100];

	snprintf(tag, sizeof(tag), "W/\"%s-%.12s\"", position, session_hash);
	return tag;
}

static struct conf conf;
static struct app *app;

static const char *const someone[] = {"sppg-a", "user-a"};
/* topic, seq, line, data_at, data_len, epoch */
static const char *const event[] = {"production", "7", LINE, "36", "11", "k3f9"};
static const char *const listed[] = {"k3f9.6", "[]", "0"};
static const char *const got[] = {"k3f9.6", "{\"id\":\"p1\"}", "3"};

int
serve_open(void **state)
{
	char token[WHO_TOKEN_LEN + 1], hash[WHO_HASH_HEX + 1];

	(void)state;
	if (sodium_init() < 0)
		return -1;
	log_open("unit", LOG_ERROR + 1);
	who_token_new(token, hash);
	memcpy(session_hash, hash, sizeof(session_hash));
	snprintf(serve_cookie, sizeof(serve_cookie), "HTTP_COOKIE=dapur_session=%s",
	    token);
	snprintf(serve_bearer, sizeof(serve_bearer), "HTTP_AUTHORIZATION=Bearer %s",
	    token);
	conf_defaults(&conf);
	conf.body_max = 1024;
	free(conf.allowed_origins);
	conf.allowed_origins = strdup("https://friend.example");
	app = app_open(&conf, true);
	return 0;
}

int
serve_close(void **state)
{
	(void)state;
	app_close(app);
	conf_free(&conf);
	free(serve.text);
	fake_reset();
	return 0;
}

int
serve_script(void **state)
{
	(void)state;
	fake_reset();
	fake_db_answer(Q_ENTER, someone, 1, 2);
	fake_db_answer(Q_TX_EVENTS, event, 1, 6);
	fake_db_answer(Q_PRODUCTION_LIST, listed, 1, 3);
	fake_db_answer(Q_PRODUCTION_GET, got, 1, 3);
	return 0;
}

void
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
	free(serve.text);
	serve.text = NULL;
	stdin = fmemopen((void *)(uintptr_t)(content && *content ? content : " "),
	    content && *content ? strlen(content) : 1, "r");
	stdout = open_memstream(&serve.text, &len);
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
	assert_int_equal(strncmp(serve.text, "Status: ", 8), 0);
	serve.status = (int)strtol(serve.text + 8, NULL, 10);
	serve.body = strstr(serve.text, "\r\n\r\n");
	assert_non_null(serve.body);
	serve.body += 4;
}

bool
serve_header(const char *line)
{
	const char *p = strstr(serve.text, line);

	return p && p < serve.body && p[-1] == '\n' && p[strlen(line)] == '\r';
}

const char *
serve_code(void)
{
	static char text[32];
	json_object *o = json_tokener_parse(serve.body), *v;

	assert_non_null(o);
	assert_true(json_object_object_get_ex(o, "success", &v));
	assert_false(json_object_get_boolean(v));
	assert_true(json_object_object_get_ex(o, "requestId", &v));
	assert_string_equal(json_object_get_string(v), "req-1");
	assert_true(serve_header("X-Request-Id: req-1"));
	assert_true(json_object_object_get_ex(o, "code", &v));
	snprintf(text, sizeof(text), "%s", json_object_get_string(v));
	json_object_put(o);
	return text;
}
