/*
 * feed_play.h: one feed on a hub whose Redis and PostgreSQL the test plays (fake_live.h); included by one test each.
 */
#ifndef DAPUR_TEST_FEED_PLAY_H
#define DAPUR_TEST_FEED_PLAY_H

#include "feed.h"

#include "fake_live.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h> /* last: it has a macro called fail */

#define HASH "0123456789012345678901234567890123456789012345678901234567890123"
#define SESSION "melati\tu1\tIbu\tSPPG_KEPALA\t99999999999\tREAD,WRITE"

/* What the client got: a word a frame, joined by spaces. */
static char got[4096];
static bool ended, full;
static int64_t now;
static struct hub *hub;
static struct feed *feed;
static struct hub_options options = {.check_ms = 10, .bus.history_events = 100};
static struct conf conf;

static bool
sink_write(void *arg, const struct feed_frame *f)
{
	static const char *const names[] = {[FEED_CONNECTED] = "connected",
	    [FEED_HEARTBEAT] = "heartbeat",
	    [FEED_RESET] = "reset",
	    [FEED_PONG] = "pong",
	    [FEED_RECONNECT] = "reconnect",
	    [FEED_DISCONNECT] = "disconnect",
	    [FEED_FOREIGN] = "foreign"};
	char word[128], at[POSITION_CAP] = "";

	(void)arg;
	if (full && f->kind == FEED_EVENT)
		return false;
	assert_true(f->kind == FEED_PONG || line_valid(f->text, f->len));
	if (f->position)
		position_text(at, f->position);
	if (f->kind == FEED_EVENT)
		snprintf(word, sizeof(word), "%lld", f->position->seq);
	else if (f->code)
		snprintf(word, sizeof(word), "%s:%s", names[f->kind], f->code);
	else
		snprintf(word, sizeof(word), "%s%s%s", names[f->kind], at[0] ? ":" : "",
		    at);
	snprintf(got + strlen(got), sizeof(got) - strlen(got), "%s%s", got[0] ? " " : "",
	    word);
	return true;
}

static void
sink_end(void *arg)
{
	(void)arg;
	ended = true;
}

static const struct feed_sink sink = {.write = sink_write, .end = sink_end};

static UNUSED void
step(int64_t ms)
{
	struct pollfd fds[HUB_FDS] = {{0}};

	now += ms;
	hub_step(hub, fds, now);
}

/* Compares what came since the last time. */
#define assert_got(words)                          \
	do {                                       \
		assert_string_equal(got, (words)); \
		got[0] = '\0';                     \
	} while (0)

#define assert_asks(what, where)                              \
	do {                                                  \
		assert_int_equal(fake_first()->kind, what);   \
		assert_int_equal(fake_first()->after, where); \
	} while (0)

static UNUSED const char *
event_of(const char *epoch, long long seq, const char *topic, const char *sppg)
{
	static char lines[64][256];
	static unsigned next;
	char *s = lines[next++ % 64];

	snprintf(s, sizeof(lines[0]),
	    "{\"type\":\"t\",\"seq\":%lld,\"position\":\"%s.%lld\",\"topic\":\"%s\",\"sppgId\":\"%s\","
	    "\"data\":{}}",
	    seq, epoch, seq, topic, sppg);
	return s;
}

static UNUSED const char *
event(long long seq)
{
	return event_of("e", seq, "production", "melati");
}

static UNUSED void
publish(long long seq)
{
	fake_message("production", "melati", event(seq));
	step(1);
}

/* Redis answers with its head and the events from..to. */
static UNUSED void
tail(const char *head, long long from, long long to)
{
	const char *lines[64];
	size_t n = 0;

	for (long long seq = from; seq <= to; seq++)
		lines[n++] = event(seq);
	fake_answer_tail(head, lines, n);
	step(1);
}

/* PostgreSQL answers with `EPOCH HEAD FLOOR` and the events from..to. */
static UNUSED void
answer_log(const char *head, const char *epoch, long long from, long long to)
{
	char text[8192];

	snprintf(text, sizeof(text), "%s\n", head);
	for (long long seq = from; seq <= to; seq++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s\n",
		    event_of(epoch, seq, "production", "melati"));
	fake_answer_ask(ASK_OK, text);
	step(1);
}

static UNUSED void
open_at(const char *after, const char *topics)
{
	struct feed_request r = {.after = after, .topics = topics};

	memcpy(r.claim.hash, HASH, sizeof(r.claim.hash));
	r.claim.means = WHO_COOKIE;
	feed = feed_open(hub, &conf, &r, &sink, NULL);
	step(0);
}

/* The session is cached and the tenant subscribed. */
static UNUSED void
joined(const char *after, const char *topics)
{
	open_at(after, topics);
	assert_asks(FAKE_SESSION, 0);
	fake_answer_text(SESSION);
	assert_true(fake_is_subscribed("melati"));
	fake_subscribed("melati");
	step(1);
	assert_int_equal(fake_first()->kind, FAKE_TAIL);
}

/* Placed, and its session looked at once more. */
static UNUSED void
settle(void)
{
	assert_int_equal(fake_first()->kind, FAKE_SESSION);
	fake_answer_text(SESSION);
	step(1);
}

static UNUSED int
begin(void **state)
{
	(void)state;
	fake_reset(false);
	got[0] = '\0';
	ended = full = false;
	conf.heartbeat_ms = 60000;
	feed = NULL;
	now = 1000000;
	hub = hub_open(&options, now);
	fake_up();
	return 0;
}

static UNUSED int
finish(void **state)
{
	(void)state;
	feed_close(feed);
	assert_false(fake_is_subscribed("melati"));
	hub_close(hub);
	return 0;
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, begin, finish)

#endif
