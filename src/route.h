/*
 * route.h: the list of all route tables, and the look-up.
 *
 * Everything that names the actions (app, dapur routes, OpenAPI, tRPC, the generated tests) walks the same rows.
 */
#ifndef DAPUR_ROUTE_H
#define DAPUR_ROUTE_H

#include "action.h"
#include "http.h"

enum { ROUTE_PARAMS_MAX = 4 };

/* A route that was found, with what its "{id}" placeholders stand for. */
struct route_match {
	const struct route *route;
	size_t n;
	const char *names[ROUTE_PARAMS_MAX];
	const char *values[ROUTE_PARAMS_MAX];
	char allow[64]; /* of E_METHOD_NOT_ALLOWED: the methods that the path has */
};

/* The i-th route, or NULL after the last. */
const struct route *route_at(size_t i);

/* HEAD finds GET. Fails E_NOT_FOUND, E_METHOD_NOT_ALLOWED with ret->allow filled. */
int route_find(enum http_method method, const struct http_path *path, struct arena *a,
    struct route_match *ret, struct err *e) MUST_CHECK;

#endif
