#include "gate.h"

#include <time.h>

#include "feed.h"

#include "banned.h"

static int
pass(struct action *a, struct err *e)
{
	(void)a;
	(void)e;
	return 0;
}

/* The row of the upgrade; the table has the same path's plain GET. */
static const struct route upgrade = {HTTP_GET, "/ws", PERM_READ, TX_SESSION, NULL, pass,
    NULL, "may this WebSocket be let through"};

int
gate_open(const struct http_request *r, const struct conf *c,
    struct route_match *ret_match, struct who_claim *ret_claim, struct err *e)
{
	const struct feed_env env = {
	    .cookie = http_header(r, "HTTP_COOKIE"),
	    .authorization = http_header(r, "HTTP_AUTHORIZATION"),
	    .origin = http_header(r, "HTTP_ORIGIN"),
	    .query = r->query,
	    .host = r->host,
	    .needs_origin = true,
	};

	ret_match->route = &upgrade;
	return feed_claim(ret_claim, c, &env, time(NULL), e);
}
