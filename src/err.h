/*
 * err.h: how a function says what went wrong.
 *
 * Whatever can fail returns int 0 or -1, is MUST_CHECK and takes `struct err *e` last. The caller of
 * main level logs; everything below returns. Out of memory ends the process (mem.h).
 */
#ifndef DAPUR_ERR_H
#define DAPUR_ERR_H

#include "base.h"

enum err_code {
	E_OK = 0,
#define ERROR(sym, http, rpc, key, text) E_##sym,
#include "errors.def"
#undef ERROR
	E_COUNT
};

enum {
	ERR_TEXT = 256,   /* bytes of a sentence for people */
	ERR_DETAIL = 512, /* bytes for the log alone */
	ERR_FIELDS = 32,  /* faults reported at once */
};

/* One fault of one input field: where (a JSON path), what (a machine code), a sentence. */
struct err_field {
	char path[64];
	char code[32];
	char message[128];
};

struct err {
	enum err_code code;
	char text[ERR_TEXT];     /* shown to the caller: lower case, no full stop */
	char detail[ERR_DETAIL]; /* for the log: never shown; no secrets */
	unsigned retry_after_s;  /* > 0: the Retry-After of the reply */
	const char *allow;       /* E_METHOD_NOT_ALLOWED: the Allow header */
	size_t n_fields;
	struct err_field fields[ERR_FIELDS];
};

/* A row of errors.def. */
struct err_info {
	const char *name; /* "NOT_FOUND" */
	int http_status;
	int rpc_code;
	const char *rpc_key;
	const char *text;
};

void err_reset(struct err *e);
const struct err_info *err_info(enum err_code code);

/* Sets code and sentence and returns -1, so that `return fail(e, ...)` reads well.
 * fmt NULL: the row's own text. */
int fail(struct err *e, enum err_code code, const char *fmt, ...) PRINTF(3, 4);

/* As fail(), with a detail that only the log sees. */
int fail_detail(struct err *e, enum err_code code, const char *fmt, ...) PRINTF(3, 4);

/* Adds one field's fault and makes e E_INVALID; faults over ERR_FIELDS are dropped. Returns -1. */
int fail_field(struct err *e, const char *path, const char *code, const char *fmt, ...)
    PRINTF(4, 5);

#endif
