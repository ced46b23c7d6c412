/*
 * bus_live.h: what streams hear from Redis: subscriptions, history, cached sessions. It never blocks.
 *
 * Two connections: one subscribes, the other (opened when needed, closed when idle) takes commands. When one
 * is lost, both are closed, every waiting question is answered NULL, `down` is called, and it connects again
 * after a jittered pause that grows to 2 s. `up` tells that everything has to be subscribed anew. Stream lifetime.
 */
#ifndef DAPUR_BUS_LIVE_H
#define DAPUR_BUS_LIVE_H

#include "base.h"
#include "bus_link.h"

#include <poll.h>

struct bus_message {
	const char *sppg_id; /* not NUL-terminated */
	size_t sppg_len;
	const char *topic; /* not NUL-terminated; of a line */
	size_t topic_len;
	bool revoke; /* text: session hashes joined by spaces; else a line of the feed */
	const char *text;
	size_t len;
};

struct bus_live_handlers {
	void (*up)(void *
		arg); /* connecting: subscribe now; the acknowledgement is `subscribed` */
	void (*down)(void *arg); /* nothing is subscribed any more */
	void (*subscribed)(void *arg, const char *sppg_id,
	    size_t len); /* no message is missed from now on */
	void (*message)(void *arg, const struct bus_message *m);
};

/* What to read of one tenant's history. */
struct bus_page {
	const char *sppg_id;
	long long after;
	long limit;
};

/* The history behind a position. */
struct bus_tail {
	const char *head; /* <epoch>.<seq>; NULL: Redis knows none */
	size_t head_len;
	struct bus_value lines; /* at most limit, by seq */
};

typedef void bus_tail_fn(void *arg, const struct bus_tail *t); /* NULL: Redis is away */

enum { BUS_LIVE_FDS = 2 };

struct bus_live;

/* o's texts and the handlers must outlive it. Address "none": it is never up. */
struct bus_live *bus_live_open(const struct bus_options *o,
    const struct bus_live_handlers *handlers, void *arg);
void bus_live_close(struct bus_live *l); /* bus_live_forget() all askers first */

bool bus_live_none(const struct bus_live *l); /* no Redis is set up */
/* Not connected, or not heard of since it was lost: a question would fail. */
bool bus_live_away(const struct bus_live *l);

void bus_live_poll(const struct bus_live *l, struct pollfd ret_fds[BUS_LIVE_FDS],
    int64_t *deadline_ms);
void
bus_live_step(struct bus_live *l, const struct pollfd fds[BUS_LIVE_FDS], int64_t now_ms);

/* All topics of the tenant and its revocations. Without effect while it is away. */
void bus_live_subscribe(struct bus_live *l, const char *sppg_id);
void bus_live_unsubscribe(struct bus_live *l, const char *sppg_id);

/* Questions: false when Redis is away, and then fn is not called; else it is called once from a later step. */
bool bus_live_tail(struct bus_live *l, const struct bus_page *p, bus_tail_fn *fn,
    void *arg) MUST_CHECK;
bool bus_live_session(struct bus_live *l, const char *hash, bus_reply_fn *fn,
    void *arg) MUST_CHECK;
bool bus_live_ticket(struct bus_live *l, const char *nonce, bus_reply_fn *fn,
    void *arg) MUST_CHECK;
void
bus_live_forget(struct bus_live *l, const void *arg); /* no callback with arg any more */

/* Caches a session that PostgreSQL told at most BUS_SESSION_LATE_S ago, unless something is cached (a revocation). */
void
bus_live_session_put(struct bus_live *l, const char *hash, const char *line, size_t len);

#endif
