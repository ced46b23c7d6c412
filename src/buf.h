/*
 * buf.h: growing bytes with a cap.
 *
 * A buf owns its bytes (heap). Appending past the cap sets `overflow` and drops the append whole;
 * the owner looks once at the end. The bytes are always NUL-terminated for printing.
 */
#ifndef DAPUR_BUF_H
#define DAPUR_BUF_H

#include "base.h"

struct buf {
	char *bytes;
	size_t len;
	size_t alloc;
	size_t cap;    /* most bytes it may hold; 0 = no limit */
	bool overflow; /* an append did not fit */
};

void buf_init(struct buf *b, size_t cap);
void buf_free(struct buf *b);
void buf_reset(struct buf *b); /* empty, memory kept up to 64 KiB */
void buf_add(struct buf *b, const void *p, size_t len);
void buf_addc(struct buf *b, char c);
void buf_adds(struct buf *b, const char *s);
void buf_printf(struct buf *b, const char *fmt, ...) PRINTF(2, 3);
void buf_add_json(struct buf *b, const char *s,
    size_t len);                          /* a quoted JSON string; s is UTF-8 */
void buf_drop(struct buf *b, size_t len); /* removes the first len bytes */

#endif
