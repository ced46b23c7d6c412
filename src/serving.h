/*
 * serving.h: one request on its way through app_serve(), for the four files of app: app.c (the ten steps), app_check.c (what
 * a request's headers say), app_session.c (who a session is) and app_reply.c (what is sent back). Nobody else includes it.
 */
#ifndef DAPUR_SERVING_H
#define DAPUR_SERVING_H

#include "app.h"
#include "reply.h"
#include "route.h"
#include "who.h"

struct app {
	const struct conf *conf;
	struct db *db;
	struct bus *bus;               /* NULL: there is no Redis here */
	struct bus_sessions *sessions; /* NULL: no Redis, or a CGI that serves once */
	struct site site;
	bool https;
	struct reply reply;
};

/* One request on its way. */
struct serving {
	struct app *app;
	struct http_request *r;
	struct err e;
	struct route_match match;
	struct who_claim claim;
	struct input in;
	struct action a;
	struct db_tx tx;
	const char *key;                  /* Idempotency-Key; NULL: none */
	char body_hash[WHO_HASH_HEX + 1]; /* of query and body */
	bool replayed;
	struct who who;      /* TX_SESSION */
	const char *sppg_id; /* for the log; NULL: unknown */
	const char *person_id;
};

/* --- app_check.c: all set s->e and return -1 when they refuse --- */

bool serving_is_write(enum http_method m);

/* A write must come from our own pages or an allowed origin. Fails E_CROSS_SITE. */
int serving_check_site(struct serving *s) MUST_CHECK;

/* The position in If-None-Match, when the tag is one that action_list() gave this very session; else NULL. */
const char *serving_known(struct serving *s);

/* If-Match into s->a.if_match. Fails E_PRECONDITION_FAILED. */
int serving_if_match(struct serving *s) MUST_CHECK;

/* Idempotency-Key into s->key and s->body_hash. Fails E_INVALID. */
int serving_key(struct serving *s) MUST_CHECK;

/* --- app_session.c --- */

/* Who the session is into s->who and s->a: of Redis's cache, else of PostgreSQL. Fails E_UNAUTHORIZED, E_FORBIDDEN. */
int serving_session(struct serving *s) MUST_CHECK;

/* --- app_reply.c --- */

void serving_set_cookie(struct serving *s);
void serving_allow_origin(struct serving *s);

/* True when a tag in If-None-Match is etag (weak comparison, RFC 9110 section 13.1.2). */
bool serving_none_match(struct serving *s, const char *etag);
bool serving_is_preflight(struct serving *s);
void serving_error(struct serving *s);
void serving_options(struct serving *s);
void serving_log(struct serving *s, long long took_us);

#endif
