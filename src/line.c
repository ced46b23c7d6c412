#include "line.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "text.h"

#include "banned.h"

#define SEQ_DIGITS 18 /* fits long long, whatever the digits */

struct cursor {
	const char *p, *end;
};

static bool
skip(struct cursor *c, const char *word)
{
	size_t len = strlen(word);

	if ((size_t)(c->end - c->p) < len || memcmp(c->p, word, len) != 0)
		return false;
	c->p += len;
	return true;
}

/* A run of letters, digits and _ of at most cap - 1 bytes, to be followed by what comes next. */
static bool
take_word(struct cursor *c, size_t cap, const char **ret, size_t *ret_len)
{
	const char *from = c->p;

	while (c->p < c->end && (isalnum((unsigned char)*c->p) || *c->p == '_'))
		c->p++;
	*ret = from;
	*ret_len = (size_t)(c->p - from);
	return *ret_len > 0 && *ret_len < cap;
}

static bool
take_seq(struct cursor *c, long long *ret)
{
	const char *from = c->p;
	long long n = 0;

	while (c->p < c->end && isdigit((unsigned char)*c->p)) {
		if (c->p - from == SEQ_DIGITS)
			return false;
		n = n * 10 + (*c->p++ - '0');
	}
	if (c->p == from || (*from == '0' && c->p - from > 1))
		return false; /* one spelling for each number */
	*ret = n;
	return true;
}

static bool
escape(struct cursor *c)
{
	if (c->p == c->end)
		return false;
	if (*c->p != 'u')
		return *c->p && strchr("\"\\/bfnrt", *c->p++);
	if (c->end - c->p < 5)
		return false;
	for (int i = 1; i <= 4; i++)
		if (!isxdigit((unsigned char)c->p[i]))
			return false;
	c->p += 5;
	return true;
}

static bool
string(struct cursor *c)
{
	if (!skip(c, "\""))
		return false;
	while (c->p < c->end) {
		unsigned char ch = (unsigned char)*c->p;

		if (ch == '"') {
			c->p++;
			return true;
		}
		if (ch < 0x20)
			return false;
		if (ch == '\\') {
			c->p++;
			if (!escape(c))
				return false;
			continue;
		}
		c->p++;
	}
	return false;
}

static bool
digits(struct cursor *c)
{
	const char *from = c->p;

	while (c->p < c->end && isdigit((unsigned char)*c->p))
		c->p++;
	return c->p > from;
}

static bool
number(struct cursor *c)
{
	skip(c, "-");
	if (!skip(c, "0") && !digits(c))
		return false;
	if (skip(c, ".") && !digits(c))
		return false;
	if (skip(c, "e") || skip(c, "E")) {
		if (!skip(c, "+"))
			skip(c, "-");
		return digits(c);
	}
	return true;
}

static void
space(struct cursor *c)
{
	while (c->p < c->end && *c->p == ' ')
		c->p++;
}

static bool value(struct cursor *c, int depth);

static bool
member(struct cursor *c, int depth)
{
	space(c);
	if (!string(c))
		return false;
	space(c);
	return skip(c, ":") && value(c, depth);
}

static bool
items(struct cursor *c, bool object, int depth)
{
	const char *close = object ? "}" : "]";

	if (depth > LINE_DEPTH_MAX)
		return false;
	space(c);
	if (skip(c, close))
		return true;
	do {
		if (!(object ? member(c, depth) : value(c, depth)))
			return false;
		space(c);
	} while (skip(c, ","));
	return skip(c, close);
}

static bool
value(struct cursor *c, int depth)
{
	space(c);
	if (c->p == c->end)
		return false;
	switch (*c->p) {
	case '{':
		c->p++;
		return items(c, true, depth + 1);
	case '[':
		c->p++;
		return items(c, false, depth + 1);
	case '"':
		return string(c);
	case 't':
		return skip(c, "true");
	case 'f':
		return skip(c, "false");
	case 'n':
		return skip(c, "null");
	default:
		return number(c);
	}
}

bool
line_valid(const char *s, size_t len)
{
	struct cursor c = {s, s + len};

	return text_utf8_valid(s, len) && skip(&c, "{") && items(&c, true, 1) &&
	    c.p == c.end;
}

bool
line_read(struct line *ret, const char *s, size_t len)
{
	struct cursor c = {s, s + len};
	struct line l;
	long long again;

	if (!skip(&c, "{\"type\":\"") || !take_word(&c, 65, &l.type, &l.type_len))
		return false;
	if (!skip(&c, "\",\"seq\":") || !take_seq(&c, &l.seq))
		return false;
	if (!skip(&c, ",\"position\":\"") ||
	    !take_word(&c, EPOCH_CAP, &l.epoch, &l.epoch_len))
		return false;
	if (!skip(&c, ".") || !take_seq(&c, &again) || again != l.seq)
		return false;
	if (!skip(&c, "\",\"topic\":\"") || !take_word(&c, 33, &l.topic, &l.topic_len))
		return false;
	if (!skip(&c, "\",\"sppgId\":"))
		return false;
	l.sppg = c.p;
	if (!string(&c))
		return false;
	l.sppg_len = (size_t)(c.p - l.sppg);
	if (!skip(&c, ",") && !skip(&c, "}"))
		return false;
	*ret = l;
	return true;
}

/* Whether the object has a member "type":"ping". */
static bool
is_ping(const char *s, size_t len)
{
	struct cursor c = {s, s + len};

	if (!line_valid(s, len))
		return false;
	skip(&c, "{");
	do {
		space(&c);
		if (skip(&c, "\"type\"")) {
			space(&c);
			if (!skip(&c, ":"))
				return false;
			space(&c);
			return skip(&c, "\"ping\"");
		}
		if (!member(&c, 1))
			return false;
		space(&c);
	} while (skip(&c, ","));
	return false;
}

enum line_word
line_word(const char *s, size_t len)
{
	while (len && (s[len - 1] == '\r' || s[len - 1] == ' '))
		len--;
	if (len == 4 && memcmp(s, "PING", 4) == 0)
		return LINE_PING;
	return is_ping(s, len) ? LINE_PING_JSON : LINE_OTHER;
}

bool
position_read(struct position *ret, const char *s, size_t len)
{
	struct cursor c = {s, s + len};
	const char *epoch;
	size_t epoch_len;
	long long seq;

	if (!take_word(&c, EPOCH_CAP, &epoch, &epoch_len) || !skip(&c, ".") ||
	    !take_seq(&c, &seq) || c.p != c.end)
		return false;
	memcpy(ret->epoch, epoch, epoch_len);
	ret->epoch[epoch_len] = '\0';
	ret->seq = seq;
	return true;
}

void
position_text(char ret_text[POSITION_CAP], const struct position *p)
{
	snprintf(ret_text, POSITION_CAP, "%s.%lld", p->epoch, p->seq);
}
