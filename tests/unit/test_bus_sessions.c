/* A worker's memory of sessions against a real Redis: no look after a revocation finds what it ended. */
#include "bus.h"
#include "bus_sessions.h"
#include "redis_server.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h> /* last: it has a macro called fail */

#define ROUNDS 500

static struct redis_server server;
static struct bus_options o;
static struct err e;

static void
keep(struct bus_sessions *s, const char *hash)
{
	char line[64];
	int len = snprintf(line, sizeof(line), "line of %s", hash);

	bus_sessions_keep(s, hash, line, (size_t)len);
}

static bool
knows(struct bus_sessions *s, const char *hash)
{
	char line[64];
	size_t len = 0;
	const char *found = bus_sessions_find(s, hash, &len);

	snprintf(line, sizeof(line), "line of %s", hash);
	assert_true(!found || (strcmp(found, line) == 0 && len == strlen(line)));
	return found;
}

/* Waits until a line that is kept is found: the subscription stands. */
static void
wait_to_hear(struct bus_sessions *s)
{
	for (int i = 0; i < 10000; i++) {
		if (knows(s, "first"))
			return;
		keep(s, "first");
		test_sleep_ms(1);
	}
	fail_msg("it never hears");
}

static void
drop(struct bus *b, const char *one, const char *two)
{
	const char *hashes[] = {one, two};

	err_reset(&e);
	assert_int_equal(bus_session_drop(b, "a b", hashes, two ? 2 : 1, &e), 0);
}

static void
doubt(struct bus *b, const char *hash)
{
	err_reset(&e);
	assert_int_equal(bus_session_doubt(b, "a b", &hash, 1, &e), 0);
}

static void
known_until_revoked(void **state)
{
	struct bus *b = bus_open(&o);
	struct bus_sessions *s = bus_sessions_open(&o), *t = bus_sessions_open(&o);

	(void)state;
	keep(s, "h1"); /* nothing is heard yet */
	assert_false(knows(s, "h1"));
	wait_to_hear(s);
	wait_to_hear(t);
	for (int i = 0; i < ROUNDS; i++) {
		keep(s, "h1");
		keep(s, "h2");
		keep(t, "h1");
		assert_true(knows(s, "h1") && knows(s, "h2") && knows(t, "h1"));
		drop(b, "h1", i % 2 ? "h3" : NULL);
		assert_false(knows(s, "h1") || knows(t, "h1"));
		assert_true(knows(s, "h2"));
		drop(b, "h0", "h2");
		assert_false(knows(s, "h2"));
		keep(s, "h2");
		doubt(b, "h2");
		assert_false(knows(s, "h2"));
	}
	bus_sessions_close(t);
	bus_sessions_close(s);
	bus_close(b);
}

/* Asked before the revocation, kept after it was sent: the next look hears it. */
static void
kept_in_between(void **state)
{
	struct bus *b = bus_open(&o);
	struct bus_sessions *s = bus_sessions_open(&o);

	(void)state;
	wait_to_hear(s);
	assert_false(knows(s, "h1"));
	drop(b, "h1", NULL);
	keep(s, "h1");
	assert_false(knows(s, "h1"));
	bus_sessions_close(s);
	bus_close(b);
}

static void
bounded(void **state)
{
	static char large[8192];
	struct bus_sessions *s = bus_sessions_open(&o);
	char hash[80];
	size_t known = 0;

	(void)state;
	wait_to_hear(s);
	memset(large, 'x', sizeof(large));
	bus_sessions_keep(s, "large", large, sizeof(large));
	assert_false(knows(s, "large"));
	memset(hash, 'a', sizeof(hash) - 1);
	hash[sizeof(hash) - 1] = '\0';
	keep(s, hash);
	assert_false(knows(s, hash));
	for (int i = 0; i < 5000; i++) {
		snprintf(hash, sizeof(hash), "%08x", i * 2654435u);
		keep(s, hash);
	}
	for (int i = 0; i < 5000; i++) {
		snprintf(hash, sizeof(hash), "%08x", i * 2654435u);
		known += knows(s, hash);
	}
	assert_in_range(known, 100, 1000);
	bus_sessions_close(s);
}

/* Who may have missed something knows nothing. */
static void
redis_goes_and_comes(void **state)
{
	struct bus *b = bus_open(&o);
	struct bus_sessions *s = bus_sessions_open(&o);

	(void)state;
	wait_to_hear(s);
	keep(s, "h1");
	assert_true(knows(s, "h1"));
	redis_server_kill(&server);
	assert_false(knows(s, "h1"));
	keep(s, "h1");
	assert_false(knows(s, "h1"));
	redis_server_start(&server);
	wait_to_hear(s);
	assert_false(knows(s, "h1"));
	keep(s, "h1");
	drop(b, "h1", NULL);
	assert_false(knows(s, "h1"));
	bus_sessions_close(s);
	bus_close(b);
	bus_sessions_close(NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(known_until_revoked),
	    cmocka_unit_test(kept_in_between),
	    cmocka_unit_test(bounded),
	    cmocka_unit_test(redis_goes_and_comes),
	};
	int failed;

	redis_server_start(&server);
	o = (struct bus_options){.address = server.address,
	    .timeout_ms = 1000,
	    .history_events = 10,
	    .history_s = 3600};
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	redis_server_end(&server);
	return failed;
}
