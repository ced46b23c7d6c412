/* Lines of the feed: ours by their head, foreign ones whole, a client's words. */
#include "line.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h> /* last: it has a macro called fail */

#define HEAD                                                                                             \
	"{\"type\":\"status_changed\",\"seq\":1042,\"position\":\"k3f9.1042\",\"topic\":\"production\"," \
	"\"sppgId\":\"sppg-\\\"a\""

static void
reads_the_head(void **state)
{
	const char *s = HEAD ",\"data\":{}}";
	struct line l;

	(void)state;
	assert_true(line_read(&l, s, strlen(s)));
	assert_int_equal(l.seq, 1042);
	assert_memory_equal(l.type, "status_changed", l.type_len);
	assert_memory_equal(l.epoch, "k3f9", l.epoch_len);
	assert_int_equal(l.epoch_len, 4);
	assert_memory_equal(l.topic, "production", l.topic_len);
	assert_memory_equal(l.sppg, "\"sppg-\\\"a\"", l.sppg_len);
	for (size_t len = 0; len < strlen(HEAD) + 1; len++)
		assert_false(line_read(&l, s, len));
}

static void
other_heads_are_foreign(void **state)
{
	static const char *const lines[] = {
	    "{\"type\":\"x\",\"data\":{}}",
	    "{\"seq\":1,\"type\":\"x\"}",
	    "{\"type\":\"x\",\"seq\":-1,\"position\":\"e.-1\",\"topic\":\"t\",\"sppgId\":\"s\"}",
	    "{\"type\":\"x\",\"seq\":1,\"position\":\"e.2\",\"topic\":\"t\",\"sppgId\":\"s\"}",
	    "{\"type\":\"x\",\"seq\":01,\"position\":\"e.01\",\"topic\":\"t\",\"sppgId\":\"s\"}",
	    "{\"type\":\"x\",\"seq\":1,\"position\":\".1\",\"topic\":\"t\",\"sppgId\":\"s\"}",
	    "{\"type\":\"x\",\"seq\":1,\"position\":\"e.1\",\"topic\":\"\",\"sppgId\":\"s\"}",
	    "{\"type\":\"x\",\"seq\":1,\"position\":\"e.1\",\"topic\":\"t\",\"sppgId\":s}",
	    /* one string: parentheses, or clang asks for a comma */
	    ("{\"type\":\"x\",\"seq\":9999999999999999999,\"position\":\"e.9999999999999999999\","
	     "\"topic\":\"t\",\"sppgId\":\"s\"}"),
	};
	struct line l;

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(lines); i++)
		assert_false(line_read(&l, lines[i], strlen(lines[i])));
}

static void
validates(void **state)
{
	static const char *const good[] = {
	    "{\"a\":\"\x7f\"}",
	    "{}",
	    "{\"a\":1}",
	    "{ \"a\" : [ 1 , -0.5e+3, true,false,null,\"\\u00e9\xc3\xa9\\n\" ] , \"b\" : {} }",
	    "{\"a\":0}",
	    HEAD ",\"data\":{\"x\":[[]]}}",
	};
	static const char *const bad[] = {
	    "",
	    "[]",
	    "1",
	    "{",
	    "{}}",
	    "{} ",
	    " {}",
	    "{}\n",
	    "{\"a\":1,}",
	    "{\"a\"}",
	    "{a:1}",
	    "{\"a\":01}",
	    "{\"a\":+1}",
	    "{\"a\":1.}",
	    "{\"a\":.5}",
	    "{\"a\":1e}",
	    "{\"a\":tru}",
	    "{\"a\":\"\n\"}",
	    "{\"a\":\"\\x\"}",
	    "{\"a\":\"\\u12g4\"}",
	    "{\"a\":\"\xc0\xaf\"}",
	    "{\"a\":\"\xed\xa0\x80\"}",
	    "{\"a\":\"\xf4\x90\x80\x80\"}",
	    "{\"a\":\"\xe2\x82\"}",
	    "{\"a\":\"\xff\"}",
	    "{\xc3\xa9:1}",
	    "{\"a\":[1}",
	    "{\"a\":\"x}",
	};
	char deep[400] = "{\"a\":";

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(good); i++)
		assert_true(line_valid(good[i], strlen(good[i])));
	for (size_t i = 0; i < N_ELEMENTS(bad); i++)
		assert_false(line_valid(bad[i], strlen(bad[i])));
	assert_false(line_valid("{\"a\":\"\0\"}", 9));
	memset(deep + 5, '[', 100);
	memset(deep + 105, ']', 100);
	deep[205] = '}';
	assert_false(line_valid(deep, 206));
}

static void
words(void **state)
{
	static const struct {
		const char *s;
		enum line_word word;
	} rows[] = {
	    {"PING", LINE_PING},
	    {"PING\r", LINE_PING},
	    {"ping", LINE_OTHER},
	    {"PINGS", LINE_OTHER},
	    {"", LINE_OTHER},
	    {"{\"type\":\"ping\"}", LINE_PING_JSON},
	    {"{\"t\": 1, \"type\" : \"ping\" , \"b\":[]}", LINE_PING_JSON},
	    {"{\"type\":\"pong\"}", LINE_OTHER},
	    {"{\"type\":\"ping\"", LINE_OTHER},
	    {"{\"a\":{\"type\":\"ping\"}}", LINE_OTHER},
	};

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(rows); i++)
		assert_int_equal(line_word(rows[i].s, strlen(rows[i].s)), rows[i].word);
}

static void
positions(void **state)
{
	static const char *const bad[] = {"", ".", "e.", ".1", "e.1x", "e.-1", "e.01",
	    "e 1", "e.1.2", "e.9999999999999999999",
	    "0123456789012345678901234567890123456789.1"};
	char text[POSITION_CAP];
	struct position p;

	(void)state;
	assert_true(position_read(&p, "k3f9.1042", 9));
	assert_string_equal(p.epoch, "k3f9");
	assert_int_equal(p.seq, 1042);
	position_text(text, &p);
	assert_string_equal(text, "k3f9.1042");
	assert_true(position_read(&p, "e.0", 3));
	for (size_t i = 0; i < N_ELEMENTS(bad); i++)
		assert_false(position_read(&p, bad[i], strlen(bad[i])));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(reads_the_head),
	    cmocka_unit_test(other_heads_are_foreign),
	    cmocka_unit_test(validates),
	    cmocka_unit_test(words),
	    cmocka_unit_test(positions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
