/*
 * app_reply.c: what a request is sent besides its data: cookie, errors, the answer to OPTIONS; and its log line.
 */
#include "serving.h"

#include <string.h>

#include "log.h"

#include "banned.h"

void
serving_set_cookie(struct serving *s)
{
	const char *token = s->a.answer.cookie;
	long age = token && token[0] ? s->app->conf->session_hours * 3600 : 0;

	if (token)
		buf_printf(&s->app->reply.headers,
		    "Set-Cookie: %s=%s; Path=/; HttpOnly; SameSite=Lax; Max-Age=%ld%s\r\n",
		    who_cookie_name(s->app->https), token, age,
		    s->app->https ? "; Secure" : "");
}

/* Other sites' pages may read the reply only when their origin is allowed. */
void
serving_allow_origin(struct serving *s)
{
	const char *origin = http_header(s->r, "HTTP_ORIGIN");

	if (!origin || !conf_origin_allowed(s->app->conf, origin))
		return;
	reply_header(&s->app->reply, "Access-Control-Allow-Origin", origin);
	reply_header(&s->app->reply, "Access-Control-Allow-Credentials", "true");
	reply_header(&s->app->reply, "Access-Control-Expose-Headers",
	    "ETag, X-Stream-Position, X-Request-Id, Retry-After, Idempotency-Replayed");
}

/* True when one of the tags in If-None-Match is etag (weak comparison, RFC 9110 section 13.1.2). */
bool
serving_none_match(struct serving *s, const char *etag)
{
	const char *header = http_header(s->r, "HTTP_IF_NONE_MATCH");
	const char *opaque = etag[0] == 'W' ? etag + 2 : etag;
	size_t len = strlen(opaque);
	const char *p;

	if (!header)
		return false;
	if (strcmp(header, "*") == 0)
		return true;
	p = strstr(header, opaque);
	return p && (p[len] == '\0' || p[len] == ',' || p[len] == ' ');
}

void
serving_error(struct serving *s)
{
	const char *accept = http_header(s->r, "HTTP_ACCEPT");
	struct reply *reply = &s->app->reply;

	reply_reset(reply);
	reply_common(reply, s->r->request_id, s->app->https);
	serving_allow_origin(s);
	reply_error(reply, &s->e, s->r->request_id,
	    accept && strstr(accept, "application/problem+json"));
}

/* What a path takes; also the answer to a CORS preflight. */
void
serving_options(struct serving *s)
{
	struct reply *reply = &s->app->reply;

	reply->status = 200;
	reply_header(reply, "Allow", s->match.allow);
	if (http_header(s->r, "HTTP_ORIGIN")) {
		serving_allow_origin(s);
		reply_header(reply, "Access-Control-Allow-Methods", s->match.allow);
		reply_header(reply, "Access-Control-Allow-Headers",
		    "Content-Type, Authorization, Idempotency-Key, If-Match, If-None-Match");
		reply_header(reply, "Access-Control-Max-Age", "600");
	}
	reply_success(reply, "null", 4, NULL, NULL);
}

void
serving_log(struct serving *s, long long took_us)
{
	const struct reply *reply = &s->app->reply;
	const struct err *e = &s->e;
	bool failed = e->code != E_OK;

	log_event(reply->status >= 500 ? LOG_ERROR : LOG_INFO, "request", "method",
	    http_method_name(s->r->method), "path",
	    arena_strndup(s->r->arena, s->r->uri, strcspn(s->r->uri, "?")), "status",
	    log_num(reply->status), "us", log_num(took_us), "id", s->r->request_id,
	    "address", s->r->address, "sppg", s->sppg_id, "person", s->person_id, "code",
	    failed ? err_info(e->code)->name : NULL, "detail",
	    failed && e->detail[0] ? e->detail : NULL, NULL);
}

bool
serving_is_preflight(struct serving *s)
{
	return s->r->method == HTTP_OPTIONS && s->e.code == E_METHOD_NOT_ALLOWED;
}
