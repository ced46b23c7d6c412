/*
 * mem.h: memory that cannot fail, and the request's arena.
 *
 * xmalloc() and friends log and exit 111 when memory is out: the supervisor restarts the worker, the
 * transaction rolls back. An arena owns everything that lives as long as one request; nothing
 * in it is freed alone, arena_reset() frees it all and keeps the first block.
 */
#ifndef DAPUR_MEM_H
#define DAPUR_MEM_H

#include "base.h"

void *xmalloc(size_t len);
void *xcalloc(size_t n, size_t len);
void *xrealloc(void *p, size_t len);
char *xstrdup(const char *s);

/* Says so on stderr and exits 111: for libraries that allocate by themselves. */
void mem_exhausted(void) NORETURN;

struct arena_block;

struct arena {
	struct arena_block *first;
	struct arena_block *last;
};

void *arena_alloc(struct arena *a, size_t len); /* aligned for any type, not zeroed */
void *arena_zalloc(struct arena *a, size_t len);
char *arena_strndup(struct arena *a, const char *s, size_t len); /* NUL-terminated copy */
char *arena_strdup(struct arena *a, const char *s);
char *arena_printf(struct arena *a, const char *fmt, ...) PRINTF(2, 3);
void arena_reset(struct arena *a);
void arena_free(struct arena *a);

#endif
