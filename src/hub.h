/*
 * hub.h: one process' hearing of its tenants: subscribe, order, notice what is missing, fetch it.
 *
 * A hub holds one bus_live, one ask, and for each tenant with an open feed what the newest event is (its head).
 * Each client stands behind an event; a line is handed to a client only when it is the very next one, whoever
 * brought it: Redis's channel, Redis's history, or PostgreSQL. A client that is behind makes the hub fetch. So order, no
 * duplicates and no holes hold by one comparison, and a page fetched for one client serves all that wait
 * for it. Only PostgreSQL's word resets a client. Work is done inside hub_step(); clients must not be removed by their own callbacks.
 */
#ifndef DAPUR_HUB_H
#define DAPUR_HUB_H

#include "ask.h"
#include "base.h"
#include "bus_live.h"
#include "line.h"

#include <poll.h>

struct hub;
struct hub_tenant;
struct hub_client;

/* Why a position does not hold; also the frame's `reason`. */
enum hub_reset {
	HUB_TOO_OLD, /* its events are pruned */
	HUB_EPOCH,   /* of another history */
	HUB_AHEAD,   /* of events that do not exist */
	HUB_INVALID, /* not a position */
};

struct hub_client_ops {
	/* The client's position is judged and at holds it; it was reset if reason is not NULL. */
	void (*placed)(struct hub_client *c, const enum hub_reset *reason);
	/* A placed client has to go on from the head; at is set. */
	void (*reset)(struct hub_client *c, enum hub_reset reason);
	/* The next event. Returns false when there is no room: it will be offered again after hub_hungry(). */
	bool (*event)(struct hub_client *c, const struct line *l, const char *text,
	    size_t len);
	/* What somebody else published; may be dropped. */
	void (*foreign)(struct hub_client *c, const struct bus_message *m);
	/* hub_check() is done: at is as far as anybody knows, or nobody can say now. */
	void (*checked)(struct hub_client *c);
	/* Sessions were revoked: their hashes joined by spaces. NULL: look yourself, a message may have been lost. */
	void (*revoked)(struct hub_client *c, const char *hashes, size_t len);
	/* The time in timer_ms has come. */
	void (*timer)(struct hub_client *c);
};

struct hub_client {
	const struct hub_client_ops *ops;
	struct hub *hub;
	struct hub_client *next, *prev; /* all of the hub */
	struct hub_tenant *tenant;      /* NULL: not joined yet */
	struct hub_client *next_of_tenant;
	struct position at; /* what it has got; epoch "": wants the head */
	bool placed;
	bool full;
	bool wants_check;
	int64_t timer_ms; /* by hub_timer() */
};

struct hub_options {
	struct bus_options bus;
	struct ask_options ask;
	long check_ms;     /* a check younger than this is good enough */
	long keep_ms;      /* a tenant without a client stays subscribed: polls return */
	long tenant_max;   /* clients of one tenant; 0: as many as come */
	long away_poll_ms; /* how often to ask PostgreSQL without Redis; 0: never */
};

enum { HUB_FDS = BUS_LIVE_FDS + 1 };

struct hub *hub_open(const struct hub_options *o, int64_t now_ms); /* o must outlive it */
void hub_close(struct hub *h); /* all clients are removed before */

void hub_poll(const struct hub *h, struct pollfd ret_fds[HUB_FDS], int64_t *deadline_ms);
void hub_step(struct hub *h, const struct pollfd fds[HUB_FDS], int64_t now_ms);
int64_t hub_now(const struct hub *h);
long hub_jitter(struct hub *h, long ms); /* 90 to 110 % */

void hub_add(struct hub *h, struct hub_client *c, const struct hub_client_ops *ops);
/* c->at says from where. False: the tenant has as many clients as it may. */
bool hub_join(struct hub_client *c, const char *sppg_id) MUST_CHECK;
void hub_remove(struct hub_client *c);

void hub_timer(struct hub_client *c, int64_t at_ms); /* at most one; INT64_MAX: none */
void hub_check(struct hub_client *c);  /* compare with the head; answered by `checked` */
void hub_hungry(struct hub_client *c); /* there is room again */
bool hub_caught_up(const struct hub_client *c);
void hub_head(const struct hub_client *c, struct position *ret);

struct bus_live *hub_bus(struct hub *h);
struct ask *hub_ask(struct hub *h);

#endif
