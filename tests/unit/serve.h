/*
 * serve.h: app_serve() run as a CGI runs it, for tests: an environment and a body in, the whole reply out.
 *
 * The database and the bus are pretended (fake.h). One app for all tests of a program; SERVE_TEST() puts the script
 * back before each.
 */
#ifndef DAPUR_TEST_SERVE_H
#define DAPUR_TEST_SERVE_H

#include "base.h"

/* An event's line, as the trigger wrote it, and a body that creates a production. */
#define LINE "{\"type\":\"production_created\",\"data\":{\"id\":\"p1\"}}"
#define CREATE                                                                     \
	"{\"programId\":\"g\",\"menuId\":\"m\",\"productionDate\":\"2026-01-31\"," \
	"\"plannedPortions\":100,\"headCook\":\"u\",\"plannedStartTime\":"         \
	"\"2026-01-31T01:00:00Z\",\"plannedEndTime\":\"2026-01-31T03:00:00Z\"}"

/* Of the request served last. */
struct serve_reply {
	int status;
	char *text; /* all that the front got */
	const char *body;
};

extern struct serve_reply serve;

/* Fixtures of cmocka: of a program, and before each test. */
int serve_open(void **state);
int serve_close(void **state);
int serve_script(
    void **state); /* a session that may do everything, rows for each kind of action */

#define SERVE_TEST(f) cmocka_unit_test_setup(f, serve_script)

/* Serves one request. content NULL: none. Then environment variables, "NAME=VALUE", at least one. */
#define SERVE(method, uri, content, ...) \
	serve_env(method, uri, content, (const char *const[]){__VA_ARGS__, NULL})
void serve_env(const char *method, const char *uri, const char *content,
    const char *const *env);

/* Environment variables of a good session. */
#define COOKIE (serve_cookie)
#define BEARER (serve_bearer)
extern char serve_cookie[80], serve_bearer[80];

/* The entity tag that a list at this position has for that session; valid until the next call. */
const char *serve_tag(const char *position);

/* Whether the reply has this whole line of header. */
bool serve_header(const char *line);

/* The code of an error reply, after a look at what must be true of each. */
const char *serve_code(void);

#endif
