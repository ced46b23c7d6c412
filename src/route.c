#include "route.h"

#include <stdio.h>
#include <string.h>

#include "act.h"

#include "banned.h"

static const struct route *const tables[] = {
    act_session,
    act_production,
    act_quality,
    act_kitchen,
    act_stream,
    act_health,
};

const struct route *
route_at(size_t i)
{
	for (size_t t = 0; t < N_ELEMENTS(tables); t++)
		for (const struct route *r = tables[t]; r->path; r++)
			if (i-- == 0)
				return r;
	return NULL;
}

/* Compares a path with a row's pattern; placeholders take any one segment. */
static bool
matches(const char *pattern, const struct http_path *path, struct arena *a,
    struct route_match *ret)
{
	size_t i = 0;

	ret->n = 0;
	while (*pattern) {
		size_t len = strcspn(++pattern, "/");

		if (i == path->n)
			return false;
		if (*pattern == '{') {
			ret->names[ret->n] = arena_strndup(a, pattern + 1, len - 2);
			ret->values[ret->n++] = path->segments[i];
		} else if (strlen(path->segments[i]) != len ||
		    memcmp(pattern, path->segments[i], len) != 0) {
			return false;
		}
		pattern += len;
		i++;
	}
	return i == path->n;
}

int
route_find(enum http_method method, const struct http_path *path, struct arena *a,
    struct route_match *ret, struct err *e)
{
	enum http_method wanted = method == HTTP_HEAD ? HTTP_GET : method;
	struct route_match other = {.allow = ""};
	const struct route *r;

	for (size_t i = 0; (r = route_at(i)); i++) {
		size_t len = strlen(other.allow);

		if (!matches(r->path, path, a, ret))
			continue;
		if (r->method == wanted) {
			ret->route = r;
			return 0;
		}
		/* "/production/stats" must not offer what "/production/{id}" takes */
		if (other.route && other.n < ret->n)
			continue;
		other.route = r;
		other.n = ret->n;
		snprintf(other.allow + len, sizeof(other.allow) - len, "%s%s%s",
		    len ? ", " : "", http_method_name(r->method),
		    r->method == HTTP_GET ? ", HEAD" : "");
	}
	if (!other.route)
		return fail(e, E_NOT_FOUND, "there is nothing at this path");
	memcpy(ret->allow, other.allow, sizeof(ret->allow));
	e->allow = ret->allow;
	return fail(e, E_METHOD_NOT_ALLOWED, "this path takes %s", ret->allow);
}
