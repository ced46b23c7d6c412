/* Who asks for a feed, by what the web server tells of the request; and what the settings say of feeds. */
#include "feed.h"

#include <string.h>

#include "text.h"

#include "banned.h"

#define ASK_MORE_MS 3000 /* the helper has to start and connect, too */
/* Life of an idle helper: a thousand streams must not hold a database connection each. Without Redis it is asked each
 * second and stays. */
#define ASK_LINGER_MS 250
#define ASK_LINGER_NONE_MS 3000

/* No control characters: the value becomes a part of lines. */
static bool
decode(const char *s, size_t len, char *ret, size_t cap)
{
	if (!text_decode_into(ret, cap, s, len, true))
		return false;
	for (const char *p = ret; *p; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			return false;
	return true;
}

/* The undecoded value of a query's member; NULL: absent. */
static const char *
find_value(const char *query, const char *name, size_t *ret_len)
{
	size_t name_len = strlen(name);

	for (const char *p = query; p && *p;) {
		size_t len = strcspn(p, "&");

		if (len > name_len && p[name_len] == '=' &&
		    memcmp(p, name, name_len) == 0) {
			*ret_len = len - name_len - 1;
			return p + name_len + 1;
		}
		p += len;
		p += *p == '&';
	}
	return NULL;
}

bool
feed_given(const char *query, const char *name)
{
	size_t len;

	return find_value(query, name, &len);
}

bool
feed_param(const char *query, const char *name, char *ret, size_t cap)
{
	size_t len;
	const char *value = find_value(query, name, &len);

	return value && decode(value, len, ret, cap);
}

void
feed_after(char ret[POSITION_CAP], const char *query)
{
	if (feed_param(query, "after", ret, POSITION_CAP))
		return;
	ret[0] = feed_given(query, "after") ? '?' : '\0';
	ret[1] = '\0';
}

static int
check_site(const struct conf *c, const struct feed_env *env, struct err *e)
{
	bool given = env->origin && env->origin[0];

	if (given && !conf_origin_allowed(c, env->origin) &&
	    !conf_origin_is_own(c, env->origin, env->host))
		return fail(e, E_CROSS_SITE, "this page may not open the feed");
	if (!given && env->needs_origin)
		return fail(e, E_CROSS_SITE, "a session cookie needs an Origin");
	if (!given && env->fetch_site && strcmp(env->fetch_site, "cross-site") == 0)
		return fail(e, E_CROSS_SITE, "this page may not open the feed");
	return 0;
}

int
feed_claim(struct who_claim *ret, const struct conf *c, const struct feed_env *env,
    int64_t now_s, struct err *e)
{
	char ticket[WHO_TICKET_LEN + 1];

	if (feed_param(env->query, "token", ticket, sizeof(ticket)))
		return who_ticket_open(ret, ticket, c->secret, now_s, e);
	who_claim(ret, env->cookie, env->authorization, conf_https(c));
	if (ret->means == WHO_NOBODY)
		return fail(e, E_UNAUTHORIZED, NULL);
	if (ret->means == WHO_COOKIE)
		return check_site(c, env, e);
	return 0;
}

void
feed_hub_options(struct hub_options *ret, const struct conf *c, const char *conf_path)
{
	*ret = (struct hub_options){
	    .bus = {.address = c->redis,
		.user = c->redis_user,
		.password = c->redis_password,
		.db = c->redis_db,
		.timeout_ms = c->redis_timeout_ms,
		.history_events = c->history_events,
		.history_s = c->history_hours * 3600},
	    .ask = {.command = c->ask_command,
		.conf_path = conf_path,
		.timeout_ms = c->db_timeout_ms + ASK_MORE_MS,
		.linger_ms =
		    strcmp(c->redis, "none") == 0 ? ASK_LINGER_NONE_MS : ASK_LINGER_MS},
	    .check_ms = c->heartbeat_ms / 2,
	    .tenant_max = c->feed_streams_tenant,
	};
}
