/* Log lines: levels, quoting, and that nobody's bytes forge a second line. */
#include "log.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char line[8192];

/* What one log_event() wrote. */
#define LOGGED(...) (begin(), log_event(__VA_ARGS__), end())

static int saved, file;

static void
begin(void)
{
	file = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	assert_true(file >= 0);
	saved = dup(STDERR_FILENO);
	dup2(file, STDERR_FILENO);
}

static const char *
end(void)
{
	ssize_t n;

	dup2(saved, STDERR_FILENO);
	close(saved);
	n = pread(file, line, sizeof(line) - 1, 0);
	close(file);
	assert_true(n >= 0);
	line[n] = '\0';
	return line;
}

static void
levels(void **state)
{
	(void)state;
	assert_int_equal(log_level("debug"), LOG_DEBUG);
	assert_int_equal(log_level("error"), LOG_ERROR);
	assert_int_equal(log_level("?"), LOG_INFO);
	log_open("unit", LOG_WARN);
	assert_string_equal(LOGGED(LOG_INFO, "quiet", NULL), "");
	assert_string_equal(LOGGED(LOG_WARN, "heard", NULL),
	    "level=warn prog=unit event=heard\n");
	log_open("unit", LOG_DEBUG);
}

static void
values(void **state)
{
	static const struct {
		const char *value, *text;
	} rows[] = {
	    {"plain", "plain"},
	    {"", "\"\""},
	    {"two words", "\"two words\""},
	    {"a=b", "\"a=b\""},
	    {"say \"hi\"", "\"say \\\"hi\\\"\""},
	    {"back\\slash", "\"back\\\\slash\""},
	    {"x\nlevel=error", "\"x\\x0alevel=error\""},
	    {"\x1b[31m\x7f", "\"\\x1b[31m\\x7f\""},
	    {"\xc3\xa9", "\xc3\xa9"},
	    {"\xc2\xa0", "\xc2\xa0"},
	    {"\xf0\x9f\x8d\x9b", "\xf0\x9f\x8d\x9b"}, /* its bytes 9f, 8d, 9b are no C1 */
	    {"a\xc2\x9b"
	     "31mb",
		"\"a\\xc2\\x9b31mb\""}, /* CSI in UTF-8 */
	    {"\xc2\x80\xc2\x9f", "\"\\xc2\\x80\\xc2\\x9f\""},
	    {"a\x9b"
	     "31m",
		"\"a\\x9b31m\""},                    /* CSI in one byte */
	    {"\xc3\xa9\xff", "\"\\xc3\\xa9\\xff\""}, /* no UTF-8: all of it */
	    {"\xc2", "\"\\xc2\""},
	};
	char expected[200];

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
		snprintf(expected, sizeof(expected),
		    "level=info prog=unit event=e key=%s n=-7\n", rows[i].text);
		assert_string_equal(LOGGED(LOG_INFO, "e", "key", rows[i].value, "gone",
					(char *)NULL, "n", log_num(-7), NULL),
		    expected);
	}
}

static void
long_lines_are_cut(void **state)
{
	char huge[9000];
	size_t len;

	(void)state;
	memset(huge, '\n', sizeof(huge) - 1);
	huge[sizeof(huge) - 1] = '\0';
	len = strlen(LOGGED(LOG_INFO, "e", "key", huge, "more", huge, NULL));
	assert_int_equal(len, 2048);
	assert_int_equal(strcspn(line, "\n"), len - 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(levels),
	    cmocka_unit_test(values),
	    cmocka_unit_test(long_lines_are_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
