/* Order, no repeats, no holes, no silence, whatever Redis and PostgreSQL do. */
#include "feed_play.h"

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

/* Somebody deleted events and left the floor where it was. */
static void
holes_in_the_log(void **state)
{
	static const struct {
		const char *head;
		long long from, to, from2, to2;
		const char *words;
	} rows[] = {
	    {"e 9 0", 8, 9, 1, 0, "connected:e.5 reset:e.9"},
	    {"e 9 0", 6, 7, 9, 9, "connected:e.5 6 7 reset:e.9"},
	    {"e 9 0", 6, 7, 1, 0, "connected:e.5 6 7 reset:e.9"},
	    {"e 9 0", 1, 0, 1, 0, "connected:e.5 reset:e.9"},
	    {"e 9 0", 6, 9, 1, 0, "connected:e.5 6 7 8 9"},
	};

	for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
		char text[4096];

		finish(state);
		begin(state);
		joined("e.5", NULL);
		tail("e.5", 1, 0);
		settle();
		publish(9);
		for (int k = 0; k < 4; k++) {
			tail("e.9", 9, 9);
			step(200);
		}
		assert_asks(FAKE_LOG, 5);
		snprintf(text, sizeof(text), "%s\n", rows[i].head);
		for (long long seq = rows[i].from; seq <= rows[i].to; seq++)
			snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s\n",
			    event(seq));
		for (long long seq = rows[i].from2; seq <= rows[i].to2; seq++)
			snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s\n",
			    event(seq));
		fake_answer_ask(ASK_OK, text);
		step(1);
		assert_got(rows[i].words);
		publish(10);
		assert_got("10");
	}
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
	    CASE(holes_in_the_log),
	    CASE(postgresql_away),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
