/*
 * feed.h: one live feed, whatever carries it: who may have it, the frames of dapur-api(7), heartbeats, limits.
 *
 * The hub brings events in order; a feed adds the session (looked up, checked again at each heartbeat, ended
 * by a revocation), the topics, and the frames that are not events, and writes all to a feed_sink. A feed
 * belongs to its owner, who closes it after `end`, never inside a sink's function. Stream lifetime.
 */
#ifndef DAPUR_FEED_H
#define DAPUR_FEED_H

#include "base.h"
#include "conf.h"
#include "err.h"
#include "hub.h"
#include "who.h"

enum feed_kind {
	FEED_EVENT,
	FEED_FOREIGN,
	FEED_CONNECTED,
	FEED_HEARTBEAT,
	FEED_RESET,
	FEED_PONG,
	FEED_RECONNECT,
	FEED_DISCONNECT,
};

struct feed_frame {
	enum feed_kind kind;
	const struct position *position; /* after this frame; NULL: as before */
	const char *text;                /* one line without its newline */
	size_t len;
	/* of DISCONNECT */
	const char *code;
	const char *message;
	bool final; /* coming back at once is of no use */
};

struct feed_sink {
	/* Takes the frame; false: no room (the event comes again after feed_drained). RECONNECT and DISCONNECT are the
	 * last ones and must be taken: what is queued may be dropped for them. */
	bool (*write)(void *arg, const struct feed_frame *f);
	void (*end)(void *arg); /* nothing comes any more: flush, then feed_close() */
};

/* What a stranger's request says; absent ones are NULL. */
struct feed_env {
	const char *cookie;
	const char *authorization;
	const char *origin;
	const char *fetch_site; /* Sec-Fetch-Site */
	const char *query;
	const char *host;  /* host[:port] that the client asked for; "": unknown */
	bool needs_origin; /* WebSocket: browsers send it always */
};

struct feed_request {
	struct who_claim claim;
	const char *after;  /* a position; NULL or "": live from now */
	const char *topics; /* joined by commas; NULL or "": all */
};

struct feed;

/* Who asks, by ticket, bearer token or cookie; a cookie only from our own pages. Fails E_UNAUTHORIZED, E_CROSS_SITE. */
int feed_claim(struct who_claim *ret, const struct conf *c, const struct feed_env *env,
    int64_t now_s, struct err *e) MUST_CHECK;

/* The decoded value of a query's member; false: absent, malformed or too long. */
bool feed_param(const char *query, const char *name, char *ret, size_t cap);

/* Whether the query has the member, whatever its value. */
bool feed_given(const char *query, const char *name);

/* What the settings say of hubs. c and conf_path (NULL: none was given) must outlive it. */
void
feed_hub_options(struct hub_options *ret, const struct conf *c, const char *conf_path);

/* The position that a query asks for: "" none, "?" one that cannot be read. */
void feed_after(char ret[POSITION_CAP], const char *query);

struct feed *feed_open(struct hub *h, const struct conf *c, const struct feed_request *r,
    const struct feed_sink *sink, void *arg);
void feed_close(struct feed *f);

/* The owner wrote something out; roomy: there is room for more. now_ms: the hub's time is that of its last step. */
void feed_drained(struct feed *f, bool roomy, int64_t now_ms);
/* One line from the client. */
void feed_hear(struct feed *f, const char *line, size_t len);
/* Before a planned restart: `reconnect`, then the end. */
void feed_restart(struct feed *f, long after_ms);
bool feed_ended(const struct feed *f);
bool
feed_placed(const struct feed *f); /* `connected` was written: at and head are known */
bool feed_caught_up(const struct feed *f); /* nothing more is known now */
const struct position *feed_at(const struct feed *f);
const struct who *feed_who(const struct feed *f); /* its sppg_id is "" until known */
void feed_head(const struct feed *f, struct position *ret);

/* The one frame of a refused stream. */
void feed_refuse(const struct feed_sink *sink, void *arg, const struct err *e);

#endif
