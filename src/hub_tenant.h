/*
 * hub_tenant.h: the insides that hub.c and hub_fetch.c share; nobody else includes it.
 */
#ifndef DAPUR_HUB_TENANT_H
#define DAPUR_HUB_TENANT_H

#include "buf.h"
#include "hub.h"

#define HUB_GRACE_MS \
	300 /* Redis or the relay may be back in a moment: PostgreSQL is asked after it */

enum hub_busy {
	HUB_IDLE,
	HUB_TAIL,  /* Redis was asked */
	HUB_PAUSE, /* until wake_ms */
	HUB_ASK,   /* PostgreSQL was asked */
};

struct hub_tenant {
	struct hub_tenant *next;
	struct hub *hub;
	struct hub_client *clients;
	long n_clients;
	char *id;
	struct buf json_id; /* as event lines spell it */
	bool subscribed;    /* no message is missed now */
	bool fresh; /* the head was looked at since the last subscription or loss */
	bool known; /* epoch and head hold something */
	char epoch[EPOCH_CAP];
	long long head;
	char seen_epoch
	    [EPOCH_CAP]; /* the newest message since the last question was asked */
	long long seen;  /* -1: none */
	long long head_when_asked;
	long long asked_after; /* what was asked for begins behind this */
	enum hub_busy busy;
	bool dirty;     /* to be looked at in this step */
	bool doubt;     /* Redis's word is not enough */
	bool from_log;  /* Redis lacks what is missing: go on with PostgreSQL */
	bool check;     /* somebody wants the head compared */
	unsigned tries; /* Redis was asked in vain */
	long pause_ms;
	int64_t wake_ms;
	int64_t checked_ms;
	int64_t left_ms; /* when the last client left */
};

struct hub {
	const struct hub_options *o;
	struct bus_live *bus;
	struct ask *ask;
	struct hub_tenant *tenants;
	struct hub_client *clients;
	int64_t now_ms;
	int64_t timer_ms; /* no client's timer is earlier */
	int64_t down_ms;  /* when Redis was lost last */
	unsigned seed;
};

/* hub_fetch.c */
bool hub_misses(const struct hub_tenant *t); /* what was asked for has not come */
void hub_fetch(struct hub_tenant *t);  /* asks for what its clients need, if anything */
void hub_forget(struct hub_tenant *t); /* no answers any more */

/* hub.c */
void hub_offer(struct hub_tenant *t, const struct line *l, const char *text, size_t len);

#endif
