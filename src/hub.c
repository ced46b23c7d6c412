#include "hub.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "hub_tenant.h"
#include "mem.h"

#include "banned.h"

#define MESSAGE_MAX 65536 /* bytes of what others publish: larger is not passed on */
#define POLL_MS 1000      /* without Redis: how often PostgreSQL is asked */

static const struct bus_live_handlers handlers;

struct hub *
hub_open(const struct hub_options *o, int64_t now_ms)
{
	struct hub *h = xcalloc(1, sizeof(*h));

	h->o = o;
	h->now_ms = now_ms;
	h->timer_ms = INT64_MAX;
	h->down_ms = now_ms - HUB_GRACE_MS;
	h->seed = (unsigned)getpid() ^ (unsigned)now_ms;
	h->bus = bus_live_open(&o->bus, &handlers, h);
	h->ask = ask_new(&o->ask);
	return h;
}

int64_t
hub_now(const struct hub *h)
{
	return h->now_ms;
}

long
hub_jitter(struct hub *h, long ms)
{
	return ms - ms / 10 + rand_r(&h->seed) % (ms / 5 + 1);
}

struct bus_live *
hub_bus(struct hub *h)
{
	return h->bus;
}

struct ask *
hub_ask(struct hub *h)
{
	return h->ask;
}

static struct hub_tenant *
find(struct hub *h, const char *id, size_t len)
{
	struct hub_tenant *t = h->tenants;

	while (t && (strlen(t->id) != len || memcmp(t->id, id, len) != 0))
		t = t->next;
	return t;
}

static struct hub_tenant *
tenant_new(struct hub *h, const char *id)
{
	struct hub_tenant *t = xcalloc(1, sizeof(*t));

	t->hub = h;
	t->id = xstrdup(id);
	buf_init(&t->json_id, 0);
	buf_add_json(&t->json_id, id, strlen(id));
	t->head = t->seen = -1;
	t->next = h->tenants;
	h->tenants = t;
	bus_live_subscribe(h->bus, id);
	return t;
}

static void
tenant_free(struct hub_tenant *t)
{
	struct hub *h = t->hub;
	struct hub_tenant **at = &h->tenants;

	while (*at != t)
		at = &(*at)->next;
	*at = t->next;
	hub_forget(t);
	bus_live_unsubscribe(h->bus, t->id);
	buf_free(&t->json_id);
	free(t->id);
	free(t);
}

void
hub_close(struct hub *h)
{
	if (!h)
		return;
	while (h->tenants)
		tenant_free(h->tenants);
	bus_live_close(h->bus);
	ask_free(h->ask);
	free(h);
}

void
hub_add(struct hub *h, struct hub_client *c, const struct hub_client_ops *ops)
{
	c->hub = h;
	c->ops = ops;
	c->timer_ms = INT64_MAX;
	c->next = h->clients;
	c->prev = NULL;
	if (c->next)
		c->next->prev = c;
	h->clients = c;
}

bool
hub_join(struct hub_client *c, const char *sppg_id)
{
	struct hub_tenant *t = find(c->hub, sppg_id, strlen(sppg_id));
	long max = c->hub->o->tenant_max;

	if (t && max && t->n_clients >= max)
		return false;
	if (!t)
		t = tenant_new(c->hub, sppg_id);
	c->tenant = t;
	c->next_of_tenant = t->clients;
	t->clients = c;
	t->n_clients++;
	t->dirty = true;
	return true;
}

void
hub_remove(struct hub_client *c)
{
	if (c->tenant) {
		struct hub_client **at = &c->tenant->clients;

		while (*at != c)
			at = &(*at)->next_of_tenant;
		*at = c->next_of_tenant;
		c->tenant->n_clients--;
		c->tenant->left_ms = c->hub->now_ms;
		if (!c->tenant->clients && !c->hub->o->keep_ms)
			tenant_free(c->tenant);
	}
	if (c->next)
		c->next->prev = c->prev;
	if (c->prev)
		c->prev->next = c->next;
	else
		c->hub->clients = c->next;
	c->tenant = NULL;
}

void
hub_timer(struct hub_client *c, int64_t at_ms)
{
	c->timer_ms = at_ms;
	if (at_ms < c->hub->timer_ms)
		c->hub->timer_ms = at_ms;
}

void
hub_check(struct hub_client *c)
{
	struct hub_tenant *t = c->tenant;

	if (t->fresh && c->hub->now_ms < t->checked_ms + c->hub->o->check_ms &&
	    hub_caught_up(c)) {
		c->ops->checked(c);
		return;
	}
	c->wants_check = t->check = t->dirty = true;
}

void
hub_hungry(struct hub_client *c)
{
	if (!c->full)
		return;
	c->full = false;
	if (c->tenant)
		c->tenant->dirty = true;
}

bool
hub_caught_up(const struct hub_client *c)
{
	return c->placed && c->at.seq >= c->tenant->head;
}

void
hub_head(const struct hub_client *c, struct position *ret)
{
	memcpy(ret->epoch, c->tenant->epoch, EPOCH_CAP);
	ret->seq = c->tenant->head;
}

static void
on_up(void *arg)
{
	struct hub *h = arg;

	for (struct hub_tenant *t = h->tenants; t; t = t->next)
		bus_live_subscribe(h->bus, t->id);
}

static void
on_down(void *arg)
{
	struct hub *h = arg;

	h->down_ms = h->now_ms;
	for (struct hub_tenant *t = h->tenants; t; t = t->next) {
		t->subscribed = t->fresh = false;
		t->dirty = true;
	}
}

static void
on_subscribed(void *arg, const char *sppg_id, size_t len)
{
	struct hub_tenant *t = find(arg, sppg_id, len);

	if (!t || t->subscribed)
		return;
	t->subscribed = true;
	t->fresh = false; /* messages before this moment may be missing */
	t->check = t->dirty = true;
	if (t->busy == HUB_PAUSE)
		t->busy = HUB_IDLE;
	for (struct hub_client *c = t->clients; c; c = c->next_of_tenant)
		if (c->placed)
			c->ops->revoked(c, NULL, 0);
}

void
hub_offer(struct hub_tenant *t, const struct line *l, const char *text, size_t len)
{
	for (struct hub_client *c = t->clients; c; c = c->next_of_tenant) {
		if (!c->placed || c->full || c->at.seq + 1 != l->seq)
			continue;
		if (!c->ops->event(c, l, text, len)) {
			c->full = true;
			continue;
		}
		c->at.seq = l->seq;
	}
}

/* A line of our own trigger, just published. */
static void
hear_event(struct hub_tenant *t, const struct line *l, const char *text, size_t len)
{
	bool ours = t->known && strlen(t->epoch) == l->epoch_len &&
	    memcmp(t->epoch, l->epoch, l->epoch_len) == 0;

	memcpy(t->seen_epoch, l->epoch, l->epoch_len);
	t->seen_epoch[l->epoch_len] = '\0';
	t->seen = l->seq;
	t->dirty = true;
	if (!t->known)
		return; /* the question that is under way, or to come, is compared with seen */
	if (!ours) {
		t->doubt = true; /* a new history, or a late message of an old one */
		return;
	}
	if (l->seq > t->head)
		t->head = l->seq;
	hub_offer(t, l, text, len);
	if (t->busy == HUB_PAUSE && t->tries && !hub_misses(t)) {
		t->busy =
		    HUB_IDLE; /* what was waited for came by itself; more may be there */
		t->tries = 0;
	}
}

static void
on_message(void *arg, const struct bus_message *m)
{
	struct hub_tenant *t = find(arg, m->sppg_id, m->sppg_len);
	struct line l;

	if (!t)
		return;
	if (m->revoke) {
		for (struct hub_client *c = t->clients; c; c = c->next_of_tenant)
			c->ops->revoked(c, m->text, m->len);
		return;
	}
	if (!line_valid(m->text, m->len))
		return;
	if (line_read(&l, m->text, m->len)) {
		if (l.sppg_len == t->json_id.len &&
		    memcmp(l.sppg, t->json_id.bytes, l.sppg_len) == 0)
			hear_event(t, &l, m->text, m->len);
		return;
	}
	if (m->len > MESSAGE_MAX)
		return;
	for (struct hub_client *c = t->clients; c; c = c->next_of_tenant)
		if (c->placed)
			c->ops->foreign(c, m);
}

static const struct bus_live_handlers handlers = {on_up, on_down, on_subscribed,
    on_message};

/* How often PostgreSQL is asked for news; 0: only when something is missed. */
static long
poll_ms(const struct hub *h)
{
	if (bus_live_none(h->bus))
		return POLL_MS;
	return bus_live_away(h->bus) ? h->o->away_poll_ms : 0;
}

void
hub_poll(const struct hub *h, struct pollfd ret_fds[HUB_FDS], int64_t *deadline_ms)
{
	long every_ms = poll_ms(h);

	bus_live_poll(h->bus, ret_fds, deadline_ms);
	ask_poll(h->ask, &ret_fds[BUS_LIVE_FDS], deadline_ms);
	if (h->timer_ms < *deadline_ms)
		*deadline_ms = h->timer_ms;
	for (const struct hub_tenant *t = h->tenants; t; t = t->next) {
		if (!t->clients && t->left_ms + h->o->keep_ms < *deadline_ms)
			*deadline_ms = t->left_ms + h->o->keep_ms;
		if (t->dirty && t->busy == HUB_IDLE)
			*deadline_ms = 0;
		if (t->busy == HUB_PAUSE && t->wake_ms < *deadline_ms)
			*deadline_ms = t->wake_ms;
		if (every_ms && t->clients && t->busy == HUB_IDLE &&
		    t->checked_ms + every_ms < *deadline_ms)
			*deadline_ms = t->checked_ms + every_ms;
	}
}

static void
run_timers(struct hub *h)
{
	if (h->now_ms < h->timer_ms)
		return;
	h->timer_ms = INT64_MAX;
	for (struct hub_client *c = h->clients; c; c = c->next) {
		if (c->timer_ms <= h->now_ms) {
			c->timer_ms = INT64_MAX;
			c->ops->timer(c);
		}
		if (c->timer_ms < h->timer_ms)
			h->timer_ms = c->timer_ms;
	}
}

void
hub_step(struct hub *h, const struct pollfd fds[HUB_FDS], int64_t now_ms)
{
	long every_ms;

	h->now_ms = now_ms;
	bus_live_step(h->bus, fds, now_ms);
	ask_step(h->ask, fds[BUS_LIVE_FDS].revents, now_ms);
	run_timers(h);
	every_ms = poll_ms(h);
	for (struct hub_tenant *t = h->tenants, *next; t; t = next) {
		next = t->next;
		if (!t->clients && now_ms >= t->left_ms + h->o->keep_ms) {
			tenant_free(t);
			continue;
		}
		if (t->busy == HUB_PAUSE && now_ms >= t->wake_ms) {
			t->busy = HUB_IDLE;
			t->dirty = true;
		}
		if (every_ms && t->clients && t->busy == HUB_IDLE &&
		    now_ms >= t->checked_ms + every_ms)
			t->check = t->dirty = true;
		if (t->dirty)
			hub_fetch(t);
	}
}
