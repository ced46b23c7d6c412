#include "mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "banned.h"

/* A request seldom needs more: one block is kept from request to request. */
#define ARENA_BLOCK 16384

struct arena_block {
	struct arena_block *next;
	size_t cap;
	size_t len;
	_Alignas(max_align_t) char bytes[];
};

void
mem_exhausted(void)
{
	static const char msg[] = "dapur: out of memory\n";
	ssize_t ignored = write(STDERR_FILENO, msg, sizeof(msg) - 1);

	(void)ignored;
	_exit(EXIT_SYSTEM);
}

static void *
checked(void *p)
{
	if (!p)
		mem_exhausted();
	return p;
}

void *
xmalloc(size_t len)
{
	return checked(malloc(len ? len : 1));
}

void *
xcalloc(size_t n, size_t len)
{
	return checked(calloc(n ? n : 1, len ? len : 1));
}

void *
xrealloc(void *p, size_t len)
{
	return checked(realloc(p, len ? len : 1));
}

char *
xstrdup(const char *s)
{
	return checked(strdup(s));
}

static struct arena_block *
block_new(size_t cap)
{
	struct arena_block *b = xmalloc(sizeof(*b) + cap);

	b->next = NULL;
	b->cap = cap;
	b->len = 0;
	return b;
}

void *
arena_alloc(struct arena *a, size_t len)
{
	const size_t align = _Alignof(max_align_t);
	struct arena_block *b = a->last;
	void *p;

	len = (len + align - 1) / align * align;
	if (!b || b->cap - b->len < len) {
		b = block_new(len > ARENA_BLOCK ? len : ARENA_BLOCK);
		if (a->last)
			a->last->next = b;
		else
			a->first = b;
		a->last = b;
	}
	p = b->bytes + b->len;
	b->len += len;
	return p;
}

void *
arena_zalloc(struct arena *a, size_t len)
{
	return memset(arena_alloc(a, len), 0, len);
}

char *
arena_strndup(struct arena *a, const char *s, size_t len)
{
	char *p = arena_alloc(a, len + 1);

	memcpy(p, s, len);
	p[len] = '\0';
	return p;
}

char *
arena_strdup(struct arena *a, const char *s)
{
	return arena_strndup(a, s, strlen(s));
}

char *
arena_printf(struct arena *a, const char *fmt, ...)
{
	va_list ap, again;
	char *p;
	int len;

	va_start(ap, fmt);
	va_copy(again, ap);
	len = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	p = arena_alloc(a, (size_t)len + 1);
	vsnprintf(p, (size_t)len + 1, fmt, again);
	va_end(again);
	return p;
}

static void
free_from(struct arena_block *b)
{
	struct arena_block *next;

	for (; b; b = next) {
		next = b->next;
		free(b);
	}
}

void
arena_reset(struct arena *a)
{
	if (!a->first)
		return;
	free_from(a->first->next);
	a->first->next = NULL;
	a->last = a->first;
	if (a->first->cap > ARENA_BLOCK) { /* one huge request must not be remembered */
		free(a->first);
		a->first = a->last = NULL;
		return;
	}
	a->first->len = 0;
}

void
arena_free(struct arena *a)
{
	free_from(a->first);
	a->first = a->last = NULL;
}
