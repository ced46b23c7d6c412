#include "reply.h"

#include <string.h>

#include "banned.h"

void
reply_init(struct reply *r)
{
	r->status = 200;
	buf_init(&r->headers, 0);
	buf_init(&r->body, 0);
}

void
reply_reset(struct reply *r)
{
	r->status = 200;
	buf_reset(&r->headers);
	buf_reset(&r->body);
}

void
reply_free(struct reply *r)
{
	buf_free(&r->headers);
	buf_free(&r->body);
}

void
reply_header(struct reply *r, const char *name, const char *value)
{
	buf_printf(&r->headers, "%s: %s\r\n", name, value);
}

void
reply_common(struct reply *r, const char *request_id, bool https)
{
	reply_header(r, "X-Request-Id", request_id);
	/* private: a shared cache must never mix tenants; no-cache: ETags decide */
	buf_adds(&r->headers,
	    "Cache-Control: private, no-cache\r\n"
	    "Vary: Cookie, Authorization, Accept, Origin\r\n"
	    "X-Content-Type-Options: nosniff\r\n"
	    "X-Frame-Options: DENY\r\n"
	    "Referrer-Policy: same-origin\r\n"
	    "Cross-Origin-Resource-Policy: same-origin\r\n"
	    "Content-Security-Policy: default-src 'none'; frame-ancestors 'none'\r\n");
	if (https)
		buf_adds(&r->headers, "Strict-Transport-Security: max-age=31536000\r\n");
}

void
reply_success(struct reply *r, const char *data, size_t len,
    const struct reply_page *page, const char *position)
{
	reply_header(r, "Content-Type", "application/json; charset=utf-8");
	buf_adds(&r->body, "{\"success\":true,\"data\":");
	buf_add(&r->body, data, len);
	if (page)
		buf_printf(&r->body,
		    ",\"pagination\":{\"total\":%lld,\"page\":%lld,\"limit\":%lld,\"pages\":%lld}",
		    page->total, page->page, page->limit,
		    (page->total + page->limit - 1) / page->limit);
	if (position)
		buf_printf(&r->body, ",\"position\":\"%s\"", position);
	buf_addc(&r->body, '}');
}

static void
member(struct buf *b, const char *name, const char *value)
{
	buf_printf(b, ",\"%s\":", name);
	buf_add_json(b, value, strlen(value));
}

static void
add_fields(struct buf *b, const struct err *e)
{
	buf_adds(b, ",\"errors\":[");
	for (size_t i = 0; i < e->n_fields; i++) {
		const struct err_field *f = &e->fields[i];

		buf_printf(b, "%s{\"path\":", i ? "," : "");
		buf_add_json(b, f->path, strlen(f->path));
		member(b, "code", f->code);
		member(b, "message", f->message);
		buf_addc(b, '}');
	}
	buf_addc(b, ']');
}

void
reply_error(struct reply *r, const struct err *e, const char *request_id, bool problem)
{
	const struct err_info *info = err_info(e->code);
	const char *text = e->text[0] ? e->text : info->text;
	struct buf *b = &r->body;

	r->status = info->http_status;
	reply_header(r, "Content-Type",
	    problem ? "application/problem+json" : "application/json; charset=utf-8");
	if (e->retry_after_s)
		buf_printf(&r->headers, "Retry-After: %u\r\n", e->retry_after_s);
	if (e->allow)
		reply_header(r, "Allow", e->allow);
	if (e->code == E_UNAUTHORIZED)
		reply_header(r, "WWW-Authenticate", "Bearer");
	if (problem) {
		buf_printf(b, "{\"type\":\"about:blank\",\"status\":%d",
		    info->http_status);
		member(b, "title", info->text);
		member(b, "detail", text);
	} else {
		buf_adds(b, "{\"success\":false");
		member(b, "error", text);
	}
	member(b, "code", info->name);
	add_fields(b, e);
	member(b, "requestId", request_id);
	buf_addc(b, '}');
}
