#include "bus.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bus_keys.h"
#include "clock.h"
#include "mem.h"

#include "banned.h"

#define BREAK_MIN_MS 200
#define BREAK_MAX_MS 1000
#define SHA_LEN 40

/*
 * KEYS: log, head. ARGV: sppgId, epoch, events kept, seconds kept, announce from, head or 0, then topic, seq, line
 * of each event. One script for publisher and relay; safe to run twice and in any order. Keys of another type are
 * somebody's mistake, which must not stop a tenant for good.
 */
static const char publish_script[] =
    "local was, kind = redis.pcall('GET', KEYS[2]), redis.call('TYPE', KEYS[1]).ok\n"
    "if type(was) == 'table' then redis.call('DEL', KEYS[2]) was = false end\n"
    "if kind ~= 'zset' and kind ~= 'none' then redis.call('DEL', KEYS[1]) end\n"
    "local epoch, keep = ARGV[2], tonumber(ARGV[3])\n"
    "local from, head, fresh = tonumber(ARGV[5]), tonumber(ARGV[6]), 0\n"
    "local old = was and string.match(was, '^(.*)%.%d+$')\n"
    "local top = -1\n"
    "if old == epoch then top = tonumber(string.match(was, '%d+$'))\n"
    "else redis.call('DEL', KEYS[1]) end\n"
    "if top > head then head = top end\n"
    "for i = 7, #ARGV, 3 do\n"
    "  local seq = tonumber(ARGV[i + 1])\n"
    "  if seq > head then head = seq end\n"
    "  if seq > top - keep and\n"
    "    redis.call('ZADD', KEYS[1], 'NX', ARGV[i + 1], ARGV[i + 2]) == 1 then\n"
    "    fresh = fresh + 1\n"
    "    if seq >= from then\n"
    "      redis.call('PUBLISH', ARGV[i] .. ':updates:' .. ARGV[1], ARGV[i + 2])\n"
    "    end\n"
    "  end\n"
    "end\n"
    "if head > top then\n"
    "  redis.call('SET', KEYS[2], epoch .. '.' .. string.format('%.0f', head))\n"
    "end\n"
    "if fresh > 0 then\n"
    "  redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('%.0f', head - keep))\n"
    "  redis.call('EXPIRE', KEYS[1], ARGV[4])\n"
    "end\n"
    "return fresh\n";

enum { SCRIPT_ARGS = 11 }; /* EVAL, script, 2, two keys, six arguments */

struct bus {
	struct bus_options o;
	char *texts[3]; /* copies of address, user, password */
	struct bus_link *link;
	bool none;
	char sha[SHA_LEN + 1]; /* of the script; "": not known on this connection */
	int64_t closed_until_ms;
	int64_t closed_for_ms;
};

struct bus *
bus_open(const struct bus_options *o)
{
	struct bus *b = xcalloc(1, sizeof(*b));

	signal(SIGPIPE,
	    SIG_IGN); /* hiredis writes with write(): a lost Redis must not end the worker */
	b->o = *o;
	b->o.address = b->texts[0] = xstrdup(o->address);
	b->o.user = b->texts[1] = xstrdup(o->user ? o->user : "");
	b->o.password = b->texts[2] = xstrdup(o->password ? o->password : "");
	b->none = strcmp(o->address, "none") == 0;
	b->link = bus_link_new(&b->o);
	return b;
}

void
bus_close(struct bus *b)
{
	if (!b)
		return;
	bus_link_free(b->link);
	for (size_t i = 0; i < N_ELEMENTS(b->texts); i++)
		free(b->texts[i]);
	free(b);
}

/* Polls until no reply is due. */
static int
run(struct bus *b, int64_t until_ms, struct err *e)
{
	if (bus_link_flush(b->link, e) < 0)
		return -1;
	while (bus_link_waiting(b->link) > 0) {
		struct pollfd p = {bus_link_fd(b->link), bus_link_events(b->link), 0};
		int64_t left_ms = until_ms - clock_ms();

		if (left_ms <= 0)
			return fail_detail(e, E_UNAVAILABLE,
			    "redis: no answer within %ld ms", b->o.timeout_ms);
		if (poll(&p, 1, (int)left_ms) < 0 && errno != EINTR)
			return fail_detail(e, E_UNAVAILABLE, "redis: poll: %s",
			    strerror(errno));
		if (bus_link_step(b->link, p.revents, e) < 0)
			return -1;
	}
	return 0;
}

static void
on_sha(void *arg, const struct bus_value *v)
{
	struct bus *b = arg;

	if (v && v->kind == BUS_STRING && v->len == SHA_LEN)
		memcpy(b->sha, v->text, SHA_LEN + 1);
}

static int
connect_now(struct bus *b, struct err *e)
{
	const struct bus_text load[] = {BUS_TEXT("SCRIPT"), BUS_TEXT("LOAD"),
	    BUS_TEXT(publish_script)};

	b->sha[0] = '\0';
	if (bus_link_connect(b->link, e) < 0)
		return -1;
	bus_link_send(b->link, load, N_ELEMENTS(load), on_sha, b);
	return 0;
}

static void
break_circuit(struct bus *b)
{
	b->closed_for_ms = b->closed_for_ms ? b->closed_for_ms * 2 : BREAK_MIN_MS;
	if (b->closed_for_ms > BREAK_MAX_MS)
		b->closed_for_ms = BREAK_MAX_MS;
	b->closed_until_ms = clock_ms() + b->closed_for_ms;
}

/* What a batch of commands is: queued by queue(b, arg), maybe twice, when an idle connection turns out dead. */
typedef void queue_fn(struct bus *b, void *arg);

static int
exchange(struct bus *b, queue_fn *queue, void *arg, struct err *e)
{
	int64_t until_ms = clock_ms() + b->o.timeout_ms;
	bool again = bus_link_is_open(b->link);

	if (b->none)
		return fail_detail(e, E_UNAVAILABLE, "redis: none is set up");
	if (clock_ms() < b->closed_until_ms)
		return fail_detail(e, E_UNAVAILABLE, "redis: was away a moment ago");
	for (;;) {
		if (bus_link_is_open(b->link) || connect_now(b, e) == 0) {
			queue(b, arg);
			if (run(b, until_ms, e) == 0) {
				b->closed_for_ms = 0;
				return 0;
			}
		}
		bus_link_close(b->link);
		if (!again || clock_ms() >= until_ms)
			break;
		again = false;
	}
	break_circuit(b);
	return -1;
}

/* One command, its callback, and the trouble an error reply makes. */
struct command {
	struct bus_command what;
	bool no_script;
	char error[128];
};

static void
on_reply(void *arg, const struct bus_value *v)
{
	struct command *c = arg;

	if (!v)
		return;
	if (v->kind == BUS_ERROR) {
		c->no_script = strncmp(v->text, "NOSCRIPT", 8) == 0;
		snprintf(c->error, sizeof(c->error), "%s", v->text);
		return;
	}
	if (c->what.fn)
		c->what.fn(c->what.arg, v);
}

static void
queue_command(struct bus *b, void *arg)
{
	struct command *c = arg;

	c->error[0] = '\0';
	bus_link_send(b->link, c->what.argv, c->what.argc, on_reply, c);
}

static int
one_command(struct bus *b, struct command *c, struct err *e)
{
	if (exchange(b, queue_command, c, e) < 0)
		return -1;
	if (c->error[0])
		return fail_detail(e, E_UNAVAILABLE, "redis: %s", c->error);
	return 0;
}

int
bus_call(struct bus *b, const struct bus_command *c, struct err *e)
{
	struct command one = {.what = *c};

	return one_command(b, &one, e);
}

/* EVALSHA when the script is known to be there, else EVAL. argv[0] and argv[1] are set here. */
static int
eval(struct bus *b, struct bus_text *argv, size_t argc, struct err *e)
{
	struct command c = {.what = {.argv = argv, .argc = argc}};

	if (b->sha[0] && bus_link_is_open(b->link)) {
		char sha[SHA_LEN +
		    1]; /* a reconnect inside forgets b->sha; the text must stay */

		memcpy(sha, b->sha, sizeof(sha));
		argv[0] = BUS_TEXT("EVALSHA");
		argv[1] = bus_text(sha);
		if (one_command(b, &c, e) == 0)
			return 0;
		if (!c.no_script)
			return -1;
		err_reset(e);
		c = (struct command){.what = {.argv = argv, .argc = argc}};
	}
	argv[0] = BUS_TEXT("EVAL");
	argv[1] = BUS_TEXT(publish_script);
	return one_command(b, &c, e);
}

int
bus_publish(struct bus *b, const struct bus_batch *batch, struct err *e)
{
	char log_key[BUS_KEY_CAP], head_key[BUS_KEY_CAP];
	char keep[24], ttl[24], from[24], head[24], (*seqs)[24];
	size_t argc = SCRIPT_ARGS + 3 * batch->n;
	struct bus_text *argv;
	int rc;

	if (b->none)
		return fail_detail(e, E_UNAVAILABLE, "redis: none is set up");
	argv = xcalloc(argc, sizeof(*argv));
	seqs = xcalloc(batch->n, sizeof(*seqs));
	argv[2] = BUS_TEXT("2");
	argv[3] = bus_key(log_key, BUS_LOG_KEY, batch->sppg_id);
	argv[4] = bus_key(head_key, BUS_HEAD_KEY, batch->sppg_id);
	argv[5] = bus_text(batch->sppg_id);
	argv[6] = bus_text(batch->epoch);
	argv[7] = bus_number(b->o.history_events, keep);
	argv[8] = bus_number(b->o.history_s, ttl);
	argv[9] = bus_number(batch->announce_from, from);
	argv[10] = bus_number(batch->head, head);
	for (size_t i = 0; i < batch->n; i++) {
		const struct bus_event *ev = &batch->events[i];
		struct bus_text *at = argv + SCRIPT_ARGS + 3 * i;

		at[0] = bus_text(ev->topic);
		at[1] = bus_number(ev->seq, seqs[i]);
		at[2] = (struct bus_text){ev->line, ev->len};
	}
	rc = eval(b, argv, argc, e);
	free(seqs);
	free(argv);
	return rc;
}

int
bus_session_put(struct bus *b, const char *hash_hex, struct bus_text line, long ttl_s,
    struct err *e)
{
	char key[BUS_KEY_CAP], ttl[24];
	struct bus_text argv[] = {BUS_TEXT("SET"),
	    bus_key(key, BUS_SESSION_KEY, hash_hex), line, BUS_TEXT("NX"), BUS_TEXT("EX"),
	    bus_number(ttl_s < BUS_SESSION_TTL_S ? ttl_s : BUS_SESSION_TTL_S, ttl)};

	if (ttl_s < 1)
		return 0;
	return bus_call(b, BUS_COMMAND(argv, NULL, NULL), e);
}

static void
on_session(void *arg, const struct bus_value *v)
{
	if (v->kind == BUS_STRING && strcmp(v->text, BUS_REVOKED) != 0)
		buf_add(arg, v->text, v->len);
}

int
bus_session_get(struct bus *b, const char *hash_hex, struct buf *ret, struct err *e)
{
	char key[BUS_KEY_CAP];
	const struct bus_text argv[] = {BUS_TEXT("GET"),
	    bus_key(key, BUS_SESSION_KEY, hash_hex)};

	return bus_call(b, BUS_COMMAND(argv, on_session, ret), e);
}

struct drop {
	const char *sppg_id;
	const char *const *hashes;
	size_t n;
	struct bus_text sign; /* before each hash in the message */
	char error[128];
};

static void
on_dropped(void *arg, const struct bus_value *v)
{
	struct drop *d = arg;

	if (v && v->kind == BUS_ERROR)
		snprintf(d->error, sizeof(d->error), "%s", v->text);
}

/* A mark, not DEL alone: a stream that asked PostgreSQL before the COMMIT caches with NX, and so cannot bring
 * the session back. The DEL is for a Redis that is full and refuses to SET. */
static void
queue_drop(struct bus *b, void *arg)
{
	struct drop *d = arg;
	char key[BUS_KEY_CAP], ttl[24], *joined, *p;
	struct bus_text del[] = {BUS_TEXT("DEL"), {0}};
	struct bus_text set[] = {BUS_TEXT("SET"), {0}, BUS_TEXT(BUS_REVOKED),
	    BUS_TEXT("EX"), bus_number(BUS_REVOKED_TTL_S, ttl)};
	struct bus_text tell[] = {BUS_TEXT("PUBLISH"), {0}, {0}};
	size_t len = 0;

	for (size_t i = 0; i < d->n; i++) {
		del[1] = set[1] = bus_key(key, BUS_SESSION_KEY, d->hashes[i]);
		bus_link_send(b->link, del, N_ELEMENTS(del), on_dropped, d);
		bus_link_send(b->link, set, N_ELEMENTS(set), on_dropped, d);
		len += d->sign.len + strlen(d->hashes[i]) + 1;
	}
	p = joined = xmalloc(len);
	for (size_t i = 0; i < d->n; i++) {
		size_t n = strlen(d->hashes[i]);

		memcpy(p, d->sign.s, d->sign.len);
		p += d->sign.len;
		memcpy(p, d->hashes[i], n);
		p[n] = ' ';
		p += n + 1;
	}
	tell[1] = bus_key(key, BUS_REVOKE_CHANNEL "%s", d->sppg_id);
	tell[2] = (struct bus_text){joined, len - 1};
	bus_link_send(b->link, tell, N_ELEMENTS(tell), on_dropped, d);
	free(joined);
}

static int
send_drop(struct bus *b, struct drop *d, struct err *e)
{
	if (d->n == 0)
		return 0;
	if (exchange(b, queue_drop, d, e) < 0)
		return -1;
	if (d->error[0])
		return fail_detail(e, E_UNAVAILABLE, "redis: %s", d->error);
	/* Redis writes to every subscriber before it takes the next command */
	return bus_ping(b, e);
}

int
bus_session_drop(struct bus *b, const char *sppg_id, const char *const *hashes, size_t n,
    struct err *e)
{
	struct drop d = {.sppg_id = sppg_id,
	    .hashes = hashes,
	    .n = n,
	    .sign = BUS_TEXT("")};

	return send_drop(b, &d, e);
}

int
bus_session_doubt(struct bus *b, const char *sppg_id, const char *const *hashes, size_t n,
    struct err *e)
{
	struct drop d = {.sppg_id = sppg_id,
	    .hashes = hashes,
	    .n = n,
	    .sign = BUS_TEXT(BUS_DOUBT)};

	return send_drop(b, &d, e);
}

int
bus_ping(struct bus *b, struct err *e)
{
	const struct bus_text argv[] = {BUS_TEXT("PING")};

	return bus_call(b, BUS_COMMAND(argv, NULL, NULL), e);
}
