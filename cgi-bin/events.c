/*
 * events.c: main of events.fcgi: the feed over HTTP. One process carries many: Server-Sent Events, long polls and JSON
 * pages, over one hub and one Redis connection, without ever waiting for one of them. As a plain CGI it
 * serves one request. SIGTERM tells every stream `reconnect`, spread out, and ends.
 */
#include "base.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "conf.h"
#include "feed.h"
#include "http.h"
#include "http_stream.h"
#include "log.h"
#include "mem.h"
#include "reply.h"

#include "banned.h"

enum {
	FLUSH_MS = 5000,     /* for the last bytes of a reply */
	SPREAD_MS = 5000,    /* clients of a restart return within */
	FDS_KEPT = 64,       /* descriptors that are not for streams */
	LIMIT_DEFAULT = 100, /* events of a page */
	LIMIT_MAX = 1000,
	PAGE_MAX = 1 << 20, /* bytes of a page, but for its last event */
	LINGER_MS = 5000,
	AWAY_POLL_MS = 1000,
	WAIT_MAX_S = 25,   /* of a long poll: below the time-outs of all fronts */
	LAST_FRAMES = 512, /* room beside the queue for a heartbeat or the last word */
};

struct server;

/* One request. */
struct stream {
	struct stream *next;
	struct server *server;
	struct http_server *http; /* holds its headers */
	struct http_stream io;
	struct feed *feed; /* NULL: refused, or ended */
	bool answered;     /* everything is in io's queue */
	int64_t
	    until_ms; /* then it is closed whatever is queued; INT64_MAX: no such time */
	char request_id[80];
	bool https, head_only, problem;
	/* of a page */
	bool page;
	long limit, n;
	int64_t wait_until_ms;
	struct buf events;
	const char *reset; /* the reset frame's text */
	struct buf reset_text;
};

struct server {
	struct conf conf;
	struct hub_options hub_options;
	struct hub *hub;
	struct http_server *next_http; /* takes the next request */
	struct arena arena;
	struct stream *streams;
	size_t n_streams, max_streams;
	struct pollfd *fds;
	size_t cap_fds;
};

static volatile sig_atomic_t stopping;

static void
on_stop(int sig)
{
	(void)sig;
	stopping = 1;
}

static int64_t
now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* Nothing more will be put: what is queued leaves, then the stream is closed. */
static void
answered(struct stream *s)
{
	if (s->answered)
		return;
	http_stream_finish(&s->io);
	s->answered = true;
	s->until_ms = now_ms() + FLUSH_MS;
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
		buf_adds(b, "retry: 30000\n");
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

static void
send_page(struct stream *s)
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
	for (enum err_code code = E_OK + 1; code < E_COUNT; code++)
		if (strcmp(err_info(code)->name, f->code) == 0)
			(void)fail(&e, code, NULL);
	if (e.code == E_OK)
		(void)fail(&e, E_UNAVAILABLE, NULL);
	if (e.code == E_UNAVAILABLE)
		e.retry_after_s = 2;
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
static bool
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

static void
stream_free(struct stream *s)
{
	feed_close(s->feed);
	http_stream_free(&s->io);
	http_let_go(s->http);
	buf_free(&s->events);
	buf_free(&s->reset_text);
	free(s);
}

static long
number_param(const char *query, const char *name, long min, long max, long absent)
{
	char text[16], *end;
	long n;

	if (!feed_param(query, name, text, sizeof(text)))
		return absent;
	n = strtol(text, &end, 10);
	if (end == text || *end)
		return absent;
	return n < min ? min : n > max ? max : n;
}

/* A page is what asks for JSON, or says how much or how long. */
static bool
wants_page(const struct http_request *r)
{
	const char *accept = http_header(r, "HTTP_ACCEPT");
	char scrap[16];

	if (accept && strstr(accept, "text/event-stream"))
		return false;
	return (accept && strstr(accept, "json")) ||
	    feed_param(r->query, "wait", scrap, sizeof(scrap)) ||
	    feed_param(r->query, "limit", scrap, sizeof(scrap));
}

static void
refuse(struct stream *s, const struct err *e)
{
	log_event(LOG_INFO, "refused", "code", err_info(e->code)->name, "request",
	    s->request_id, NULL);
	if (s->page) {
		send_error(s, e);
		return;
	}
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

static void
take_request(struct server *v)
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
	s->limit = number_param(r.query, "limit", 1, LIMIT_MAX, LIMIT_DEFAULT);
	s->wait_until_ms =
	    now_ms() + 1000 * number_param(r.query, "wait", 0, WAIT_MAX_S, 0);
	snprintf(s->request_id, sizeof(s->request_id), "%s", r.request_id);
	http_stream_init(&s->io, http_hold(&r));
	s->next = v->streams;
	v->streams = s;
	v->n_streams++;
	v->next_http = http_is_cgi(s->http) ? NULL : http_open_more();
	open_feed(s, &r);
	arena_reset(&v->arena);
}

/* --- the loop --- */

enum { LISTEN, FIRST_OF_HUB, FIRST_OF_STREAMS = FIRST_OF_HUB + HUB_FDS };

/* When a stream has to be looked at though nothing is ready. */
static int64_t
deadline_of(const struct stream *s)
{
	if (s->answered || !s->page)
		return s->until_ms;
	/* past its time a page waits only for the feed to catch up, and that wakes the hub */
	return s->wait_until_ms > now_ms() ? s->wait_until_ms : INT64_MAX;
}

static int
wait_ready(struct server *v, const sigset_t *unblocked)
{
	int64_t deadline = INT64_MAX, wait;
	size_t n = FIRST_OF_STREAMS;
	struct timespec ts;

	if (v->cap_fds < v->n_streams + FIRST_OF_STREAMS) {
		v->cap_fds = (v->n_streams + FIRST_OF_STREAMS) * 2;
		v->fds = xrealloc(v->fds, v->cap_fds * sizeof(*v->fds));
	}
	v->fds[LISTEN] =
	    (struct pollfd){v->next_http && !stopping && v->n_streams < v->max_streams
		    ? STDIN_FILENO
		    : -1,
		POLLIN, 0};
	hub_poll(v->hub, v->fds + FIRST_OF_HUB, &deadline);
	for (const struct stream *s = v->streams; s; s = s->next) {
		int64_t at = deadline_of(s);

		v->fds[n++] =
		    (struct pollfd){s->io.held.fd_out, http_stream_events(&s->io), 0};
		if (at < deadline)
			deadline = at;
	}
	wait = deadline == INT64_MAX ? 3600 * 1000 : deadline - now_ms();
	wait = wait < 0 ? 0 : wait;
	ts = (struct timespec){wait / 1000, wait % 1000 * 1000000};
	if (ppoll(v->fds, n, &ts, unblocked) >= 0)
		return 0;
	for (size_t i = 0; i < n; i++)
		v->fds[i].revents = 0;
	return errno == EINTR ? 0 : -1;
}

static void
step_streams(struct server *v)
{
	size_t i = FIRST_OF_STREAMS;

	for (struct stream *s = v->streams; s; s = s->next, i++) {
		size_t n = http_stream_step(&s->io, v->fds[i].revents);

		if (n && s->feed)
			feed_drained(s->feed,
			    http_stream_queued(&s->io) <=
				(size_t)v->conf.feed_queue_max / 2);
	}
}

static void
sweep(struct server *v)
{
	struct stream **at = &v->streams, *s;
	int64_t now = now_ms();

	while ((s = *at)) {
		if (s->page && page_ready(s, now))
			send_page(s);
		if (s->answered && s->feed) {
			feed_close(s->feed);
			s->feed = NULL;
		}
		if (!s->io.lost && !(s->answered && http_stream_queued(&s->io) == 0) &&
		    now < s->until_ms) {
			at = &s->next;
			continue;
		}
		*at = s->next;
		v->n_streams--;
		stream_free(s);
	}
}

/* Every client is told when to come back; waiting pages are sent as they are. */
static void
restart_all(struct server *v)
{
	for (struct stream *s = v->streams; s; s = s->next) {
		long after_ms = (long)randombytes_uniform(SPREAD_MS);
		struct buf b = {0};

		if (s->page) {
			s->wait_until_ms = 0;
			continue;
		}
		if (s->answered || !s->feed)
			continue;
		http_stream_drop(&s->io);
		buf_printf(&b, "retry: %ld\n", after_ms + 500);
		http_stream_put(&s->io, b.bytes, b.len);
		buf_free(&b);
		feed_restart(s->feed, after_ms);
	}
}

static int
run(struct server *v)
{
	int64_t until_ms = INT64_MAX;
	sigset_t stops, none;

	sigemptyset(&none);
	sigemptyset(&stops);
	sigaddset(&stops, SIGTERM);
	sigaddset(&stops, SIGINT);
	sigaddset(&stops, SIGUSR1);
	sigprocmask(SIG_BLOCK, &stops, NULL);
	while (v->next_http || v->streams) {
		if (wait_ready(v, &none) < 0)
			return EXIT_SYSTEM;
		if (stopping && until_ms == INT64_MAX) {
			until_ms = now_ms() + FLUSH_MS;
			restart_all(v);
		}
		if (v->fds[LISTEN].revents)
			take_request(v);
		else
			step_streams(v);
		hub_step(v->hub, v->fds + FIRST_OF_HUB, now_ms());
		sweep(v);
		if (stopping && (!v->streams || now_ms() >= until_ms))
			break;
	}
	return 0;
}

/* --- the program --- */

static const char *
options(int argc, char **argv)
{
	const char *path = NULL;
	int opt;

	while ((opt = getopt(argc, argv, "c:hV")) != -1) {
		switch (opt) {
		case 'c':
			path = optarg;
			break;
		case 'V':
			puts("events.fcgi " PACKAGE_VERSION);
			_exit(fflush(stdout));
		default:
			fputs(
			    "usage: events.fcgi [-c dapur.conf]\n"
			    "The feed over HTTP, a FastCGI process or a CGI program; see dapur(8).\n",
			    opt == 'h' ? stdout : stderr);
			fflush(stdout);
			_exit(opt == 'h' ? 0 : EXIT_USAGE);
		}
	}
	return path;
}

static void
server_close(struct server *v)
{
	struct stream *s, *next;

	for (s = v->streams; s; s = next) {
		next = s->next;
		stream_free(s);
	}
	http_let_go(v->next_http);
	hub_close(v->hub);
	arena_free(&v->arena);
	free(v->fds);
	conf_free(&v->conf);
}

/* As many descriptors as the system allows; the rest of the clients wait in the socket's queue. */
static size_t
most_streams(void)
{
	struct rlimit l;

	if (getrlimit(RLIMIT_NOFILE, &l) < 0)
		return 256;
	l.rlim_cur = l.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &l);
	(void)getrlimit(RLIMIT_NOFILE, &l);
	return l.rlim_cur > 2 * FDS_KEPT ? (size_t)l.rlim_cur - FDS_KEPT : FDS_KEPT;
}

int
main(int argc, char **argv)
{
	const char *path = options(argc, argv);
	const struct sigaction sa = {.sa_handler = on_stop};
	static struct server v;
	struct err e;
	int rc;

	err_reset(&e);
	if (sodium_init() < 0)
		return EXIT_SYSTEM;
	/* before libfcgi sets its own */
	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGUSR1, &sa, NULL);
	if (conf_load(&v.conf, path, &e) < 0) {
		log_event(LOG_ERROR, "settings", "detail", e.text, NULL);
		return EXIT_USAGE;
	}
	log_open("events", log_level(v.conf.log_level));
	v.max_streams = most_streams();
	v.next_http = http_open();
	feed_hub_options(&v.hub_options, &v.conf, path);
	/* one helper serves all streams here: it may stay, and be asked often */
	v.hub_options.ask.linger_ms = LINGER_MS;
	v.hub_options.away_poll_ms = AWAY_POLL_MS;
	v.hub = hub_open(&v.hub_options, now_ms());
	if (http_is_cgi(v.next_http))
		take_request(&v);
	rc = run(&v);
	server_close(&v);
	return rc;
}
