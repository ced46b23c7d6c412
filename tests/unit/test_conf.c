/* Settings files: good lines, each way to be wrong, origins. */
#include "conf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static int
parse(struct conf *c, const char *text, struct err *e)
{
	FILE *f = fmemopen((void *)(uintptr_t)text, strlen(text), "r");
	int rc;

	err_reset(e);
	conf_defaults(c);
	rc = conf_parse(c, "unit.conf", f, e);
	fclose(f);
	return rc;
}

static void
reads_lines(void **state)
{
	static const char text[] = "# a comment = nothing\n"
				   "\n"
				   "  redis = unix:/run/redis.sock \r\n"
				   "secret=\"  0123456789 0123456789 012345  \"\n"
				   "public_url = https://dapur.example\n"
				   "body_max = 2048\n"
				   "allowed_origins =\n"
				   "redis_password = a=b # no comment\n"
				   "base_path = /v1/api"; /* no newline at the end */
	struct conf c;
	struct err e;

	(void)state;
	assert_int_equal(parse(&c, text, &e), 0);
	assert_string_equal(c.redis, "unix:/run/redis.sock");
	assert_string_equal(c.secret, "  0123456789 0123456789 012345  ");
	assert_string_equal(c.public_url, "https://dapur.example");
	assert_true(conf_https(&c));
	assert_int_equal(c.body_max, 2048);
	assert_string_equal(c.allowed_origins, "");
	assert_string_equal(c.redis_password, "a=b # no comment");
	assert_string_equal(c.base_path, "/v1/api");
	assert_int_equal(c.heartbeat_ms, 20000);
	conf_free(&c);
	conf_free(&c);
}

static void
defaults_are_good(void **state)
{
	struct conf c;
	struct err e;

	(void)state;
	assert_int_equal(parse(&c, "\n", &e), 0);
	assert_false(conf_https(&c));
	assert_string_equal(c.secret, "");
	conf_free(&c);
}

static void
refuses(void **state)
{
	static const struct {
		const char *text, *why;
	} rows[] = {
	    {"redsi = x\n", "unit.conf:1: there is no setting \"redsi\""},
	    {"\n\nredis\n", "unit.conf:3: expected `key = value`"},
	    {"= x\n", "unit.conf:1: there is no setting \"\""},
	    {"Redis = x\n", "unit.conf:1: there is no setting \"Redis\""},
	    {"body_max = 12x\n",
		"unit.conf:1: body_max must be a whole number from 1024 to 67108864"},
	    {"body_max =\n",
		"unit.conf:1: body_max must be a whole number from 1024 to 67108864"},
	    {"body_max = 1023\n",
		"unit.conf:1: body_max must be a whole number from 1024 to 67108864"},
	    {"body_max = 99999999999999999999\n",
		"unit.conf:1: body_max must be a whole number from 1024 to 67108864"},
	    {"log_level = loud\n", "log_level must be debug, info, warn or error"},
	    {"log_level = very loud\n", "unit.conf:1: log_level is longer than 8 bytes"},
	    {"secret = short\n", "secret must have at least 32 characters"},
	    {"public_url = ftp://x\n", "public_url must begin with http:// or https://"},
	    {"public_url = https://x/\n",
		"public_url must be scheme://host[:port] without a path"},
	    {"public_url = https://\n",
		"public_url must be scheme://host[:port] without a path"},
	    {"base_path = api\n", "base_path must begin with / and not end with one"},
	    {"base_path = /api/\n", "base_path must begin with / and not end with one"},
	    {"base_path = /\n", "base_path must begin with / and not end with one"},
	    {"base_path =\n", "base_path must begin with / and not end with one"},
	};
	struct conf c;
	struct err e;

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
		assert_int_equal(parse(&c, rows[i].text, &e), -1);
		assert_int_equal(e.code, E_INTERNAL);
		assert_string_equal(e.text, rows[i].why);
		conf_free(&c);
	}
}

static void
long_lines_are_refused(void **state)
{
	char text[6000];
	struct conf c;
	struct err e;

	(void)state;
	memset(text, '#', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	assert_int_equal(parse(&c, text, &e), -1);
	assert_string_equal(e.text, "unit.conf:1: the line is too long");
	conf_free(&c);
}

/* A failure must not show what stands in a secret. */
static void
secrets_stay_secret(void **state)
{
	char *text = NULL;
	size_t len = 0;
	struct conf c;
	struct err e;
	FILE *f;

	(void)state;
	assert_int_equal(parse(&c, "secret = hunter2\n", &e), -1);
	assert_null(strstr(e.text, "hunter2"));
	conf_free(&c);
	f = open_memstream(&text, &len);
	conf_print(f);
	fclose(f);
	assert_non_null(strstr(text, "\nsecret\t\tsigns stream tickets"));
	assert_non_null(strstr(text, "body_max\t1048576\t"));
	assert_null(strstr(text, "user=dapur_app"));
	free(text);
}

static void
loads_files(void **state)
{
	char path[] = "/tmp/dapur-conf-XXXXXX";
	int fd = mkstemp(path);
	struct conf c;
	struct err e;

	(void)state;
	err_reset(&e);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "redis = none\n", 13), 13);
	close(fd);
	assert_int_equal(conf_load(&c, path, &e), 0);
	assert_string_equal(c.redis, "none");
	conf_free(&c);
	setenv("DAPUR_CONF", path, 1);
	assert_int_equal(conf_load(&c, NULL, &e), 0);
	assert_string_equal(c.redis, "none");
	conf_free(&c);
	unlink(path);
	assert_int_equal(conf_load(&c, NULL, &e), -1);
	assert_non_null(strstr(e.text, path));
	assert_int_equal(conf_load(&c, "/nowhere/dapur.conf", &e), -1);
	assert_non_null(strstr(e.text, "/nowhere/dapur.conf: "));
	unsetenv("DAPUR_CONF");
}

static void
origins(void **state)
{
	static const char *const good[] = {"https://dapur.example",
	    "HTTPS://Dapur.Example", "https://a.example", "https://b.example:8443"};
	static const char *const bad[] = {"", "null", "https://dapur.example.evil",
	    "http://dapur.example", "https://dapur.exampl", "https://dapur.example/",
	    "https://b.example", "https://a.example,",
	    "https://a.example, https://b.example:8443", ",", "https://"};
	struct conf c;
	struct err e;

	(void)state;
	assert_int_equal(
	    parse(&c,
		"public_url = https://dapur.example\n"
		"allowed_origins = ,https://a.example, https://b.example:8443 ,\n",
		&e),
	    0);
	for (size_t i = 0; i < N_ELEMENTS(good); i++)
		assert_true(conf_origin_allowed(&c, good[i]));
	for (size_t i = 0; i < N_ELEMENTS(bad); i++)
		assert_false(conf_origin_allowed(&c, bad[i]));
	conf_free(&c);
}

static void
own_pages(void **state)
{
	static const struct {
		const char *origin, *host;
		bool by_http,
		    by_https; /* whether it is one's own where public_url is so */
	} rows[] = {
	    {"https://k.test", "k.test", true, true},
	    {"HTTPS://K.test", "k.TEST", true, true},
	    {"http://k.test", "k.test", true, false},
	    {"http://k.test:8080", "k.test:8080", true, false},
	    {"https://k.test:8443", "k.test:8443", true, true},
	    {"https://[::1]:8443", "[::1]:8443", true, true},
	    /* default ports, and websocketd's 80 */
	    {"https://k.test", "k.test:443", true, true},
	    {"https://k.test", "k.test:80", true, true},
	    {"http://k.test", "k.test:80", true, false},
	    {"http://k.test", "k.test:443", false, false},
	    {"https://k.test", "k.test:8443", false, false},
	    {"https://k.test:80", "k.test", false, false},
	    {"https://k.test", "k.test:80:80", false, false},
	    {"https://k.test", "k.test.evil", false, false},
	    {"https://k.test.evil", "k.test", false, false},
	    {"https://k.test.evil", "k.test:80", false, false},
	    {"https://evil.test", "k.test", false, false},
	    {"https://k.test/", "k.test", false, false},
	    {"https://", "", false, false},
	    {"https://", ":80", false, false},
	    {"https://k.test", "", false, false},
	    {"", "", false, false},
	    {"null", "null", false, false},
	    {"k.test", "k.test", false, false},
	    {"ftp://k.test", "k.test", false, false},
	    {"xhttps://k.test", "k.test", false, false},
	};

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
		const struct conf http = {
		    .public_url = (char *)(uintptr_t) "http://other.test"};
		const struct conf https = {
		    .public_url = (char *)(uintptr_t) "https://other.test"};

		assert_int_equal(conf_origin_is_own(&http, rows[i].origin, rows[i].host),
		    rows[i].by_http);
		assert_int_equal(conf_origin_is_own(&https, rows[i].origin, rows[i].host),
		    rows[i].by_https);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(reads_lines),
	    cmocka_unit_test(defaults_are_good),
	    cmocka_unit_test(refuses),
	    cmocka_unit_test(long_lines_are_refused),
	    cmocka_unit_test(secrets_stay_secret),
	    cmocka_unit_test(loads_files),
	    cmocka_unit_test(origins),
	    cmocka_unit_test(own_pages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
