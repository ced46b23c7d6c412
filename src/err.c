#include "err.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "banned.h"

static const struct err_info infos[E_COUNT] = {
    [E_OK] = {"OK", 200, 0, "OK", ""},
#define ERROR(sym, http, rpc, key, txt) [E_##sym] = {#sym, http, rpc, key, txt},
#include "errors.def"
#undef ERROR
};

const struct err_info *
err_info(enum err_code code)
{
	assert(code < E_COUNT);
	return &infos[code];
}

void
err_reset(struct err *e)
{
	e->code = E_OK;
	e->text[0] = '\0';
	e->detail[0] = '\0';
	e->retry_after_s = 0;
	e->allow = NULL;
	e->n_fields = 0;
}

/* A sentence that was cut must not end inside a UTF-8 sequence. */
static void
trim_utf8(char *s, size_t cap)
{
	size_t len = strlen(s), i = len;

	if (len + 1 < cap)
		return;
	while (i && ((unsigned char)s[i - 1] & 0xc0) == 0x80)
		i--;
	if (i && ((unsigned char)s[i - 1] & 0x80))
		s[i - 1] = '\0';
}

int
fail(struct err *e, enum err_code code, const char *fmt, ...)
{
	va_list ap;

	e->code = code;
	if (!fmt) {
		snprintf(e->text, sizeof(e->text), "%s", err_info(code)->text);
		return -1;
	}
	va_start(ap, fmt);
	vsnprintf(e->text, sizeof(e->text), fmt, ap);
	va_end(ap);
	trim_utf8(e->text, sizeof(e->text));
	return -1;
}

int
fail_detail(struct err *e, enum err_code code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(e->detail, sizeof(e->detail), fmt, ap);
	va_end(ap);
	return fail(e, code, NULL);
}

int
fail_field(struct err *e, const char *path, const char *code, const char *fmt, ...)
{
	struct err_field *f;
	va_list ap;

	if (e->code != E_INVALID) {
		e->n_fields = 0;
		(void)fail(e, E_INVALID, NULL);
	}
	if (e->n_fields == ERR_FIELDS)
		return -1;
	f = &e->fields[e->n_fields++];
	snprintf(f->path, sizeof(f->path), "%s", path);
	snprintf(f->code, sizeof(f->code), "%s", code);
	va_start(ap, fmt);
	vsnprintf(f->message, sizeof(f->message), fmt, ap);
	va_end(ap);
	trim_utf8(f->path, sizeof(f->path));
	trim_utf8(f->message, sizeof(f->message));
	return -1;
}
