/* Any bytes from Redis or a client: the line parsers agree with each other and stay inside. */
#include "line.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	const char *s = (const char *)bytes;
	char text[POSITION_CAP];
	struct position p;
	struct line l;
	bool valid = line_valid(s, len);

	if (line_read(&l, s, len)) {
		assert(l.seq >= 0 && l.epoch_len > 0 && l.epoch_len < EPOCH_CAP);
		assert(l.sppg > s && l.sppg + l.sppg_len <= s + len);
	}
	if (valid)
		assert(!memchr(s, '\n', len) && !memchr(s, '\0', len) && s[0] == '{' &&
		    s[len - 1] == '}');
	if (line_word(s, len) == LINE_PING_JSON && s[len - 1] == '}')
		assert(valid);
	if (position_read(&p, s, len)) {
		position_text(text, &p);
		assert(strlen(text) == len && memcmp(text, s, len) == 0);
	}
	return 0;
}
