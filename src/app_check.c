/*
 * app_check.c: what a request's headers say: where it comes from, which version it read, which key it carries.
 */
#include "serving.h"

#include <ctype.h>
#include <sodium.h>
#include <string.h>

#include "banned.h"

#define KEY_MAX 255 /* characters of an Idempotency-Key */

bool
serving_is_write(enum http_method m)
{
	return m == HTTP_POST || m == HTTP_PUT || m == HTTP_PATCH || m == HTTP_DELETE;
}

/* A browser says where a write comes from: by Sec-Fetch-Site, else by Origin. Something that says neither is no browser. */
int
serving_check_site(struct serving *s)
{
	const char *site = http_header(s->r, "HTTP_SEC_FETCH_SITE");
	const char *origin = http_header(s->r, "HTTP_ORIGIN");

	if (!serving_is_write(s->r->method))
		return 0;
	if (site && (strcmp(site, "same-origin") == 0 || strcmp(site, "none") == 0))
		return 0;
	if (!site && !origin)
		return 0;
	if (origin && conf_origin_allowed(s->app->conf, origin))
		return 0;
	if (!site && origin && conf_origin_is_own(s->app->conf, origin, s->r->host))
		return 0;
	return fail(&s->e, E_CROSS_SITE, NULL);
}

/* Of our entity tags: versions and positions. Others' must not reach a statement. */
static const char tag_characters[] = ".0123456789abcdefghijklmnopqrstuvwxyz"
				     "ABCDEFGHIJKLMNOPQRSTUVWXYZ-_";

/* What the first entity tag of a header holds after `prefix`; NULL when it is none of ours. */
static const char *
tag_value(struct serving *s, const char *header, const char *prefix)
{
	const char *value = http_header(s->r, header), *end;
	size_t len = strlen(prefix);

	if (!value || strncmp(value, prefix, len) != 0)
		return NULL;
	value += len;
	end = value + strspn(value, tag_characters);
	if (*end != '"' || (end[1] && end[1] != ',' && end[1] != ' '))
		return NULL;
	return arena_strndup(s->r->arena, value, (size_t)(end - value));
}

const char *
serving_known(struct serving *s)
{
	const char *tag = tag_value(s, "HTTP_IF_NONE_MATCH", "W/\"");
	const char *dash = tag ? strrchr(tag, '-') : NULL;

	if (!dash || strlen(dash + 1) != ACTION_ASKER_LEN ||
	    strncmp(dash + 1, s->claim.hash, ACTION_ASKER_LEN) != 0)
		return NULL;
	return arena_strndup(s->r->arena, tag, (size_t)(dash - tag));
}

int
serving_if_match(struct serving *s)
{
	const char *header = http_header(s->r, "HTTP_IF_MATCH");
	const char *version;
	size_t len;

	if (!header || strcmp(header, "*") == 0 || s->match.route->tx != TX_WRITE)
		return 0;
	version = tag_value(s, "HTTP_IF_MATCH", "\"v");
	len = version ? strlen(version) : 0;
	if (len < 1 || len > 9 || strspn(version, "0123456789") != len)
		return fail(&s->e, E_PRECONDITION_FAILED,
		    "If-Match must be the ETag of a production, such as \"v7\"");
	s->a.if_match = version;
	return 0;
}

int
serving_key(struct serving *s)
{
	const char *key = http_header(s->r, "HTTP_IDEMPOTENCY_KEY");
	unsigned char hash[crypto_hash_sha256_BYTES];
	crypto_hash_sha256_state state;
	size_t len;

	if (!key || s->match.route->tx != TX_WRITE)
		return 0;
	len = strlen(key);
	if (len < 1 || len > KEY_MAX)
		return fail_field(&s->e, "Idempotency-Key", "TOO_LONG",
		    "must have 1 to %d characters", KEY_MAX);
	for (const char *p = key; *p; p++)
		if (!isprint((unsigned char)*p))
			return fail_field(&s->e, "Idempotency-Key", "CONTROL",
			    "must be printable ASCII");
	crypto_hash_sha256_init(&state);
	crypto_hash_sha256_update(&state, (const unsigned char *)s->r->query,
	    strlen(s->r->query) + 1);
	crypto_hash_sha256_update(&state, (const unsigned char *)s->r->body,
	    s->r->body_len);
	crypto_hash_sha256_final(&state, hash);
	sodium_bin2hex(s->body_hash, sizeof(s->body_hash), hash, sizeof(hash));
	s->key = key;
	return 0;
}
