/*
 * app_check.c: what a request's headers say: where it comes from, which version it read, which key it carries.
 */
#include "serving.h"

#include <ctype.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "banned.h"

#define KEY_MAX 255 /* characters of an Idempotency-Key */
#define TAGS_MAX 16 /* entity tags of If-Match that are looked at */

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

/* Of a list's entity tag. Others must not reach a statement. */
static const char tag_characters[] = ".0123456789abcdefghijklmnopqrstuvwxyz"
				     "ABCDEFGHIJKLMNOPQRSTUVWXYZ-_";

const char *
serving_known(struct serving *s)
{
	const char *tag = http_header(s->r, "HTTP_IF_NONE_MATCH"), *end, *dash;

	if (!tag || strncmp(tag, "W/\"", 3) != 0)
		return NULL;
	tag += 3;
	end = tag + strspn(tag, tag_characters);
	if (*end != '"' || !strchr(", ", end[1]))
		return NULL;
	tag = arena_strndup(s->r->arena, tag, (size_t)(end - tag));
	dash = strrchr(tag, '-');
	if (!dash || strlen(dash + 1) != ACTION_ASKER_LEN ||
	    strncmp(dash + 1, s->claim.hash, ACTION_ASKER_LEN) != 0)
		return NULL;
	return arena_strndup(s->r->arena, tag, (size_t)(dash - tag));
}

/* Any of several tags may match (RFC 9110 section 13.1.1); what is none of ours matches nothing. */
int
serving_if_match(struct serving *s)
{
	const char *p = http_header(s->r, "HTTP_IF_MATCH");
	char list[TAGS_MAX * sizeof("123456789,") + sizeof("{}")];
	size_t n = 0, at = 0;

	if (!p || strcmp(p, "*") == 0 || s->match.route->tx != TX_WRITE)
		return 0;
	for (; *p && n < TAGS_MAX; p += strcspn(p, ",")) {
		size_t digits;

		p += strspn(p, ", \t");
		if (strncmp(p, "\"v", 2) != 0)
			continue;
		digits = strspn(p + 2, "0123456789");
		if (digits < 1 || digits > 9 || p[2 + digits] != '"' ||
		    !strchr(", \t", p[3 + digits]))
			continue;
		at += (size_t)snprintf(list + at, sizeof(list) - at, "%c%.*s",
		    n++ ? ',' : '{', (int)digits, p + 2);
	}
	if (n == 0)
		return fail(&s->e, E_PRECONDITION_FAILED,
		    "If-Match must be the ETag of a production, such as \"v7\"");
	s->a.if_match = arena_printf(s->r->arena, "%s}", list);
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
