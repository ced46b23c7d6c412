/*
 * Any envelope: lines of method, request target, X-Forwarded-For, request id. What comes out is a path of clean
 * segments and a route that has them, or an error of the contract.
 */
#include "http.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "route.h"
#include "text.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static const char *const names[] = {"REQUEST_METHOD=", "REQUEST_URI=",
    "HTTP_X_FORWARDED_FOR=", "UNIQUE_ID="};

static void
check_path(const struct http_path *path)
{
	assert(path->n <= HTTP_SEGMENTS_MAX);
	for (size_t i = 0; i < path->n; i++) {
		const char *s = path->segments[i];

		assert(s[0] && strcmp(s, ".") != 0 && strcmp(s, "..") != 0);
		assert(text_utf8_valid(s, strlen(s)));
	}
}

static void
check_route(const struct http_request *r, const struct http_path *path)
{
	struct route_match m;
	struct err e;

	err_reset(&e);
	if (route_find(r->method, path, r->arena, &m, &e) == 0) {
		assert(
		    m.route->method == (r->method == HTTP_HEAD ? HTTP_GET : r->method));
		assert(m.n <= path->n && m.n <= ROUTE_PARAMS_MAX);
		for (size_t i = 0; i < m.n; i++)
			assert(m.names[i][0] && m.values[i][0]);
		return;
	}
	assert(e.code == E_NOT_FOUND || e.code == E_METHOD_NOT_ALLOWED);
	if (e.code == E_METHOD_NOT_ALLOWED)
		assert(e.allow && e.allow[0] &&
		    !strstr(e.allow, http_method_name(r->method)));
}

static void
check_query(const struct http_request *r)
{
	size_t len = strlen(r->query);

	for (int plus = 0; plus < 2; plus++) {
		const char *s = text_decode(r->arena, r->query, len, plus);

		assert(!s || strlen(s) <= len);
		if (s && !strpbrk(r->query, "%+"))
			assert(strcmp(s, r->query) == 0);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	const char *p = (const char *)bytes, *end = p + len;
	char *env[] = {NULL, NULL, NULL, NULL, NULL}, **saved = environ;
	struct arena arena = {NULL, NULL};
	struct http_server *server;
	struct http_request r;
	struct http_path path;
	struct err e;

	for (size_t i = 0; i < N_ELEMENTS(names) && p < end; i++) {
		const char *lf = memchr(p, '\n', (size_t)(end - p));
		size_t n = (size_t)((lf ? lf : end) - p), name_len = strlen(names[i]);

		env[i] = xmalloc(name_len + n + 1);
		memcpy(env[i], names[i], name_len);
		memcpy(env[i] + name_len, p, n);
		env[i][name_len + n] = '\0';
		p += n + (lf ? 1 : 0);
	}
	environ = env;
	err_reset(&e);
	server = http_open();
	assert(http_accept(server, &r, &arena, true));
	assert(strspn(r.address, "0123456789abcdefABCDEF.:") == strlen(r.address));
	assert(r.request_id[0] && strlen(r.request_id) <= 64 &&
	    !strpbrk(r.request_id, " \t\r\n\"<>"));
	if (http_split_path(r.uri, "/api", &arena, &path, &e) == 0) {
		check_path(&path);
		check_route(&r, &path);
	} else {
		assert(e.code == E_NOT_FOUND);
	}
	check_query(&r);
	http_close(server);
	arena_free(&arena);
	environ = saved;
	for (size_t i = 0; i < N_ELEMENTS(names); i++)
		free(env[i]);
	return 0;
}
