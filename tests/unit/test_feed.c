/* One feed against a Redis and a PostgreSQL that the test plays: order, no repeats, no holes, no silence. */
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

static void
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

static const char *
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

static const char *
event(long long seq)
{
	return event_of("e", seq, "production", "melati");
}

static void
publish(long long seq)
{
	fake_message("production", "melati", event(seq));
	step(1);
}

/* Redis answers with its head and the events from..to. */
static void
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
static void
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

static void
open_at(const char *after, const char *topics)
{
	struct feed_request r = {.after = after, .topics = topics};

	memcpy(r.claim.hash, HASH, sizeof(r.claim.hash));
	r.claim.means = WHO_COOKIE;
	feed = feed_open(hub, &conf, &r, &sink, NULL);
	step(0);
}

/* The session is cached and the tenant subscribed. */
static void
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
static void
settle(void)
{
	assert_int_equal(fake_first()->kind, FAKE_SESSION);
	fake_answer_text(SESSION);
	step(1);
}

static int
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

static int
finish(void **state)
{
	(void)state;
	feed_close(feed);
	assert_false(fake_is_subscribed("melati"));
	hub_close(hub);
	return 0;
}

static void
live_from_now(void **state)
{
	(void)state;
	joined(NULL, NULL);
	tail("e.5", 1, 0);
	assert_got("connected:e.5");
	settle();
	publish(6);
	publish(7);
	publish(7);
	publish(3);
	fake_message("production", "melati", "{\"type\":\"seed\",\"data\":{}}");
	fake_message("production", "melati", "not json");
	fake_message("production", "other", event(8));
	fake_message("production", "melati", event_of("e", 8, "production", "kenanga"));
	step(1);
	assert_got("6 7 foreign");
	assert_int_equal(fake_first()->kind, FAKE_NOTHING);
}

static void
replay_then_live(void **state)
{
	(void)state;
	joined("e.2", NULL);
	assert_asks(FAKE_TAIL, 2);
	tail("e.5", 3, 4); /* a page ends early */
	assert_got("connected:e.2 3 4");
	settle();
	assert_asks(FAKE_TAIL, 4);
	publish(6); /* while it is asked */
	assert_got("");
	tail("e.6", 5, 6);
	assert_got("5 6");
	publish(7);
	assert_got("7");
}

static void
a_message_before_the_head_is_known(void **state)
{
	(void)state;
	joined("e.5", NULL);
	publish(6);
	tail("e.5", 1, 0); /* the answer is older than the message */
	assert_got("connected:e.5");
	settle();
	assert_asks(FAKE_TAIL, 5);
	tail("e.6", 6, 6);
	assert_got("6");
}

static void
a_lost_message_is_fetched(void **state)
{
	(void)state;
	joined("e.5", NULL);
	tail("e.5", 1, 0);
	settle();
	assert_got("connected:e.5");
	publish(8);
	assert_got("");
	assert_asks(FAKE_TAIL, 5);
	tail("e.8", 6, 8);
	assert_got("6 7 8");
}

static void
a_hole_is_mended_by_the_log(void **state)
{
	(void)state;
	joined("e.5", NULL);
	tail("e.5", 1, 0);
	settle();
	assert_got("connected:e.5");
	publish(7);
	for (int i = 0; i < 4; i++) {
		assert_asks(FAKE_TAIL, 5);
		tail("e.7", 7, 7);
		assert_got("");
		step(200);
	}
	assert_asks(FAKE_LOG, 5);
	answer_log("e 7 0", "e", 6, 7);
	assert_got("6 7");
}

static void
a_hole_is_mended_by_the_relay(void **state)
{
	(void)state;
	joined("e.5", NULL);
	tail("e.5", 1, 0);
	settle();
	publish(7);
	tail("e.7", 7, 7);
	got[0] = '\0';
	publish(6); /* late */
	assert_got("6");
	assert_asks(FAKE_TAIL, 6);
	tail("e.7", 7, 7);
	assert_got("7");
}

static struct feed *
open_second(const char *after)
{
	struct feed *first = feed, *second;

	open_at(after, NULL);
	while (fake_first()->kind == FAKE_SESSION)
		fake_answer_text(SESSION);
	step(1);
	second = feed;
	feed = first;
	return second;
}

/* The others' progress is none of the one that misses something: it must reach the log all the same. */
static void
a_hole_beside_a_busy_neighbour(void **state)
{
	struct feed *old;
	bool asked = false;

	(void)state;
	joined("e.50", NULL);
	tail("e.50", 1, 0);
	settle();
	old = open_second("e.10");
	got[0] = '\0';
	for (long long seq = 51; seq < 80 && !asked; seq++) {
		publish(seq);
		if (fake_first()->kind == FAKE_TAIL)
			tail("e.51", 41, 51); /* the history does not reach back to 11 */
		while (fake_first()->kind == FAKE_SESSION)
			fake_answer_text(SESSION);
		step(60);
		asked = fake_first()->kind == FAKE_LOG;
	}
	assert_true(asked);
	assert_asks(FAKE_LOG, 10);
	feed_close(old);
}

static void
older_than_the_history(void **state)
{
	(void)state;
	joined("e.10", NULL);
	tail("e.500", 1, 0);
	settle();
	assert_asks(FAKE_LOG, 10); /* at once */
}

static void
redis_lost_everything(void **state)
{
	(void)state;
	joined("e.5", NULL);
	for (int i = 0; i < 4; i++) {
		tail(NULL, 1, 0);
		step(200);
	}
	assert_asks(FAKE_LOG, 5);
	answer_log("e 6 0", "e", 6, 6);
	assert_got("connected:e.5 6");
}

static void
positions_that_do_not_hold(void **state)
{
	static const struct {
		const char *after, *words;
	} rows[] = {
	    {"e.3", "connected:e.9 reset:e.9"}, /* pruned */
	    {"old.9", "connected:e.9 reset:e.9"},
	    {"e.10", "connected:e.9 reset:e.9"},
	    {"nonsense", "connected:e.9 reset:e.9"},
	    {"e.9", "connected:e.9"},
	};

	for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
		joined(rows[i].after, NULL);
		tail("e.9", 1, 0);
		for (int tries = 0; fake_first()->kind != FAKE_NOTHING && tries < 20;
		     tries++) {
			step(200);
			if (fake_first()->kind == FAKE_SESSION)
				fake_answer_text(SESSION);
			else if (fake_first()->kind == FAKE_TAIL)
				tail("e.9", 1, 0);
			else if (fake_first()->kind == FAKE_LOG)
				answer_log("e 9 5", "e", 1, 0);
			step(200);
		}
		if (i == 0)
			assert_got(
			    "connected:e.3 reset:e.9"); /* found out while replaying */
		else
			assert_got(rows[i].words);
		publish(10);
		assert_got("10");
		finish(state);
		begin(state);
	}
}

static void
a_new_epoch(void **state)
{
	(void)state;
	joined("e.5", NULL);
	tail("e.5", 1, 0);
	settle();
	got[0] = '\0';
	fake_message("production", "melati", event_of("f", 6, "production", "melati"));
	step(1);
	assert_asks(FAKE_LOG, 5);
	answer_log("f 6 5", "f", 6, 6);
	assert_got("reset:f.6");
	fake_message("production", "melati",
	    event_of("e", 7, "production", "melati")); /* late */
	step(1);
	answer_log("f 6 5", "f", 1, 0);
	assert_got("");
	fake_message("production", "melati", event_of("f", 7, "production", "melati"));
	step(1);
	assert_got("7");
}

static void
redis_away(void **state)
{
	(void)state;
	joined("e.5", NULL);
	tail("e.5", 1, 0);
	settle();
	got[0] = '\0';
	fake_down();
	step(1);
	fake_up();
	fake_subscribed("melati");
	step(1);
	while (fake_first()->kind == FAKE_SESSION) /* a revocation may have been missed */
		fake_answer_text(SESSION);
	assert_asks(FAKE_TAIL, 5);
	tail("e.7", 6, 7);
	assert_got("6 7");
}

static void
without_redis(void **state)
{
	finish(state);
	fake_reset(true);
	hub = hub_open(&options, now);
	open_at("e.5", NULL);
	assert_asks(FAKE_WHO, 0);
	fake_answer_ask(ASK_OK, SESSION "\n");
	step(1);
	assert_asks(FAKE_LOG, 5);
	answer_log("e 6 0", "e", 6, 6);
	assert_got("connected:e.5 6");
	fake_answer_ask(ASK_OK, SESSION "\n");
	step(1100);
	while (fake_first()->kind == FAKE_WHO)
		fake_answer_ask(ASK_OK, SESSION "\n");
	assert_asks(FAKE_LOG, 6);
	answer_log("e 7 0", "e", 7, 7);
	assert_true(strstr(got, "7"));
}

static void
postgresql_away(void **state)
{
	(void)state;
	joined("e.5", NULL);
	tail("e.5", 1, 0);
	settle();
	got[0] = '\0';
	publish(7);
	for (int i = 0; i < 4; i++) {
		tail("e.7", 7, 7);
		step(200);
	}
	fake_answer_ask(ASK_AWAY, "");
	step(1);
	assert_false(ended);
	assert_int_equal(fake_first()->kind, FAKE_NOTHING); /* it pauses */
	step(500);
	assert_asks(FAKE_LOG, 5);
	answer_log("e 7 0", "e", 6, 7);
	assert_got("6 7");
}

static void
heartbeats(void **state)
{
	(void)state;
	conf.heartbeat_ms = 1000;
	joined("e.5", NULL);
	tail("e.5", 1, 0);
	settle();
	got[0] = '\0';
	step(1200);
	settle(); /* the session is looked at */
	assert_asks(FAKE_TAIL, 5);
	tail("e.6", 6, 6); /* what nobody announced */
	assert_got("6 heartbeat:e.6");
	step(1200);
	settle();
	step(2100); /* Redis does not answer: the heartbeat comes all the same */
	assert_got("heartbeat:e.6");
}

static void
revocation(void **state)
{
	(void)state;
	joined("e.5", NULL);
	tail("e.5", 1, 0);
	settle();
	got[0] = '\0';
	fake_revoke("melati", "ffff");
	assert_false(ended);
	fake_revoke("melati", "ffff " HASH);
	assert_true(ended);
	publish(6);
	assert_got("disconnect:UNAUTHORIZED");
}

static void
a_session_ends_unannounced(void **state)
{
	(void)state;
	conf.heartbeat_ms = 1000;
	joined("e.5", NULL);
	tail("e.5", 1, 0);
	settle();
	got[0] = '\0';
	step(1200);
	fake_answer_text("-");
	assert_asks(FAKE_TAIL, 5);
	tail("e.5", 1, 0);
	assert_asks(FAKE_WHO, 0);
	fake_answer_ask(ASK_NONE, "");
	assert_true(ended);
	assert_got("heartbeat:e.5 disconnect:UNAUTHORIZED");
}

static void
a_changed_role(void **state)
{
	(void)state;
	joined("e.5", NULL);
	tail("e.5", 1, 0);
	fake_answer_text("melati\tu1\tIbu\tSPPG_VIEWER\t99999999999\tREAD");
	assert_true(ended);
	assert_got("connected:e.5 disconnect:UNAUTHORIZED");
}

static void
who_may_not(void **state)
{
	open_at(NULL, NULL);
	fake_answer_text(NULL);
	fake_answer_ask(ASK_NONE, "");
	assert_got("disconnect:UNAUTHORIZED");
	finish(state);
	begin(state);
	open_at(NULL, NULL);
	fake_answer_text(NULL);
	fake_answer_ask(ASK_AWAY, "");
	assert_got("disconnect:UNAVAILABLE");
	finish(state);
	begin(state);
	open_at(NULL, NULL);
	fake_answer_text("melati\tu1\tIbu\tX\t99999999999\tWRITE");
	assert_got("disconnect:FORBIDDEN");
	finish(state);
	begin(state);
	open_at(NULL, NULL);
	fake_answer_text(NULL);
	fake_answer_ask(ASK_OK, SESSION "\n");
	assert_int_equal(fake_n_cached(), 1);
	assert_true(fake_is_subscribed("melati"));
}

/* Nothing was to be done for a while: the first client must not pay for it. */
static void
after_an_idle_hour(void **state)
{
	(void)state;
	now += 3600000;
	joined(NULL, NULL);
	assert_got("");
	tail("e.5", 1, 0);
	assert_got("connected:e.5");
}

static void
topics(void **state)
{
	(void)state;
	joined("e.5", "menu,staff");
	tail("e.5", 1, 0);
	settle();
	publish(6);
	fake_message("menu", "melati", event_of("e", 7, "menu", "melati"));
	fake_message("production", "melati", "{}");
	fake_message("staff", "melati", "{}");
	step(1);
	assert_got("connected:e.5 7 foreign");
}

static void
a_client_that_does_not_read(void **state)
{
	(void)state;
	joined("e.5", NULL);
	tail("e.5", 1, 0);
	settle();
	got[0] = '\0';
	full = true;
	publish(6);
	publish(7);
	full = false;
	feed_drained(feed, true);
	step(1);
	assert_asks(FAKE_TAIL, 5);
	tail("e.7", 6, 7);
	assert_got("6 7");
	full = true;
	publish(8);
	step(2100);
	assert_true(ended);
	assert_got("disconnect:SLOW_CONSUMER");
}

static void
words_of_the_client(void **state)
{
	(void)state;
	joined("e.5", NULL);
	tail("e.5", 1, 0);
	settle();
	got[0] = '\0';
	feed_hear(feed, "PING", 4);
	feed_hear(feed, "{\"type\":\"ping\"}", 15);
	feed_hear(feed, "anything", 8);
	assert_got("pong pong");
	feed_restart(feed, 500);
	assert_true(ended);
	assert_got("reconnect");
}

static void
claims(void **state)
{
	static const struct {
		const char *cookie, *origin, *site, *host;
		bool needs;
		enum err_code code;
	} rows[] = {
	    {NULL, "http://k.test", NULL, "", true, E_UNAUTHORIZED},
	    {"x", "http://k.test", NULL, "", true, E_UNAUTHORIZED},
	    {"c", "http://k.test", NULL, "", true, E_OK},
	    {"c", "http://K.TEST", NULL, "", true, E_OK},
	    {"c", NULL, NULL, "", true, E_CROSS_SITE},
	    {"c", NULL, NULL, "", false, E_OK},
	    {"c", NULL, "cross-site", "", false, E_CROSS_SITE},
	    {"c", NULL, "same-origin", "", false, E_OK},
	    {"c", "null", NULL, "", true, E_CROSS_SITE},
	    {"c", "http://k.test.evil", NULL, "k.test:80", true, E_CROSS_SITE},
	    {"c", "http://evil", NULL, "evil.example:80", true, E_CROSS_SITE},
	    {"c", "https://own", NULL, "own:80", true, E_OK},
	    {"c", "http://own:8080", NULL, "own:8080", true, E_OK},
	    {"c", "http://own", NULL, "own:8080", true, E_CROSS_SITE},
	    {"c", "ftp://own", NULL, "own", true, E_CROSS_SITE},
	};
	struct conf c = {0};
	char value[8];

	(void)state;
	c.public_url = (char *)(uintptr_t) "http://k.test";
	c.allowed_origins = (char *)(uintptr_t) "";
	c.secret = (char *)(uintptr_t) "";
	for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
		static const char *const cookie =
		    "a=1; dapur_session=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
		const struct feed_env env = {.cookie = rows[i].cookie &&
			    rows[i].cookie[0] == 'c'
			? cookie
			: rows[i].cookie,
		    .origin = rows[i].origin,
		    .fetch_site = rows[i].site,
		    .host = rows[i].host,
		    .needs_origin = rows[i].needs};
		struct who_claim claim;
		struct err e;

		err_reset(&e);
		assert_int_equal(feed_claim(&claim, &c, &env, 0, &e),
		    rows[i].code == E_OK ? 0 : -1);
		assert_int_equal(e.code, rows[i].code);
	}
	assert_true(feed_param("a=1&b=%41+c&c=", "b", value, sizeof(value)));
	assert_string_equal(value, "A c");
	assert_false(feed_param("b=%00", "b", value, sizeof(value)));
	assert_false(feed_param("b=%4", "b", value, sizeof(value)));
	assert_false(feed_param("b=12345678", "b", value, sizeof(value)));
	assert_false(feed_param("ab=1", "b", value, sizeof(value)));
	assert_false(feed_param(NULL, "b", value, sizeof(value)));
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, begin, finish)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    CASE(live_from_now),
	    CASE(replay_then_live),
	    CASE(a_message_before_the_head_is_known),
	    CASE(a_lost_message_is_fetched),
	    CASE(a_hole_is_mended_by_the_log),
	    CASE(a_hole_is_mended_by_the_relay),
	    CASE(a_hole_beside_a_busy_neighbour),
	    CASE(older_than_the_history),
	    CASE(redis_lost_everything),
	    CASE(positions_that_do_not_hold),
	    CASE(a_new_epoch),
	    CASE(redis_away),
	    CASE(without_redis),
	    CASE(postgresql_away),
	    CASE(heartbeats),
	    CASE(revocation),
	    CASE(a_session_ends_unannounced),
	    CASE(a_changed_role),
	    CASE(who_may_not),
	    CASE(after_an_idle_hour),
	    CASE(topics),
	    CASE(a_client_that_does_not_read),
	    CASE(words_of_the_client),
	    cmocka_unit_test(claims),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
