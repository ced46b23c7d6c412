#include "text.h"

#include "banned.h"

static int
hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

bool
text_decode_into(char *ret, size_t cap, const char *s, size_t len, bool plus)
{
	size_t n = 0;

	for (size_t i = 0; i < len; i++) {
		char c = s[i];

		if (c == '+' && plus)
			c = ' ';
		if (c == '%') {
			int high, low;

			if (len - i < 3)
				return false;
			high = hex_value(s[i + 1]);
			low = hex_value(s[i + 2]);
			if (high < 0 || low < 0)
				return false;
			c = (char)(high << 4 | low);
			i += 2;
		}
		if (c == '\0' || n + 1 >= cap)
			return false;
		ret[n++] = c;
	}
	if (n >= cap)
		return false;
	ret[n] = '\0';
	return true;
}

char *
text_decode(struct arena *a, const char *s, size_t len, bool plus)
{
	char *out = arena_alloc(a, len + 1);

	return text_decode_into(out, len + 1, s, len, plus) ? out : NULL;
}

bool
text_utf8_valid(const char *s, size_t len)
{
	const unsigned char *p = (const unsigned char *)s, *end = p + len;

	while (p < end) {
		unsigned c = *p++;
		unsigned more = c < 0x80    ? 0
		    : c >= 0xc2 && c < 0xe0 ? 1
		    : (c & 0xf0) == 0xe0    ? 2
					    : 3;

		if (c < 0x80)
			continue;
		if (c < 0xc2 || c > 0xf4 || (size_t)(end - p) < more)
			return false;
		/* overlong forms, surrogates, beyond U+10FFFF (RFC 3629 section 4) */
		if ((c == 0xe0 && p[0] < 0xa0) || (c == 0xed && p[0] > 0x9f) ||
		    (c == 0xf0 && p[0] < 0x90) || (c == 0xf4 && p[0] > 0x8f))
			return false;
		for (; more; more--)
			if ((*p++ & 0xc0) != 0x80)
				return false;
	}
	return true;
}

size_t
text_chars(const char *s)
{
	size_t n = 0;

	for (; *s; s++)
		n += ((unsigned char)*s & 0xc0) != 0x80;
	return n;
}
