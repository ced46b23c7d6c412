/*
 * events.h: one request of events.fcgi, for events.c and events_request.c alone.
 *
 * A request is a stream of Server-Sent Events or a page, a sink of its feed. Nothing here waits.
 */
#ifndef DAPUR_EVENTS_H
#define DAPUR_EVENTS_H

#include "base.h"
#include "buf.h"
#include "conf.h"
#include "feed.h"
#include "http.h"
#include "http_stream.h"
#include "mem.h"

#include <poll.h>

enum {
	FLUSH_MS = 5000, /* for the last bytes of a reply */
	STOP_MS = 1000,  /* the same when the program stops: its successor waits */
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
	int64_t until_ms;  /* closed then, whatever is queued; INT64_MAX: never */
	char request_id[80];
	bool https, head_only, problem;
	/* of a page */
	bool page;
	long limit, n;
	int64_t wait_until_ms;
	struct buf events;
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

/* Takes the next request off the socket, if one is there. */
void stream_accept(struct server *v);
void stream_free(struct stream *s);

/* Whether the page can be sent as it is; to be asked outside the sink. */
bool page_ready(const struct stream *s, int64_t now);
void page_send(struct stream *s);

#endif
