#include "bus_live.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bus_keys.h"
#include "mem.h"

#include "banned.h"

#define ANSWER_MS 1000  /* longest wait for an answer */
#define BEAT_MS 15000   /* a silent subscription is asked whether it lives */
#define IDLE_MS 5000    /* an unused command connection is closed */
#define PAUSE_MIN_MS 20 /* before connecting again */
#define PAUSE_MAX_MS 2000
#define TICKET_TTL "90" /* seconds: a ticket lives 60 */

/* A tail is asked by two commands; the head comes first. */
struct tail {
	struct tail *next;
	struct bus_live *live;
	bus_tail_fn *fn; /* NULL: forgotten */
	void *arg;
	bool has_head;
	bool failed;
	size_t head_len;
	char head[128];
};

struct bus_live {
	const struct bus_live_handlers *handlers;
	void *arg;
	bool none;
	bool up;      /* the subscription is connected, or about to be */
	bool refused; /* it answered SUBSCRIBE by an error */
	bool alive; /* it is believed to answer: at first, and after a loss when it did */
	struct bus_link *sub, *cmd;
	struct tail *tails; /* that wait */
	int64_t now_ms;
	int64_t retry_ms; /* when away: the next try */
	long pause_ms;
	int64_t heard_ms; /* last sign of life of the subscription, or question for one */
	bool asked;       /* it was asked since */
	int64_t cmd_ms;   /* last answer to a command, or the first question */
	unsigned seed;
};

/* Why Redis was lost is not told: it comes back or not. One for all: an err is large, a stream has to be small. */
static struct err unread;

static void on_push(void *arg, const struct bus_value *v);

struct bus_live *
bus_live_open(const struct bus_options *o, const struct bus_live_handlers *handlers,
    void *arg)
{
	struct bus_live *l = xcalloc(1, sizeof(*l));

	signal(SIGPIPE, SIG_IGN);
	l->handlers = handlers;
	l->arg = arg;
	l->none = strcmp(o->address, "none") == 0;
	l->alive = !l->none;
	l->seed = (unsigned)getpid();
	l->sub = bus_link_new(o);
	l->cmd = bus_link_new(o);
	bus_link_on_push(l->sub, on_push, l);
	return l;
}

void
bus_live_close(struct bus_live *l)
{
	if (!l)
		return;
	for (struct tail *t = l->tails; t; t = t->next)
		t->fn = NULL;
	bus_link_free(l->sub);
	bus_link_free(l->cmd); /* the waiting tails free themselves */
	free(l);
}

bool
bus_live_none(const struct bus_live *l)
{
	return l->none;
}

bool
bus_live_away(const struct bus_live *l)
{
	return !l->up || !l->alive;
}

/* 50 to 150 % of ms, so that a thousand streams do not return in one moment. */
static long
jitter(struct bus_live *l, long ms)
{
	return ms / 2 + rand_r(&l->seed) % (ms + 1);
}

static void
lose(struct bus_live *l)
{
	bool was_alive = l->alive;

	l->up = l->asked = l->alive = l->refused = false;
	l->pause_ms = l->pause_ms ? l->pause_ms * 2 : PAUSE_MIN_MS;
	if (l->pause_ms > PAUSE_MAX_MS)
		l->pause_ms = PAUSE_MAX_MS;
	l->retry_ms = l->now_ms + jitter(l, l->pause_ms);
	bus_link_close(l->sub);
	bus_link_close(l->cmd);
	if (was_alive)
		l->handlers->down(l->arg);
}

/* Something was sent on the subscription: if nothing comes back, it is given up. */
static void
expect_sign(struct bus_live *l)
{
	if (!l->asked)
		l->heard_ms = l->now_ms;
	l->asked = true;
}

static void
send_beat(struct bus_live *l)
{
	const struct bus_text ping[] = {BUS_TEXT("PING")};

	expect_sign(l);
	bus_link_send_push(l->sub, ping, N_ELEMENTS(ping));
}

static void
connect_again(struct bus_live *l)
{
	if (bus_link_connect(l->sub, &unread) < 0) {
		lose(l);
		return;
	}
	l->up = true;
	if (!l->alive)
		send_beat(l); /* a stopped server's socket accepts, too */
	expect_sign(l);
	l->handlers->up(l->arg);
}

/* Whether the command connection is there. A failure is seen by the next step. */
static bool
ready(struct bus_live *l)
{
	if (!l->up || !l->alive)
		return false;
	if (!bus_link_is_open(l->cmd)) {
		if (bus_link_connect(l->cmd, &unread) < 0)
			return false;
		l->cmd_ms = l->now_ms; /* its AUTH waits already */
	}
	if (bus_link_waiting(l->cmd) == 0)
		l->cmd_ms = l->now_ms;
	return true;
}

/* When a silent subscription is asked, or given up when it was. */
static int64_t
beat_due(const struct bus_live *l)
{
	return l->heard_ms + (l->asked ? ANSWER_MS : BEAT_MS);
}

void
bus_live_poll(const struct bus_live *l, struct pollfd ret_fds[BUS_LIVE_FDS],
    int64_t *deadline_ms)
{
	int64_t at;

	ret_fds[0] = (struct pollfd){bus_link_fd(l->sub), bus_link_events(l->sub), 0};
	ret_fds[1] = (struct pollfd){bus_link_fd(l->cmd), bus_link_events(l->cmd), 0};
	if (l->none)
		return;
	at = l->up ? beat_due(l) : l->retry_ms;
	if (at < *deadline_ms)
		*deadline_ms = at;
	if (!bus_link_is_open(l->cmd))
		return;
	at = l->cmd_ms + (bus_link_waiting(l->cmd) ? ANSWER_MS : IDLE_MS);
	if (at < *deadline_ms)
		*deadline_ms = at;
}

void
bus_live_step(struct bus_live *l, const struct pollfd fds[BUS_LIVE_FDS], int64_t now_ms)
{
	l->now_ms = now_ms;
	if (l->none)
		return;
	if (!l->up) {
		if (now_ms >= l->retry_ms)
			connect_again(l);
		return;
	}
	if (bus_link_step(l->sub, fds[0].revents, &unread) < 0 ||
	    bus_link_step(l->cmd, fds[1].revents, &unread) < 0 || l->refused) {
		lose(l);
		return;
	}
	if (fds[1].revents & POLLIN)
		l->cmd_ms = now_ms;
	if (now_ms >= beat_due(l)) {
		if (l->asked) {
			lose(l);
			return;
		}
		send_beat(l);
	}
	if (!bus_link_is_open(l->cmd))
		return;
	if (bus_link_waiting(l->cmd)) {
		if (now_ms >= l->cmd_ms + ANSWER_MS)
			lose(l);
	} else if (now_ms >= l->cmd_ms + IDLE_MS) {
		bus_link_close(l->cmd);
	}
}

/* Splits <topic>:updates:<sppgId> or dapur:revoke:<sppgId>. */
static bool
split_channel(struct bus_message *m, const char *channel, size_t len)
{
	static const struct bus_text revoke = BUS_TEXT(BUS_REVOKE_CHANNEL),
				     updates = BUS_TEXT(BUS_UPDATES);
	const char *at;

	m->revoke = len > revoke.len && memcmp(channel, revoke.s, revoke.len) == 0;
	if (m->revoke) {
		m->sppg_id = channel + revoke.len;
	} else {
		at = memmem(channel, len, updates.s, updates.len);
		if (!at)
			return false;
		m->topic = channel;
		m->topic_len = (size_t)(at - channel);
		m->sppg_id = at + updates.len;
	}
	m->sppg_len = (size_t)(channel + len - m->sppg_id);
	return m->sppg_len > 0;
}

static bool
is(const struct bus_value *v, const char *word)
{
	return v->kind == BUS_STRING && strcmp(v->text, word) == 0;
}

static void
on_push(void *arg, const struct bus_value *v)
{
	struct bus_live *l = arg;
	struct bus_value kind = bus_value_at(v, 0), channel = bus_value_at(v, 1),
			 text = bus_value_at(v, 2);
	struct bus_message m = {0};

	l->heard_ms = l->now_ms;
	l->asked = false;
	l->alive = true;
	if (v->kind == BUS_ERROR)
		l->refused = true; /* it is loading, or does not let us */
	else
		l->pause_ms = 0;
	if (channel.kind != BUS_STRING || !split_channel(&m, channel.text, channel.len))
		return;
	if (is(&kind, "subscribe") && m.revoke) /* the last channel of its tenant */
		l->handlers->subscribed(l->arg, m.sppg_id, m.sppg_len);
	if (!is(&kind, "message") || text.kind != BUS_STRING)
		return;
	m.text = text.text;
	m.len = text.len;
	l->handlers->message(l->arg, &m);
}

static void
tell_channels(struct bus_live *l, struct bus_text verb, const char *sppg_id)
{
	char names[BUS_TOPICS + 1][BUS_KEY_CAP], pattern[64];
	struct bus_text argv[BUS_TOPICS + 2] = {verb};

	for (size_t i = 0; i < BUS_TOPICS; i++) {
		snprintf(pattern, sizeof(pattern), "%s" BUS_UPDATES "%%s", bus_topics[i]);
		argv[i + 1] = bus_key(names[i], pattern, sppg_id);
	}
	argv[BUS_TOPICS + 1] =
	    bus_key(names[BUS_TOPICS], BUS_REVOKE_CHANNEL "%s", sppg_id);
	bus_link_send_push(l->sub, argv, N_ELEMENTS(argv));
}

void
bus_live_subscribe(struct bus_live *l, const char *sppg_id)
{
	tell_channels(l, BUS_TEXT("SUBSCRIBE"), sppg_id);
	if (l->up)
		expect_sign(l);
}

void
bus_live_unsubscribe(struct bus_live *l, const char *sppg_id)
{
	tell_channels(l, BUS_TEXT("UNSUBSCRIBE"), sppg_id);
}

static void
on_tail_head(void *arg, const struct bus_value *v)
{
	struct tail *t = arg;

	if (!v || (v->kind != BUS_STRING && v->kind != BUS_NIL)) {
		t->failed = true;
		return;
	}
	if (v->kind == BUS_STRING && v->len < sizeof(t->head)) {
		t->has_head = true;
		t->head_len = v->len;
		memcpy(t->head, v->text, v->len + 1);
	}
}

static void
on_tail_lines(void *arg, const struct bus_value *v)
{
	struct tail *t = arg, **at = &t->live->tails;

	while (*at != t)
		at = &(*at)->next;
	*at = t->next;
	if (t->fn && (t->failed || !v || v->kind != BUS_ARRAY)) {
		t->fn(t->arg, NULL);
	} else if (t->fn) {
		const struct bus_tail tail = {.head = t->has_head ? t->head : NULL,
		    .head_len = t->head_len,
		    .lines = *v};

		t->fn(t->arg, &tail);
	}
	free(t);
}

bool
bus_live_tail(struct bus_live *l, const struct bus_page *p, bus_tail_fn *fn, void *arg)
{
	char head_key[BUS_KEY_CAP], log_key[BUS_KEY_CAP], from[25], count[24];
	struct bus_text get[] = {BUS_TEXT("GET"),
	    bus_key(head_key, BUS_HEAD_KEY, p->sppg_id)};
	struct bus_text range[] = {BUS_TEXT("ZRANGEBYSCORE"),
	    bus_key(log_key, BUS_LOG_KEY, p->sppg_id), bus_number(p->after + 1, from),
	    BUS_TEXT("+inf"), BUS_TEXT("LIMIT"), BUS_TEXT("0"),
	    bus_number(p->limit, count)};
	struct tail *t;

	if (!ready(l))
		return false;
	t = xcalloc(1, sizeof(*t));
	*t = (struct tail){.live = l, .fn = fn, .arg = arg, .next = l->tails};
	l->tails = t;
	bus_link_send(l->cmd, get, N_ELEMENTS(get), on_tail_head, t);
	bus_link_send(l->cmd, range, N_ELEMENTS(range), on_tail_lines, t);
	return true;
}

bool
bus_live_session(struct bus_live *l, const char *hash, bus_reply_fn *fn, void *arg)
{
	char key[BUS_KEY_CAP];
	struct bus_text argv[] = {BUS_TEXT("GET"), bus_key(key, BUS_SESSION_KEY, hash)};

	if (!ready(l))
		return false;
	bus_link_send(l->cmd, argv, N_ELEMENTS(argv), fn, arg);
	return true;
}

void
bus_live_session_put(struct bus_live *l, const char *hash, const char *line, size_t len)
{
	char key[BUS_KEY_CAP], ttl[24];
	struct bus_text argv[] = {BUS_TEXT("SET"), bus_key(key, BUS_SESSION_KEY, hash),
	    {line, len}, BUS_TEXT("NX"), BUS_TEXT("EX"),
	    bus_number(BUS_SESSION_TTL_S, ttl)};

	if (ready(l))
		bus_link_send(l->cmd, argv, N_ELEMENTS(argv), NULL, NULL);
}

bool
bus_live_ticket(struct bus_live *l, const char *nonce, bus_reply_fn *fn, void *arg)
{
	char key[BUS_KEY_CAP];
	struct bus_text argv[] = {BUS_TEXT("SET"), bus_key(key, BUS_TICKET_KEY, nonce),
	    BUS_TEXT("1"), BUS_TEXT("NX"), BUS_TEXT("EX"), BUS_TEXT(TICKET_TTL)};

	if (!ready(l))
		return false;
	bus_link_send(l->cmd, argv, N_ELEMENTS(argv), fn, arg);
	return true;
}

void
bus_live_forget(struct bus_live *l, const void *arg)
{
	for (struct tail *t = l->tails; t; t = t->next)
		if (t->arg == arg)
			t->fn = NULL;
	bus_link_forget(l->cmd, arg);
}
