#include "log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "text.h"

#include "banned.h"

/* A line up to PIPE_BUF is written whole, whatever else writes to the same pipe. */
#define LINE_MAX_LEN 2048

static const char *prog_name = "dapur";
static enum log_level least_level = LOG_INFO;

void
log_open(const char *prog, enum log_level least)
{
	prog_name = prog;
	least_level = least;
}

static const char *const names[] = {"debug", "info", "warn", "error"};

enum log_level
log_level(const char *name)
{
	for (enum log_level l = LOG_DEBUG; l <= LOG_ERROR; l++)
		if (strcmp(names[l], name) == 0)
			return l;
	return LOG_INFO;
}

const char *
log_num(long long n)
{
	static char texts[8][24];
	static unsigned next;
	char *s = texts[next++ % 8];

	snprintf(s, sizeof(texts[0]), "%lld", n);
	return s;
}

struct line {
	char bytes[LINE_MAX_LEN];
	size_t len;
};

static void
add(struct line *l, const char *s, size_t len)
{
	size_t room = sizeof(l->bytes) - 1 - l->len; /* one byte stays for the newline */

	if (len > room)
		len = room;
	memcpy(l->bytes + l->len, s, len);
	l->len += len;
}

/* Whether a control character begins at s: C0, DEL, or C1 (U+0080 to U+009F, two bytes). In what is no UTF-8 any high byte
 * may be C1. */
static bool
is_control(const char *s, bool utf8)
{
	const unsigned char *p = (const unsigned char *)s;

	if (p[0] < 0x20 || p[0] == 0x7f || (p[0] >= 0x80 && !utf8))
		return true;
	return p[0] == 0xc2 && p[1] < 0xa0;
}

static void
add_hex(struct line *l, char byte)
{
	static const char hex[] = "0123456789abcdef";
	unsigned char c = (unsigned char)byte;
	char esc[4] = {'\\', 'x', hex[c >> 4], hex[c & 15]};

	add(l, esc, sizeof(esc));
}

static void
add_value(struct line *l, const char *s)
{
	bool utf8 = text_utf8_valid(s, strlen(s));

	if (s[0] && !s[strcspn(s, " \"=\\")]) {
		const char *p = s;

		while (*p && !is_control(p, utf8))
			p++;
		if (!*p) {
			add(l, s, strlen(s));
			return;
		}
	}
	add(l, "\"", 1);
	for (; *s; s++) {
		if (*s == '"' || *s == '\\') {
			add(l, "\\", 1);
			add(l, s, 1);
		} else if (is_control(s, utf8)) {
			add_hex(l, *s);
			if (utf8 && (unsigned char)*s == 0xc2)
				add_hex(l, *++s);
		} else {
			add(l, s, 1);
		}
	}
	add(l, "\"", 1);
}

void
log_event(enum log_level level, const char *event, ...)
{
	struct line l = {.len = 0};
	const char *key;
	ssize_t ignored;
	va_list ap;

	if (level < least_level)
		return;
	add(&l, "level=", 6);
	add(&l, names[level], strlen(names[level]));
	add(&l, " prog=", 6);
	add(&l, prog_name, strlen(prog_name));
	add(&l, " event=", 7);
	add_value(&l, event);
	va_start(ap, event);
	while ((key = va_arg(ap, const char *))) {
		const char *value = va_arg(ap, const char *);

		if (!value)
			continue;
		add(&l, " ", 1);
		add(&l, key, strlen(key));
		add(&l, "=", 1);
		add_value(&l, value);
	}
	va_end(ap);
	l.bytes[l.len++] = '\n';
	ignored = write(STDERR_FILENO, l.bytes, l.len);
	(void)ignored;
}
