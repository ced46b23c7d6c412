/* Who may have a feed, its frames, heartbeats and limits. */
#include "feed_play.h"

#include "bus_keys.h"

/* An open feed that has everything up to e.5. */
static void
watching(void)
{
	joined("e.5", NULL);
	tail("e.5", 1, 0);
	settle();
	assert_got("connected:e.5");
}

static void
heartbeats(void **state)
{
	(void)state;
	conf.heartbeat_ms = 1000;
	watching();
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
	watching();
	fake_revoke("melati", "ffff");
	assert_false(ended);
	fake_revoke("melati", "ffff " HASH);
	assert_true(ended);
	publish(6);
	assert_got("disconnect:UNAUTHORIZED");
}

/* It may still hold: PostgreSQL is asked, and what was asked before does not count. */
static void
doubt(void **state)
{
	(void)state;
	joined("e.5", NULL);
	tail("e.5", 1, 0);
	fake_revoke("melati", "ffff ?" HASH);
	fake_answer_text(SESSION); /* of before */
	assert_asks(FAKE_SESSION, 0);
	fake_answer_text("-");
	assert_asks(FAKE_WHO, 0);
	fake_revoke("melati", "?" HASH);
	fake_answer_ask(ASK_OK, SESSION "\n"); /* of before */
	fake_answer_text("-");
	assert_asks(FAKE_WHO, 0);
	fake_answer_ask(ASK_OK, SESSION "\n");
	assert_asks(FAKE_NOTHING, 0);
	publish(6);
	assert_got("connected:e.5 6");
	fake_revoke("melati", "?" HASH);
	fake_answer_text("-");
	fake_answer_ask(ASK_AWAY, "");
	assert_asks(FAKE_NOTHING, 0);
	step(1200); /* far less than a heartbeat */
	fake_answer_text("-");
	tail("e.6", 1, 0);
	assert_asks(FAKE_WHO, 0);
	fake_answer_ask(ASK_NONE, "");
	assert_true(ended);
	assert_got("heartbeat:e.6 disconnect:UNAUTHORIZED");
}

static void
a_late_answer_is_not_cached(void **state)
{
	(void)state;
	conf.heartbeat_ms = 3600000;
	joined("e.5", NULL);
	tail("e.5", 1, 0);
	fake_answer_text("-");
	assert_asks(FAKE_WHO, 0);
	step(BUS_SESSION_LATE_S * 1000);
	fake_answer_ask(ASK_OK, SESSION "\n");
	assert_false(ended);
	assert_int_equal(fake_n_cached(), 0);
	fake_revoke("melati", "?" HASH);
	fake_answer_text("-");
	fake_answer_ask(ASK_OK, SESSION "\n");
	assert_int_equal(fake_n_cached(), 1);
}

static void
a_session_ends_unannounced(void **state)
{
	(void)state;
	conf.heartbeat_ms = 1000;
	watching();
	step(1200);
	fake_answer_text("-");
	assert_asks(FAKE_TAIL, 5);
	tail("e.5", 1, 0);
	assert_asks(FAKE_WHO, 0);
	fake_answer_ask(ASK_NONE, "");
	assert_true(ended);
	assert_got("heartbeat:e.5 disconnect:UNAUTHORIZED");
}

/* Redis was away: what it says of the session counts, what it forgot waits for the heartbeat. */
static void
redis_came_back(void **state)
{
	(void)state;
	joined("e.5", NULL);
	tail("e.5", 1, 0);
	settle();
	fake_down();
	fake_up();
	fake_subscribed("melati");
	fake_answer_text(NULL);
	step(1);
	assert_asks(FAKE_TAIL, 5); /* and nobody else */
	tail("e.5", 1, 0);
	assert_asks(FAKE_NOTHING, 0);
	fake_down();
	fake_up();
	fake_subscribed("melati");
	fake_answer_text("-"); /* revoked */
	assert_asks(FAKE_WHO, 0);
	fake_answer_ask(ASK_NONE, "");
	assert_true(ended);
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
	watching();
	full = true;
	publish(6);
	publish(7);
	full = false;
	feed_drained(feed, true, now);
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

/* Nothing else happened for a while: the time of the last step is no measure for what was taken since. */
static void
a_client_that_drips(void **state)
{
	(void)state;
	watching();
	full = true;
	publish(6);
	for (int i = 0; i < 5; i++) {
		now += 1900;
		feed_drained(feed, false, now);
		step(0);
		assert_false(ended);
	}
	now += 1900;
	feed_drained(feed, false, now);
	step(1999);
	assert_false(ended);
	step(1);
	assert_true(ended);
	assert_got("disconnect:SLOW_CONSUMER");
}

/* One feed more than the kitchen may have: refused, and the one that is there stays. */
static void
a_full_kitchen(void **state)
{
	struct feed *first;

	(void)state;
	options.tenant_max = 1;
	watching();
	first = feed;
	open_at("e.5", NULL);
	assert_asks(FAKE_SESSION, 0);
	fake_answer_text(SESSION);
	assert_true(ended);
	assert_got("disconnect:TOO_MANY_REQUESTS");
	assert_false(feed_ended(first));
	publish(6);
	assert_got("6");
	/* another kitchen has a count of its own; one that leaves makes room */
	feed_close(feed);
	open_at(NULL, NULL);
	fake_answer_text("kenanga\tu2\tIbu\tSPPG_KEPALA\t99999999999\tREAD");
	assert_false(feed_ended(feed));
	feed_close(feed);
	feed_close(first);
	joined("e.6", NULL);
	tail("e.6", 1, 0);
	assert_got("connected:e.6");
	options.tenant_max = 0;
}

static void
words_of_the_client(void **state)
{
	(void)state;
	watching();
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
	assert_false(feed_param("b=%\x14\x11", "b", value, sizeof(value)));
	assert_false(feed_param("b=%1f", "b", value, sizeof(value)));
	assert_true(feed_param("b=%31234567", "b", value, sizeof(value)));
	assert_false(feed_param("b=12345678", "b", value, sizeof(value)));
	assert_false(feed_param("ab=1", "b", value, sizeof(value)));
	assert_false(feed_param(NULL, "b", value, sizeof(value)));
	assert_true(feed_given("ab=1&b=%4", "b"));
	assert_false(feed_given("ab=1&b", "b"));
	assert_false(feed_given(NULL, "b"));
}

/* Behind https a page of the same host by plain http is another site: whoever is in its way writes it. */
static void
claims_behind_https(void **state)
{
	static const struct {
		const char *origin;
		int rc;
	} rows[] = {{"https://own", 0}, {"http://own", -1}, {"http://own:80", -1}};
	struct conf c = {.public_url = (char *)(uintptr_t) "https://k.test",
	    .allowed_origins = (char *)(uintptr_t) "",
	    .secret = (char *)(uintptr_t) ""};

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
		const struct feed_env env = {
		    .cookie =
			"__Host-dapur_session=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
		    .origin = rows[i].origin,
		    .host = "own:80",
		    .needs_origin = true};
		struct who_claim claim;
		struct err e;

		err_reset(&e);
		assert_int_equal(feed_claim(&claim, &c, &env, 0, &e), rows[i].rc);
		assert_int_equal(e.code, rows[i].rc ? E_CROSS_SITE : E_OK);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    CASE(heartbeats),
	    CASE(revocation),
	    CASE(doubt),
	    CASE(a_late_answer_is_not_cached),
	    CASE(a_session_ends_unannounced),
	    CASE(redis_came_back),
	    CASE(a_changed_role),
	    CASE(who_may_not),
	    CASE(after_an_idle_hour),
	    CASE(topics),
	    CASE(a_client_that_does_not_read),
	    CASE(a_client_that_drips),
	    CASE(a_full_kitchen),
	    CASE(words_of_the_client),
	    cmocka_unit_test(claims),
	    cmocka_unit_test(claims_behind_https),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
