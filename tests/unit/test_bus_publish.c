/* The actions' side of the bus against a real Redis: idempotent, ordered, bounded in time. */
#include "bus.h"
#include "bus_keys.h"
#include "clock.h"
#include "redis_server.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h> /* last: it has a macro called fail */

static struct redis_server server;
static struct err e;

static struct bus *
open_bus(void)
{
	return bus_open(&(struct bus_options){.address = server.address,
	    .timeout_ms = 40,
	    .history_events = 10,
	    .history_s = 3600});
}

static void
keep(void *arg, const struct bus_value *v)
{
	char *text = arg;

	switch (v->kind) {
	case BUS_NIL:
		snprintf(text, 4096, "nil");
		break;
	case BUS_STRING:
	case BUS_ERROR:
		snprintf(text, 4096, "%s", v->text);
		break;
	case BUS_INTEGER:
		snprintf(text, 4096, "%lld", v->integer);
		break;
	case BUS_ARRAY:
		text[0] = '\0';
		for (size_t i = 0; i < v->n; i++) {
			struct bus_value at = bus_value_at(v, i);

			strncat(text, at.text, 4095 - strlen(text));
			strncat(text, ",", 4095 - strlen(text));
		}
		break;
	}
}

static const char *
ask(struct bus *b, const char *a0, const char *a1, const char *a2, const char *a3)
{
	static char text[4096];
	const char *args[] = {a0, a1, a2, a3};
	struct bus_text argv[4];
	size_t n = 0;

	while (n < 4 && args[n]) {
		argv[n] = bus_text(args[n]);
		n++;
	}
	err_reset(&e);
	text[0] = '\0';
	assert_int_equal(bus_call(b, &(struct bus_command){argv, n, keep, text}, &e), 0);
	return text;
}

static void
publish(struct bus *b, const char *epoch, long long from, long long to)
{
	for (long long seq = from; seq <= to; seq++) {
		char line[32];
		int len = snprintf(line, sizeof(line), "%s-%lld", epoch, seq);
		struct bus_event ev = {"production", seq, line, (size_t)len};

		err_reset(&e);
		assert_int_equal(bus_publish(b,
				     &(struct bus_batch){"a b", epoch, &ev, 1, 0, 0}, &e),
		    0);
	}
}

static void
history_is_ordered_and_idempotent(void **state)
{
	struct bus *b = open_bus();

	(void)state;
	ask(b, "FLUSHALL", NULL, NULL, NULL);
	publish(b, "x", 3, 3);
	publish(b, "x", 1, 2);
	publish(b, "x", 1, 3);
	assert_string_equal(ask(b, "ZRANGE", "dapur:{a b}:log", "0", "-1"),
	    "x-1,x-2,x-3,");
	assert_string_equal(ask(b, "GET", "dapur:{a b}:head", NULL, NULL), "x.3");
	publish(b, "x", 4, 20);
	assert_string_equal(ask(b, "ZCARD", "dapur:{a b}:log", NULL, NULL), "10");
	publish(b, "x", 2, 2); /* too old to be kept */
	assert_string_equal(ask(b, "ZCARD", "dapur:{a b}:log", NULL, NULL), "10");
	publish(b, "y", 7, 7); /* another history begins */
	assert_string_equal(ask(b, "ZRANGE", "dapur:{a b}:log", "0", "-1"), "y-7,");
	assert_string_equal(ask(b, "GET", "dapur:{a b}:head", NULL, NULL), "y.7");
	bus_close(b);
}

static void
the_script_may_be_forgotten(void **state)
{
	struct bus *b = open_bus();

	(void)state;
	publish(b, "x", 1, 1);
	ask(b, "SCRIPT", "FLUSH", NULL, NULL);
	publish(b, "x", 2, 3);
	assert_string_equal(ask(b, "GET", "dapur:{a b}:head", NULL, NULL), "x.3");
	bus_close(b);
}

static void
restores_the_head(void **state)
{
	struct bus *b = open_bus();
	struct bus_batch r = {.sppg_id = "idle", .epoch = "x", .head = 12};

	(void)state;
	assert_int_equal(bus_publish(b, &r, &e), 0);
	assert_string_equal(ask(b, "GET", "dapur:{idle}:head", NULL, NULL), "x.12");
	r.head = 5;
	assert_int_equal(bus_publish(b, &r, &e), 0);
	assert_string_equal(ask(b, "GET", "dapur:{idle}:head", NULL, NULL), "x.12");
	bus_close(b);
}

static void
sessions(void **state)
{
	struct bus *b = open_bus();
	const char *hashes[] = {"h1", "h2"}, *doubted[] = {"h3"};
	struct buf line;

	(void)state;
	assert_int_equal(bus_session_put(b, "h1", BUS_TEXT("line"), 5000, &e), 0);
	assert_string_equal(ask(b, "GET", "dapur:session:h1", NULL, NULL), "line");
	assert_string_equal(ask(b, "TTL", "dapur:session:h1", NULL, NULL), "300");
	buf_init(&line, 0);
	assert_int_equal(bus_session_get(b, "h1", &line, &e), 0);
	assert_string_equal(line.bytes, "line");
	buf_reset(&line);
	assert_int_equal(bus_session_get(b, "h3", &line, &e), 0);
	assert_int_equal(line.len, 0);
	assert_int_equal(bus_session_drop(b, "a b", hashes, 2, &e), 0);
	assert_string_equal(ask(b, "GET", "dapur:session:h1", NULL, NULL), BUS_REVOKED);
	assert_int_equal(bus_session_put(b, "h1", BUS_TEXT("line"), 60, &e), 0);
	assert_string_equal(ask(b, "GET", "dapur:session:h1", NULL, NULL), BUS_REVOKED);
	assert_int_equal(bus_session_get(b, "h1", &line, &e), 0);
	assert_int_equal(line.len, 0);
	buf_free(&line);
	assert_string_equal(ask(b, "TTL", "dapur:session:h1", NULL, NULL), "60");
	assert_int_equal(bus_session_put(b, "h3", BUS_TEXT("line"), 60, &e), 0);
	assert_int_equal(bus_session_doubt(b, "a b", doubted, 1, &e), 0);
	assert_string_equal(ask(b, "GET", "dapur:session:h3", NULL, NULL), BUS_REVOKED);
	bus_close(b);
}

/* What cannot be marked is forgotten: nobody believes it any more. */
static void
a_full_redis_unlearns(void **state)
{
	struct bus *b = open_bus();
	const char *hashes[] = {"h1"};

	(void)state;
	assert_int_equal(bus_session_put(b, "h1", BUS_TEXT("line"), 60, &e), 0);
	ask(b, "CONFIG", "SET", "maxmemory", "1");
	assert_int_equal(bus_session_drop(b, "a b", hashes, 1, &e), -1);
	assert_int_equal(e.code, E_UNAVAILABLE);
	assert_string_equal(ask(b, "EXISTS", "dapur:session:h1", NULL, NULL), "0");
	ask(b, "CONFIG", "SET", "maxmemory", "0");
	assert_int_equal(bus_session_drop(b, "a b", hashes, 1, &e), 0);
	assert_string_equal(ask(b, "GET", "dapur:session:h1", NULL, NULL), BUS_REVOKED);
	bus_close(b);
}

static void
a_restart_costs_no_call(void **state)
{
	struct bus *b = open_bus();

	(void)state;
	publish(b, "x", 1, 1);
	redis_server_kill(&server);
	redis_server_start(&server);
	publish(b, "x", 2, 2);
	bus_close(b);
}

static void
a_stopped_redis_is_bounded(void **state)
{
	struct bus *b = open_bus();
	struct bus_event ev = {"production", 9, "line", 4};
	int64_t worst_us = 0;

	(void)state;
	publish(b, "x", 1, 1);
	kill(server.pid, SIGSTOP);
	for (int i = 0; i < 50; i++) {
		int64_t t = clock_us();

		err_reset(&e);
		assert_int_equal(bus_publish(b,
				     &(struct bus_batch){"t", "x", &ev, 1, 0, 0}, &e),
		    -1);
		assert_int_equal(e.code, E_UNAVAILABLE);
		t = clock_us() - t;
		worst_us = t > worst_us ? t : worst_us;
	}
	assert_true(worst_us < 200000); /* 40 ms, and room for a loaded machine */
	kill(server.pid, SIGCONT);
	for (int i = 0; i < 200 &&
	     bus_publish(b, &(struct bus_batch){"t", "x", &ev, 1, 0, 0}, &e) < 0;
	     i++)
		test_sleep_ms(20);
	assert_string_equal(ask(b, "GET", "dapur:{t}:head", NULL, NULL), "x.9");
	bus_close(b);
}

static void
none_and_nonsense(void **state)
{
	struct bus_options o = {.address = "none", .timeout_ms = 40};
	struct bus *b = bus_open(&o);

	(void)state;
	assert_int_equal(bus_ping(b, &e), -1);
	assert_int_equal(e.code, E_UNAVAILABLE);
	bus_close(b);
	o.address = "nonsense";
	b = bus_open(&o);
	assert_int_equal(bus_ping(b, &e), -1);
	bus_close(b);
	o.address = "127.0.0.1:1";
	b = bus_open(&o);
	assert_int_equal(bus_ping(b, &e), -1);
	bus_close(b);
	bus_close(NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(history_is_ordered_and_idempotent),
	    cmocka_unit_test(the_script_may_be_forgotten),
	    cmocka_unit_test(restores_the_head),
	    cmocka_unit_test(sessions),
	    cmocka_unit_test(a_full_redis_unlearns),
	    cmocka_unit_test(a_restart_costs_no_call),
	    cmocka_unit_test(a_stopped_redis_is_bounded),
	    cmocka_unit_test(none_and_nonsense),
	};
	int failed;

	redis_server_start(&server);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	redis_server_end(&server);
	return failed;
}
