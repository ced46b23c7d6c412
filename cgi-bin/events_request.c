/* One request of events.fcgi: who asks, what for, and the sink that carries it. */
#include "events.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "clock.h"
#include "input_check.h"
#include "log.h"
#include "page.h"
#include "reply.h"

#include "banned.h"

enum {
	LIMIT_DEFAULT = 100, /* events of a page */
	PAGE_MAX = 1 << 20,  /* bytes of a page, but for its last event */
	RETRY_SOON_S = 2,
	RETRY_LATE_S = 30,
	LAST_FRAMES = 512, /* room beside the queue for a heartbeat or the last word */
};

/* Nothing more will be put: what is queued leaves, then the stream is closed. */
static void
answered(struct stream *s)
{
	if (s->answered)
		return;
	http_stream_finish(&s->io);
	s->answered = true;
	s->until_ms = clock_ms() + FLUSH_MS;
}

/* --- Server-Sent Events --- */

static void
sse_frame(struct buf *b, const struct feed_frame *f)
{
	/* Frames that are not events are named by their type; the first member says it. */
	static const char *const names[] = {
	    [FEED_CONNECTED] = "connected",
	    [FEED_HEARTBEAT] = "heartbeat",
	    [FEED_RESET] = "reset",
	    [FEED_PONG] = "pong",
	    [FEED_RECONNECT] = "reconnect",
	    [FEED_DISCONNECT] = "disconnect",
	};
	const char *name = f->kind < N_ELEMENTS(names) ? names[f->kind] : NULL;
	char position[POSITION_CAP];

	if (f->final) /* EventSource returns for ever: seldom, then */
		buf_printf(b, "retry: %d\n", RETRY_LATE_S * 1000);
	if (name)
		buf_printf(b, "event: %s\n", name);
	if (f->position) {
		position_text(position, f->position);
		buf_printf(b, "id: %s\n", position);
	}
	buf_adds(b, "data: ");
	buf_add(b, f->text, f->len);
	buf_adds(b, "\n\n");
}

static bool
sse_write(void *arg, const struct feed_frame *f)
{
	struct stream *s = arg;
	size_t queued = http_stream_queued(&s->io);
	size_t room = (size_t)s->server->conf.feed_queue_max;
	struct buf b = {0};

	if (f->kind == FEED_RECONNECT || f->kind == FEED_DISCONNECT) {
		http_stream_drop(&s->io);
	} else {
		if (f->kind != FEED_EVENT)
			room += LAST_FRAMES;
		if (queued && queued + f->len > room)
			return false;
	}
	sse_frame(&b, f);
	http_stream_put(&s->io, b.bytes, b.len);
	buf_free(&b);
	return true;
}

static void
sse_end(void *arg)
{
	answered(arg);
}

static const struct feed_sink sse_sink = {.write = sse_write, .end = sse_end};

static void
sse_begin(struct stream *s)
{
	struct buf b = {0};

	buf_printf(&b,
	    "Content-Type: text/event-stream; charset=utf-8\r\n"
	    "Cache-Control: no-cache, no-transform\r\n"
	    "X-Accel-Buffering: no\r\n"
	    "X-Content-Type-Options: nosniff\r\n"
	    "X-Request-Id: %s\r\n",
	    s->request_id);
	http_stream_head(&s->io, 200, &b);
	buf_reset(&b);
	/* spread, so that the clients of a lost server do not return in one moment */
	buf_printf(&b, "retry: %ld\n\n", 1000 + (long)(randombytes_uniform(2000)));
	http_stream_put(&s->io, b.bytes, b.len);
	buf_free(&b);
}

/* --- pages --- */

static void
send_reply(struct stream *s, struct reply *r)
{
	buf_printf(&r->headers, "Content-Length: %zu\r\n", r->body.len);
	http_stream_head(&s->io, r->status, &r->headers);
	if (!s->head_only)
		http_stream_put(&s->io, r->body.bytes, r->body.len);
	reply_free(r);
	answered(s);
}

static void
send_error(struct stream *s, const struct err *e)
{
	struct reply r;

	reply_init(&r);
	reply_common(&r, s->request_id, s->https);
	reply_error(&r, e, s->request_id, s->problem);
	send_reply(s, &r);
}

void
page_send(struct stream *s)
{
	char position[POSITION_CAP], head[POSITION_CAP];
	struct position at;
	struct reply r;

	reply_init(&r);
	reply_common(&r, s->request_id, s->https);
	reply_header(&r, "Content-Type", "application/json; charset=utf-8");
	position_text(position, feed_at(s->feed));
	feed_head(s->feed, &at);
	position_text(head, &at);
	buf_adds(&r.body, "{\"success\":true,\"data\":[");
	buf_add(&r.body, s->events.bytes, s->events.len);
	buf_printf(&r.body, "],\"position\":\"%s\",\"head\":\"%s\"", position, head);
	if (s->reset_text.len) {
		buf_adds(&r.body, ",\"reset\":");
		buf_add(&r.body, s->reset_text.bytes, s->reset_text.len);
	}
	buf_addc(&r.body, '}');
	send_reply(s, &r);
}

static void
page_event(struct stream *s, const struct feed_frame *f)
{
	if (s->n++)
		buf_addc(&s->events, ',');
	buf_add(&s->events, f->text, f->len);
}

static void
page_refused(struct stream *s, const struct feed_frame *f)
{
	struct err e;

	err_reset(&e);
	/* rights have changed, or were taken: who comes back with the position learns which */
	if (!f->final && feed_placed(s->feed) && !s->n) {
		page_send(s);
		return;
	}
	for (enum err_code code = E_OK + 1; code < E_COUNT; code++)
		if (f->final && strcmp(err_info(code)->name, f->code) == 0)
			(void)fail(&e, code, "%s", f->message);
	if (e.code == E_OK)
		(void)fail(&e, E_UNAVAILABLE, NULL);
	if (e.code == E_UNAVAILABLE)
		e.retry_after_s = RETRY_SOON_S;
	if (e.code == E_TOO_MANY_REQUESTS)
		e.retry_after_s = RETRY_LATE_S;
	send_error(s, &e);
}

static bool
page_write(void *arg, const struct feed_frame *f)
{
	struct stream *s = arg;

	if (s->answered)
		return false;
	switch (f->kind) {
	case FEED_EVENT:
		if (s->n == s->limit || s->events.len > PAGE_MAX)
			return false;
		page_event(s, f);
		break;
	case FEED_RESET:
		buf_add(&s->reset_text, f->text, f->len);
		break;
	case FEED_DISCONNECT:
		page_refused(s, f);
		break;
	case FEED_FOREIGN: /* has no place in a page: it would come to some and not to others */
	case FEED_CONNECTED:
	case FEED_HEARTBEAT:
	case FEED_PONG:
	case FEED_RECONNECT:
		break;
	}
	return true;
}

/* Whether the page can be sent as it is. Looked at outside the sink, when the feed may be closed. */
bool
page_ready(const struct stream *s, int64_t now)
{
	if (s->answered || !s->feed || feed_ended(s->feed) || !feed_placed(s->feed))
		return false;
	if (s->reset_text.len || s->n >= s->limit || s->events.len > PAGE_MAX)
		return true;
	if (now >= s->wait_until_ms)
		return feed_caught_up(s->feed);
	return s->n > 0 && feed_caught_up(s->feed);
}

static void
page_end(void *arg)
{
	(void)arg;
}

static const struct feed_sink page_sink = {.write = page_write, .end = page_end};

/* --- requests --- */

void
stream_free(struct stream *s)
{
	feed_close(s->feed);
	http_stream_free(&s->io);
	http_let_go(s->http);
	buf_free(&s->events);
	buf_free(&s->reset_text);
	free(s);
}

/* As of an action: what is no number or out of its range is a fault, an empty value is absent. */
static long
number_param(const char *query, const struct field *f, long absent, struct err *e)
{
	char text[32];

	if (!feed_given(query, f->name))
		return absent;
	if (!feed_param(query, f->name, text, sizeof(text)))
		snprintf(text, sizeof(text), "?");
	if (!text[0] || input_check_string(f, text, e) < 0)
		return absent;
	return strtol(text, NULL, 10);
}

/* Fails E_INVALID. */
static int
read_numbers(struct stream *s, const char *query, struct err *e)
{
	static const struct field limit = {"limit", IN_QUERY, FIELD_INT, 0, 1,
	    PAGE_EVENTS_MAX, NULL, NULL};
	static const struct field wait = {"wait", IN_QUERY, FIELD_INT, 0, 0,
	    PAGE_WAIT_MAX_S, NULL, NULL};

	s->limit = number_param(query, &limit, LIMIT_DEFAULT, e);
	s->wait_until_ms = clock_ms() + 1000 * number_param(query, &wait, 0, e);
	return e->n_fields ? -1 : 0;
}

/* A page is what asks for JSON, or says how much or how long. */
static bool
wants_page(const struct http_request *r)
{
	const char *accept = http_header(r, "HTTP_ACCEPT");

	if (accept && strstr(accept, "text/event-stream"))
		return false;
	return (accept && strstr(accept, "json")) || feed_given(r->query, "wait") ||
	    feed_given(r->query, "limit");
}

static void
refuse(struct stream *s, struct err *e)
{
	log_event(LOG_INFO, "refused", "code", err_info(e->code)->name, "request",
	    s->request_id, NULL);
	if (s->page) {
		send_error(s, e);
		return;
	}
	if (e->n_fields) /* a frame has one sentence */
		(void)fail(e, e->code, "%s %s", e->fields[0].path, e->fields[0].message);
	sse_begin(s);
	feed_refuse(&sse_sink, s, e);
}

static void
open_feed(struct stream *s, const struct http_request *r)
{
	const char *last = http_header(r, "HTTP_LAST_EVENT_ID");
	char after[POSITION_CAP], topics[128];
	const struct feed_env env = {
	    .cookie = http_header(r, "HTTP_COOKIE"),
	    .authorization = http_header(r, "HTTP_AUTHORIZATION"),
	    .origin = http_header(r, "HTTP_ORIGIN"),
	    .fetch_site = http_header(r, "HTTP_SEC_FETCH_SITE"),
	    .query = r->query,
	    .host = r->host,
	};
	struct feed_request request = {.after = after, .topics = topics};
	struct err e;

	err_reset(&e);
	if (r->method != HTTP_GET && r->method != HTTP_HEAD) {
		s->page = true;
		e.allow = "GET, HEAD";
		(void)fail(&e, E_METHOD_NOT_ALLOWED, NULL);
		refuse(s, &e);
		return;
	}
	if (feed_claim(&request.claim, &s->server->conf, &env, time(NULL), &e) < 0) {
		refuse(s, &e);
		return;
	}
	if (read_numbers(s, r->query, &e) < 0) {
		refuse(s, &e);
		return;
	}
	if (last && last[0])
		snprintf(after, sizeof(after), "%s", last);
	else
		feed_after(after, r->query);
	if (!feed_param(r->query, "topics", topics, sizeof(topics)))
		topics[0] = '\0';
	if (!s->page)
		sse_begin(s);
	if (s->head_only && !s->page) {
		answered(s);
		return;
	}
	s->feed = feed_open(s->server->hub, &s->server->conf, &request,
	    s->page ? &page_sink : &sse_sink, s);
}

void
stream_accept(struct server *v)
{
	struct http_request r;
	struct stream *s;

	if (!http_accept(v->next_http, &r, &v->arena, v->conf.trusted_proxy))
		return;
	s = xcalloc(1, sizeof(*s));
	s->server = v;
	s->http = v->next_http;
	s->until_ms = INT64_MAX;
	s->page = wants_page(&r);
	s->head_only = r.method == HTTP_HEAD;
	s->https = conf_https(&v->conf);
	s->problem = http_header(&r, "HTTP_ACCEPT") &&
	    strstr(http_header(&r, "HTTP_ACCEPT"), "problem+json");
	snprintf(s->request_id, sizeof(s->request_id), "%s", r.request_id);
	http_stream_init(&s->io, http_hold(&r));
	s->next = v->streams;
	v->streams = s;
	v->n_streams++;
	v->next_http = http_is_cgi(s->http) ? NULL : http_open_more();
	open_feed(s, &r);
	arena_reset(&v->arena);
}
