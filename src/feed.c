#include "feed.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bus_keys.h"
#include "feed_frame.h"
#include "mem.h"

#include "banned.h"

#define OPEN_MS 10000 /* longest wait for session and head */
#define CHECK_MS 2000 /* longest wait of a heartbeat for its check */
#define STALL_MS \
	2000 /* a client with a full queue that takes nothing for so long is too slow */
#define DOUBT_MS 1000 /* PostgreSQL had no time for a doubted session: asked again */
#define NEVER INT64_MAX

struct feed {
	struct hub_client client; /* first: callbacks cast */
	const struct feed_sink *sink;
	void *arg;
	long heartbeat_ms;
	struct who_claim claim;
	struct who who;
	unsigned topics; /* bits of bus_topics; all ones: every topic */
	bool started, looking, known, ended;
	bool cache_only; /* what is not cached can wait for the next heartbeat */
	bool doubted;    /* the session may have ended: ask until there is an answer */
	bool again;      /* what is being asked was asked before the doubt */
	bool refused_position;
	int64_t open_by_ms, beat_ms, beat_by_ms, stall_ms;
	int64_t asked_ms; /* for the session */
};

static const struct hub_client_ops ops;

static struct feed *
feed_of(struct hub_client *c)
{
	return (struct feed *)(void *)c;
}

/* --- frames --- */

static bool
put(struct feed *f, enum feed_kind kind, const struct position *at, struct buf *b)
{
	const struct feed_frame frame = {.kind = kind,
	    .position = at,
	    .text = b->bytes,
	    .len = b->len};
	bool taken = f->sink->write(f->arg, &frame);

	buf_free(b);
	return taken;
}

static void
end(struct feed *f)
{
	f->ended = true;
	hub_timer(&f->client, NEVER);
	if (f->sink->end)
		f->sink->end(f->arg);
}

/* The frame's code, message and final are given. */
static void
disconnect_frame(struct feed *f, struct feed_frame frame, bool reconnect)
{
	struct buf b = {0};

	if (f->ended)
		return;
	frame_disconnect(&b, frame.code, frame.message, reconnect);
	frame.kind = FEED_DISCONNECT;
	frame.text = b.bytes;
	frame.len = b.len;
	f->sink->write(f->arg, &frame);
	buf_free(&b);
	end(f);
}

static void
disconnect(struct feed *f, const char *code, const char *message, bool reconnect)
{
	disconnect_frame(f,
	    (struct feed_frame){.code = code, .message = message, .final = !reconnect},
	    reconnect);
}

static void
disconnect_for(struct feed *f, enum err_code code)
{
	disconnect(f, err_info(code)->name, err_info(code)->text, code == E_UNAVAILABLE);
}

static void
send_connected(struct feed *f)
{
	struct position head;
	struct buf b = {0};

	hub_head(&f->client, &head);
	frame_connected(&b, &f->client.at, &head, f->heartbeat_ms, f->topics, &f->who);
	put(f, FEED_CONNECTED, &f->client.at, &b);
}

static void
send_reset(struct feed *f, enum hub_reset reason)
{
	struct buf b = {0};

	frame_reset(&b, reason, &f->client.at);
	if (!put(f, FEED_RESET, &f->client.at, &b)) /* it must not be left out */
		disconnect(f, "SLOW_CONSUMER", "the client does not read", true);
}

static void
send_heartbeat(struct feed *f)
{
	struct buf b = {0};

	f->beat_by_ms = NEVER;
	frame_heartbeat(&b, &f->client.at);
	put(f, FEED_HEARTBEAT, &f->client.at, &b);
}

/* --- time --- */

static int64_t
now_s(void)
{
	return (int64_t)time(NULL);
}

static void look(struct feed *f);
static void use_ticket(struct feed *f);

static void
set_timer(struct feed *f)
{
	int64_t at = f->beat_ms;

	if (f->ended)
		return;
	at = f->open_by_ms < at ? f->open_by_ms : at;
	at = f->beat_by_ms < at ? f->beat_by_ms : at;
	at = f->stall_ms < at ? f->stall_ms : at;
	hub_timer(&f->client, at);
}

static void
plan_heartbeat(struct feed *f)
{
	int64_t left_ms = (f->who.expires_s - now_s()) * 1000;
	long pause_ms = hub_jitter(f->client.hub, f->heartbeat_ms);

	if (left_ms < pause_ms) /* the feed ends with the session */
		pause_ms = left_ms > 0 ? (long)left_ms : 0;
	f->beat_ms = hub_now(f->client.hub) + pause_ms;
}

static void
beat(struct feed *f)
{
	if (now_s() >= f->who.expires_s) {
		disconnect(f, "UNAUTHORIZED", "the session has ended", false);
		return;
	}
	plan_heartbeat(f);
	f->beat_by_ms = hub_now(f->client.hub) + CHECK_MS;
	look(f);
	if (!f->ended)
		hub_check(&f->client);
}

static void
on_timer(struct hub_client *c)
{
	struct feed *f = feed_of(c);
	int64_t now = hub_now(c->hub);

	if (f->ended)
		return;
	if (!f->started) {
		f->started = true;
		f->open_by_ms = now + OPEN_MS;
		if (f->claim.means == WHO_TICKET)
			use_ticket(f);
		else
			look(f);
	}
	if (now >= f->open_by_ms)
		disconnect_for(f, E_UNAVAILABLE);
	if (now >= f->stall_ms)
		disconnect(f, "SLOW_CONSUMER", "the client does not read", true);
	if (!f->ended && now >= f->beat_by_ms)
		send_heartbeat(f);
	if (!f->ended && now >= f->beat_ms)
		beat(f);
	set_timer(f);
}

/* --- the session --- */

static void
join(struct feed *f, const struct who *w)
{
	if (!(w->permissions & 1u << PERM_READ)) {
		disconnect_for(f, E_FORBIDDEN);
		return;
	}
	if (!hub_join(&f->client, w->sppg_id)) {
		disconnect_frame(f,
		    (struct feed_frame){.code = err_info(E_TOO_MANY_REQUESTS)->name,
			.message = "the kitchen has as many feeds open as it may",
			.final = true},
		    true);
		return;
	}
	f->known = true;
	f->who = *w;
}

/* The session holds. A person whose rights have changed has to open the feed anew. */
static void
session_holds(struct feed *f, const struct who *w)
{
	if (!f->known) {
		join(f, w);
		return;
	}
	if (strcmp(w->sppg_id, f->who.sppg_id) != 0 ||
	    strcmp(w->user_id, f->who.user_id) != 0 ||
	    strcmp(w->role, f->who.role) != 0 || w->permissions != f->who.permissions) {
		disconnect(f, "UNAUTHORIZED", "the rights have changed", true);
		return;
	}
	f->who.expires_s = w->expires_s;
}

static bool
read_session(struct who *ret, const char *line, size_t len)
{
	static struct err unread; /* not on the stack: a stream has to be small */

	return who_parse(ret, line, len, &unread) == 0;
}

/* The session was revoked while the question was under way: the answer may be older. */
static bool
look_again(struct feed *f)
{
	if (!f->again)
		return false;
	f->again = f->looking = false;
	look(f);
	return true;
}

static void
on_asked(void *arg, enum ask_result result, const char *text, size_t len)
{
	struct feed *f = arg;
	struct who w;

	if (f->ended || look_again(f))
		return;
	f->looking = false;
	if (result == ASK_NONE) {
		disconnect_for(f, E_UNAUTHORIZED);
		return;
	}
	if (len && text[len - 1] == '\n')
		len--;
	if (result == ASK_AWAY || !read_session(&w, text, len)) {
		if (!f->known)
			disconnect_for(f, E_UNAVAILABLE);
		else if (f->doubted)
			f->beat_ms =
			    hub_now(f->client.hub) + hub_jitter(f->client.hub, DOUBT_MS);
		set_timer(f);
		return; /* an open feed stays; the next heartbeat looks again */
	}
	f->doubted = false;
	if (hub_now(f->client.hub) < f->asked_ms + BUS_SESSION_LATE_S * 1000)
		bus_live_session_put(hub_bus(f->client.hub), f->claim.hash, text, len);
	session_holds(f, &w);
}

static void
on_cached(void *arg, const struct bus_value *v)
{
	struct feed *f = arg;
	struct who w;

	if (f->ended || look_again(f))
		return;
	if (v && v->kind == BUS_STRING && read_session(&w, v->text, v->len) &&
	    w.expires_s > now_s()) {
		f->looking = f->doubted = false;
		session_holds(f, &w);
		return;
	}
	if (f->cache_only && v && v->kind == BUS_NIL) {
		f->looking = false;
		return;
	}
	ask_who(hub_ask(f->client.hub), f->claim.hash, on_asked, f);
}

/* Asks who the session is: Redis's cache, else PostgreSQL. */
static void
look(struct feed *f)
{
	f->cache_only = false;
	if (f->looking)
		return;
	f->looking = true;
	f->asked_ms = hub_now(f->client.hub);
	if (!bus_live_session(hub_bus(f->client.hub), f->claim.hash, on_cached, f))
		ask_who(hub_ask(f->client.hub), f->claim.hash, on_asked, f);
}

/* For when Redis is back: a thousand streams must not ask PostgreSQL in one moment because it came back empty. */
static void
look_in_cache(struct feed *f)
{
	if (f->looking)
		return;
	look(f);
	f->cache_only = true;
}

static void
on_ticket(void *arg, const struct bus_value *v)
{
	struct feed *f = arg;

	if (f->ended)
		return;
	if (v && v->kind == BUS_STRING)
		look(f);
	else if (v && v->kind == BUS_NIL)
		disconnect(f, "UNAUTHORIZED", "the ticket was used before", false);
	else
		disconnect_for(f, E_UNAVAILABLE);
}

/* Without Redis nobody can say whether a ticket is used up: then it does not count. */
static void
use_ticket(struct feed *f)
{
	if (!bus_live_ticket(hub_bus(f->client.hub), f->claim.nonce, on_ticket, f))
		disconnect_for(f, E_UNAVAILABLE);
}

/* --- what the hub tells --- */

static void
on_placed(struct hub_client *c, const enum hub_reset *reason)
{
	struct feed *f = feed_of(c);
	const enum hub_reset invalid = HUB_INVALID;

	if (f->ended)
		return;
	if (!reason && f->refused_position)
		reason = &invalid;
	f->open_by_ms = NEVER;
	plan_heartbeat(f);
	send_connected(f);
	if (reason)
		send_reset(f, *reason);
	look(f); /* it may have been revoked before we subscribed */
	set_timer(f);
}

static void
on_reset(struct hub_client *c, enum hub_reset reason)
{
	if (!feed_of(c)->ended)
		send_reset(feed_of(c), reason);
}

static bool
wants(const struct feed *f, const char *topic, size_t len)
{
	for (size_t i = 0; i < BUS_TOPICS; i++)
		if (strlen(bus_topics[i]) == len &&
		    memcmp(bus_topics[i], topic, len) == 0)
			return f->topics & 1u << i;
	return f->topics == ~0u;
}

static bool
on_event(struct hub_client *c, const struct line *l, const char *text, size_t len)
{
	struct feed *f = feed_of(c);
	struct position at = c->at;
	const struct feed_frame frame = {.kind = FEED_EVENT,
	    .position = &at,
	    .text = text,
	    .len = len};

	if (f->ended)
		return false;
	if (!wants(f, l->topic, l->topic_len))
		return true;
	at.seq = l->seq;
	if (f->sink->write(f->arg, &frame))
		return true;
	if (f->stall_ms == NEVER) {
		f->stall_ms = hub_now(c->hub) + STALL_MS;
		set_timer(f);
	}
	return false;
}

static void
on_foreign(struct hub_client *c, const struct bus_message *m)
{
	struct feed *f = feed_of(c);
	const struct feed_frame frame = {.kind = FEED_FOREIGN,
	    .text = m->text,
	    .len = m->len};

	if (!f->ended && wants(f, m->topic, m->topic_len))
		f->sink->write(f->arg, &frame);
}

static void
on_checked(struct hub_client *c)
{
	struct feed *f = feed_of(c);

	if (!f->ended && f->beat_by_ms != NEVER)
		send_heartbeat(f);
}

static void
on_revoked(struct hub_client *c, const char *hashes, size_t len)
{
	struct feed *f = feed_of(c);
	const char *at = hashes ? memmem(hashes, len, f->claim.hash, WHO_HASH_HEX) : NULL;

	if (f->ended)
		return;
	if (!hashes) {
		look_in_cache(f);
	} else if (at > hashes && at[-1] == BUS_DOUBT[0]) {
		f->doubted = true;
		f->again = f->looking; /* that was asked before */
		look(f);
	} else if (at) {
		disconnect(f, "UNAUTHORIZED", "the session has ended", true);
	}
}

static const struct hub_client_ops ops = {
    .placed = on_placed,
    .reset = on_reset,
    .event = on_event,
    .foreign = on_foreign,
    .checked = on_checked,
    .revoked = on_revoked,
    .timer = on_timer,
};

/* --- the owner's side --- */

static unsigned
topics_of(const char *s)
{
	unsigned bits = 0;

	if (!s || !*s)
		return ~0u;
	while (*s) {
		size_t len = strcspn(s, ",");

		for (size_t i = 0; i < BUS_TOPICS; i++)
			if (strlen(bus_topics[i]) == len &&
			    memcmp(bus_topics[i], s, len) == 0)
				bits |= 1u << i;
		s += len;
		s += *s == ',';
	}
	return bits;
}

struct feed *
feed_open(struct hub *h, const struct conf *c, const struct feed_request *r,
    const struct feed_sink *sink, void *arg)
{
	struct feed *f = xcalloc(1, sizeof(*f));

	f->sink = sink;
	f->arg = arg;
	f->heartbeat_ms = c->heartbeat_ms;
	f->claim = r->claim;
	f->topics = topics_of(r->topics);
	if (r->after && *r->after)
		f->refused_position =
		    !position_read(&f->client.at, r->after, strlen(r->after));
	f->open_by_ms = f->beat_ms = f->beat_by_ms = f->stall_ms = NEVER;
	hub_add(h, &f->client, &ops);
	/* The session is looked up in the next step, when Redis was tried; that step knows the time, too: the last one
	 * may be long ago. */
	hub_timer(&f->client, 0);
	return f;
}

void
feed_close(struct feed *f)
{
	if (!f)
		return;
	bus_live_forget(hub_bus(f->client.hub), f);
	ask_forget(hub_ask(f->client.hub), f);
	hub_remove(&f->client);
	free(f);
}

void
feed_drained(struct feed *f, bool roomy, int64_t now_ms)
{
	if (f->stall_ms == NEVER || f->ended)
		return;
	f->stall_ms = roomy ? NEVER : now_ms + STALL_MS;
	set_timer(f);
	if (roomy)
		hub_hungry(&f->client);
}

void
feed_hear(struct feed *f, const char *line, size_t len)
{
	enum line_word word = line_word(line, len);
	struct buf b = {0};

	if (word == LINE_OTHER || f->ended)
		return;
	buf_adds(&b, word == LINE_PING ? "PONG" : "{\"type\":\"pong\"}");
	put(f, FEED_PONG, NULL, &b);
}

void
feed_restart(struct feed *f, long after_ms)
{
	struct buf b = {0};

	if (f->ended)
		return;
	buf_printf(&b, "{\"type\":\"reconnect\",\"afterMs\":%ld}", after_ms);
	put(f, FEED_RECONNECT, NULL, &b);
	end(f);
}

bool
feed_ended(const struct feed *f)
{
	return f->ended;
}

bool
feed_placed(const struct feed *f)
{
	return f->client.placed;
}

bool
feed_caught_up(const struct feed *f)
{
	return hub_caught_up(&f->client);
}

const struct position *
feed_at(const struct feed *f)
{
	return &f->client.at;
}

const struct who *
feed_who(const struct feed *f)
{
	return &f->who;
}

void
feed_head(const struct feed *f, struct position *ret)
{
	hub_head(&f->client, ret);
}
