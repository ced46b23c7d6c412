#include "buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"

#include "banned.h"

/* Memory kept by buf_reset(): larger replies are rare and must not stay in every worker. */
#define KEEP 65536

void
buf_init(struct buf *b, size_t cap)
{
	*b = (struct buf){.cap = cap};
}

void
buf_free(struct buf *b)
{
	free(b->bytes);
	buf_init(b, b->cap);
}

void
buf_reset(struct buf *b)
{
	if (b->alloc > KEEP) {
		buf_free(b);
		return;
	}
	b->len = 0;
	b->overflow = false;
	if (b->bytes)
		b->bytes[0] = '\0';
}

static bool
make_room(struct buf *b, size_t len)
{
	size_t want;

	if (b->cap && (len > b->cap || b->len > b->cap - len)) {
		b->overflow = true;
		return false;
	}
	want = b->len + len + 1;
	if (want <= b->alloc)
		return true;
	want = want < 256 ? 256 : want + want / 2;
	b->bytes = xrealloc(b->bytes, want);
	b->alloc = want;
	return true;
}

void
buf_add(struct buf *b, const void *p, size_t len)
{
	if (!make_room(b, len))
		return;
	if (len)
		memcpy(b->bytes + b->len, p, len);
	b->len += len;
	b->bytes[b->len] = '\0';
}

void
buf_addc(struct buf *b, char c)
{
	buf_add(b, &c, 1);
}

void
buf_adds(struct buf *b, const char *s)
{
	buf_add(b, s, strlen(s));
}

void
buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list ap, again;
	int len;

	va_start(ap, fmt);
	va_copy(again, ap);
	len = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (len >= 0 && make_room(b, (size_t)len)) {
		vsnprintf(b->bytes + b->len, (size_t)len + 1, fmt, again);
		b->len += (size_t)len;
	}
	va_end(again);
}

void
buf_add_json(struct buf *b, const char *s, size_t len)
{
	size_t from = 0;

	buf_addc(b, '"');
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)s[i];

		if (c >= 0x20 && c != '"' && c != '\\')
			continue;
		buf_add(b, s + from, i - from);
		from = i + 1;
		if (c == '"' || c == '\\') {
			buf_addc(b, '\\');
			buf_addc(b, (char)c);
			continue;
		}
		buf_printf(b, "\\u%04x", c);
	}
	buf_add(b, s + from, len - from);
	buf_addc(b, '"');
}

void
buf_drop(struct buf *b, size_t len)
{
	if (len >= b->len) {
		b->len = 0;
	} else {
		memmove(b->bytes, b->bytes + len, b->len - len);
		b->len -= len;
	}
	if (b->bytes)
		b->bytes[b->len] = '\0';
}
