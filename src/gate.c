#include "gate.h"

#include <time.h>

#include "feed.h"

#include "banned.h"

int
gate_open(const struct http_request *r, const struct conf *c,
    struct route_match *ret_match, struct who_claim *ret_claim, struct err *e)
{
	const struct http_path ws = {.n = 1, .segments = {"ws"}};
	const struct feed_env env = {
	    .cookie = http_header(r, "HTTP_COOKIE"),
	    .authorization = http_header(r, "HTTP_AUTHORIZATION"),
	    .origin = http_header(r, "HTTP_ORIGIN"),
	    .query = r->query,
	    .host = r->host,
	    .needs_origin = true,
	};

	if (route_find(HTTP_GET, &ws, r->arena, ret_match, e) < 0)
		return -1;
	return feed_claim(ret_claim, c, &env, time(NULL), e);
}
